/** What is wanted of a service, normalised: every default filled in, every path absolute, every duration in ms. */
import type { DependencyCondition, InstanceId, OnDependencyFailure, ServiceId } from './generated/api.ts';

export type {
  DependencyCondition,
  InstanceId,
  LoadRequest,
  OnDependencyFailure,
  ServiceId,
} from './generated/api.ts';

export function instanceId(service: ServiceId, number: number): InstanceId {
  return `${service}.${number}`;
}

/**
 * A part of a text that is known only when an instance starts: a port that is allocated then, the host under which
 * another service is reached from this one, the instance's number.
 */
export type LateRef =
  | { readonly ref: 'port'; readonly service: ServiceId; readonly port: string }
  | { readonly ref: 'host'; readonly service: ServiceId }
  | { readonly ref: 'instance-number' };

/** A text, or, where it holds late references, its parts in order. A text without any is always a plain string. */
export type Text = string | readonly (string | LateRef)[];

/** How a service's program is named: a script handed to a shell as its last argument, or an argument vector. */
export type Command<T = Text> =
  | { readonly kind: 'shell'; readonly shell: readonly string[]; readonly script: T }
  | { readonly kind: 'exec'; readonly argv: readonly T[] };

/** What a script is handed to where the manifest names no shell. */
export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

/** What runs a service: one of those that a manifest can name, or that another release knows. */
export type BackendName = string;

/** Runs what asks for no other backend, and is always there. It keeps nothing of a project besides processes. */
export const DEFAULT_BACKEND: BackendName = 'native';

/** What a service runs: a command, or, of a container, what its image is made to run. */
export type LaunchCommand<T = Text> = Command<T> | { readonly kind: 'image' };

export type PortNumber = number | 'auto';

/** One named port. Instance n of a service with a fixed port gets `port + n - 1`. */
export interface PortSpec {
  readonly name: string;
  readonly port: PortNumber;
  /** Of a container's port; absent: TCP. A number may be taken once for each. */
  readonly protocol?: 'udp';
}

export interface EnvAppend<T = Text> {
  readonly name: string;
  readonly value: T;
  readonly separator: string;
  readonly prepend: boolean;
}

/** Resource limits set with setrlimit(2) in the service's process; sizes in bytes. */
export interface Limits {
  readonly open_files?: number;
  readonly processes?: number;
  readonly core_size?: number;
  readonly file_size?: number;
  readonly stack_size?: number;
  readonly locked_memory?: number;
  readonly address_space?: number;
  /** Seconds of CPU time. */
  readonly cpu_time?: number;
  /** Bytes that the whole unit may hold, by a control group. */
  readonly memory?: number;
  /** CPUs that the whole unit may keep busy, by a control group; 0.5 is half of one. */
  readonly cpus?: number;
}

/** A folder or file of the machine, a named volume, or memory, at a place in the service's file system. */
export type Mount =
  | {
      readonly type: 'bind';
      /** Absolute. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      /** Left out where the source does not exist; else that is an error. */
      readonly optional: boolean;
    }
  | {
      readonly type: 'volume';
      /** Name of a top-level volume, or `''`: an anonymous one. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      /** Bytes. */
      readonly size?: number;
      readonly mode?: number;
    };

