import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, constants, linkSync, lstatSync, open, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/result.ts';
import type { RunId } from '../../core/state.ts';
import type {
  AdoptRequest,
  Availability,
  Backend,
  Proc,
  StartedProc,
  StartRequest,
} from '../../ports/backend.ts';
import { findRun, LauncherWatch } from './adoption.ts';
import { bootId, readIdentity } from './identity.ts';
import { Limiter } from './limiter.ts';
import { FILES, launcherArgs, launcherScript } from './launcher.ts';
import { type LauncherEnd, NativeProc } from './native-proc.ts';
import { type Cleared, preflight } from './preflight.ts';
import { ProgramFinder } from './programs.ts';
import { ProcessScanner } from './unit-scan.ts';

interface NativeBackendOptions {
  /** This process's own environment: where helper programs are found, and what a service merely inherited. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For services that say nothing of it; absent: this process's. */
  readonly umask?: number;
}

/** Runs services as plain processes of this machine. */
export function createNativeBackend(options: NativeBackendOptions): Backend {
  return new NativeBackend(options.env ?? process.env, options.umask);
}

const SHELL = '/bin/sh';
/** mkfifo(1) gets this many paths at once. */
const FIFO_BATCH = 500;

class NativeBackend implements Backend {
  readonly name = 'native';
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #scanner = new ProcessScanner();
  readonly #programs = new ProgramFinder();
  readonly #watch = new LauncherWatch();
  readonly #script = launcherScript();
  readonly #umask: string;
  #scriptPath: string | undefined;
  /** Instance directories that hold what a launcher needs. */
  readonly #ready = new Set<string>();
  readonly #latest = new Map<string, RunId>();
  /** How many starts at once have files open: there may be more services than descriptors. */
  readonly #opens = new Limiter(16);
  #turn: Promise<unknown> = Promise.resolve();

  constructor(env: Readonly<Record<string, string | undefined>>, umask: number | undefined) {
    this.#env = env;
    this.#umask = umask === undefined ? '' : umask.toString(8).padStart(4, '0');
  }

  available(): Promise<Availability> {
    return Promise.resolve({ available: true, reason: 'processes of this machine' });
  }

  async prepare(requests: readonly { readonly instanceDir: string }[]): Promise<void> {
    const folders = [...new Set(requests.map((request) => request.instanceDir))].filter(
      (dir) => !this.#ready.has(dir),
    );
    try {
      for (const folder of folders) this.#writeScript(folder);
      const fifos = folders.map((folder) => join(folder, FILES.alive)).filter((path) => !isFifo(path));
      for (let at = 0; at < fifos.length; at += FIFO_BATCH)
        await this.#makeFifos(fifos.slice(at, at + FIFO_BATCH));
      for (const folder of folders) this.#ready.add(folder);
    } catch {
      // What is missing is tried again, and its reason told, by the start that needs it.
    }
  }

  async start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    try {
      const cleared = await preflight(request, this.#programs, this.#env);
      if (!cleared.ok) return cleared;
      await this.#prepareOne(request.instanceDir);
      return await this.#opens.run(() => this.#spawn(request, cleared.value));
    } catch (cause) {
      return err(describeFailure(cause, request));
    }
  }

  async adopt(requests: readonly AdoptRequest[]): Promise<readonly Proc[]> {
    const open = requests.filter(({ record }) => record.ended === undefined);
    if (open.length === 0) return [];
    const table = await this.#scanner.scan();
    return open.map((request) => {
      const { record, instanceDir } = request;
      const finding = findRun(request, table);
      this.#latest.set(instanceDir, record.run);
      const ended: Promise<LauncherEnd> =
        finding.kind === 'alive'
          ? this.#watch.untilGone(finding.launcher, instanceDir, record.run)
          : Promise.resolve({ otherwise: finding.otherwise });
      return new NativeProc({
        run: record.run,
        instanceDir,
        socket: record.socket,
        launcher: finding.kind === 'other-boot' ? undefined : finding.launcher,
        scanner: this.#scanner,
        ended,
        sent: record.stopping === undefined ? [] : [record.stop.signal],
        isLatest: () => this.#latest.get(instanceDir) === record.run,
        sameBoot: finding.kind !== 'other-boot',
      });
    });
  }

