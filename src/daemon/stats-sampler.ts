import { readdir } from 'node:fs/promises';
import type { InstanceStats, StatsResponse } from '../core/api.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import type { Proc, UnitStats } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';

/** An instance that may have a run. */
export interface SampledInstance {
  readonly service: ServiceId;
  readonly instance: InstanceId;
  /** Start of the run, epoch ms. */
  readonly startedAt: number;
  readonly proc?: Proc;
}

/** What the daemon itself uses. */
export type OwnUsage = Omit<StatsResponse['daemon'], 'cpuPercent'>;

export interface StatsSamplerParts {
  readonly clock: Clock;
  readonly procs: () => Iterable<SampledInstance>;
  /** By default what the system tells of this process. */
  readonly own?: () => Promise<OwnUsage>;
}

export interface StatsSampler {
  /**
   * What every run that lives uses now, or did at most 200 ms ago. `atOnce`: without waiting for a second sample where
   * there is none to compare with. Rejects only where `procs` or `own` fail.
   */
  sample(atOnce?: boolean): Promise<StatsResponse>;
}

/** Requests that come within this time share one sample, and no share of a CPU is told of a shorter one. */
const SHARED_MS = 200;
/** A share over more than this says nothing of now. */
const OLDEST_BASIS_MS = 60_000;
/** A sample taken at once is compared with the same earlier one for this long. */
const KEPT_BASIS_MS = 2_000;
/** The length of the look that the first sample of a run takes. */
const FIRST_LOOK_MS = 250;
/** A unit that takes longer to tell is left out. */
const ANSWER_WITHIN_MS = 2000;

/** CPU time at one moment of the monotonic clock. */
interface Basis {
  readonly at: number;
  readonly cpuMs: number;
}

interface Reading extends Basis {
  readonly stats: UnitStats;
}

type Live = SampledInstance & { readonly proc: Proc };

/**
 * Samples what instances use when somebody asks, and does nothing otherwise. A share of the CPU is that between two
 * samples of the same run; where there is no earlier one that is fit to compare with, a second one is taken shortly after.
 */
export function createStatsSampler(parts: StatsSamplerParts): StatsSampler {
  return new Sampler(parts);
}

class Sampler implements StatsSampler {
  readonly #clock: Clock;
  readonly #procs: () => Iterable<SampledInstance>;
  readonly #own: () => Promise<OwnUsage>;
  /** By run. */
  #bases = new Map<string, Basis>();
  #ownBasis: Basis | undefined;
  #underway: Promise<StatsResponse> | undefined;
  #last: { readonly response: StatsResponse; readonly at: number } | undefined;

  constructor({ clock, procs, own }: StatsSamplerParts) {
    this.#clock = clock;
    this.#procs = procs;
    this.#own = own ?? ownUsage;
  }

