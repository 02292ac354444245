import type { CleanupReport } from '../../src/core/api.ts';
import type { Exit, StartFailure } from '../../src/core/exit.ts';
import type { ConcreteLaunch } from '../../src/core/launch.ts';
import { err, ok, type Result } from '../../src/core/util/result.ts';
import type { LaunchSpec } from '../../src/core/service.ts';
import type { CommandResult } from '../../src/ports/commands.ts';
import type {
  AdoptRequest,
  Backend,
  ExecOptions,
  HealthState,
  Orphan,
  Proc,
  StartedProc,
  StartRequest,
  UnitMember,
  UnitStats,
} from '../../src/ports/backend.ts';

/** A value that is told of when it changes. */
export class FakeFeed<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  current(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

export class FakeHealth extends FakeFeed<HealthState> {
  said: string | undefined;

  output(): string | undefined {
    return this.said;
  }
}

export class FakeKnowledge extends FakeFeed<'known' | 'unknown'> {
  reason(): string | undefined {
    return this.current() === 'unknown' ? 'the engine does not answer' : undefined;
  }
}

/** A command that was run within a unit. */
export interface FakeExec {
  readonly argv: readonly string[];
  readonly options: ExecOptions;
}

/** A unit that does what the test says. By default it ends on any signal but SIGHUP. */
export class FakeProc implements Proc {
  readonly run: string;
  readonly instance: string;
  readonly request: StartRequest | undefined;
  readonly exited: Promise<Exit>;
  readonly gone: Promise<void>;
  readonly signals: string[] = [];
  /** Only where the test, or a launch of the backend docker, makes it so. */
  health?: FakeHealth;
  knowledge?: FakeKnowledge;
  exec?: (argv: readonly string[], options: ExecOptions) => Promise<CommandResult>;
  readonly execs: FakeExec[] = [];
  execResult: CommandResult = { kind: 'exited', code: 0, output: '' };
  /** Signals it does not care about; SIGKILL always works. */
  ignores: readonly string[] = ['SIGHUP'];
  rest: UnitMember[] = [];
  #exit: (exit: Exit) => void = () => {};
  #vanish: () => void = () => {};
  #ended = false;
  readonly #pid: number;

  constructor(run: string, instance: string, pid: number, request?: StartRequest) {
    this.run = run;
    this.instance = instance;
    this.#pid = pid;
    this.request = request;
    this.exited = new Promise((resolve) => (this.#exit = resolve));
    this.gone = new Promise((resolve) => (this.#vanish = resolve));
  }

  get alive(): boolean {
    return !this.#ended || this.rest.length > 0;
  }

  pid(): number {
    return this.#pid;
  }

  /** The main process ends; with `rest` something of the unit stays. */
  end(exit: Exit, rest: UnitMember[] = []): void {
    if (this.#ended) return;
    this.#ended = true;
    this.rest = rest;
    this.#exit(exit);
    if (rest.length === 0) this.#vanish();
  }

  signal(signal: string): Promise<number> {
    // Nobody who could pass it on is there.
    if (this.knowledge?.current() === 'unknown') return Promise.resolve(0);
    this.signals.push(signal);
    if (signal !== 'SIGKILL' && this.ignores.includes(signal)) return Promise.resolve(1);
    this.rest = [];
    if (this.#ended) this.#vanish();
    else this.end({ kind: 'signal', signal });
    return Promise.resolve(1);
  }

  /** As a container: looked after by an engine, commands within it. */
  becomeContainer(health: HealthState = 'none'): void {
    this.health = new FakeHealth(health);
    this.knowledge = new FakeKnowledge('known');
    this.exec = (argv, options) => {
      this.execs.push({ argv, options });
      return Promise.resolve(this.execResult);
    };
  }

  stats(): Promise<UnitStats | undefined> {
    const alive: UnitStats = { cpuMs: 10, memoryBytes: 1_048_576, processes: 1, threads: 1, openFiles: 3 };
    return Promise.resolve(this.alive ? alive : undefined);
  }

  members(): Promise<readonly UnitMember[]> {
    return Promise.resolve(this.#ended ? this.rest : [{ pid: this.#pid, command: this.instance }]);
  }
}

/** One launch that is being made possible. */
export interface FakeMaterial {
  readonly launch: ConcreteLaunch;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
  finish(result: Result<void, StartFailure>): void;
}

/** Stands for all backends. What it runs by `docker` are containers. */
export class FakeBackend implements Backend {
  readonly name = 'fake';
  /** What `materialise` was called for, and whether it waits for the test to finish it. */
  readonly materials: FakeMaterial[] = [];
  holdsMaterial = false;
  /** Of each service, what its launch is made from. */
  readonly inputDigests = new Map<string, string>();
  /** What a container's own healthcheck says at first. */
  health: HealthState = 'none';
  readonly strays: Orphan[] = [];
  /** Why the engine cannot be asked, while it cannot. */
  unreachable: string | undefined;
  readonly removed: string[] = [];
  readonly cleanups: { readonly project: string; readonly volumes: boolean }[] = [];
  leftBehind: CleanupReport['failed'] = [];
  readonly procs: FakeProc[] = [];
  /** Instances whose next starts fail so. */
  readonly failures = new Map<string, StartFailure>();
  /** Called for each new unit before it is handed out. */
  onStart: (proc: FakeProc) => void = () => {};
  #pids = 1_000;

  materialise(
    launch: ConcreteLaunch,
    progress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Result<void, StartFailure>> {
    return new Promise((finish) => {
      this.materials.push({ launch, progress, signal, finish });
      if (!this.holdsMaterial) finish(ok(undefined));
    });
  }

  inputs({ container, settings }: LaunchSpec): Promise<string | undefined> {
    const of = container?.build?.context ?? (settings?.values as { flake?: string } | undefined)?.flake;
    return Promise.resolve(of === undefined ? undefined : this.inputDigests.get(of));
  }

  commandLine({ instance, launch }: Pick<StartRequest, 'instance' | 'launch'>): string | undefined {
    return launch.container === undefined ? undefined : `docker run ${instance} ${launch.argv.join(' ')}`;
  }

  orphans(_project: string, known: ReadonlySet<string>): Promise<Result<readonly Orphan[], StartFailure>> {
    if (this.unreachable !== undefined) {
      return Promise.resolve(err({ code: 'engine-unavailable', message: this.unreachable }));
    }
    return Promise.resolve(ok(this.strays.filter(({ run }) => !known.has(run))));
  }

  removeOrphan(orphan: Orphan): Promise<Result<void, StartFailure>> {
    this.removed.push(orphan.name);
    const at = this.strays.findIndex(({ id }) => id === orphan.id);
    if (at >= 0) this.strays.splice(at, 1);
    return Promise.resolve(ok(undefined));
  }

  removeProject(project: string, { volumes }: { readonly volumes: boolean }): Promise<CleanupReport> {
    this.cleanups.push({ project, volumes });
    return Promise.resolve({
      containers: [],
      networks: [`${project}_default`],
      volumes: volumes ? [`${project}_data`] : [],
      failed: this.leftBehind,
    });
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    const failure = this.failures.get(request.instance);
    if (failure !== undefined) return Promise.resolve(err(failure));
    const proc = new FakeProc(request.run, request.instance, this.#pids++, request);
    if (request.launch.backend === 'docker') proc.becomeContainer(this.health);
    this.procs.push(proc);
    this.onStart(proc);
    return Promise.resolve(ok({ proc }));
  }

  adopt(records: readonly AdoptRequest[]): Promise<readonly Proc[]> {
    const known = new Map(this.procs.map((proc) => [proc.run, proc]));
    return Promise.resolve(records.flatMap(({ record }) => known.get(record.run) ?? []));
  }

  /** The newest unit of an instance. */
  of(instance: string): FakeProc {
    const proc = this.procs.findLast((p) => p.instance === instance);
    if (proc === undefined) throw new Error(`nothing was started for ${instance}`);
    return proc;
  }

  startsOf(instance: string): number {
    return this.procs.filter((p) => p.instance === instance).length;
  }

  get alive(): readonly string[] {
    return this.procs.filter((p) => p.alive).map((p) => p.instance);
  }
}
