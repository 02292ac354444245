/**
 * Merges manifests, the later over the earlier.
 *
 * Maps merge deep, scalars and values of different kinds are replaced, lists append. Beyond that:
 *
 * | where | rule |
 * | --- | --- |
 * | `command`, `entrypoint`, `shell`, commands of hooks, of `stop` and of probes | replaced |
 * | `env`, `labels` | by key, whether map or `KEY=VALUE` list |
 * | `ports` | by name in a map, by container port and protocol in a list and where a list meets a map |
 * | `mounts` | by target |
 * | `secrets` of a service | by secret and variable |
 * | `build`, `docker.build` | by key; a folder is its `context` where forms meet |
 * | `docker` | by key; `cap_add`, `cap_drop`, `networks` append what is new, `extra_hosts` merge by name |
 * | `sandbox` | by key, paths by path; `true` over a map leaves it as it is |
 * | a secret at the top | by key; `file` and `env` replace each other |
 * | `ready`, `live` | by key; another check than the earlier one replaces it, as `url` and `port` of `http` do each other; `healthcheck` alone is `{healthcheck: true}` where forms meet |
 * | `schedule` | by key; `cron` and `every` replace each other; a text is its `cron` where forms meet |
 * | `restart` | by key; a text is its `policy` where forms meet; lists of exit statuses are replaced |
 * | `watch` | by key, paths by path; a path or a list of them is its `paths` where forms meet |
 * | `depends_on` | by service; `- db` is `db: started` and `db: ready` is `db: {condition: ready}`, where forms meet |
 * | `env_file`, `include` | by path; one, or a list of them |
 * | `requires`, `profiles`, `redact`, `inherit_env`, `errors` | append what is not in the list yet |
 * | `backend_order` | replaced |
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
  dependencyOf,
  entryMap,
  isEmpty,
  keyMap,
  listOf,
  mountTarget,
  pathOf,
  probeMap,
  secretUse,
  splitHost,
  splitItem,
} from './forms.ts';
import { mergePorts } from './ports.ts';
import type { ListNode, MapEntry, MapNode, Node } from '../read/node.ts';

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
const HTTP: Rules = {
  merge: alternatives({ url: [], port: ['path', 'host', 'scheme'] }),
  keys: { status: REPLACE },
};
const PROBE: Rules = {
  merge: mergeProbe,
  keys: { exec: REPLACE, http: HTTP },
};
const RESTART: Rules = {
  merge: inForm('policy', mergeByKind),
  keys: { success_exit_codes: REPLACE, on_codes: REPLACE },
};
const SCHEDULE: Rules = { merge: inForm('cron', alternatives({ cron: ['timezone'], every: [] })) };
const WATCH: Rules = {
  merge: mergeWatch,
  keys: { paths: BY_PATH, ignore: APPEND_NEW, action: { merge: deepOrReplace } },
};

const BUILD: Rules = {
  merge: inForm('context', mergeByKind),
  keys: { args: KEYED, labels: KEYED, tags: APPEND_NEW },
};
const DOCKER: Rules = {
  keys: {
    build: BUILD,
    entrypoint: REPLACE,
    labels: KEYED,
    cap_add: APPEND_NEW,
    cap_drop: APPEND_NEW,
    networks: APPEND_NEW,
    extra_hosts: { merge: mergeHosts },
    healthcheck: { keys: { test: REPLACE } },
  },
};
const RESOURCES: Rules = { rest: { keys: { labels: KEYED } } };

const SERVICE: Rules = {
  keys: {
    command: REPLACE,
    backend_order: REPLACE,
    build: BUILD,
    sandbox: { merge: mergeSandbox, keys: { read: BY_PATH, write: BY_PATH } },
    secrets: { merge: mergeSecrets },
    entrypoint: REPLACE,
    shell: REPLACE,
    env: KEYED,
    labels: KEYED,
    env_file: BY_PATH,
    depends_on: { merge: mergeDependencies },
    ports: { merge: mergePortsOf },
    mounts: { merge: mergeMounts },
    requires: APPEND_NEW,
    profiles: APPEND_NEW,
    errors: APPEND_NEW,
    inherit_env: APPEND_NEW,
    stop: { keys: { command: REPLACE } },
    hooks: { rest: HOOK },
    ready: PROBE,
    live: PROBE,
    restart: RESTART,
    schedule: SCHEDULE,
    watch: WATCH,
    docker: DOCKER,
  },
};

const MANIFEST: Rules = {
  keys: {
    env: KEYED,
    env_file: BY_PATH,
    include: BY_PATH,
    redact: APPEND_NEW,
    secrets: { rest: { merge: alternatives({ file: [], env: [] }) } },
    volumes: RESOURCES,
    networks: RESOURCES,
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

/**
 * For maps that say one of several things: `companions` names, for each, the keys that go with it alone. Where `over`
 * says another one than `base`, that takes the place of all that `base` says of it, and nothing from below comes back
 * through it, neither what was replaced nor what that had already kept out.
 */
