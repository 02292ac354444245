/** From each node to the nodes it depends on. Nodes that are no keys have no dependencies. */
export type Edges = ReadonlyMap<string, readonly string[]>;

/** In strongly connected components up to this size the shortest cycle is looked for from every node. */
const THOROUGH_SIZE = 64;

/** The same graph with every edge turned round: from each node to those that depend on it. */
export function reversed(edges: Edges): Edges {
  const turned = new Map<string, string[]>();
  for (const [from, targets] of edges) {
    for (const to of new Set(targets)) {
      const known = turned.get(to);
      if (known === undefined) turned.set(to, [from]);
      else known.push(from);
    }
  }
  return turned;
}

/** The named nodes and all that can be reached from them. */
export function closure(named: Iterable<string>, edges: Edges): ReadonlySet<string> {
  // A set's iterator also visits what is added on the way.
  const reached = new Set(named);
  for (const id of reached) for (const next of edges.get(id) ?? []) reached.add(next);
  return reached;
}

/**
 * The nodes in batches: each comes after the batches of all it depends on, as early as can be, and within a batch in
 * the order of `ids`. Edges to nodes outside of `ids` count as satisfied. Throws where there is a cycle: those are
 * looked for with `findCycles` first.
 */
export function topologicalBatches(ids: readonly string[], edges: Edges): readonly (readonly string[])[] {
  const known = new Set(ids);
  const open = new Map<string, number>();
  for (const id of known) open.set(id, new Set((edges.get(id) ?? []).filter((to) => known.has(to))).size);
  const dependents = reversed(edges);
  const place = new Map([...known].map((id, i) => [id, i]));
  const batches: (readonly string[])[] = [];
  let batch = [...known].filter((id) => open.get(id) === 0);
  let placed = 0;
  while (batch.length > 0) {
    batches.push(batch);
    placed += batch.length;
    const next: string[] = [];
    for (const id of batch) {
      for (const dependent of dependents.get(id) ?? []) {
        const left = (open.get(dependent) ?? 0) - 1;
        open.set(dependent, left);
        if (left === 0) next.push(dependent);
      }
    }
    batch = next.sort((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
  }
  if (placed < known.size) throw new Error('the graph has a cycle');
  return batches;
}

/**
 * One cycle of each strongly connected component that has any: a shortest one (in components of more than 64 nodes: a
 * shortest one through the first node). Each begins with its first node by name and does not repeat it at the end;
 * a node that depends on itself is a cycle of one. The cycles are sorted, and the same whatever the order of the input.
 */
export function findCycles(ids: readonly string[], edges: Edges): readonly (readonly string[])[] {
  const known = new Set(ids);
  const sorted = [...known].sort();
  const inside = new Map(
    sorted.map((id) => [id, (edges.get(id) ?? []).filter((to) => known.has(to)).sort()]),
  );
  return components(sorted, inside)
    .map((members) => shortestCycle([...members].sort(), inside))
    .filter((cycle) => cycle !== undefined)
    .sort((a, b) => compareText(a[0] ?? '', b[0] ?? ''));
}

function shortestCycle(members: readonly string[], edges: Edges): readonly string[] | undefined {
  const within = new Set(members);
  const starts = members.length <= THOROUGH_SIZE ? members : members.slice(0, 1);
  let best: readonly string[] | undefined;
  for (const start of starts) {
    const found = shortestThrough(start, within, edges);
    if (found !== undefined && (best === undefined || found.length < best.length)) best = found;
  }
  return best;
}

/** Breadth first from `start` until an edge leads back to it. */
function shortestThrough(
  start: string,
  within: ReadonlySet<string>,
  edges: Edges,
): readonly string[] | undefined {
  const from = new Map<string, string | undefined>([[start, undefined]]);
  for (const id of from.keys()) {
    for (const next of edges.get(id) ?? []) {
      if (next === start) return pathTo(id, from);
      if (within.has(next) && !from.has(next)) from.set(next, id);
    }
  }
  return undefined;
}

function pathTo(end: string, from: ReadonlyMap<string, string | undefined>): readonly string[] {
  const path: string[] = [];
  for (let id: string | undefined = end; id !== undefined; id = from.get(id)) path.push(id);
  return path.reverse();
}

/** Strongly connected components by Tarjan's algorithm, with a stack of its own so that depth is no limit. */
function components(ids: readonly string[], edges: Edges): readonly (readonly string[])[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const onStack = new Set<string>();
  const stack: string[] = [];
  const found: string[][] = [];
  for (const root of ids) {
    if (index.has(root)) continue;
    const frames = [enter(root)];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const next = frame.targets[frame.at];
      frame.at += 1;
      if (next === undefined) {
        frames.pop();
        leave(frame.id, frames.at(-1)?.id);
      } else if (!index.has(next)) frames.push(enter(next));
      else if (onStack.has(next)) lower(frame.id, index.get(next));
    }
  }
  return found;

  function enter(id: string): { id: string; targets: readonly string[]; at: number } {
    low.set(id, index.size);
    index.set(id, index.size);
    stack.push(id);
    onStack.add(id);
    return { id, targets: edges.get(id) ?? [], at: 0 };
  }

  function lower(id: string, to = Infinity): void {
    low.set(id, Math.min(low.get(id) ?? Infinity, to));
  }

  function leave(id: string, parent: string | undefined): void {
    if (parent !== undefined) lower(parent, low.get(id));
    if (low.get(id) !== index.get(id)) return;
    const members = stack.splice(stack.lastIndexOf(id));
    for (const member of members) onStack.delete(member);
    found.push(members);
  }
}

/** By code units: the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
