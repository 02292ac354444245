import type { Place } from '../core/diagnostic.ts';
import type { LateRef, ServiceId, Text } from '../core/service.ts';
import type { Facts } from './keys/facts.ts';
import { isOwnName } from './read/interpolation.ts';
import { sharesNetwork } from './backends/networks.ts';
import { reportInactive, reportUnknownService } from './check/project-check.ts';
import type { Report } from './report.ts';
import { didYouMean } from '../core/util/closest.ts';

/** Fills in the service's own id, which is all that is known before the services are. */
export function linkEarly(text: Text, id: ServiceId | undefined): Text {
  return id === undefined ? text : joined(text, (part) => (isOwnName(part) ? id : part));
}

/** From where a text is seen, and what is done about what is wrong with it. */
export interface LinkView {
  /** Whether the text is used on the machine, even where the service is a container. */
  readonly onMachine: boolean;
  /** Nothing is reported: what seems missing may only be unread. */
  readonly trusting: boolean;
}

/**
 * Fills in what of the references in a service's texts is known when the manifest is: its own id, and, of what is used on
 * the machine, ports with a fixed number there of services that have one instance. The rest stays, once it is sure that
 * it refers to something that can be reached.
 */
export function linkerFor(
  id: ServiceId,
  services: ReadonlyMap<ServiceId, Facts>,
  { onMachine, trusting }: LinkView,
  report: Report,
): (text: Text, place: Place) => Text {
  const container = services.get(id)?.container;
  const isHere = onMachine || container === undefined || container.networkMode === 'host';
  return (text, place) =>
    joined(text, (part) => {
      if (isOwnName(part)) return id;
      if (part.ref === 'instance-number') return part;
      const target = services.get(part.service);
      if (!trusting) checkReference(id, part, target, isHere, services, place, report);
      const port = part.ref === 'port' ? target?.ports.get(part.port)?.port : undefined;
      return isHere && typeof port === 'number' && target?.replicas === 1 ? String(port) : part;
    });
}

function checkReference(
  id: ServiceId,
  part: Exclude<LateRef, { ref: 'instance-number' }>,
  target: Facts | undefined,
  isHere: boolean,
  services: ReadonlyMap<ServiceId, Facts>,
  place: Place,
  report: Report,
): void {
  if (target === undefined) {
    reportUnknownService(part.service, place, ` in a reference of service \`${id}\``, services, report);
    return;
  }
  if (!target.active) reportInactive(`\`${id}\` refers to \`${target.id}\``, target, place, report);
  if (part.ref !== 'port') return;
  const also = [{ place: target.place, note: `\`${target.id}\` is defined here` }];
  const port = target.ports.get(part.port);
  if (port === undefined) {
    const note = didYouMean(part.port, target.ports.keys());
    report.error('unknown-port', place, `service \`${target.id}\` has no port \`${part.port}\``, {
      note,
      also,
    });
    return;
  }
  const inside = !isHere && (target.id === id || sharesNetwork(id, target.id, services));
  if (port.port !== undefined || inside) return;
  report.error(
    'unpublished-port',
    place,
    `port \`${part.port}\` of service \`${target.id}\` is not published`,
    {
      note: isHere ? 'this is used on the machine' : `\`${id}\` shares no network with it`,
      help: `publish it, such as by \`${part.port}: ${port.container ?? 80}\` or \`${part.port}: auto:${port.container ?? 80}\``,
      also,
    },
  );
}

/** A text with its late parts replaced; one that has none left is a plain string. */
function joined(text: Text, replace: (part: LateRef) => string | LateRef): Text {
  if (typeof text === 'string') return text;
  const parts: (string | LateRef)[] = [];
  for (const part of text) {
    const value = typeof part === 'string' ? part : replace(part);
    const last = parts.at(-1);
    if (typeof value === 'string' && typeof last === 'string') parts[parts.length - 1] = last + value;
    else parts.push(value);
  }
  const [only = '', ...more] = parts;
  return more.length === 0 && typeof only === 'string' ? only : parts;
}
