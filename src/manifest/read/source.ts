import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Place } from '../../core/diagnostic.ts';
import { err, ok } from '../../core/util/result.ts';
import type { Result } from '../../core/util/result.ts';
import type { BackendName } from '../../core/service.ts';
import type { BackendAvailable } from '../backends/dialect.ts';
import { machineAvailability } from '../backends/dialects.ts';

/** Largest manifest or env file, in bytes. */
const MAX_BYTES = 1024 * 1024;

/** What the loader needs of the machine. The functions throw as node:fs does. */
export interface ManifestIo {
  readFile(path: string): Buffer;
  stat(path: string): { isFile(): boolean; isDirectory(): boolean; readonly size: number };
  readonly hostEnv: Readonly<Record<string, string>>;
  /** Absolute; what `~` stands for. */
  readonly homeDir: string;
  /** Whether a backend can be used here, as far as files tell. Never throws. Absent: every one counts as available. */
  backendAvailable?(name: BackendName): BackendAvailable;
}

/** The real machine, with the environment of whoever asked. */
export function nodeManifestIo(hostEnv: Readonly<Record<string, string>>): ManifestIo {
  const homeDir = hostEnv['HOME'] ?? homedir();
  return {
    readFile: (path) => readFileSync(path),
    stat: (path) => statSync(path),
    hostEnv,
    homeDir,
    backendAvailable: machineAvailability(hostEnv, homeDir),
  };
}

export interface ReadProblem {
  readonly code: 'missing-file' | 'unreadable-file' | 'not-a-file' | 'file-too-large' | 'not-text';
  readonly message: string;
  readonly help?: string;
}

/** What is at a path, links followed; undefined where nothing is, or it may not be looked at. Never throws. */
export function kindAt(io: ManifestIo, path: string): 'file' | 'folder' | 'other' | undefined {
  try {
    const stat = io.stat(path);
    if (stat.isDirectory()) return 'folder';
    return stat.isFile() ? 'file' : 'other';
  } catch {
    return undefined;
  }
}

/** Reads a file of at most 1 MiB. Never throws. */
export function readBytes(io: ManifestIo, path: string): Result<Buffer, ReadProblem> {
  let bytes: Buffer;
  try {
    const stat = io.stat(path);
    if (!stat.isFile()) return err(notAFile(path, stat.isDirectory()));
    if (stat.size > MAX_BYTES) return err(tooLarge(path));
    bytes = io.readFile(path);
  } catch (error) {
    return err(readFailure(path, error));
  }
  return bytes.length > MAX_BYTES ? err(tooLarge(path)) : ok(bytes);
}

/** Reads a text file of at most 1 MiB; a byte order mark is dropped. Never throws. */
export function readText(io: ManifestIo, path: string): Result<string, ReadProblem> {
  const read = readBytes(io, path);
  if (!read.ok) return read;
  const bytes = read.value;
  if (bytes.includes(0) || !isUtf8(bytes)) {
    return err({ code: 'not-text', message: `${path} is not a text file in UTF-8` });
  }
  const text = bytes.toString('utf8');
  return ok(text.startsWith('\uFEFF') ? text.slice(1) : text);
}

function notAFile(path: string, isDirectory: boolean): ReadProblem {
  return isDirectory
    ? { code: 'not-a-file', message: `${path} is a folder, not a file` }
    : { code: 'not-a-file', message: `${path} is not a regular file` };
}

function tooLarge(path: string): ReadProblem {
  return { code: 'file-too-large', message: `${path} is larger than 1 MiB` };
}

function readFailure(path: string, error: unknown): ReadProblem {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { code: 'missing-file', message: `${path} does not exist` };
    case 'EACCES':
    case 'EPERM':
      return {
        code: 'unreadable-file',
        message: `${path} may not be read`,
        help: 'check its permissions and owner',
      };
    case 'EISDIR':
      return notAFile(path, true);
    case 'ERR_INVALID_ARG_VALUE':
      return { code: 'missing-file', message: 'a path with a NUL character in it cannot exist' };
    default:
      return { code: 'unreadable-file', message: `${path} cannot be read (${code})` };
  }
}

/** A file's text with the way from offsets to places. */
export class SourceText {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: number[] = [0];
  /** Where the last place was: the next one is nearly always on that line or the one after. */
  #last = 0;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1))
      this.#lineStarts.push(at + 1);
  }

  /** `end` is exclusive; where it is on another line the place has no end. */
  place(start: number, end?: number): Place {
    const line = this.#lineOf(Math.min(start, this.text.length));
    const lineStart = this.#lineStarts[line] ?? 0;
    const column = start - lineStart + 1;
    const lineEnd = this.#lineStarts[line + 1] ?? this.text.length + 1;
    if (end === undefined || end <= start || end >= lineEnd)
      return { file: this.file, line: line + 1, column };
    return { file: this.file, line: line + 1, column, endColumn: end - lineStart + 1 };
  }

  /** A line's text, counted from 1, without its end. */
  line(number: number): string {
    const start = this.#lineStarts[number - 1];
    if (start === undefined) return '';
    const end = this.#lineStarts[number];
    return this.text.slice(start, end === undefined ? undefined : end - 1).replace(/\r$/, '');
  }

  #lineOf(offset: number): number {
    for (let line = this.#last; line <= this.#last + 1; line += 1) {
      if (offset < (this.#lineStarts[line] ?? Infinity) || offset >= (this.#lineStarts[line + 1] ?? Infinity))
        continue;
      this.#last = line;
      return line;
    }
    this.#last = this.#search(offset);
    return this.#last;
  }

  #search(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
