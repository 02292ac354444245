/**
 * Merges manifests, the later over the earlier.
 *
 * Maps merge deep, scalars and values of different kinds are replaced, lists append. Beyond that:
 *
 * | where | rule |
 * | --- | --- |
 * | `command`, `entrypoint`, `shell`, commands of hooks, of `stop` and of probes | replaced |
 * | `env`, `labels` | by key, whether map or `KEY=VALUE` list |
 * | `ports` | by name in a map, by container port in a list |
 * | `mounts` | by target |
 * | `depends_on` | by service; `- db` is `db: started` and `db: ready` is `db: {condition: ready}`, where forms meet |
 * | `env_file`, `include` | by path; one, or a list of them |
 * | `requires`, `profiles`, `redact`, `inherit_env`, `errors` | append what is not in the list yet |
 *
 * What is replaced keeps the position it had, as in Compose. An empty value over a map or list changes nothing.
 *
 * `!reset` (back to the default) and `!override` (nothing of the earlier value stays) survive in the result, so that
 * they also act on what is merged below later, such as `defaults` below a service. So the last step, after all
 * merging, is `settleTags`.
 */
import {
  asItems,
  asMap,
  conditionMap,
  containerPort,
  dependencyOf,
  isEmpty,
  listOf,
  mountTarget,
  pathOf,
  portEntry,
  splitItem,
} from './merge-forms.ts';
import type { ListNode, MapEntry, MapNode, Node } from './node.ts';

/** Merges what neither a tag nor an empty value has decided already. */
type Merger = (base: Node, over: Node, rules: Rules) => Node;

interface Rules {
  /** In place of the default: maps deep, lists append, everything else is replaced. */
  readonly merge?: Merger;
  /** Rules of the values of a map, by key. */
  readonly keys?: Readonly<Record<string, Rules>>;
  /** Rules of the values under all other keys. */
  readonly rest?: Rules;
}

const NONE: Rules = {};
const REPLACE: Rules = { merge: (_base, over) => over };
const APPEND_NEW: Rules = { merge: appendNew };
const BY_PATH: Rules = { merge: mergeByPath };
const KEYED: Rules = { merge: mergeKeyed };
const HOOK: Rules = { merge: deepOrReplace, keys: { command: REPLACE } };
const PROBE: Rules = { keys: { exec: HOOK } };

const SERVICE: Rules = {
  keys: {
    command: REPLACE,
    entrypoint: REPLACE,
    shell: REPLACE,
    env: KEYED,
    labels: KEYED,
    env_file: BY_PATH,
    depends_on: { merge: mergeDependencies },
    ports: { merge: mergePorts },
    mounts: { merge: mergeMounts },
    requires: APPEND_NEW,
    profiles: APPEND_NEW,
    errors: APPEND_NEW,
    inherit_env: APPEND_NEW,
    stop: { keys: { command: REPLACE } },
    hooks: { rest: HOOK },
    ready: PROBE,
    live: PROBE,
    docker: { keys: { entrypoint: REPLACE, labels: KEYED, healthcheck: { keys: { test: REPLACE } } } },
  },
};

const MANIFEST: Rules = {
  keys: {
    env: KEYED,
    env_file: BY_PATH,
    include: BY_PATH,
    redact: APPEND_NEW,
    defaults: SERVICE,
    services: { rest: SERVICE },
  },
};

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

function mergeNodes(base: Node, over: Node, rules: Rules): Node {
  if (over.tag !== undefined) return over;
  // What lies below `base` must not come back through `over`.
  if (base.tag === 'reset') return { ...over, tag: 'override' };
  if (base.tag === 'override') return { ...mergeNodes(untagged(base), over, rules), tag: 'override' };
  if (isEmpty(over) && base.kind !== 'scalar') return base;
  return (rules.merge ?? mergeByKind)(base, over, rules);
}

function mergeByKind(base: Node, over: Node, rules: Rules): Node {
  if (base.kind === 'map' && over.kind === 'map') return mergeMaps(base, over, rules);
  if (base.kind === 'list' && over.kind === 'list') return append(base, over.items);
  return over;
}

