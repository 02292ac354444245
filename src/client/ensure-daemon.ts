import { lstatSync } from 'node:fs';
import { connectToLiving } from './client.ts';
import { ClientError } from './client-error.ts';
import { startDaemonProcess, type DaemonCommand } from './daemon-process.ts';
import type { DaemonClient } from './types.ts';

/** Where the daemon of a project keeps its state and answers. */
interface DaemonLocation {
  readonly stateDir: string;
  readonly socketPath: string;
}

export interface EnsureOptions extends Pick<DaemonCommand, 'entry' | 'args' | 'env'> {
  /** How long a start may take; adopting many services takes its time. Default 60 s. */
  readonly readyWithinMs?: number;
  /** How long a daemon that another process starts, or that is just ending, is waited for. Default 10 s. */
  readonly otherWithinMs?: number;
}

export interface EnsuredDaemon {
  readonly client: DaemonClient;
  /** False where one ran already, or where another process was faster. */
  readonly started: boolean;
}

const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 50;
/** A lock without a socket is that of a daemon which is starting or ending; past this it is tried for again. */
const RETRY_START_MS = 1000;
/** A daemon that is killed while it starts is started anew; one that is killed each time is not, for ever. */
const MOST_STARTS = 4;

/**
 * Connects to the daemon of a project, starting it where none runs. Any number of callers at once end up with the same
 * one. Rejects with a `ClientError`: what the daemon says is wrong, `daemon-died`, `daemon-spawn-failed`,
 * `daemon-start-timeout`, `state-unwritable`, or `daemon-unreachable` where another one holds the lock but does not
 * answer.
 */
export async function ensureDaemon(location: DaemonLocation, options: EnsureOptions): Promise<EnsuredDaemon> {
  const { entry, args, env, readyWithinMs = 60_000, otherWithinMs = 10_000 } = options;
  const running = await connectToLiving(location.socketPath);
  if (running !== undefined) return { client: running, started: false };
  const command: DaemonCommand = { entry, args, env, readyWithinMs, stateDir: location.stateDir };
  const giveUpAt = performance.now() + otherWithinMs;
  for (let starts = 1; ;) {
    const outcome = await startDaemonProcess(command);
    if (outcome.kind === 'killed') {
      if (starts >= MOST_STARTS) throw outcome.error;
      starts += 1;
      continue;
    }
    const patienceMs = Math.min(RETRY_START_MS, Math.max(0, giveUpAt - performance.now()));
    const client = await connectWithin(location.socketPath, patienceMs);
    if (client !== undefined) return { client, started: outcome.kind === 'ready' };
    if (outcome.kind === 'ready') {
      if (starts >= MOST_STARTS) throw endedAtOnce(outcome.pid);
      starts += 1;
      continue;
    }
    if (performance.now() >= giveUpAt || isBlocked(location.socketPath))
      throw unreachable(location, otherWithinMs);
  }
}

/** Tries at least once. */
async function connectWithin(socketPath: string, withinMs: number): Promise<DaemonClient | undefined> {
  const until = performance.now() + withinMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)) {
    const client = await connectToLiving(socketPath);
    if (client !== undefined || performance.now() >= until) return client;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

function endedAtOnce(pid: number): ClientError {
  return new ClientError('daemon-died', `the daemon (pid ${pid}) was ready and then did not answer`, {
    help: '`setpoint events` and daemon.log in the state directory may tell why',
  });
}

function unreachable({ socketPath }: DaemonLocation, afterMs: number): ClientError {
  if (isBlocked(socketPath)) {
    return new ClientError(
      'daemon-unreachable',
      `another daemon of this project runs and cannot be reached: ${socketPath} is not a socket`,
      { help: 'move it away, and the daemon makes its socket there again' },
    );
  }
  return new ClientError(
    'daemon-unreachable',
    `another daemon of this project runs but has not answered at ${socketPath} within ${afterMs / 1000} s`,
    {
      help: 'it may be starting or stopping, or be stuck: try again, and see daemon.log in the state directory',
    },
  );
}

/** A link is in nobody's way: the daemon replaces it. */
function isBlocked(path: string): boolean {
  try {
    const about = lstatSync(path, { throwIfNoEntry: false });
    return about !== undefined && !about.isSocket() && !about.isSymbolicLink();
  } catch {
    return false;
  }
}
