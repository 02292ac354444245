import { type ChildProcess, execFile } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/result.ts';
import type { RunId } from '../../core/state.ts';
import type { AdoptRequest, ProcessIdentity } from '../../ports/backend.ts';
import { type Begun, parseRecord } from './exit-record.ts';
import { bootId, isAlive, readProcess } from './identity.ts';
import { COOKIE, FILES } from './launcher.ts';
import type { LauncherEnd } from './native-proc.ts';
import { readProcFile, readText } from './proc-fs.ts';
import { DEFAULT_PATH, type ProgramFinder } from './programs.ts';

/** The programs that a pseudo-terminal takes, by their absolute paths. */
export interface TerminalTools {
  readonly script: string;
  readonly stty: string;
  /** Only where the terminal has to be given to another user. */
  readonly chown?: string;
}

const INITIAL_SIZE = { columns: 80, rows: 24 } as const;
/** What the output is made for where the service's environment does not say. */
export const DEFAULT_TERM = 'xterm-256color';

/** Finds them on this process's own PATH. */
export function findTerminalTools(
  programs: ProgramFinder,
  toolPath: string | undefined,
  anotherUser: boolean,
): Result<TerminalTools, StartFailure> {
  const find = (name: string): string | undefined => {
    const search = programs.find(name, toolPath, '/');
    return search.kind === 'found' ? search.path : undefined;
  };
  const [script, stty, chown] = [find('script'), find('stty'), anotherUser ? find('chown') : ''];
  if (script !== undefined && stty !== undefined && chown !== undefined) {
    return ok({ script, stty, ...(chown === '' ? {} : { chown }) });
  }
  const name = script === undefined ? 'script' : stty === undefined ? 'stty' : 'chown';
  const from = name === 'script' ? 'util-linux (on Debian: bsdutils)' : 'coreutils';
  return err({
    code: 'missing-requirement',
    message: `\`tty\` needs ${name}(1), which is not on the PATH of setpoint`,
    help: `install ${from}, or leave out \`tty\`; PATH is ${toolPath ?? 'not set'}`,
  });
}

/** In the environment of script(1) alone: tells a later daemon that a launcher is on its way; see `untilBegun`. */
const TERMINAL_OF = 'SETPOINT_TERMINAL_OF';

interface TerminalCommandOptions {
  readonly tools: TerminalTools;
  readonly run: RunId;
  /** What script(1) gives its terminal to: the launcher's program and its arguments. */
  readonly launcher: readonly string[];
  /** The service's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Who the service runs as, where that is another than this one. */
  readonly uid?: number;
}

interface TerminalCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A launcher with a pseudo-terminal of its own, made by script(1) of util-linux, or of macOS.
 *
 * - script(1) is no part of the unit: on SIGTERM it would kill its child within two seconds, whatever the grace period.
 *   So the launcher, the run's cookie and all signals are inside, where it leads the terminal's session; script carries
 *   the bytes from there to the log and ends after the launcher did. It holds the FIFO `alive` open as well, so that its
 *   end tells that the log is complete.
 * - script(1) runs its `-c` through $SHELL, so that is /bin/sh for script alone; the text sets it back.
 * - The terminal takes the place of the standard three, so the launcher's file comes as 2 and as 4, and changes places
 *   with the terminal before the launcher begins.
 * - Where its own input is no terminal, script turns the echo off; here who types sits at another terminal in raw mode.
 */
export function terminalCommand(options: TerminalCommandOptions): TerminalCommand {
  const { tools, run, launcher, env, uid } = options;
  const text = [
    env['SHELL'] === undefined ? 'unset SHELL' : `SHELL=${quote(env['SHELL'])}`,
    `unset ${TERMINAL_OF}`,
    `${COOKIE}=${quote(run)}`,
    `export ${COOKIE}`,
    `${quote(tools.stty)} rows ${INITIAL_SIZE.rows} cols ${INITIAL_SIZE.columns} echo`,
    ...(tools.chown === undefined || uid === undefined ? [] : [`${quote(tools.chown)} ${uid} /dev/fd/0`]),
    `exec ${launcher.map(quote).join(' ')} 6>&2 2>&4 4>&6 6>&-`,
  ].join('\n');
  const { [COOKIE]: _inside, ...others } = env;
  return {
    program: tools.script,
    args:
      process.platform === 'darwin'
        ? ['-q', '/dev/null', '/bin/sh', '-c', text]
        : ['-qefc', text, '/dev/null'],
    env: { ...others, SHELL: '/bin/sh', [TERMINAL_OF]: run },
  };
}

/** One word of a POSIX shell, whatever is in it but NUL. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./=:,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const BEGIN_MS = 10_000;
const BEGIN_POLL_MS = 2;

/** What became of a launcher within a terminal. */
interface TerminalStart {
  /** Undefined where it never began, is late, or has ended already. */
  readonly launcher?: ProcessIdentity;
  readonly begun: boolean;
  /** Resolves once script(1) has ended. */
  readonly ended: Promise<LauncherEnd>;
}

