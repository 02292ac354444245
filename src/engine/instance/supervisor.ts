import type { Cause, ProjectEventBody, InstanceSnapshot } from '../../core/event.ts';
import type { Exit, StartFailure } from '../../core/exit.ts';
import {
  type Effect,
  type Machine,
  type MachineContext,
  type MachineEvent,
  NEW_MACHINE,
} from '../../core/machine.ts';
import type { LaunchRecord } from '../../core/project-plan.ts';
import { type Result, unreachable } from '../../core/util/result.ts';
import type { ServiceSpec, WatchSpec } from '../../core/service.ts';
import { type InstanceRef, type InstanceState, isLive, type RunId, type Wanted } from '../../core/state.ts';
import { transition } from '../../core/transition.ts';
import type { Proc, RunRecord } from '../../ports/backend.ts';
import type { Calendar } from '../../ports/calendar.ts';
import type { Random } from '../../ports/clock.ts';
import type { FileWatcher } from '../../ports/file-watcher.ts';
import type { EngineView, InstanceView, PreparedLaunch, RunPorts } from './engine-view.ts';
import { LaunchPreparation } from './launch-preparation.ts';
import { recentForRecord, recentOf } from './run-record.ts';
import { Run } from './run.ts';
import { Triggers } from './triggers.ts';

export interface SupervisorPorts extends RunPorts {
  readonly random: Random;
  readonly newRun: () => RunId;
  readonly calendar: Calendar;
  readonly watcher: FileWatcher;
}

/** One that has just begun may have nothing but its launcher yet, and the end of one that is over is on its way. */
const LOOK_AGAIN_MS = 50;

/**
 * The mailbox of one instance: feeds events to the state machine one at a time and carries out its effects. Holds no
 * policy. Everything asynchronous comes back as an event that names its run.
 */
export class Supervisor implements InstanceView {
  readonly ref: InstanceRef;
  readonly engine: EngineView;
  readonly #ports: SupervisorPorts;
  readonly #triggers: Triggers;
  readonly #next: LaunchPreparation;
  /** Whether what is to replace the present run is being brought about. */
  #replacing = false;
  #spec: ServiceSpec;
  #machine: Machine = NEW_MACHINE;
  readonly #mailbox: MachineEvent[] = [];
  #draining = false;
  /** The present run, or the last one of this daemon's. */
  #run: Run | undefined;
  /** Of the last run, where an earlier daemon had seen it to its end. */
  #restored: RunRecord | undefined;
  /** A run that was taken over and has not been seen alive yet. */
  #unseen: RunId | undefined;
  #disarmRetry: () => void = () => {};
  #disarmGate: () => void = () => {};
  /** Monotonic ms since which it has waited for its gate. */
  #waitingSince: number | undefined;
  #lastWords: string | undefined;
  #lastExit: Exit | undefined;
  #portNumbers: Readonly<Record<string, number>> = {};

