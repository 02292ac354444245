import type { Place } from '../core/diagnostic.ts';
import type { DependencyCondition, PortNumber, RestartPolicy, ServiceId } from '../core/service.ts';
import type { DependencyEntry, Service } from './manifest-types.ts';
import { parsePortItem } from './port-forms.ts';
import { child, itemsOf } from './reader.ts';
import type { Reader } from './reader.ts';
import type { RawService } from './services.ts';

/** What other services, and the checks across services, need to know of a service. */
export interface Facts {
  readonly id: ServiceId;
  readonly place: Place;
  readonly active: boolean;
  readonly profiles: readonly string[];
  readonly replicas: number;
  readonly restart: RestartPolicy;
  /** By name, in the order of the manifest. */
  readonly ports: ReadonlyMap<string, PortFact>;
  readonly dependsOn: readonly DependencyFact[];
}

export interface PortFact {
  readonly port: PortNumber;
  readonly place: Place;
}

export interface DependencyFact {
  readonly service: ServiceId;
  readonly condition: DependencyCondition;
  readonly place: Place;
}

const CONDITIONS: readonly DependencyCondition[] = ['started', 'completed', 'completed-successfully'];
const POLICIES: readonly RestartPolicy[] = ['never', 'on-failure', 'always', 'unless-stopped'];

export function profilesOf(service: RawService, reader: Reader): string[] {
  return reader.strings(child<Service>(service.node, 'profiles'));
}

/** `reader` knows nothing of other services: what is read here is what they will be known by. */
export function factsOf(service: RawService, reader: Reader, active: boolean): Facts {
  const { id, place, node } = service;
  const restart = reader.string(child<Service>(node, 'restart'));
  return {
    id,
    place,
    active,
    profiles: profilesOf(service, reader),
    replicas: reader.number(child<Service>(node, 'replicas')) ?? 1,
    restart: POLICIES.find((policy) => policy === restart) ?? 'on-failure',
    ports: portsOf(service, reader),
    dependsOn: dependenciesOf(service, reader),
  };
}

function portsOf({ node }: RawService, reader: Reader): Map<string, PortFact> {
  const ports = new Map<string, PortFact>();
  const value = child<Service>(node, 'ports');
  if (value?.kind === 'map') {
    for (const { key, value: entry } of value.entries.values()) {
      const port = reader.number(entry) ?? (reader.string(entry) === 'auto' ? 'auto' : undefined);
      if (port !== undefined) ports.set(key, { port, place: entry.place });
    }
  }
  for (const item of value?.kind === 'list' ? value.items : []) {
    const parsed = parsePortItem(reader.string(item) ?? '');
    if (parsed.ok) ports.set(String(parsed.value), { port: parsed.value, place: item.place });
  }
  return ports;
}

function dependenciesOf({ node }: RawService, reader: Reader): DependencyFact[] {
  const value = child<Service>(node, 'depends_on');
  if (value?.kind !== 'map') {
    return itemsOf(value).flatMap((item) => {
      const service = reader.string(item);
      return service === undefined ? [] : [{ service, condition: 'started', place: item.place } as const];
    });
  }
  return [...value.entries.values()].map(({ key, keyPlace, value: entry }) => {
    const written = reader.string(entry.kind === 'map' ? child<DependencyEntry>(entry, 'condition') : entry);
    const condition = CONDITIONS.find((known) => known === written) ?? 'started';
    return { service: key, condition, place: keyPlace };
  });
}
