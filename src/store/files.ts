import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, explainErrno } from '../core/util/system-error.ts';
import { StoreError } from './store-error.ts';

const PRIVATE_DIR = 0o700;
const PRIVATE_FILE = 0o600;

/** Makes a folder and its missing parents, the folder itself 0700 whatever the umask is. Throws StoreError. */
export function makePrivateDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: PRIVATE_DIR });
    if ((lstatSync(path).mode & 0o777) !== PRIVATE_DIR) chmodSync(path, PRIVATE_DIR);
  } catch (error) {
    throw new StoreError(path, 'make the folder', error);
  }
}

/**
 * Replaces a file at once, and for good: a reader sees the old or the new content, never a half, and after a crash of the
 * machine, too. Only one process may write a given file. Throws StoreError and leaves the old content where the disk
 * refuses.
 */
export function replaceDurably(path: string, content: string): void {
  const temporary = `${path}.tmp`;
  try {
    writeWhole(temporary, content, true);
    renameSync(temporary, path);
    syncDir(dirname(path));
  } catch (error) {
    removeIfThere(temporary);
    throw new StoreError(path, 'write', error);
  }
}

/**
 * Replaces a file for those who read it with `readReplaced`: they see the old or the new content, never a half, whenever
 * this process may die. A crash of the machine may cost the content. Only one process may write a given file. Throws
 * StoreError where the disk refuses; the old content then stays.
 *
 * The old file is removed first instead of being renamed over, which on ext4 starts writing the new one to the disk at
 * once (mount option auto_da_alloc, ext4(5)) and takes ten times as long.
 */
export function replaceQuickly(path: string, content: string): void {
  const temporary = `${path}.tmp`;
  try {
    writeWhole(temporary, content, false);
  } catch (error) {
    removeIfThere(temporary);
    throw new StoreError(path, 'write', error);
  }
  try {
    // From here to the end of the renaming, the temporary file is the record.
    removeIfThere(path);
    renameSync(temporary, path);
  } catch (error) {
    throw new StoreError(path, 'write', error);
  }
}

/** Reads what `replaceQuickly` wrote. A first content that a crash cut off, as `isWhole` tells, was never there. */
export function readReplaced(path: string, isWhole: (text: string) => boolean): ReadText {
  const read = readText(path);
  if (read.kind !== 'missing') return read;
  const between = readText(`${path}.tmp`);
  if (between.kind === 'text' && isWhole(between.text)) return between;
  // Not there, or renamed since: what is missing now is missing.
  return readText(path);
}

/** Removes what `replaceQuickly` wrote. Throws the system's error where the disk refuses; what is not there is no error. */
export function removeReplaced(path: string): void {
  rmSync(`${path}.tmp`, { force: true });
  rmSync(path, { force: true });
}

function writeWhole(path: string, content: string, sync: boolean): void {
  const fd = openSync(path, 'w', PRIVATE_FILE);
  try {
    writeFileSync(fd, content);
    if (sync) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncDir(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Removes a file; one that is not there, or that the disk does not let go of, is passed over. */
function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Nothing depends on its being gone.
  }
}

type ReadText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly why: string };

/** Reads a small file whole. */
export function readText(path: string): ReadText {
  try {
    return { kind: 'text', text: readFileSync(path, 'utf8') };
  } catch (error) {
    const code = errnoOf(error);
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? { kind: 'missing' }
      : { kind: 'refused', why: explainErrno(error) };
  }
}