/** What a sandboxed process of the machine may see and do; what cannot be enforced is refused. */
export interface SandboxSpec {
  readonly network: boolean;
  /** Absolute. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly profile: 'default' | 'strict';
}

/** A secret that a service is given as a file of that name. One that is given as a variable is in `env`. */
export interface SecretFile {
  readonly name: string;
  readonly content: string;
}

/** A port of a container. */
export interface ContainerPort {
  /** As in `LaunchSpec.ports`, which has those that are published. */
  readonly name: string;
  readonly container: number;
  /** Absent: reachable from the container's networks only. Instance n of a fixed one gets `host + n - 1`. */
  readonly host?: PortNumber;
  readonly hostIp?: string;
  readonly protocol: 'tcp' | 'udp';
}

export interface BuildSpec {
  /** Absolute folder. */
  readonly context: string;
  readonly dockerfile?: string;
  readonly args: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly platform?: string;
  readonly noCache: boolean;
}

export interface HealthcheckSpec {
  /** As an image has it: `['CMD', ...]`, `['CMD-SHELL', script]` or `['NONE']`. */
  readonly test: readonly string[];
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  readonly startPeriodMs?: number;
  readonly retries?: number;
}

/** What a container has besides what every service has, whichever backend runs it. */
export interface ContainerSpec<T = Text> {
  readonly image?: string;
  readonly build?: BuildSpec;
  readonly pull: 'missing' | 'always' | 'never';
  /** Absolute folder in the container; absent: the image's, or that of the workspace. */
  readonly workdir?: string;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly ports: readonly ContainerPort[];
  /** Keys of top-level networks; empty: the project's own network. */
  readonly networks: readonly string[];
  /** `host`, `none`, `bridge`, `container:NAME` or `service:ID`. */
  readonly networkMode?: string;
  /** `name:ip`; the ip may be `host-gateway`. */
  readonly extraHosts: readonly string[];
  readonly privileged: boolean;
  readonly platform?: string;
  readonly init: boolean;
  readonly readOnly: boolean;
  /** Bytes. */
  readonly shmSize?: number;
  readonly healthcheck?: HealthcheckSpec;
  readonly labels: Readonly<Record<string, string>>;
  /** Absolute folder of the host, mounted at /workspace and made the working directory. */
  readonly workspace?: string;
  readonly hideGit: boolean;
  /** Absolute files of the host. */
  readonly netrc?: string;
  readonly gitconfig?: string;
  /** Containers of all projects that may run on the engine at once. */
  readonly maxContainers?: number;
  readonly pid?: 'host';
  /** Absent: the image's. */
  readonly entrypoint?: readonly T[];
}

/** Settings that one backend alone understands. */
export interface BackendSettings {
  /** Their names in camel case; in the manifest they stand below the backend's name. */
  readonly values: object;
  /** Which of them names what `Backend.inputs` looks at: what changes there counts as a change of it. */
  readonly source?: string;
}

/** A top-level volume or network, as in Compose. */
export interface ResourceSpec {
  /** The engine's name for it; absent: `<project>_<key>`. */
  readonly name?: string;
  /** It must exist already, is never made and never removed. */
  readonly external?: boolean;
  readonly driver?: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Networks only: without a way out. */
  readonly internal?: boolean;
}

/** The project's volumes and networks by key; what a service names and is not in here has every default. */
export interface Resources {
  readonly volumes: Readonly<Record<string, ResourceSpec>>;
  readonly networks: Readonly<Record<string, ResourceSpec>>;
}

/** What the running process is made of, in texts of T: with late references, or filled in for one instance. */
export interface Launch<T> {
  readonly backend: BackendName;
  /** `image` of a container only. */
  readonly command: LaunchCommand<T>;
  /** Absolute; of a container the manifest's folder, where its hooks on the machine run. */
  readonly cwd: string;
  /** The environment the manifest declares (project, env files, service), resolved; later sources already won. */
  readonly env: Readonly<Record<string, T>>;
  readonly envAppend: readonly EnvAppend<T>[];
  /** Absolute folders put before PATH, the first one first. */
  readonly path: readonly string[];
  /** Absolute path of the Unix socket the service serves. */
  readonly socket?: T;
  readonly user?: string;
  /** Octal digits, such as `0027`. */
  readonly umask?: string;
  readonly limits: Limits;
  /** Run under a pseudo-terminal; only present where true. */
  readonly tty?: true;
  /** Standard error goes where standard output goes, in the order they were written; only present where true. */
  readonly mergeStderr?: true;
  /** Standard input is a pipe that clients may write to; absent: /dev/null (or the terminal, with `tty`). */
  readonly stdin?: 'pipe';
  /** The service is given a socket for sd_notify(3) messages; `watchdogMs`: and told to send keep-alives that often. */
  readonly notify?: { readonly watchdogMs?: number };
  /** Only present where there are any. */
  readonly mounts?: readonly Mount[];
  /** Not of a container. */
  readonly sandbox?: SandboxSpec;
  /** Of a container, and only there. */
  readonly container?: ContainerSpec<T>;
  /** Absent: the backend has none besides those above. */
  readonly settings?: BackendSettings;
  /** Only present where there are any. */
  readonly secrets?: readonly SecretFile[];
  /** nice(1) value, -20 to 19. */
  readonly nice?: number;
}

/**
 * A launch as the manifest describes it. A change to any of it replaces the process; a change elsewhere in the spec is
 * applied in place. Formatting and key order of the manifest leave no trace here.
 */
export interface LaunchSpec extends Launch<Text> {
  /** What of the caller's environment is passed on below `env`: all of it, nothing, or these names. */
  readonly inheritEnv: boolean | readonly string[];
  readonly ports: readonly PortSpec[];
}

export type RestartPolicy = 'never' | 'on-failure' | 'always' | 'unless-stopped';

/** What follows the end of a run. */
export interface RestartSpec {
  readonly policy: RestartPolicy;
  /** Restarts allowed within the window; 0: any number. */
  readonly maxRestarts: number;
  readonly windowMs: number;
  /** Exit codes that count as success. */
  readonly successExitCodes: readonly number[];
  /** Where given, only failures with these codes are retried (128 + n stands for signal n); absent: all of them. */
  readonly onCodes?: readonly number[];
}

export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  /** Share of the delay, 0 to 1, by which it varies either way. */
  readonly jitter: number;
  /** A run at least this long makes the next failure count as the first. */
  readonly resetAfterMs: number;
}

