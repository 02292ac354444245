/** How two nodes of a manifest merge: what a row of the tables of keys says, and what holds for all. */
import { isEmpty, type LongForm } from '../form/forms.ts';
import type { ListNode, MapNode, Node } from '../read/node.ts';

/** Merges what neither a tag nor an empty value has decided already. */
export type Merger = (base: Node, over: Node, row: MergeRow) => Node;

/** How the values of a key merge, where that is not what their kind says. */
export interface MergeRule {
  /** For the page of the keys. */
  readonly says: string;
  readonly merge: Merger;
}

/** What merging needs to know of a key. */
export interface MergeRow {
  /** The way from its short forms to the long one; absent: there are none, or they are lists that merge as such. */
  readonly long?: LongForm;
  /** Absent: maps merge deep, lists append, everything else is replaced. */
  readonly merge?: MergeRule;
  /** Of the keys of the map that it may hold. */
  readonly keys?: Readonly<Record<string, MergeRow>>;
  /** Of all other entries of that map. */
  readonly rest?: MergeRow;
}

const PLAIN: MergeRow = {};

export function mergeNodes(base: Node, over: Node, row: MergeRow): Node {
  if (over.tag !== undefined) return over;
  // What lies below `base` must not come back through `over`.
  if (base.tag === 'reset') return { ...over, tag: 'override' };
  if (base.tag === 'override') return { ...mergeNodes(untagged(base), over, row), tag: 'override' };
  if (isEmpty(over) && base.kind !== 'scalar') return base;
  return (row.merge?.merge ?? mergeByKind)(base, over, row);
}

export function mergeByKind(base: Node, over: Node, row: MergeRow): Node {
  if (base.kind === 'map' && over.kind === 'map') return mergeMaps(base, over, row);
  if (base.kind === 'list' && over.kind === 'list') return append(base, over.items);
  return over;
}

/** Maps merge deep; everything else is replaced, lists as well. */
export function deepOrReplace(base: Node, over: Node, row: MergeRow): Node {
  return base.kind === 'map' && over.kind === 'map' ? mergeMaps(base, over, row) : over;
}

/** The place of a merged map is where it stands first; that of each value where it was said last. */
export function mergeMaps(base: MapNode, over: MapNode, row: MergeRow): MapNode {
  if (over.entries.size === 0) return base;
  const entries = new Map(base.entries);
  for (const [key, theirs] of over.entries) {
    const ours = entries.get(key);
    const value = ours === undefined ? theirs.value : mergeNodes(ours.value, theirs.value, rowOf(row, key));
    if (ours === undefined || value === theirs.value) entries.set(key, theirs);
    else if (value !== ours.value) entries.set(key, { ...ours, value });
  }
  return { ...base, entries };
}

function rowOf(row: MergeRow, key: string): MergeRow {
  if (row.keys !== undefined && Object.hasOwn(row.keys, key)) return row.keys[key] ?? PLAIN;
  return row.rest ?? PLAIN;
}

function append(base: ListNode, items: readonly Node[]): ListNode {
  return items.length === 0 ? base : { ...base, items: [...base.items, ...items] };
}

export function appendNew(base: Node, over: Node, row: MergeRow): Node {
  if (base.kind !== 'list' || over.kind !== 'list') return mergeByKind(base, over, row);
  const known = new Set(base.items.map(scalarKey));
  return append(
    base,
    over.items.filter((item) => {
      const key = scalarKey(item);
      if (key === undefined) return true;
      if (known.has(key)) return false;
      known.add(key);
      return true;
    }),
  );
}

/** Lists whose items have a key: an item of `over` takes the place of the one with its key, others are appended. */
export function mergeItems(
  base: ListNode,
  over: ListNode,
  keyOf: (item: Node) => string | undefined,
): ListNode {
  if (over.items.length === 0) return base;
  const items = [...base.items];
  const positions = new Map<string, number>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (key !== undefined) positions.set(key, index);
  }
  for (const item of over.items) {
    const key = keyOf(item);
    const position = key === undefined ? undefined : positions.get(key);
    if (position !== undefined) {
      items[position] = item;
    } else {
      if (key !== undefined) positions.set(key, items.length);
      items.push(item);
    }
  }
  return { ...base, items };
}

/** Equal for equal scalars only: `1` and `"1"` differ. */
function scalarKey(node: Node): string | undefined {
  return node.kind === 'scalar' ? JSON.stringify([node.text ?? null, node.value]) : undefined;
}

export function untagged(node: Node): Node {
  if (node.tag === undefined) return node;
  const { tag: _tag, ...rest } = node;
  return rest;
}