  constructor(ref: InstanceRef, spec: ServiceSpec, ports: SupervisorPorts, engine: EngineView) {
    this.ref = ref;
    this.#spec = spec;
    this.#ports = ports;
    this.engine = engine;
    this.#triggers = new Triggers(ports, {
      due: (cause) => this.dispatch({ type: 'due', cause }),
      filesChanged: (cause, action) => this.#filesChanged(cause, action),
      tell: (happening) => this.tell(happening),
      changed: () => engine.changed(ref),
    });
    this.#next = new LaunchPreparation({
      backend: ports.backend,
      clock: ports.clock,
      changed: () => engine.changed(ref),
      masked: (text) => engine.masked(text),
    });
    ports.logs.retain(ref.id, spec.log);
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

  get wanted(): Wanted {
    return this.#machine.wanted;
  }

  /** Restarts by policy so far. */
  get restarts(): number {
    return this.#machine.restarts;
  }

  /** Those that the policy's window may still count, epoch ms. */
  get recentRestarts(): readonly number[] {
    return recentForRecord(this.#machine.recent, this.#ports.clock);
  }

  /** How the last run ended; undefined where there was none. */
  get lastExit(): Exit | undefined {
    return this.#lastExit;
  }

  /** What the present run, or the last one, was launched with; empty where there was none. */
  get launched(): Partial<LaunchRecord> {
    const started = this.adopted ? undefined : this.#run?.prepared;
    const { fingerprint, fields } = started ?? this.#record ?? {};
    return fingerprint === undefined || fields === undefined ? {} : { fingerprint, fields };
  }

  /** What runs the present run, or ran the last one; without any, what would run the next one. */
  get backend(): string {
    return this.#run?.backend ?? this.#record?.backend ?? this.#spec.launch.backend;
  }

  /** As those see it that depend on it: a run that was taken over may have ended, and counts once it was seen alive. */
  get stateForGates(): InstanceState {
    const { state } = this;
    if (state.kind !== 'running' || state.run !== this.#unseen) return state;
    return { kind: 'starting', run: state.run, since: state.since };
  }

  /** Whether the present run was started by an earlier daemon. */
  get adopted(): boolean {
    return this.#run?.adopted === true;
  }

  /** The present run's unit, while there is one. */
  get proc(): Proc | undefined {
    return this.#run?.proc;
  }

  /** Epoch ms of the present run's start, or of the last one's. */
  get startedAt(): number | undefined {
    return this.#record?.startedAt;
  }

  /** Why what is known of the present run may be wrong by now; undefined where it is not. */
  get unknown(): string | undefined {
    const { kind } = this.state;
    return kind === 'running' || kind === 'stopping' ? this.#run?.unknown : undefined;
  }

  /** What the present run's output has matched of the patterns that dependents wait for. */
  get seen(): readonly string[] {
    return this.#run?.record?.seen ?? [];
  }

  /** How long it has waited for its gate, ms. One that gave up waiting has waited long enough. */
  get waitedMs(): number {
    if (this.state.kind === 'skipped') return Infinity;
    return this.#waitingSince === undefined ? 0 : this.#ports.clock.now() - this.#waitingSince;
  }

  /** The new spec's policies hold from now on; its launch from the next start on. */
  setSpec(spec: ServiceSpec): void {
    if (spec === this.#spec) return;
    this.#spec = spec;
    this.#ports.logs.retain(this.ref.id, spec.log);
    this.#attend();
    if (this.state.kind !== 'running') return;
    this.dispatch({ type: 'probed', run: this.state.run, probed: this.#isProbed });
    this.lookAgain();
  }

  /** To be called when what is looked at has changed: the probes, or what dependents wait for in the log. */
  lookAgain(): void {
    this.#run?.lookAgain();
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

  /** Puts what happened to this instance in the journal. */
  tell(happening: ProjectEventBody): void {
    this.#ports.store.append(happening, { service: this.ref.service, instance: this.ref.id });
  }

  changed(): void {
    this.engine.changed(this.ref);
  }

  /** The launch of the next run, with late references filled in and ports handed out. Never rejects. */
  async prepareLaunch(): Promise<Result<PreparedLaunch, StartFailure>> {
    const prepared = await this.engine.prepareLaunch(this.ref);
    if (prepared.ok) this.#portNumbers = prepared.value.launch.ports;
    return prepared;
  }

  /** What is to be shown as the cause of the last failure; undefined: there is none any more. */
  said(words: string | undefined): void {
    this.#lastWords = words;
  }

  /** Takes over a run of an earlier daemon; its end, if it has ended, follows through `proc.exited`. */
  adopt(record: RunRecord, proc: Proc): void {
    this.#portNumbers = record.ports;
    this.#lastExit = record.lastExit;
    this.#unseen = record.run;
    this.#newRun(record.run, record.startedAt).adopt(record, proc);
    void this.#awaitLife(record.run, proc);
  }

  /** Brings back what an earlier daemon had seen to its end; where it is wanted down, that is all there is to it. */
  restore(record: RunRecord, exit: Exit, wanted: Wanted): void {
    this.#restored = record;
    this.#lastExit = exit;
    if (wanted === 'down') return;
    const recent = recentOf(record, this.#ports.clock);
    this.dispatch({ type: 'restored', exit, restarts: record.restarts, recent });
  }

  /** Starts what an earlier daemon had noted down and did not get to start. Nothing has ended, so no policy is asked. */
  beginAgain(record: RunRecord, wanted: Wanted, cause: Cause): void {
    this.#restored = record;
    this.#lastExit = record.lastExit;
    if (wanted === 'down') return;
    const recent = recentOf(record, this.#ports.clock);
    this.dispatch({ type: 'unbegun', restarts: record.restarts, recent, cause });
  }

  snapshot(): InstanceSnapshot {
    const { state, wanted, restarts } = this.#machine;
    const { nextRun } = this.#triggers;
    const progress = state.kind === 'starting' ? this.#run?.progress : this.#next.progress;
    const { unknown } = this;
    const children = state.kind === 'stopping' ? this.#run?.children : undefined;
    return {
      ...this.ref,
      wanted,
      state,
      restarts,
      ports: this.#portNumbers,
      ...(state.kind === 'running' ? this.#run?.probes : {}),
      ...(progress === undefined ? {} : { progress }),
      ...(this.#replacing && state.kind === 'running' ? { replacing: true } : {}),
      ...(unknown === undefined ? {} : { unknown }),
      ...(children === undefined ? {} : { children }),
      ...(nextRun === undefined ? {} : { nextRun }),
      ...this.#recentRestarts(),
      ...(this.#lastWords === undefined ? {} : { lastCause: this.#lastWords }),
      ...(this.#lastExit === undefined ? {} : { lastExit: this.#lastExit }),
    };
  }

  /** Brings about what the next launch needs, while the present run goes on. Never rejects. */
  async materialiseNext(): Promise<Result<void, StartFailure>> {
    this.#replacing = true;
    this.engine.changed(this.ref);
    try {
      const prepared = await this.engine.prepareLaunch(this.ref);
      return prepared.ok ? await this.#next.run(prepared.value.launch) : prepared;
    } finally {
      this.#replacing = false;
    }
  }

  /** Gives that up; `materialiseNext` then resolves at once. */
  giveUpNext(): void {
    this.#next.giveUp();
  }

  /** Sends a signal without wanting anything else; how the process takes it is then up to the policy. */
  async signal(signal: string): Promise<number> {
    return (await this.#run?.signal(signal)) ?? 0;
  }

  /** Kills the hooks that are under way. */
  giveUpHooks(): void {
    this.#run?.giveUpHooks();
  }

  /** Cancels timers and hooks; the unit is left alone. For the end of the daemon. */
  dispose(): void {
    this.giveUpHooks();
    this.#next.giveUp();
    this.#disarmRetry();
    this.#disarmGate();
    this.#triggers.stop();
    this.#run?.release();
  }

  async #awaitLife(run: RunId, proc: Proc): Promise<void> {
    const alive = (await proc.members()).length > 0;
    const { state } = this;
    if (this.#unseen !== run || state.kind !== 'running' || state.run !== run) return;
    if (alive) {
      this.#unseen = undefined;
      this.engine.changed(this.ref);
    } else this.#ports.clock.after(LOOK_AGAIN_MS, () => void this.#awaitLife(run, proc));
  }

  get #record(): RunRecord | undefined {
    return this.#run?.record ?? this.#restored;
  }

  #recentRestarts(): Pick<InstanceSnapshot, 'recentRestarts'> {
    const { maxRestarts: max, windowMs } = this.#spec.restart;
    if (max === 0) return {};
    const since = this.#ports.clock.now() - windowMs;
    return {
      recentRestarts: { count: this.#machine.recent.filter((at) => at > since).length, max, windowMs },
    };
  }

  #step(event: MachineEvent): void {
    const before = this.#machine;
    const { machine, effects } = transition(before, event, this.#context());
    this.#machine = machine;
    if (machine !== before) this.#lastExit = endIn(event, machine.state) ?? this.#lastExit;
    if (machine.state.kind !== before.state.kind) this.#moved(machine.state.kind);
    for (const effect of effects) this.#perform(effect);
    // Only times that passed while there was no daemon can have been missed.
    const resumes = event.type === 'adopted' || event.type === 'restored' || event.type === 'unbegun';
    if (machine.wanted !== before.wanted) this.#attend(resumes ? this.#record?.startedAt : undefined);
    if (machine !== before) this.engine.changed(this.ref);
  }

  #context(): MachineContext {
    const { clock, random, newRun } = this.#ports;
    const { restart, backoff, stop, schedule } = this.#spec;
    return {
      wallNow: clock.wall(),
      now: clock.now(),
      random,
      nextRun: newRun(),
      restart,
      backoff,
      stop,
      probed: this.#isProbed,
      ...(schedule === undefined ? {} : { schedule }),
    };
  }

  get #isProbed(): boolean {
    return this.#run?.isProbed(this.#spec) ?? this.#spec.ready !== undefined;
  }

  #moved(to: InstanceState['kind']): void {
    this.#disarmGate();
    this.#waitingSince = to === 'waiting' ? this.#ports.clock.now() : undefined;
    if (to !== 'running') this.#run?.endProbing();
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case 'start':
        void this.#newRun(effect.run).start(effect.cause);
        return;
      case 'stop':
        if (this.#run?.id === effect.run) void this.#run.stop();
        return;
      case 'kill':
        if (this.#run?.id === effect.run) void this.#run.kill();
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
        this.#askGate(effect.inMs);
        return;
      case 'report-failure':
        this.engine.runFailed(this.ref, effect.exit);
        return;
      case 'pass-on-failure':
        this.engine.failurePassedOn(this.ref, effect.cause);
        return;
      case 'tell':
        this.tell(effect.happening);
        return;
      default:
        unreachable(effect);
    }
  }

  #askGate(inMs: number | undefined): void {
    const ask = (): void => {
      this.dispatch({ type: 'gate', verdict: this.engine.gate(this.ref, this.waitedMs) });
    };
    this.#disarmGate();
    if (inMs === undefined) ask();
    else this.#disarmGate = this.#ports.clock.after(inMs, ask);
  }

  #newRun(id: RunId, startedWall?: number): Run {
    this.#run?.release();
    this.#run = new Run(id, this, this.#ports, startedWall);
    return this.#run;
  }

  /** What is seen to as long as the service is wanted, whether it runs or not. */
  #attend(lastRun?: number): void {
    const wanted = this.#machine.wanted === 'up';
    const { schedule, watch } = this.#spec;
    this.#triggers.set(wanted ? schedule : undefined, wanted ? watch : undefined, lastRun);
  }

  #filesChanged(cause: Cause, action: WatchSpec['action']): void {
    const { state } = this;
    if (action.kind === 'restart') {
      // What is about to start has the files as they are now.
      const starts = state.kind === 'waiting' || (state.kind === 'stopping' && state.then === 'start-again');
      if (!starts && this.#machine.wanted === 'up') this.dispatch({ type: 'restart', cause });
      return;
    }
    if (state.kind !== 'running') return;
    this.tell({ type: 'instance-signalled', run: state.run, signal: action.signal, cause });
    void this.signal(action.signal);
  }
}

/**
 * How a run ended, where the event says that it did. One that was stopped for a reason of its own (its timeout, a probe)
 * ended by that, whatever its process made of it.
 */
function endIn(event: MachineEvent, after: InstanceState): Exit | undefined {
  if (event.type === 'start-failed') return { kind: 'spawn-error', failure: event.failure };
  if (event.type !== 'exited') return undefined;
  return after.kind === 'stopping' && after.exit !== undefined ? after.exit : event.exit;
}

/** Whether an instance may have a process: what `down` and the order of stops wait for. */
export function mayLive(supervisor: Supervisor): boolean {
  return isLive(supervisor.state);
}