export interface StopSpec {
  /** A name such as `SIGTERM`. */
  readonly signal: string;
  readonly graceMs: number;
  /** Run instead of sending the signal. */
  readonly command?: Command;
  /** Whether signals go to the whole unit (the process and all it has started) or to the main process alone. */
  readonly killTree: boolean;
}

export interface Dependency {
  readonly service: ServiceId;
  readonly condition: DependencyCondition;
  /** Of condition `log`: source of a regular expression that a line of the service's output must match. */
  readonly pattern?: string;
  /** The longest wait, in ms; absent: for ever. */
  readonly timeoutMs?: number;
  /** False: one that is missing, fails or takes longer than its timeout holds nobody up. */
  readonly required: boolean;
  readonly onFailure: OnDependencyFailure;
}

/** What a probe looks at. */
export type ProbeCheck =
  /** Succeeds with exit status 0. Runs in the service's environment and folder. */
  | { readonly kind: 'exec'; readonly command: Command }
  | {
      readonly kind: 'http';
      /** Absolute, `http:` or `https:`. */
      readonly url: Text;
      readonly method: string;
      readonly headers: Readonly<Record<string, Text>>;
      /** Statuses that count as success, both ends included. */
      readonly status: readonly { readonly from: number; readonly to: number }[];
    }
  /** Succeeds when a connection is accepted. */
  | { readonly kind: 'tcp'; readonly host: Text; readonly port: Text }
  /** Succeeds for good once a line of the run's output matches. */
  | { readonly kind: 'log'; readonly pattern: string; readonly stream?: 'stdout' | 'stderr' }
  /** As `ready`: sd_notify's READY=1. As `live`: its WATCHDOG=1 at least every `interval`. */
  | { readonly kind: 'notify' }
  /** What the engine says of the container's own healthcheck. A container without one is ready once it runs. */
  | { readonly kind: 'health' };

export interface Probe {
  readonly check: ProbeCheck;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in a row until a success is taken back. */
  readonly retries: number;
  /** After the start of a run, failures count for nothing this long. */
  readonly startPeriodMs: number;
  /** Successes in a row until it counts as one. */
  readonly success: number;
}

