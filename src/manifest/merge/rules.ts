/** The rules by which two files merge a key, beyond what its kind says. `says` stands in the page of the keys. */
import {
  asItems,
  asMap,
  dependencyOf,
  type EntryForm,
  hostOf,
  listOf,
  mountTarget,
  pairOf,
  pathOf,
  secretUse,
  under,
} from '../form/forms.ts';
import {
  appendNew,
  deepOrReplace,
  mergeByKind,
  mergeItems,
  mergeMaps,
  type Merger,
  type MergeRule,
  type MergeRow,
} from './nodes.ts';
import { mergePorts } from './ports.ts';
import type { MapEntry, MapNode, Node } from '../read/node.ts';

export const replaced: MergeRule = { says: 'replaced', merge: (_base, over) => over };
export const whatIsNew: MergeRule = { says: 'what is not there yet is appended', merge: appendNew };
export const byPath: MergeRule = {
  says: 'by path',
  merge: (base, over) => mergeItems(listOf(base), listOf(over), pathOf),
};
export const byName: MergeRule = { says: 'by name, whether map or list', merge: mergePairs };
/** A hook, or what else is a command or a map. */
export const deep: MergeRule = { says: 'by key', merge: deepOrReplace };
export const mountsByTarget: MergeRule = { says: 'by target', merge: byItem(mountTarget) };
export const secretsByUse: MergeRule = { says: 'by secret and variable', merge: byItem(secretUse) };
export const portsByNumber: MergeRule = {
  says: 'by name in a map, by the number inside and the protocol in a list',
  merge: (base, over, row) =>
    base.kind === 'scalar' || over.kind === 'scalar'
      ? over
      : mergePorts(base, over, (left, right) => mergeMaps(left, right, row)),
};
export const hostsByName: MergeRule = {
  says: 'by name, whether map or list',
  merge: (base, over, row) =>
    base.kind === 'list' && over.kind === 'list'
      ? mergeItems(base, over, (item) => hostOf(item)?.key)
      : mergeAsMaps(hostOf, base, over, row),
};
export const dependenciesByService: MergeRule = {
  says: 'by service',
  merge: (base, over, row) =>
    base.kind === 'list' && over.kind === 'list'
      ? appendNew(base, over, row)
      : mergeAsMaps(dependencyOf, base, over, row),
};
export const sandboxByKey: MergeRule = {
  says: 'by key; `true` leaves an earlier map as it is',
  // It asks for what is asked for already.
  merge: (base, over, row) =>
    base.kind === 'map' && over.kind === 'scalar' && over.value === true
      ? base
      : mergeByKind(base, over, row),
};
export const sourcesOfSecret: MergeRule = {
  says: 'by key; `file` and `env` replace each other',
  merge: alternatives({ file: [], env: [] }),
};
export const addressesOfHttp: MergeRule = {
  says: 'by key; `url` and `port` replace each other',
  merge: alternatives({ url: [], port: ['path', 'host', 'scheme'] }),
};
export const checksOfProbe: MergeRule = {
  says: 'by key; another check than the earlier one replaces it, the timings stay',
  merge: inLongForm(alternatives({ exec: [], http: [], tcp: [], log: [], notify: [], healthcheck: [] })),
};
export const timesOfSchedule: MergeRule = {
  says: 'by key; `cron` and `every` replace each other, a text is its `cron`',
  merge: inLongForm(alternatives({ cron: ['timezone'], every: [] })),
};
export const watchedByPath: MergeRule = {
  says: 'by key, paths by path; a path or a list of them is its `paths`',
  merge: (base, over, row) =>
    base.kind !== 'map' && over.kind !== 'map'
      ? byPath.merge(base, over, row)
      : inLongForm(mergeByKind)(base, over, row),
};

/** What a row says where a value alone stands for a map with it under `key`. */
export function short(key: string, what: string): Required<Pick<MergeRow, 'long' | 'merge'>> {
  return {
    long: under(key),
    merge: { says: `by key; ${what} alone is its \`${key}\``, merge: inLongForm(mergeByKind) },
  };
}

function byItem(keyOf: (item: Node) => string | undefined): Merger {
  return (base, over, row) =>
    base.kind === 'list' && over.kind === 'list'
      ? mergeItems(base, over, keyOf)
      : mergeByKind(base, over, row);
}

/** In the long form where one of the two is in another form than the other; what has none is replaced. */
function inLongForm(merge: Merger): Merger {
  return (base, over, row) => {
    if (base.kind === over.kind || row.long === undefined) return merge(base, over, row);
    const left = row.long(base);
    const right = row.long(over);
    return left.kind === 'map' && right.kind === 'map' ? merge(left, right, row) : over;
  };
}

function mergeAsMaps(entryOf: EntryForm, base: Node, over: Node, row: MergeRow): Node {
  const left = asMap(base, entryOf);
  const right = asMap(over, entryOf);
  return left === undefined || right === undefined ? over : mergeMaps(left, right, row);
}

function mergePairs(base: Node, over: Node, row: MergeRow): Node {
  if (base.kind === 'list' && over.kind === 'list')
    return mergeItems(base, over, (item) => pairOf(item)?.key);
  if (base.kind === 'scalar' || over.kind === 'scalar' || base.kind === over.kind) {
    return mergeByKind(base, over, row);
  }
  const left = asMap(base, pairOf);
  const right = asMap(over, pairOf);
  if (left !== undefined && right !== undefined) return mergeMaps(left, right, row);
  // A malformed entry cannot go into a map; in a list it stays, for the check of the schema to point at.
  return mergeItems(asItems(base), asItems(over), (item) => pairOf(item)?.key);
}

/**
 * For maps that say one of several things: `companions` names, for each, the keys that go with it alone. Where `over`
 * says another one than `base`, that takes the place of all that `base` says of it, and nothing from below comes back
 * through it, neither what was replaced nor what that had already kept out.
 */
function alternatives(companions: Readonly<Record<string, readonly string[]>>): Merger {
  const names = Object.keys(companions);
  const withCompanions = (name: string) => [name, ...(companions[name] ?? [])];
  return (base, over, row) => {
    if (base.kind !== 'map' || over.kind !== 'map') return mergeByKind(base, over, row);
    const theirs = names.filter((name) => states(over, name));
    const others = names.filter((name) => !theirs.includes(name));
    const gone = others.flatMap(withCompanions).filter((key) => states(base, key));
    if (theirs.length === 0 || gone.length === 0) return mergeMaps(base, over, row);
    const dropped = [...gone, ...theirs.filter((name) => states(base, name))];
    const keptOut = names
      .filter((name) => gone.some((key) => key !== name && names.includes(key)))
      .flatMap((name) => companions[name] ?? [])
      .filter((key) => !states(base, key));
    return mergeMaps(without(base, dropped, theirs[0]), sealed(over, theirs, keptOut), row);
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
