import { MAX_VALUE, type Fields, type Shower, template } from '../field-values.ts';
import { compareText } from '../graph.ts';
import { escapeControl } from '../redact.ts';
import { canonicalJson } from '../fingerprint.ts';
import { type Command, DEFAULT_SHELL } from '../service.ts';
import { formatDuration } from '../util/duration.ts';

/** The ways of settings into fields: by the manifest's names, with values as people see them. */

/** A field and its value; undefined: there is no such field. */
export type Entry = readonly [field: string, value: string | undefined];

/** The fields of a value that stands at `at`, such as `hooks.pre_start`. */
export type FieldRow<T> = (value: T, at: string, show: Shower) => readonly Entry[];

/** A row for every member of T: one that is missing does not compile. */
export type FieldRows<T> = { readonly [K in keyof T]-?: FieldRow<Exclude<T[K], undefined>> };

export const text: FieldRow<string> = (value, at, show) => [[at, show.text(at, value)]];
export const plain: FieldRow<string | number | boolean> = (value, at) => [[at, String(value)]];
export const duration: FieldRow<number> = (value, at) => [[at, formatDuration(value)]];
export const words: FieldRow<readonly string[]> = (value, at, show) => [[at, show.words(at, value)]];
export const wordsIfAny: FieldRow<readonly string[]> = (value, at, show) =>
  value.length === 0 ? [] : words(value, at, show);
export const numbers: FieldRow<readonly number[]> = (value, at) => [[at, value.join(', ')]];
/** The shell is told only where it is not the one that is meant without a word. */
export const command: FieldRow<Command> = (of, at, show) =>
  of.kind === 'exec'
    ? [[at, show.words(at, of.argv.map(template))]]
    : [
        [at, show.words(at, template(of.script))],
        ...(canonicalJson(of.shell) === canonicalJson(DEFAULT_SHELL)
          ? []
          : words(of.shell, `${at}.shell`, show)),
      ];
export const values: FieldRow<Readonly<Record<string, string>>> = (of, at, show) =>
  prefixed(at, of, (name, value) => show.value(name, value));

/** Each member below `at`, under the manifest's name for it; one whose name is `''` at `at` itself. */
export function members<T extends object>(
  names: { readonly [K in keyof T]-?: string },
  rows: FieldRows<T>,
): FieldRow<T> {
  return (value, at, show) =>
    (Object.keys(rows) as (keyof T & string)[]).flatMap((key) => {
      const member = value[key] as Exclude<T[typeof key], undefined> | undefined;
      const name = names[key];
      return member === undefined ? [] : rows[key](member, name === '' ? at : `${at}.${name}`, show);
    });
}

/** A tree of settings, each leaf a field by the manifest's names; what is empty is left out. */
export const settings: FieldRow<unknown> = (value, at, show) => leaves(value, at, show, at);

function leaves(value: unknown, at: string, show: Shower, key: string): readonly Entry[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    return value.length === 0 ? [] : [[at, show.words(at, value.map(String))]];
  }
  if (typeof value !== 'object') {
    return [[at, typeof value === 'string' ? show.value(key, value) : JSON.stringify(value)]];
  }
  return Object.entries(value).flatMap(([name, item]: [string, unknown]) =>
    leaves(item, `${at}.${escapeControl(snakeCase(name), MAX_VALUE)}`, show, name),
  );
}

/** Names of ours are in camel case; a person's keep theirs. */
export function snakeCase(name: string): string {
  return /^[a-z]+([A-Z][a-z]*)+$/.test(name) ? name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) : name;
}

export function prefixed<T>(
  prefix: string,
  of: { readonly [name: string]: T },
  show: (name: string, value: T) => string,
): readonly Entry[] {
  return Object.entries(of).map(([name, value]) => [
    `${prefix}.${escapeControl(name, MAX_VALUE)}`,
    show(name, value),
  ]);
}

export function sortedFields(fields: readonly Entry[]): Fields {
  const present = fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
  return Object.fromEntries(present.sort(([a], [b]) => compareText(a, b)));
}
