import type { FSWatcher } from 'node:fs';
import { watch } from 'node:fs';
import type { InstanceId, LogSpec } from '../core/service.ts';
import { messageOf } from '../core/util/system-error.ts';
import type { LogAccess } from './access.ts';
import { InstanceLog, STDERR_FILE, STDOUT_FILE } from './instance-log.ts';
import type { PunchHead } from './punch.ts';
import { Puncher, punchHead } from './punch.ts';
import type { TrimmerHost } from './trimmer.ts';
import { Trimmer } from './trimmer.ts';

export interface HubOptions {
  readonly dirOf: (instance: InstanceId) => string;
  /** Epoch ms. */
  readonly wall: () => number;
  readonly onWarning: (message: string) => void;
  /** `fs.watch`, unless a test brings a system that refuses. */
  readonly watchDir?: (dir: string, onChange: (file: string | null) => void) => FSWatcher;
  /** How the beginning of a file is given back to the disk; `fallocate`, unless a test brings something else. */
  readonly punch?: PunchHead;
}

type Follower = Parameters<LogAccess['follow']>[1];

/** `off`: nobody wants to know. `slow`: this system does not let it be watched. */
type Mode = 'off' | 'watch' | 'poll' | 'slow';

interface Entry {
  readonly instance: InstanceId;
  readonly log: InstanceLog;
  readonly followers: Set<Follower>;
  trimmer: Trimmer | undefined;
  live: boolean;
  mode: Mode;
  watcher: FSWatcher | undefined;
  /** Monotonic ms: when the present burst of changes began, or when the next look is due. */
  since: number;
  /** Changes in the present burst. */
  changes: number;
  /** Looks in a row that found nothing. */
  quiet: number;
}

/** More changes than this within one burst's time, and watching costs more than looking from time to time. */
const MOST_CHANGES = 8;
const BURST_MS = 100;

/** How often a flood is looked at: seldom where only the index wants to know. */
const POLL_MS = 100;
const POLL_FOLLOWED_MS = 20;

/** How often is looked where the system refuses to watch. */
const SLOW_POLL_MS = 1_000;
const SLOW_POLL_FOLLOWED_MS = 200;

/** After so many looks without news a flood is over. */
const QUIET_LOOKS = 10;

/**
 * Knows which logs have news, once for everybody: for the index, which samples the files of live instances, and for all
 * followers. An instance that is silent costs nothing: its folder is watched. One that writes much is looked at by a
 * timer, one for all, so that the cost of a flood does not grow with the flood.
 */
export class LogHub implements LogAccess {
  readonly onWarning: (message: string) => void;
  readonly #options: HubOptions;
  readonly #entries = new Map<InstanceId, Entry>();
  readonly #polled = new Set<Entry>();
  #timer: NodeJS.Timeout | undefined;
  #warned = false;
  #closed = false;
  readonly #trimmers: TrimmerHost;

  constructor(options: HubOptions) {
    this.#options = options;
    const { punch = punchHead, onWarning } = options;
    this.onWarning = onWarning;
    const puncher = new Puncher(punch, (why) => {
      if (this.#closed) return;
      onWarning(
        `logs that grow over their max_size cannot be cut while their services run (${why}); each is cut at the next ` +
          'start of its service',
      );
    });
    this.#trimmers = { puncher, onWarning, isClosed: false };
  }

  look(instance: InstanceId): InstanceLog {
    const entry = this.#entry(instance);
    this.#check(entry);
    return entry.log;
  }

  /** Whether a run of the instance may be writing. Its followers look again, for a run's begin and end end a line. */
  setLive(instance: InstanceId, live: boolean): void {
    const entry = this.#entry(instance);
    entry.live = live;
    this.#adjust(entry);
    // The run before may have left more than is to be kept, which can be released only now.
    entry.trimmer?.consider();
    this.#wake(entry);
  }

  /** How much of an instance's output is kept from now on; looked after whenever its files have grown. */
  retain(instance: InstanceId, spec: LogSpec): void {
    const entry = this.#entry(instance);
    if (entry.trimmer === undefined)
      entry.trimmer = new Trimmer(entry.log, spec, this.#trimmers, () => this.#check(entry));
    else entry.trimmer.spec = spec;
    this.trim(instance);
  }

  /** Something that was in the way of trimming is gone, or may be. */
  trim(instance: InstanceId): void {
    const entry = this.#entry(instance);
    if (!this.#check(entry)) entry.trimmer?.consider();
  }

  follow(instances: readonly InstanceId[], follower: Follower): () => void {
    if (this.#closed) {
      follower.close();
      return () => undefined;
    }
    const entries = instances.map((instance) => this.#entry(instance));
    for (const entry of entries) {
      entry.followers.add(follower);
      this.#adjust(entry);
    }
    return () => {
      for (const entry of entries) {
        entry.followers.delete(follower);
        this.#adjust(entry);
      }
    };
  }

  close(): void {
    this.#closed = true;
    this.#trimmers.isClosed = true;
    for (const entry of this.#entries.values()) {
      for (const follower of [...entry.followers]) follower.close();
      entry.followers.clear();
      entry.live = false;
      this.#adjust(entry);
    }
  }

  #entry(instance: InstanceId): Entry {
    const known = this.#entries.get(instance);
    if (known !== undefined) return known;
    const { dirOf, wall, onWarning } = this.#options;
    const entry: Entry = {
      instance,
      log: new InstanceLog(dirOf(instance), { readOnly: false, wall, onWarning }),
      followers: new Set(),
      trimmer: undefined,
      live: false,
      mode: 'off',
      watcher: undefined,
      since: 0,
      changes: 0,
      quiet: 0,
    };
    this.#entries.set(instance, entry);
    return entry;
  }

  #check(entry: Entry): boolean {
    const changed = entry.log.check();
    if (!changed) return false;
    entry.trimmer?.consider();
    this.#wake(entry);
    return true;
  }

  #wake(entry: Entry): void {
    for (const follower of [...entry.followers]) follower.wake(entry.instance);
  }

  #adjust(entry: Entry): void {
    const wanted = entry.live || entry.followers.size > 0;
    if (!wanted) this.#setMode(entry, 'off');
    else if (entry.mode === 'off') {
      entry.log.makeDir();
      this.#setMode(entry, 'watch');
      this.#check(entry);
    } else if (this.#polled.has(entry)) {
      entry.since = Math.min(entry.since, performance.now() + pollMs(entry));
      this.#schedule();
    }
  }

