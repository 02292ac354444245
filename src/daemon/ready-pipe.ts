import { closeSync, fstatSync, writeSync } from 'node:fs';
import type { Result } from '../core/util/result.ts';
import type { DaemonStartFailure } from './types.ts';

/** Where the process that starts the daemon listens for how it went. */
const READY_FD = 3;

/**
 * Tells the process that started this daemon, in one line of JSON, that it is ready or why it is not, and closes the
 * line. Does nothing where nobody listens. To be called once, and only in a process that was started to be a daemon:
 * elsewhere the descriptor may be anything.
 */
export function announce(result: Result<unknown, DaemonStartFailure>): void {
  try {
    // Started by hand, the descriptor may be one of the runtime's own; those are no sockets.
    if (!fstatSync(READY_FD).isSocket()) return;
  } catch {
    return;
  }
  try {
    writeSync(READY_FD, `${JSON.stringify(result.ok ? { ready: true } : { error: result.error })}\n`);
  } catch {
    // The one who waited has gone; the daemon runs on without.
  } finally {
    closeSync(READY_FD);
  }
}
