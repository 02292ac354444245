import { err, ok } from '../../core/util/result.ts';
import type { Result } from '../../core/util/result.ts';
import type { ServiceId } from '../../core/service.ts';

/** What the dotted name of an interpolation stands for. */
type ManifestReference =
  | { readonly to: 'service-host'; readonly service: ServiceId }
  | { readonly to: 'service-port'; readonly service: ServiceId; readonly port: string }
  | { readonly to: 'project-dir' | 'project-name' | 'instance-number' | 'service-name' };

/** Why a dotted name stands for nothing, for a diagnostic. */
export interface ReferenceProblem {
  readonly message: string;
  readonly help?: string;
}

const FIXED: ReadonlyMap<string, ManifestReference> = new Map([
  ['project.dir', { to: 'project-dir' }],
  ['project.name', { to: 'project-name' }],
  ['instance.number', { to: 'instance-number' }],
  ['service.name', { to: 'service-name' }],
]);

const HELP =
  'a dotted name is one of `services.<id>.host`, `services.<id>.ports.<name>`, `project.dir`, `project.name`, ' +
  '`service.name`, `instance.number`';

/**
 * Reads the dotted name of an interpolation. It is read from its end, since ids of services may hold dots: the last
 * part is the port's name after `ports`, else it is `host`. Where both readings are possible (`services.a.ports.host`), it
 * is a port, unless only the other reading names a service that `isService` knows.
 */
export function parseReference(
  path: string,
  isService: (id: string) => boolean,
): Result<ManifestReference, ReferenceProblem> {
  const fixed = FIXED.get(path);
  if (fixed !== undefined) return ok(fixed);
  const segments = path.split('.');
  if (segments[0] !== 'services' || segments.length < 3 || segments.includes('')) {
    return err({ message: `\`${path}\` refers to nothing`, help: HELP });
  }
  const last = segments.at(-1) ?? '';
  const hostOf = last === 'host' ? segments.slice(1, -1).join('.') : undefined;
  const portOf =
    segments.at(-2) === 'ports' && segments.length > 3 ? segments.slice(1, -2).join('.') : undefined;
  if (portOf !== undefined && (hostOf === undefined || isService(portOf) || !isService(hostOf))) {
    return ok({ to: 'service-port', service: portOf, port: last });
  }
  if (hostOf !== undefined) return ok({ to: 'service-host', service: hostOf });
  return err({ message: `\`${path}\` refers to nothing a service has`, help: HELP });
}
