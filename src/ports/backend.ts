import type { Exit, StartFailure } from '../core/exit.ts';
import type { Result } from '../core/result.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import type { ConcreteLaunch } from '../core/launch.ts';
import type { RunId } from '../core/state.ts';

/** All a backend needs for one run. */
export interface StartRequest {
  readonly run: RunId;
  readonly service: ServiceId;
  readonly instance: InstanceId;
  readonly launch: ConcreteLaunch;
  readonly requires: readonly string[];
  /** The instance's directory (0700), existing: exit file, launcher's record, logs. */
  readonly instanceDir: string;
  readonly stdoutPath: string;
  readonly stderrPath: string;
}

/** What is on disk of a run that an earlier daemon started. */
export interface RunRecord {
  /** Layout of this record. */
  readonly version: 1;
  readonly run: RunId;
  readonly service: ServiceId;
  readonly instance: InstanceId;
  readonly number: number;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly backend: string;
  readonly fingerprint: string;
  /** Field by field as displayed, secrets replaced by salted digests: lets a later plan say what changed. */
  readonly fields: Readonly<Record<string, string>>;
  readonly ports: Readonly<Record<string, number>>;
  readonly stop: { readonly signal: string; readonly graceMs: number; readonly killTree: boolean };
  /** Restarts by policy so far. */
  readonly restarts: number;
  /** The launcher, once spawned. */
  readonly launcher?: ProcessIdentity;
  /** Absolute path of the Unix socket the service serves. */
  readonly socket?: string;
  /** Set once the end was seen and handled: nothing is left to adopt. */
  readonly ended?: { readonly at: number; readonly exit: Exit };
  /** Set before a stop is begun, so that a later daemon goes on with it and does not restart the service. */
  readonly stopping?: { readonly at: number; readonly reason: string };
}

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat (proc(5)); on macOS the start time in epoch seconds. */
  readonly startTime: number;
  readonly bootId: string;
}

export interface UnitMember {
  readonly pid: number;
  /** Command line, control characters escaped; not yet masked. */
  readonly command: string;
}

/** A running unit: the main process and everything it has started. */
export interface Proc {
  readonly run: RunId;
  /** The service's own process, not the launcher; undefined until known. */
  pid(): number | undefined;
  /** Resolves when the main process ended, with how. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Resolves when nothing but zombies is left of the unit, after `exited`. Never rejects. May take for ever. */
  readonly gone: Promise<void>;
  /**
   * Sends a signal to the whole unit, or to the main process alone. A process that is gone is no error. Resolves once
   * all that was found was signalled, with how many processes that were; identity is checked before each.
   */
  signal(signal: string, scope: 'unit' | 'main'): Promise<number>;
  /** The unit's processes besides the launcher, zombies left out. */
  members(): Promise<readonly UnitMember[]>;
}

export interface Availability {
  readonly available: boolean;
  readonly reason: string;
  readonly help?: string;
}

/** Runs services. The engine knows nothing else of how. */
export interface Backend {
  readonly name: string;
  available(): Promise<Availability>;
  /** Does once for many runs what can be done for many at once. A failure shows in the `start` it concerns. */
  prepare(requests: readonly { readonly instanceDir: string }[]): Promise<void>;
  /** Resolves once the process is there (not once it is ready), or with why it could not be. Never rejects. */
  start(request: StartRequest): Promise<Result<StartedProc, StartFailure>>;
  /**
   * Finds the units of runs that an earlier daemon started. One that has ended in between is there too: its `exited`
   * is resolved with what the records tell. Signals nothing.
   */
  adopt(records: readonly AdoptRequest[]): Promise<readonly Proc[]>;
}

export interface StartedProc {
  readonly proc: Proc;
  readonly launcher?: ProcessIdentity;
}

export interface AdoptRequest {
  readonly record: RunRecord;
  readonly instanceDir: string;
}
