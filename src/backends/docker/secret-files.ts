import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecretFile } from '../../core/service.ts';

/** Where secrets are, seen from inside. */
export const SECRETS_DIR = '/run/secrets';

/** In an instance's directory: the folder that nobody else may enter. */
const FOLDER = 'secrets';

/**
 * The folder that is mounted. Whoever runs inside may read it, under any user; on the machine only the folder around it
 * keeps others out.
 */
export function mountedFolder(instanceDir: string): string {
  return join(instanceDir, FOLDER, 'files');
}

/** Writes them anew, and nothing else is there then. Throws what the system throws. */
export function writeSecrets(instanceDir: string, secrets: readonly SecretFile[]): void {
  removeSecrets(instanceDir);
  mkdirSync(join(instanceDir, FOLDER), { mode: 0o700 });
  const folder = mountedFolder(instanceDir);
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  for (const { name, content } of secrets) {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o400, flag: 'wx' });
    chmodSync(path, 0o444);
  }
}

/** Throws what the system throws; where there are none it does nothing. */
export function removeSecrets(instanceDir: string): void {
  rmSync(join(instanceDir, FOLDER), { recursive: true, force: true });
}
