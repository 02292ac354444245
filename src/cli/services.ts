import type { DaemonClient } from '../client/types.ts';
import type { LogLine, LogQuery } from '../core/api.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import type { ProjectEvent } from '../core/event.ts';
import type { PlanView } from '../core/plan-view.ts';
import type { ReapReport } from '../core/reap.ts';
import type { Result } from '../core/util/result.ts';
import type { LoadRequest, ServiceId } from '../core/service.ts';
import type { LocateFailure, ProjectLocation } from '../store/locate.ts';
import type { TuiEnd, TuiOptions } from '../tui/tui.ts';
import type { MachineFact } from '../core/machine-fact.ts';

/** How the project is found that a command is about. */
export interface ProjectChoice {
  readonly cwd: string;
  /** As given with --file, relative to `cwd`; empty: found from `cwd`. */
  readonly files: readonly string[];
  readonly projectName?: string;
  /** True where a manifest must be there: the running projects of that name are then the second choice. */
  readonly manifestFirst: boolean;
}

export interface LoadedManifest {
  readonly diagnostics: readonly Diagnostic[];
  /** Absent on any error. */
  readonly services?: readonly ServiceId[];
  /** Absent on any error. The plan against a machine on which nothing of the project runs. */
  readonly planAgainstNothing?: (only: readonly ServiceId[]) => PlanView;
  /** Absent where the manifest could not be resolved. Secrets are masked. */
  readonly render?: (format: 'yaml' | 'json', origin: boolean) => string;
}

export interface ReapRequest {
  /** Look only. */
  readonly dryRun: boolean;
  /** Also end what no state directory knows. */
  readonly unknown: boolean;
  /** Remove the state directories of projects whose manifest is gone. */
  readonly forget: boolean;
}

/** A daemon that does its work in this process. */
export interface ForegroundDaemon {
  readonly client: DaemonClient;
  /** Resolves once it has ended. */
  readonly ended: Promise<void>;
}

/** All that the commands need of the rest of the program. The real wiring imports each part when it is asked for. */
export interface CliServices {
  locate(request: ProjectChoice): Promise<Result<ProjectLocation, LocateFailure>>;
  /** Undefined when no daemon of the project runs. */
  connect(location: ProjectLocation): Promise<DaemonClient | undefined>;
  /** Connects, and starts the daemon where none runs; it adopts what an earlier one left. */
  ensureDaemon(
    location: ProjectLocation,
  ): Promise<{ readonly client: DaemonClient; readonly started: boolean }>;
  foreground(location: ProjectLocation): Promise<ForegroundDaemon>;
  /** What the project is meant to be, as an earlier daemon recorded it; undefined where it never ran. */
  recordedPhase(location: ProjectLocation): Promise<'up' | 'down' | undefined>;
  /** Whether an engine may have something of a project that is down; with `volumes`, what its containers keep, too. */
  mayHaveLeft(location: ProjectLocation, volumes: boolean): Promise<boolean>;
  /** Whether a socket file is there; one that nobody serves was left by a daemon that was killed. */
  hasSocket(location: ProjectLocation): boolean;
  loadManifest(request: LoadRequest): Promise<LoadedManifest>;
  /** The journal without a daemon, oldest first. */
  journal(location: ProjectLocation, limit: number, service?: ServiceId): Promise<readonly ProjectEvent[]>;
  /** The log files without a daemon; `query.follow` is not honoured. */
  offlineLogs(location: ProjectLocation, query: LogQuery): AsyncIterable<LogLine>;
  /** On the terminal of this process. */
  tui(options: Omit<TuiOptions, 'stdin' | 'stdout' | 'env' | 'settingsPath'>): Promise<TuiEnd>;
  doctorFacts(): Promise<readonly MachineFact[]>;
  /** About all projects of this user; resolves once nothing is left that could be cleared. */
  reap(request: ReapRequest): Promise<ReapReport>;
}
