import type { Node } from '../read/node.ts';
import type { Reader } from './reader.ts';

/** Labels: a map, or a list of `NAME=VALUE`, in which a name alone has an empty value. */
export function labelsOf(node: Node | undefined, reader: Reader): Record<string, string> {
  return Object.fromEntries(pairsOf(node, reader).map(({ key, value }) => [key, value ?? '']));
}

/** The values of a map. */
export function valuesOf(node: Node | undefined, reader: Reader): Record<string, string> {
  const entries = node?.kind === 'map' ? [...node.entries.values()] : [];
  return Object.fromEntries(entries.map(({ key, value }) => [key, reader.string(value) ?? '']));
}

interface Pair {
  readonly key: string;
  /** Undefined for null and for a name alone. */
  readonly value: string | undefined;
  readonly at: Node;
}

/** A map, or a list of `NAME=VALUE`, as pairs, in order. */
export function pairsOf(node: Node | undefined, reader: Reader): readonly Pair[] {
  if (node?.kind === 'map') {
    return [...node.entries.values()].map(({ key, value: at }) => ({ key, value: reader.string(at), at }));
  }
  return (node?.kind === 'list' ? node.items : []).flatMap((at): Pair[] => {
    const pair = reader.string(at);
    if (pair === undefined) return [];
    const cut = pair.indexOf('=');
    if (cut === -1) return [{ key: pair, value: undefined, at }];
    return [{ key: pair.slice(0, cut), value: pair.slice(cut + 1), at }];
  });
}
