import { unreachable } from '../../core/util/result.ts';
import type { ScheduleSpec } from '../../core/service.ts';
import type { Calendar } from '../../ports/calendar.ts';
import type { Clock } from '../../ports/clock.ts';

/** No timer is longer, so that a clock that was set, or a machine that slept, is noticed this soon. */
const LONGEST_WAIT_MS = 60_000;

/** A time that is seen later than this has passed unseen. */
const ON_TIME_MS = 2_000;

/** What passed unseen is counted up to here. */
const MOST_COUNTED = 1_000;

/**
 * A wall clock that is set back this far at most is waited for. One that is further back was wrong before or is meant
 * to be; waiting for it could take years. The limit is cron(8)'s.
 */
const SET_BACK_MS = 3 * 60 * 60 * 1000;

type When = ScheduleSpec['when'];

interface Ports {
  readonly clock: Clock;
  readonly calendar: Calendar;
}

/** What there was to see at one look. */
interface Passed {
  /** Whether a time has come just now; several that are as good as one count as one. */
  readonly onTime: boolean;
  /** Times that passed longer ago. */
  readonly unseen: number;
}

/** One schedule's place in time. */
interface Rhythm {
  /** Epoch ms; undefined where there is no further time. */
  readonly next: number | undefined;
  /** Ms until the next time, by the clock that the schedule goes by. */
  wait(): number | undefined;
  /** Takes what has passed up to now for dealt with. */
  look(): Passed;
}

/**
 * Tells when a schedule is due.
 *
 * Cron times are times of the wall clock. None of them is told twice: when the clock is set back by up to three hours,
 * it is waited for. `every` is monotonic, counted from the time before: no clock that is set moves it, and the time a
 * machine sleeps does not count, as far as the clock stands still in it.
 *
 * A time passed unseen when a look for it was over 2 s late (the daemon was held up, the machine slept, the clock was set
 * forwards), or when nobody looked at all (no daemon ran since `lastWall`). `missed: skip`: those are counted, up to
 * 1,000, and told as missed. `missed: run`: all of them together are due once, together with one that is due just now.
 *
 * Neither is called from within `set`.
 */
export class ScheduleTimer {
  readonly #ports: Ports;
  readonly #due: (schedule: When, unseen?: number) => void;
  readonly #missed: (count: number, schedule: When) => void;
  #spec: ScheduleSpec | undefined;
  #rhythm: Rhythm | undefined;
  /** Whether this timer has had a schedule before: what passed between two of them passed because nobody wanted it. */
  #used = false;
  #disarm: () => void = () => {};

  constructor(
    ports: Ports,
    due: (schedule: When, unseen?: number) => void,
    missed: (count: number, schedule: When) => void,
  ) {
    this.#ports = ports;
    this.#due = due;
    this.#missed = missed;
  }

  /** When it is due next, epoch ms; undefined without a schedule, or where its times are over. */
  get next(): number | undefined {
    return this.#rhythm?.next;
  }

  /**
   * Begins, or goes on, by this schedule; the same times again change nothing but the policy on missed ones. Undefined:
   * none.
   *
   * @param lastWall when the last run began, epoch ms, where an earlier daemon began it: what was due since then passed
   * unseen. Heeded for the first schedule only; `every` counts from it in any case.
   */
  set(spec: ScheduleSpec | undefined, lastWall?: number): void {
    const goesOn = this.#spec !== undefined && spec !== undefined && sameTimes(this.#spec.when, spec.when);
    this.#spec = spec;
    if (goesOn) return;
    this.#rhythm = spec === undefined ? undefined : this.#begin(spec.when, lastWall);
    this.#used ||= spec !== undefined;
    this.#arm();
  }

  stop(): void {
    this.set(undefined);
  }

  #begin(when: When, lastWall: number | undefined): Rhythm {
    switch (when.kind) {
      case 'cron':
        return new CronRhythm(this.#ports, when, this.#used ? undefined : lastWall);
      case 'every':
        return new EveryRhythm(this.#ports.clock, when.everyMs, lastWall, this.#used);
      default:
        return unreachable(when);
    }
  }

  #arm(): void {
    this.#disarm();
    const wait = this.#rhythm?.wait();
    this.#disarm =
      wait === undefined
        ? () => {}
        : this.#ports.clock.after(Math.min(Math.max(0, wait), LONGEST_WAIT_MS), () => this.#look());
  }

