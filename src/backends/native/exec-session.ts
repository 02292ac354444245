import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { Exit, StartFailure } from '../../core/exit.ts';
import { PacedQueue } from '../../core/util/paced-queue.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { ExecOutput, ExecRequest, ExecSession } from '../../ports/backend.ts';
import { environmentOf, withoutRunVariables } from '../../host/process-environment.ts';
import { signalGroup } from '../../host/process-group.ts';
import { DEFAULT_PATH, ProgramFinder } from '../../host/programs.ts';
import { quote } from '../../core/util/quote.ts';
import { messageOf } from '../../core/util/system-error.ts';
import { DEFAULT_TERM } from './terminal.ts';

/** Bytes that are taken before anybody has read them. */
const MOST_WAITING_BYTES = 256 * 1024;
/** What a command that is to end gets between SIGHUP and SIGKILL. */
const GRACE_MS = 1_000;
const STTY_MS = 5_000;

export interface MachineExec extends Omit<ExecRequest, 'user'> {
  /** The service's main process: the command gets its environment and its user. */
  readonly pid: number;
  /** The service's working directory. */
  readonly folder: string;
  /** On whose PATH helper programs are looked for. */
  readonly toolPath: string | undefined;
}

/**
 * Runs a command on the machine, with the environment and as the user of a process there, and somebody in front of it. It
 * ends with this process where setpriv(1) is there, and at the latest when it next reads or writes. Never rejects.
 */
export function openExecBeside(request: MachineExec): Result<ExecSession, StartFailure> {
  const own = environmentOf(request.pid);
  if (own === undefined)
    return err({ code: 'other', message: 'the environment of its process cannot be read' });
  const env = withoutRunVariables({ ...own, ...request.env });
  const programs = new ProgramFinder();
  const tool = (name: string): string | undefined => {
    const search = programs.find(name, request.toolPath, '/');
    return search.kind === 'found' ? search.path : undefined;
  };
  const command = request.tty ? inTerminal(request, env, tool) : ok({ argv: request.argv, env });
  if (!command.ok) return command;
  const bound = bindToThisProcess(command.value.argv, tool('setpriv'));
  const [program = '', ...args] = bound;
  try {
    const child = spawn(program, args, {
      cwd: request.cwd ?? request.folder,
      env: command.value.env,
      detached: true,
      stdio: 'pipe',
      ...userOf(request.pid),
    });
    return ok(new MachineSession(child, request.tty, tool('stty'), programName(request.argv)));
  } catch (cause) {
    return err({ code: 'other', message: messageOf(cause) });
  }
}

function programName(argv: readonly string[]): string {
  return argv[0] ?? '';
}

/** Where the command cannot be found, the shell says so and ends as shells do; so `exec` of a container does. */
function bindToThisProcess(argv: readonly string[], setpriv: string | undefined): readonly string[] {
  const shell = ['/bin/sh', '-c', 'exec "$@"', 'sh', ...argv];
  return setpriv === undefined ? shell : [setpriv, '--pdeathsig', 'KILL', '--', ...shell];
}

/** Under script(1), which ends its terminal, and so hangs up on the command, when it ends itself. */
function inTerminal(
  { argv, columns = 80, rows = 24 }: MachineExec,
  env: Readonly<Record<string, string>>,
  tool: (name: string) => string | undefined,
): Result<
  { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> },
  StartFailure
> {
  const [script, stty] = [tool('script'), tool('stty')];
  if (script === undefined || stty === undefined) {
    return err({
      code: 'missing-requirement',
      message: `a terminal needs ${script === undefined ? 'script' : 'stty'}(1), which is not on the PATH of setpoint`,
      help: 'install util-linux (on Debian: bsdutils), or run it without a terminal (-T)',
    });
  }
  const text = [
    env['SHELL'] === undefined ? 'unset SHELL' : `SHELL=${quote(env['SHELL'])}`,
    `${quote(stty)} rows ${rows} cols ${columns} echo`,
    `exec ${argv.map(quote).join(' ')}`,
  ].join('\n');
  const args =
    process.platform === 'darwin' ? ['-q', '/dev/null', '/bin/sh', '-c', text] : ['-qefc', text, '/dev/null'];
  return ok({ argv: [script, ...args], env: { TERM: DEFAULT_TERM, ...env, SHELL: '/bin/sh' } });
}

