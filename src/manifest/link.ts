import type { Place } from '../core/diagnostic.ts';
import type { LateRef, ServiceId, Text } from '../core/service.ts';
import type { Facts } from './facts.ts';
import { isOwnName } from './interpolation.ts';
import { reportInactive, reportUnknownService } from './project-check.ts';
import type { Report } from './report.ts';
import { didYouMean } from './suggest.ts';

/** Fills in the service's own id, which is all that is known before the services are. */
export function linkEarly(text: Text, id: ServiceId | undefined): Text {
  return id === undefined ? text : joined(text, (part) => (isOwnName(part) ? id : part));
}

/**
 * Fills in what of the references in a service's texts is known when the manifest is: its own id, fixed ports of
 * services that have one instance. The rest stays, once it is sure that it refers to something. With `trusting`
 * nothing is reported.
 */
export function linkerFor(
  id: ServiceId,
  services: ReadonlyMap<ServiceId, Facts>,
  trusting: boolean,
  report: Report,
): (text: Text, place: Place) => Text {
  return (text, place) =>
    joined(text, (part) => {
      if (isOwnName(part)) return id;
      if (part.ref === 'instance-number') return part;
      const target = services.get(part.service);
      if (!trusting) checkReference(id, part, target, services, place, report);
      const port = part.ref === 'port' ? target?.ports.get(part.port)?.port : undefined;
      return typeof port === 'number' && target?.replicas === 1 ? String(port) : part;
    });
}

function checkReference(
  id: ServiceId,
  part: Exclude<LateRef, { ref: 'instance-number' }>,
  target: Facts | undefined,
  services: ReadonlyMap<ServiceId, Facts>,
  place: Place,
  report: Report,
): void {
  if (target === undefined) {
    reportUnknownService(part.service, place, ` in a reference of service \`${id}\``, services, report);
    return;
  }
  if (!target.active) reportInactive(`\`${id}\` refers to \`${target.id}\``, target, place, report);
  if (part.ref !== 'port' || target.ports.has(part.port)) return;
  const note = didYouMean(part.port, target.ports.keys());
  const message = `service \`${target.id}\` has no port \`${part.port}\``;
  report.error('unknown-port', place, message, {
    note,
    also: [{ place: target.place, note: `\`${target.id}\` is defined here` }],
  });
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
