import type { Exit } from '../core/exit.ts';
import type { StopSpec } from '../core/service.ts';
import type { InstanceRef, RunId } from '../core/state.ts';
import type { RunRecord } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';
import type { PreparedLaunch } from './run-owner.ts';

/** What a run is from its beginning on, written before its process is started. */
export function newRunRecord(of: {
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
