import { isAbsolute } from 'node:path';
import type { NixSettings } from '../../backends/nix/settings.ts';
import type { Nix, Service } from '../generated/manifest-types.ts';
import type { OtherFiles } from '../read/other-files.ts';
import { child } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import type { RawService } from '../keys/services.ts';
import { readMembers } from '../keys/table/row.ts';
import { nixKeys } from './nix-keys.ts';

/** The flake: an absolute folder, or a reference as it stands. */
export function flakeOf({ node, dir }: RawService, reader: Reader): string {
  const stated = child<Nix>(child<Service>(node, 'nix'), 'flake');
  const text = reader.string(stated);
  if (text === undefined || text === '') return dir;
  return isReference(text) ? text : (reader.path(stated) ?? dir);
}

/** A reference names its kind, as in `github:acme/tools`; anything else is a path. */
function isReference(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/.test(text);
}

export function isLocal(flake: string): boolean {
  return isAbsolute(flake);
}

/** Undefined where what is wrong with it has been reported. An edit of a local flake and of its lock reloads. */
export function nixOf(service: RawService, files: OtherFiles, reader: Reader): NixSettings | undefined {
  const { id, node, place } = service;
  const nix = child<Service>(node, 'nix');
  const stated = child<Nix>(nix, 'flake');
  const flake = flakeOf(service, reader);
  const at = stated?.place ?? nix?.place ?? place;
  const problem = flakeProblem(flake);
  if (problem !== undefined) {
    const [message, note] = problem;
    reader.report.error('bad-flake', at, `\`nix.flake\` of service \`${id}\` ${message}`, { note, same: '' });
    return undefined;
  }
  if (isLocal(flake)) {
    const main = files.read(`${flake}/flake.nix`);
    files.read(`${flake}/flake.lock`);
    if (!main.ok) {
      reader.report.error(
        'missing-flake',
        at,
        `there is no flake for service \`${id}\`: ${main.error.message}`,
        {
          help: stated === undefined ? 'name the flake by `nix: {flake: ...}`' : main.error.help,
        },
      );
      return undefined;
    }
  }
  return { flake, ...readMembers(nixKeys, nix, reader) };
}

function flakeProblem(flake: string): readonly [message: string, note: string] | undefined {
  if (flake.includes('#')) return ['holds a `#`', 'name the shell by `nix: {shell: ...}`'];
  if (/[\0\s]/.test(flake) && !isLocal(flake))
    return ['is no flake reference', 'expected one such as github:acme/tools'];
  if (isLocal(flake) && flake.includes('?')) {
    return ['is in a folder whose name holds a `?`, which nix cannot read', 'rename the folder'];
  }
  if (/^(?:path|git\+file):(?!\/)/.test(flake)) {
    return ['is a reference to a relative path', 'write the path alone: it is relative to this file'];
  }
  return undefined;
}
