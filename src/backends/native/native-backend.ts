import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { StartFailure } from '../../core/exit.ts';
import { Limiter } from '../../core/util/limiter.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { RunId } from '../../core/state.ts';
import type {
  AdoptRequest,
  Backend,
  Failpoint,
  NotifyFeed,
  Proc,
  ProcessIdentity,
  ProcInput,
  StartedProc,
  StartRequest,
} from '../../ports/backend.ts';
import type { Encloser, Enclosure } from '../../ports/encloser.ts';
import { findRun, LauncherWatch } from './adoption.ts';
import { BatchSpawner } from './batch-spawner.ts';
import { type Cgroup, type Cgroups, createCgroups } from '../../host/cgroup/cgroup.ts';
import { enclosedInvocation, type Invocation } from './enclosed-invocation.ts';
import { bootId, readIdentity } from '../../host/identity.ts';
import { followInner, innerEnd, untilBegun } from './inner-launcher.ts';
import { createFifoInput } from './input.ts';
import { InstanceFiles } from './instance-files.ts';
import { FILES, launcherArgs } from './launcher.ts';
import { type LauncherEnd, NativeProc } from './native-proc.ts';
import { FileNotifyFeed } from './notify.ts';
import { startReceiver } from './notify-receiver.ts';
import { type CheckedLaunch, preflight } from './preflight.ts';
import type { OomCounter } from '../../host/oom.ts';
import { findSetsid, ProgramFinder } from '../../host/programs.ts';
import { OpenFiles } from './run-files.ts';
import { describeFailure, SHELL } from './start-failures.ts';
import { placeSecrets, removeSecrets, SECRETS_DIR } from './secrets.ts';
import { resizeTerminal, terminalCommand } from './terminal.ts';
import { ProcessScanner } from '../../host/unit-scan.ts';

interface NativeBackendOptions {
  /** This process's own environment: where helper programs are found, and what a service merely inherited. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For services that say nothing of it; absent: this process's. */
  readonly umask?: number;
  /** Called before and right after each making of a launcher, synchronously. */
  readonly failpoint?: (at: Failpoint) => void;
  /** Whoever gives it samples it every few seconds besides. */
  readonly oomCounter?: OomCounter;
  /** Descriptor of the project's lock; see `BatchSpawner`. */
  readonly fence?: number | undefined;
  /** Absent: launches with mounts or a sandbox are refused. */
  readonly encloser?: Encloser;
}

/** Runs services as plain processes of this machine. */
export function createNativeBackend(options: NativeBackendOptions): Backend {
  return new NativeBackend(options);
}

/** A launcher that was made, and what is known of it. */
interface LaunchedRun {
  readonly ended: Promise<LauncherEnd>;
  readonly launcher: ProcessIdentity | undefined;
}

/** What was made for a run: a child, and whether the launcher is only within it; or the launcher, by somebody else. */
type SpawnedLauncher =
  { readonly child: ChildProcess; readonly inner: boolean } | { readonly launcher: ProcessIdentity };

