import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '../../core/util/record.ts';

/** An environment as it is kept. */
export interface CacheEntry {
  readonly version: 1;
  /** The nix that made it; see `identityOf`. */
  readonly nix: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  /** The key of the flake's state before nix itself wrote its lock file. */
  readonly before?: string;
}

/** Of one shell this many environments are kept, and with them what they use of the nix store. */
const KEPT = 3;
const FILE = 'environment.json';

/** Environments on disk: `ROOT/SLOT/KEY/` holds one, and the profile that keeps it from nix's garbage collector. */
export class EnvironmentCache {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** The directory (0700) of an environment, made if need be. */
  directory(slot: string, key: string): string {
    const path = join(this.#root, slot, key);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  profile(slot: string, key: string): string {
    return join(this.#root, slot, key, 'profile');
  }

  /** Undefined where there is none, or what it uses of the store is gone. `nix`: it must be made by this one. */
  find(slot: string, key: string, nix: string | undefined): CacheEntry | undefined {
    const entry = readEntry(join(this.#root, slot, key, FILE));
    if (entry === undefined || (nix !== undefined && entry.nix !== nix)) return undefined;
    try {
      realpathSync(this.profile(slot, key));
    } catch {
      return undefined;
    }
    if (storePaths(entry.variables).some((path) => !existsSync(path))) return undefined;
    return entry;
  }

  /** Keeps it, and lets go of the oldest ones of its shell. */
  keep(slot: string, key: string, entry: CacheEntry): void {
    const path = join(this.directory(slot, key), FILE);
    const fresh = `${path}.${process.pid}.new`;
    writeFileSync(fresh, JSON.stringify(entry), { mode: 0o600 });
    renameSync(fresh, path);
    this.#letGo(slot, key);
  }

  forget(slot: string, key: string): void {
    rmSync(join(this.#root, slot, key), { recursive: true, force: true });
  }

  #letGo(slot: string, newest: string): void {
    const folder = join(this.#root, slot);
    const others = readdirSync(folder)
      .filter((name) => name !== newest)
      .map((name) => ({ name, at: statSync(join(folder, name)).mtimeMs }))
      .sort((a, b) => b.at - a.at);
    for (const { name } of others.slice(KEPT - 1)) {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
}

function readEntry(path: string): CacheEntry | undefined {
  try {
    const entry: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isEntry(entry) ? entry : undefined;
  } catch {
    return undefined;
  }
}

function isEntry(value: unknown): value is CacheEntry {
  if (!isRecord(value) || value['version'] !== 1 || typeof value['nix'] !== 'string') return false;
  const { variables, notes, before } = value;
  return (
    (before === undefined || isText(before)) &&
    isRecord(variables) &&
    Object.values(variables).every(isText) &&
    Array.isArray(notes) &&
    notes.every(isText)
  );
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Folders of the store among the shell's programs. */
function storePaths(variables: Readonly<Record<string, string>>): readonly string[] {
  return (variables['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/nix/store/'));
}
