import type { Cause } from '../core/event.ts';
import type { CleanupReport } from '../core/api.ts';
import type { Exit, StartFailure } from '../core/exit.ts';
import type { Redactor } from '../core/redact.ts';
import type { Result } from '../core/util/result.ts';
import type { InstanceId, LaunchSpec, Resources, ServiceId } from '../core/service.ts';
import type { ConcreteLaunch } from '../core/launch.ts';
import type { ResourceStep } from '../core/plan-view.ts';
import type { ResourceState } from '../core/resource-plan.ts';
import type { RunId } from '../core/state.ts';
import type { CommandResult } from './commands.ts';

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
  /** Of the launch; marks what a backend makes for it. */
  readonly fingerprint: string;
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
  /** The digest of what it was made from besides the manifest; see `Backend.inputs`. */
  readonly inputs?: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly stop: { readonly signal: string; readonly graceMs: number; readonly killTree: boolean };
  /** What the launch had beside its output: how a later daemon speaks to it. */
  readonly tty?: true;
  readonly stdin?: 'pipe';
  readonly notify?: true;
  /** Absolute path of the run's control group, where it has one of its own. */
  readonly cgroup?: string;
  /** Set once the run was ready, epoch ms; and the `log` patterns that dependents asked for and that were seen. */
  readonly readyAt?: number;
  readonly seen?: readonly string[];
  /** Restarts by policy so far. */
  readonly restarts: number;
  /** When those were that the policy's window counted at the run's start, epoch ms, oldest first. */
  readonly recentRestarts?: readonly number[];
  /** How the run before ended; absent where there was none. */
  readonly lastExit?: Exit;
  /** Absolute path of the Unix socket the service serves. */
  readonly socket?: string;
  /** Set once the end was seen and handled: nothing is left to adopt. */
  readonly ended?: { readonly at: number; readonly exit: Exit };
  /** Set before a stop is begun, so that a later daemon goes on with it and does not restart the service. */
  readonly stopping?: { readonly at: number; readonly cause: Cause };
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

/** What a unit uses at one moment. */
export interface UnitStats {
  /** CPU time of all its processes since they began, those that ended included where the system tells; ms. */
  readonly cpuMs: number;
  /** Resident memory of all its processes, in bytes. Pages they share count once where a control group counts. */
  readonly memoryBytes: number;
  readonly processes: number;
  readonly threads: number;
  /** Open file descriptors; undefined where they may not be looked at. */
  readonly openFiles?: number;
}

/** What a service said by sd_notify(3), as it stands. Counts go up with every message of that kind. */
export interface NotifyState {
  /** READY=1 was sent, and no RELOADING=1 or STOPPING=1 after it. */
  readonly ready: boolean;
  readonly reloading: boolean;
  readonly stopping: boolean;
  readonly status?: string;
  /** WATCHDOG=1 messages so far. */
  readonly pings: number;
  /** WATCHDOG=trigger messages so far: the service itself asks to be treated as hung. */
  readonly triggers: number;
  /** The last WATCHDOG_USEC it asked for, in ms. */
  readonly watchdogMs?: number;
  /** The last EXTEND_TIMEOUT_USEC it asked for, in ms, and how many there were. */
  readonly extendMs?: number;
  readonly extensions: number;
}

/** The messages of one run. They are kept on disk by a process of their own, so that none is lost without a daemon. */
export interface NotifyFeed {
  /** As it is now. Never throws. */
  current(): NotifyState;
  /** Calls `listener` after each change, until the answer is called. */
  subscribe(listener: () => void): () => void;
}

/** A service's standard input. */
export interface ProcInput {
  /** Resolves once all was handed to the system; rejects where nobody can read it any more. Order is kept. */
  write(data: Uint8Array): Promise<void>;
  /** Only for a terminal: sets its size; the service gets SIGWINCH. Resolves with whether that could be done. */
  resize?(columns: number, rows: number): Promise<boolean>;
}

/** What an engine's own healthcheck says; `none`: the container has none. */
export type HealthState = 'none' | 'starting' | 'healthy' | 'unhealthy';

export interface HealthFeed {
  /** As it is now. Never throws. */
  current(): HealthState;
  /** The last output of the check, where there is one; bounded. */
  output?(): string | undefined;
  /** Calls `listener` after each change, until the answer is called. */
  subscribe(listener: () => void): () => void;
}

