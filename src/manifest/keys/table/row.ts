/** The rows of the tables of keys: what the manifest says of a key, told once. */
import type { ChangeEffect } from '../../../core/fields/policy.ts';
import type { MergeRow } from '../../merge/nodes.ts';
import type { Node } from '../../read/node.ts';
import type { KeyOf, Reader } from '../reader.ts';

/** What there is to say of a key besides the schema: what it is for, and what may stand there. */
export interface KeyRow extends MergeRow {
  /** The member of the model that it goes into; one of a launch as `launch.umask`. */
  readonly member?: string;
  /** What a change of it does; absent: what the core says of its member, or else as the block that it stands in. */
  readonly change?: ChangeEffect;
  readonly keys?: KeyRows;
  readonly rest?: KeyRow;
}

export type KeyRows = Readonly<Record<string, KeyRow>>;

/** A row for every key of a block of the schema: one that is missing does not compile, nor does one that is no key. */
export type RowsOf<T> = { readonly [K in KeyOf<T>]-?: KeyRow };

/** What a value is in the model; a default where there is none, or undefined. */
export type Read<V> = (node: Node | undefined, reader: Reader) => V;

/** The row of a key whose value alone makes a member of the model. */
export interface ReadRow<M extends string, V> extends KeyRow {
  readonly member: M;
  readonly read: Read<V>;
}

export function into<const M extends string, V>(
  member: M,
  read: Read<V>,
  more: Omit<KeyRow, 'member'> = {},
): ReadRow<M, V> {
  return { ...more, member, read };
}

type Name<Row, Prefix extends string> =
  Row extends ReadRow<`${Prefix}${infer M}`, unknown> ? (M extends `${string}.${string}` ? never : M) : never;
type Value<Row> = Row extends ReadRow<string, infer V> ? V : never;

/** The members that the rows with a `read` make; those that may be undefined are optional. */
export type MembersOf<Rows, Prefix extends string = ''> = {
  readonly [K in keyof Rows as undefined extends Value<Rows[K]> ? never : Name<Rows[K], Prefix>]: Value<
    Rows[K]
  >;
} & {
  readonly [K in keyof Rows as undefined extends Value<Rows[K]> ? Name<Rows[K], Prefix> : never]?: Exclude<
    Value<Rows[K]>,
    undefined
  >;
};

/**
 * Reads the keys of a map whose rows have a `read`, the defaults of those that are not there included. With a prefix only
 * those whose member begins with it, without it in the names.
 */
export function readMembers<Rows extends KeyRows>(
  rows: Rows,
  node: Node | undefined,
  reader: Reader,
): MembersOf<Rows>;
export function readMembers<Rows extends KeyRows, Prefix extends string>(
  rows: Rows,
  node: Node | undefined,
  reader: Reader,
  prefix: Prefix,
): MembersOf<Rows, Prefix>;
export function readMembers(
  rows: KeyRows,
  node: Node | undefined,
  reader: Reader,
  prefix = '',
): Readonly<Record<string, unknown>> {
  const entries = node?.kind === 'map' ? node.entries : undefined;
  const members: Record<string, unknown> = {};
  for (const { key, name, read } of readersOf(rows, prefix)) {
    const value = read(entries?.get(key)?.value, reader);
    if (value !== undefined) members[name] = value;
  }
  return members;
}

interface MemberReader {
  readonly key: string;
  /** Of the member, without the prefix. */
  readonly name: string;
  readonly read: Read<unknown>;
}

/** Of each table and prefix once: every service is read by them. */
const READERS = new WeakMap<KeyRows, Map<string, readonly MemberReader[]>>();

function readersOf(rows: KeyRows, prefix: string): readonly MemberReader[] {
  const known = READERS.get(rows) ?? new Map<string, readonly MemberReader[]>();
  READERS.set(rows, known);
  const readers =
    known.get(prefix) ??
    Object.entries(rows).flatMap(([key, row]): readonly MemberReader[] => {
      if (!('read' in row) || row.member?.startsWith(prefix) !== true) return [];
      const name = row.member.slice(prefix.length);
      return name.includes('.') ? [] : [{ key, name, read: (row as ReadRow<string, unknown>).read }];
    });
  known.set(prefix, readers);
  return readers;
}

/** What stands under a key, in its long form. */
export function longChild<Rows extends KeyRows>(
  rows: Rows,
  node: Node | undefined,
  key: keyof Rows & string,
): Node | undefined {
  const value = node?.kind === 'map' ? node.entries.get(key)?.value : undefined;
  return value === undefined ? undefined : (rows[key]?.long?.(value) ?? value);
}

/** A map that is read by a table of its own. */
export function block<const Rows extends KeyRows>(rows: Rows): Read<MembersOf<Rows>> {
  return (node, reader) => readMembers(rows, node, reader);
}

export const text: Read<string | undefined> = (node, reader) => reader.string(node);
export const texts: Read<readonly string[]> = (node, reader) => reader.strings(node);
export const number: Read<number | undefined> = (node, reader) => reader.number(node);
export const duration: Read<number | undefined> = (node, reader) => reader.durationMs(node);
export const bytes: Read<number | undefined> = (node, reader) => reader.bytes(node);
export const path: Read<string | undefined> = (node, reader) => reader.path(node);
export const boolean: Read<boolean | undefined> = (node, reader) => reader.boolean(node);
export const flag: Read<boolean> = or(boolean, false);
/** Only there where true. */
export const onlyTrue: Read<true | undefined> = (node, reader) => reader.boolean(node) === true || undefined;

export function durationFrom(least: string): Read<number | undefined> {
  return (node, reader) => reader.durationMs(node, least);
}

export function bytesFrom(least: string): Read<number | undefined> {
  return (node, reader) => reader.bytes(node, least);
}

/** With a default in place of what is not there or wrong. */
export function or<V, const D>(read: Read<V>, byDefault: D): Read<Exclude<V, undefined> | D> {
  return (node, reader) => (read(node, reader) as Exclude<V, undefined> | undefined) ?? byDefault;
}

/** One of some words, the first of which is the default. */
export function oneOf<const W extends string>(byDefault: W, ...others: readonly W[]): Read<W> {
  return (node, reader) => {
    const said = reader.string(node);
    return others.find((word) => word === said) ?? byDefault;
  };
}
