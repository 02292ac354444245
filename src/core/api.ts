/** What travels between the daemon and its clients under /v1. The OpenAPI document describes the same shapes. */
import type { Diagnostic } from './diagnostic.ts';
import type { Happening, InstanceSnapshot } from './event.ts';
import type { Exit } from './exit.ts';
import type { PlanView } from './plan-view.ts';
import type { LoadRequest, ServiceId } from './service.ts';

export const API_VERSION = 1;

export interface DaemonInfo {
  readonly version: string;
  readonly api: number;
  readonly pid: number;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly project: string;
  /** Absolute path of the first manifest. */
  readonly manifest: string;
  /** Absolute path of the project's state directory. */
  readonly stateDir: string;
}

export interface ServiceSnapshot {
  readonly id: ServiceId;
  readonly description?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly backend: string;
  readonly backendReason: string;
  readonly replicas: number;
  readonly dependsOn: readonly DependencyView[];
  /** False for one that the manifest no longer holds and that is being stopped. */
  readonly inManifest: boolean;
  readonly instances: readonly InstanceSnapshot[];
  /** "never", "on-failure", ... */
  readonly restart: string;
  /** The backoff in words, such as "500ms x2, jitter 0.2, max 30s". */
  readonly backoff: string;
  /** The schedule in words, such as "every 5m" or "0 3 * * * (Europe/Berlin)". */
  readonly schedule?: string;
  /** Watched files and folders, absolute. */
  readonly watch?: readonly string[];
  /** What clients may type into; absent: nothing. */
  readonly input?: 'pipe' | 'tty';
}

export interface DependencyView {
  readonly service: ServiceId;
  readonly condition: string;
  /** Of condition `log`. */
  readonly pattern?: string;
  readonly timeoutMs?: number;
  readonly required: boolean;
  /** What its failure does to the dependent: "ignore", "restart" or "stop". */
  readonly onFailure: string;
}

export interface ProjectSnapshot {
  readonly daemon: DaemonInfo;
  readonly name: string;
  readonly dir: string;
  readonly files: readonly string[];
  readonly services: readonly ServiceSnapshot[];
  readonly inactive: readonly ServiceId[];
  /** Counts up with every change of anything below; a client that has seen n has seen all up to n. */
  readonly revision: number;
  readonly phase: 'up' | 'shutting-down' | 'idle';
  /** While shutting down: why, and when everything left is killed (epoch ms). */
  readonly shutdown?: { readonly reason: string; readonly deadline: number; readonly level: number };
  /** Whether an attached `up` holds the lease. */
  readonly leased: boolean;
  /** How what runs stands to the manifest; absent until one was applied. */
  readonly manifest?: ManifestStatus;
  /** The daemon's clock, epoch ms, so that countdowns need no synchronised clocks. */
  readonly now: number;
}

/** How what runs stands to the manifest as it is on disk, as far as the daemon has looked. */
export interface ManifestStatus {
  /** `pending`: it was edited, is valid, and waits for `setpoint reload` to be confirmed. */
  readonly state: 'in-sync' | 'invalid' | 'pending';
  /** Whether the daemon sees changes by itself. */
  readonly watched: boolean;
  /** Only where true: what is edited is held until a reload confirms it. */
  readonly review?: boolean;
  /** How many errors it has; 0 unless `invalid`. */
  readonly errors: number;
  /** Of `invalid`: the first ones. `Place.file` is absolute. */
  readonly diagnostics?: readonly Diagnostic[];
  /** Of `pending`: what a reload would do. */
  readonly pending?: PlanCounts;
  /** Services that a reload changed and that did not come up with the change; absent where there are none. */
  readonly failed?: readonly FailedChange[];
}

/** How many instances are concerned by what. */
export interface PlanCounts {
  readonly start: number;
  readonly replace: number;
  /** Changed in place. */
  readonly update: number;
  readonly stop: number;
}

export interface FailedChange {
  readonly service: ServiceId;
  readonly reason: string;
  /** Whether the former version runs again in place of the manifest's. */
  readonly rolledBack: boolean;
  /** The new version could not even be begun, and the former one was left alone. */
  readonly kept?: true;
}

export interface ApplyRequest {
  readonly load: LoadRequest;
  /** The caller's environment, for interpolation and `inherit_env`. */
  readonly hostEnv: Readonly<Record<string, string>>;
  /** Only these services and what they depend on; empty: all. */
  readonly services: readonly ServiceId[];
  /** False: later changes of the manifest count only once somebody asks for a reload. */
  readonly watch?: boolean;
  /** True: later changes of the manifest are held until a reload is confirmed. */
  readonly review?: boolean;
  /** Of a plan: also tell how a person would start each instance by hand, where there is a command for it. */
  readonly commandLines?: boolean;
}

