import type { Label } from '../../core/diagnostic.ts';
import { findCycles } from '../../core/graph.ts';
import type { ServiceId } from '../../core/service.ts';
import { hostService } from '../keys/dependencies.ts';
import type { DependencyFact } from '../keys/dependencies.ts';
import type { Facts } from '../keys/facts.ts';
import type { PortFact } from '../keys/ports.ts';
import type { Report } from '../report.ts';
import { didYouMean } from '../../core/util/closest.ts';

const MAX_PORT = 65_535;

/** Finds what only shows when all services are seen together. */
export function checkProject(services: ReadonlyMap<ServiceId, Facts>, report: Report): void {
  for (const facts of services.values()) {
    for (const dependency of facts.dependsOn) checkDependency(facts, dependency, services, report);
    checkNetworkMode(facts, services, report);
  }
  checkCycles(services, report);
  checkPorts(
    [...services.values()].filter((facts) => facts.active),
    report,
  );
}

function checkDependency(
  facts: Facts,
  dependency: DependencyFact,
  services: ReadonlyMap<ServiceId, Facts>,
  report: Report,
): void {
  const { id, active } = facts;
  const { service, required, place, by } = dependency;
  const target = services.get(service);
  if (by === 'network_mode' && (service === id || target === undefined)) {
    reportNetworkMode(facts, service, place, services, report);
  } else if (service === id) {
    report.error('self-dependency', place, `\`${id}\` depends on itself`, { same: '' });
  } else if (target === undefined) {
    if (required)
      reportUnknownService(service, place, ` in \`depends_on\` of service \`${id}\``, services, report);
  } else if (active && !target.active) {
    if (required) reportInactive(`\`${id}\` depends on \`${service}\``, target, place, report);
  } else {
    checkCondition(id, dependency, target, report);
  }
}

function reportNetworkMode(
  { id, choice }: Facts,
  service: ServiceId,
  place: Label['place'],
  services: ReadonlyMap<ServiceId, Facts>,
  report: Report,
): void {
  if (service === id)
    report.error('self-dependency', place, `\`${id}\` is to use its own network`, { same: '' });
  else
    reportUnknownService(
      service,
      place,
      ` in \`${choice.backend}.network_mode\` of service \`${id}\``,
      services,
      report,
    );
}

/** Another's network is that of one container. */
function checkNetworkMode(
  { id, choice, container }: Facts,
  services: ReadonlyMap<ServiceId, Facts>,
  report: Report,
): void {
  const service = hostService(container);
  const target = service === undefined ? undefined : services.get(service);
  const place = container?.modePlace;
  if (target === undefined || place === undefined || target.id === id) return;
  const why =
    target.container === undefined
      ? 'which is no container'
      : target.replicas !== 1
        ? `of which there are ${target.replicas} instances`
        : undefined;
  if (why === undefined) return;
  report.error('bad-network-mode', place, `\`${id}\` is to use the network of \`${target.id}\`, ${why}`, {
    note: `expected a service on the backend ${choice.backend} with one instance`,
    also: [{ place: target.place, note: `\`${target.id}\` is defined here` }],
  });
}

/** Conditions that cannot come true, or that mean something else than they say. */
function checkCondition(
  id: ServiceId,
  { service, condition, place, pattern, patternPlace }: DependencyFact,
  target: Facts,
  report: Report,
): void {
  const { policy } = target.restart;
  const also = (note: string) => [{ place: target.place, note: `\`${service}\` is defined here, ${note}` }];
  if (patternPlace !== undefined && condition !== 'log') {
    const message = `the \`pattern\` of \`depends_on.${service}\` in service \`${id}\` has no effect`;
    report.warning('unused-key', patternPlace, message, { note: 'it goes with `condition: log`' });
  }
  if (condition === 'ready' && target.ready === undefined) {
    const message = `\`${id}\` waits for \`${service}\` to be ready, but nothing tells when it is`;
    report.warning('no-ready-probe', place, message, {
      note: 'this waits until it runs, as `started` does',
      also: also('without `ready`'),
    });
  } else if (condition === 'log' && pattern === undefined && target.ready?.pattern === undefined) {
    const message = `\`${id}\` waits for a line of \`${service}\`, but nothing says which`;
    report.error('missing-key', place, message, {
      note: 'expected `{condition: log, pattern: ...}`',
      also: also('without `ready: {log: ...}`'),
    });
  } else if (
    (condition === 'completed' || condition === 'completed-successfully') &&
    (policy === 'always' || policy === 'unless-stopped')
  ) {
    report.warning(
      'never-completes',
      place,
      `\`${id}\` waits for \`${service}\` to complete, which never does`,
      { note: `\`${service}\` has \`restart: ${policy}\`` },
    );
  }
}

