import type { Cause } from '../core/event.ts';
import type { ServiceId } from '../core/service.ts';
import type { Clock } from '../ports/clock.ts';
import { mayLive, type Supervisor } from './instance/supervisor.ts';

/** How patient a shutdown is: 0 orderly; 1 in order, without the grace periods; 2 kills everything now. */
export type ShutdownLevel = 0 | 1 | 2;

/** What a unit gets between its stop signal and SIGKILL once the grace periods are skipped. */
const SHORT_GRACE_MS = 500;

/** How long is waited for the dead after everything was killed; what is left then is named. */
const LAST_WAIT_MS = 3_000;

export interface ShutdownHost {
  readonly clock: Clock;
  supervisors(): Iterable<Supervisor>;
  /** Services that depend on this one, directly. */
  dependents(service: ServiceId): readonly ServiceId[];
}

/**
 * Takes everything down: what others depend on goes last. PollingProbe at states whenever one changes and does what can be
 * done next, so it needs no memory of what it did. `finished` resolves once nothing lives, or once all means have been
 * used, with whether something is left.
 */
export class Shutdown {
  readonly reason: string;
  /** Epoch ms at which everything left is killed. */
  readonly deadline: number;
  readonly finished: Promise<{ readonly clean: boolean }>;
  readonly #host: ShutdownHost;
  readonly #cause: Cause;
  #level: ShutdownLevel = 0;
  #finish: (result: { clean: boolean }) => void = () => {};
  #over = false;
  #lookingAgain = false;
  readonly #timers: (() => void)[] = [];

  constructor(host: ShutdownHost, reason: string, timeoutMs: number) {
    this.#host = host;
    this.reason = reason;
    this.#cause = { kind: 'shutdown', reason };
    this.deadline = host.clock.wall() + timeoutMs;
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    this.#timers.push(host.clock.after(timeoutMs, () => this.escalate(2)));
  }

  get level(): ShutdownLevel {
    return this.#level;
  }

  /** Goes on to a less patient level; never back. */
  escalate(level: ShutdownLevel): void {
    if (this.#over || level <= this.#level) return;
    this.#level = level;
    if (level === 2) {
      this.#timers.push(this.#host.clock.after(LAST_WAIT_MS, () => this.#end(false)));
    }
    this.advance();
  }

  /** To be called after every change of a state. */
  advance(): void {
    if (this.#over) return;
    const all = [...this.#host.supervisors()];
    const liveServices = new Set(all.filter(mayLive).map((s) => s.ref.service));
    for (const supervisor of all) {
      if (supervisor.machine.wanted === 'up' && this.#mayStop(supervisor, liveServices)) {
        supervisor.dispatch({ type: 'want-down', cause: this.#cause });
      }
      this.#hurry(supervisor);
    }
    if (!all.some(mayLive)) this.#end(true);
  }

  #mayStop(supervisor: Supervisor, liveServices: ReadonlySet<ServiceId>): boolean {
    if (this.#level === 2 || !mayLive(supervisor)) return true;
    const { service } = supervisor.ref;
    return this.#host.dependents(service).every((id) => id === service || !liveServices.has(id));
  }

  #hurry(supervisor: Supervisor): void {
    const { state } = supervisor;
    if (state.kind !== 'stopping') return;
    if (this.#level === 2) supervisor.giveUpHooks();
    if (state.escalated || this.#level === 0) return;
    if (this.#level === 2) {
      supervisor.dispatch({ type: 'escalate', reason: { kind: 'kill' } });
      return;
    }
    const left = state.since + SHORT_GRACE_MS - this.#host.clock.wall();
    if (left <= 0) supervisor.dispatch({ type: 'escalate', reason: { kind: 'impatient' } });
    else this.#lookAgainIn(left);
  }

  #lookAgainIn(delayMs: number): void {
    if (this.#lookingAgain) return;
    this.#lookingAgain = true;
    this.#timers.push(
      this.#host.clock.after(delayMs, () => {
        this.#lookingAgain = false;
        this.advance();
      }),
    );
  }

  #end(clean: boolean): void {
    if (this.#over) return;
    this.#over = true;
    for (const cancel of this.#timers) cancel();
    this.#finish({ clean });
  }
}
