import { err, ok } from '../../core/util/result.ts';
import type { LateRef } from '../../core/service.ts';
import { dialects } from '../backends/dialects.ts';
import { resolveShape, shape as manifestShape } from '../generated/validator.js';
import type { Shape } from '../generated/validator.js';
import type { NodeOptions, NodePath, ExpectedType } from './interpolate.ts';
import type { MapNode } from './node.ts';
import { parseReference } from './reference.ts';
import { shapeBelow } from '../check/shape.ts';
import type { LookUp } from './variables.ts';

/**
 * Stands for the id of the service at hand where a value serves several, as in `defaults`; no service has an empty
 * id. Filled in once the value has become part of one service.
 */
const OWN_NAME: LateRef = { ref: 'host', service: '' };

export function isOwnName(part: LateRef): boolean {
  return part.ref === 'host' && part.service === '';
}

export interface ProjectNames {
  readonly name: string;
  readonly dir: string;
}

/** How the values of a manifest are interpolated: everything that depends on where a value stands. */
export function interpolationOf(root: MapNode, lookup: LookUp, project: ProjectNames): NodeOptions {
  const services = root.entries.get('services')?.value;
  const isService = (id: string) => services?.kind === 'map' && services.entries.has(id);
  return {
    lookup,
    modeFor,
    wants,
    allowReferences: (at) => at[0] !== 'name',
    reference(path, at) {
      const parsed = parseReference(path, isService);
      if (!parsed.ok) return parsed;
      const { value } = parsed;
      switch (value.to) {
        case 'project-dir':
          return ok(project.dir);
        case 'project-name':
          return ok(project.name);
        case 'instance-number':
          return ok({ ref: 'instance-number' });
        case 'service-name':
          return ownName(at);
        case 'service-host':
          return ok({ ref: 'host', service: value.service });
        case 'service-port':
          return ok({ ref: 'port', service: value.service, port: value.port });
      }
    },
  };
}

function ownName(at: NodePath) {
  if (at[0] === 'services' && at[1] !== undefined) return ok(at[1]);
  if (at[0] === 'defaults' || at[0] === 'env' || at[0] === 'env_file') return ok(OWN_NAME);
  return err({ message: '`service.name` stands for nothing here: this is not part of a service' });
}

/** What of a path stands within a service, or within `defaults`. */
function inService(at: NodePath): NodePath {
  if (at[0] === 'defaults') return at.slice(1);
  return at[0] === 'services' ? at.slice(2) : [];
}

function modeFor(at: NodePath) {
  const [key, below, last] = inService(at);
  if (at[0]?.startsWith('x-') === true || key?.startsWith('x-') === true) return 'none';
  // Regular expressions and their `$1` have a meaning of their own for the dollar sign.
  if (key === 'errors' || (isProbe(key) && below === 'log')) return 'none';
  if (key === 'depends_on' && last === 'pattern') return 'none';
  if (isProbe(key) && below === 'exec') return 'braces';
  if (isCommandOfBackend(inService(at))) return 'braces';
  const isCommand = key === 'command' || key === 'hooks';
  return isCommand || (key === 'stop' && below === 'command') ? 'braces' : 'full';
}

/** At a setting that is a command, or within it. */
function isCommandOfBackend(at: NodePath): boolean {
  return dialects.some(({ commandPaths }) =>
    commandPaths.some((path) => path.every((key, index) => at[index] === key)),
  );
}

function isProbe(key: string | undefined): boolean {
  return key === 'ready' || key === 'live';
}

function wants(at: NodePath): ExpectedType {
  let shape: Shape = manifestShape;
  for (const key of at) {
    const current = resolveShape(shape);
    const inList =
      current.items !== undefined && /^\d+$/.test(key) && !Object.hasOwn(current.keys ?? {}, key);
    shape = shapeBelow(current, key, inList && current.any === undefined);
  }
  const { types = [], is } = resolveShape(shape);
  if (is === 'port') return 'any';
  if (types.includes('string')) return 'string';
  return types.includes('boolean') ? 'boolean' : 'number';
}
