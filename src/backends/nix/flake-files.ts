import { execFile } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { isWithin } from '../../core/util/path.ts';
import type { FlakeLocation } from './flake-ref.ts';
import { lockedPaths, referencesOf } from './nix-text.ts';

/** What a flake's evaluation can depend upon, in one value. */
export type FlakeState =
  | {
      readonly kind: 'known';
      readonly hash: string;
      /** The same without flake.lock, which nix itself writes where it lacks, and the folders that it names. */
      readonly hashWithoutLock: string;
      /** What was looked at: the files that the flake refers to, or all of its files and why. */
      readonly scope: string;
    }
  /** It has to be evaluated anew each time; `reason` says why. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** More files than this are not read. */
const FILE_LIMIT = 20_000;
/** Of a larger file size, time and inode have to do. */
const CONTENT_LIMIT = 1024 * 1024;

class TooMany extends Error {}

/**
 * The state of a flake's files.
 *
 * Nix can read any file of a flake: of the git repository it is in those that git tracks, else all in its folder. To
 * take all of them into account would make each edit of a program cost an evaluation. So where flake.nix and the files it
 * refers to provably refer to nothing else (see nix-text.ts), those alone count; in any doubt all do. Folders that the
 * lock names as inputs count as a whole. Never calls nix; rejects where files cannot be read.
 */
export async function flakeState(place: FlakeLocation, gitPath: string | undefined): Promise<FlakeState> {
  if (place.kind === 'locked') {
    return { kind: 'known', hash: '', hashWithoutLock: '', scope: 'its reference is locked' };
  }
  if (place.kind === 'moving') return { kind: 'unknown', reason: 'its reference is not locked' };
  const dir = realpathSync(place.dir);
  const root = place.asPath ? undefined : repositoryOf(dir);
  const collected = new FileCollection();
  try {
    const anything = collected.addReferences(join(dir, 'flake.nix'), root ?? dir);
    if (anything !== undefined) await addAll(collected, dir, root, gitPath);
    const lock = join(dir, 'flake.lock');
    const hashWithoutLock = collected.hash(dir, lock);
    if (!addLockedFolders(collected, dir, lock))
      return { kind: 'unknown', reason: 'its flake.lock cannot be read' };
    return {
      kind: 'known',
      hash: collected.hash(dir),
      hashWithoutLock,
      scope: anything === undefined ? 'the files that it refers to' : `all of its files: ${anything}`,
    };
  } catch (cause) {
    if (cause instanceof TooMany) {
      return { kind: 'unknown', reason: `it may read more than ${FILE_LIMIT} files` };
    }
    throw cause;
  }
}

/** Paths, each with what is there. */
class FileCollection {
  readonly #paths = new Map<string, Stats | undefined>();

