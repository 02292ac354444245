import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closure, findCycles, reversed, topologicalBatches } from '../../src/core/graph.ts';

function graph(edges: Record<string, readonly string[]>): ReadonlyMap<string, readonly string[]> {
  return new Map(Object.entries(edges));
}

const SIZE = 12;
const NAMES = Array.from({ length: SIZE }, (_, i) => `n${String(i).padStart(2, '0')}`);
const anyEdges = fc
  .array(fc.tuple(fc.nat(SIZE - 1), fc.nat(SIZE - 1)), { maxLength: 30 })
  .map((pairs) => toEdges(pairs));
const acyclicEdges = fc
  .array(fc.tuple(fc.nat(SIZE - 1), fc.nat(SIZE - 1)), { maxLength: 30 })
  .map((pairs) =>
    toEdges(pairs.filter(([a, b]) => a !== b).map(([a, b]) => [Math.max(a, b), Math.min(a, b)])),
  );

function toEdges(pairs: readonly (readonly [number, number])[]): Map<string, string[]> {
  const edges = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  for (const [a, b] of pairs) edges.get(NAMES[a]!)!.push(NAMES[b]!);
  return edges;
}

describe('findCycles', () => {
  it('finds a shortest cycle of each component, first node first', () => {
    const edges = graph({ api: ['cache', 'db'], cache: ['db', 'api'], db: ['log'], log: ['db'], x: ['api'] });
    expect(findCycles([...edges.keys()], edges)).toEqual([
      ['api', 'cache'],
      ['db', 'log'],
    ]);
  });

  it('prefers a dependency on itself, and ignores unknown nodes', () => {
    expect(findCycles(['a', 'b'], graph({ a: ['b', 'zzz'], b: ['a', 'b'] }))).toEqual([['b']]);
  });

  it('is the same whatever the order of nodes and edges', () => {
    fc.assert(
      fc.property(anyEdges, fc.shuffledSubarray(NAMES, { minLength: SIZE }), (edges, order) => {
        const mixed = new Map(order.map((id) => [id, [...(edges.get(id) ?? [])].reverse()]));
        expect(findCycles(order, mixed)).toEqual(findCycles(NAMES, edges));
      }),
    );
  });

  it('finds real cycles, and none exactly where the nodes can be put in order', () => {
    fc.assert(
      fc.property(anyEdges, (edges) => {
        const cycles = findCycles(NAMES, edges);
        for (const cycle of cycles) {
          for (const [i, id] of cycle.entries())
            expect(edges.get(id)).toContain(cycle[(i + 1) % cycle.length]);
        }
        let ordered = true;
        try {
          topologicalBatches(NAMES, edges);
        } catch {
          ordered = false;
        }
        expect(cycles.length === 0).toBe(ordered);
      }),
    );
  });

  it('copes with a chain and a ring of 10,000', () => {
    const ids = Array.from({ length: 10_000 }, (_, i) => `s${i}`);
    const chain = new Map(ids.map((id, i) => [id, i === 0 ? [] : [`s${i - 1}`]]));
    expect(findCycles(ids, chain)).toEqual([]);
    expect(topologicalBatches(ids, chain)).toHaveLength(10_000);
    expect(closure(['s9999'], chain).size).toBe(10_000);
    chain.set('s0', ['s9999']);
    expect(findCycles(ids, chain)[0]).toHaveLength(10_000);
  });
});

describe('topologicalBatches', () => {
  it('puts each node right after what it depends on', () => {
    const edges = graph({ api: ['db', 'cache'], web: ['api'], db: [], cache: [], lone: [] });
    expect(topologicalBatches([...edges.keys()], edges)).toEqual([['db', 'cache', 'lone'], ['api'], ['web']]);
  });

  it('counts an edge that is given twice, or that leads elsewhere, once or not at all', () => {
    expect(topologicalBatches(['a', 'b'], graph({ a: ['b', 'b', 'gone'] }))).toEqual([['b'], ['a']]);
  });

  it('throws where there is a cycle', () => {
    expect(() => topologicalBatches(['a', 'b'], graph({ a: ['b'], b: ['a'] }))).toThrow('cycle');
  });

  it('keeps every edge, and no node could come earlier', () => {
    fc.assert(
      fc.property(acyclicEdges, (edges) => {
        const level = new Map(
          topologicalBatches(NAMES, edges).flatMap((batch, i) => batch.map((id) => [id, i])),
        );
        for (const id of NAMES) {
          const below = (edges.get(id) ?? []).map((to) => level.get(to)!);
          expect(level.get(id)).toBe(below.length === 0 ? 0 : Math.max(...below) + 1);
        }
      }),
    );
  });
});

it('closure of the reversed graph holds the dependents', () => {
  const edges = graph({ web: ['api'], api: ['db'], db: [], other: [] });
  expect([...closure(['db'], reversed(edges))].sort()).toEqual(['api', 'db', 'web']);
  expect([...closure(['api'], edges)].sort()).toEqual(['api', 'db']);
});
