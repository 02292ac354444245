import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { ClientError } from './client-error.ts';
import { openDaemonLog, type DaemonLog } from './daemon-log.ts';

export interface DaemonCommand {
  /** Absolute path of the script that becomes the daemon. */
  readonly entry: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** The caller's environment; what only concerns this process is left out. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stateDir: string;
  readonly readyWithinMs: number;
}

type StartOutcome =
  | { readonly kind: 'ready'; readonly pid: number }
  /** Another daemon of the project runs, or is about to. */
  | { readonly kind: 'locked' }
  /** Somebody killed it on the way, which says nothing of the next one. */
  | { readonly kind: 'killed'; readonly error: ClientError };

/**
 * Loading a CA bundle costs a start 150 ms, and the daemon makes no TLS connection; the others would make it report to
 * this process, or run with what is meant for this process alone.
 */
const NOT_INHERITED = [
  'NODE_EXTRA_CA_CERTS',
  'NODE_OPTIONS',
  'NODE_CHANNEL_FD',
  'NODE_CHANNEL_SERIALIZATION_MODE',
  // Of a service that calls setpoint: its daemon is no part of that service.
  'SETPOINT_RUN',
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
];

/** Descriptor on which the daemon tells in one line of JSON how its start went. */
const READY_FD = 3;
const LONGEST_REPORT_CHARS = 64 * 1024;

/**
 * Starts a daemon that outlives this process; resolves once it has told how it went. Rejects with a `ClientError`:
 * what the daemon says is wrong, `daemon-spawn-failed`, `daemon-died` or `daemon-start-timeout`.
 */
export async function startDaemonProcess(command: DaemonCommand): Promise<StartOutcome> {
  const log = openLog(command.stateDir);
  try {
    return await watchStart(launch(command, log), log, command.readyWithinMs);
  } finally {
    log.close();
  }
}

function openLog(stateDir: string): DaemonLog {
  try {
    return openDaemonLog(stateDir);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new ClientError('state-unwritable', `cannot write to the state directory ${stateDir}: ${code}`, {
      help: 'check its owner and permissions, and that the disk is not full; XDG_STATE_HOME moves it elsewhere',
    });
  }
}

function launch({ entry, args, env }: DaemonCommand, log: DaemonLog): ChildProcess {
  try {
    return spawn(process.execPath, [entry, ...args], {
      cwd: '/',
      detached: true,
      env: daemonEnv(env),
      stdio: ['ignore', log.fd, log.fd, 'pipe'],
    });
  } catch (error) {
    // Such as E2BIG: an environment that is too large is refused before anything is forked.
    throw spawnFailed((error as NodeJS.ErrnoException).code ?? String(error));
  }
}

function daemonEnv(env: DaemonCommand['env']): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !NOT_INHERITED.includes(name)));
}

function watchStart(child: ChildProcess, log: DaemonLog, withinMs: number): Promise<StartOutcome> {
  // There are no streams where the system has no descriptors left; the error event tells.
  const pipe = (child.stdio as readonly unknown[] | undefined)?.[READY_FD] as Readable | undefined;
  return new Promise<StartOutcome>((resolve, reject) => {
    let report = '';
    const timer = setTimeout(() => reject(startTimeout(child, log, withinMs)), withinMs);
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      settle();
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      finish(() => reject(spawnFailed(error.code ?? error.message)));
    });
    // `close` rather than `exit`: a report that was written before the end has been read by then.
    child.once('close', (code, signal) => {
      const how = signal ?? `exit ${code ?? 'unknown'}`;
      const error = died(how, log);
      finish(() => (signal === null ? reject(error) : resolve({ kind: 'killed', error })));
    });
    pipe?.setEncoding('utf8').on('data', (piece: string) => {
      report = `${report}${piece}`.slice(0, LONGEST_REPORT_CHARS);
      const end = report.indexOf('\n');
      if (end === -1) return;
      const outcome = outcomeOf(report.slice(0, end), child.pid ?? 0);
      finish(() => (outcome instanceof ClientError ? reject(outcome) : resolve(outcome)));
    });
    pipe?.on('error', () => undefined);
  }).finally(() => {
    child.removeAllListeners('close');
    pipe?.destroy();
    child.unref();
  });
}

function outcomeOf(line: string, pid: number): StartOutcome | ClientError {
  let said: unknown;
  try {
    said = JSON.parse(line);
  } catch {
    said = undefined;
  }
  const { ready, error } = (typeof said === 'object' && said !== null ? said : {}) as {
    ready?: unknown;
    error?: { code?: unknown; message?: unknown; help?: unknown };
  };
  if (ready === true) return { kind: 'ready', pid };
  if (error?.code === 'locked') return { kind: 'locked' };
  if (typeof error?.code !== 'string' || typeof error.message !== 'string') {
    return new ClientError('bad-answer', 'the daemon does not say whether it started');
  }
  return new ClientError(
    error.code,
    error.message,
    typeof error.help === 'string' ? { help: error.help } : {},
  );
}

function spawnFailed(why: string): ClientError {
  return new ClientError('daemon-spawn-failed', `cannot start the daemon: ${why}`);
}

function died(how: string, log: DaemonLog): ClientError {
  const tail = log.tail();
  const words = tail === '' ? '' : `; its last words:\n${tail}`;
  return new ClientError('daemon-died', `the daemon ended before it was ready (${how})${words}`, {
    help: `${log.path} holds all that it said`,
  });
}

function startTimeout(child: ChildProcess, log: DaemonLog, withinMs: number): ClientError {
  return new ClientError(
    'daemon-start-timeout',
    `the daemon (pid ${child.pid ?? 'unknown'}) was not ready within ${withinMs / 1000} s`,
    { help: `it may still get there; ${log.path} may tell more` },
  );
}
