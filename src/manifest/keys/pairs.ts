import { entriesOf, pairOf } from '../form/forms.ts';
import type { MapEntry, Node } from '../read/node.ts';
import type { Reader } from './reader.ts';

/** A map, or a list of `NAME=VALUE`, in which a name alone has an empty value. */
export function labelsOf(node: Node | undefined, reader: Reader): Record<string, string> {
  return Object.fromEntries(pairsOf(node, reader).map(({ key, value }) => [key, reader.string(value) ?? '']));
}

/** The entries of a map, or of a list of `NAME=VALUE`; a name alone has the value null. */
export function pairsOf(node: Node | undefined, reader: Reader): readonly MapEntry[] {
  const { entries, others } = entriesOf(node, pairOf);
  // Read for its report's sake: a name must be known now.
  for (const item of others) reader.string(item);
  return entries;
}

/** The values of a map. */
export function valuesOf(node: Node | undefined, reader: Reader): Record<string, string> {
  const entries = node?.kind === 'map' ? [...node.entries.values()] : [];
  return Object.fromEntries(entries.map(({ key, value }) => [key, reader.string(value) ?? '']));
}
