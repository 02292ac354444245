import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Result } from '../core/util/result.ts';
import { err, ok } from '../core/util/result.ts';
import { errnoOf, explainErrno } from '../core/util/system-error.ts';
import { makePrivateDir } from './files.ts';
import { formatLockNote, readLockNote } from './lock-note.ts';
import { StoreError } from './store-error.ts';

/** Held until `release` is called or this process ends in whatever way. */
interface Lock {
  /** The locked descriptor. Whoever inherits a copy holds the lock as well, until it closes it. */
  readonly fd: number;
  /** Gives the lock up. Calling it again is harmless. */
  release(): void;
}

interface LockFailure {
  /** `held`: another process has it. `unsupported`: this machine lacks what locking needs. */
  readonly code: 'held' | 'unsupported' | 'refused';
  readonly message: string;
  readonly help?: string;
}

/** open(2) on macOS: take an exclusive flock at once, and do not wait for it. */
const DARWIN_EXLOCK_NONBLOCK = 0x20 | 0x4;

/** flock(1) with -n answers at once; a file system that makes it wait is not one to lock on. */
const FLOCK_TIMEOUT_MS = 5_000;

/** How often a lock is taken anew because the file was replaced under us. */
const MOST_REOPENS = 5;

/**
 * Takes the lock on a file, without waiting. File and folder (0700) are made where missing; the file is never removed, by anyone: what
 * is locked is the open file, and a removed one could be locked twice. The holder's pid, and the path of the socket
 * it serves where given, are noted in the file.
 *
 * Uses flock(2), which the kernel ends with the last descriptor of the open file: with this process, since Node opens
 * everything close-on-exec. Node cannot call flock(2) itself: on Linux a short-lived `flock` on an inherited copy of
 * the descriptor does it, and the lock stays with the open file, ours. On macOS open(2) takes it.
 */
export async function acquireLock(path: string, socketPath?: string): Promise<Result<Lock, LockFailure>> {
  try {
    makePrivateDir(dirname(path));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return err({
      code: 'refused',
      message: error.message,
      help: 'check the owner and permissions of its parent',
    });
  }
  for (let attempt = 0; attempt < MOST_REOPENS; attempt += 1) {
    const taken = process.platform === 'darwin' ? openLocked(path) : await openThenLock(path);
    if (!taken.ok) return taken;
    const fd = taken.value;
    if (!isStillAt(fd, path)) {
      closeSync(fd);
      continue;
    }
    note(fd, socketPath);
    return ok(lockOn(fd));
  }
  return err({
    code: 'refused',
    message: `the lock file ${path} is replaced again and again`,
    help: 'find out what removes it: nothing of Setpoint does',
  });
}

function lockOn(fd: number): Lock {
  let held = true;
  return {
    fd,
    release() {
      if (!held) return;
      held = false;
      closeSync(fd);
    },
  };
}

function openLocked(path: string): Result<number, LockFailure> {
  try {
    return ok(openSync(path, constants.O_RDWR | constants.O_CREAT | DARWIN_EXLOCK_NONBLOCK, 0o600));
  } catch (error) {
    const code = errnoOf(error);
    return code === 'EAGAIN' || code === 'EWOULDBLOCK' ? err(heldBy(path)) : err(refused(path, error));
  }
}

async function openThenLock(path: string): Promise<Result<number, LockFailure>> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    return err(refused(path, error));
  }
  const answer = await runFlock(fd);
  if (answer.kind === 'taken') return ok(fd);
  closeSync(fd);
  switch (answer.kind) {
    case 'held':
      return err(heldBy(path));
    case 'missing':
      return err({
        code: 'unsupported',
        message: 'the program `flock` is missing, and without it two daemons could not be kept apart',
        help: 'install the package util-linux (Debian, Ubuntu, Fedora, Arch), util-linux or flock (Alpine)',
      });
    case 'failed':
      return err({ code: 'refused', message: `cannot lock ${path}: ${answer.why}` });
  }
}

type FlockAnswer =
  | { readonly kind: 'taken' }
  | { readonly kind: 'held' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly why: string };

/** flock(1) of util-linux and of BusyBox alike: 0 taken; 1 without a word held by another; anything else a failure. */
function runFlock(fd: number): Promise<FlockAnswer> {
  return new Promise((resolve) => {
    let child;
    try {
      child = spawn('flock', ['-n', '3'], {
        stdio: ['ignore', 'ignore', 'pipe', fd],
        env: { PATH: `${process.env['PATH'] ?? ''}:/usr/bin:/bin`, LC_ALL: 'C' },
        timeout: FLOCK_TIMEOUT_MS,
        killSignal: 'SIGKILL',
      });
    } catch (error) {
      // Node throws where the fork fails for a reason other than the usual ones, such as ENOMEM.
      resolve({ kind: 'failed', why: explainErrno(error) });
      return;
    }
    let said = '';
    child.stdio[2]?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 500);
    });
    child.on('error', (error) => {
      const isMissing = errnoOf(error) === 'ENOENT';
      resolve(isMissing ? { kind: 'missing' } : { kind: 'failed', why: explainErrno(error) });
    });
    child.on('close', (code, signal) => {
      if (code === 0) resolve({ kind: 'taken' });
      else if (code === 1 && said === '') resolve({ kind: 'held' });
      else {
        const end = signal === null ? `flock ended with ${String(code)}` : 'flock did not answer';
        resolve({ kind: 'failed', why: said.trim() === '' ? end : said.trim() });
      }
    });
  });
}

/** False where somebody has removed or replaced the file since it was opened: a lock on it would guard nothing. */
function isStillAt(fd: number, path: string): boolean {
  const ours = fstatSync(fd);
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
}

/** A full disk must not cost the lock: the note is only a help. */
function note(fd: number, socketPath: string | undefined): void {
  try {
    ftruncateSync(fd, 0);
    const text = formatLockNote({ pid: process.pid, ...(socketPath === undefined ? {} : { socketPath }) });
    writeSync(fd, text, 0);
  } catch {
    // The lock itself is held all the same.
  }
}

function heldBy(path: string): LockFailure {
  const holder = readLockNote(path);
  const who = holder === undefined ? 'another process' : `the process ${holder.pid}`;
  return { code: 'held', message: `${who} holds the lock ${path}` };
}

function refused(path: string, cause: unknown): LockFailure {
  return {
    code: 'refused',
    message: `cannot open the lock file ${path}: ${explainErrno(cause)}`,
    help: 'check the owner and the permissions of its folder',
  };
}
