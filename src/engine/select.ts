import type { Selector } from '../core/api.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import type { ServiceId, ServiceSpec } from '../core/service.ts';
import type { Supervisor } from './instance/supervisor.ts';

export interface UnknownName {
  readonly name: string;
  readonly known: readonly string[];
}

/** The instances a selector names: service ids stand for all instances, labels narrow what the names gave. */
export function select(
  all: readonly Supervisor[],
  specs: ReadonlyMap<ServiceId, ServiceSpec>,
  selector: Selector,
): Result<readonly Supervisor[], UnknownName> {
  const chosen = new Set<Supervisor>();
  for (const name of selector.names) {
    const matching = byName(all, name);
    if (matching.length === 0 && !specs.has(name)) {
      return err({ name, known: [...new Set([...specs.keys(), ...all.map((s) => s.ref.service)])].sort() });
    }
    for (const supervisor of matching) chosen.add(supervisor);
  }
  const named = selector.names.length === 0 ? all : all.filter((s) => chosen.has(s));
  return ok(named.filter((s) => selector.labels.every((label) => hasLabel(s.spec, label))));
}

/** A service's id wins over an instance's, since ids may hold dots and digits. */
function byName(all: readonly Supervisor[], name: string): readonly Supervisor[] {
  const ofService = all.filter((s) => s.ref.service === name);
  return ofService.length > 0 ? ofService : all.filter((s) => s.ref.id === name);
}

function hasLabel(spec: ServiceSpec, label: string): boolean {
  const at = label.indexOf('=');
  if (at === -1) return Object.hasOwn(spec.labels, label);
  return spec.labels[label.slice(0, at)] === label.slice(at + 1);
}
