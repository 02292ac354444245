import type { ConcreteLaunch, TextContext } from '../core/launch.ts';
import type { Cause, HappeningBody } from '../core/event.ts';
import type { Exit, StartFailure } from '../core/exit.ts';
import type { MachineEvent } from '../core/machine.ts';
import type { LaunchRecord } from '../core/project-plan.ts';
import { isSuccess } from '../core/restart.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { BackendName, ServiceSpec } from '../core/service.ts';
import type { InstanceRef, InstanceState, RunId, Wanted } from '../core/state.ts';
import type { Backend, Failpoint, Proc, RunRecord } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';
import type { CommandRunner } from '../ports/commands.ts';
import type { LogStore } from '../ports/logs.ts';
import type { Prober } from '../ports/probes.ts';
import type { Store } from '../ports/store.ts';
import { HookRunner } from './hooks.ts';
import { GIVEN_UP, Materialising } from './materialising.ts';
import { Probing } from './probing.ts';
import { newRunRecord, recentOf } from './run-record.ts';
import { runnerWithin } from './within.ts';

export interface PreparedLaunch extends LaunchRecord {
  readonly launch: ConcreteLaunch;
  /** What late references in commands that run beside the service, where it runs, are filled in from. */
  readonly context: TextContext;
  /** The same for what runs or looks from the machine. */
  readonly onMachine: TextContext;
}

export interface RunPorts {
  readonly clock: Clock;
  readonly backend: Backend;
  readonly store: Store;
  readonly logs: LogStore;
  readonly commands: CommandRunner;
  readonly prober: Prober;
  readonly failpoint?: (at: Failpoint) => void;
}

/** What a run needs of the instance it belongs to. */
export interface RunOwner {
  readonly ref: InstanceRef;
  readonly spec: ServiceSpec;
  readonly state: InstanceState;
  readonly wanted: Wanted;
  /** Restarts by policy so far. */
  readonly restarts: number;
  /** Those that the policy's window may still count, epoch ms. */
  readonly recentRestarts: readonly number[];
  /** How the run before ended; undefined where there was none. */
  readonly lastExit: Exit | undefined;
  dispatch(event: MachineEvent): void;
  tell(happening: HappeningBody): void;
  /** Called after every change of what a snapshot shows. */
  changed(): void;
  /** Sees to it that what is wanted is on record before anything is started for it. */
  recorded(): Result<void, StartFailure>;
  /** Notes that the backend may have something of the project from now on, which a later clean-up has to find. */
  usedBackend(backend: BackendName): Result<void, StartFailure>;
  /** The launch of this run, with late references filled in and ports handed out. */
  prepareLaunch(): Promise<Result<PreparedLaunch, StartFailure>>;
  /** `log` patterns that dependents of the service wait for. */
  patterns(): readonly string[];
  /** What the failing run's last lines on stderr say; masked and bounded. */
  lastWords(run: RunId): Promise<string | undefined>;
  /** What is to be shown as the cause of the last failure; undefined: there is none any more. */
  said(words: string | undefined): void;
  startFailed(failure: StartFailure): void;
  /** Without the secrets it may hold. */
  masked(text: string): string;
  /** While the whole project goes down, single runs' ends need no record. */
  isShuttingDown(): boolean;
  /** Whether everything is being killed: no hook is begun any more. */
  isKilling(): boolean;
}

const KILL_AGAIN_MS = 500;
/** The first look for the pid, and how many there are, each after twice as long. */
const PID_POLL_MS = 8;
const PID_POLLS = 9;

/**
 * One run, from the decision to start it until its unit is gone. Does what the state machine has decided and answers
 * with events that name the run; holds no policy.
 */
