import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../core/util/system-error.ts';

const CHUNK = 64 * 1024;
const buffer = Buffer.allocUnsafe(CHUNK);

/** Given up for a moment when there is no other descriptor: the ends of processes must be seen even then. */
let spare: number | undefined;

/**
 * What a small file holds, such as /proc/PID/stat, cmdline or environ, up to `limit` bytes; undefined where there is
 * none or it may not be read. Throws only when the system is short of descriptors or memory, which says nothing of the
 * file. Files of /proc/PID give as much as is asked for in one read, so only a full buffer calls for another. The
 * answer may share memory with the next call's: use it before reading on.
 */
export function readProcFile(path: string, limit = CHUNK): Buffer | undefined {
  spare ??= tryOpen('/dev/null');
  let fd = tryOpen(path);
  if (fd === undefined && spare !== undefined) {
    closeSync(spare);
    spare = undefined;
    fd = tryOpen(path);
  }
  if (fd === undefined) throw new Error('no file descriptor left');
  if (fd === 'absent') return undefined;
  try {
    const length = readSync(fd, buffer, 0, Math.min(CHUNK, limit), null);
    if (length < CHUNK || limit <= CHUNK) return buffer.subarray(0, length);
    return readRest(fd, Buffer.from(buffer), limit);
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** The same as text; '' where there is none, or it cannot be had at the moment. */
export function readText(path: string): string {
  try {
    return readProcFile(path)?.toString('utf8') ?? '';
  } catch {
    return '';
  }
}

const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

function tryOpen(path: '/dev/null'): number | undefined;
function tryOpen(path: string): number | 'absent' | undefined;
function tryOpen(path: string): number | 'absent' | undefined {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    return SHORTAGES.has(errnoOf(cause) ?? '') || path === '/dev/null' ? undefined : 'absent';
  }
}

function readRest(fd: number, head: Buffer, limit: number): Buffer {
  const parts = [head];
  for (let total = head.length; total < limit;) {
    const part = Buffer.allocUnsafe(CHUNK);
    const length = readSync(fd, part, 0, CHUNK, null);
    if (length === 0) break;
    parts.push(part.subarray(0, length));
    total += length;
  }
  return Buffer.concat(parts);
}