/** `where` follows the name, such as " in `depends_on` of service `api`". */
export function reportUnknownService(
  service: ServiceId,
  place: Label['place'],
  where: string,
  services: ReadonlyMap<ServiceId, unknown>,
  report: Report,
): void {
  const shown = service.length > 80 ? `${service.slice(0, 80)}...` : service;
  const note = report.full ? undefined : didYouMean(service, services.keys());
  report.error('unknown-service', place, `unknown service \`${shown}\`${where}`, { note });
}

export function reportInactive(what: string, target: Facts, place: Label['place'], report: Report): void {
  const profiles = target.profiles.map((profile) => `\`${profile}\``).join(', ');
  report.error('inactive-service', place, `${what}, which takes no part: no profile of it is active`, {
    note: `its profiles: ${profiles}`,
    help: `activate one, such as with \`--profile ${target.profiles[0] ?? '...'}\``,
    also: [{ place: target.place, note: `\`${target.id}\` is defined here` }],
  });
}

function checkCycles(services: ReadonlyMap<ServiceId, Facts>, report: Report): void {
  const edges = new Map<ServiceId, ServiceId[]>();
  for (const { id, dependsOn } of services.values()) {
    // One that need not be there and takes no part is no edge: nothing waits for it.
    const known = dependsOn.filter(({ service, required }) => {
      const target = services.get(service);
      return service !== id && target !== undefined && (required || target.active);
    });
    edges.set(
      id,
      known.map(({ service }) => service),
    );
  }
  for (const cycle of findCycles([...services.keys()], edges)) {
    const labels = cycle.flatMap((from, index): Label[] => {
      const to = cycle[(index + 1) % cycle.length];
      const edge = services.get(from)?.dependsOn.find(({ service }) => service === to);
      return edge === undefined
        ? []
        : [{ place: edge.place, note: `${from} depends on ${edge.service} here` }];
    });
    const [first] = cycle;
    const message = [...cycle, first].join(' -> ');
    report.add({ severity: 'error', code: 'dependency-cycle', message, labels });
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly what: string;
  readonly label: Label;
  readonly protocol: 'tcp' | 'udp';
  /** Absent: every address of the machine. */
  readonly hostIp?: string;
}

/** A fixed port p of n instances takes p to p + n - 1. */
function checkPorts(services: readonly Facts[], report: Report): void {
  const ranges: Range[] = [];
  for (const facts of services) {
    for (const [name, port] of facts.ports) {
      const range = rangeOf(facts, name, port, report);
      if (range !== undefined) ranges.push(range);
    }
  }
  for (const protocol of ['tcp', 'udp'] as const) {
    const same = ranges.filter((range) => range.protocol === protocol);
    const addresses = new Set(same.flatMap(({ hostIp }) => hostIp ?? []));
    // One without an address takes the number at all of them.
    for (const address of addresses.size === 0 ? [undefined] : addresses) {
      sweep(
        same.filter(({ hostIp }) => hostIp === undefined || hostIp === address),
        report,
      );
    }
  }
}

function rangeOf(
  { id, replicas, container }: Facts,
  name: string,
  { port, place, hostIp, protocol }: PortFact,
  report: Report,
): Range | undefined {
  if (port === undefined || port === 'auto' || replicas < 1) return undefined;
  const what = `port \`${name}\` of \`${id}\``;
  const onHost = container?.networkMode === 'host';
  if (onHost && replicas > 1) {
    report.error('port-conflict', place, `the ${replicas} instances of \`${id}\` all take ${port}`, {
      note: 'with `network_mode: host` each listens on the machine itself',
    });
  }
  const to = onHost ? port : port + replicas - 1;
  if (to > MAX_PORT && port <= MAX_PORT) {
    report.error('bad-port', place, `${what} would be ${to} for instance ${replicas}`, {
      note: `ports end at ${MAX_PORT}`,
    });
  }
  const address = hostIp === undefined || hostIp === '0.0.0.0' || hostIp === '::' ? {} : { hostIp };
  return { from: port, to, what, label: { place }, protocol, ...address };
}

function sweep(ranges: readonly Range[], report: Report): void {
  let widest: Range | undefined;
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    if (widest !== undefined && range.from <= widest.to) reportConflict(widest, range, report);
    if (widest === undefined || range.to > widest.to) widest = range;
  }
}

function reportConflict(first: Range, second: Range, report: Report): void {
  report.error(
    'port-conflict',
    second.label.place,
    `${second.what} and ${first.what} both take ${second.from}`,
    {
      note: spanOf(second),
      also: [{ place: first.label.place, note: `${first.what} ${spanOf(first)}` }],
    },
  );
}

function spanOf({ from, to }: Range): string {
  return from === to ? `takes ${from}` : `takes ${from} to ${to}, one for each instance`;
}