/** Resolves once the launcher within the terminal has said who it is, or never will. */
export async function followTerminal(
  child: ChildProcess,
  instanceDir: string,
  run: RunId,
): Promise<TerminalStart> {
  const script = { over: false };
  const ended = new Promise<LauncherEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      script.over = true;
      resolve({ status: { code, signal }, otherwise: 'its launcher left no status' });
    });
  });
  const deadline = performance.now() + BEGIN_MS;
  for (;;) {
    // What it wrote right before its end is there by the time its end is known.
    const last = script.over;
    const begun = begunOf(instanceDir, run);
    if (begun !== undefined) {
      const entry = readProcess(begun.launcherPid);
      const launcher =
        entry !== undefined && !entry.zombie && entry.ppid === child.pid
          ? { pid: entry.pid, startTime: entry.startTime, bootId: bootId() }
          : undefined;
      return { begun: true, ended, ...(launcher === undefined ? {} : { launcher }) };
    }
    if (last || performance.now() > deadline) return { begun: false, ended };
    await sleep(BEGIN_POLL_MS);
  }
}

function begunOf(instanceDir: string, run: RunId): Begun | undefined {
  return parseRecord(readText(join(instanceDir, FILES.exit)), run).begun;
}

/**
 * The end of a launcher within a terminal. When script(1) was killed the terminal is gone, which the kernel tells the
 * launcher alone (it outlives the signal): so the service gets its SIGHUP from here, and `untilGone` is asked for the
 * end. The status of script(1) is the launcher's, but 128 + n may as well be a launcher that was killed.
 */
export async function terminalEnd(
  { launcher, begun, ended }: TerminalStart,
  untilGone: (launcher: ProcessIdentity) => Promise<LauncherEnd>,
): Promise<LauncherEnd> {
  const end = await ended;
  if (launcher !== undefined && isAlive(launcher)) {
    hangUp(launcher.pid);
    return untilGone(launcher);
  }
  if (!begun) return end;
  const code = end.status?.code;
  return typeof code === 'number' && code <= 128 ? end : { otherwise: 'its launcher was killed' };
}

function hangUp(pgid: number): void {
  try {
    process.kill(-pgid, 'SIGHUP');
  } catch {
    // It ended just now.
  }
}

const ADOPT_MS = 5000;
const ADOPT_POLL_MS = 5;

/**
 * Resolves once the launcher of a run with a terminal has begun, where an earlier daemon died while script(1) was still
 * making the terminal: until then no process carries the run's cookie. At once where there is no such script(1).
 */
export async function untilBegun({ record, instanceDir }: AdoptRequest): Promise<void> {
  if (record.tty !== true || record.launcher !== undefined || process.platform !== 'linux') return;
  const deadline = performance.now() + ADOPT_MS;
  while (begunOf(instanceDir, record.run) === undefined && performance.now() < deadline) {
    if (!isTerminalComing(record.run)) return;
    await sleep(ADOPT_POLL_MS);
  }
}

function isTerminalComing(run: RunId): boolean {
  const mark = `\0${TERMINAL_OF}=${run}\0`;
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const environ = readProcFile(`/proc/${name}/environ`, 2 * 1024 * 1024);
      return environ !== undefined && `\0${environ.toString('latin1')}`.includes(mark);
    } catch {
      // Short of descriptors: to wait is the safe side.
      return true;
    }
  });
}

const MAX_SIZE = 65_535;
const STTY_MS = 5000;

/**
 * Sets the size of the terminal that a launcher leads, which sends SIGWINCH to the service. Resolves with false where
 * there is no such terminal any more, or the size is none. Never rejects.
 */
export async function resizeTerminal(
  launcher: ProcessIdentity | undefined,
  size: { readonly columns: number; readonly rows: number },
  programs: ProgramFinder,
  toolPath: string | undefined,
): Promise<boolean> {
  const wrong = [size.columns, size.rows].some((n) => !Number.isInteger(n) || n < 1 || n > MAX_SIZE);
  const stty = programs.find('stty', toolPath, '/');
  if (wrong || stty.kind !== 'found' || launcher === undefined || !isAlive(launcher)) return false;
  const device = await terminalOf(launcher.pid);
  if (device === undefined) return false;
  const flag = process.platform === 'linux' ? '-F' : '-f';
  const set = ['rows', String(size.rows), 'cols', String(size.columns)];
  return (await run(stty.path, [flag, device, ...set])) !== undefined;
}

/** The launcher's standard input is the terminal, whatever the service has made of its own. */
async function terminalOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/0`);
      return /^\/dev\/(pts\/\d+|tty\w+)$/.test(target) ? target : undefined;
    } catch {
      return undefined;
    }
  }
  const name = (await run('ps', ['-o', 'tty=', '-p', String(pid)]))?.trim();
  return name !== undefined && /^\w+$/.test(name) ? `/dev/${name}` : undefined;
}

function run(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { PATH: DEFAULT_PATH, LC_ALL: 'C' };
    execFile(program, args, { timeout: STTY_MS, env }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });
}
