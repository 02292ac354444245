import type { DownResponse, ProjectSnapshot, ServiceSnapshot } from '../core/api.ts';
import type { InstanceSnapshot } from '../core/event.ts';
import { isLive } from '../core/state.ts';
import { formatSpan } from '../core/util/duration.ts';
import { instanceWord, STATE_ORDER, type InstanceWord } from './status.ts';
import { count } from './text.ts';

/** An instance with its service and the name it goes by on screen. */
export interface NamedInstance {
  readonly service: ServiceSnapshot;
  readonly instance: InstanceSnapshot;
  /** The service's id where it is its only instance, else the instance's own. */
  readonly name: string;
}

/** All instances, in the order of the manifest, or those of the given services and what they depend on. */
export function shownInstances(snapshot: ProjectSnapshot, only?: ReadonlySet<string>): NamedInstance[] {
  return snapshot.services
    .filter(({ id }) => only?.has(id) ?? true)
    .flatMap((service) =>
      service.instances.map((instance) => ({ service, instance, name: nameOf(service, instance) })),
    );
}

function nameOf(service: ServiceSnapshot, instance: InstanceSnapshot): string {
  return service.instances.length === 1 && service.replicas <= 1 ? service.id : instance.id;
}

/** Names on screen by instance id. */
export function displayNames(snapshot: ProjectSnapshot): ReadonlyMap<string, string> {
  return new Map(shownInstances(snapshot).map(({ instance, name }) => [instance.id, name]));
}

/** "3 ready, 1 backoff, 1 completed". */
export function countStates(snapshot: ProjectSnapshot): string {
  const counts = new Map<InstanceWord, number>();
  for (const { instance } of shownInstances(snapshot)) {
    const word = instanceWord(instance);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return STATE_ORDER.flatMap((word) => {
    const n = counts.get(word);
    return n === undefined ? [] : [`${n} ${word}`];
  }).join(', ');
}

/** "4 services keep running", for when nothing was changed; undefined where nothing runs. */
export function whatKeepsRunning(snapshot: ProjectSnapshot): string | undefined {
  const live = snapshot.services.filter(({ instances }) =>
    instances.some(({ state }) => isLive(state)),
  ).length;
  if (live === 0) return undefined;
  return live === 1 ? '1 service keeps running' : `${count(live, 'service')} keep running`;
}

/** "Stopped shop: 3 instances in 0.4 s". */
export function stoppedText(project: string, { stopped }: DownResponse, tookMs: number | undefined): string {
  const time = tookMs === undefined ? '' : ` in ${formatSpan(tookMs)}`;
  return `Stopped ${project}: ${stopped === 0 ? 'nothing was running' : `${count(stopped, 'instance')}${time}`}`;
}

/** `8081`, or `http 8081, admin 9090`. */
export function portsText(ports: Readonly<Record<string, number>>): string {
  const entries = Object.entries(ports);
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return String(only[1]);
  return entries.map(([name, port]) => (name === String(port) ? name : `${name} ${port}`)).join(', ');
}
