import { compareText, type Edges, findCycles, reversed, topologicalBatches } from './graph.ts';
import type { Draft } from './plan.ts';
import type { ServiceId } from './service.ts';

/**
 * What each step waits for, by id, in the order of the steps:
 *
 * - a start or replacement for those of the services it depends on, however far down;
 * - a replacement also for the one of the instance before it, so that a service rolls one by one, and for the stops of
 *   what depends on it;
 * - a start or replacement for the stop of what holds its port or socket;
 * - a stop for the stops of what depends on it;
 * - a `forget` for its instance's stop.
 *
 * Stops wait for stops only, and services are free of cycles, so the steps are too.
 */
export function stepOrder(
  steps: readonly Draft[],
  edges: Edges,
  formerEdges: Edges,
): ReadonlyMap<string, readonly string[]> {
  const dependencies = withFormer(steps, edges, formerEdges);
  const starts = idsByService(steps.filter(begins));
  const stops = idsByService(steps.filter(({ action }) => action === 'stop'));
  const startsBelow = nearest(starts, dependencies);
  const stopsAbove = nearest(stops, reversed(dependencies));
  const freed = new Map<string, string[]>();
  for (const { id, action, claims } of steps) {
    if (action !== 'stop') continue;
    for (const claim of claims) freed.set(claim, [...(freed.get(claim) ?? []), id]);
  }
  const place = new Map(steps.map(({ id }, i) => [id, i]));
  const lastReplaced = new Map<ServiceId, string>();
  const after = new Map<string, readonly string[]>();
  for (const step of steps) {
    const before = new Set<string>();
    const wait = (ids: Iterable<string> = []): void => {
      for (const id of ids) before.add(id);
    };
    if (begins(step)) {
      wait(startsBelow.get(step.service));
      for (const claim of step.claims) wait(freed.get(claim));
    }
    if (step.action === 'replace') {
      const previous = lastReplaced.get(step.service);
      if (previous !== undefined) before.add(previous);
      lastReplaced.set(step.service, step.id);
    }
    if (step.action === 'replace' || step.action === 'stop') wait(stopsAbove.get(step.service));
    const stop = `stop:${step.instance}`;
    if (step.action === 'forget' && place.has(stop)) before.add(stop);
    after.set(
      step.id,
      [...before].sort((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0)),
    );
  }
  return after;
}

function begins({ action }: Draft): boolean {
  return action === 'start' || action === 'replace';
}

/** Edges between services of different manifests may contradict each other; the present manifest's are the truth. */
function withFormer(steps: readonly Draft[], edges: Edges, formerEdges: Edges): Edges {
  const ids = new Set([...edges.keys(), ...steps.map(({ service }) => service)]);
  const merged = new Map<string, readonly string[]>();
  for (const id of [...ids].sort(compareText)) {
    const targets = edges.get(id) ?? formerEdges.get(id) ?? [];
    merged.set(
      id,
      targets.filter((target) => target !== id && ids.has(target)),
    );
  }
  return findCycles([...ids], merged).length === 0 ? merged : edges;
}

function idsByService(steps: readonly Draft[]): ReadonlyMap<ServiceId, readonly string[]> {
  const ids = new Map<ServiceId, string[]>();
  for (const { service, id } of steps) {
    const known = ids.get(service);
    if (known === undefined) ids.set(service, [id]);
    else known.push(id);
  }
  return ids;
}

/** For each service the steps of the services next to it; a service without any passes on those beyond it. */
function nearest(
  own: ReadonlyMap<ServiceId, readonly string[]>,
  edges: Edges,
): ReadonlyMap<ServiceId, ReadonlySet<string>> {
  const ids = new Set([...edges.keys(), ...[...edges.values()].flat(), ...own.keys()]);
  const found = new Map<ServiceId, ReadonlySet<string>>();
  for (const service of topologicalBatches([...ids], edges).flat()) {
    const beyond = new Set<string>();
    for (const next of edges.get(service) ?? []) {
      for (const id of own.get(next) ?? found.get(next) ?? []) beyond.add(id);
    }
    found.set(service, beyond);
  }
  return found;
}