/** Whether what is known of a unit is so now, or may be wrong because whoever knows it does not answer. */
export interface Knowledge {
  current(): 'known' | 'unknown';
  /** Why it is not known, as the last sentence about it; undefined while it is. */
  reason?(): string | undefined;
  /** Calls `listener` after each change, until the answer is called. */
  subscribe(listener: () => void): () => void;
}

export interface ExecOptions {
  /** Set besides the unit's own environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** After this long the command is given up and, where that can be done, killed. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** A command to be run beside a unit's main process, with somebody in front of it. */
export interface ExecRequest {
  readonly argv: readonly string[];
  /** Under a terminal of its own: then all that it writes comes as `stdout`. */
  readonly tty: boolean;
  /** Size of the terminal to begin with. */
  readonly columns?: number;
  readonly rows?: number;
  /** Set besides the unit's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absent: the unit's working directory. */
  readonly cwd?: string;
  /** Absent: the unit's user. */
  readonly user?: string;
}

/** Something a command wrote. */
export interface ExecOutput {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** A command that somebody sits in front of. */
export interface ExecSession {
  /**
   * What it writes, in order. Ends once the command has ended and all of it was read, or when the session is closed; does
   * not reject. To be gone through once. What is not read holds the command up; nothing is kept without bound.
   */
  readonly output: AsyncIterable<ExecOutput>;
  /** Resolves once it was handed over; rejects where nobody can read it any more. Order is kept. */
  write(data: Uint8Array): Promise<void>;
  /** Ends its standard input; twice is harmless. */
  endInput(): void;
  /** Only with a terminal: sets its size. Resolves with whether that could be done. */
  resize(columns: number, rows: number): Promise<boolean>;
  /** Resolves with how it ended; `unknown` where that cannot be told. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Lets go of it, and ends it where it still runs, as far as that can be done; twice is harmless. */
  close(): void;
}

/** A running unit: the main process and everything it has started. */
export interface Proc {
  readonly run: RunId;
  /** What it is called where it is more than a process of the machine: "container shop-db-1". */
  readonly unit?: string;
  /** The service's own process, not the launcher; undefined until known. */
  pid(): number | undefined;
  /** Resolves when the main process ended, with how. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Of an adopted one that was found ended: `exited` is about to resolve. */
  readonly over?: true;
  /** Resolves when nothing but zombies is left of the unit, after `exited`. Never rejects. May take for ever. */
  readonly gone: Promise<void>;
  /**
   * Sends a signal to the whole unit, or to the main process alone. A process that is gone is no error. Resolves once
   * all that was found was signalled, with how many processes that were; identity is checked before each.
   */
  signal(signal: string, scope: 'unit' | 'main'): Promise<number>;
  /** The unit's processes besides the launcher, zombies left out. */
  members(): Promise<readonly UnitMember[]>;
  /** What it uses now; undefined where nothing of it is left or nothing can be told. Never rejects. */
  stats(): Promise<UnitStats | undefined>;
  /** Only where the launch asked for it. */
  readonly notify?: NotifyFeed;
  /** Only where the launch has a pipe or a terminal as standard input. */
  readonly input?: ProcInput;
  /**
   * Only where commands for the unit (exec probes, hooks while it runs, the stop command) must run within it and not on
   * the machine: runs one there. Never rejects.
   */
  exec?(argv: readonly string[], options: ExecOptions): Promise<CommandResult>;
  /** Where there is `exec`: the same for a command that somebody sits in front of. Never rejects. */
  openExec?(request: ExecRequest): Promise<Result<ExecSession, StartFailure>>;
  /** Only where an engine looks after the unit's health. */
  readonly health?: HealthFeed;
  /** Absent: always known. */
  readonly knowledge?: Knowledge;
}

/** Something of this project that is there although no run on record made it. */
export interface Orphan {
  readonly id: string;
  readonly name: string;
  readonly service: ServiceId;
  readonly instance: InstanceId;
  readonly run: RunId;
  readonly running: boolean;
}

/** A project as far as its networks, volumes, images and builds go. */
export interface ResourceScope {
  readonly project: string;
  readonly services: readonly {
    readonly service: ServiceId;
    readonly launch: LaunchSpec;
    /** Whether something of it is about to be started: only then its image is looked at. */
    readonly starts: boolean;
  }[];
  readonly resources?: Resources;
}

/** Runs services. The engine knows nothing else of how. */
export interface Backend {
  readonly name: string;
  /**
   * Brings about what the launch needs before it can start: an image, a development environment. `progress` is told in
   * lines, a few a second at most. Aborting gives it up. Costs next to nothing where all is there. Never rejects. Absent:
   * there is nothing to bring about.
   */
  materialise?(
    launch: ConcreteLaunch,
    progress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Result<void, StartFailure>>;
  /**
   * A digest of what the launch is made from besides the manifest: a flake's files, a build's context. A change of it
   * replaces what runs. Undefined where there is nothing of the kind or it cannot be told. Never rejects.
   */
  inputs?(launch: LaunchSpec): Promise<string | undefined>;
  /**
   * How a person would do by hand what `start` does: a shell command line. Secrets are masked by the redactor, argument by
   * argument: once they are quoted they might not be found any more. Without one nothing is masked.
   * Undefined where there is no such command.
   */
  commandLine?(
    request: Omit<StartRequest, 'instanceDir' | 'stdoutPath' | 'stderrPath' | 'requires'>,
    redactor?: Pick<Redactor, 'args'>,
  ): string | undefined | Promise<string | undefined>;
  /** What of this project is there and was made by no run in `known`. The error says why it cannot be told. Never rejects. */
  orphans?(project: string, known: ReadonlySet<RunId>): Promise<Result<readonly Orphan[], StartFailure>>;
  /** Removes one, whatever its state; one that is gone is no error. Never rejects. */
  removeOrphan?(orphan: Orphan): Promise<Result<void, StartFailure>>;
  /**
   * The networks, volumes, images and builds that a project needs or that are left of it, as they are wanted and as they
   * are. Those of others are left out. The error says why it cannot be told. Never rejects. Absent: it has no such things.
   */
  resources?(scope: ResourceScope): Promise<Result<readonly ResourceState[], StartFailure>>;
  /**
   * Makes a network or volume, makes a network anew, or removes one. What is as it is to be by now is no error. Images and
   * builds are brought about by `materialise`. Never rejects.
   */
  applyResource?(step: ResourceStep, scope: ResourceScope): Promise<Result<void, StartFailure>>;
  /**
   * Removes what a project that is down has left: containers, whatever their state, networks that it made, and with
   * `volumes` the volumes that it made, too. Never rejects.
   */
  removeProject?(project: string, options: { readonly volumes: boolean }): Promise<CleanupReport>;
  /** Lets go of everything without touching it: nothing is followed any more. */
  close?(): void;
  /**
   * Does once for many runs what can be done for many at once. A failure shows in the `start` it concerns. `backend`:
   * whose runs they are; absent: of this one.
   */
  prepare(requests: readonly { readonly backend?: string; readonly instanceDir: string }[]): Promise<void>;
  /** Resolves once the process is there (not once it is ready), or with why it could not be. Never rejects. */
  start(request: StartRequest): Promise<Result<StartedProc, StartFailure>>;
  /**
   * Finds the units of runs that an earlier daemon started. One that has ended in between is there too: its `exited`
   * is resolved with what the records tell. One whose process was never made has none, and is left out. Signals nothing.
   */
  adopt(records: readonly AdoptRequest[]): Promise<readonly Proc[]>;
}

export interface StartedProc {
  readonly proc: Proc;
  readonly launcher?: ProcessIdentity;
  /** Absolute path of the run's control group, where it has one of its own. */
  readonly cgroup?: string;
}

/**
 * Points at which a test can have the daemon die (environment variable `SETPOINT_FAILPOINT`), to prove that what is on
 * disk then is enough to go on.
 */
export type Failpoint = 'before-spawn' | 'after-spawn' | 'after-record' | 'before-ended-record';

export interface AdoptRequest {
  readonly record: RunRecord;
  readonly instanceDir: string;
  /** Absolute paths of the run's output files: whoever writes to them belongs to it. */
  readonly stdoutPath?: string;
  readonly stderrPath?: string;
}
