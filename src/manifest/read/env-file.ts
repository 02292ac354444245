/**
 * Env files. The grammar of format `dotenv` is that of Compose:
 *
 * - `KEY=VALUE`, also `KEY: VALUE` and `export KEY=VALUE`; `KEY` alone passes on the value of the environment;
 * - comments from `#` at the start of a line, or from ` #` behind a value;
 * - `'...'` literal apart from `\'`; `"..."` with the escapes `\a \b \f \n \r \t \v \\ \" \$` and `\0ddd` (octal); both may
 *   span lines;
 * - interpolation in unquoted and double-quoted values; the environment wins over earlier keys of the file.
 *
 * Stricter than Compose: an empty key, and text behind a closing quote, are errors. `KEY= # comment` is an empty value.
 *
 * Format `raw`, as in `docker run --env-file`: everything behind the first `=` is the value, with no meaning given to it.
 */
import type { Diagnostic, Place } from '../../core/diagnostic.ts';
import { err } from '../../core/util/result.ts';
import { interpolateText } from './interpolate.ts';
import type { TextProblem } from './template.ts';

interface EnvFileOptions {
  /** The file's name, for diagnostics. */
  readonly file: string;
  readonly format: 'dotenv' | 'raw';
  /** The environment's value of a variable; undefined where it is not set. */
  lookup(name: string): string | undefined;
}

export interface EnvFile {
  /** Of a key that stands there several times, the last value. Lines with errors contribute nothing. */
  readonly values: Record<string, string>;
  /** In the order of the lines. Their sources show keys at most. */
  readonly diagnostics: Diagnostic[];
}

/** Warnings beyond these are left out; at an error beyond them, reading stops and one more diagnostic says so. */
const MAX_DIAGNOSTICS = 100;

/** UTF-16 units that the values of one file may come to, since interpolation can double them with every line. */
const MAX_TOTAL_LENGTH = 8 * 1024 * 1024;

const BLANK = /[ \t\v\f\r\u0085\u00a0]*/y;
const END_OF_LINE = /[ \t\v\f\r\u0085\u00a0]*(?:#[^\n]*)?(?![^\n])/y;
const EXPORT = /export[ \t\v\f\r\u0085\u00a0]+(?=[^\s=:])/y;
const KEY = /[\p{L}\p{N}_.[\]-]+/uy;
const REST_OF_LINE = /[^\n]*/y;

/** What a line may show of itself in a diagnostic: its key. */
const KEY_OF_LINE = /^\s*(?:export\s+)?[\p{L}\p{N}_.[\]-]+\s*[=:]/u;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  // Still to be interpolated, where two of them stand for one.
  ['$', '$$'],
]);

/** Parses an env file. Never throws; neither messages nor places hold a value. */
export function parseEnvFile(content: string, options: EnvFileOptions): EnvFile {
  const text = (content.startsWith('\uFEFF') ? content.slice(1) : content).replaceAll('\r\n', '\n');
  const reader = new Reader(text, options);
  if (options.format === 'raw') reader.readRaw();
  else reader.readDotenv();
  return { values: Object.fromEntries(reader.values), diagnostics: reader.diagnostics };
}

class Reader {
  readonly values = new Map<string, string>();
  readonly diagnostics: Diagnostic[] = [];
  readonly #text: string;
  readonly #options: EnvFileOptions;
  #position = 0;
  #line = 1;
  #lineStart = 0;
  #total = 0;
  #stopped = false;

  constructor(text: string, options: EnvFileOptions) {
    this.#text = text;
    this.#options = options;
  }

  readRaw(): void {
    while (!this.#atEnd()) {
      this.#match(BLANK);
      const start = this.#position;
      const line = this.#match(REST_OF_LINE);
      const equals = line.indexOf('=');
      const key = equals < 0 ? line.trimEnd() : line.slice(0, equals);
      if (line !== '' && !line.startsWith('#')) {
        if (key === '') this.#error(start, 'there is no key before `=`');
        else if (/\s/.test(key)) this.#error(start, 'a key holds no spaces');
        else if (equals < 0) this.#inherit(key);
        else this.#set(key, line.slice(equals + 1), start + equals + 1);
      }
      this.#nextLine();
    }
  }

