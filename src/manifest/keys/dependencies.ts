import type { Place } from '../../core/diagnostic.ts';
import type { Dependency, ServiceId } from '../../core/service.ts';
import type { ContainerFact, Facts } from './facts.ts';
import type { DependencyEntry, Service } from '../generated/manifest-types.ts';
import type { MapEntry } from '../read/node.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import type { RawService } from './services.ts';
import { dependencyOf, entriesOf } from '../form/forms.ts';
import { dependencyKeys } from './table/blocks.ts';
import { readMembers } from './table/row.ts';
import { serviceKeys } from './table/service.ts';

/** A dependency as it is written, with the places of what is said of it. */
export interface DependencyFact extends Dependency {
  /** Of the dependency's name. */
  readonly place: Place;
  readonly patternPlace?: Place;
  /** What makes it one, where that is not `depends_on`. */
  readonly by?: 'network_mode';
}

export function dependencyFacts({ node }: RawService, reader: Reader): readonly DependencyFact[] {
  const { entries, others } = entriesOf(child<Service>(node, 'depends_on'), dependencyOf);
  // Read for its report's sake: which service it is must be known now.
  for (const item of others) reader.string(item);
  return entries.map((entry) => dependencyFact(entry, reader));
}

/** A container in the network of another service cannot start before that, nor outlive it. */
export function networkDependency(
  container: ContainerFact | undefined,
  stated: readonly DependencyFact[],
): readonly DependencyFact[] {
  const service = hostService(container);
  const place = container?.modePlace;
  if (service === undefined || place === undefined) return stated;
  if (stated.some((dependency) => dependency.service === service && dependency.required)) return stated;
  const others = stated.filter((dependency) => dependency.service !== service);
  return [
    ...others,
    { service, condition: 'started', required: true, onFailure: 'restart', place, by: 'network_mode' },
  ];
}

/** The service whose network a container uses. */
export function hostService(container: ContainerFact | undefined): ServiceId | undefined {
  const mode = container?.networkMode;
  return mode?.startsWith('service:') === true ? mode.slice('service:'.length) : undefined;
}

function dependencyFact({ key, keyPlace, value }: MapEntry, reader: Reader): DependencyFact {
  const entry = serviceKeys.depends_on.rest.long(value);
  const pattern = child<DependencyEntry>(entry, 'pattern');
  const source = reader.string(pattern);
  return {
    service: key,
    ...readMembers(dependencyKeys, entry, reader),
    ...(pattern === undefined || source === undefined
      ? {}
      : { pattern: source, patternPlace: pattern.place }),
    place: keyPlace,
  };
}

/**
 * The dependencies as the engine sees them. One that need not be there and takes no part is left out; `ready` of a
 * service without a `ready` probe is `started`; `log` without a pattern means the one of the dependency's own probe.
 */
export function dependenciesOf(
  { dependsOn }: Facts,
  services: ReadonlyMap<ServiceId, Facts>,
): readonly Dependency[] {
  const byService = new Map<ServiceId, Dependency>();
  for (const { place: _place, patternPlace: _patternPlace, by: _by, pattern: own, ...fact } of dependsOn) {
    const target = services.get(fact.service);
    if (!fact.required && target?.active !== true) continue;
    const pattern = fact.condition === 'log' ? (own ?? target?.ready?.pattern) : undefined;
    const condition = fact.condition === 'ready' && target?.ready === undefined ? 'started' : fact.condition;
    byService.set(fact.service, { ...fact, condition, ...(pattern === undefined ? {} : { pattern }) });
  }
  return [...byService.values()];
}
