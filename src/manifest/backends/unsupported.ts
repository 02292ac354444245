import { statedAt } from '../keys/services.ts';
import type { HonourScope } from './dialect.ts';
import { dialectOf, dialects } from './dialects.ts';
import { hasKey, refuse } from './refuse.ts';

/**
 * Reports every key that the backend of a service cannot honour. Keys that are wholly of another backend are no mistake
 * where they come from the defaults, which serve many, or where `backend_order` makes them an alternative.
 */
export function checkHonoured(scope: HonourScope): void {
  checkForeign(scope);
  dialectOf(scope.facts.choice.backend).checkHonoured(scope);
}

function checkForeign(scope: HonourScope): void {
  const { service, facts } = scope;
  const { backend, reason, by } = facts.choice;
  if (by === 'order') return;
  for (const other of dialects.filter(({ name }) => name !== backend)) {
    for (const key of other.ownKeys) {
      const place = statedAt(service, key);
      if (place === undefined || !hasKey(service.node, key)) continue;
      const help = by === 'default' ? other.claimHelp(key) : undefined;
      refuse(key, place, `the service runs on ${backend}: ${reason}`, scope, help);
    }
  }
}