export interface ScheduleSpec {
  readonly when:
    | {
        readonly kind: 'cron';
        readonly expression: string;
        /** IANA name; absent: the machine's. */ readonly timezone?: string;
      }
    | { readonly kind: 'every'; readonly everyMs: number };
  /** What happens when it is due while a run is still under way. */
  readonly overlap: 'skip' | 'queue' | 'replace';
  /** Also run once when the service is started. */
  readonly onStart: boolean;
  /** What becomes of times that passed while nobody was there to see them: nothing, or one run for all of them. */
  readonly missed: 'skip' | 'run';
}

/** Files whose change makes the service restart, or sends it a signal. */
export interface WatchSpec {
  /** Absolute paths of files and folders. */
  readonly paths: readonly string[];
  /** Glob patterns, relative to the watched folder, besides the built-in ones. */
  readonly ignore: readonly string[];
  readonly debounceMs: number;
  readonly action: { readonly kind: 'restart' } | { readonly kind: 'signal'; readonly signal: string };
}

/** How much of a service's output is kept. */
export interface LogSpec {
  /** Bytes of each stream that are kept at most, archives left out of account; 0: all. */
  readonly maxSize: number;
  /** Archives of `maxSize` each that are kept of what was cut off; 0: none. */
  readonly keep: number;
}

export interface Hook {
  readonly command: Command;
  readonly timeoutMs: number;
}

export interface Hooks {
  readonly preStart?: Hook;
  readonly postStart?: Hook;
  readonly preStop?: Hook;
  readonly postStop?: Hook;
}

/** Turns the last lines a failing service wrote to stderr into a readable cause. The first that matches wins. */
export interface ErrorPattern {
  /** Source of a JavaScript regular expression, matched line by line with the `u` flag. */
  readonly match: string;
  /** May hold `$1` .. `$9` and `$<name>`. */
  readonly message: string;
}

export interface ServiceSpec {
  readonly id: ServiceId;
  readonly description?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Why this backend, in words; shown by `plan`. */
  readonly backendReason: string;
  readonly launch: LaunchSpec;
  readonly dependsOn: readonly Dependency[];
  readonly ready?: Probe;
  readonly live?: Probe;
  readonly restart: RestartSpec;
  readonly backoff: Backoff;
  readonly stop: StopSpec;
  /** The longest run, in ms; then the run is stopped and counts as failed. */
  readonly timeoutMs?: number;
  readonly replicas: number;
  /** Where a reload changes its launch and the new one does not come up, the former one comes back by itself. */
  readonly rollback?: boolean;
  readonly schedule?: ScheduleSpec;
  readonly watch?: WatchSpec;
  readonly log: LogSpec;
  readonly hooks: Hooks;
  readonly errors: readonly ErrorPattern[];
  /** Programs that must be found on the service's PATH before it is started. */
  readonly requires: readonly string[];
  readonly profiles: readonly string[];
  /** Where the service stands in the manifest, for messages: `setpoint.yaml:7`. */
  readonly origin: string;
}

/** Everything the manifest files say, loaded under one request. */
export interface Project {
  readonly name: string;
  /** Absolute path of the folder of the first manifest. */
  readonly dir: string;
  /** Absolute paths of all files that went into it: manifests, includes, env files. */
  readonly files: readonly string[];
  /** The services that take part: those without a profile, with an active one, or named on the command line. */
  readonly services: readonly ServiceSpec[];
  /** Ids of the services that are defined but take no part. */
  readonly inactive: readonly ServiceId[];
  /** Key patterns to mask besides the built-in ones. */
  readonly redact: readonly string[];
  /** Absent: every default. */
  readonly resources?: Resources;
  /** Stopping the whole project takes at most this long, in ms; then everything is killed. */
  readonly shutdownTimeoutMs: number;
}
