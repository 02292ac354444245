import { isAbsolute } from 'node:path';
import { readText } from './files.ts';

/** What the holder of a lock wrote into the lock file. Outlives the holder: it says who had the lock last. */
interface LockNote {
  readonly pid: number;
  /** Absolute path of the socket that the holder serves. */
  readonly socketPath?: string;
}

/** The note in a lock file; undefined where there is none that can be read. */
export function readLockNote(lockPath: string): LockNote | undefined {
  const read = readText(lockPath);
  if (read.kind !== 'text') return undefined;
  const [pid, socketPath = ''] = read.text.split('\n');
  if (pid === undefined || !/^[1-9][0-9]{0,9}$/.test(pid)) return undefined;
  return isAbsolute(socketPath) ? { pid: Number(pid), socketPath } : { pid: Number(pid) };
}

export function formatLockNote(note: LockNote): string {
  return `${note.pid}\n${note.socketPath ?? ''}\n`;
}