/** Only where it is another one than this process's. */
function userOf(pid: number): { readonly uid?: number; readonly gid?: number } {
  const { uid, gid } = statSync(`/proc/${pid}`);
  return uid === process.getuid?.() ? {} : { uid, gid };
}

class MachineSession implements ExecSession {
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #tty: boolean;
  readonly #stty: string | undefined;
  readonly #queue = new PacedQueue<ExecOutput>(MOST_WAITING_BYTES, (how) => this.#flow(how));
  #hasExited = false;

  constructor(child: ChildProcess, tty: boolean, stty: string | undefined, name: string) {
    this.#child = child;
    this.#tty = tty;
    this.#stty = stty;
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('data', (data: Buffer) =>
        this.#queue.put([{ stream: tty ? 'stdout' : stream, data }]),
      );
    }
    child.stdin?.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      child.once('error', ({ message }) => {
        this.#queue.end();
        resolve({
          kind: 'spawn-error',
          failure: { code: 'other', message: `${name} could not be started: ${message}` },
        });
      });
      child.once('exit', (code, signal) => {
        this.#hasExited = true;
        resolve(exitOf(code, signal));
      });
    });
    child.once('close', () => this.#queue.end());
    // What it left in the background may hold its output open; that is not waited for.
    void this.exited.then(() => setTimeout(() => this.#queue.end(), GRACE_MS).unref());
  }

  get output(): AsyncIterable<ExecOutput> {
    return this.#queue.pieces;
  }

  async write(data: Uint8Array): Promise<void> {
    const { stdin } = this.#child;
    if (stdin === null || !stdin.writable) throw new Error('the command has ended');
    await new Promise<void>((resolve, reject) => {
      stdin.write(data, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  /** The terminal is that of what script(1) has started. */
  async resize(columns: number, rows: number): Promise<boolean> {
    const { pid } = this.#child;
    if (!this.#tty || this.#hasExited || pid === undefined || this.#stty === undefined) return false;
    const device = terminalBelow(pid);
    if (device === undefined) return false;
    const args = ['-F', device, 'rows', String(rows), 'cols', String(columns)];
    return new Promise((resolve) => {
      execFile(this.#stty ?? '', args, { timeout: STTY_MS, env: { PATH: DEFAULT_PATH } }, (error) =>
        resolve(error === null),
      );
    });
  }

  close(): void {
    this.#queue.drop();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream?.destroy();
    if (this.#hasExited) return;
    this.#signal('SIGHUP');
    setTimeout(() => !this.#hasExited && this.#signal('SIGKILL'), GRACE_MS);
  }

  #signal(signal: NodeJS.Signals): void {
    signalGroup(this.#child.pid, signal);
  }

  #flow(how: 'pause' | 'resume'): void {
    this.#child.stdout?.[how]();
    this.#child.stderr?.[how]();
  }
}

/** script(1) and shells pass a signal on as a status. */
function exitOf(code: number | null, signal: NodeJS.Signals | null): Exit {
  return signal === null ? { kind: 'code', code: code ?? 1 } : { kind: 'signal', signal };
}

/** Of the first process below that has one. */
function terminalBelow(pid: number): string | undefined {
  try {
    for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (parentOf(entry) !== pid) continue;
      const link = readlinkSync(`/proc/${entry}/fd/0`);
      if (/^\/dev\/pts\/\d+$/.test(link)) return link;
    }
  } catch {
    // What is gone has no terminal.
  }
  return undefined;
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
