import { counterIn, type GroupFiles, kernelFiles } from './cgroup/files.ts';
import type { Cgroup } from './cgroup/cgroup.ts';

/** The kernel's count of all processes of the machine that it killed for lack of memory. */
export interface OomCounter {
  /** Reads it, unless that was done within the last second. To be called every few seconds while services run. */
  sample(): void;
  /**
   * By how much it rose from the last sample that is not later than this (a time of the counter's clock, ms) until now.
   * Undefined where there is no such sample that is recent enough to say anything, or no such count.
   */
  roseSince(monotonicMs: number): number | undefined;
}

interface OomCounterOptions {
  /** Monotonic, in ms; absent: `performance.now`. */
  readonly now?: () => number;
  readonly files?: Pick<GroupFiles, 'read'>;
}

const SAMPLE_EVERY_MS = 1000;
/** A sample this much older than what is asked for tells nothing of it. */
const STALE_MS = 15_000;

/** The counter of /proc/vmstat (Linux 4.13). Elsewhere it has no answer. */
export function createOomCounter(options: OomCounterOptions = {}): OomCounter {
  const now = options.now ?? (() => performance.now());
  const read = (): number | undefined => counterIn(options.files ?? kernelFiles, '/proc/vmstat', 'oom_kill');
  let samples: readonly { readonly at: number; readonly kills: number }[] = [];
  return {
    sample() {
      const at = now();
      const last = samples.at(-1);
      if (last !== undefined && at - last.at < SAMPLE_EVERY_MS) return;
      const kills = read();
      if (kills !== undefined)
        samples = [...samples.filter((each) => at - each.at < 2 * STALE_MS), { at, kills }];
    },
    roseSince(monotonicMs) {
      const baseline = samples.findLast(({ at }) => at <= monotonicMs);
      if (baseline === undefined || monotonicMs - baseline.at > STALE_MS) return undefined;
      const kills = read();
      return kills === undefined ? undefined : kills - baseline.kills;
    },
  };
}

/** Between the kernel's kill and the news of a service's end: freeing its memory takes a while. */
const KILL_TO_END_MS = 3000;
/** A main process that lives on this long after another of its group was killed was not meant. */
const SURVIVED_MS = 10_000;

interface OomSources {
  readonly cgroup?: Cgroup | undefined;
  readonly counter?: OomCounter | undefined;
  readonly now?: () => number;
}

/** Tells of one run whether a death by SIGKILL was the kernel's doing for lack of memory. */
export class OomJudge {
  readonly #sources: OomSources;
  readonly #now: () => number;
  #seen: { readonly at: number; readonly kills: number } | undefined;
  #survived = 0;

  constructor(sources: OomSources) {
    this.#sources = sources;
    this.#now = sources.now ?? (() => performance.now());
  }

  /** To be called now and then while the main process lives: kills that it outlived are not how it ends later. */
  mainLives(): void {
    const kills = this.#sources.cgroup?.oomKills();
    if (kills === undefined || kills === this.#survived) return;
    const at = this.#now();
    if (this.#seen?.kills !== kills) this.#seen = { at, kills };
    else if (at - this.#seen.at > SURVIVED_MS) this.#survived = kills;
  }

  /** What tells so, right after the end; undefined where nothing does. The run's own group has the last word. */
  evidence(): string | undefined {
    const { cgroup, counter } = this.#sources;
    const own = cgroup?.oomKills();
    if (own !== undefined) {
      const kills = own - this.#survived;
      return kills > 0
        ? `its control group counts ${kills} kill${kills === 1 ? '' : 's'} by the kernel`
        : undefined;
    }
    const kills = counter?.roseSince(this.#now() - KILL_TO_END_MS) ?? 0;
    if (kills <= 0) return undefined;
    const times = kills === 1 ? 'once' : `${kills} times`;
    return `the kernel killed for it ${times} on this machine in these seconds; that is the machine's count, not this run's`;
  }
}
