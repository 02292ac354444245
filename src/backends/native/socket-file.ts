import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import type { StartFailure } from '../../core/exit.ts';
import { errnoOf } from '../../core/util/system-error.ts';
import { findUnixSocketHolder } from '../../host/ports.ts';

/** Longest path of a Unix socket, in bytes: sun_path less its final NUL (unix(7)); macOS has 104. */
const PATH_LIMIT = process.platform === 'linux' ? 107 : 103;
const PROBE_MS = 1000;

/** Removes what an earlier run left at a service's socket path; answers with why the path cannot be used. */
export async function clearSocket(path: string): Promise<StartFailure | undefined> {
  const length = Buffer.byteLength(path);
  if (length > PATH_LIMIT) {
    return blocked(
      `socket path of ${length} bytes; the system allows ${PATH_LIMIT}: ${path}`,
      'choose a shorter path',
    );
  }
  const kind = kindOf(path);
  if (kind === 'absent') return undefined;
  if (kind === 'other')
    return blocked(`${path} is there and is not a socket`, 'move it away or choose another path');
  if (await accepts(path)) {
    const holder = await findUnixSocketHolder(path);
    const who = holder === undefined ? 'another process' : `${holder.name} (pid ${holder.pid})`;
    return blocked(`socket ${path} is served by ${who}`, 'stop that process or choose another path');
  }
  try {
    unlinkSync(path);
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT')
      return blocked(`stale socket ${path} cannot be removed (${errnoOf(cause) ?? String(cause)})`);
  }
  return undefined;
}

/** Removes the socket that an ended run left, if it is one and nobody accepts on it. */
export async function removeStaleSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_LIMIT) return;
  if (kindOf(path) !== 'socket' || (await accepts(path))) return;
  try {
    unlinkSync(path);
  } catch {
    // Gone already, or not ours to remove: the next start says so where it matters.
  }
}

function blocked(message: string, help?: string): StartFailure {
  return { code: 'socket-blocked', message, ...(help === undefined ? {} : { help }) };
}

function kindOf(path: string): 'absent' | 'socket' | 'other' {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return 'absent';
    return stat.isSocket() ? 'socket' : 'other';
  } catch {
    return 'other';
  }
}

/** False only where the system says that nobody listens: in doubt a socket counts as served. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    socket.setTimeout(PROBE_MS, () => answer(true));
    socket.once('connect', () => answer(true));
    socket.once('error', (error) => answer(!['ECONNREFUSED', 'ENOENT'].includes(errnoOf(error) ?? '')));
  });
}
