import { type BigIntStats, type FSWatcher, watch } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** As many links in a row as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

/** What an editor does to save a file takes a few events; they are looked at together. */
const SETTLE_MS = 20;

/** A path that changes faster than it can be found is left to the next look. */
const MOST_ROUNDS = 5;

/** What a path leads to. `id` tells two states of it apart. */
export type PathTarget =
  | { readonly kind: 'missing'; readonly id: '' }
  | { readonly kind: 'file'; readonly id: string }
  | { readonly kind: 'folder'; readonly id: string; readonly real: string };

interface Location {
  readonly end: PathTarget;
  /** Where an entry decides what the path leads to: the folder, which one it is, and the names in it. */
  readonly places: ReadonlyMap<string, { readonly id: string; readonly names: Set<string> }>;
}

export interface PathListener {
  /** Told what is there, first and each time it has become another; a file also when its content has changed. */
  leadsTo(end: PathTarget, first: boolean): void;
  /** Why changes will be noticed by `look` alone. */
  failed(error: unknown, path: string): void;
}

interface Post {
  readonly id: string;
  readonly watcher: FSWatcher;
  names: ReadonlySet<string>;
}

/**
 * Follows what one path leads to, whatever becomes of it: written in place, replaced by renaming, removed and made again,
 * a link on the way turned elsewhere, not there yet. Watches the folders in which that is decided, not what is there, since
 * what is there may be replaced.
 */
export class WatchedPath {
  readonly #path: string;
  readonly #listener: PathListener;
  readonly #settleMs: number;
  readonly #posts = new Map<string, Post>();
  #last: PathTarget | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  /** Counts the looks asked for. */
  #asked = 0;
  /** What was heard of the path since the last look: its entry, or one on the way, was touched or replaced. */
  #heard: 'nothing' | 'touched' | 'replaced' = 'nothing';
  #stopped = false;

  constructor(path: string, listener: PathListener, settleMs = SETTLE_MS) {
    this.#path = path;
    this.#settleMs = settleMs;
    this.#listener = listener;
    this.look();
  }

  /** Looks whether something has changed without a word. */
  look(): void {
    this.#asked += 1;
    if (!this.#looking) void this.#lookAround();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const { watcher } of this.#posts.values()) watcher.close();
    this.#posts.clear();
  }

  async #lookAround(): Promise<void> {
    this.#looking = true;
    for (let seen = -1; seen !== this.#asked;) {
      seen = this.#asked;
      let here = await this.#locate();
      // What happened before the watch was set would be lost without looking again.
      for (let i = 0; i < MOST_ROUNDS && !this.#stopped && this.#keepPosts(here); i += 1) {
        here = await this.#locate();
      }
      if (this.#stopped) return;
      this.#compare(here.end);
    }
    this.#looking = false;
  }

  #compare(end: PathTarget): void {
    const [before, heard] = [this.#last, this.#heard];
    this.#heard = 'nothing';
    this.#last = end;
    const isOther =
      before?.id !== end.id ||
      (heard === 'replaced' && end.kind !== 'missing') ||
      (heard === 'touched' && end.kind === 'file');
    if (isOther) this.#listener.leadsTo(end, before === undefined);
  }

  async #locate(): Promise<Location> {
    try {
      return await locate(this.#path);
    } catch (error) {
      if (!this.#stopped) this.#listener.failed(error, this.#path);
      return { end: { kind: 'missing', id: '' }, places: new Map() };
    }
  }

  /** Whether a watch had to be set. */
  #keepPosts({ places }: Location): boolean {
    for (const [folder, post] of this.#posts) {
      if (places.get(folder)?.id !== post.id) this.#leave(folder);
    }
    let isNew = false;
    for (const [folder, { id, names }] of places) {
      const post = this.#posts.get(folder);
      if (post !== undefined) post.names = names;
      else isNew = this.#post(folder, id, names) || isNew;
    }
    return isNew;
  }

  #post(folder: string, id: string, names: ReadonlySet<string>): boolean {
    try {
      const watcher = watch(folder, (event, name) => this.#hear(folder, event, name));
      watcher.on('error', (error) => {
        this.#listener.failed(error, folder);
        this.#leave(folder);
      });
      this.#posts.set(folder, { id, watcher, names });
      return true;
    } catch (error) {
      this.#listener.failed(error, folder);
      return false;
    }
  }

  #leave(folder: string): void {
    this.#posts.get(folder)?.watcher.close();
    this.#posts.delete(folder);
  }

  #hear(folder: string, event: string, name: string | null): void {
    const post = this.#posts.get(folder);
    if (this.#stopped || post === undefined) return;
    // Told of the folder itself in the same way: it was moved or removed, and the watch has gone with it.
    if (event === 'rename' && name === basename(folder)) this.#leave(folder);
    else if (name !== null && !post.names.has(name)) return;
    if (event === 'rename') this.#heard = 'replaced';
    else if (this.#heard === 'nothing') this.#heard = 'touched';
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.look();
    }, this.#settleMs);
  }
}

/** Goes along the path as the kernel does. Rejects where it may not look. */
async function locate(path: string): Promise<Location> {
  const places = new Map<string, { id: string; names: Set<string> }>();
  const left = namesOf(path);
  let folder = '/';
  let stats = await lstat(folder, { bigint: true });
  const decidedBy = (name: string): void => {
    const place = places.get(folder) ?? { id: entryId(stats), names: new Set() };
    places.set(folder, place);
    place.names.add(name);
  };
  for (let links = 0; ;) {
    const name = left.shift();
    if (name === undefined) {
      return { end: { kind: 'folder', id: `${folder} ${entryId(stats)}`, real: folder }, places };
    }
    if (name === '..') {
      folder = dirname(folder);
      stats = await lstat(folder, { bigint: true });
      continue;
    }
    const at = join(folder, name);
    const entry = await lstatIfThere(at);
    if (entry === undefined || left.length === 0 || entry.isSymbolicLink()) decidedBy(name);
    if (entry?.isDirectory() === true) {
      folder = at;
      stats = entry;
    } else if (entry?.isSymbolicLink() === true && (links += 1) <= MOST_LINKS) {
      const target = await readlink(at);
      if (target.startsWith('/')) {
        folder = '/';
        stats = await lstat(folder, { bigint: true });
      }
      left.unshift(...namesOf(target));
    } else {
      const isThere = entry !== undefined && !entry.isSymbolicLink() && left.length === 0;
      return { end: isThere ? { kind: 'file', id: fileId(at, entry) } : { kind: 'missing', id: '' }, places };
    }
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

async function lstatIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

function entryId({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function fileId(real: string, stats: BigIntStats): string {
  return `${real} ${entryId(stats)} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}
