import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { BackendName } from '../../core/service.ts';
import { findEndpoint } from '../../host/engine-endpoint.ts';

/** Whether a backend can be used on this machine, as far as a look at files tells. */
export interface BackendAvailable {
  readonly available: boolean;
  /** A part of a sentence: what was found, or what was not. */
  readonly reason: string;
}

type Env = Readonly<Record<string, string>>;

/** Where installers put nix, for a PATH that a login shell would have completed. */
const NIX_PROFILES = ['/nix/var/nix/profiles/default/bin', '/run/current-system/sw/bin'];

/** Asks neither an engine nor nix anything, so it costs next to nothing; whether they work shows when they are used. */
export function machineAvailability(env: Env, homeDir: string): (name: BackendName) => BackendAvailable {
  const known = new Map<BackendName, BackendAvailable>();
  return (name) => {
    const found = known.get(name) ?? look(name, env, homeDir);
    known.set(name, found);
    return found;
  };
}

function look(name: BackendName, env: Env, homeDir: string): BackendAvailable {
  switch (name) {
    case 'native':
      return { available: true, reason: 'it always is' };
    case 'docker':
      return lookForDocker(env, homeDir);
    case 'nix':
      return lookForNix(env, homeDir);
  }
}

function lookForNix(env: Env, homeDir: string): BackendAvailable {
  const folders = [...(env['PATH'] ?? '').split(':'), join(homeDir, '.nix-profile/bin'), ...NIX_PROFILES];
  const path = folders
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, 'nix'))
    .find(isProgram);
  return path === undefined
    ? { available: false, reason: 'there is no nix on the PATH' }
    : { available: true, reason: `nix is ${path}` };
}

/** Where the engine is said by the same look that finds it when it is used. */
function lookForDocker(env: Env, homeDir: string): BackendAvailable {
  const endpoint = findEndpoint({ HOME: homeDir, ...env });
  if (!endpoint.ok) return { available: false, reason: endpoint.error };
  const { kind, from } = endpoint.value;
  if (kind === 'unix') return lookAtSocket(endpoint.value.path);
  return { available: true, reason: `${from} names an engine` };
}

function lookAtSocket(path: string): BackendAvailable {
  return isSocket(path)
    ? { available: true, reason: `there is an engine at ${path}` }
    : { available: false, reason: `no engine at ${path}` };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}