  sample(atOnce = false): Promise<StatsResponse> {
    if (atOnce) return this.#takeAtOnce();
    const last = this.#last;
    if (last !== undefined && this.#clock.now() - last.at < SHARED_MS) return Promise.resolve(last.response);
    this.#underway ??= this.#take().finally(() => (this.#underway = undefined));
    return this.#underway;
  }

  /** Leaves what later samples compare with as it is, unless there was nothing or something too old. */
  async #takeAtOnce(): Promise<StatsResponse> {
    const live = this.#live();
    const [readings, own] = await Promise.all([this.#readAll(live), this.#readOwn()]);
    const kept = new Map(
      [...readings].map(([run, now]) => [run, this.#comparable(this.#bases.get(run), now)]),
    );
    const ownKept = this.#comparable(this.#ownBasis, own);
    const last = this.#last;
    const response = this.#answer(live, readings, own, new Map());
    this.#last = last;
    this.#bases = kept;
    this.#ownBasis = ownKept;
    return response;
  }

  #comparable(earlier: Basis | undefined, now: Basis): Basis {
    return earlier !== undefined && now.at - earlier.at < KEPT_BASIS_MS ? earlier : now;
  }

  #live(): readonly Live[] {
    return [...this.#procs()].filter((one): one is Live => one.proc !== undefined);
  }

  async #take(): Promise<StatsResponse> {
    const live = this.#live();
    const [first, firstOwn] = await Promise.all([this.#readAll(live), this.#readOwn()]);
    const fresh = live.filter(({ proc }) => first.has(proc.run) && !this.#isFit(this.#bases.get(proc.run)));
    const ownIsFresh = !this.#isFit(this.#ownBasis);
    if (fresh.length === 0 && !ownIsFresh) return this.#answer(live, first, firstOwn, new Map());
    await new Promise<void>((resolve) => this.#clock.after(FIRST_LOOK_MS, resolve));
    const [second, own] = await Promise.all([this.#readAll(fresh), ownIsFresh ? this.#readOwn() : firstOwn]);
    const bases = new Map([...second.keys()].map((run) => [run, first.get(run)]));
    if (ownIsFresh) this.#ownBasis = firstOwn;
    // One that has ended in between is told as it was last seen.
    return this.#answer(live, new Map([...first, ...second]), own, bases);
  }

  #isFit(basis: Basis | undefined): boolean {
    if (basis === undefined) return false;
    const ageMs = this.#clock.now() - basis.at;
    return ageMs >= SHARED_MS && ageMs <= OLDEST_BASIS_MS;
  }

  async #readAll(live: readonly Live[]): Promise<ReadonlyMap<string, Reading>> {
    const readings = await Promise.all(live.map(({ proc }) => this.#read(proc)));
    return new Map(readings.flatMap((reading) => (reading === undefined ? [] : [reading])));
  }

  async #read(proc: Proc): Promise<readonly [string, Reading] | undefined> {
    let disarm = (): void => undefined;
    const tooLong = new Promise<undefined>((resolve) => {
      disarm = this.#clock.after(ANSWER_WITHIN_MS, () => resolve(undefined));
    });
    const stats = await Promise.race([proc.stats(), tooLong]);
    disarm();
    return stats === undefined ? undefined : [proc.run, { at: this.#clock.now(), cpuMs: stats.cpuMs, stats }];
  }

  async #readOwn(): Promise<Basis & { readonly usage: OwnUsage }> {
    const usage = await this.#own();
    return { at: this.#clock.now(), cpuMs: usage.cpuMs, usage };
  }

  #answer(
    live: readonly Live[],
    readings: ReadonlyMap<string, Reading>,
    own: Basis & { readonly usage: OwnUsage },
    bases: ReadonlyMap<string, Basis | undefined>,
  ): StatsResponse {
    const wall = this.#clock.wall();
    const instances = live.flatMap((one): readonly InstanceStats[] => {
      const reading = readings.get(one.proc.run);
      if (reading === undefined) return [];
      const earlier = bases.get(one.proc.run) ?? this.#bases.get(one.proc.run);
      return [statsOf(one, reading, percent(earlier, reading), wall)];
    });
    const ownPercent = percent(this.#ownBasis, own);
    const response: StatsResponse = {
      at: wall,
      instances,
      daemon: { ...(ownPercent === undefined ? {} : { cpuPercent: ownPercent }), ...own.usage },
    };
    this.#bases = new Map(readings);
    this.#ownBasis = own;
    this.#last = { response, at: this.#clock.now() };
    return response;
  }
}

function statsOf(
  { service, instance, startedAt }: SampledInstance,
  { stats }: Reading,
  cpuPercent: number | undefined,
  wall: number,
): InstanceStats {
  const { cpuMs, memoryBytes, processes, threads, openFiles } = stats;
  return {
    service,
    instance,
    ...(cpuPercent === undefined ? {} : { cpuPercent }),
    cpuMs,
    memoryBytes,
    processes,
    threads,
    ...(openFiles === undefined ? {} : { openFiles }),
    uptimeMs: Math.max(0, wall - startedAt),
  };
}

/** CPU time can get less where processes have ended and are no longer counted; that says nothing and counts as none. */
function percent(earlier: Basis | undefined, now: Basis): number | undefined {
  if (earlier === undefined) return undefined;
  const spanMs = now.at - earlier.at;
  if (spanMs < SHARED_MS || spanMs > OLDEST_BASIS_MS) return undefined;
  return Math.max(0, ((now.cpuMs - earlier.cpuMs) / spanMs) * 100);
}

/** /dev/fd is there on Linux (as a link into /proc) and on macOS; the look itself holds one of them open. */
async function ownUsage(): Promise<OwnUsage> {
  const { user, system } = process.cpuUsage();
  const openFiles = await readdir('/dev/fd').then(
    (names) => names.length - 1,
    () => undefined,
  );
  return {
    cpuMs: (user + system) / 1000,
    memoryBytes: process.memoryUsage.rss(),
    ...(openFiles === undefined ? {} : { openFiles }),
  };
}