export class Run {
  readonly id: RunId;
  readonly #owner: RunOwner;
  readonly #ports: RunPorts;
  /** Epoch ms; for people and records. */
  #startedWall: number;
  /** Monotonic ms. */
  #startedAt: number;
  readonly #timers = new Set<() => void>();
  #unsubscribe: () => void = () => {};
  /** Why it was started; absent for an adopted one, whose start an earlier daemon told of. */
  #cause: Cause | undefined;
  #proc: Proc | undefined;
  #prepared: PreparedLaunch | undefined;
  #record: RunRecord | undefined;
  #probing: Probing | undefined;
  #announced = false;
  /** A stop was asked for before there was a process. */
  #abandoned = false;
  #mainEnded = false;
  #killed = false;
  /** Nothing of the unit is left, or what is left is nobody's concern. */
  #over = false;
  /** Resolves once no hook or command that asks the service to end is under way. */
  #asked: Promise<unknown> = Promise.resolve();
  /** How many of those are. */
  #asks = 0;
  readonly #hooks: HookRunner;
  readonly #material: Materialising;

  constructor(id: RunId, owner: RunOwner, ports: RunPorts, startedWall = ports.clock.wall()) {
    const { clock } = ports;
    this.id = id;
    this.#owner = owner;
    this.#ports = ports;
    this.#startedWall = startedWall;
    this.#startedAt = clock.now() - Math.max(0, clock.wall() - startedWall);
    this.#hooks = new HookRunner({
      commands: ports.commands,
      within: () => runnerWithin(this.#proc),
      prepared: async () => this.#prepared ?? (await this.#preparedAnew()),
      tell: (happening) => owner.tell(happening),
      masked: (text) => owner.masked(text),
    });
    this.#material = new Materialising({
      backend: ports.backend,
      clock,
      changed: () => owner.changed(),
      masked: (text) => owner.masked(text),
    });
  }

  get proc(): Proc | undefined {
    return this.#proc;
  }

  get prepared(): PreparedLaunch | undefined {
    return this.#prepared;
  }

  get record(): RunRecord | undefined {
    return this.#record;
  }

  /** Undefined until its launch is known. */
  get backend(): string | undefined {
    return this.#record?.backend ?? this.#prepared?.launch.backend;
  }

  /** Whether an earlier daemon started it. */
  get adopted(): boolean {
    return this.#cause === undefined;
  }

  /** What is being brought about for its start at the moment. */
  get progress(): string | undefined {
    return this.#material.progress;
  }

  /** Why what is known of it may be wrong by now; undefined where it is not. */
  get unknown(): string | undefined {
    const knowledge = this.#over ? undefined : this.#proc?.knowledge;
    if (knowledge?.current() !== 'unknown') return undefined;
    return this.#owner.masked(knowledge.reason?.() ?? 'whoever runs it does not answer');
  }

  /** Whether it has that `ready` probe: what an engine would tell of a container's health it may not have. */
  isProbed({ ready }: Pick<ServiceSpec, 'ready'>): boolean {
    if (ready?.check.kind !== 'health' || this.#proc === undefined) return ready !== undefined;
    return this.unknown !== undefined || (this.#proc.health?.current() ?? 'none') !== 'none';
  }

  /** What its probes last saw. */
  get probes(): ReturnType<Probing['view']> {
    return this.#probing?.view() ?? {};
  }

  async start(cause: Cause): Promise<void> {
    this.#cause = cause;
    const begun = await this.#begin();
    if (!begun.ok) {
      const failure = { ...begun.error, message: this.#owner.masked(begun.error.message) };
      this.#noteEnd({ kind: 'spawn-error', failure });
      this.#owner.said(failure.message);
      this.#owner.startFailed(failure);
      this.#owner.dispatch({ type: 'start-failed', run: this.id, failure });
      return;
    }
    const proc = begun.value;
    this.#proc = proc;
    this.#owner.said(undefined);
    const pid = proc.pid();
    this.#owner.dispatch({ type: 'started', run: this.id, ...(pid === undefined ? {} : { pid }) });
    this.#follow(proc);
    this.#announceOncePidIsKnown(proc, PID_POLLS);
    void this.#hooks.run('post_start', this.#owner.spec.hooks.postStart);
  }

  /** Takes over a run of an earlier daemon; its end, if it has ended, follows through `proc.exited`. */
  adopt(record: RunRecord, proc: Proc): void {
    this.#record = record;
    this.#proc = proc;
    this.#ports.logs.beginRun(this.#owner.ref.id, this.id);
    const pid = proc.pid();
    this.#owner.dispatch({
      type: 'adopted',
      run: this.id,
      since: record.startedAt,
      restarts: record.restarts,
      recent: recentOf(record, this.#ports.clock),
      ...(pid === undefined ? {} : { pid }),
      ...(record.readyAt === undefined ? {} : { readyAt: record.readyAt }),
    });
    this.#follow(proc);
  }

  async stop(): Promise<void> {
    const proc = this.#proc;
    const { stop } = this.#owner.spec;
    // A hook before the start is given so long as well.
    this.#after(stop.graceMs, () => this.#owner.dispatch({ type: 'grace-over', run: this.id }));
    if (proc === undefined) {
      this.#abandon();
      return;
    }
    // It was to be killed before there was anything to kill.
    if (this.#killed) return this.kill();
    if (this.#record !== undefined && !this.#owner.isShuttingDown() && this.#owner.wanted === 'down') {
      const { state } = this.#owner;
      const reason = state.kind === 'stopping' ? state.reason : 'stopped';
      this.#write({ ...this.#record, stopping: { at: this.#ports.clock.wall(), reason } });
    }
    if (!this.#mainEnded) {
      const asking = this.#ask();
      this.#asked = asking;
      this.#asks += 1;
      const done = await asking;
      this.#asks -= 1;
      if (done) return;
    }
    await proc.signal(stop.signal, this.#scope());
  }

  /** Kills the unit, and the hooks that are under way. */
  async kill(): Promise<void> {
    if (this.#over) return;
    this.#killed = true;
    this.giveUpHooks();
    if (this.#proc === undefined) {
      this.#abandon();
      return;
    }
    await this.#proc.signal('SIGKILL', this.#scope());
    // A fork can slip through between a look and a kill, so look again until the unit is gone.
    if (this.#isStopping()) this.#after(KILL_AGAIN_MS, () => void this.kill());
  }

  #abandon(): void {
    this.#abandoned = true;
    this.#material.giveUp();
  }

  /** Sends a signal without wanting anything else. Resolves with how many processes got it. */
  async signal(signal: string): Promise<number> {
    return (await this.#proc?.signal(signal, this.#scope())) ?? 0;
  }

  /** To be called when what is looked at has changed: the probes, or what dependents wait for in the log. */
  lookAgain(): void {
    if (this.#proc === undefined || this.#owner.state.kind !== 'running') return;
    if (this.#probing === undefined) void this.#probe(this.#proc);
    else this.#probing.update(this.#ownProbes(), this.#unseen());
  }

  endProbing(): void {
    this.#probing?.end();
  }

  /** Kills the hooks that are under way. */
  giveUpHooks(): void {
    this.#hooks.giveUp();
  }

  /** Cancels all that is under way in this process; the unit is left alone. */
  release(): void {
    this.endProbing();
    this.#material.giveUp();
    this.#unsubscribe();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  // --- beginning --------------------------------------------------------------------------------------------------

  /** Everything up to the spawn, in the order that a crash of the daemon at any point leaves findable. */
  async #begin(): Promise<Result<Proc, StartFailure>> {
    const recorded = this.#owner.recorded();
    if (!recorded.ok) return recorded;
    const prepared = await this.#owner.prepareLaunch();
    if (!prepared.ok) return prepared;
    this.#prepared = prepared.value;
    const brought = this.#abandoned ? err(GIVEN_UP) : await this.#material.run(prepared.value.launch);
    if (!brought.ok) return brought;
    // What took its time until now is no part of the run.
    this.#startedWall = this.#ports.clock.wall();
    this.#startedAt = this.#ports.clock.now();
    const hook = await this.#hooks.run('pre_start', this.#owner.spec.hooks.preStart);
    if (!hook.ok) return err({ code: 'hook-failed', message: hook.error });
    if (this.#abandoned) return err(GIVEN_UP);
    const used = this.#owner.usedBackend(prepared.value.launch.backend);
    if (!used.ok) return used;
    const noted = this.#noteBegin(prepared.value);
    if (!noted.ok) return noted;
    this.#ports.failpoint?.('after-record');
    this.#ports.logs.beginRun(this.#owner.ref.id, this.id);
    return this.#spawn(prepared.value);
  }

  #noteBegin(prepared: PreparedLaunch): Result<void, StartFailure> {
    const { store } = this.#ports;
    const { ref, spec, restarts, recentRestarts, lastExit } = this.#owner;
    const started = { run: this.id, startedAt: this.#startedWall };
    const record = newRunRecord({
      ref,
      ...started,
      prepared,
      stop: spec.stop,
      backend: prepared.launch.backend,
      restarts,
      recentRestarts,
      lastExit,
    });
    try {
      store.writeRun(record);
    } catch (cause) {
      return err({
        code: 'state-unwritable',
        message: `the state directory cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
        help: `free space or mend the permissions of ${store.stateDir}`,
      });
    }
    this.#record = record;
    return ok(undefined);
  }

  async #spawn({ launch, fingerprint }: PreparedLaunch): Promise<Result<Proc, StartFailure>> {
    const { store, logs, backend } = this.#ports;
    const { ref, spec } = this.#owner;
    const paths = logs.paths(ref.id);
    const begun = await backend.start({
      run: this.id,
      service: ref.service,
      instance: ref.id,
      launch,
      fingerprint,
      requires: spec.requires,
      instanceDir: store.instanceDir(ref.id),
      stdoutPath: paths.stdout,
      stderrPath: launch.mergeStderr === true ? paths.stdout : paths.stderr,
    });
    if (!begun.ok) return begun;
    const { proc, cgroup } = begun.value;
    if (cgroup !== undefined && this.#record !== undefined) this.#write({ ...this.#record, cgroup });
    return ok(proc);
  }

  /** The journal's line about the start waits for the pid, which the launcher writes a moment after the spawn. */
  #announceOncePidIsKnown(proc: Proc, polls: number): void {
    if (this.#announced) return;
    if (proc.pid() === undefined && polls > 0) {
      const wait = PID_POLL_MS * 2 ** (PID_POLLS - polls);
      this.#ports.clock.after(wait, () => this.#announceOncePidIsKnown(proc, polls - 1));
      return;
    }
    this.#announce(proc);
  }

  #announce(proc: Proc): void {
    if (this.#announced || this.#cause === undefined) return;
    this.#announced = true;
    const pid = proc.pid();
    const found = pid === undefined ? {} : { pid };
    this.#owner.tell({ type: 'instance-started', run: this.id, cause: this.#cause, ...found });
    if (pid !== undefined) this.#owner.dispatch({ type: 'pid-known', run: this.id, pid });
  }

  // --- running ----------------------------------------------------------------------------------------------------

  /** Turns the unit's end into events, and its longest allowed run into a timer. */
  #follow(proc: Proc): void {
    const { timeoutMs } = this.#owner.spec;
    if (timeoutMs !== undefined) {
      const left = Math.max(0, timeoutMs - (this.#ports.clock.now() - this.#startedAt));
      this.#after(left, () => this.#owner.dispatch({ type: 'timed-out', run: this.id, afterMs: timeoutMs }));
    }
    this.#unsubscribe = proc.knowledge?.subscribe(() => this.#knowsOrNot(proc)) ?? this.#unsubscribe;
    void proc.exited.then((exit) => this.#mainDone(proc, exit));
    void this.#probe(proc);
  }

  /** What was asked of it meanwhile may not have reached it. */
  #knowsOrNot(proc: Proc): void {
    this.#owner.changed();
    if (proc.knowledge?.current() === 'unknown' || !this.#isStopping() || this.#mainEnded) return;
    if (this.#killed) void this.kill();
    else if (this.#asks === 0) void proc.signal(this.#owner.spec.stop.signal, this.#scope());
  }

  #ownProbes(): Pick<ServiceSpec, 'ready' | 'live'> {
    const { ready, live } = this.#owner.spec;
    return { ...(ready === undefined ? {} : { ready }), ...(live === undefined ? {} : { live }) };
  }

  /** Patterns that dependents wait for and that this run's output has not matched yet. */
  #unseen(): readonly string[] {
    const seen = this.#record?.seen ?? [];
    return this.#owner.patterns().filter((pattern) => !seen.includes(pattern));
  }

  async #probe(proc: Proc): Promise<void> {
    const { ready, live } = this.#owner.spec;
    if (ready === undefined && live === undefined && this.#unseen().length === 0) return;
    const prepared = this.#prepared ?? (await this.#preparedAnew());
    if (prepared === undefined || this.#mainEnded || this.#probing !== undefined) return;
    const { state } = this.#owner;
    if (state.kind !== 'running' || state.run !== this.id) return;
    const within = runnerWithin(proc);
    this.#probing = new Probing(
      this.#ports,
      {
        ready: () => this.#becameReady(),
        unready: (reason) => this.#lostReadiness(reason),
        unhealthy: (reason) => this.#owner.dispatch({ type: 'unhealthy', run: this.id, reason }),
        seen: (pattern) => this.#saw(pattern),
        probed: (probed) => this.#owner.dispatch({ type: 'probed', run: this.id, probed }),
        changed: () => this.#owner.changed(),
        masked: (text) => this.#owner.masked(text),
      },
      {
        instance: this.#owner.ref.id,
        run: this.id,
        context: prepared.context,
        onMachine: prepared.onMachine,
        cwd: prepared.launch.cwd,
        env: prepared.launch.env,
        startedAt: this.#startedAt,
        wasReady: this.#record?.readyAt !== undefined,
        patterns: this.#unseen(),
        ...(proc.notify === undefined ? {} : { notify: proc.notify }),
        ...(proc.health === undefined ? {} : { health: proc.health }),
        ...(proc.knowledge === undefined ? {} : { knowledge: proc.knowledge }),
        ...(within === undefined ? {} : { within }),
      },
      this.#ownProbes(),
    );
    this.#probing.begin();
  }

  #becameReady(): void {
    const { clock } = this.#ports;
    const tookMs = Math.max(0, Math.round(clock.now() - this.#startedAt));
    this.#owner.dispatch({ type: 'ready', run: this.id, tookMs });
    if (this.#record !== undefined && this.#record.readyAt === undefined)
      this.#write({ ...this.#record, readyAt: clock.wall() });
  }

  #lostReadiness(reason: string): void {
    this.#owner.dispatch({ type: 'unready', run: this.id, reason });
    if (this.#record?.readyAt === undefined) return;
    const { readyAt: _lost, ...record } = this.#record;
    this.#write(record);
  }

  #saw(pattern: string): void {
    const seen = this.#record?.seen ?? [];
    if (this.#record === undefined || seen.includes(pattern)) return;
    this.#write({ ...this.#record, seen: [...seen, pattern] });
    this.#owner.changed();
  }

  // --- ending -----------------------------------------------------------------------------------------------------

  async #mainDone(proc: Proc, exit: Exit): Promise<void> {
    this.#mainEnded = true;
    this.endProbing();
    this.#announce(proc);
    const { stop, hooks, restart } = this.#owner.spec;
    const ranMs = Math.max(0, Math.round(this.#ports.clock.now() - this.#startedAt));
    const stopping = this.#owner.state.kind === 'stopping';
    const [rest, lastWords] = await Promise.all([
      stop.killTree && !stopping ? proc.members() : [],
      stopping || isSuccess(exit, restart) ? undefined : this.#owner.lastWords(this.id),
    ]);
    if (!stopping) this.#owner.said(lastWords);
    const unfinished = this.#unfinished(rest.length);
    this.#owner.dispatch({
      type: 'exited',
      run: this.id,
      exit,
      ranMs,
      ...(unfinished === undefined ? {} : { unfinished }),
      ...(lastWords === undefined ? {} : { lastWords }),
    });
    if (!this.#isStopping()) {
      this.#ended(exit);
      return;
    }
    if (stop.killTree) await proc.gone;
    await this.#asked;
    this.#ended(this.#verdictOn(exit));
    if (!this.#owner.isKilling()) await this.#hooks.run('post_stop', hooks.postStop);
    this.#owner.dispatch({ type: 'gone', run: this.id, ranMs });
  }

  /** Stopped for a reason of its own (its timeout, a probe), that reason is its end, whatever the process made of it. */
  #verdictOn(exit: Exit): Exit {
    const { state } = this.#owner;
    return (state.kind === 'stopping' && state.run === this.id ? state.exit : undefined) ?? exit;
  }

  #isStopping(): boolean {
    const { state } = this.#owner;
    return state.kind === 'stopping' && state.run === this.id;
  }

  /** What keeps a run from being over although its main process has ended. */
  #unfinished(leftBehind: number): string | undefined {
    if (leftBehind > 0) return `${leftBehind} of its processes live on`;
    return this.#owner.spec.hooks.postStop === undefined ? undefined : 'its post_stop hook runs';
  }

  #ended(exit: Exit): void {
    this.#over = true;
    this.release();
    this.#noteEnd(exit);
    this.#ports.logs.endRun(this.#owner.ref.id, this.id);
  }

  #noteEnd(exit: Exit): void {
    if (this.#record === undefined || this.#owner.isShuttingDown()) return;
    this.#ports.failpoint?.('before-ended-record');
    this.#write({ ...this.#record, ended: { at: this.#ports.clock.wall(), exit } });
  }

  /** A record that cannot be written now costs a later daemon some knowledge, never a service its life. */
  #write(record: RunRecord): void {
    this.#record = record;
    try {
      this.#ports.store.writeRun(record);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#owner.tell({ type: 'warning', message: `the run record cannot be written: ${why}` });
    }
  }

  // --- helpers ----------------------------------------------------------------------------------------------------

  #after(delayMs: number, fire: () => void): void {
    const cancel = this.#ports.clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      fire();
    });
    this.#timers.add(cancel);
  }

  #scope(): 'unit' | 'main' {
    return this.#owner.spec.stop.killTree ? 'unit' : 'main';
  }

  /**
   * Asks the service to end by the pre_stop hook and the stop command. True where there is nobody left to send a signal to,
   * or no need to. Both carry the run's mark: a later daemon that finds them at it ends them with the unit.
   */
  async #ask(): Promise<boolean> {
    await this.#hooks.run('pre_stop', this.#owner.spec.hooks.preStop, this.id);
    if (this.#killed) return true;
    if (this.#mainEnded) return false;
    return (await this.#runStopCommand()) || this.#killed;
  }

  /** True where a stop command did its work, so that no signal is needed. */
  async #runStopCommand(): Promise<boolean> {
    const { command, graceMs } = this.#owner.spec.stop;
    if (command === undefined) return false;
    const done = await this.#hooks.run('stop.command', { command, timeoutMs: Math.max(1, graceMs) }, this.id);
    return done.ok;
  }

  /** An adopted run's launch is not on disk (it may hold secrets); the present manifest's stands in for it. */
  async #preparedAnew(): Promise<PreparedLaunch | undefined> {
    const prepared = await this.#owner.prepareLaunch();
    if (!prepared.ok) return undefined;
    this.#prepared = prepared.value;
    return prepared.value;
  }
}