  readDotenv(): void {
    while (!this.#atEnd()) {
      this.#match(BLANK);
      if (this.#peek() !== '\n' && this.#peek() !== '#' && this.#peek() !== '') this.#statement();
      this.#match(REST_OF_LINE);
      this.#nextLine();
    }
  }

  /** Leaves the position somewhere in the statement's last line. */
  #statement(): void {
    this.#match(EXPORT);
    const start = this.#position;
    const key = this.#match(KEY);
    this.#match(BLANK);
    const after = this.#peek();
    if (key === '') {
      const message =
        after === '=' || after === ':' ? 'there is no key before the value' : 'this is not `KEY=VALUE`';
      this.#error(start, message);
    } else if (after === '=' || after === ':') {
      this.#position += 1;
      this.#value(key);
    } else if (after === '\n' || after === '') {
      this.#inherit(key);
    } else {
      this.#error(
        this.#position,
        'a key holds letters, digits, `_`, `.` and `-` only, and `=` comes after it',
      );
    }
  }

  #value(key: string): void {
    const gap = this.#match(BLANK);
    const start = this.#position;
    const quote = this.#peek();
    if (quote === '"' || quote === "'") {
      this.#quoted(key, quote);
      return;
    }
    const line = this.#match(REST_OF_LINE);
    const comment = gap !== '' && line.startsWith('#') ? 0 : line.indexOf(' #');
    const value = (comment < 0 ? line : line.slice(0, comment)).trimEnd();
    this.#set(key, this.#interpolate(value, start, value), start);
  }

  #quoted(key: string, quote: '"' | "'"): void {
    const start = this.#position;
    const firstLine = this.#line;
    const end = this.#closingQuote(quote);
    if (end < 0) {
      this.#error(start, 'the quote that opens here is never closed');
      // Which of the lines behind it are keys and which belong to the value, nobody can tell.
      this.#stop();
      return;
    }
    const written = this.#text.slice(start + 1, end);
    const value =
      quote === '"'
        ? this.#interpolate(unescape(written), start + 1, written)
        : written.replaceAll(/\\(['\\])/g, (pair, escaped: string) => (escaped === "'" ? escaped : pair));
    END_OF_LINE.lastIndex = end + 1;
    const complete = END_OF_LINE.test(this.#text);
    if (complete) this.#set(key, value, start);
    this.#advanceTo(end + 1);
    if (complete) return;
    this.#match(BLANK);
    const opened = firstLine === this.#line ? '' : `; it was opened on line ${firstLine}`;
    this.#error(this.#position, `only a comment can stand behind the closing quote${opened}`, opened !== '');
  }

  #closingQuote(quote: '"' | "'"): number {
    for (let index = this.#position + 1; index < this.#text.length; index += 1) {
      const char = this.#text[index];
      if (char === quote) return index;
      if (char === '\\') index += 1;
    }
    return -1;
  }

  /** Undefined where a required variable is missing or the syntax is wrong. `written` is the value as the file has it. */
  #interpolate(value: string, start: number, written: string): string | undefined {
    const { text, problems } = interpolateText(value, {
      mode: 'full',
      lookup: (name) => this.#options.lookup(name) ?? this.values.get(name),
      reference: () => err({ message: '' }),
      allowReferences: false,
    });
    for (const problem of problems) {
      // Behind an escape the columns of the file are no longer those of the value.
      const exact = value === written && !value.includes('\n');
      this.#report(start + (exact ? problem.offset : 0), problem);
    }
    const failed = problems.some((problem) => problem.severity === 'error');
    return failed || typeof text !== 'string' ? undefined : text;
  }

  #inherit(key: string): void {
    const value = this.#options.lookup(key);
    if (value !== undefined) this.values.set(key, value);
  }

  #set(key: string, value: string | undefined, at: number): void {
    if (value === undefined) return;
    if (value.includes('\0')) {
      this.#error(at, 'a value cannot hold a NUL character');
      return;
    }
    this.#total += value.length;
    if (this.#total > MAX_TOTAL_LENGTH) {
      this.#error(at, 'the values of this file grow beyond 8 MiB through interpolation');
      this.#stop();
      return;
    }
    this.values.set(key, value);
  }

  #error(at: number, message: string, insideValue = false): void {
    this.#report(at, { severity: 'error', code: 'invalid-env-file', message }, insideValue);
  }

  #report(
    at: number,
    problem: Pick<TextProblem, 'severity' | 'code' | 'message' | 'help'>,
    insideValue = false,
  ): void {
    if (this.#stopped) return;
    const { severity, code, message, help } = problem;
    const labels = [{ place: this.#place(at, insideValue) }];
    const full = this.diagnostics.length >= MAX_DIAGNOSTICS;
    if (full && severity === 'warning') return;
    if (full) {
      const told = 'there are more problems in this file than these, and it was not read further';
      this.diagnostics.push({ severity, code, message: told, labels });
      this.#stop();
      return;
    }
    this.diagnostics.push({ severity, code, message, labels, ...(help === undefined ? {} : { help }) });
  }

  /** `at` is in the line that is being read. A line that began inside a value shows nothing: what looks like a key is none. */
  #place(at: number, insideValue: boolean): Place {
    const end = this.#text.indexOf('\n', this.#lineStart);
    const line = this.#text.slice(this.#lineStart, end < 0 ? undefined : end);
    const key = insideValue ? '' : (KEY_OF_LINE.exec(line)?.[0] ?? '');
    return {
      file: this.#options.file,
      line: this.#line,
      column: at - this.#lineStart + 1,
      source: `${key}***`,
    };
  }

  #advanceTo(position: number): void {
    if (this.#stopped) return;
    for (let at = this.#text.indexOf('\n', this.#position); at >= 0 && at < position;) {
      this.#line += 1;
      this.#lineStart = at + 1;
      at = this.#text.indexOf('\n', at + 1);
    }
    this.#position = position;
  }

  #nextLine(): void {
    if (this.#peek() === '\n') this.#advanceTo(this.#position + 1);
  }

  #stop(): void {
    this.#stopped = true;
    this.#position = this.#text.length;
  }

  #atEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  #peek(): string {
    return this.#text[this.#position] ?? '';
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#position += found.length;
    return found;
  }
}

/** The escapes of a double-quoted value; one that means nothing stays as it is written. */
function unescape(value: string): string {
  return value.replaceAll(/\\(0[0-7]{3}|[^])/g, (pair, escaped: string) => {
    if (escaped === '"') return escaped;
    if (escaped.length === 4) {
      const code = Number.parseInt(escaped, 8);
      return code > 0xff ? pair : String.fromCharCode(code);
    }
    return ESCAPES.get(escaped) ?? pair;
  });
}
