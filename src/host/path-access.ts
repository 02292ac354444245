import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Whether this is a folder, and anybody can pass through it and all those above it. */
export function isOpenToAll(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    const found = statSync(at, { throwIfNoEntry: false });
    if (found?.isDirectory() !== true || (found.mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