  #setMode(entry: Entry, wanted: Mode): void {
    if (entry.mode === wanted) return;
    entry.watcher?.close();
    entry.watcher = undefined;
    const mode = wanted === 'watch' && !this.#watch(entry) ? 'slow' : wanted;
    entry.mode = mode;
    entry.log.watched = mode === 'watch';
    entry.changes = 0;
    entry.quiet = 0;
    entry.since = performance.now() + (mode === 'watch' ? 0 : pollMs(entry));
    if (mode === 'poll' || mode === 'slow') this.#polled.add(entry);
    else this.#polled.delete(entry);
    this.#schedule();
  }

  #watch(entry: Entry): boolean {
    const refused = (error: unknown): void => {
      if (this.#warned) return;
      this.#warned = true;
      const why = messageOf(error);
      const every = `${SLOW_POLL_MS} ms (${SLOW_POLL_FOLLOWED_MS} ms while followed)`;
      this.onWarning(`log files cannot be watched, looking at them every ${every} instead: ${why}`);
    };
    try {
      const onChange = (file: string | null): void => this.#changed(entry, file);
      const watcher = (this.#options.watchDir ?? watchDir)(entry.log.dir, onChange);
      watcher.on('error', (error) => {
        refused(error);
        if (entry.watcher === watcher) this.#setMode(entry, 'slow');
      });
      entry.watcher = watcher;
      return true;
    } catch (error) {
      refused(error);
      return false;
    }
  }

  #changed(entry: Entry, file: string | null): void {
    if (entry.mode !== 'watch') return;
    if (file !== null && file !== STDOUT_FILE && file !== STDERR_FILE) return;
    const now = performance.now();
    if (now - entry.since > BURST_MS) {
      entry.since = now;
      entry.changes = 0;
    }
    entry.changes += 1;
    this.#check(entry);
    if (entry.changes > MOST_CHANGES) this.#setMode(entry, 'poll');
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#polled.size === 0) return;
    let due = Infinity;
    for (const entry of this.#polled) due = Math.min(due, entry.since);
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, due - performance.now()));
    this.#timer.unref();
  }

  #tick(): void {
    const now = performance.now();
    for (const entry of [...this.#polled]) {
      if (entry.since > now) continue;
      entry.since = now + pollMs(entry);
      entry.quiet = this.#check(entry) ? 0 : entry.quiet + 1;
      if (entry.mode !== 'poll' || entry.quiet < QUIET_LOOKS) continue;
      this.#setMode(entry, 'watch');
      // What was written while nobody watched yet brings no change to hear of.
      this.#check(entry);
    }
    this.#schedule();
  }
}

function pollMs(entry: Entry): number {
  const followed = entry.followers.size > 0;
  if (entry.mode === 'slow') return followed ? SLOW_POLL_FOLLOWED_MS : SLOW_POLL_MS;
  return followed ? POLL_FOLLOWED_MS : POLL_MS;
}

function watchDir(dir: string, onChange: (file: string | null) => void): FSWatcher {
  return watch(dir, { persistent: false }, (_event, file) => onChange(file));
}
