import { concreteCommand, type ConcreteLaunch, type TextContext } from '../core/launch.ts';
import type { Cause, HappeningBody, InstanceSnapshot } from '../core/event.ts';
import type { Exit, StartFailure } from '../core/exit.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import type { Hook, ServiceSpec } from '../core/service.ts';
import { type InstanceRef, type InstanceState, isLive, type RunId, type Wanted } from '../core/state.ts';
import {
  type Effect,
  type GateVerdict,
  type Machine,
  type MachineEvent,
  NEW_MACHINE,
  transition,
} from '../core/transition.ts';
import type { LaunchRecord } from '../core/project-plan.ts';
import type { Backend, Proc, RunRecord } from '../ports/backend.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { CommandRunner } from '../ports/commands.ts';
import type { LogStore } from '../ports/logs.ts';
import type { Store } from '../ports/store.ts';

/** What a supervisor needs of the engine around it. */
export interface SupervisorHost {
  /** The launch of the next run, with late references filled in and ports handed out. */
  prepareLaunch(ref: InstanceRef): Promise<Result<PreparedLaunch, StartFailure>>;
  gate(ref: InstanceRef): GateVerdict;
  /** Called after every change of what `snapshot` shows. */
  changed(ref: InstanceRef): void;
  /** What a failing run's last lines on stderr say; masked and bounded. */
  lastWords(ref: InstanceRef, run: RunId): Promise<string | undefined>;
  /** Without the secrets it may hold. */
  masked(text: string): string;
  /** Told of every start that failed, before the state machine is. */
  startFailed(ref: InstanceRef, failure: StartFailure): void;
  /** While the whole project goes down, single runs' ends need no record. */
  isShuttingDown(): boolean;
}

export interface PreparedLaunch extends LaunchRecord {
  readonly launch: ConcreteLaunch;
  /** What late references in hooks and stop commands are filled in from. */
  readonly context: TextContext;
}

export interface SupervisorPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly newRun: () => RunId;
  readonly backend: Backend;
  readonly store: Store;
  readonly logs: LogStore;
  readonly commands: CommandRunner;
}

/** One run, from the decision to start it until its unit is gone. */
interface ActiveRun {
  readonly run: RunId;
  readonly startedWall: number;
  proc?: Proc;
  prepared?: PreparedLaunch;
  record?: RunRecord;
  /** A stop was asked for before there was a process. */
  abandoned: boolean;
  mainEnded: boolean;
  /** Why it was started; absent for an adopted one, whose start an earlier daemon told of. */
  cause?: Cause;
  announced: boolean;
  readonly timers: Set<() => void>;
}

const KILL_AGAIN_MS = 500;
/** The first look for the pid, and how many there are, each after twice as long. */
const PID_POLL_MS = 8;
const PID_POLLS = 9;

/**
 * The mailbox of one instance: feeds events to the state machine one at a time and carries out its effects. Holds no
 * policy. Everything asynchronous comes back as an event that names its run.
 */
export class Supervisor {
  readonly ref: InstanceRef;
  readonly #ports: SupervisorPorts;
  readonly #host: SupervisorHost;
  #spec: ServiceSpec;
  #machine: Machine = NEW_MACHINE;
  readonly #mailbox: MachineEvent[] = [];
  #draining = false;
  #active: ActiveRun | undefined;
  #disarmRetry: () => void = () => {};
  #record: RunRecord | undefined;
  #lastWords: string | undefined;
  #lastExit: Exit | undefined;
  #portNumbers: Readonly<Record<string, number>> = {};

  constructor(ref: InstanceRef, spec: ServiceSpec, ports: SupervisorPorts, host: SupervisorHost) {
    this.ref = ref;
    this.#spec = spec;
    this.#ports = ports;
    this.#host = host;
  }

  get spec(): ServiceSpec {
    return this.#spec;
  }

  get machine(): Machine {
    return this.#machine;
  }

  get state(): InstanceState {
    return this.#machine.state;
  }

