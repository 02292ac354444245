import type { Cause } from '../../core/event.ts';
import type { Exit, StartFailure } from '../../core/exit.ts';
import type { StopSpec } from '../../core/service.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { InstanceRef, RunId } from '../../core/state.ts';
import type { RunRecord } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PreparedLaunch, InstanceView, RunPorts } from './engine-view.ts';

/**
 * The record of one run, on disk from before its process is there until somebody needs it no more: what a later daemon
 * finds the run by. Before it has begun nothing is noted. Once it has, a record that cannot be written costs a later daemon
 * some knowledge, never a service its life.
 */
export class RunRecorder {
  readonly #run: RunId;
  readonly #owner: InstanceView;
  readonly #ports: Pick<RunPorts, 'store' | 'clock' | 'failpoint'>;
  #record: RunRecord | undefined;

  constructor(run: RunId, owner: InstanceView, ports: Pick<RunPorts, 'store' | 'clock' | 'failpoint'>) {
    this.#run = run;
    this.#owner = owner;
    this.#ports = ports;
  }

  /** Undefined before the run has begun. */
  get record(): RunRecord | undefined {
    return this.#record;
  }

  /** Goes on with what an earlier daemon has noted. */
  adopt(record: RunRecord): void {
    this.#record = record;
  }

  /** Notes all that is known before there is a process; without it there is to be none. `startedAt`: epoch ms. */
  begin(prepared: PreparedLaunch, startedAt: number): Result<void, StartFailure> {
    const { store } = this.#ports;
    const { ref, spec, restarts, recentRestarts, lastExit } = this.#owner;
    const record = newRunRecord({
      ref,
      run: this.#run,
      startedAt,
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

  /** The control group it has for itself. */
  startedIn(cgroup: string): void {
    this.#change({ cgroup });
  }

  /** Somebody wants it down. */
  stopping(cause: Cause): void {
    this.#change({ stopping: { at: this.#ports.clock.wall(), cause } });
  }

  /** It is ready; since when is kept until it is not. */
  ready(): void {
    if (this.#record?.readyAt === undefined) this.#change({ readyAt: this.#ports.clock.wall() });
  }

  notReady(): void {
    if (this.#record?.readyAt === undefined) return;
    const { readyAt: _lost, ...record } = this.#record;
    this.#write(record);
  }

  /** Its output has matched a pattern that others wait for. True where that is new. */
  saw(pattern: string): boolean {
    const seen = this.#record?.seen ?? [];
    if (this.#record === undefined || seen.includes(pattern)) return false;
    this.#change({ seen: [...seen, pattern] });
    return true;
  }

  /** How it ended; while the whole project goes down nobody is going to ask. */
  ended(exit: Exit): void {
    if (this.#record === undefined || this.#owner.engine.isShuttingDown()) return;
    this.#ports.failpoint?.('before-ended-record');
    this.#change({ ended: { at: this.#ports.clock.wall(), exit } });
  }

  #change(change: Partial<RunRecord>): void {
    if (this.#record !== undefined) this.#write({ ...this.#record, ...change });
  }

  #write(record: RunRecord): void {
    this.#record = record;
    try {
      this.#ports.store.writeRun(record);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#owner.tell({ type: 'warning', message: `the run record cannot be written: ${why}` });
    }
  }
}

/** What a run is from its beginning on, written before its process is started. */
function newRunRecord(of: {
  readonly ref: InstanceRef;
  readonly run: RunId;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly prepared: PreparedLaunch;
  readonly stop: StopSpec;
  readonly backend: string;
  readonly restarts: number;
  /** Epoch ms. */
  readonly recentRestarts: readonly number[];
  /** How the run before ended; undefined where there was none. */
  readonly lastExit: Exit | undefined;
}): RunRecord {
  const { launch, fingerprint, fields, inputs } = of.prepared;
  const { signal, graceMs, killTree } = of.stop;
  return {
    version: 1,
    run: of.run,
    service: of.ref.service,
    instance: of.ref.id,
    number: of.ref.number,
    startedAt: of.startedAt,
    backend: of.backend,
    fingerprint,
    fields,
    ...(inputs === undefined ? {} : { inputs }),
    ports: launch.ports,
    stop: { signal, graceMs, killTree },
    restarts: of.restarts,
    ...(of.recentRestarts.length === 0 ? {} : { recentRestarts: of.recentRestarts }),
    ...(of.lastExit === undefined ? {} : { lastExit: of.lastExit }),
    ...(launch.socket === undefined ? {} : { socket: launch.socket }),
    ...(launch.tty === undefined ? {} : { tty: launch.tty }),
    ...(launch.stdin === undefined ? {} : { stdin: launch.stdin }),
    ...(launch.notify === undefined ? {} : { notify: true }),
  };
}

type Clocks = Pick<Clock, 'now' | 'wall'>;

/** Points in time of the monotonic clock as a record keeps them, epoch ms. */
export function recentForRecord(recent: readonly number[], clock: Clocks): readonly number[] {
  return recent.map((at) => Math.round(clock.wall() - (clock.now() - at)));
}

/** A record's recent restarts on this daemon's monotonic clock; none lies in the future, wherever the wall clock went. */
export function recentOf({ recentRestarts = [] }: RunRecord, clock: Clocks): readonly number[] {
  return recentRestarts.map((at) => clock.now() - Math.max(0, clock.wall() - at));
}
