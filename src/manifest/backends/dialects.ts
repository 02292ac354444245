import type { BackendName } from '../../core/service.ts';
import type { BackendAvailable, BackendDialect, AvailabilityScope } from './dialect.ts';
import { docker } from './docker.ts';
import { native } from './native.ts';
import { nix } from './nix.ts';

/** All backends that a manifest can name. The first one runs what asks for no other. */
export const dialects: readonly [BackendDialect, ...BackendDialect[]] = [native, docker, nix];

export function findDialect(name: string | undefined): BackendDialect | undefined {
  return dialects.find((dialect) => dialect.name === name);
}

/** Of a backend that has been chosen, and so is one of the table. */
export function dialectOf(name: BackendName): BackendDialect {
  const dialect = findDialect(name);
  if (dialect === undefined) throw new Error(`no dialect for the backend ${name}`);
  return dialect;
}

/** Each is looked for at most once. */
export function machineAvailability(
  env: AvailabilityScope['env'],
  homeDir: string,
): (name: BackendName) => BackendAvailable {
  const known = new Map<BackendName, BackendAvailable>();
  return (name) => {
    const found = known.get(name) ?? dialectOf(name).available({ env, homeDir });
    known.set(name, found);
    return found;
  };
}
