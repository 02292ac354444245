import type { Diagnostic, Label, Place } from '../core/diagnostic.ts';
import { createRedactor } from '../core/redact.ts';
import type { Redactor } from '../core/redact.ts';
import type { SourceText } from './read/source.ts';

/** A source line in a diagnostic has at most this many characters. */
const MAX_LINE = 2_000;

/** How many lines back the key of a text of several lines is looked for. */
const MAX_LOOK_BACK = 200;

const KEY = /^[ \t]*(?:-[ \t]+)*["']?([^\s"':#,{}[\]][^"':]{0,200}?)["']?[ \t]*:(?:[ \t]+(.*))?$/;

/** Gives diagnostics their source lines, and takes out of lines and messages what is secret. */
export class Masker {
  readonly #sources: ReadonlyMap<string, SourceText>;
  readonly #redactor: Redactor;
  readonly #values: Redactor | undefined;
  readonly #lines = new Map<string, string>();

  readonly #hidden = new Map<string, Place[]>();
  readonly #broken = new Set<string>();

  /** `values` are secrets, which interpolation may have put into a value that a message repeats. */
  constructor(sources: ReadonlyMap<string, SourceText>, redactor: Redactor, values: readonly string[]) {
    this.#sources = sources;
    this.#redactor = redactor;
    this.#values = values.length === 0 ? undefined : createRedactor({ values });
  }

  all(diagnostics: readonly Diagnostic[]): Diagnostic[] {
    for (const { code, labels } of diagnostics) {
      for (const { place } of labels) {
        const key = `${place.line} ${place.file}`;
        // A malformed entry may be a value that slipped out of its place.
        if (code === 'bad-env-entry') this.#hidden.set(key, [...(this.#hidden.get(key) ?? []), place]);
        if (code === 'syntax') this.#broken.add(key);
      }
    }
    return diagnostics.map((diagnostic) => this.#diagnostic(diagnostic));
  }

  #diagnostic(diagnostic: Diagnostic): Diagnostic {
    const { message, help, labels } = diagnostic;
    return {
      ...diagnostic,
      message: this.#text(message),
      labels: labels.map((label) => this.#label(label)),
      ...(help === undefined ? {} : { help: this.#text(help) }),
    };
  }

  #text(text: string): string {
    return this.#values?.text(text) ?? text;
  }

  #label({ place, note }: Label): Label {
    const source = place.source ?? this.#sourceLine(place.file, place.line);
    return {
      place: source === undefined ? place : { ...place, source },
      ...(note === undefined ? {} : { note: this.#text(note) }),
    };
  }

  #sourceLine(file: string, line: number): string | undefined {
    const source = this.#sources.get(file);
    if (source === undefined) return undefined;
    const key = `${line} ${file}`;
    let masked = this.#lines.get(key);
    if (masked === undefined) {
      masked = this.#mask(source, line, key);
      this.#lines.set(key, masked);
    }
    return masked;
  }

  #mask(source: SourceText, line: number, key: string): string {
    const text = source.line(line).slice(0, MAX_LINE);
    if (this.#belongsToSecret(source, line) || this.#followsSecretFlag(source, line))
      return blank(text, 0, text.length);
    let masked = this.#redactor.line(text);
    for (const { column, endColumn } of this.#hidden.get(key) ?? []) {
      masked = blank(masked, column - 1, (endColumn ?? text.length + 1) - 1);
    }
    return this.#broken.has(key) ? this.#withoutTail(masked) : masked;
  }

  /** In a line that is not YAML nobody knows where a secret ends. */
  #withoutTail(text: string): string {
    for (const match of text.matchAll(/([\w.-]+)["']?[ \t]*[:=]/g)) {
      if (this.#redactor.isSecretKey(match[1] ?? ''))
        return blank(text, match.index + match[0].length, text.length);
    }
    return text;
  }

  /** Whether the line is a list's item after one such as `- --password`. */
  #followsSecretFlag(source: SourceText, line: number): boolean {
    if (line < 2 || !/^[ \t]*- /.test(source.line(line))) return false;
    const flag = /^[ \t]*-[ \t]+["']?--?([A-Za-z][\w-]*)["']?[ \t]*(?:#.*)?$/.exec(
      source.line(line - 1),
    )?.[1];
    return flag !== undefined && this.#redactor.isSecretKey(flag);
  }

  /** Whether the line is part of a text of several lines that began at a key whose values are secret. */
  #belongsToSecret(source: SourceText, line: number): boolean {
    const own = source.line(line);
    const indent = indentOf(own);
    const structural = KEY.test(own);
    for (let above = line - 1; above > Math.max(0, line - MAX_LOOK_BACK); above -= 1) {
      const text = source.line(above);
      if (text.trim() === '') continue;
      const match = KEY.exec(text);
      if (match === null) continue;
      const [, key = '', value = ''] = match;
      const opens = value !== '' && !/^(?:#|[&!]\S*\s*$)/.test(value);
      if (indentOf(text) < indent || !structural) {
        if (this.#redactor.isSecretKey(key.trim()) && (opens || !structural)) return true;
        // A text of several lines under another key, or a map: what is further up does not concern this line.
        if (indentOf(text) < indent || opens) return false;
      }
    }
    return false;
  }
}

function blank(text: string, from: number, to: number): string {
  return text.slice(0, from) + text.slice(from, to).replace(/\S/g, '*') + text.slice(to);
}

function indentOf(text: string): number {
  return text.length - text.trimStart().length;
}
