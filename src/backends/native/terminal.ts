import { execFile } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { RunId } from '../../core/state.ts';
import type { ProcessIdentity } from '../../ports/backend.ts';
import { isAlive } from '../../host/identity.ts';
import { COMING } from './inner-launcher.ts';
import { COOKIE } from '../../host/unit-scan.ts';
import { DEFAULT_PATH, type ProgramFinder } from '../../host/programs.ts';
import { quote } from '../../core/util/quote.ts';

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
    `unset ${COMING}`,
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
    env: { ...others, SHELL: '/bin/sh', [COMING]: run },
  };
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
      // In a sandbox it has a name of its own, which is another terminal's out here: so it is opened by this one.
      const link = `/proc/${pid}/fd/0`;
      return /^\/dev\/(pts\/\d+|tty\w+)$/.test(readlinkSync(link)) ? link : undefined;
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
