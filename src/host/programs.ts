import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import type { StartFailure } from '../core/exit.ts';
import { errnoOf } from '../core/util/system-error.ts';

type ProgramSearch =
  | { readonly kind: 'found'; readonly path: string }
  | { readonly kind: 'missing' }
  /** It is there, but cannot be executed; `why` continues "PATH ...". */
  | { readonly kind: 'unusable'; readonly path: string; readonly why: string; readonly help?: string };

/** Where on the machine a path of an enclosed process is; undefined where nothing is there. */
export type ToHostPath = (path: string) => string | undefined;

/**
 * Finds a program as execvp(3) would: a name with a slash counts from `cwd`, any other is looked up in the folders of
 * `path` in turn. A script counts only if the interpreter that its first line names is there. With `hostPath` all paths,
 * those of the answer included, are those of an enclosed process.
 */
export function findProgram(
  name: string,
  path: string | undefined,
  cwd: string,
  hostPath: ToHostPath = (there) => there,
): ProgramSearch {
  if (name === '') return { kind: 'missing' };
  if (name.includes('/')) return examine(resolve(cwd, name), hostPath);
  let unusable: ProgramSearch | undefined;
  for (const folder of (path ?? DEFAULT_PATH).split(':')) {
    const found = examine(resolve(cwd, folder, name), hostPath);
    if (found.kind === 'found') return found;
    if (found.kind === 'unusable') unusable ??= found;
  }
  return unusable ?? { kind: 'missing' };
}

/**
 * The first executable file of that name in the absolute folders of `path`: a program for setpoint's own use, which must
 * not depend on the working directory.
 */
export function findOnPath(name: string, path: string | undefined): string | undefined {
  for (const folder of (path ?? '').split(':')) {
    const candidate = join(folder, name);
    if (!isAbsolute(folder)) continue;
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Another folder may have it.
    }
  }
  return undefined;
}

/** Where programs are looked for when there is no PATH at all. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function examine(path: string, hostPath: ToHostPath): ProgramSearch {
  const place = hostPath(path);
  if (place === undefined) return { kind: 'missing' };
  try {
    if (!statSync(place).isFile()) return { kind: 'unusable', path, why: 'is not a file' };
  } catch (cause) {
    const denied = errnoOf(cause) === 'EACCES';
    return denied
      ? { kind: 'unusable', path, why: 'is in a folder that may not be searched' }
      : { kind: 'missing' };
  }
  try {
    accessSync(place, constants.X_OK);
  } catch {
    return { kind: 'unusable', path, why: 'is not executable', help: `chmod +x ${place}` };
  }
  return examineInterpreter(path, place, hostPath);
}

/** The kernel reads no more than this of a first line (BINPRM_BUF_SIZE of linux/binfmts.h). */
const FIRST_LINE_LIMIT = 256;

function examineInterpreter(path: string, place: string, hostPath: ToHostPath): ProgramSearch {
  const line = /^#![ \t]*([^ \t\n]+)/.exec(readHead(place))?.[1];
  if (line === undefined || !isAbsolute(line)) return { kind: 'found', path };
  try {
    statSync(hostPath(line) ?? '');
    return { kind: 'found', path };
  } catch {
    const windows = line.endsWith('\r');
    const why = `names an interpreter that is not there: ${line.trimEnd()}${windows ? ' followed by a carriage return' : ''}`;
    return { kind: 'unusable', path, why, ...(windows ? { help: 'give the file Unix line ends' } : {}) };
  }
}

function readHead(path: string): string {
  const head = Buffer.alloc(FIRST_LINE_LIMIT);
  try {
    const fd = openSync(path, 'r');
    try {
      return head.toString('latin1', 0, readSync(fd, head, 0, FIRST_LINE_LIMIT, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    // A program may be executable and yet not readable.
    return '';
  }
}

/** Says in a start failure what a search found. */
export function programFailure(
  name: string,
  search: ProgramSearch,
  path: string | undefined,
): StartFailure | undefined {
  switch (search.kind) {
    case 'found':
      return undefined;
    case 'missing': {
      if (name.includes('/')) return { code: 'missing-program', message: `program ${name} does not exist` };
      return {
        code: 'missing-program',
        message: `program ${name === '' ? '""' : name} is not on the service's PATH`,
        help: `install it, or add its folder to \`path\`; PATH is ${path ?? 'not set'}`,
      };
    }
    case 'unusable':
      return {
        code: 'not-executable',
        message: `${search.path} ${search.why}`,
        ...(search.help === undefined ? {} : { help: search.help }),
      };
  }
}

/** How long a found program is taken for granted, in ms: long enough for a start of many services at once. */
const REMEMBER_MS = 1000;
const REMEMBER_COUNT = 1000;

/** Searches that remember for a moment what they found; what is missing is always looked for anew. */
export class ProgramFinder {
  readonly #found = new Map<string, { readonly search: ProgramSearch; readonly until: number }>();

  find(name: string, path: string | undefined, cwd: string, hostPath?: ToHostPath): ProgramSearch {
    if (hostPath !== undefined) return findProgram(name, path, cwd, hostPath);
    const key = `${name}\0${path ?? ''}\0${cwd}`;
    const now = performance.now();
    const known = this.#found.get(key);
    if (known !== undefined && known.until > now) return known.search;
    const search = findProgram(name, path, cwd);
    if (this.#found.size >= REMEMBER_COUNT) this.#found.clear();
    if (search.kind === 'found') this.#found.set(key, { search, until: now + REMEMBER_MS });
    return search;
  }
}

/**
 * A setsid(1) that knows `--fork`: that of util-linux. Undefined where there is none, and in the first process of a
 * container, which would have to wait for all that it does not know.
 */
export function findSetsid(path: string | undefined): string | undefined {
  if (process.platform !== 'linux' || process.pid === 1) return undefined;
  const found = findProgram('setsid', path, '/');
  if (found.kind !== 'found') return undefined;
  return basename(realpathSync(found.path)) === 'setsid' ? found.path : undefined;
}
