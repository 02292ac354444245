import { type ChildProcess, spawn } from 'node:child_process';

/** A launcher to be made; of its files only the FIFO exists already. */
export interface LauncherJob {
  /** What the launcher announces itself by; one word without quotes or white space. */
  readonly id: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Names as shells can have them. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: LauncherFiles;
}

/** Absolute paths of what the launcher gets as its descriptors; all but the FIFO are appended to, `exit` is emptied first. */
interface LauncherFiles {
  readonly stdout: string;
  readonly exit: string;
  readonly alive: string;
  readonly stderr: string;
}

/** Where a launcher finds what it announces itself on, and a copy of the fence; it closes both then. */
export const BATCH_FDS = { announce: 6, fence: 7 } as const;

interface BatchSpawnerOptions {
  /** Absolute path of a setsid(1) that knows `--fork`; absent: there is none, and every launcher is made by the caller. */
  readonly setsid?: string | undefined;
  /**
   * A descriptor that the shell and its launchers hold until they have announced themselves. With the lock of the project
   * as the fence, no other daemon looks for runs while launchers of this one are on their way.
   */
  readonly fence?: number | undefined;
  /** How many launchers are wanted now, those included that are not offered yet. */
  readonly wanted: () => number;
}

interface Pending {
  readonly job: LauncherJob;
  readonly launching: () => void;
  readonly settle: (pid: number | undefined) => void;
}

/** Fewer at once are made faster without a shell between. */
const LEAST_BATCH = 4;
/** A shell without work is let go after this long: more may be on their way. */
const IDLE_MS = 50;
/** Below what a system passes to any program (128 KiB each, 2 MiB in all), with room for what is added on the way. */
const LONGEST_JOB = 64 * 1024;

/**
 * Makes many launchers at once. A fork of this process, with all its memory, blocks it for a millisecond or more, and on a
 * busy machine for much longer; a small shell forks beside it. It is started when several launchers are wanted in the same
 * moment, and let go right after. Launchers made so are no children of this process: setsid(1) forks them, and ends.
 */
export class BatchSpawner {
  readonly #setsid: string | undefined;
  readonly #fence: number | undefined;
  readonly #wanted: () => number;
  #waiting: Pending[] = [];
  #scheduled = false;
  #shell: Shell | undefined;
  #broken = false;

  constructor({ setsid, fence, wanted }: BatchSpawnerOptions) {
    this.#setsid = setsid;
    this.#fence = fence;
    this.#wanted = wanted;
  }

  /**
   * Resolves with the launcher's pid once it is there, or with undefined where it was not made and the caller is to make it.
   * `launching` is called, synchronously, right before it is handed over. Never rejects.
   */
  offer(job: LauncherJob, launching: () => void): Promise<number | undefined> {
    if (this.#setsid === undefined || this.#broken || lengthOf(job) > LONGEST_JOB)
      return Promise.resolve(undefined);
    return new Promise((settle) => {
      this.#waiting.push({ job, launching, settle });
      if (this.#scheduled) return;
      this.#scheduled = true;
      // Others that are wanted in the same moment come until then.
      setImmediate(() => this.#pump(this.#setsid ?? ''));
    });
  }

  /** Lets go of the shell; what was handed over to it is made all the same. */
  close(): void {
    this.#shell?.end();
    this.#shell = undefined;
  }

  #pump(setsid: string): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#shell?.usable !== true) {
      this.#shell = undefined;
      if (this.#wanted() < LEAST_BATCH) {
        for (const { settle } of waiting) settle(undefined);
        return;
      }
      this.#shell = Shell.start(this.#fence, () => (this.#broken = true));
    }
    for (const each of waiting) {
      if (this.#shell === undefined) each.settle(undefined);
      else this.#shell.run(each, setsid);
    }
  }
}

/** One shell, and what it was told to make and has not yet said anything about. */
class Shell {
  readonly #child: ChildProcess;
  readonly #failed: () => void;
  readonly #open = new Map<string, Pending>();
  #said = '';
  #idle: NodeJS.Timeout | undefined;
  #ended = false;

  static start(fence: number | undefined, failed: () => void): Shell | undefined {
    try {
      const child = spawn('/bin/sh', [], {
        cwd: '/',
        env: {},
        detached: true,
        stdio: ['pipe', 'pipe', 'ignore', ...holes(fence)],
      });
      return child.pid === undefined ? undefined : new Shell(child, failed);
    } catch {
      // The caller meets the same shortage, and knows how to tell of it.
      return undefined;
    }
  }

  private constructor(child: ChildProcess, failed: () => void) {
    this.#child = child;
    this.#failed = failed;
    child.on('error', () => undefined);
    child.stdin?.on('error', () => undefined);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    // Launchers that have not announced themselves hold it open as well: past its end none of them will.
    child.stdout?.once('close', () => this.#over());
  }

  get usable(): boolean {
    return !this.#ended;
  }

  run(pending: Pending, setsid: string): void {
    clearTimeout(this.#idle);
    this.#open.set(pending.job.id, pending);
    pending.launching();
    this.#child.stdin?.write(jobText(pending.job, setsid));
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#idle);
    this.#child.stdin?.end();
  }

  /** `launcher ID PID` by the launcher, `refused ID` by the shell: nothing was made. */
  #hear(text: string): void {
    const lines = (this.#said + text).split('\n');
    this.#said = lines.pop() ?? '';
    for (const line of lines) {
      const [what, id = '', pid] = line.split(' ');
      if (what === 'refused') this.#failed();
      this.#settle(id, what === 'launcher' ? Number(pid) : undefined);
    }
    if (this.#open.size > 0 || this.#ended) return;
    this.#idle = setTimeout(() => this.end(), IDLE_MS);
    this.#idle.unref();
  }

  #settle(id: string, pid: number | undefined): void {
    this.#open.get(id)?.settle(pid);
    this.#open.delete(id);
  }

  #over(): void {
    this.#ended = true;
    for (const id of [...this.#open.keys()]) this.#settle(id, undefined);
  }
}

/** The fence comes at its place; what lies between is nothing. */
function holes(fence: number | undefined): ('ignore' | number)[] {
  return fence === undefined ? [] : ['ignore', 'ignore', 'ignore', 'ignore', fence];
}

function lengthOf({ args, env, cwd }: LauncherJob): number {
  let length = cwd.length;
  for (const arg of args) length += arg.length;
  for (const [name, value] of Object.entries(env)) length += name.length + value.length;
  return length;
}

/**
 * What the shell is told. In the foreground, because a shell makes what it runs in the background ignore SIGINT; the subshell
 * becomes setsid(1), which forks the launcher as the leader of a session of its own, and ends. The environment is set behind
 * the change of the folder, which would set variables itself.
 */
export function jobText({ id, program, args, cwd, env, files }: LauncherJob, setsid: string): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  const words = [setsid, '--fork', program, ...args].map(quoted).join(' ');
  const { announce } = BATCH_FDS;
  const to = [
    `${announce}>&1`,
    '</dev/null',
    `>>${quoted(files.stdout)}`,
    `2>>${quoted(files.exit)}`,
    `3<>${quoted(files.alive)}`,
    files.stderr === files.stdout ? '4>&1' : `4>>${quoted(files.stderr)}`,
  ];
  return `(\ncd ${quoted(cwd)} || exit\nunset OLDPWD PWD\n: >${quoted(files.exit)}\n${exports.join('')}exec ${words} ${to.join(' ')}\n) || echo refused ${id}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
