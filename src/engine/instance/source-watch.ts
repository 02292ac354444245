import { formatDuration } from '../../core/util/duration.ts';
import type { Cause } from '../../core/event.ts';
import type { WatchSpec } from '../../core/service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FileWatcher } from '../../ports/file-watcher.ts';

/** What nobody edits, or what editors leave beside what is edited. Output of builds is not here: it may be the source. */
const ALWAYS_IGNORED: readonly string[] = [
  ...['.git', '.hg', '.svn', 'node_modules', '__pycache__', '*.pyc', '.venv', '.DS_Store'],
  // vim, and the file it tries whether it may write with; nano.
  ...['*.swp', '.*.sw?', '*.swpx', '4913'],
  // emacs; backups of many others.
  ...['*~', '.#*', '#*#'],
  // JetBrains' programs, KDE's, GNOME's, Sublime Text; deleted files on NFS.
  ...['*___jb_tmp___', '*___jb_old___', '.*.kate-swp', '.goutputstream-*', '.subl*.tmp', '.nfs*'],
];

/** However long changes go on, they are acted upon after so many times the debounce. */
const MOST_DEBOUNCES = 10;

/** What is kept of the names of files that change together; the rest is counted. */
const MOST_PATHS = 1_000;

/** How many of the paths are named. */
const NAMED = 3;

/** More acts than this within `LOOP_WITHIN_MS`, each within `LOOP_GAP_MS` of the last, are no person's doing. */
const LOOP_ACTS = 5;
const LOOP_WITHIN_MS = 10_000;
const LOOP_GAP_MS = 2_000;
const PAUSE_MS = 30_000;

/** How many different warnings are kept in mind, so as not to repeat them. */
const MOST_WARNINGS = 50;

export interface SourceWatchHost {
  act(cause: Cause & { kind: 'files' }, action: WatchSpec['action']): void;
  warn(message: string): void;
}

interface Act {
  readonly at: number;
  readonly paths: readonly string[];
}

/** Changes that are not acted upon yet. Points in time are monotonic ms. */
class Pending {
  readonly firstAt: number;
  readonly paths = new Set<string>();
  /** Whatever is beyond the bound of `paths`; one that changes twice may count twice. */
  more = 0;

  constructor(firstAt: number) {
    this.firstAt = firstAt;
  }

  add(paths: readonly string[]): void {
    for (const path of paths) {
      if (this.paths.size < MOST_PATHS) this.paths.add(path);
      else if (!this.paths.has(path)) this.more += 1;
    }
  }
}

/**
 * Acts when watched files have changed, once for all changes that follow each other within the debounce. A change during
 * that time puts the act off, but at most until ten times the debounce after the first one.
 *
 * A service that writes what is watched would restart for ever. So the sixth act within 10 s of which each follows within
 * 2 s of the one before is not made; instead it is warned with the names of the files, and what changes in those files in
 * the next 30 s is left out. Other files that change in these 30 s are acted upon at their end.
 */
export class SourceWatch {
  readonly #ports: { readonly clock: Clock; readonly watcher: FileWatcher };
  readonly #host: SourceWatchHost;
  readonly #warned = new Set<string>();
  #spec: WatchSpec | undefined;
  #unwatch: () => void = () => {};
  #pending: Pending | undefined;
  #disarm: () => void = () => {};
  /** The last acts that follow each other closely. */
  #acts: readonly Act[] = [];
  /** The files that are left out until `until`. */
  #pause: { readonly files: ReadonlySet<string>; readonly until: number } | undefined;

  constructor(ports: { readonly clock: Clock; readonly watcher: FileWatcher }, host: SourceWatchHost) {
    this.#ports = ports;
    this.#host = host;
  }