  #look(): void {
    const [spec, rhythm] = [this.#spec, this.#rhythm];
    if (spec === undefined || rhythm === undefined) return;
    const { onTime, unseen } = rhythm.look();
    this.#arm();
    if (unseen > 0 && spec.missed === 'run') {
      this.#due(spec.when, unseen);
      return;
    }
    if (unseen > 0) this.#missed(unseen, spec.when);
    if (onTime && this.#rhythm === rhythm) this.#due(spec.when);
  }
}

class CronRhythm implements Rhythm {
  readonly #ports: Ports;
  readonly #when: Extract<When, { kind: 'cron' }>;
  /** Epoch ms up to which all times are dealt with. */
  #done: number;
  #next: number | undefined;

  constructor(ports: Ports, when: Extract<When, { kind: 'cron' }>, lastWall: number | undefined) {
    this.#ports = ports;
    this.#when = when;
    this.#done = lastWall ?? ports.clock.wall();
    this.#next = this.#after(this.#done);
    this.#followBack();
  }

  get next(): number | undefined {
    return this.#next;
  }

  wait(): number | undefined {
    return this.#next === undefined ? undefined : this.#next - this.#ports.clock.wall();
  }

  look(): Passed {
    this.#followBack();
    const wall = this.#ports.clock.wall();
    if (this.#next === undefined || this.#next > wall) return { onTime: false, unseen: 0 };
    const late = wall - ON_TIME_MS;
    let unseen = 0;
    let time: number | undefined = this.#next;
    while (time !== undefined && time < late && unseen < MOST_COUNTED) {
      unseen += 1;
      time = this.#after(time);
    }
    const recent = this.#after(Math.max(this.#done, late - 1));
    this.#done = wall;
    this.#next = this.#after(wall);
    return { onTime: recent !== undefined && recent <= wall, unseen };
  }

  #after(wall: number): number | undefined {
    return this.#ports.calendar.next(this.#when, wall);
  }

  #followBack(): void {
    const wall = this.#ports.clock.wall();
    if (this.#done - wall <= SET_BACK_MS) return;
    this.#done = wall;
    this.#next = this.#after(wall);
  }
}

class EveryRhythm implements Rhythm {
  readonly #clock: Clock;
  readonly #everyMs: number;
  /** Monotonic ms. */
  #next: number;

  constructor(clock: Clock, everyMs: number, lastWall: number | undefined, afresh: boolean) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    const ago = lastWall === undefined ? 0 : Math.max(0, clock.wall() - lastWall);
    this.#next = clock.now() - ago + everyMs;
    if (afresh && this.#next < clock.now()) this.#next = clock.now() + everyMs;
  }

  get next(): number {
    return Math.round(this.#clock.wall() + this.wait());
  }

  wait(): number {
    return this.#next - this.#clock.now();
  }

  look(): Passed {
    const late = this.#clock.now() - this.#next;
    if (late < 0) return { onTime: false, unseen: 0 };
    const periods = Math.floor(late / this.#everyMs);
    const onTime = late - periods * this.#everyMs <= ON_TIME_MS;
    this.#next += (periods + 1) * this.#everyMs;
    // One that comes late and the next one would else begin almost together.
    if (onTime && this.wait() < this.#everyMs / 2) this.#next += this.#everyMs;
    const tooLate = Math.max(0, Math.ceil((late - ON_TIME_MS) / this.#everyMs));
    return { onTime, unseen: Math.min(tooLate, periods + 1, MOST_COUNTED) };
  }
}

function sameTimes(a: When, b: When): boolean {
  if (a.kind === 'every') return b.kind === 'every' && a.everyMs === b.everyMs;
  return b.kind === 'cron' && a.expression === b.expression && a.timezone === b.timezone;
}

/** "every 5m", "0 3 * * * (Europe/Berlin)". */