class NativeBackend implements Backend {
  readonly name = 'native';
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #oomCounter: OomCounter | undefined;
  readonly #encloser: Encloser | undefined;
  readonly #failpoint: (at: Failpoint) => void;
  readonly #scanner = new ProcessScanner();
  readonly #programs = new ProgramFinder();
  readonly #watch = new LauncherWatch();
  readonly #files: InstanceFiles;
  readonly #umask: string;
  readonly #batches: BatchSpawner;
  /** Starts under way. */
  #starting = 0;
  readonly #latest = new Map<string, RunId>();
  /** How many starts at once have files open: there may be more services than descriptors. */
  readonly #opens = new Limiter(16);
  #cgroups: Cgroups | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: NativeBackendOptions) {
    const { env = process.env, umask, failpoint = () => undefined, oomCounter, encloser } = options;
    this.#env = env;
    this.#oomCounter = oomCounter;
    this.#encloser = encloser;
    this.#failpoint = failpoint;
    this.#files = new InstanceFiles(env['PATH'] ?? '/usr/bin:/bin');
    this.#batches = new BatchSpawner({
      setsid: findSetsid(env['PATH']),
      fence: options.fence,
      wanted: () => this.#starting,
    });
    this.#umask = umask === undefined ? '' : umask.toString(8).padStart(4, '0');
  }

  async prepare(requests: readonly { readonly instanceDir: string }[]): Promise<void> {
    try {
      await this.#files.prepare(requests.map((request) => request.instanceDir));
    } catch {
      // What is missing is tried again, and its reason told, by the start that needs it.
    }
  }

  async start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    let cgroup: Cgroup | undefined;
    const undo = (): void => {
      cgroup?.remove();
      removeSecrets(request.instanceDir);
    };
    this.#starting += 1;
    try {
      const means = { programs: this.#programs, env: this.#env, encloser: this.#encloser };
      const cleared = await preflight(request, means);
      if (!cleared.ok) return cleared;
      await this.#files.prepareOne(request.instanceDir, hasInput(request.launch));
      const group = this.#makeCgroup(request);
      if (!group.ok) return group;
      cgroup = group.value;
      const secrets = placeFor(request, cleared.value);
      const given = cgroup;
      const spawned = secrets.ok ? await this.#make(request, cleared.value, given, secrets.value) : secrets;
      if (!spawned.ok) {
        undo();
        return spawned;
      }
      return ok(await this.#follow(request, spawned.value, cgroup));
    } catch (cause) {
      undo();
      return err(describeFailure(cause, request));
    } finally {
      this.#starting -= 1;
    }
  }

  async adopt(requests: readonly AdoptRequest[]): Promise<readonly Proc[]> {
    const open = requests.filter(({ record }) => record.ended === undefined);
    if (open.length === 0) return [];
    await Promise.all(open.map(untilBegun));
    const table = await this.#scanner.scan();
    return open.flatMap((request) => {
      const { record, instanceDir } = request;
      const finding = findRun(request, table);
      if (finding.kind === 'unbegun') {
        removeSecrets(instanceDir);
        return [];
      }
      this.#latest.set(instanceDir, record.run);
      const launcher = finding.kind === 'other-boot' ? undefined : finding.launcher;
      const ended: Promise<LauncherEnd> =
        finding.kind === 'alive'
          ? this.#watch.untilGone(finding.launcher, instanceDir, record.run)
          : Promise.resolve({ otherwise: finding.otherwise });
      const cgroup = this.#groupOf(record);
      return new NativeProc({
        run: record.run,
        instanceDir,
        socket: record.socket,
        launcher,
        scanner: this.#scanner,
        sent: record.stopping === undefined ? [] : [record.stop.signal],
        isLatest: () => this.#latest.get(instanceDir) === record.run,
        over: finding.kind !== 'alive',
        sameBoot: finding.kind !== 'other-boot',
        logPaths: logPathsOf(record, request),
        oomCounter: this.#oomCounter,
        ...this.#channels(record, instanceDir, launcher, ended),
        ...(cgroup === undefined ? {} : { cgroup }),
      });
    });
  }

  /** A daemon that died right after a spawn has not noted the group. */
  #groupOf({ run, cgroup, fields }: AdoptRequest['record']): Cgroup | undefined {
    if (cgroup !== undefined) return this.#groups().open(cgroup);
    const limited = 'limits.memory' in fields || 'limits.cpus' in fields;
    return limited ? this.#groups().openFor(run) : undefined;
  }

  /** Made when the first limit asks for one: to look for a place costs reading files. */
  #groups(): Cgroups {
    this.#cgroups ??= createCgroups();
    return this.#cgroups;
  }

  #makeCgroup({ run, launch }: StartRequest): Result<Cgroup | undefined, StartFailure> {
    if (launch.limits.memory === undefined && launch.limits.cpus === undefined) return ok(undefined);
    return this.#groups().make(run, launch.limits);
  }

  /** One spawn a turn of the event loop: a fork of this process blocks it for a millisecond or more. */
  async #nextTurn(): Promise<void> {
    this.#turn = this.#turn.then(() => setImmediate());
    await this.#turn;
  }

  async #spawn(
    request: StartRequest,
    cleared: CheckedLaunch,
    cgroup: Cgroup | undefined,
    secrets: string | undefined,
  ): Promise<Result<SpawnedLauncher, StartFailure>> {
    const files = new OpenFiles(request);
    let child: ChildProcess;
    let inner: boolean;
    try {
      // Making a file takes as long as some spawns; this way it does not hold up those of other services.
      await files.open();
      const notified = await this.#notifyEnv(request, cleared);
      if (!notified.ok) return notified;
      const env = secrets === undefined ? notified.value : { ...notified.value, [SECRETS_DIR]: secrets };
      const enclosure = enclose(request, { ...cleared, env }, cgroup, secrets);
      if (!enclosure.ok) return enclosure;
      await this.#nextTurn();
      const behind = enclosure.value?.launcher === 'child';
      inner = behind || request.launch.tty === true;
      const {
        program,
        args,
        env: childEnv,
      } = this.#command(request, { ...cleared, env }, cgroup, enclosure.value);
      this.#failpoint('before-spawn');
      child = spawn(program, args, {
        // An enclosure goes to the working directory by itself; it need not be there outside.
        cwd: behind ? '/' : request.launch.cwd,
        env: childEnv,
        detached: true,
        stdio: files.stdio(behind),
      });
      this.#failpoint('after-spawn');
    } finally {
      files.close();
    }
    if (child.pid === undefined) return err(describeFailure(await failureOf(child), request));
    return ok({ child, inner });
  }

  async #make(
    request: StartRequest,
    cleared: CheckedLaunch,
    cgroup: Cgroup | undefined,
    secrets: string | undefined,
  ): Promise<Result<SpawnedLauncher, StartFailure>> {
    const launcher = await this.#spawnInBatch(request, cleared, cgroup, secrets);
    if (launcher !== undefined) return ok({ launcher });
    return this.#opens.run(() => this.#spawn(request, cleared, cgroup, secrets));
  }

  /** A launcher that needs nothing but plain output. Undefined where it is to be made here after all. */
  async #spawnInBatch(
    request: StartRequest,
    cleared: CheckedLaunch,
    cgroup: Cgroup | undefined,
    secrets: string | undefined,
  ): Promise<ProcessIdentity | undefined> {
    const { run, instanceDir, launch, stdoutPath, stderrPath } = request;
    if (hasInput(launch) || launch.notify !== undefined || cleared.enclosing !== undefined) return undefined;
    const given = secrets === undefined ? {} : { [SECRETS_DIR]: secrets };
    const allowed = { ...cleared, env: { ...cleared.env, ...given } };
    const { program, args, env } = this.#command(request, allowed, cgroup, undefined, true);
    const [exit, alive] = [join(instanceDir, FILES.exit), join(instanceDir, FILES.alive)];
    const files = { stdout: stdoutPath, exit, alive, stderr: stderrPath };
    const job = { id: run, program, args, cwd: launch.cwd, env, files };
    const pid = await this.#batches.offer(job, () => this.#failpoint('before-spawn'));
    if (pid === undefined) return undefined;
    this.#failpoint('after-spawn');
    // One that has ended by now has left its record.
    return readIdentity(pid) ?? { pid, startTime: -1, bootId: bootId() };
  }

  #command(
    { run, instanceDir, launch }: StartRequest,
    { argv, env, limits, terminal, uid, nice }: CheckedLaunch,
    cgroup: Cgroup | undefined,
    enclosure: Enclosure | undefined,
    announces = false,
  ): Invocation {
    const args = launcherArgs({
      scriptPath: join(instanceDir, FILES.script),
      run,
      bootId: bootId(),
      ownPids: enclosure?.ownPids === true,
      umask: launch.umask ?? this.#umask,
      limits,
      announces,
      argv,
      ...(cgroup === undefined ? {} : { joins: cgroup.joins }),
    });
    const plain: Invocation = { program: SHELL, args, env };
    const inner =
      terminal === undefined
        ? plain
        : terminalCommand({
            tools: terminal,
            run,
            launcher: [SHELL, ...args],
            env,
            ...(uid === undefined ? {} : { uid }),
          });
    const tty = terminal !== undefined;
    const whole =
      enclosure === undefined
        ? inner
        : enclosedInvocation({ enclosure, run, inner, input: hasInput(launch), tty });
    const [first, ...rest] = nice;
    return first === undefined
      ? whole
      : { program: first, args: [...rest, whole.program, ...whole.args], env: whole.env };
  }

  /** The service's environment, with the socket of a receiver that was started for it where the launch asks for one. */
  async #notifyEnv(
    { run, instanceDir, launch: { notify } }: StartRequest,
    { env, receivers, uid }: CheckedLaunch,
  ): Promise<Result<CheckedLaunch['env'], StartFailure>> {
    if (notify === undefined || receivers === undefined) return ok(env);
    const socket = await startReceiver({
      run,
      instanceDir,
      programs: receivers,
      env: this.#env,
      ...(uid === undefined ? {} : { uid }),
    });
    if (!socket.ok) return socket;
    const { watchdogMs } = notify;
    const watchdog = watchdogMs === undefined ? {} : { WATCHDOG_USEC: String(Math.round(watchdogMs * 1000)) };
    return ok({ ...env, NOTIFY_SOCKET: socket.value, ...watchdog });
  }

  async #follow(
    request: StartRequest,
    spawned: SpawnedLauncher,
    cgroup: Cgroup | undefined,
  ): Promise<StartedProc> {
    const { run, instanceDir, launch } = request;
    this.#latest.set(instanceDir, run);
    this.#oomCounter?.sample();
    const { ended, launcher } = await this.#launched(request, spawned);
    const proc = new NativeProc({
      run,
      instanceDir,
      socket: launch.socket,
      launcher,
      scanner: this.#scanner,
      isLatest: () => this.#latest.get(instanceDir) === run,
      logPaths: logPathsOf(launch, request),
      oomCounter: this.#oomCounter,
      ...this.#channels({ ...launch, run }, instanceDir, launcher, ended),
      ...(cgroup === undefined ? {} : { cgroup }),
    });
    return {
      proc,
      ...(launcher === undefined ? {} : { launcher }),
      ...(cgroup === undefined ? {} : { cgroup: cgroup.path }),
    };
  }

  #launched(request: StartRequest, spawned: SpawnedLauncher): LaunchedRun | Promise<LaunchedRun> {
    const { run, instanceDir } = request;
    if ('launcher' in spawned) {
      const { launcher } = spawned;
      return { launcher, ended: this.#watch.untilGone(launcher, instanceDir, run) };
    }
    return spawned.inner ? this.#launchedWithin(request, spawned.child) : launched(spawned.child);
  }

  async #launchedWithin(
    { instanceDir, run, launch }: StartRequest,
    child: ChildProcess,
  ): Promise<LaunchedRun> {
    const start = await followInner(child, instanceDir, run);
    const ended = innerEnd(start, launch.tty === true, (launcher) =>
      this.#watch.untilGone(launcher, instanceDir, run),
    );
    return { ended, launcher: start.launcher };
  }

  /** What a run has beside its output, be it new or adopted. Its end is told once its last message was read. */
  #channels(
    of: Channels,
    instanceDir: string,
    launcher: ProcessIdentity | undefined,
    launcherEnded: Promise<LauncherEnd>,
  ): { readonly ended: Promise<LauncherEnd>; readonly notify?: NotifyFeed; readonly input?: ProcInput } {
    const { run } = of;
    const feed = of.notify === undefined ? undefined : new FileNotifyFeed(instanceDir, run);
    const ended =
      feed === undefined ? launcherEnded : launcherEnded.then((end) => feed.settled().then(() => end));
    const resize = (columns: number, rows: number): Promise<boolean> =>
      resizeTerminal(launcher, { columns, rows }, this.#programs, this.#env['PATH']);
    const input = !hasInput(of)
      ? undefined
      : createFifoInput({
          path: join(instanceDir, FILES.stdin),
          isOurs: () => this.#latest.get(instanceDir) === run,
          ...(of.tty === true ? { resize } : {}),
        });
    return {
      ended,
      ...(feed === undefined ? {} : { notify: feed }),
      ...(input === undefined ? {} : { input }),
    };
  }
}