  add(path: string): Stats | undefined {
    if (this.#paths.has(path)) return this.#paths.get(path);
    if (this.#paths.size >= FILE_LIMIT) throw new TooMany();
    const stats = lstatSync(path, { throwIfNoEntry: false });
    this.#paths.set(path, stats);
    return stats;
  }

  /** A Nix file and what it refers to, and so on. The answer says why that is anything at all, if it is. */
  addReferences(file: string, root: string): string | undefined {
    const queue = [file, join(dirname(file), 'flake.lock')];
    const seen = new Set<string>();
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const stats = this.add(path);
      if (stats?.isDirectory() === true) {
        if (isWithin(root, path) || isWithin(dirname(file), path)) {
          return `${relative(root, file)} refers to ${path === root ? 'its whole folder' : path}`;
        }
        queue.push(...entriesOf(path));
        continue;
      }
      if (stats?.isSymbolicLink() === true) {
        queue.push(resolve(dirname(path), readlinkSync(path)));
        continue;
      }
      if (stats?.isFile() !== true || !path.endsWith('.nix')) continue;
      const references = referencesOf(readFileSync(path, 'utf8'));
      if (references.anything !== undefined) return `${references.anything} (${relative(root, path)})`;
      queue.push(...references.paths.flatMap((reference) => this.#reach(dirname(path), reference)));
    }
    return undefined;
  }

  /** A path that is not there may be the beginning of one that is, so its folder counts. */
  #reach(dir: string, reference: string): readonly string[] {
    const path = resolve(dir, reference);
    const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    if (isThere || !reference.startsWith('.')) return [path];
    return [
      path,
      ...(lstatSync(dirname(path), { throwIfNoEntry: false }) === undefined ? [] : [dirname(path)]),
    ];
  }

  addFolder(dir: string): void {
    const queue = [dir];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (this.add(path)?.isDirectory() === true) queue.push(...entriesOf(path));
    }
  }

  /** Of all paths, names relative to `base`, contents, and whether they are executable. */
  hash(base: string, without?: string): string {
    const hash = createHash('sha256');
    for (const [path, stats] of [...this.#paths].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (path !== without) addEntry(hash, path, relative(base, path), stats);
    }
    return hash.digest('hex');
  }
}

function entriesOf(dir: string): readonly string[] {
  return readdirSync(dir)
    .filter((name) => name !== '.git')
    .map((name) => join(dir, name));
}

function addEntry(hash: Hash, path: string, name: string, stats: Stats | undefined): void {
  hash.update(`${JSON.stringify(name)} `);
  if (stats === undefined) hash.update('absent\n');
  else if (stats.isDirectory()) hash.update('directory\n');
  else if (stats.isSymbolicLink()) hash.update(`link ${JSON.stringify(readlinkSync(path))}\n`);
  else if (!stats.isFile()) hash.update('special\n');
  else {
    const kind = (stats.mode & 0o100) === 0 ? 'file' : 'program';
    if (stats.size > CONTENT_LIMIT) hash.update(`${kind} ${stats.size} ${stats.mtimeMs} ${stats.ino}\n`);
    else hash.update(`${kind} ${contentDigest(path, stats)}\n`);
  }
}

/** A file that was changed this shortly before it was read may be changed again within the same tick of its clock. */
const SETTLED_MS = 2000;

const digests = new Map<string, { readonly mark: string; readonly digest: string }>();

/** Read again only where the file's marks are others, the time of its last change of any kind (ctime) among them. */
function contentDigest(path: string, { ino, size, mtimeMs, ctimeMs }: Stats): string {
  const mark = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  const known = digests.get(path);
  if (known?.mark === mark) return known.digest;
  const readAt = Date.now();
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
  if (digests.size >= FILE_LIMIT) digests.clear();
  if (readAt - ctimeMs > SETTLED_MS) digests.set(path, { mark, digest });
  else digests.delete(path);
  return digest;
}

async function addAll(
  collected: FileCollection,
  dir: string,
  root: string | undefined,
  gitPath: string | undefined,
): Promise<void> {
  if (root === undefined) collected.addFolder(dir);
  else if (gitPath === undefined) collected.addFolder(root);
  else for (const path of await trackedFiles(root, gitPath)) collected.add(path);
}

/** What git tracks, and the commit, which a flake may ask for. */
async function trackedFiles(root: string, gitPath: string): Promise<readonly string[]> {
  const git = promisify(execFile);
  const options = { cwd: root, maxBuffer: 64 * 1024 * 1024, encoding: 'utf8' } as const;
  const { stdout } = await git(gitPath, ['ls-files', '-z'], options);
  const names = stdout.split('\0').filter((name) => name !== '');
  if (names.length > FILE_LIMIT) throw new TooMany();
  const folder = (await git(gitPath, ['rev-parse', '--absolute-git-dir'], options)).stdout.trimEnd();
  const head = join(folder, 'HEAD');
  const branch = /^ref: (.+)$/m.exec(readFileSync(head, 'utf8'))?.[1];
  const common = (await git(gitPath, ['rev-parse', '--git-common-dir'], options)).stdout.trimEnd();
  const refs = branch === undefined ? [] : [join(resolve(root, common), branch)];
  return [...names.map((name) => join(root, name)), head, ...refs];
}

/** False where the lock is there and cannot be read. */
function addLockedFolders(collected: FileCollection, dir: string, lock: string): boolean {
  if (collected.add(lock) === undefined) return true;
  const paths = lockedPaths(readFileSync(lock, 'utf8'));
  for (const path of paths ?? []) collected.addFolder(resolve(dir, path));
  return paths !== undefined;
}

/** The folder above that git manages; nix looks for it likewise. */
function repositoryOf(dir: string): string | undefined {
  for (let at = dir; ; at = dirname(at)) {
    if (lstatSync(join(at, '.git'), { throwIfNoEntry: false }) !== undefined) return at;
    if (dirname(at) === at) return undefined;
  }
}
