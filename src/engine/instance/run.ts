import type { Cause, ProbeFailure, Unfinished } from '../../core/event.ts';
import type { Exit } from '../../core/exit.ts';
import { isSuccess } from '../../core/restart.ts';
import type { ServiceSpec } from '../../core/service.ts';
import type { RunId } from '../../core/state.ts';
import type { Proc, RunRecord } from '../../ports/backend.ts';
import { RunStart } from './run-start.ts';
import { HookRunner } from './hooks.ts';
import { ProbeRunner } from './probes.ts';
import { RunRecorder } from './run-record.ts';
import type { PreparedLaunch, InstanceView, RunPorts } from './engine-view.ts';
import { recentOf } from './run-record.ts';
import { runnerWithin } from './hooks.ts';

const KILL_AGAIN_MS = 500;
/** A unit that lives on this long after it was asked to end is looked at, and again each time it has passed. */
const SLOW_STOP_MS = 1_000;
/** The first look for the pid, and how many there are, each after twice as long. */
const PID_POLL_MS = 8;
const PID_POLLS = 9;

/**
 * One run, from the decision to start it until its unit is gone. Does what the state machine has decided and answers
 * with events that name the run; holds no policy.
 */
export class Run {
  readonly id: RunId;
  readonly #owner: InstanceView;
  readonly #ports: RunPorts;
  /** Monotonic ms. */
  #startedAt: number;
  readonly #timers = new Set<() => void>();
  #unsubscribe: () => void = () => {};
  /** Why it was started; absent for an adopted one, whose start an earlier daemon told of. */
  #cause: Cause | undefined;
  #proc: Proc | undefined;
  #prepared: PreparedLaunch | undefined;
  #probing: ProbeRunner | undefined;
  #announced = false;
  #mainEnded = false;
  #killed = false;
  #children: number | undefined;
  /** Nothing of the unit is left, or what is left is nobody's concern. */
  #over = false;
  /** Resolves once no hook or command that asks the service to end is under way. */
  #asked: Promise<unknown> = Promise.resolve();
  /** How many of those are. */
  #asks = 0;
  readonly #hooks: HookRunner;
  readonly #notes: RunRecorder;
  readonly #beginning: RunStart;

