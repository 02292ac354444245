import type { HappeningBody } from '../core/event.ts';
import type { Exit, StartFailure } from '../core/exit.ts';
import type { ConcreteLaunch, TextContext } from '../core/launch.ts';
import type { MachineEvent } from '../core/machine.ts';
import type { LaunchRecord } from '../core/project-plan.ts';
import type { Result } from '../core/util/result.ts';
import type { BackendName, ServiceSpec } from '../core/service.ts';
import type { InstanceRef, InstanceState, RunId, Wanted } from '../core/state.ts';
import type { Backend, Failpoint } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';
import type { CommandRunner } from '../ports/commands.ts';
import type { LogStore } from '../ports/logs.ts';
import type { Prober } from '../ports/probes.ts';
import type { Store } from '../ports/store.ts';

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
