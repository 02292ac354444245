import type { Place } from '../core/diagnostic.ts';
import type { PortNumber, RestartSpec, ServiceId } from '../core/service.ts';
import { dependencyFacts } from './dependencies.ts';
import type { DependencyFact } from './dependencies.ts';
import type { Service } from './manifest-types.ts';
import { parsePortItem } from './port-forms.ts';
import { readyFact } from './probes.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import { restartOf } from './restart.ts';
import type { RawService } from './services.ts';

/** What other services, and the checks across services, need to know of a service. */
export interface Facts {
  readonly id: ServiceId;
  readonly place: Place;
  readonly active: boolean;
  readonly profiles: readonly string[];
  readonly replicas: number;
  readonly restart: RestartSpec;
  /** Of its `ready` probe, where it has one; `pattern` where that waits for a line. */
  readonly ready?: { readonly pattern?: string };
  /** By name, in the order of the manifest. */
  readonly ports: ReadonlyMap<string, PortFact>;
  readonly dependsOn: readonly DependencyFact[];
}

export interface PortFact {
  readonly port: PortNumber;
  readonly place: Place;
}

export function profilesOf(service: RawService, reader: Reader): string[] {
  return reader.strings(child<Service>(service.node, 'profiles'));
}

/** `reader` knows nothing of other services: what is read here is what they will be known by. */
export function factsOf(service: RawService, reader: Reader, active: boolean): Facts {
  const { id, place, node } = service;
  const ready = readyFact(child<Service>(node, 'ready'), reader);
  return {
    id,
    place,
    active,
    profiles: profilesOf(service, reader),
    replicas: reader.number(child<Service>(node, 'replicas')) ?? 1,
    restart: restartOf(child<Service>(node, 'restart'), reader),
    ...(ready === undefined ? {} : { ready }),
    ports: portsOf(service, reader),
    dependsOn: dependencyFacts(service, reader),
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