  /** Watches by this from now on; what has changed already is still acted upon. Undefined: nothing any more. */
  set(spec: WatchSpec | undefined): void {
    const before = this.#spec;
    this.#spec = spec;
    if (spec === undefined) {
      this.stop();
      return;
    }
    if (before !== undefined && sameFiles(before, spec)) return;
    this.#unwatch();
    this.#warned.clear();
    this.#unwatch = this.#ports.watcher.watch(
      { paths: spec.paths, ignore: [...ALWAYS_IGNORED, ...spec.ignore] },
      (paths) => this.#changed(paths),
      (reason) => this.#warn(reason),
    );
  }

  /** Forgets what has changed. */
  stop(): void {
    this.#spec = undefined;
    this.#unwatch();
    this.#unwatch = () => {};
    this.#disarm();
    this.#pending = undefined;
    this.#pause = undefined;
    this.#acts = [];
  }

  #warn(message: string): void {
    if (this.#warned.has(message) || this.#warned.size >= MOST_WARNINGS) return;
    this.#warned.add(message);
    this.#host.warn(message);
  }

  #changed(paths: readonly string[]): void {
    const spec = this.#spec;
    if (spec === undefined) return;
    const now = this.#ports.clock.now();
    if (this.#pause !== undefined && now >= this.#pause.until) this.#pause = undefined;
    const pause = this.#pause;
    const heeded = pause === undefined ? paths : paths.filter((path) => !pause.files.has(path));
    if (heeded.length === 0) return;
    this.#pending ??= new Pending(now);
    this.#pending.add(heeded);
    const latest = this.#pending.firstAt + MOST_DEBOUNCES * spec.debounceMs;
    this.#arm(Math.max(Math.min(now + spec.debounceMs, latest), pause?.until ?? 0) - now);
  }

  #arm(delayMs: number): void {
    this.#disarm();
    this.#disarm = this.#ports.clock.after(Math.max(0, delayMs), () => this.#settled());
  }

  #settled(): void {
    const [spec, pending] = [this.#spec, this.#pending];
    if (spec === undefined || pending === undefined) return;
    this.#pending = undefined;
    const at = this.#ports.clock.now();
    const paths = [...pending.paths];
    const last = this.#acts.at(-1);
    const follows = last !== undefined && at - last.at <= LOOP_GAP_MS;
    const recent = follows ? this.#acts.filter((act) => at - act.at <= LOOP_WITHIN_MS) : [];
    if (recent.length >= LOOP_ACTS) {
      this.#acts = [];
      this.#breakLoop(spec, [...recent, { at, paths }]);
      return;
    }
    this.#acts = [...recent, { at, paths }];
    const named = paths.slice(0, NAMED).map((path) => relativeTo(spec.paths, path));
    const more = paths.length - named.length + pending.more;
    this.#host.act({ kind: 'files', paths: named, more }, spec.action);
  }

  #breakLoop(spec: WatchSpec, acts: readonly Act[]): void {
    const times = new Map<string, number>();
    for (const path of acts.flatMap(({ paths }) => paths)) times.set(path, (times.get(path) ?? 0) + 1);
    const files = [...times].sort(([, a], [, b]) => b - a).map(([path]) => path);
    this.#pause = { files: new Set(files), until: this.#ports.clock.now() + PAUSE_MS };
    const named = files.slice(0, NAMED).map((path) => relativeTo(spec.paths, path));
    const more = files.length > NAMED ? ` and ${files.length - NAMED} more` : '';
    const what = spec.action.kind === 'restart' ? 'restarts' : 'signals';
    this.#host.warn(
      `the service seems to write what it watches: ${named.join(', ')}${more} changed right after each of ` +
        `${LOOP_ACTS} ${what}. For ${formatDuration(PAUSE_MS)} changes there count for nothing; ` +
        'if nobody edits them, add them to `watch.ignore`',
    );
  }
}

function sameFiles(a: WatchSpec, b: WatchSpec): boolean {
  const same = (left: readonly string[], right: readonly string[]): boolean =>
    left.length === right.length && left.every((item, i) => item === right[i]);
  return same(a.paths, b.paths) && same(a.ignore, b.ignore);
}

/** The path as seen from the nearest of the watched folders it is in; the bare name of what is watched itself. */
function relativeTo(watched: readonly string[], path: string): string {
  const roots = watched.filter((root) => path.startsWith(root.endsWith('/') ? root : `${root}/`));
  const nearest = roots.reduce((a, b) => (b.length > a.length ? b : a), '');
  if (nearest !== '') return path.slice(nearest.endsWith('/') ? nearest.length : nearest.length + 1);
  return watched.includes(path) ? path.slice(path.lastIndexOf('/') + 1) || path : path;
}
