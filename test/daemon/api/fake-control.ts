import type {
  ActionRequest,
  ApplyRequest,
  DaemonInfo,
  DownRequest,
  ExecCommand,
  LogLine,
  LogQuery,
  ProjectSnapshot,
  ReloadRequest,
  ReviewRequest,
  StatsResponse,
  TimelineResponse,
  WatchItem,
} from '../../../src/core/api.ts';
import type { ProjectEvent, ProjectEventBody } from '../../../src/core/event.ts';
import type { Exit } from '../../../src/core/exit.ts';
import { err, ok, type Result } from '../../../src/core/util/result.ts';
import type { ExecOutput, ExecSession } from '../../../src/ports/backend.ts';
import type { Control, ControlResult, LeaseHold } from '../../../src/ports/control.ts';

export const INFO: DaemonInfo = {
  version: '0.1.0',
  api: 1,
  pid: 4711,
  startedAt: 1_700_000_000_000,
  project: 'shop',
  manifest: '/home/me/shop/setpoint.yaml',
  stateDir: '/home/me/.local/state/setpoint/shop-1',
};

const SERVICE = {
  id: 'web',
  labels: {},
  backend: 'native',
  backendReason: 'the only one',
  replicas: 1,
  dependsOn: [],
  inManifest: true,
  restart: 'on-failure',
  backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 60_000 },
  instances: [
    {
      id: 'web.1',
      service: 'web',
      number: 1,
      wanted: 'up',
      state: { kind: 'running', run: 'r1', pid: 77, since: 1_700_000_000_100 },
      restarts: 0,
      ports: { http: 8080 },
    },
  ],
} as const satisfies ProjectSnapshot['services'][number];

export const STATS: StatsResponse = {
  at: 1_700_000_001_000,
  instances: [
    {
      service: 'web',
      instance: 'web.1',
      cpuPercent: 12.5,
      cpuMs: 1500,
      memoryBytes: 4096,
      processes: 2,
      threads: 5,
      openFiles: 9,
      uptimeMs: 900,
    },
  ],
  daemon: { cpuPercent: 0.1, cpuMs: 250, memoryBytes: 8192, openFiles: 20 },
};

export const TIMELINE: TimelineResponse = {
  beganAt: 1_700_000_000_000,
  doneAt: 1_700_000_000_300,
  rows: [
    {
      service: 'web',
      instance: 'web.1',
      wantedAt: 1_700_000_000_000,
      startedAt: 1_700_000_000_100,
      doneAt: 1_700_000_000_300,
      doneAs: 'ready',
      waitedFor: [{ service: 'db', condition: 'ready', until: 1_700_000_000_090 }],
      critical: true,
    },
  ],
  now: 1_700_000_001_000,
};

/** A command that does as the test says. */
export class FakeSession implements ExecSession {
  readonly written: string[] = [];
  readonly sizes: (readonly [number, number])[] = [];
  inputEnded = false;
  closed = false;
  readonly exited: Promise<Exit>;
  end: (exit: Exit) => void = () => {};
  readonly #waiting: ExecOutput[] = [];
  #over = false;
  #wake: () => void = () => {};

  constructor() {
    this.exited = new Promise((resolve) => {
      this.end = (exit) => {
        this.#over = true;
        this.#wake();
        resolve(exit);
      };
    });
  }

  get output(): AsyncIterable<ExecOutput> {
    return this.#read();
  }

  say(text: string, stream: ExecOutput['stream'] = 'stdout'): void {
    this.#waiting.push({ stream, data: Buffer.from(text) });
    this.#wake();
  }

