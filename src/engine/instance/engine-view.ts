import type { Cause, ProjectEventBody } from '../../core/event.ts';
import type { Exit, StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch, TextContext } from '../../core/launch.ts';
import type { GateVerdict, MachineEvent } from '../../core/machine.ts';
import type { LaunchRecord } from '../../core/project-plan.ts';
import type { Result } from '../../core/util/result.ts';
import type { BackendName, ServiceId, ServiceSpec } from '../../core/service.ts';
import type { InstanceRef, InstanceState, RunId, Wanted } from '../../core/state.ts';
import type { Backend, Failpoint } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CommandRunner } from '../../ports/commands.ts';
import type { LogStore } from '../../ports/logs.ts';
import type { Prober } from '../../ports/probes.ts';
import type { Store } from '../../ports/store.ts';

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

/** The engine as an instance and its runs see it: what they ask, and what they tell. */
export interface EngineView {
  /** The launch of the next run, with late references filled in and ports handed out. */
  prepareLaunch(ref: InstanceRef): Promise<Result<PreparedLaunch, StartFailure>>;
  /** Sees to it that what is wanted is on record before anything is started for it. */
  recorded(): Result<void, StartFailure>;
  /** Notes that the backend may have something of the project from now on. */
  usedBackend(backend: BackendName): Result<void, StartFailure>;
  /** `waitedMs`: how long it has waited for its gate by now. */
  gate(ref: InstanceRef, waitedMs: number): GateVerdict;
  /** Called after every change of what `snapshot` shows. */
  changed(ref: InstanceRef): void;
  /** What a failing run's last lines on stderr say; masked and bounded. */
  lastWords(ref: InstanceRef, run: RunId): Promise<string | undefined>;
  /** Without the secrets it may hold. */
  masked(text: string): string;
  /** Told of every start that failed, before the state machine is. */
  startFailed(ref: InstanceRef, failure: StartFailure): void;
  /** Told of every run that failed; not of starts that did. */
  runFailed(ref: InstanceRef, exit: Exit): void;
  /** Told of every run that is ended because something that it runs on failed. */
  failurePassedOn(ref: InstanceRef, cause: Cause): void;
  /** `log` patterns that dependents of the service wait for. */
  patterns(service: ServiceId): readonly string[];
  /** While the whole project goes down, single runs' ends need no record. */
  isShuttingDown(): boolean;
  /** Whether everything is being killed: no hook is begun any more. */
  isKilling(): boolean;
}

/** An instance as its runs see it: always as it is at the moment. */
export interface InstanceView {
  readonly ref: InstanceRef;
  readonly engine: EngineView;
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
  tell(happening: ProjectEventBody): void;
  /** Called after every change of what a snapshot shows. */
  changed(): void;
  /** The launch of this run, with late references filled in and ports handed out. */
  prepareLaunch(): Promise<Result<PreparedLaunch, StartFailure>>;
  /** What is to be shown as the cause of the last failure; undefined: there is none any more. */
  said(words: string | undefined): void;
}
