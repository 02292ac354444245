import { commandTexts, launchTexts } from './launch-texts.ts';
import type { TextContext } from './launch.ts';
import type { LateRef, ServiceId, ServiceSpec, Text } from './service.ts';

/** How services find each other: what `${services.x.host}` and `${services.x.ports.p}` stand for, and where. */

/** The machine's name in a container that was given it by `extra_hosts`. */
const GATEWAY = 'host.docker.internal';
const LOOPBACK = '127.0.0.1';
/** The project's own network, on which a container is that names none. */
const DEFAULT_NETWORK = 'default';

export type Services = ReadonlyMap<ServiceId, ServiceSpec>;

/** The number of a port on the machine, where it has one there. */
export type PublishedPort = (service: ServiceId, number: number, port: string) => number | undefined;

/** Where a process is on the network. */
type NetworkPlace =
  | { readonly kind: 'machine' }
  | {
      readonly kind: 'container';
      /** Whose network it has: its own service, or the one it shares with (`network_mode: service:ID`). */
      readonly owner: ServiceId;
      /** On which it is found by its owner's name; empty: on none. */
      readonly networks: readonly string[];
    };

const MACHINE: NetworkPlace = { kind: 'machine' };

type Way =
  /** By the loopback address, at the number it has on the machine. */
  | 'machine'
  /** From a container to the machine. */
  | 'gateway'
  /** From container to container, by name. */
  | { readonly name: ServiceId }
  /** Within one container's network. */
  | 'loopback';

/** What late references stand for in texts that are used where `from` runs; undefined: on the machine. */
export function viewFrom(
  from: ServiceSpec | undefined,
  services: Services,
  published: PublishedPort,
): Required<Pick<TextContext, 'ports' | 'host'>> {
  const place = from === undefined ? MACHINE : placeOf(from, services);
  const wayTo = (service: ServiceId): Way => {
    const target = services.get(service) ?? (from?.id === service ? from : undefined);
    return target === undefined ? 'machine' : way(place, from, target, services);
  };
  return {
    host: (service) => {
      const to = wayTo(service);
      if (typeof to === 'object') return to.name;
      return to === 'gateway' ? GATEWAY : LOOPBACK;
    },
    ports: (service, number, port) => {
      const to = wayTo(service);
      const target = services.get(service) ?? (from?.id === service ? from : undefined);
      const inside = target === undefined ? undefined : containerPort(target, port);
      if (typeof to === 'object' || to === 'loopback') return inside ?? published(service, number, port);
      const isOnMachine =
        target?.launch.container !== undefined && placeOf(target, services).kind === 'machine';
      return isOnMachine ? inside : published(service, number, port);
    },
  };
}

/**
 * The extra hosts of a container: those that are declared, and the machine where a text that is used in it, or in one
 * that shares its network, refers to something there.
 */
export function extraHostsOf(spec: ServiceSpec, services: Services): readonly string[] {
  const declared = spec.launch.container?.extraHosts ?? [];
  const place = placeOf(spec, services);
  if (place.kind === 'machine' || place.owner !== spec.id || mayHaveNoHosts(spec)) return declared;
  if (declared.some((host) => host.startsWith(`${GATEWAY}:`))) return declared;
  const sharing = [...services.values()].filter((other) => {
    const its = placeOf(other, services);
    return other.id !== spec.id && its.kind === 'container' && its.owner === spec.id;
  });
  const refers = [spec, ...sharing].some((user) =>
    refsWithin(user).some((ref) => {
      const target = ref.ref === 'instance-number' ? undefined : services.get(ref.service);
      return target !== undefined && way(placeOf(user, services), user, target, services) === 'gateway';
    }),
  );
  return refers ? [...declared, `${GATEWAY}:host-gateway`] : declared;
}

function mayHaveNoHosts({ launch }: ServiceSpec): boolean {
  const mode = launch.container?.networkMode ?? '';
  return mode === 'none' || mode.startsWith('container:');
}

function way(
  from: NetworkPlace,
  user: ServiceSpec | undefined,
  target: ServiceSpec,
  services: Services,
): Way {
  if (from.kind === 'machine') return 'machine';
  const to = placeOf(target, services);
  if (to.kind === 'machine') return 'gateway';
  // Several instances of a service are several containers, which share its name only.
  const isItself = user?.id === target.id;
  if (to.owner === from.owner && !(isItself && to.networks.length > 0)) return 'loopback';
  if (to.networks.some((network) => from.networks.includes(network))) return { name: to.owner };
  return 'gateway';
}

function placeOf(spec: ServiceSpec, services: Services): NetworkPlace {
  let at = spec;
  const seen = new Set<ServiceId>();
  for (;;) {
    const { container } = at.launch;
    if (container === undefined) return MACHINE;
    const mode = container.networkMode;
    if (mode === undefined) {
      const networks = container.networks.length === 0 ? [DEFAULT_NETWORK] : container.networks;
      return { kind: 'container', owner: at.id, networks };
    }
    if (mode === 'host') return MACHINE;
    const next = mode.startsWith('service:') ? services.get(mode.slice('service:'.length)) : undefined;
    seen.add(at.id);
    // On the engine's own bridge nobody has a name.
    if (next === undefined || seen.has(next.id)) return { kind: 'container', owner: at.id, networks: [] };
    at = next;
  }
}

function containerPort({ launch }: ServiceSpec, name: string): number | undefined {
  return launch.container?.ports.find((port) => port.name === name)?.container;
}

/** The late references of all texts that are used where the service runs. */
function refsWithin({ launch, ready, live, hooks, stop }: ServiceSpec): readonly LateRef[] {
  const texts: Text[] = [...launchTexts(launch)];
  for (const probe of [ready, live])
    if (probe?.check.kind === 'exec') texts.push(...commandTexts(probe.check.command));
  for (const hook of [hooks.postStart, hooks.preStop])
    if (hook !== undefined) texts.push(...commandTexts(hook.command));
  if (stop.command !== undefined) texts.push(...commandTexts(stop.command));
  return texts.flatMap((text) =>
    typeof text === 'string' ? [] : text.filter((part) => typeof part !== 'string'),
  );
}