  write(data: Uint8Array): Promise<void> {
    if (this.#over) return Promise.reject(new Error('the command has ended'));
    this.written.push(Buffer.from(data).toString());
    return Promise.resolve();
  }

  endInput(): void {
    this.inputEnded = true;
  }

  resize(columns: number, rows: number): Promise<boolean> {
    this.sizes.push([columns, rows]);
    return Promise.resolve(columns < 1_000);
  }

  close(): void {
    this.closed = true;
    this.end({ kind: 'unknown', why: 'closed' });
  }

  async *#read(): AsyncGenerator<ExecOutput> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#over) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A project that does as the test says and notes what it was asked. */
export class FakeControl implements Control {
  readonly asked: unknown[] = [];
  readonly listeners = new Set<(item: WatchItem) => void>();
  readonly journal: ProjectEvent[] = [];
  readonly released: boolean[] = [];
  revision = 1;
  /** How often the snapshot was asked for. */
  snapshots = 0;
  leased = false;
  /** More text in every snapshot. */
  padding = '';
  /** What every request that can fail answers with; undefined: success. */
  refusal: { code: string; message: string; help?: string } | undefined;
  /** Awaited by every request that can fail. */
  gate: Promise<void> = Promise.resolve();
  lines: (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogLine> = () => linesOf([]);

  /** What the next command is. */
  session: ExecSession = new FakeSession();

  pieces: (signal: AbortSignal) => AsyncIterable<Uint8Array> = () => bytesOf([]);

  exec(instance: string, command: ExecCommand): ControlResult<ExecSession> {
    return this.#answer(['exec', instance, command], this.session);
  }

  info(): DaemonInfo {
    return INFO;
  }

  snapshot(): ProjectSnapshot {
    this.snapshots += 1;
    return {
      daemon: INFO,
      name: 'shop',
      dir: '/home/me/shop',
      files: [INFO.manifest],
      services: [{ ...SERVICE, description: `the shop ${this.padding}` }],
      inactive: ['debug'],
      revision: this.revision,
      phase: 'up',
      leased: this.leased,
      now: 1_700_000_001_000,
    };
  }

  subscribe(listener: (item: WatchItem) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  plan(request: ApplyRequest) {
    return this.#answer(['plan', request], { diagnostics: [] });
  }

  apply(request: ApplyRequest) {
    return this.#answer(['apply', request], { diagnostics: [], snapshot: this.snapshot() });
  }

  reload(request: ReloadRequest) {
    return this.#answer(['reload', request], {
      outcome: 'unchanged' as const,
      diagnostics: [],
      snapshot: this.snapshot(),
    });
  }

  review(request: ReviewRequest) {
    return this.#answer<undefined>(['review', request], undefined);
  }

  act(request: ActionRequest) {
    return this.#answer(['act', request], { affected: ['web.1'], unchanged: [], snapshot: this.snapshot() });
  }

  down(request: DownRequest) {
    return this.#answer(['down', request], { stopped: 1, leftovers: [] });
  }

  explain(service: string) {
    return this.#answer(['explain', service], {
      service: this.snapshot().services[0]!,
      asked: ['web.1'],
      now: 1_700_000_001_000,
      history: [],
      dependencies: [],
      dependents: [],
    });
  }

  happenings(limit: number, service?: string): readonly ProjectEvent[] {
    const all = this.journal.filter((h) => service === undefined || h.service === service);
    return limit === 0 ? [] : all.slice(-limit);
  }

  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    this.asked.push(['logs', query]);
    return this.lines(query, signal);
  }

  stats(atOnce: boolean) {
    return this.#answer(['stats', atOnce], STATS);
  }

  timeline() {
    return this.#answer(['timeline'], TIMELINE);
  }

  input(instance: string, data: Uint8Array) {
    return this.#answer(['input', instance, Buffer.from(data).toString('latin1')], undefined);
  }

  resize(instance: string, columns: number, rows: number) {
    return this.#answer(['resize', instance, columns, rows], undefined);
  }

  output(
    instance: string,
    backlog: number,
    signal: AbortSignal,
  ): Result<AsyncIterable<Uint8Array>, { code: string; message: string }> {
    this.asked.push(['output', instance, backlog]);
    return this.refusal === undefined ? ok(this.pieces(signal)) : err(this.refusal);
  }

  handOver(reason: string): void {
    this.asked.push(['hand-over', reason]);
  }

  lease(): LeaseHold | undefined {
    if (this.leased) return undefined;
    this.leased = true;
    return {
      release: (detach) => {
        this.leased = false;
        this.released.push(detach);
      },
    };
  }

  /** Puts something into the journal and tells those who watch. */
  happen(body: ProjectEventBody, service?: string): ProjectEvent {
    const seq = (this.journal.at(-1)?.seq ?? 0) + 1;
    const happening = {
      ...body,
      seq,
      time: 1_700_000_000_000 + seq,
      ...(service === undefined ? {} : { service }),
    };
    this.journal.push(happening);
    for (const listener of this.listeners) listener({ type: 'happening', happening });
    return happening;
  }

  change(): void {
    this.revision += 1;
    const snapshot = this.snapshot();
    for (const listener of this.listeners) listener({ type: 'snapshot', snapshot });
  }

  async #answer<T>(asked: unknown, value: T): ControlResult<T> {
    this.asked.push(asked);
    await this.gate;
    return this.refusal === undefined ? ok(value) : err(this.refusal);
  }
}

export const APPLY: ApplyRequest = {
  load: { files: [INFO.manifest], profiles: [], set: { A: '1' }, envFiles: [], named: [] },
  hostEnv: { HOME: '/home/me' },
  services: [],
};

export async function* linesOf(lines: readonly LogLine[]): AsyncGenerator<LogLine> {
  await Promise.resolve();
  yield* lines;
}

export async function* bytesOf(pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  for (const piece of pieces) yield Buffer.from(piece, 'latin1');
}

export function logLine(number: number, text = `line ${number}`): LogLine {
  const at = number * 10;
  return { service: 'web', instance: 'web.1', stream: 'stdout', time: 1_700_000_000_000 + number, at, text };
}
