import { realpathSync, type Stats, statSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FSWatcher } from 'chokidar';

import { isWithin } from '../core/util/path.ts';
import { errnoOf } from '../core/util/system-error.ts';
import type { FileWatcher } from '../ports/file-watcher.ts';
import { explainWatchFailure, pathOf } from './watch-failure.ts';
import { type IgnoreRules, ignoreRules } from './ignore-rules.ts';
import { type PathTarget, WatchedPath } from './watched-path.ts';

/** Changes that come together are told together, unless the caller bundles them himself. */
const BUNDLE_MS = 20;
const MOST_IN_BUNDLE = 1_000;

/** Where the kernel says nothing (a folder above was renamed, a file system of another machine), this net catches it. */
const NET_MS = 5_000;

/** How long after a folder has come it is sure to be watched. */
const LOOK_INTO_MS = 100;

/** Each link to a file is followed by itself. */
const MOST_FILE_LINKS = 500;

/** Further failures of one watch are no news. */
const MOST_FAILURES = 10;

export interface FileWatcherOptions {
  /** Absolute folders in which nothing is ever watched, such as that of the project's state. */
  readonly never?: readonly string[];
  /** How long changes are bundled before they are told, and, of a file by itself, looked at. Default 20 ms each. */
  readonly bundleMs?: number;
}

/**
 * Watches with the kernel's means: a watched folder costs one watch for itself and one for every folder in it that is not
 * ignored, a watched file one for the folder it is in, as does a link to a file.
 *
 * A watched file is never ignored, nor is a watched folder itself. Links are followed, but not those to folders that are
 * watched already. Paths are told as they were given, also where links lead elsewhere. A folder that was replaced is told
 * as a whole. Sockets, pipes and devices are left out: what comes through them is no change.
 */
export function createFileWatcher({ never = [], bundleMs }: FileWatcherOptions = {}): FileWatcher {
  return {
    watch({ paths, ignore }, changed, failed) {
      const bundle = new Bundle(changed, bundleMs ?? BUNDLE_MS);
      const told = new Set<string>();
      const fail = (error: unknown, path: string): void => {
        const reason = explainWatchFailure(error, path);
        if (told.has(reason) || told.size >= MOST_FAILURES) return;
        told.add(reason);
        failed(reason);
      };
      const rules = ignoreRules(ignore);
      const roots = [...new Set(paths)].map(
        (path) => new Root(path, { rules, never, bundle, fail, bundleMs }),
      );
      const net = setInterval(() => roots.forEach((root) => root.look()), NET_MS).unref();
      return () => {
        clearInterval(net);
        roots.forEach((root) => root.stop());
        bundle.stop();
      };
    },
  };
}

interface Surroundings {
  readonly rules: IgnoreRules;
  readonly never: readonly string[];
  readonly bundle: Bundle;
  readonly bundleMs: number | undefined;
  readonly fail: (error: unknown, path: string) => void;
}

class Bundle {
  readonly #changed: (paths: readonly string[]) => void;
  readonly #afterMs: number;
  readonly #paths = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(changed: (paths: readonly string[]) => void, afterMs: number) {
    this.#changed = changed;
    this.#afterMs = afterMs;
  }

  add(path: string): void {
    if (this.#stopped) return;
    this.#paths.add(path);
    if (this.#paths.size >= MOST_IN_BUNDLE) this.#tell();
    else this.#timer ??= setTimeout(() => this.#tell(), this.#afterMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const paths = [...this.#paths];
    this.#paths.clear();
    this.#changed(paths);
  }
}

/** One of the paths that are watched: a file, or a folder with what is in it, or nothing yet. */
class Root {
  readonly #path: string;
  readonly #around: Surroundings;
  readonly #itself: WatchedPath;
  #tree: Tree | undefined;

  constructor(path: string, around: Surroundings) {
    this.#path = path;
    this.#around = around;
    this.#itself = new WatchedPath(
      path,
      { leadsTo: (end, first) => this.#leadsTo(end, first), failed: around.fail },
      around.bundleMs,
    );
  }

  look(): void {
    this.#itself.look();
  }

  stop(): void {
    this.#itself.stop();
    this.#tree?.stop();
  }

  #leadsTo(end: PathTarget, first: boolean): void {
    if (!first) this.#around.bundle.add(this.#path);
    this.#tree?.stop();
    this.#tree = end.kind === 'folder' ? this.#newTree(end.real, !first) : undefined;
  }

  /** `anew`: what came into the folder before all of it was watched is told with it. */
  #newTree(real: string, anew: boolean): Tree {
    const tree: Tree = new Tree(this.#path, real, this.#around, {
      ready: () => {
        if (anew) this.#around.bundle.add(this.#path);
      },
      outdated: () => {
        if (this.#tree !== tree) return;
        tree.stop();
        this.#tree = this.#newTree(real, true);
      },
    });
    return tree;
  }
}

/**
 * All that is in a folder, as long as the folder stays the same. Only the folders are watched, which tells of every entry
 * too; a watch for each file besides would only use memory and the system's limit up.
 *
 * `chokidar` walks the folders and follows links. What happened to a file is taken from its event `raw`, which passes on
 * what the kernel says and is not documented: the documented events come with a watch for each file.
 */
class Tree {
  readonly #root: string;
  readonly #real: string;
  readonly #around: Surroundings;
  /** Links to folders that are followed, with where they lead. */
  readonly #links = new Map<string, string>();
  /** Links to files, or to nothing. */
  readonly #fileLinks = new Map<string, WatchedPath>();
  /** The names of the files in each folder: what was never seen cannot be missed. */
  readonly #files = new Map<string, Set<string>>();
  readonly #outdated: () => void;
  #watcher: FSWatcher | undefined;
  #isReady = false;
  #stopped = false;

