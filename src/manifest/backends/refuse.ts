import type { Place } from '../../core/diagnostic.ts';
import type { Node } from '../read/node.ts';
import { statedAt } from '../keys/services.ts';
import type { HonourScope } from './dialect.ts';

/** Reports something that the backend of a service cannot honour. `what` begins with the key of the service. */
export function refuse(what: string, place: Place, why: string, scope: HonourScope, help?: string): void {
  const { service, facts, reader } = scope;
  const key = what.split(/[.:]/)[0] ?? what;
  const inherited =
    statedAt(service, key) === undefined
      ? `it comes from \`defaults\`; \`${key}: !reset null\` in \`${service.id}\` takes it back`
      : undefined;
  const message = `the backend ${facts.choice.backend} cannot honour \`${what}\` of service \`${service.id}\``;
  reader.report.error('unsupported-by-backend', place, message, { note: why, help: help ?? inherited });
}

export function hasKey(node: Node, key: string): boolean {
  return node.kind === 'map' && node.entries.has(key);
}
