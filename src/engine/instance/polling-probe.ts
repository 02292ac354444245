import { gapMs, type ProbeRole, toleranceMs } from '../../core/probe.ts';
import { formatDuration } from '../../core/util/duration.ts';
import type { Result } from '../../core/util/result.ts';
import type { Probe } from '../../core/service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ConcreteCheck, Prober, ProbeResult } from '../../ports/probes.ts';
import type { ProbeTrack } from './probe-track.ts';

/** A prober answers a moment after the timeout (a command is killed first). This much later its answer is given up on. */
const GIVE_UP_MS = 2_000;

/** After a look that says nothing, the next one does not wait for a whole interval. */
const AGAIN_MS = 250;

/** The longest by which looks of services that started together are moved apart. */
const MAX_SPREAD_MS = 1_000;

export interface PollingProbeOptions {
  readonly role: ProbeRole;
  readonly probe: Probe;
  /** From 0 to 1, different for each instance: where its looks fall beside those of others. */
  readonly spread: number;
  /** Asked for each look anew, since what a late reference stands for may become known. */
  readonly check: () => Result<ConcreteCheck, string>;
  readonly clock: Clock;
  readonly prober: Prober;
  /** Whether the looks are made by whoever runs the service, where that is not this machine's system. */
  readonly byOthers: boolean;
  /** Whether what is known of the run is so now: a failure says nothing otherwise. */
  readonly isKnown: () => boolean;
}

interface Look {
  readonly begunAt: number;
  readonly abort: AbortController;
  /** Whether a timer of it was so late that a failure says nothing. */
  late: boolean;
  /** Whether its timeout has been seen to pass. */
  overdue: boolean;
  /** Its failure is told; only its end is still awaited. */
  givenUp: boolean;
  disarm: () => void;
}

/**
 * PollingProbe at a service again and again, one look at a time. The first look of `ready` is at once, of `live` after one
 * interval; how long after each the next one follows is `gapMs`'s to say, but never before the last one has ended. A
 * failure that falls in with a timer that was too late (`toleranceMs`) is thrown away, and the look made again.
 */
export class PollingProbe {
  readonly #options: PollingProbeOptions;
  readonly #track: ProbeTrack;
  #gap: number | undefined;
  #look: Look | undefined;
  #disarm: () => void = () => {};
  #ended = false;
  #spreadOut = false;

  constructor(options: PollingProbeOptions, track: ProbeTrack) {
    this.#options = options;
    this.#track = track;
  }

  begin(): void {
    const { role, probe } = this.#options;
    const pending = this.#track.state.standing === 'pending';
    const first = role === 'live' ? probe.intervalMs : 0;
    this.#next(pending ? first : first + this.#spread());
  }

  end(): void {
    this.#ended = true;
    this.#disarm();
    this.#look?.disarm();
    this.#look?.abort.abort();
    this.#look = undefined;
  }

  #spread(): number {
    this.#spreadOut = true;
    return this.#options.spread * Math.min(MAX_SPREAD_MS, this.#options.probe.intervalMs / 4);
  }

  /** Calls `fire` after a while, with whether that was so late that it says something about this process. */
  #after(delayMs: number, fire: (late: boolean) => void): () => void {
    const { clock, probe } = this.#options;
    const due = clock.now() + delayMs;
    return clock.after(delayMs, () => fire(clock.now() - due > toleranceMs(probe.timeoutMs)));
  }

  #next(delayMs: number): void {
    if (this.#ended) return;
    this.#disarm = this.#after(delayMs, (late) => this.#begin(late));
  }

  #begin(late: boolean): void {
    const { probe, prober, clock, check } = this.#options;
    const look: Look = {
      begunAt: clock.now(),
      abort: new AbortController(),
      late,
      overdue: false,
      givenUp: false,
      disarm: () => {},
    };
    this.#look = look;
    look.disarm = this.#after(probe.timeoutMs, (tooLate) => {
      look.overdue = true;
      look.late ||= tooLate;
      this.#awaitOverdue(look, GIVE_UP_MS);
    });
    const concrete = check();
    const answer = concrete.ok
      ? prober.look(concrete.value, probe.timeoutMs, look.abort.signal)
      : Promise.resolve<ProbeResult>({ ok: false, output: concrete.error });
    void answer.then((result) => this.#done(look, result));
  }

  /**
   * What not even SIGKILL ends (a dead network file system) counts as failing, but is not joined by a second one. Others
   * give up by themselves; one of them who does not answer is who fails, and not the service.
   */
  #awaitOverdue(look: Look, delayMs: number): void {
    const { probe } = this.#options;
    look.disarm = this.#after(delayMs, (late) => {
      look.abort.abort();
      if (!late && !this.#options.byOthers) {
        look.givenUp = true;
        const output = `no end within ${formatDuration(probe.timeoutMs)}, and it cannot be ended`;
        this.#track.record({ ok: false, output }, look.begunAt);
      }
      if (this.#look === look) this.#awaitOverdue(look, probe.intervalMs);
    });
  }

  #done(look: Look, result: ProbeResult): void {
    if (this.#look !== look) return;
    const { clock, probe } = this.#options;
    this.#look = undefined;
    look.disarm();
    const allowed = probe.timeoutMs + toleranceMs(probe.timeoutMs);
    const late = look.late || (!look.overdue && clock.now() - look.begunAt > allowed);
    if (!look.givenUp && !result.ok && !this.#options.isKnown()) {
      this.#next(probe.intervalMs);
      return;
    }
    if (look.givenUp || (!result.ok && late)) {
      this.#next(Math.min(probe.intervalMs, AGAIN_MS));
      return;
    }
    const wasPending = this.#track.state.standing === 'pending';
    this.#track.record(result, look.begunAt);
    if (!this.#ended) this.#scheduleAfter(look.begunAt, wasPending);
  }

  #scheduleAfter(begunAt: number, wasPending: boolean): void {
    const { role, probe, clock } = this.#options;
    const { state } = this.#track;
    this.#gap = gapMs(role, state, probe.intervalMs, this.#gap);
    // Moved once, looks stay where they are.
    const moved = wasPending && state.standing === 'good' && !this.#spreadOut ? this.#spread() : 0;
    this.#next(Math.max(0, begunAt + this.#gap + moved - clock.now()));
  }
}
