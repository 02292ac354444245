import {
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { SecretFile } from '../../core/service.ts';
import { isOpenToAll } from '../../host/path-access.ts';

/** Tells a service in which folder its secrets are. */
export const SECRETS_DIR = 'SETPOINT_SECRETS_DIR';

/** In the instance's directory: the folder with the run's secrets, or a link to it. */
const NAME = 'secrets';
const FOLDER_PREFIX = 'setpoint-secrets-';

interface SecretsRequest {
  readonly instanceDir: string;
  readonly secrets: readonly SecretFile[];
  /** Who reads them, where that is another user than this process. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Writes a run's secrets into files (0400) of a folder (0700), the service's user being their owner; answers with the
 * folder's absolute path. Nobody else can enter the instance's directory, so for another user the folder is elsewhere and
 * a link here says where. What an earlier run left is removed. Throws what the system says.
 */
export function placeSecrets({ instanceDir, secrets, owner }: SecretsRequest): Result<string, StartFailure> {
  removeSecrets(instanceDir);
  const odd = secrets.find(({ name }) => name === '' || name.includes('/') || /^\.\.?$/.test(name));
  if (odd !== undefined) {
    return err({
      code: 'other',
      message: `${JSON.stringify(odd.name)} cannot be the name of a secret's file`,
    });
  }
  const link = join(instanceDir, NAME);
  const folder = owner === undefined ? link : makeOpenFolder();
  if (owner === undefined) mkdirSync(folder, { mode: 0o700 });
  else symlinkSync(folder, link);
  for (const { name, content } of secrets) {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o400, flag: 'wx' });
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  }
  // Last, for until then nobody else can get at what is being written.
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  return ok(folder);
}

/** Removes the secrets of an instance's run, wherever they are. Never throws: the next start tries again. */
export function removeSecrets(instanceDir: string): void {
  const path = join(instanceDir, NAME);
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (found.isSymbolicLink()) {
      const folder = readlinkSync(path);
      if (basename(folder).startsWith(FOLDER_PREFIX)) rmSync(folder, { recursive: true, force: true });
    }
    rmSync(path, { recursive: true, force: true });
  } catch {
    // It says so when it is to be written again.
  }
}

/** A folder (0700) in one that any user can reach, in memory where there is such a one. */
function makeOpenFolder(): string {
  let failure: unknown = new Error('there is no folder that all users can reach');
  for (const base of ['/run', '/dev/shm', tmpdir(), '/tmp']) {
    if (!isOpenToAll(base)) continue;
    try {
      return mkdtempSync(join(base, FOLDER_PREFIX));
    } catch (cause) {
      failure = cause;
    }
  }
  throw failure;
}
