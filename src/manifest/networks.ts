import type { ServiceId } from '../core/service.ts';
import { hostService } from './dependencies.ts';
import { DEFAULT_NETWORK } from './docker-settings.ts';
import type { Facts } from './facts.ts';

/** Whether two services are containers that reach each other by name. */
export function sharesNetwork(a: ServiceId, b: ServiceId, services: ReadonlyMap<ServiceId, Facts>): boolean {
  const theirs = networksOf(b, services);
  return networksOf(a, services).some((network) => theirs.includes(network));
}

/** None of a process of the machine, and of a container whose network is not one of the project's. */
function networksOf(
  id: ServiceId,
  services: ReadonlyMap<ServiceId, Facts>,
  seen: readonly ServiceId[] = [],
): readonly string[] {
  const container = services.get(id)?.container;
  if (container === undefined || seen.includes(id)) return [];
  const host = hostService(container);
  if (host !== undefined) return networksOf(host, services, [...seen, id]);
  if (container.networkMode !== undefined) return [];
  return container.networks.length === 0 ? [DEFAULT_NETWORK] : container.networks;
}
