/**
 * What this backend is given and gives beyond `core` and `ports`. The first part is the contract all further backends
 * share; it moves to `core/service.ts` and `ports/backend.ts` as it is.
 */
import type { StartFailure as KnownFailure } from '../../core/exit.ts';
import type { ConcreteLaunch as PlainLaunch } from '../../core/launch.ts';
import type { Result } from '../../core/result.ts';
import type { ServiceId } from '../../core/service.ts';
import type { CommandResult } from '../../ports/commands.ts';
import type {
  Backend as PlainBackend,
  Proc as PlainProc,
  StartedProc as PlainStarted,
  StartRequest as PlainRequest,
} from '../../ports/backend.ts';

export type Mount =
  | {
      readonly type: 'bind';
      /** Absolute. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly optional: boolean;
    }
  | {
      readonly type: 'volume';
      /** Name of a top-level volume; `''`: an anonymous one. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      /** Bytes. */ readonly size?: number;
      readonly mode?: number;
    };

export interface SandboxSpec {
  readonly network: boolean;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly profile: 'default' | 'strict';
}

export interface ContainerPort {
  readonly name: string;
  readonly container: number;
  /** Absent: reachable from the container's networks only. */
  readonly host?: number | 'auto';
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
  /** Docker's form: `['CMD', ...]`, `['CMD-SHELL', script]` or `['NONE']`. */
  readonly test: readonly string[];
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  readonly startPeriodMs?: number;
  readonly retries?: number;
}

export interface DockerSpec {
  readonly image?: string;
  readonly build?: BuildSpec;
  readonly pull: 'missing' | 'always' | 'never';
  /** Absent: the image's. */
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly ports: readonly ContainerPort[];
  readonly networks: readonly string[];
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
}

/** What a launch will have besides, once the contract is merged. */
interface ContainerLaunch extends Omit<PlainLaunch, 'stop' | 'hostEnv'> {
  readonly backend: 'native' | 'docker' | 'nix';
  readonly project: string;
  readonly mounts: readonly Mount[];
  readonly sandbox?: SandboxSpec;
  readonly docker?: DockerSpec;
  /** What the manifest declares, without anything of the host's environment: a container gets only this. */
  readonly declaredEnv: Readonly<Record<string, string>>;
}

export interface StartFailure {
  readonly code:
    | KnownFailure['code']
    | 'image-missing'
    | 'pull-failed'
    | 'build-failed'
    | 'engine-unavailable'
    | 'mount-missing'
    | 'name-conflict'
    | 'nix-failed'
    | 'sandbox-unavailable';
  readonly message: string;
  readonly help?: string;
}

export type HealthState = 'none' | 'starting' | 'healthy' | 'unhealthy';

/** What the engine's own healthcheck says. */
export interface HealthFeed {
  current(): HealthState;
  /** Calls `listener` after each change, until the answer is called. */
  subscribe(listener: () => void): () => void;
}

export interface ExecOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface Proc extends PlainProc {
  /** Runs a command where the unit runs. Never rejects. */
  exec(argv: readonly string[], options: ExecOptions): Promise<CommandResult>;
  readonly health: HealthFeed;
  /** `unknown` while the engine is away or does not answer: what was known last may be wrong by now. */
  known(): 'known' | 'unknown';
  subscribeKnown(listener: () => void): () => void;
}

export interface StartedProc extends PlainStarted {
  readonly proc: Proc;
}

// What follows is this backend's own.

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

export interface Resources {
  readonly volumes: Readonly<Record<string, ResourceSpec>>;
  readonly networks: Readonly<Record<string, ResourceSpec>>;
}

export interface DockerLaunch extends ContainerLaunch {
  /** Whose launch it is: what it builds is named after it. */
  readonly service: ServiceId;
  /** The top-level volumes and networks; what a service names and is not in here has every default. */
  readonly resources?: Resources;
  /** What `docker stop` and a stopping engine do by themselves. */
  readonly stop?: { readonly signal: string; readonly graceMs: number };
  /** The launch's fingerprint, for the label; absent: a digest of the container's definition. */
  readonly fingerprint?: string;
}

export interface StartRequest extends Omit<PlainRequest, 'launch' | 'fingerprint'> {
  readonly launch: DockerLaunch;
}

/** A container of this project. */
export interface ProjectContainer {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly instance: string;
  readonly run: string;
  readonly running: boolean;
}

/** What a clean-up did, by name; `failed` names what is left, and why. */
export interface CleanupReport {
  readonly containers: readonly string[];
  readonly networks: readonly string[];
  readonly volumes: readonly string[];
  readonly failed: readonly { readonly what: string; readonly why: string }[];
}

export interface DockerBackend extends Omit<PlainBackend, 'start' | 'adopt'> {
  /**
   * Brings about what the launch needs before it can start: pulls the image by its policy, or builds it. `progress` is
   * told in lines, a few a second at most. Aborting gives it up. Never rejects.
   */
  materialise(
    launch: DockerLaunch,
    progress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Result<void, StartFailure>>;
  start(request: StartRequest): Promise<Result<StartedProc, StartFailure>>;
  adopt(records: Parameters<PlainBackend['adopt']>[0]): Promise<readonly Proc[]>;
  /**
   * Removes what a project that is down has left on the engine: containers, whatever their state, networks that it made,
   * and with `volumes` the volumes that it made, too. Never rejects.
   */
  removeProject(project: string, options: { readonly volumes: boolean }): Promise<CleanupReport>;
  /** Containers of the project whose run nobody knows. The error says why the engine could not be asked. */
  orphans(
    project: string,
    known: ReadonlySet<string>,
  ): Promise<Result<readonly ProjectContainer[], StartFailure>>;
  /** Removes one container, whatever its state; one that is gone is no error. Never rejects. */
  removeContainer(id: string): Promise<Result<void, StartFailure>>;
  /** Lets go of every container without touching it: nothing is followed any more. */
  close(): void;
}
