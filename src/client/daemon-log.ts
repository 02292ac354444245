import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROTATE_BYTES = 4 * 1024 * 1024;
const TAIL_BYTES = 8 * 1024;
const TAIL_LINES = 20;
const LINE_LENGTH = 300;

/** What a daemon says on its standard streams, which should be nothing. */
export interface DaemonLog {
  readonly path: string;
  /** To be handed to the daemon; `close` gives up this process's hold on it. */
  readonly fd: number;
  /** The last lines written since it was opened, made fit to print. */
  tail(): string;
  close(): void;
}

/**
 * Opens `daemon.log` in the state directory (made where it is missing, 0700) for appending, mode 0600. One of more
 * than 4 MiB is set aside as `daemon.log.1` first. Throws the system's error.
 */
export function openDaemonLog(stateDir: string): DaemonLog {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, 'daemon.log');
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > ROTATE_BYTES) renameSync(path, `${path}.1`);
  const fd = openSync(path, 'a+', 0o600);
  const start = fstatSync(fd).size;
  return { path, fd, tail: () => tailOf(fd, start), close: () => closeSync(fd) };
}

function tailOf(fd: number, start: number): string {
  const { size } = fstatSync(fd);
  const from = Math.max(start, size - TAIL_BYTES);
  const buffer = Buffer.alloc(Math.max(0, size - from));
  const length = readSync(fd, buffer, 0, buffer.length, from);
  return buffer
    .subarray(0, length)
    .toString('utf8')
    .split('\n')
    .map((line) => line.replace(/\p{Cc}/gu, ' ').trimEnd())
    .filter((line) => line !== '')
    .map((line) => (line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH)}...` : line))
    .slice(-TAIL_LINES)
    .join('\n');
}
