import type { ProjectSnapshot, ServiceSnapshot } from '../core/api.ts';
import { closest } from '../core/util/closest.ts';
import type { Problem } from './context.ts';

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