export interface ReloadRequest {
  /** Also carries out what is held for review. */
  readonly confirm: boolean;
}

export interface ReviewRequest {
  /** Whether what is edited from now on is held until a reload confirms it. What is held already stays held. */
  readonly hold: boolean;
}

export interface ReloadResponse {
  /** `applied`: begun; `held`: valid, and to be confirmed; `unchanged`: there is nothing to do. */
  readonly outcome: 'applied' | 'unchanged' | 'held' | 'invalid';
  readonly diagnostics: readonly Diagnostic[];
  /** Absent where the outcome is `invalid`: nothing was changed then. */
  readonly plan?: PlanView;
  readonly snapshot: ProjectSnapshot;
}

export interface ApplyResponse {
  readonly diagnostics: readonly Diagnostic[];
  /** Absent where the diagnostics hold an error: nothing was changed then. */
  readonly plan?: PlanView;
  readonly snapshot: ProjectSnapshot;
}

export interface PlanResponse {
  readonly diagnostics: readonly Diagnostic[];
  readonly plan?: PlanView;
  /** Only where they were asked for: shell command lines, secrets masked, by instance. */
  readonly commandLines?: readonly { readonly instance: string; readonly line: string }[];
}

/** Which instances an action is for. Both empty: all. `names` holds service ids and instance ids. */
export interface Selector {
  readonly names: readonly string[];
  /** `key` or `key=value`; all must match. */
  readonly labels: readonly string[];
}

export type ActionRequest =
  | { readonly action: 'start'; readonly select: Selector; readonly withDependencies: boolean }
  | { readonly action: 'stop'; readonly select: Selector }
  | { readonly action: 'restart'; readonly select: Selector }
  | { readonly action: 'kill'; readonly select: Selector; readonly signal: string }
  | { readonly action: 'scale'; readonly service: ServiceId; readonly replicas: number };

export interface ActionResponse {
  /** The instances acted upon; others that matched were already as wanted. */
  readonly affected: readonly string[];
  readonly unchanged: readonly string[];
  readonly snapshot: ProjectSnapshot;
}

export interface DownRequest {
  readonly reason: string;
  /** 0 asks for an orderly shutdown, 1 skips the grace periods' patience (SIGTERM, then SIGKILL at once), 2 kills. */
  readonly level: 0 | 1 | 2;
  /** Overrides the manifest's `shutdown.timeout`. */
  readonly timeoutMs?: number;
  /** Also remove the volumes that the project made, with what is in them. */
  readonly volumes?: boolean;
}

/** A command to be run beside a running instance, where that runs, with somebody in front of it. */
export interface ExecCommand {
  readonly argv: readonly string[];
  /** Under a terminal of its own. */
  readonly tty: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** Set besides the instance's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absent: the instance's working directory. */
  readonly cwd?: string;
  /** Only in containers. Absent: the instance's user. */
  readonly user?: string;
}

/** What `POST /v1/instances/{id}/exec` streams: its id first, then what the command writes, and how it ended last. */
export type ExecItem =
  | { readonly type: 'begun'; readonly id: string }
  /** `data`: base64. */
  | { readonly type: 'output'; readonly stream: 'stdout' | 'stderr'; readonly data: string }
  | { readonly type: 'ended'; readonly exit: Exit };

export interface Leftover {
  readonly instance: string;
  /** Absent where it is not a process of the machine, or where nobody can tell. */
  readonly pid?: number;
  /** Command line, masked; without a pid what it is called, such as "container shop-db-1", where that is known. */
  readonly command: string;
  /** Why it could not be stopped, where more is known than that. */
  readonly reason?: string;
}

/** What a clean-up did, by name; `failed` names what is left, and why. */
export interface CleanupReport {
  readonly containers: readonly string[];
  readonly networks: readonly string[];
  readonly volumes: readonly string[];
  readonly failed: readonly { readonly what: string; readonly why: string }[];
}

export interface DownResponse {
  readonly stopped: number;
  /** What could not be stopped; empty when nothing of the project remains. */
  readonly leftovers: readonly Leftover[];
  /** What was removed besides, and what could not be; absent where the project never had anything of the kind. */
  readonly removed?: CleanupReport;
}

/** A line (or a bounded piece of one) of a service's output. */
export interface LogLine {
  readonly service: ServiceId;
  readonly instance: string;
  readonly stream: 'stdout' | 'stderr';
  /** Epoch ms at which the daemon saw it, as precise as the index allows. */
  readonly time: number;
  /** Place of its first byte in the stream, counted from the first one ever written. */
  readonly at: number;
  /** Without its newline; ANSI sequences kept as written. */
  readonly text: string;
  /** True for a piece of a longer line that goes on in the next one. */
  readonly partial?: boolean;
  /** Bytes that were left out before this line because the follower was too slow; only where more than 0. */
  readonly skipped?: number;
}