function deepOrReplace(base: Node, over: Node, rules: Rules): Node {
  return base.kind === 'map' && over.kind === 'map' ? mergeMaps(base, over, rules) : over;
}

/** The place of a merged map is where it stands first; that of each value where it was said last. */
function mergeMaps(base: MapNode, over: MapNode, rules: Rules): MapNode {
  if (over.entries.size === 0) return base;
  const entries = new Map(base.entries);
  for (const [key, theirs] of over.entries) {
    const ours = entries.get(key);
    const value =
      ours === undefined ? theirs.value : mergeNodes(ours.value, theirs.value, ruleOf(rules, key));
    if (ours === undefined || value === theirs.value) entries.set(key, theirs);
    else if (value !== ours.value) entries.set(key, { ...ours, value });
  }
  return { ...base, entries };
}

function ruleOf(rules: Rules, key: string): Rules {
  if (rules.keys !== undefined && Object.hasOwn(rules.keys, key)) return rules.keys[key] ?? NONE;
  return rules.rest ?? NONE;
}

function append(base: ListNode, items: readonly Node[]): ListNode {
  return items.length === 0 ? base : { ...base, items: [...base.items, ...items] };
}

function appendNew(base: Node, over: Node, rules: Rules): Node {
  if (base.kind !== 'list' || over.kind !== 'list') return mergeByKind(base, over, rules);
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

function mergeByPath(base: Node, over: Node): Node {
  return mergeItems(listOf(base), listOf(over), pathOf);
}

function mergeMounts(base: Node, over: Node, rules: Rules): Node {
  if (base.kind !== 'list' || over.kind !== 'list') return mergeByKind(base, over, rules);
  return mergeItems(base, over, mountTarget);
}

function mergeKeyed(base: Node, over: Node, rules: Rules): Node {
  if (base.kind === 'list' && over.kind === 'list')
    return mergeItems(base, over, (item) => splitItem(item)?.key);
  if (base.kind === 'scalar' || over.kind === 'scalar' || base.kind === over.kind) {
    return mergeByKind(base, over, rules);
  }
  const left = asMap(base, splitItem);
  const right = asMap(over, splitItem);
  if (left !== undefined && right !== undefined) return mergeMaps(left, right, rules);
  // A malformed entry cannot go into a map; in a list it stays, for the check of the schema to point at.
  return mergeItems(asItems(base), asItems(over), (item) => splitItem(item)?.key);
}

function mergeDependencies(base: Node, over: Node, rules: Rules): Node {
  if (base.kind === 'list' && over.kind === 'list') return appendNew(base, over, rules);
  const left = asMap(base, dependencyOf);
  const right = asMap(over, dependencyOf);
  if (left === undefined || right === undefined) return over;
  return mergeMaps(left, right, { rest: { merge: mergeDependency } });
}

function mergeDependency(base: Node, over: Node): Node {
  if (base.kind === 'scalar' && over.kind === 'scalar') return over;
  const left = conditionMap(base);
  const right = conditionMap(over);
  return left === undefined || right === undefined ? over : mergeMaps(left, right, NONE);
}

function mergePorts(base: Node, over: Node, rules: Rules): Node {
  if (base.kind === 'list' && over.kind === 'list') return mergeItems(base, over, containerPort);
  const left = asMap(base, portEntry);
  const right = asMap(over, portEntry);
  return left === undefined || right === undefined ? over : mergeMaps(left, right, rules);
}

/** Lists whose items have a key: an item of `over` takes the place of the one with its key, others are appended. */
function mergeItems(base: ListNode, over: ListNode, keyOf: (item: Node) => string | undefined): ListNode {
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

function untagged(node: Node): Node {
  if (node.tag === undefined) return node;
  const { tag: _tag, ...rest } = node;
  return rest;
}

function sameItems(left: readonly Node[], right: readonly Node[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
