import type { DownResponse, ProjectSnapshot } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import type { ProjectEvent } from '../core/event.ts';
import { isLive } from '../core/state.ts';
import type { ProgressRow } from './progress-row.ts';
import { shownInstances } from './instances.ts';

/** What a display of stops remembers between two snapshots. Times are the daemon's clock, epoch ms. */
export interface DownMemory {
  readonly begunAt: number;
  readonly instances: ReadonlyMap<string, RememberedInstance>;
  /** Signal sent, by instance. */
  readonly signals: ReadonlyMap<string, string>;
}

interface RememberedInstance {
  readonly name: string;
  readonly service: string;
  readonly wasLive: boolean;
  readonly stoppedAt?: number;
}

/** Begins with what there is before anything is stopped. `only`: the instances concerned; absent: all. */
export function beginDown(snapshot: ProjectSnapshot, now: number, only?: ReadonlySet<string>): DownMemory {
  const instances = shownInstances(snapshot)
    .filter(({ instance }) => only?.has(instance.id) ?? true)
    .reverse()
    .map(({ name, instance, service }): [string, RememberedInstance] => [
      instance.id,
      { name, service: service.id, wasLive: isLive(instance.state) },
    ]);
  return { begunAt: now, instances: new Map(instances), signals: new Map() };
}

export function hearStop(memory: DownMemory, happening: ProjectEvent): DownMemory {
  if (happening.type !== 'instance-stopping' || happening.instance === undefined) return memory;
  return { ...memory, signals: new Map([...memory.signals, [happening.instance, happening.signal]]) };
}

/** Notes which instances have stopped by now. */
export function seeDown(memory: DownMemory, snapshot: ProjectSnapshot, now: number): DownMemory {
  const live = new Set(
    shownInstances(snapshot)
      .filter(({ instance }) => isLive(instance.state))
      .map(({ instance }) => instance.id),
  );
  return markStopped(memory, now, (id) => !live.has(id));
}

/** Once the daemon has answered: everything has stopped apart from what it names. */
export function finishDown(memory: DownMemory, response: DownResponse, now: number): DownMemory {
  const left = new Set(response.leftovers.map(({ instance }) => instance));
  return markStopped(memory, now, (id) => !left.has(id));
}

function markStopped(memory: DownMemory, now: number, hasStopped: (id: string) => boolean): DownMemory {
  const instances = [...memory.instances].map(([id, one]): [string, RememberedInstance] =>
    one.wasLive && one.stoppedAt === undefined && hasStopped(id)
      ? [id, { ...one, stoppedAt: now }]
      : [id, one],
  );
  return { ...memory, instances: new Map(instances) };
}

/** How many services had something running when it began. */
export function servicesToStop(memory: DownMemory): number {
  return new Set(
    [...memory.instances.values()].filter(({ wasLive }) => wasLive).map(({ service }) => service),
  ).size;
}

export function allStopped(memory: DownMemory): boolean {
  return [...memory.instances.values()].every(
    ({ wasLive, stoppedAt }) => !wasLive || stoppedAt !== undefined,
  );
}

/** The display's rows; `key` changes when a plain line is due. */
export function downRows(
  memory: DownMemory,
  snapshot: ProjectSnapshot,
  now: number,
): (ProgressRow & { readonly key: string })[] {
  const byId = new Map(shownInstances(snapshot).map((shown) => [shown.instance.id, shown]));
  return [...memory.instances].map(([id, one]) => {
    const { name } = one;
    if (!one.wasLive) return { icon: 'ok' as const, name, text: 'was not running', key: 'was not running' };
    if (one.stoppedAt !== undefined) {
      const time = formatSpan(one.stoppedAt - memory.begunAt);
      return { icon: 'ok' as const, name, text: 'stopped', time, key: 'stopped' };
    }
    const state = byId.get(id)?.instance.state;
    if (state?.kind === 'stopping') {
      const signal = memory.signals.get(id);
      const text = state.escalated
        ? 'SIGKILL sent'
        : `${signal === undefined ? 'asked to stop' : `${signal} sent`}, ${Math.max(0, Math.ceil((state.deadline - now) / 1000))} s left`;
      const pid = state.pid === undefined ? '' : `pid ${state.pid}`;
      const unknown = byId.get(id)?.instance.unknown;
      const note = unknown === undefined ? pid : `unknown: ${unknown}`;
      // Which signal it was is heard a moment later; until then there is no line to print.
      const key = state.escalated ? 'SIGKILL' : (signal ?? '');
      return { icon: 'busy' as const, name, text, key, ...(note === '' ? {} : { note }) };
    }
    const blockers = dependents(snapshot, one.service, memory);
    const text = blockers.length === 0 ? 'is about to be stopped' : `waits for ${blockers.join(', ')}`;
    return { icon: 'idle' as const, name, text, key: `waits ${blockers.join(' ')}` };
  });
}

/** Services that still run and depend on this one, so that it is stopped after them. */
function dependents(snapshot: ProjectSnapshot, service: string, memory: DownMemory): string[] {
  const live = new Set(
    [...memory.instances.values()]
      .filter(({ wasLive, stoppedAt }) => wasLive && stoppedAt === undefined)
      .map((one) => one.service),
  );
  return snapshot.services
    .filter(
      ({ id, dependsOn }) => live.has(id) && dependsOn.some((dependency) => dependency.service === service),
    )
    .map(({ id }) => id);
}
