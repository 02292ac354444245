import { formatDuration } from '../../core/util/duration.ts';
import type { NotifyFeed } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ProbeTrack } from './probe-track.ts';

/**
 * What a service sent in time takes a moment to get here; and a timer that is later than this belongs to a process that
 * was stopped or kept busy, which has not read yet what came meanwhile.
 */
const SLACK_MS = 250;

/** A service may ask for microseconds; nobody could tell that it kept to them. */
const LEAST_WAIT_MS = 10;

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly feed: NotifyFeed;
  /** How long the service may be silent where it does not ask for something else. */
  readonly intervalMs: number;
  /** Whether the service tells by READY=1 when it has started; until then it need not say anything. */
  readonly afterReady: boolean;
  /** Triggers that are not this watch's to act upon. */
  readonly oldTriggers: number;
}

/**
 * Awaits a service's keep-alives (sd_notify(3), WATCHDOG=1). Every wait in which none came is one failure, and the next
 * wait begins. The service may set the length of its waits (WATCHDOG_USEC), put the end of the present one off
 * (EXTEND_TIMEOUT_USEC), and ask to be treated as hung (WATCHDOG=trigger), which needs no counting. As in systemd, a
 * service that tells when it has started is watched from then on, or from its first keep-alive.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #track: ProbeTrack;
  #pings: number;
  #triggers: number;
  #extensions: number;
  #watchdogMs: number | undefined;
  /** When the present wait began and ends, monotonic ms; undefined while nothing is awaited. */
  #wait: { begunAt: number; due: number } | undefined;
  #armedFor = Infinity;
  #disarm: () => void = () => {};
  #ended = false;

  constructor(options: WatchdogOptions, track: ProbeTrack) {
    this.#options = options;
    this.#track = track;
    const { pings, extensions, watchdogMs } = options.feed.current();
    this.#pings = pings;
    this.#triggers = options.oldTriggers;
    this.#extensions = extensions;
    this.#watchdogMs = watchdogMs;
  }

  begin(): void {
    const { afterReady, feed } = this.#options;
    const { ready, reloading, pings } = feed.current();
    if (!afterReady || ready || reloading || pings > 0) this.#startWait();
    this.heard();
  }

  /** To be called whenever the feed has changed. */
  heard(): void {
    if (this.#ended) return;
    const said = this.#options.feed.current();
    const pinged = said.pings > this.#pings;
    const retimed = said.watchdogMs !== this.#watchdogMs;
    const extended = said.extensions > this.#extensions;
    const triggered = said.triggers > this.#triggers;
    this.#pings = said.pings;
    this.#triggers = said.triggers;
    this.#extensions = said.extensions;
    this.#watchdogMs = said.watchdogMs;
    const begunAt = this.#wait?.begunAt ?? this.#options.clock.now();
    const waits = this.#wait !== undefined;
    if (pinged || (waits && retimed) || (!waits && said.ready)) this.#startWait();
    if (extended && said.extendMs !== undefined) this.#extend(said.extendMs);
    if (triggered) {
      this.#track.declare(false, 'asks to be treated as hung (WATCHDOG=trigger)', begunAt);
    } else if (pinged) {
      this.#track.record({ ok: true, output: 'WATCHDOG=1' }, begunAt);
    }
  }

  end(): void {
    this.#ended = true;
    this.#disarm();
  }

  #lengthMs(): number {
    const asked = this.#watchdogMs ?? 0;
    return asked > 0 ? Math.max(LEAST_WAIT_MS, asked) : this.#options.intervalMs;
  }

  #startWait(): void {
    const now = this.#options.clock.now();
    const length = this.#lengthMs();
    this.#wait = { begunAt: now, due: now + length + Math.min(SLACK_MS, length) };
    this.#arm();
  }

  #extend(ms: number): void {
    if (this.#wait === undefined) return;
    this.#wait.due = Math.max(this.#wait.due, this.#options.clock.now() + ms);
  }

  /** A wait that was put off needs no new timer for each keep-alive: the one there is looks again when it fires. */
  #arm(): void {
    if (this.#wait === undefined || this.#wait.due >= this.#armedFor || this.#ended) return;
    this.#disarm();
    const { clock } = this.#options;
    const { due } = this.#wait;
    this.#armedFor = due;
    this.#disarm = clock.after(due - clock.now(), () => this.#fired(due));
  }

  #fired(armedFor: number): void {
    this.#armedFor = Infinity;
    const wait = this.#wait;
    if (wait === undefined) return;
    const now = this.#options.clock.now();
    if (now - armedFor > SLACK_MS) {
      this.#startWait();
      return;
    }
    if (now < wait.due) {
      this.#arm();
      return;
    }
    const length = formatDuration(this.#lengthMs());
    this.#startWait();
    this.#track.record({ ok: false, output: `no WATCHDOG=1 within ${length}` }, wait.begunAt);
  }
}
