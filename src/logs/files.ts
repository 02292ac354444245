import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { errnoOf } from '../core/util/system-error.ts';

/** A log file as it was found; one that is not there is empty. */
export interface FileState {
  readonly size: number;
  /** Tells a file from another one put in its place; 0 where there is none. */
  readonly inode: number;
  /** When it was last written, epoch ms. */
  readonly modifiedAt: number;
}

export const NO_FILE: FileState = { size: 0, inode: 0, modifiedAt: 0 };

/** Looks at a file; one that cannot be looked at counts as not there. */
export function stateOf(path: string): FileState {
  try {
    const about = statSync(path, { throwIfNoEntry: false });
    if (about === undefined || !about.isFile()) return NO_FILE;
    return { size: about.size, inode: about.ino, modifiedAt: Math.floor(about.mtimeMs) };
  } catch {
    return NO_FILE;
  }
}

/**
 * Reads up to `length` bytes into `target`; answers how many there were. A file that is gone has none. Opens and closes
 * the file each time: many files may be followed, and few of them have news. Rejects where the disk refuses.
 */
export async function readInto(
  path: string,
  position: number,
  target: Buffer,
  offset: number,
  length: number,
): Promise<number> {
  let file;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
  try {
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(target, offset + filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  } finally {
    await file.close();
  }
}