  /** One spawn a turn of the event loop: a fork of this process blocks it for a millisecond or more. */
  async #nextTurn(): Promise<void> {
    this.#turn = this.#turn.then(() => setImmediate());
    await this.#turn;
  }

  async #spawn(request: StartRequest, cleared: Cleared): Promise<Result<StartedProc, StartFailure>> {
    const { run, instanceDir, launch } = request;
    const files: [path: string, flags: number][] = [
      [request.stdoutPath, APPEND],
      [join(instanceDir, FILES.exit), APPEND | constants.O_TRUNC],
      [join(instanceDir, FILES.alive), constants.O_RDWR | constants.O_NONBLOCK],
      [request.stderrPath, APPEND],
    ];
    const opened: number[] = [];
    let child: ChildProcess;
    try {
      // Making a file takes as long as some spawns; this way it does not hold up those of other services.
      const opening = await Promise.allSettled(files.map(([path, flags]) => openFile(path, flags, 0o600)));
      for (const each of opening) if (each.status === 'fulfilled') opened.push(each.value);
      for (const each of opening) if (each.status === 'rejected') throw each.reason;
      await this.#nextTurn();
      const scriptPath = join(instanceDir, FILES.script);
      const umask = launch.umask ?? this.#umask;
      const args = launcherArgs({
        scriptPath,
        run,
        bootId: bootId(),
        umask,
        limits: cleared.limits,
        argv: cleared.argv,
      });
      child = spawn(SHELL, args, {
        cwd: launch.cwd,
        env: cleared.env,
        detached: true,
        stdio: ['ignore', ...opened],
      });
    } finally {
      for (const fd of opened) closeSync(fd);
    }
    if (child.pid === undefined) return err(describeFailure(await failureOf(child), request));
    return ok(this.#follow(request, child, child.pid));
  }

  #follow(request: StartRequest, child: ChildProcess, pid: number): StartedProc {
    const { run, instanceDir, launch } = request;
    const launcher = readIdentity(pid);
    this.#latest.set(instanceDir, run);
    const ended = new Promise<LauncherEnd>((resolve) => {
      child.once('exit', (code, signal) =>
        resolve({ status: { code, signal }, otherwise: 'its launcher left no status' }),
      );
    });
    const proc = new NativeProc({
      run,
      instanceDir,
      socket: launch.socket,
      launcher,
      scanner: this.#scanner,
      ended,
      isLatest: () => this.#latest.get(instanceDir) === run,
    });
    return launcher === undefined ? { proc } : { proc, launcher };
  }

  async #prepareOne(instanceDir: string): Promise<void> {
    const fifo = join(instanceDir, FILES.alive);
    // Somebody may have cleared the directory since it was prepared.
    if (this.#ready.has(instanceDir) && isFifo(fifo)) return;
    this.#writeScript(instanceDir);
    if (!isFifo(fifo)) await this.#makeFifos([fifo]);
    this.#ready.add(instanceDir);
  }

  /**
   * The old one is never written to: a shell of an earlier daemon may still be reading it. The others are links to the
   * first, which costs a twentieth of another file.
   */
  #writeScript(instanceDir: string): void {
    const path = join(instanceDir, FILES.script);
    rmSync(path, { force: true });
    try {
      if (this.#scriptPath === undefined) throw new Error('there is none to link to');
      linkSync(this.#scriptPath, path);
    } catch {
      writeFileSync(path, this.#script, { mode: 0o600 });
      this.#scriptPath = path;
    }
  }

  async #makeFifos(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    for (const path of paths) rmSync(path, { force: true });
    const PATH = this.#env['PATH'] ?? '/usr/bin:/bin';
    await promisify(execFile)('mkfifo', ['-m', '600', ...paths], { env: { PATH, LC_ALL: 'C' } });
  }
}

const openFile = promisify(open);

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;
}

function failureOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}

const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM']);
const UNWRITABLE = new Set([
  'ENOSPC',
  'EROFS',
  'EDQUOT',
  'EACCES',
  'EPERM',
  'EIO',
  'ENOENT',
  'ENOTDIR',
  'ENXIO',
  'EISDIR',
]);

/** Turns what the system said into a start failure. Never quotes arguments or environment, which may be secret. */
function describeFailure(cause: unknown, request: StartRequest): StartFailure {
  const error = cause instanceof Error ? (cause as NodeJS.ErrnoException) : undefined;
  const code = error?.code ?? 'unknown error';
  const inSpawn = error?.syscall?.startsWith('spawn') === true;
  if (code === 'E2BIG') {
    return {
      code: 'arguments-too-long',
      message: 'command and environment together are longer than the system allows (E2BIG)',
      help: 'pass less in `command` and `env`; a single value may have 128 KiB at most',
    };
  }
  if (SHORTAGES.has(code))
    return { code: 'resource-shortage', message: `the system is short of a resource (${code})` };
  if (inSpawn && code === 'ENOENT') {
    return {
      code: 'other',
      message: `${SHELL} or the working directory ${request.launch.cwd} has just vanished`,
    };
  }
  if (!inSpawn && UNWRITABLE.has(code)) {
    return {
      code: 'state-unwritable',
      message: `${error?.path ?? request.instanceDir} cannot be written (${code})`,
      help: `free space or mend the permissions of ${request.instanceDir}`,
    };
  }
  return { code: 'other', message: `the process could not be made (${code})` };
}
