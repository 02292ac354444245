import type { ReapReport } from '../core/reap.ts';
import { reap } from '../reap/reap.ts';
import { DAEMON_COMMAND } from './daemon-entry.ts';
import type { ReapRequest } from './services.ts';

/** Looks through the machine and the state directories in this process: it is about projects that have no daemon. */
export function reapLocally(
  request: ReapRequest,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ReapReport> {
  return reap({ ...request, env, daemonWord: DAEMON_COMMAND });
}
