import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { userInfo } from 'node:os';
import type { Result } from '../core/util/result.ts';
import { err, ok } from '../core/util/result.ts';
import { errnoOf, explainErrno } from '../core/util/system-error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, the terminating NUL included; Node 20 cuts off silently. */
const LONGEST_SOCKET_PATH_BYTES = 103;

interface RuntimeDirFailure {
  readonly code: 'symlink' | 'not-a-folder' | 'foreign-owner' | 'open-to-others' | 'refused';
  readonly message: string;
  readonly help: string;
}

/**
 * The path of a project's socket: in `$XDG_RUNTIME_DIR/setpoint` where that is a folder of the user's and the path is
 * short enough, else in `setpoint-<uid>` under `$TMPDIR`, else under `/tmp`, which is always short enough.
 */
export function socketPathFor(key: string, env: Environment): string {
  const socket = `${key}.sock`;
  const runtime = env['XDG_RUNTIME_DIR'];
  if (runtime !== undefined && isAbsolute(runtime) && isOwnFolder(runtime)) {
    const path = join(runtime, 'setpoint', socket);
    if (fits(path)) return path;
  }
  const own = `setpoint-${ownUid()}`;
  const temp = env['TMPDIR'];
  if (temp !== undefined && isAbsolute(temp)) {
    const path = join(temp, own, socket);
    if (fits(path)) return path;
  }
  return join('/tmp', own, socket);
}

/**
 * Says whether the folder of the socket is there and is nobody else's to write, read or replace. A client asks before
 * it connects: under the temp dir, anybody could have put a folder of that name.
 */
export function checkRuntimeDir(dir: string): Result<'there' | 'missing', RuntimeDirFailure> {
  try {
    const about = lstatSync(dir, { throwIfNoEntry: false });
    if (about === undefined) return ok('missing');
    if (about.isSymbolicLink()) {
      return fail('symlink', `${dir} is a symbolic link`, `remove it: rm ${dir}`);
    }
    if (!about.isDirectory()) return fail('not-a-folder', `${dir} is not a folder`, `remove it: rm ${dir}`);
    if (about.uid !== ownUid()) {
      const help = 'have it removed by its owner, or set XDG_RUNTIME_DIR to a folder of yours';
      return fail('foreign-owner', `${dir} belongs to another user (uid ${about.uid})`, help);
    }
    const mode = about.mode & 0o777;
    if ((mode & 0o077) !== 0) {
      const shown = mode.toString(8).padStart(4, '0');
      return fail('open-to-others', `${dir} is open to other users (mode ${shown})`, `chmod 700 ${dir}`);
    }
    return ok('there');
  } catch (error) {
    return err(refused(dir, 'look at', error));
  }
}

/** Makes the folder of the socket (0700) where it is missing, then checks it as `checkRuntimeDir` does. */
export function prepareRuntimeDir(dir: string): Result<void, RuntimeDirFailure> {
  const before = checkRuntimeDir(dir);
  if (!before.ok) return before;
  if (before.value === 'there') return ok(undefined);
  try {
    mkdirSync(dir, { mode: 0o700 });
    // The umask may have taken the owner's own bits away.
    chmodSync(dir, 0o700);
  } catch (error) {
    // Another process of the user's may have been faster; the check below judges what is there now.
    if (errnoOf(error) !== 'EEXIST') return err(refused(dir, 'make', error));
  }
  const after = checkRuntimeDir(dir);
  return after.ok ? ok(undefined) : after;
}

/** Whether a socket of this user's is at the path, served or left over. */
export function isOwnSocket(path: string): boolean {
  try {
    const about = lstatSync(path, { throwIfNoEntry: false });
    return about !== undefined && about.isSocket() && about.uid === ownUid();
  } catch {
    return false;
  }
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH_BYTES;
}

function isOwnFolder(path: string): boolean {
  try {
    const about = statSync(path, { throwIfNoEntry: false });
    return about !== undefined && about.isDirectory() && about.uid === ownUid();
  } catch {
    return false;
  }
}

function ownUid(): number {
  return process.geteuid?.() ?? userInfo().uid;
}

function fail(code: RuntimeDirFailure['code'], message: string, help: string) {
  return err({ code, message, help });
}

function refused(dir: string, doing: string, error: unknown): RuntimeDirFailure {
  return {
    code: 'refused',
    message: `cannot ${doing} ${dir}: ${explainErrno(error)}`,
    help: 'set XDG_RUNTIME_DIR to a folder of yours that can be written',
  };
}
