import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { meant } from '../check/hints.ts';
import type { BackendAvailable, BackendDialect, AvailabilityScope } from './dialect.ts';
import { nixServiceKeys } from './nix-keys.ts';
import { flakeOf, isLocal, nixOf } from './nix-settings.ts';
import { honourMachinePort, lackOfCommand, refuseHealthcheck, sandboxPart } from './on-machine.ts';
import { hasKey } from './refuse.ts';

const name = 'nix';

/** Where installers put nix, for a PATH that a login shell would have completed. */
const PROFILES = ['/nix/var/nix/profiles/default/bin', '/run/current-system/sw/bin'];

/** A process of the machine in the development environment of a flake. */
export const nix: BackendDialect = {
  name,
  ownKeys: Object.keys(nixServiceKeys),
  refusedKeys: {},
  commandPaths: [],
  hints: {
    nix: meant({
      path: 'flake',
      url: 'flake',
      devShell: 'shell',
      attribute: 'shell',
      cache: 'cache_dir',
    }),
  },
  claim: (node) => (hasKey(node, 'nix') ? 'nix' : undefined),
  claimHelp: () => undefined,
  lack(service, reader, files) {
    const lack = lackOfCommand(name, service);
    if (lack !== undefined || hasKey(service.node, 'nix')) return lack;
    const flake = flakeOf(service, reader);
    const isThere = isLocal(flake) && files.read(`${flake}/flake.nix`).ok;
    return isThere ? undefined : 'nix has no `nix` and no flake.nix';
  },
  available,
  honourPort: (form) => honourMachinePort(form, name),
  checkHonoured: refuseHealthcheck,
  settings(scope) {
    const settings = nixOf(scope.service, scope.files, scope.reader);
    const own = settings === undefined ? {} : { settings: { values: settings, source: 'flake' } };
    return { ...sandboxPart(scope), ...own };
  },
};

function available({ env, homeDir }: AvailabilityScope): BackendAvailable {
  const folders = [...(env['PATH'] ?? '').split(':'), join(homeDir, '.nix-profile/bin'), ...PROFILES];
  const path = folders
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, 'nix'))
    .find(isProgram);
  return path === undefined
    ? { available: false, reason: 'there is no nix on the PATH' }
    : { available: true, reason: `nix is ${path}` };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
