/**
 * Merges manifests, the later over the earlier.
 *
 * Maps merge deep, scalars and values of different kinds are replaced, lists append. Beyond that the tables of keys say how
 * a key merges (`keys/table`), by the rules of `rules.ts`.
 *
 * What is replaced keeps the position it had, as in Compose. An empty value over a map or list changes nothing.
 *
 * `!reset` (back to the default) and `!override` (nothing of the earlier value stays) survive in the result, so that
 * they also act on what is merged below later, such as `defaults` below a service. So the last step, after all
 * merging, is `settleTags`.
 */
import { manifestKeys } from '../keys/table/manifest.ts';
import type { KeyRow } from '../keys/table/row.ts';
import { serviceKeys } from '../keys/table/service.ts';
import { mergeMaps, mergeNodes, untagged } from './nodes.ts';
import type { MapEntry, MapNode, Node } from '../read/node.ts';

const MANIFEST: KeyRow = { keys: manifestKeys };
const SERVICE: KeyRow = { keys: serviceKeys };

/** Merges two whole manifests, `over` being the later one. Neither is changed. */
export function mergeManifests(base: Node, over: Node): Node {
  return mergeNodes(base, over, MANIFEST);
}

/** Merges two services, or `defaults` below a service. Neither is changed. */
export function mergeService(base: MapNode, over: MapNode): MapNode {
  return mergeMaps(base, over, SERVICE);
}

/** Takes out what is tagged `!reset` and drops the tags of the rest: the last step of merging. */
export function settleTags(node: MapNode): MapNode;
export function settleTags(node: Node): Node;
export function settleTags(node: Node): Node {
  const plain = untagged(node);
  if (plain.kind === 'list') {
    const items = plain.items.filter((item) => item.tag !== 'reset').map((item) => settleTags(item));
    return sameItems(items, plain.items) ? plain : { ...plain, items };
  }
  if (plain.kind === 'map') {
    const entries = new Map<string, MapEntry>();
    let changed = false;
    for (const [key, entry] of plain.entries) {
      const value = entry.value.tag === 'reset' ? undefined : settleTags(entry.value);
      changed ||= value !== entry.value;
      if (value !== undefined) entries.set(key, value === entry.value ? entry : { ...entry, value });
    }
    return changed ? { ...plain, entries } : plain;
  }
  return plain;
}

function sameItems(left: readonly Node[], right: readonly Node[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