function alternatives(companions: Readonly<Record<string, readonly string[]>>): Merger {
  const names = Object.keys(companions);
  const withCompanions = (name: string) => [name, ...(companions[name] ?? [])];
  return (base, over, rules) => {
    if (base.kind !== 'map' || over.kind !== 'map') return mergeByKind(base, over, rules);
    const theirs = names.filter((name) => states(over, name));
    const others = names.filter((name) => !theirs.includes(name));
    const gone = others.flatMap(withCompanions).filter((key) => states(base, key));
    if (theirs.length === 0 || gone.length === 0) return mergeMaps(base, over, rules);
    const dropped = [...gone, ...theirs.filter((name) => states(base, name))];
    const keptOut = names
      .filter((name) => gone.some((key) => key !== name && names.includes(key)))
      .flatMap((name) => companions[name] ?? [])
      .filter((key) => !states(base, key));
    return mergeMaps(without(base, dropped, theirs[0]), sealed(over, theirs, keptOut), rules);
  };
}

function states(node: MapNode, key: string): boolean {
  const entry = node.entries.get(key);
  return entry !== undefined && entry.value.tag !== 'reset';
}

/** Without these keys; the first of them leaves its position to `heir`, by something for that to replace. */
function without(node: MapNode, keys: readonly string[], heir: string | undefined): MapNode {
  const entries = new Map<string, MapEntry>();
  let placed = heir === undefined;
  for (const [key, entry] of node.entries) {
    if (!keys.includes(key)) entries.set(key, entry);
    else if (!placed && heir !== undefined) {
      placed = true;
      entries.set(heir, entry);
    }
  }
  return { ...node, entries };
}

/** With `keys` as if tagged `!override`, and `absent` as if tagged `!reset` where they are not there. */
function sealed(node: MapNode, keys: readonly string[], absent: readonly string[]): MapNode {
  const entries = new Map(node.entries);
  for (const key of keys) {
    const entry = entries.get(key);
    if (entry !== undefined) entries.set(key, { ...entry, value: { ...entry.value, tag: 'override' } });
  }
  for (const key of absent.filter((name) => !entries.has(name))) {
    const { place } = node;
    entries.set(key, { key, keyPlace: place, value: { kind: 'scalar', place, value: null, tag: 'reset' } });
  }
  return { ...node, entries };
}

/** A scalar stands for a map with it under `key` where it meets a map. */
function inForm(key: string, merge: Merger): Merger {
  return (base, over, rules) => {
    if (base.kind === over.kind) return merge(base, over, rules);
    const left = keyMap(base, key);
    const right = keyMap(over, key);
    return left === undefined || right === undefined ? over : merge(left, right, rules);
  };
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

/** `true` asks for what is asked for already. */
function mergeSandbox(base: Node, over: Node, rules: Rules): Node {
  return base.kind === 'map' && over.kind === 'scalar' && over.value === true
    ? base
    : mergeByKind(base, over, rules);
}

function mergeSecrets(base: Node, over: Node, rules: Rules): Node {
  if (base.kind !== 'list' || over.kind !== 'list') return mergeByKind(base, over, rules);
  return mergeItems(base, over, secretUse);
}

function mergeHosts(base: Node, over: Node, rules: Rules): Node {
  if (base.kind === 'list' && over.kind === 'list')
    return mergeItems(base, over, (item) => splitHost(item)?.key);
  const left = asMap(base, splitHost);
  const right = asMap(over, splitHost);
  return left === undefined || right === undefined ? over : mergeMaps(left, right, rules);
}

const mergeChecks = alternatives({ exec: [], http: [], tcp: [], log: [], notify: [], healthcheck: [] });

function mergeProbe(base: Node, over: Node, rules: Rules): Node {
  if (base.kind === over.kind) return mergeChecks(base, over, rules);
  const left = probeMap(base);
  const right = probeMap(over);
  return left === undefined || right === undefined ? over : mergeChecks(left, right, rules);
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
  const left = keyMap(base, 'condition');
  const right = keyMap(over, 'condition');
  return left === undefined || right === undefined ? over : mergeMaps(left, right, NONE);
}

function mergeWatch(base: Node, over: Node, rules: Rules): Node {
  if (base.kind !== 'map' && over.kind !== 'map') return mergeByPath(base, over);
  const left = base.kind === 'list' ? entryMap('paths', base) : keyMap(base, 'paths');
  const right = over.kind === 'list' ? entryMap('paths', over) : keyMap(over, 'paths');
  return left === undefined || right === undefined ? over : mergeMaps(left, right, rules);
}

function mergePortsOf(base: Node, over: Node, rules: Rules): Node {
  if (base.kind === 'scalar' || over.kind === 'scalar') return over;
  return mergePorts(base, over, (left, right) => mergeMaps(left, right, rules));
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