/** Writes the secrets that the launch has; answers with their folder. */
function placeFor(
  { instanceDir, launch: { secrets = [] } }: StartRequest,
  { owner }: CheckedLaunch,
): Result<string | undefined, StartFailure> {
  if (secrets.length > 0) {
    return placeSecrets({ instanceDir, secrets, ...(owner === undefined ? {} : { owner }) });
  }
  removeSecrets(instanceDir);
  return ok(undefined);
}

/** What the run has made for itself by now is seen within. */
function enclose(
  { instanceDir, launch }: StartRequest,
  { enclosing, env }: CheckedLaunch,
  cgroup: Cgroup | undefined,
  secrets: string | undefined,
): Result<Enclosure | undefined, StartFailure> {
  const socket = launch.notify === undefined ? undefined : env['NOTIFY_SOCKET'];
  const more = [secrets, socket === undefined ? undefined : dirname(socket)].flatMap((path) => path ?? []);
  return enclosing === undefined
    ? ok(undefined)
    : enclosing.enclose({ read: [instanceDir, ...more], write: cgroup?.joins ?? [] });
}

interface Channels {
  readonly run: RunId;
  readonly tty?: true;
  readonly stdin?: 'pipe';
  readonly notify?: unknown;
}

function hasInput(launch: Omit<Channels, 'run'>): boolean {
  return launch.tty === true || launch.stdin === 'pipe';
}

function launched(child: ChildProcess): LaunchedRun {
  const ended = new Promise<LauncherEnd>((resolve) => {
    child.once('exit', (code, signal) =>
      resolve({ status: { code, signal }, otherwise: 'its launcher left no status' }),
    );
  });
  return { ended, launcher: child.pid === undefined ? undefined : readIdentity(child.pid) };
}

function failureOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}

/** Whoever writes to these belongs to the run. Behind a terminal that is script(1), which does not. */
function logPathsOf(
  { tty }: { readonly tty?: true },
  { stdoutPath, stderrPath }: Pick<AdoptRequest, 'stdoutPath' | 'stderrPath'>,
): readonly string[] {
  return tty === true ? [] : [...new Set([stdoutPath, stderrPath])].flatMap((path) => path ?? []);
}