export interface LogQuery {
  readonly select: Selector;
  /** Last n lines of each instance's streams together; absent: all. */
  readonly tail?: number;
  readonly follow: boolean;
  /** Epoch ms. */
  readonly since?: number;
  readonly stream?: 'stdout' | 'stderr';
  /** The run before the present one. */
  readonly previous?: boolean;
  /**
   * How far somebody has come who now goes on: a stream named here begins with the line after that place, whatever
   * `tail` and `since` say. What has been cut off meanwhile is counted as skipped.
   */
  readonly after?: readonly LogPlace[];
}

/** Where a line of an instance's output is, as `LogLine` tells it. */
export interface LogPlace {
  readonly instance: string;
  readonly stream: 'stdout' | 'stderr';
  readonly at: number;
}

/** What `GET /v1/watch` streams: a snapshot first and after every change, the happenings as they come. */
export type WatchItem =
  | { readonly type: 'snapshot'; readonly snapshot: ProjectSnapshot }
  | {
      readonly type: 'happening';
      readonly happening: Happening;
      /** Happenings before this one that the client was too slow for; only where more than 0. */
      readonly dropped?: number;
    };

/** What one instance uses. */
export interface InstanceStats {
  readonly service: ServiceId;
  readonly instance: string;
  /** Share of one CPU since the last sample, in percent; may be above 100. Absent until there are two samples. */
  readonly cpuPercent?: number;
  /** CPU time in all, ms. */
  readonly cpuMs: number;
  readonly memoryBytes: number;
  readonly processes: number;
  readonly threads: number;
  readonly openFiles?: number;
  readonly uptimeMs: number;
}

/** What `GET /v1/stats` answers: a sample of every live instance, taken for this request or a moment before. */
export interface StatsResponse {
  /** Epoch ms. */
  readonly at: number;
  readonly instances: readonly InstanceStats[];
  readonly daemon: {
    readonly cpuPercent?: number;
    readonly cpuMs: number;
    readonly memoryBytes: number;
    readonly openFiles?: number;
  };
}

/** How one instance came up: what it waited for, and how long each part took. Points in time are epoch ms. */
export interface TimelineRow {
  readonly service: ServiceId;
  readonly instance: string;
  /** When it was first wanted. */
  readonly wantedAt: number;
  /** When its process was started; absent where it has not been. */
  readonly startedAt?: number;
  /** When it was ready, running (without a `ready` probe) or completed; absent where it is not. */
  readonly doneAt?: number;
  readonly doneAs?: 'ready' | 'running' | 'completed' | 'failed' | 'skipped';
  /** What it waited for between `wantedAt` and `startedAt`, and until when each held it up. */
  readonly waitedFor: readonly {
    readonly service: ServiceId;
    readonly condition: string;
    readonly until: number;
  }[];
  /** Whether a later start of everything would be sooner if this one were faster. */
  readonly critical: boolean;
}

/** What `GET /v1/timeline` answers: the last start of the project. */
export interface TimelineResponse {
  readonly beganAt: number;
  /** When the last one was done; absent while some are not. */
  readonly doneAt?: number;
  readonly rows: readonly TimelineRow[];
  readonly now: number;
}

export interface InstanceDetails {
  readonly instance: string;
  /** Field by field (`command`, `cwd`, `env.PORT`, ...) as shown to people: texts in quotes, secrets masked. */
  readonly launch: Readonly<Record<string, string>>;
  /** By pid. */
  readonly processes: readonly ProcessView[];
}

export interface ProcessView {
  readonly pid: number;
  /** Of the same instance; absent for one whose parent is not. */
  readonly parent?: number;
  /** Masked. */
  readonly command: string;
}

export interface ExplainResponse {
  readonly service: ServiceSnapshot;
  /** Per instance: what it does and why, and what comes next, in one sentence. */
  readonly verdicts: readonly { readonly instance: string; readonly text: string }[];
  readonly history: readonly Happening[];
  readonly dependencies: readonly {
    readonly service: ServiceId;
    readonly condition: string;
    readonly now: string;
  }[];
  readonly dependents: readonly ServiceId[];
  /** What its live instances were launched with, and what runs of them; absent from older daemons. */
  readonly instances?: readonly InstanceDetails[];
  /** How its last runs ended, oldest first. */
  readonly ends?: readonly Happening[];
  readonly next: readonly string[];
}

/** The body of every answer that is not 2xx. */
export interface ApiError {
  readonly error: {
    /** Stable kebab-case name, such as `unknown-service`. */
    readonly code: string;
    readonly message: string;
    readonly help?: string;
  };
}
