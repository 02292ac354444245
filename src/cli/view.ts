import type { DownResponse, ProjectSnapshot, ServiceSnapshot } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import type { InstanceSnapshot } from '../core/event.ts';
import { isLive } from '../core/state.ts';
import { instanceWord, STATE_ORDER, type InstanceWord } from '../core/status-text.ts';
import type { Problem } from './context.ts';
import { count } from './output/text.ts';
import { closest } from '../core/util/closest.ts';

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

/** The services named (by their ids or those of their instances) and all that they depend on. */
export function withDependencies(snapshot: ProjectSnapshot, names: readonly string[]): ReadonlySet<string> {
  const byId = new Map(snapshot.services.map((service) => [service.id, service]));
  const byInstance = new Map(
    snapshot.services.flatMap(({ id, instances }) => instances.map((instance) => [instance.id, id] as const)),
  );
  const found = new Set<string>();
  const todo = names.map((name) => (byId.has(name) ? name : (byInstance.get(name) ?? name)));
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    for (const { service } of byId.get(id)?.dependsOn ?? []) todo.push(service);
  }
  return found;
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

/** The snapshot with nothing but the services and instances named; with everything where none is. */
export function narrow(snapshot: ProjectSnapshot, names: readonly string[]): ProjectSnapshot {
  if (names.length === 0) return snapshot;
  const services = snapshot.services.flatMap((service) => {
    if (names.includes(service.id)) return [service];
    const instances = service.instances.filter(({ id }) => names.includes(id));
    return instances.length === 0 ? [] : [{ ...service, instances }];
  });
  return { ...snapshot, services };
}

/** The snapshot with those services alone that have all of the labels: `key`, or `key=value`. */
export function withLabels(snapshot: ProjectSnapshot, labels: readonly string[]): ProjectSnapshot {
  if (labels.length === 0) return snapshot;
  const has = (service: ServiceSnapshot, label: string): boolean => {
    const [key = '', ...value] = label.split('=');
    const own = Object.hasOwn(service.labels, key) ? service.labels[key] : undefined;
    return own !== undefined && (value.length === 0 || own === value.join('='));
  };
  const services = snapshot.services.filter((service) => labels.every((label) => has(service, label)));
  return { ...snapshot, services };
}

/** What is wrong with the first name that is neither a service nor an instance; undefined where all are. */
export function unknownName(snapshot: ProjectSnapshot, names: readonly string[]): Problem | undefined {
  const known = new Set(
    snapshot.services.flatMap(({ id, instances }) => [id, ...instances.map((i) => i.id)]),
  );
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return undefined;
  const near = closest(unknown, [...known]);
  return {
    message: `there is no service \`${unknown}\` in ${snapshot.name}`,
    next: near === undefined ? '`setpoint status` lists them' : `did you mean \`${near}\`?`,
  };
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
