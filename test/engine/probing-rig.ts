import type { ProbeFailure } from '../../src/core/event.ts';
import { describeProbeFailure } from '../../src/words/probe.ts';
import type { Probe } from '../../src/core/service.ts';
import type { NotifyFeed, NotifyState } from '../../src/ports/backend.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { ConcreteCheck, Prober, ProbeResult } from '../../src/ports/probes.ts';
import { ProbeRunner, type ProbedRun, type Probes } from '../../src/engine/instance/probes.ts';
import { settled } from '../rig/fake-clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Like `FakeClock`, and can pass time in which nobody runs: what fell due meanwhile fires late, all at once. */
export class StallingClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now;
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get armed(): number {
    return this.#timers.size;
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (await this.#fireNext(end));
    this.#now = end;
  }

  /** The process is stopped for so long. */
  async stall(ms: number): Promise<void> {
    this.#now += ms;
    await this.pass(0);
  }

  async #fireNext(end: number): Promise<boolean> {
    const [next] = [...this.#timers]
      .filter((t) => t.at <= end)
      .sort((a, b) => a.at - b.at || a.order - b.order);
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#now = Math.max(this.#now, next.at);
    next.fire();
    await settled();
    return true;
  }
}

interface ScriptedLook {
  readonly at: number;
  readonly check: ConcreteCheck;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly answer: (result: ProbeResult) => void;
}

export const OK: ProbeResult = { ok: true, output: 'fine' };
export const FAILED: ProbeResult = { ok: false, output: 'no good' };

/** Answers each look as the test says: with `next`, or, where that says nothing, when `answer` is called. */
export class ScriptedProber implements Prober {
  readonly looks: ScriptedLook[] = [];
  /** PollingProbe that are under way now, and the most there were at a time. */
  active = 0;
  most = 0;
  next: (nth: number) => ProbeResult | undefined = () => OK;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  look(check: ConcreteCheck, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    this.active += 1;
    this.most = Math.max(this.most, this.active);
    return new Promise((resolve) => {
      const answer = (result: ProbeResult): void => {
        this.active -= 1;
        resolve(result);
      };
      this.looks.push({ at: this.#clock.now(), check, timeoutMs, signal, answer });
      const given = this.next(this.looks.length - 1);
      if (given !== undefined) answer(given);
    });
  }

  get times(): readonly number[] {
    return this.looks.map(({ at }) => at);
  }

  get last(): ScriptedLook {
    const look = this.looks.at(-1);
    if (look === undefined) throw new Error('there was no look');
    return look;
  }
}

/** Lines of one run, written when the test says. */
export class ScriptedLines {
  readonly lines: string[] = [];
  /** What was read of which stream, and by how many readers at present. */
  readonly opened: (string | undefined)[] = [];
  reading = 0;
  read = 0;
  #wake: () => void = () => {};

  write(...lines: readonly string[]): void {
    this.lines.push(...lines);
    this.#wake();
  }

  async *runLines(
    _instance: string,
    _run: string,
    stream: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    this.opened.push(stream);
    this.reading += 1;
    signal.addEventListener('abort', () => this.#wake());
    try {
      for (let i = 0; !signal.aborted;) {
        const line = this.lines[i];
        if (line === undefined) {
          await new Promise<void>((resolve) => {
            const others = this.#wake;
            this.#wake = () => {
              others();
              resolve();
            };
          });
          continue;
        }
        i += 1;
        this.read += 1;
        yield line;
      }
    } finally {
      this.reading -= 1;
    }
  }
}

export class ScriptedFeed implements NotifyFeed {
  #state: NotifyState = {
    ready: false,
    reloading: false,
    stopping: false,
    pings: 0,
    triggers: 0,
    extensions: 0,
  };
  readonly #listeners = new Set<() => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  current(): NotifyState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  say(change: Partial<NotifyState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  ping(): void {
    this.say({ pings: this.#state.pings + 1 });
  }
}

export function probe(check: Probe['check'], change: Partial<Probe> = {}): Probe {
  return { check, intervalMs: 2_000, timeoutMs: 1_000, retries: 3, startPeriodMs: 0, success: 1, ...change };
}

export function tcp(change: Partial<Probe> = {}): Probe {
  return probe({ kind: 'tcp', host: '127.0.0.1', port: '5432' }, change);
}

export interface Rig {
  readonly clock: StallingClock;
  readonly prober: ScriptedProber;
  readonly logs: ScriptedLines;
  readonly probing: ProbeRunner;
  /** What the host was told, `changed` aside, in order. */
  readonly told: string[];
  /** How often `changed` was called. */
  changes: number;
  /** Called with each thing told. */
  onTold: (what: string) => void;
}

/** A probing that has not begun. `hunter2` is a secret. */
export function rig(probes: Probes, change: Partial<ProbedRun> = {}): Rig {
  const clock = new StallingClock();
  const prober = new ScriptedProber(clock);
  const logs = new ScriptedLines();
  const told: string[] = [];
  const tell = (what: string): void => {
    told.push(what);
    made.onTold(what);
  };
  const host = {
    ready: () => tell('ready'),
    unready: (reason: ProbeFailure) => tell(`unready: ${describeProbeFailure(reason)}`),
    unhealthy: (reason: ProbeFailure) => tell(`unhealthy: ${describeProbeFailure(reason)}`),
    seen: (pattern: string) => tell(`seen ${pattern}`),
    probed: (has: boolean) => tell(has ? 'probed' : 'not probed'),
    changed: () => void (made.changes += 1),
    masked: (text: string) => text.replaceAll('hunter2', '***'),
  };
  const run: ProbedRun = {
    instance: 'web.1',
    run: 'run-1',
    context: { service: 'web', number: 1 },
    onMachine: change.context ?? { service: 'web', number: 1 },
    cwd: '/srv',
    env: { PATH: '/bin' },
    startedAt: 0,
    wasReady: false,
    patterns: [],
    ...change,
  };
  const probing = new ProbeRunner({ clock, prober, logs }, host, run, probes);
  const made: Rig = { clock, prober, logs, probing, told, changes: 0, onTold: () => {} };
  return made;
}