  /** What the present run, or the last one, was launched with; empty where there was none. */
  get launched(): Partial<LaunchRecord> {
    const started = this.adopted ? undefined : this.#active?.prepared;
    const { fingerprint, fields } = started ?? this.#record ?? {};
    return fingerprint === undefined || fields === undefined ? {} : { fingerprint, fields };
  }

  /** Whether the present run was started by an earlier daemon. */
  get adopted(): boolean {
    return this.#active !== undefined && this.#active.cause === undefined;
  }

  /** The present run's unit, while there is one. */
  get proc(): Proc | undefined {
    return this.#active?.proc;
  }

  /** The new spec's policies hold from now on; its launch from the next start on. */
  setSpec(spec: ServiceSpec): void {
    this.#spec = spec;
  }

  setPorts(ports: Readonly<Record<string, number>>): void {
    this.#portNumbers = ports;
  }

  dispatch(event: MachineEvent): void {
    this.#mailbox.push(event);
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#mailbox.shift(); next !== undefined; next = this.#mailbox.shift())
        this.#step(next);
    } finally {
      this.#draining = false;
    }
  }

  /** Takes over a run of an earlier daemon; its end, if it has ended, follows through `proc.exited`. */
  adopt(record: RunRecord, proc: Proc): void {
    this.#record = record;
    this.#portNumbers = record.ports;
    const pid = proc.pid();
    const active = this.#newActive(record.run, record.startedAt);
    active.proc = proc;
    active.record = record;
    this.#ports.logs.beginRun(this.ref.id, record.run);
    this.dispatch({
      type: 'adopted',
      run: record.run,
      since: record.startedAt,
      restarts: record.restarts,
      ...(pid === undefined ? {} : { pid }),
    });
    this.#follow(active, proc);
  }

  /** Brings back what an earlier daemon had seen to its end; where it is wanted down, that is all there is to it. */
  restore(record: RunRecord, exit: Exit, wanted: Wanted): void {
    this.#record = record;
    this.#lastExit = exit;
    if (wanted === 'up') this.dispatch({ type: 'restored', exit, restarts: record.restarts });
  }

  snapshot(): InstanceSnapshot {
    const { state, wanted, restarts } = this.#machine;
    return {
      ...this.ref,
      wanted,
      state,
      restarts,
      ports: this.#portNumbers,
      ...(this.#lastWords === undefined ? {} : { lastCause: this.#lastWords }),
      ...(this.#lastExit === undefined ? {} : { lastExit: this.#lastExit }),
    };
  }

  /** Sends a signal without wanting anything else; how the process takes it is then up to the policy. */
  async signal(signal: string): Promise<number> {
    return (await this.#active?.proc?.signal(signal, this.#scope())) ?? 0;
  }

  /** Cancels timers; the processes are left alone. For the end of the daemon. */
  dispose(): void {
    this.#disarmRetry();
    if (this.#active !== undefined) clearTimers(this.#active);
  }

  #step(event: MachineEvent): void {
    const before = this.#machine;
    const { machine, effects } = transition(before, event, {
      wallNow: this.#ports.clock.wall(),
      random: this.#ports.random,
      nextRun: this.#ports.newRun(),
      restart: this.#spec.restart,
      backoff: this.#spec.backoff,
      stop: this.#spec.stop,
    });
    this.#machine = machine;
    if (event.type === 'exited') this.#lastExit = event.exit;
    for (const effect of effects) this.#perform(effect);
    if (machine !== before) this.#host.changed(this.ref);
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case 'start':
        void this.#start(effect.run, effect.cause);
        return;
      case 'stop':
        void this.#stop(effect.run);
        return;
      case 'kill':
        void this.#kill(effect.run);
        return;
      case 'arm-retry':
        this.#disarmRetry = this.#ports.clock.after(effect.delayMs, () =>
          this.dispatch({ type: 'retry-due' }),
        );
        return;
      case 'disarm-retry':
        this.#disarmRetry();
        return;
      case 'ask-gate':
        this.dispatch({ type: 'gate', verdict: this.#host.gate(this.ref) });
        return;
      case 'tell':
        this.#tell(effect.happening);
        return;
      default:
        unreachable(effect);
    }
  }

  #tell(happening: HappeningBody): void {
    this.#ports.store.append(happening, { service: this.ref.service, instance: this.ref.id });
  }

  #newActive(run: RunId, startedWall: number): ActiveRun {
    if (this.#active !== undefined) clearTimers(this.#active);
    this.#active = {
      run,
      startedWall,
      abandoned: false,
      mainEnded: false,
      announced: false,
      timers: new Set(),
    };
    return this.#active;
  }

  async #start(run: RunId, cause: Cause): Promise<void> {
    const active = this.#newActive(run, this.#ports.clock.wall());
    active.cause = cause;
    const begun = await this.#begin(active);
    if (!begun.ok) {
      const failure = { ...begun.error, message: this.#host.masked(begun.error.message) };
      this.#noteEnd(active, { kind: 'spawn-error', failure });
      this.#lastWords = failure.message;
      this.#host.startFailed(this.ref, failure);
      this.dispatch({ type: 'start-failed', run, failure });
      return;
    }
    const proc = begun.value;
    active.proc = proc;
    this.#lastWords = undefined;
    const pid = proc.pid();
    this.dispatch({ type: 'started', run, ...(pid === undefined ? {} : { pid }) });
    this.#follow(active, proc);
    this.#announceOncePidIsKnown(active, proc, PID_POLLS);
    void this.#runHook('post_start', this.#spec.hooks.postStart, active);
  }

  /** Everything up to the spawn, in the order that a crash of the daemon at any point leaves findable. */
  async #begin(active: ActiveRun): Promise<Result<Proc, StartFailure>> {
    const { store, logs, backend } = this.#ports;
    const prepared = await this.#host.prepareLaunch(this.ref);
    if (!prepared.ok) return prepared;
    active.prepared = prepared.value;
    this.#portNumbers = prepared.value.launch.ports;
    const hook = await this.#runHook('pre_start', this.#spec.hooks.preStart, active);
    if (!hook.ok) return err({ code: 'hook-failed', message: hook.error });
    if (active.abandoned) return err(GIVEN_UP);
    const record = this.#newRecord(active, prepared.value);
    try {
      store.writeRun(record);
    } catch (cause) {
      return err({
        code: 'state-unwritable',
        message: `the state directory cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
        help: `free space or mend the permissions of ${store.stateDir}`,
      });
    }
    active.record = record;
    this.#record = record;
    logs.beginRun(this.ref.id, active.run);
    const paths = logs.paths(this.ref.id);
    const begun = await backend.start({
      run: active.run,
      service: this.ref.service,
      instance: this.ref.id,
      launch: prepared.value.launch,
      requires: this.#spec.requires,
      instanceDir: store.instanceDir(this.ref.id),
      stdoutPath: paths.stdout,
      stderrPath: paths.stderr,
    });
    return begun.ok ? ok(begun.value.proc) : begun;
  }

  #newRecord(active: ActiveRun, prepared: PreparedLaunch): RunRecord {
    const { launch, fingerprint, fields } = prepared;
    const { signal, graceMs, killTree } = this.#spec.stop;
    return {
      version: 1,
      run: active.run,
      service: this.ref.service,
      instance: this.ref.id,
      number: this.ref.number,
      startedAt: active.startedWall,
      backend: this.#ports.backend.name,
      fingerprint,
      fields,
      ports: launch.ports,
      stop: { signal, graceMs, killTree },
      restarts: this.#machine.restarts,
      ...(launch.socket === undefined ? {} : { socket: launch.socket }),
    };
  }

  /** The journal's line about the start waits for the pid, which the launcher writes a moment after the spawn. */
  #announceOncePidIsKnown(active: ActiveRun, proc: Proc, polls: number): void {
    if (active.announced) return;
    if (proc.pid() === undefined && polls > 0) {
      const wait = PID_POLL_MS * 2 ** (PID_POLLS - polls);
      this.#ports.clock.after(wait, () => this.#announceOncePidIsKnown(active, proc, polls - 1));
      return;
    }
    this.#announce(active, proc);
  }

  #announce(active: ActiveRun, proc: Proc): void {
    if (active.announced || active.cause === undefined) return;
    active.announced = true;
    const pid = proc.pid();
    const found = pid === undefined ? {} : { pid };
    this.#tell({ type: 'instance-started', run: active.run, cause: active.cause, ...found });
    if (pid !== undefined) this.dispatch({ type: 'pid-known', run: active.run, pid });
  }

  #after(active: ActiveRun, delayMs: number, fire: () => void): void {
    const cancel = this.#ports.clock.after(delayMs, () => {
      active.timers.delete(cancel);
      fire();
    });
    active.timers.add(cancel);
  }

  /** Turns the unit's end into events, and its longest allowed run into a timer. */
  #follow(active: ActiveRun, proc: Proc): void {
    const { timeoutMs } = this.#spec;
    if (timeoutMs !== undefined) {
      const left = Math.max(0, timeoutMs - (this.#ports.clock.wall() - active.startedWall));
      this.#after(active, left, () =>
        this.dispatch({ type: 'timed-out', run: active.run, afterMs: timeoutMs }),
      );
    }
    void proc.exited.then((exit) => this.#mainEnded(active, proc, exit));
  }

  async #mainEnded(active: ActiveRun, proc: Proc, exit: Exit): Promise<void> {
    active.mainEnded = true;
    this.#announce(active, proc);
    const ranMs = Math.max(0, this.#ports.clock.wall() - active.startedWall);
    const wholeUnit = this.#spec.stop.killTree;
    const stopping = this.state.kind === 'stopping';
    const [rest, lastWords] = await Promise.all([
      wholeUnit && !stopping ? proc.members() : [],
      stopping || isSuccess(exit) ? undefined : this.#host.lastWords(this.ref, active.run),
    ]);
    if (!stopping) this.#lastWords = lastWords;
    const unfinished = this.#unfinished(rest.length);
    this.dispatch({
      type: 'exited',
      run: active.run,
      exit,
      ranMs,
      ...(unfinished === undefined ? {} : { unfinished }),
      ...(lastWords === undefined ? {} : { lastWords }),
    });
    if (!isStopping(this.state, active.run)) {
      this.#ended(active, exit);
      return;
    }
    if (wholeUnit) await proc.gone;
    this.#ended(active, exit);
    await this.#runHook('post_stop', this.#spec.hooks.postStop, active);
    this.dispatch({ type: 'gone', run: active.run, ranMs });
  }

  /** What keeps a run from being over although its main process has ended. */
  #unfinished(leftBehind: number): string | undefined {
    if (leftBehind > 0) return `${leftBehind} of its processes live on`;
    return this.#spec.hooks.postStop === undefined ? undefined : 'its post_stop hook runs';
  }

  #ended(active: ActiveRun, exit: Exit): void {
    clearTimers(active);
    this.#noteEnd(active, exit);
    this.#ports.logs.endRun(this.ref.id, active.run);
  }

  #noteEnd(active: ActiveRun, exit: Exit): void {
    if (active.record === undefined || this.#host.isShuttingDown()) return;
    this.#writeRecord(active, { ...active.record, ended: { at: this.#ports.clock.wall(), exit } });
  }

  /** A record that cannot be written now costs a later daemon some knowledge, never a service its life. */
  #writeRecord(active: ActiveRun, record: RunRecord): void {
    active.record = record;
    if (this.#record?.run === record.run) this.#record = record;
    try {
      this.#ports.store.writeRun(record);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#tell({ type: 'warning', message: `the run record cannot be written: ${why}` });
    }
  }

  async #stop(run: RunId): Promise<void> {
    const active = this.#active;
    if (active?.run !== run) return;
    const { proc } = active;
    if (proc === undefined) {
      active.abandoned = true;
      return;
    }
    const { graceMs, signal } = this.#spec.stop;
    this.#after(active, graceMs, () => this.dispatch({ type: 'grace-over', run }));
    if (active.record !== undefined && !this.#host.isShuttingDown() && this.#machine.wanted === 'down') {
      const reason = this.state.kind === 'stopping' ? this.state.reason : 'stopped';
      this.#writeRecord(active, { ...active.record, stopping: { at: this.#ports.clock.wall(), reason } });
    }
    if (!active.mainEnded) {
      await this.#runHook('pre_stop', this.#spec.hooks.preStop, active);
      if (await this.#runStopCommand(active)) return;
    }
    await proc.signal(signal, this.#scope());
  }

  /** True where a stop command did its work, so that no signal is needed. */
  async #runStopCommand(active: ActiveRun): Promise<boolean> {
    const { command, graceMs } = this.#spec.stop;
    if (command === undefined) return false;
    const done = await this.#runHook('stop.command', { command, timeoutMs: Math.max(1, graceMs) }, active);
    return done.ok;
  }

  async #kill(run: RunId): Promise<void> {
    const active = this.#active;
    if (active?.run !== run) return;
    if (active.proc === undefined) {
      active.abandoned = true;
      return;
    }
    await active.proc.signal('SIGKILL', this.#scope());
    // A fork can slip through between a look and a kill, so look again until the unit is gone.
    if (isStopping(this.state, run)) this.#after(active, KILL_AGAIN_MS, () => void this.#kill(run));
  }

  #scope(): 'unit' | 'main' {
    return this.#spec.stop.killTree ? 'unit' : 'main';
  }

  async #runHook(name: string, hook: Hook | undefined, active: ActiveRun): Promise<Result<void, string>> {
    if (hook === undefined) return ok(undefined);
    const prepared = active.prepared ?? (await this.#preparedAnew(active));
    if (prepared === undefined) return err(`${name} could not run: its environment is not known`);
    const argv = concreteCommand(hook.command, prepared.context);
    if (!argv.ok) return err(`${name}: ${argv.error}`);
    const result = await this.#ports.commands.run({
      argv: argv.value,
      cwd: prepared.launch.cwd,
      env: { ...prepared.launch.env, SETPOINT_HOOK: name },
      timeoutMs: hook.timeoutMs,
    });
    const good = result.kind === 'exited' && result.code === 0;
    const output = this.#host.masked(result.output);
    const detail = describeCommand(result.kind, result.code, result.signal, hook.timeoutMs, output);
    this.#tell({ type: 'hook-ran', hook: name, ok: good, detail });
    return good ? ok(undefined) : err(`${name} failed: ${detail}`);
  }

  /** An adopted run's launch is not on disk (it may hold secrets); the present manifest's stands in for it. */
  async #preparedAnew(active: ActiveRun): Promise<PreparedLaunch | undefined> {
    const prepared = await this.#host.prepareLaunch(this.ref);
    if (!prepared.ok) return undefined;
    active.prepared = prepared.value;
    return prepared.value;
  }
}

const GIVEN_UP: StartFailure = { code: 'other', message: 'given up before the start was through' };

function isStopping(state: InstanceState, run: RunId): boolean {
  return state.kind === 'stopping' && state.run === run;
}

function isSuccess(exit: Exit): boolean {
  return exit.kind === 'code' && exit.code === 0;
}

function clearTimers(active: ActiveRun): void {
  for (const cancel of active.timers) cancel();
  active.timers.clear();
}

function describeCommand(
  kind: string,
  code: number | undefined,
  signal: string | undefined,
  timeoutMs: number,
  output: string,
): string {
  const end =
    kind === 'exited'
      ? `exit ${code ?? 0}`
      : kind === 'signalled'
        ? `killed by ${signal ?? 'a signal'}`
        : kind === 'timed-out'
          ? `no end within ${timeoutMs} ms`
          : 'could not be started';
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  return last === '' ? end : `${end}: ${last.slice(0, 300)}`;
}

/** Whether an instance may have a process: what `down` and the order of stops wait for. */
export function mayLive(supervisor: Supervisor): boolean {
  return isLive(supervisor.state);
}
