import type { ServiceId } from '../../core/service.ts';
import { hostService } from '../keys/dependencies.ts';
import { DEFAULT_NETWORK } from './docker-settings.ts';
import type { Facts } from '../keys/facts.ts';

/** Whether two services are containers that reach each other by name. */
export function sharesNetwork(a: ServiceId, b: ServiceId, services: ReadonlyMap<ServiceId, Facts>): boolean {
  const theirs = new Set(networksOf(b, services));
  return networksOf(a, services).some((network) => theirs.has(network));
}

/** None of a process of the machine, and of a container whose network is not one of the project's. */
function networksOf(id: ServiceId, services: ReadonlyMap<ServiceId, Facts>): readonly string[] {
  const seen = new Set<ServiceId>();
  for (let at = id; !seen.has(at);) {
    seen.add(at);
    const container = services.get(at)?.container;
    const host = hostService(container);
    if (container === undefined) return [];
    if (host !== undefined) {
      at = host;
      continue;
    }
    if (container.networkMode !== undefined) return [];
    return container.networks.length === 0 ? [DEFAULT_NETWORK] : container.networks;
  }
  return [];
}
