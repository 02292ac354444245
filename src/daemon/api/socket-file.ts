import { lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { Failure } from './failure.ts';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, the terminating NUL included; Node 20 cuts off silently. */
const LONGEST_PATH_BYTES = 103;
const PROBE_MS = 2000;
/** Clients that may wait to be accepted: as many as are served at once. */
const BACKLOG = 1024;

/** A socket file that a server of this process serves. */
export interface SocketFile {
  /** Removes the file if it is still the one that was made. To be called before the server is closed. */
  remove(): void;
  /** False once somebody has removed or replaced it: nobody can connect any more. */
  isThere(): boolean;
}

/**
 * Makes `server` listen at `path`, with mode 0600. The caller holds the project's lock, so a socket there that nobody
 * serves is left over and is replaced. The socket is bound beside its place and then renamed: a client finds the old
 * one or one that answers, and closing the server, which unlinks the name it was bound under whatever is there by
 * then, cannot remove the socket of another daemon.
 */
export async function listenAt(server: Server, path: string): Promise<Result<SocketFile, Failure>> {
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) {
    return err({
      code: 'socket-path-too-long',
      message: `the socket path is longer than ${LONGEST_PATH_BYTES} bytes: ${path}`,
      help: 'set XDG_RUNTIME_DIR to a folder with a shorter path',
    });
  }
  const taken = await occupied(path);
  if (taken !== undefined) return err(taken);
  const beside = `${path.slice(0, -1)}~`;
  try {
    if (lstatSync(beside, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(beside);
    await bind(server, beside);
    const { dev, ino } = lstatSync(beside);
    renameSync(beside, path);
    const isThere = (): boolean => {
      try {
        const now = lstatSync(path, { throwIfNoEntry: false });
        return now?.dev === dev && now.ino === ino;
      } catch {
        return false;
      }
    };
    return ok({
      isThere,
      remove: () => {
        if (isThere()) unlinkSync(path);
      },
    });
  } catch (error) {
    server.close();
    return err(refused(path, error));
  }
}

async function occupied(path: string): Promise<Failure | undefined> {
  let about;
  try {
    about = lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    return refused(path, error);
  }
  // A link is no socket of anybody's: the renaming takes its place and leaves alone what it points to.
  if (about === undefined || about.isSymbolicLink()) return undefined;
  if (!about.isSocket()) {
    return { code: 'socket-blocked', message: `${path} is not a socket`, help: 'move it away' };
  }
  if ((await probe(path)) !== 'served') return undefined;
  return {
    code: 'socket-in-use',
    message: `another process answers at ${path}`,
    help: 'find it with `ss -xlp` and end it',
  };
}

/** Any answer but a refusal counts as served: what might be alive is not taken away. */
function probe(path: string): Promise<'served' | 'left-over'> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const timer = setTimeout(() => finish('served'), PROBE_MS);
    const finish = (answer: 'served' | 'left-over'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish('served'));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      finish(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'left-over' : 'served');
    });
  });
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The file is made within listen(): nothing else of this process runs under this umask.
    const umask = process.umask(0o177);
    try {
      server.listen({ path, exclusive: true, backlog: BACKLOG }, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

function refused(path: string, error: unknown): Failure {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return {
    code: 'socket-refused',
    message: `cannot make the socket ${path}: ${code}`,
    help: 'check that its folder is there and that you may write to it',
  };
}
