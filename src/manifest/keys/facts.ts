import type { Place } from '../../core/diagnostic.ts';
import type { RestartSpec, ServiceId } from '../../core/service.ts';
import { chooseBackend } from '../backends/choice.ts';
import type { BackendChoice, ChoiceScope } from '../backends/choice.ts';
import { dialectOf } from '../backends/dialects.ts';
import { dependencyFacts, networkDependency } from './dependencies.ts';
import type { DependencyFact } from './dependencies.ts';
import type { Service } from '../generated/manifest-types.ts';
import { portsOf } from './ports.ts';
import type { PortFact } from './ports.ts';
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
  readonly choice: BackendChoice;
  /** Of a service that runs in a container. */
  readonly container?: ContainerFact;
  /** Of its `ready` probe, where it has one; `pattern` where that waits for a line. */
  readonly ready?: { readonly pattern?: string };
  /** By name, in the order of the manifest. */
  readonly ports: ReadonlyMap<string, PortFact>;
  readonly dependsOn: readonly DependencyFact[];
}

export interface ContainerFact {
  /** As written: none is the project's own. */
  readonly networks: readonly string[];
  readonly networkMode?: string;
  readonly modePlace?: Place;
  /** Whether the engine may know of its health: that of an image shows only when it runs. */
  readonly hasHealth: boolean;
}

export function profilesOf(service: RawService, reader: Reader): string[] {
  return reader.strings(child<Service>(service.node, 'profiles'));
}

/** `reader` knows nothing of other services: what is read here is what they will be known by. */
export function factsOf(service: RawService, reader: Reader, scope: ChoiceScope, active: boolean): Facts {
  const { id, place, node } = service;
  const choice = chooseBackend(service, reader, scope);
  const dialect = dialectOf(choice.backend);
  const container = dialect.container?.(service, reader);
  const ready = readyFact(node, reader) ?? (container?.hasHealth === true ? {} : undefined);
  return {
    id,
    place,
    active,
    profiles: profilesOf(service, reader),
    replicas: reader.number(child<Service>(node, 'replicas')) ?? 1,
    restart: restartOf(node, reader),
    choice,
    ...(container === undefined ? {} : { container }),
    ...(ready === undefined ? {} : { ready }),
    ports: portsOf(service, dialect, container?.networkMode, reader),
    dependsOn: networkDependency(container, dependencyFacts(service, reader)),
  };
}