  /**
   * @param on.ready told once all of it is watched.
   * @param on.outdated told when it has to be begun anew, since a link in it leads to another folder.
   */
  constructor(
    root: string,
    real: string,
    around: Surroundings,
    on: { readonly ready: () => void; readonly outdated: () => void },
  ) {
    this.#root = root;
    this.#real = real;
    this.#around = around;
    this.#outdated = on.outdated;
    this.#begin(on.ready).catch((error: unknown) => around.fail(error, root));
  }

  stop(): void {
    this.#stopped = true;
    for (const link of this.#fileLinks.values()) link.stop();
    void this.#watcher?.close();
  }

  async #begin(ready: () => void): Promise<void> {
    const chokidar = await import('chokidar');
    if (this.#stopped) return;
    const { bundle, fail } = this.#around;
    const watcher = chokidar.watch(this.#root, {
      ignoreInitial: true,
      atomic: false,
      ignored: (path, stats) => this.#isIgnored(path, stats),
    });
    this.#watcher = watcher;
    watcher.on('all', (event, path) => {
      if (path === this.#root) return;
      bundle.add(path);
      if (event === 'unlinkDir') this.#files.delete(path);
      else setTimeout(() => void this.#lookInto(path), LOOK_INTO_MS).unref();
    });
    watcher.on('raw', (_event, name, where) => {
      if (isWatchedPath(where) && name) void this.#heard(join(where.watchedPath, name));
    });
    watcher.on('error', (error) => {
      fail(error, errnoOf(error) === 'ENOSPC' ? this.#root : (pathOf(error) ?? this.#root));
    });
    watcher.once('ready', () => {
      this.#isReady = true;
      ready();
    });
  }

  /** What chokidar is to leave alone: all but the folders. It asks about every entry of a folder each time it reads it. */
  #isIgnored(path: string, stats: Stats | undefined): boolean {
    if (path === this.#root) return false;
    if (this.#isLeftOut(path, stats?.isDirectory() ?? false)) return true;
    if (stats === undefined || stats.isDirectory()) return false;
    if (stats.isSymbolicLink()) return !this.#follows(path);
    if (stats.isFile() && this.#meet(path) && this.#isReady) this.#around.bundle.add(path);
    return true;
  }

  #isLeftOut(path: string, isFolder: boolean): boolean {
    const relative = path.slice(this.#root.endsWith('/') ? this.#root.length : this.#root.length + 1);
    const real = join(this.#real, relative);
    return (
      this.#around.never.some((folder) => isWithin(path, folder) || isWithin(real, folder)) ||
      this.#around.rules(relative, isFolder)
    );
  }

  /**
   * Whether chokidar is to go into the folder behind a link: not if it is watched already, since it would be seen twice,
   * and not if the link is in it, since there would be no end to it. What is no folder (yet) is followed here.
   */
  #follows(link: string): boolean {
    if (statSync(link, { throwIfNoEntry: false })?.isDirectory() !== true) {
      this.#followLink(link);
      return false;
    }
    const target = realPathOf(link);
    const others = [...this.#links].filter(([known]) => known !== link).map(([, folder]) => folder);
    const isSeen = [this.#real, ...others].some((seen) => isWithin(target, seen) || isWithin(seen, target));
    if (!isSeen) this.#links.set(link, target);
    return !isSeen;
  }

  #followLink(link: string): void {
    if (this.#fileLinks.has(link) || this.#stopped) return;
    if (this.#fileLinks.size >= MOST_FILE_LINKS) {
      const error = new Error(
        `there are over ${MOST_FILE_LINKS} links to files in it; not all of them are followed`,
      );
      this.#around.fail(error, this.#root);
      return;
    }
    const followed = new WatchedPath(link, {
      leadsTo: (end, first) => {
        if (!first) this.#around.bundle.add(link);
        if (end.kind === 'folder') this.#outdated();
      },
      failed: this.#around.fail,
    });
    this.#fileLinks.set(link, followed);
  }

  /** Something happened to an entry of a watched folder. What becomes of folders is chokidar's to tell. */
  async #heard(path: string): Promise<void> {
    const stats = await lstat(path).catch(() => undefined);
    if (this.#stopped) return;
    if (stats === undefined) {
      if (this.#forget(path)) this.#around.bundle.add(path);
      return;
    }
    if ((!stats.isFile() && !stats.isSymbolicLink()) || this.#isLeftOut(path, false)) return;
    if (stats.isFile()) this.#meet(path);
    this.#around.bundle.add(path);
    // A link that is turned to another folder changes no entry of either folder.
    const known = this.#links.get(path);
    if (known !== undefined && realPathOf(path) !== known) this.#outdated();
  }

  /** What came into a new folder after it was read and before it was watched. */
  async #lookInto(folder: string): Promise<void> {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (this.#stopped) return;
      if (entry.isFile() && !this.#isLeftOut(path, false) && this.#meet(path)) this.#around.bundle.add(path);
    }
  }

  /** Whether this file was not known before. */
  #meet(path: string): boolean {
    const folder = dirname(path);
    const names = this.#files.get(folder) ?? new Set();
    const { size } = names;
    this.#files.set(folder, names.add(basename(path)));
    return names.size > size;
  }

  /** Whether there was something to forget. */
  #forget(path: string): boolean {
    const link = this.#fileLinks.get(path);
    link?.stop();
    const wasFile = this.#files.get(dirname(path))?.delete(basename(path)) ?? false;
    const wasLink = this.#links.delete(path);
    return this.#fileLinks.delete(path) || wasLink || wasFile;
  }
}

function isWatchedPath(value: unknown): value is { readonly watchedPath: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'watchedPath' in value &&
    typeof value.watchedPath === 'string'
  );
}

/** Where a link leads; itself where it leads nowhere. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