  constructor(id: RunId, owner: InstanceView, ports: RunPorts, startedWall = ports.clock.wall()) {
    const { clock } = ports;
    this.id = id;
    this.#owner = owner;
    this.#ports = ports;
    this.#startedAt = clock.now() - Math.max(0, clock.wall() - startedWall);
    this.#hooks = new HookRunner({
      commands: ports.commands,
      within: () => runnerWithin(this.#proc),
      prepared: async () => this.#prepared ?? (await this.#preparedAnew()),
      tell: (happening) => owner.tell(happening),
      masked: (text) => owner.engine.masked(text),
    });
    this.#notes = new RunRecorder(id, owner, ports);
    this.#beginning = new RunStart(id, owner, ports, {
      hooks: this.#hooks,
      notes: this.#notes,
      prepared: (launch) => (this.#prepared = launch),
      began: () => (this.#startedAt = clock.now()),
    });
  }

  get proc(): Proc | undefined {
    return this.#proc;
  }

  get prepared(): PreparedLaunch | undefined {
    return this.#prepared;
  }

  get record(): RunRecord | undefined {
    return this.#notes.record;
  }

  /** Undefined until its launch is known. */
  get backend(): string | undefined {
    return this.record?.backend ?? this.#prepared?.launch.backend;
  }

  /** Whether an earlier daemon started it. */
  get adopted(): boolean {
    return this.#cause === undefined;
  }

  /** What is being brought about for its start at the moment. */
  get progress(): string | undefined {
    return this.#beginning.progress;
  }

  /** Why what is known of it may be wrong by now; undefined where it is not. */
  get unknown(): string | undefined {
    const knowledge = this.#over ? undefined : this.#proc?.knowledge;
    if (knowledge?.current() !== 'unknown') return undefined;
    return this.#owner.engine.masked(knowledge.reason?.() ?? 'whoever runs it does not answer');
  }

  /** How many processes it has besides the main one; undefined until it takes its time to stop. */
  get children(): number | undefined {
    return this.#over ? undefined : this.#children;
  }

  /** Whether it has that `ready` probe: what an engine would tell of a container's health it may not have. */
  isProbed({ ready }: Pick<ServiceSpec, 'ready'>): boolean {
    if (ready?.check.kind !== 'health' || this.#proc === undefined) return ready !== undefined;
    return this.unknown !== undefined || (this.#proc.health?.current() ?? 'none') !== 'none';
  }

  /** What its probes last saw. */
  get probes(): ReturnType<ProbeRunner['view']> {
    return this.#probing?.view() ?? {};
  }

  async start(cause: Cause): Promise<void> {
    this.#cause = cause;
    const begun = await this.#beginning.run();
    if (!begun.ok) {
      const failure = { ...begun.error, message: this.#owner.engine.masked(begun.error.message) };
      this.#notes.ended({ kind: 'spawn-error', failure });
      this.#owner.said(failure.message);
      this.#owner.engine.startFailed(this.#owner.ref, failure);
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
    this.#notes.adopt(record);
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
      this.#beginning.abandon();
      return;
    }
    this.#after(SLOW_STOP_MS, () => void this.#countChildren(proc));
    // It was to be killed before there was anything to kill.
    if (this.#killed) return this.kill();
    if (!this.#owner.engine.isShuttingDown() && this.#owner.wanted === 'down') {
      const { state } = this.#owner;
      this.#notes.stopping(state.kind === 'stopping' ? state.cause : { kind: 'user', request: 'stop' });
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
      this.#beginning.abandon();
      return;
    }
    await this.#proc.signal('SIGKILL', this.#scope());
    // A fork can slip through between a look and a kill, so look again until the unit is gone.
    if (this.#isStopping()) this.#after(KILL_AGAIN_MS, () => void this.kill());
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
    this.#beginning.release();
    this.#unsubscribe();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  // --- running ----------------------------------------------------------------------------------------------------

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
    const seen = this.record?.seen ?? [];
    return this.#owner.engine.patterns(this.#owner.ref.service).filter((pattern) => !seen.includes(pattern));
  }

  async #probe(proc: Proc): Promise<void> {
    const { ready, live } = this.#owner.spec;
    if (ready === undefined && live === undefined && this.#unseen().length === 0) return;
    const prepared = this.#prepared ?? (await this.#preparedAnew());
    if (prepared === undefined || this.#mainEnded || this.#probing !== undefined) return;
    const { state } = this.#owner;
    if (state.kind !== 'running' || state.run !== this.id) return;
    const within = runnerWithin(proc);
    this.#probing = new ProbeRunner(
      this.#ports,
      {
        ready: () => this.#becameReady(),
        unready: (reason) => this.#lostReadiness(reason),
        unhealthy: (reason) => this.#owner.dispatch({ type: 'unhealthy', run: this.id, reason }),
        seen: (pattern) => this.#saw(pattern),
        probed: (probed) => this.#owner.dispatch({ type: 'probed', run: this.id, probed }),
        changed: () => this.#owner.changed(),
        masked: (text) => this.#owner.engine.masked(text),
      },
      {
        instance: this.#owner.ref.id,
        run: this.id,
        context: prepared.context,
        onMachine: prepared.onMachine,
        cwd: prepared.launch.cwd,
        env: prepared.launch.env,
        startedAt: this.#startedAt,
        wasReady: this.record?.readyAt !== undefined,
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
    this.#notes.ready();
  }

  #lostReadiness(reason: ProbeFailure): void {
    this.#owner.dispatch({ type: 'unready', run: this.id, reason });
    this.#notes.notReady();
  }

  #saw(pattern: string): void {
    if (this.#notes.saw(pattern)) this.#owner.changed();
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
      stopping || isSuccess(exit, restart)
        ? undefined
        : this.#owner.engine.lastWords(this.#owner.ref, this.id),
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
    if (!this.#owner.engine.isKilling()) await this.#hooks.run('post_stop', hooks.postStop);
    this.#owner.dispatch({ type: 'gone', run: this.id, ranMs });
  }

  /** Stopped for a reason of its own (its timeout, a probe), that reason is its end, whatever the process made of it. */
  #verdictOn(exit: Exit): Exit {
    const { state } = this.#owner;
    return (state.kind === 'stopping' && state.run === this.id ? state.exit : undefined) ?? exit;
  }

  /** Whoever waits for the end wants to know what it is that does not end. */
  async #countChildren(proc: Proc): Promise<void> {
    const main = proc.pid();
    const others = (await proc.members()).filter(({ pid }) => pid !== main).length;
    if (this.#over || !this.#isStopping()) return;
    if (others !== this.#children) {
      this.#children = others;
      this.#owner.changed();
    }
    this.#after(SLOW_STOP_MS, () => void this.#countChildren(proc));
  }

  #isStopping(): boolean {
    const { state } = this.#owner;
    return state.kind === 'stopping' && state.run === this.id;
  }

  /** What keeps a run from being over although its main process has ended. */
  #unfinished(leftBehind: number): Unfinished | undefined {
    if (leftBehind > 0) return { kind: 'processes', count: leftBehind };
    return this.#owner.spec.hooks.postStop === undefined ? undefined : { kind: 'hook' };
  }

  #ended(exit: Exit): void {
    this.#over = true;
    this.release();
    this.#notes.ended(exit);
    this.#ports.logs.endRun(this.#owner.ref.id, this.id);
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
