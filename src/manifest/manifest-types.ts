// Generated from schema/setpoint.schema.json by `node .config/generate.mjs`. Do not edit.

export type Env =
  | {
      [k: string]: string | number | boolean | null;
    }
  | string[];
export type EnvFile = Path | EnvFileEntry | (Path | EnvFileEntry)[];
export type Path = string;
export type Boolean = boolean;
export type Labels =
  | {
      [k: string]: Scalar;
    }
  | string[];
export type Scalar = string | number | boolean;
export type Backend = 'auto' | 'native' | 'docker' | 'nix';
export type ConcreteBackend = 'native' | 'docker' | 'nix';
export type Image = string;
export type Build = Path | BuildEntry;
export type Text = string;
export type Command = string | [Scalar, ...Scalar[]];
export type MountItem = Text | Mount;
export type Size = string | number;
export type Mode = string | number;
export type SecretItem = Text | SecretUse;
export type VariableName = string;
export type Ports =
  | {
      [k: string]: Port;
    }
  | PortItem[];
export type Port = number | string | PortEntry;
export type PublishedPort = number | string | boolean;
export type PortItem = (number | string) | PortEntry;
export type Dependency = Condition | DependencyEntry;
export type Condition = 'started' | 'ready' | 'completed' | 'completed-successfully' | 'log';
export type Duration = string;
export type Regex = string;
export type Probe = 'healthcheck' | ProbeEntry;
export type HttpCheck = Text | HttpCheckEntry;
export type PortRef = number | string;
export type Statuses = Status | [Status, ...Status[]];
export type Status = number | string;
export type TcpCheck = PortRef | TcpCheckEntry;
export type LogCheck = Regex | LogCheckEntry;
export type Count = number;
export type Restart = RestartPolicy | RestartEntry;
export type RestartPolicy = 'never' | 'on-failure' | 'always' | 'unless-stopped';
/**
 * @minItems 1
 */
export type ExitCodes = [number, ...number[]];
export type Signal =
  | 'SIGTERM'
  | 'SIGINT'
  | 'SIGQUIT'
  | 'SIGHUP'
  | 'SIGKILL'
  | 'SIGUSR1'
  | 'SIGUSR2'
  | 'SIGABRT'
  | 'SIGALRM'
  | 'SIGCONT'
  | 'SIGPIPE'
  | 'SIGWINCH';
export type Schedule = Text | ScheduleEntry;
export type Watch = Path | [Path, ...Path[]] | WatchEntry;
export type WatchAction = 'restart' | WatchSignal;
export type Umask = string | number;
export type Sandbox = boolean | SandboxEntry;
export type Paths = Path | Path[];
export type Pull = 'missing' | 'always' | 'never';
export type Capabilities = string[];
export type User = string | number;
export type ExtraHosts =
  | {
      [k: string]: Text;
    }
  | string[];
export type OwnFile = boolean | Path;
export type Hook = Command | HookEntry;
export type Volume = VolumeEntry | null;
export type ResourceName = string;
export type Network = NetworkEntry | null;

/**
 * A Setpoint manifest: the services that shall run, and how.
 */
export interface Manifest {
  /** Free for your own use. */
  readonly [extra: `x-${string}`]: unknown;
  /**
   * The project's name, shown everywhere. Default: the name of the manifest's folder. The name of an included manifest is not used.
   */
  name?: string;
  /**
   * Environment variables for every service, below the service's own. A null value passes the caller's value on.
   */
  env?: Env;
  /**
   * Dotenv files with variables for every service, below `env`.
   */
  env_file?: EnvFile;
  /**
   * Service keys merged under every service.
   */
  defaults?: Service;
  /**
   * Other manifests whose services join this project. Their paths stay relative to them; the same service in two of them is an error.
   */
  include?: Path | IncludeEntry | (Path | IncludeEntry)[];
  /**
   * The services by id. An id is of lower-case letters, digits, `_`, `.` and `-`, begins with a letter or digit and has at most 63 characters.
   */
  services?: {
    [k: string]: Service;
  };
  /**
   * Secrets by name: the content of a file, or the value of a variable. A service gets those that it lists under its own `secrets`; their values are masked everywhere.
   */
  secrets?: {
    [k: string]: Secret;
  };
  /**
   * Named volumes of the container engine, as in Compose. Services mount them by name under `mounts`.
   */
  volumes?: {
    [k: string]: Volume;
  };
  /**
   * Networks of the container engine, as in Compose. Containers join those that they list under `docker: {networks}`, and else the one called `default`.
   */
  networks?: {
    [k: string]: Network;
  };
  /**
   * Patterns of names whose values are masked everywhere, besides `*TOKEN*`, `*SECRET*`, `*PASSWORD*` and `*KEY*`. `*` stands for any characters; case does not matter.
   */
  redact?: Text[];
  /**
   * Stopping the whole project.
   */
  shutdown?: {
    /**
     * After this long everything that is left is killed. Default 60s.
     */
    timeout?: Duration;
  };
}
export interface EnvFileEntry {
  /**
   * The file, relative to the file that names it.
   */
  path: Path;
  /**
   * Whether a missing file is an error. Default true.
   */
  required?: Boolean;
  /**
   * `dotenv` (default) knows quotes and interpolation; `raw` takes each value as it is.
   */
  format?: 'dotenv' | 'raw';
}
export interface Service {
  /** Free for your own use. */
  readonly [extra: `x-${string}`]: unknown;
  /**
   * What the service is, in a few words; shown by `explain` and `status --format json`.
   */
  description?: string;
  /**
   * Names and values to select services by.
   */
  labels?: Labels;
  /**
   * What runs the service. `auto` (default): `docker` where it has an `image` or a `build`, `nix` where it has `nix`, else `native`. An impossible choice is an error, never another one.
   */
  backend?: Backend;
  /**
   * Backends in the order of preference: the first one that the service is written for and that is available on this machine runs it. The choice and its reason are shown by `plan`.
   *
   * @minItems 1
   * @maxItems 16
   */
  backend_order?:
    | [ConcreteBackend]
    | [ConcreteBackend, ConcreteBackend]
    | [ConcreteBackend, ConcreteBackend, ConcreteBackend]
    | [ConcreteBackend, ConcreteBackend, ConcreteBackend, ConcreteBackend]
    | [ConcreteBackend, ConcreteBackend, ConcreteBackend, ConcreteBackend, ConcreteBackend]
    | [ConcreteBackend, ConcreteBackend, ConcreteBackend, ConcreteBackend, ConcreteBackend, ConcreteBackend]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ]
    | [
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
        ConcreteBackend,
      ];
  /**
   * The image of the container. The service runs on the backend docker, unless `backend` says otherwise.
   */
  image?: Image;
  /**
   * How the image of the container is built: the folder with the Dockerfile, or a map. With `image` beside it the result gets that name.
   */
  build?: Build;
  /**
   * The program. A string is run by the shell; a list is executed as it is, without a shell. Only `${...}` is interpolated here, so that `$PATH` and `$1` reach the shell. A container without it runs what its image says.
   */
  command?: Command;
  /**
   * What the container runs `command` by, instead of what the image says. A string is run by the shell; a list is executed as it is.
   */
  entrypoint?: Command;
  /**
   * The shell for a `command` string: its path (`-c` is added) or a list to which the command is added as the last argument. Default `[/bin/sh, -c]`.
   */
  shell?: Command;
  /**
   * The working directory, relative to the file that names it. Default: the manifest's folder. Of a container an absolute path inside it; default: the image's.
   */
  cwd?: Path;
  /**
   * Environment variables. A null value passes the caller's value on.
   */
  env?: Env;
  /**
   * Dotenv files with variables, below `env`.
   */
  env_file?: EnvFile;
  /**
   * Values put after (or before) what a variable already holds.
   */
  env_append?: {
    [k: string]: EnvAppendEntry;
  };
  /**
   * What of the caller's environment the service gets below its own: all of it (`true`, the default), nothing (`false`), or these names. A container gets nothing, or these names.
   */
  inherit_env?: boolean | Text[];
  /**
   * Folders put before PATH, relative to the file that names them.
   */
  path?: Path | Path[];
  /**
   * Programs that must be found on the service's PATH; missing ones are reported before it is started.
   */
  requires?: Text[];
  /**
   * What the service sees at other places of its file system: `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or a map. A source with a slash, `.` or `~` in front is a path of the machine; a plain name is a volume of the container engine.
   */
  mounts?: MountItem[];
  /**
   * Secrets of the top level that the service gets: by name as a file in the folder SETPOINT_SECRETS_DIR, or as a variable by `{source, env}`.
   */
  secrets?: SecretItem[];
  /**
   * The ports the service listens on, by name; `auto` picks a free one. The first is exported as PORT, each as NAME_PORT. Instance n of a service with a fixed port gets that port + n - 1. Of a container also `8080:80` (80 inside, 8080 on the machine), `127.0.0.1:8080:80`, `auto:80`, `53:53/udp`, or a map. A list of ports is understood, too.
   */
  ports?: Ports;
  /**
   * Path of the Unix socket the service serves, relative to the file that names it. A stale socket there is removed before a start and after an end.
   */
  socket?: Path;
  /**
   * Services that come first: a list (each must be `started`), or a map to conditions.
   */
  depends_on?:
    | Text[]
    | {
        [k: string]: Dependency;
      };
  /**
   * Tells when the service is ready: those that depend on it being `ready` start then. One of `exec`, `http`, `tcp`, `log`, `notify`, or `healthcheck` of a container, which is its default.
   */
  ready?: Probe;
  /**
   * Tells whether the service still works: one that fails is stopped, and started again under its `restart` policy. One of `exec`, `http`, `tcp`, `notify`, or `healthcheck` of a container.
   */
  live?: Probe;
  /**
   * What follows an end of the process. `never`: nothing. `on-failure` (default): a failed one is started again. `always`: started again in any case. `unless-stopped`: like `always`, but one that a person stopped stays so when the daemon comes back. A map also says how often, and which exit statuses count.
   */
  restart?: Restart;
  /**
   * The growing delay between restarts.
   */
  backoff?: Backoff;
  /**
   * How the service is stopped.
   */
  stop?: Stop;
  /**
   * Where a reload changes how the service is launched and the new one does not come up, the former one comes back by itself. Default false.
   */
  rollback?: Boolean;
  /**
   * The longest run; a longer one is stopped and counts as failed. Default: none.
   */
  timeout?: Duration;
  /**
   * The service is a job that runs at these times: a cron expression, or a map with `cron` or `every`.
   */
  schedule?: Schedule;
  /**
   * Files and folders whose change restarts the service, or sends it a signal.
   */
  watch?: Watch;
  /**
   * How many instances run. Default 1.
   */
  replicas?: number;
  /**
   * The file mode creation mask, as three or four octal digits.
   */
  umask?: Umask;
  /**
   * How willing the service is to give way to others when CPU time is short (nice(1)): from -20, which needs the right to, to 19.
   */
  nice?: number;
  /**
   * Runs the service in a sandbox: bubblewrap on Linux, sandbox-exec on macOS. `true`, or a map. What cannot be enforced is refused.
   */
  sandbox?: Sandbox;
  /**
   * Resource limits: of each process, set with setrlimit(2); `memory` and `cpus` of the service as a whole, by a control group.
   */
  limits?: Limits;
  /**
   * What only a container has.
   */
  docker?: Docker;
  /**
   * Runs the service in the development shell of a flake.
   */
  nix?: Nix;
  /**
   * The user to run as, by name or number. Needs the right to change the user. Of a container a user of its image.
   */
  user?: User;
  /**
   * Run the service under a pseudo-terminal: it writes colours, and `setpoint attach` types into it. What it writes to stderr joins its stdout. Default false.
   */
  tty?: Boolean;
  /**
   * What the service reads from: `null` (default), which is empty, or `pipe`, into which `setpoint attach` writes.
   */
  stdin?: ('pipe' | 'null') | null;
  /**
   * How much of what the service writes is kept.
   */
  log?: Log;
  /**
   * The service takes part only when one of these profiles is active (`--profile`, SETPOINT_PROFILES) or when it is named on the command line. `--profile "*"` makes all active.
   */
  profiles?: Text[];
  /**
   * Short commands around the service's life.
   */
  hooks?: Hooks;
  /**
   * Makes the last lines on stderr of a failed service readable: presets, or a regular expression and its message. The first that matches wins.
   */
  errors?: (
    | (
        | 'node'
        | 'python'
        | 'go'
        | 'java'
        | 'ruby'
        | 'rust'
        | 'php'
        | 'shell'
        | 'port'
        | 'network'
        | 'disk'
        | 'memory'
      )
    | ErrorPattern
  )[];
}
export interface BuildEntry {
  /**
   * The folder that is sent to the engine, relative to the file that names it. Default: the folder of the manifest.
   */
  context?: Path;
  /**
   * The Dockerfile, relative to the context. Default `Dockerfile`.
   */
  dockerfile?: Path;
  /**
   * Values for the ARGs of the Dockerfile. A null value passes the caller's value on.
   */
  args?: Env;
  /**
   * The stage of the Dockerfile to build. Default: the last one.
   */
  target?: Text;
  /**
   * Labels of the image.
   */
  labels?: Labels;
  /**
   * Further names of the image.
   */
  tags?: Image[];
  /**
   * The platform to build for.
   */
  platform?: string;
  /**
   * Builds every step anew. Default false.
   */
  no_cache?: Boolean;
}
export interface EnvAppendEntry {
  /**
   * What is added.
   */
  value: Scalar;
  /**
   * Stands between the parts; left out where the variable was empty. Default `:`.
   */
  separator?: string;
  /**
   * Put before what is there, instead of after it. Default false.
   */
  prepend?: Boolean;
}
export interface Mount {
  /**
   * `bind`: a file or folder of the machine; `volume`: a volume of the container engine; `tmpfs`: memory. Default: what `source` looks like.
   */
  type?: 'bind' | 'volume' | 'tmpfs';
  /**
   * A path, relative to the file that names it, or the name of a volume.
   */
  source?: Path;
  /**
   * The absolute path at which the service sees it.
   */
  target: Path;
  /**
   * The service cannot write there. Default false.
   */
  read_only?: Boolean;
  /**
   * A path of the machine that does not exist is left out. Default false: that is an error.
   */
  optional?: Boolean;
  /**
   * Of `tmpfs`: what it holds at most.
   */
  size?: Size;
  /**
   * Of `tmpfs`: its mode, in octal digits.
   */
  mode?: Mode;
}
export interface SecretUse {
  /**
   * The secret, by its name at the top level.
   */
  source: Text;
  /**
   * The variable that holds it. Without it the secret is a file.
   */
  env?: VariableName;
}
export interface PortEntry {
  /**
   * The port that the service itself listens on.
   */
  target: number;
  /**
   * The port on the machine: a number, `auto` for a free one (the default), or `false`: other containers reach it, the machine does not.
   */
  published?: PublishedPort;
  /**
   * The address of the machine at which it is published. Default: all of them.
   */
  host_ip?: Text;
  /**
   * `tcp` (default) or `udp`.
   */
  protocol?: 'tcp' | 'udp';
  /**
   * Of a port in a list: its name.
   */
  name?: string;
}
export interface DependencyEntry {
  /**
   * What must be true of the dependency. Default `started`.
   */
  condition?: Condition;
  /**
   * The longest wait; after it the service is skipped, and still starts if the dependency gets there later. Default: none.
   */
  timeout?: Duration;
  /**
   * What the service does when the dependency fails later: `ignore` (default), `restart` once the condition holds again, or `stop`.
   */
  on_failure?: 'ignore' | 'restart' | 'stop';
  /**
   * Whether the service needs it (`true`, the default). With `false` a dependency that is not defined, takes no part, fails or is late holds nobody up.
   */
  required?: Boolean;
  /**
   * Of condition `log`: a JavaScript regular expression that a line of the dependency must match. Default: that of its `ready: {log}`.
   */
  pattern?: Regex;
}
export interface ProbeEntry {
  /**
   * A command that succeeds with exit status 0. It runs in the environment and folder of the service; a string is run by the shell, a list is executed as it is.
   */
  exec?: Command;
  /**
   * A request that succeeds by its status. A string is the URL.
   */
  http?: HttpCheck;
  /**
   * A connection that is accepted: a port, the name of one of the ports of the service, `host:port`, or a map of both.
   */
  tcp?: TcpCheck;
  /**
   * A regular expression: ready once a line of the output matches. Only for `ready`.
   */
  log?: LogCheck;
  /**
   * The service says so itself, by the protocol of sd_notify(3). As `ready`: READY=1. As `live`: WATCHDOG=1 at least every `interval`.
   */
  notify?: boolean;
  /**
   * What the container engine says of the healthcheck of the container. Only on the backend docker; `healthcheck` alone, in place of the map, says the same.
   */
  healthcheck?: boolean;
  /**
   * Time from one look to the next, at least 10ms. Default 2s.
   */
  interval?: Duration;
  /**
   * A look that takes longer has failed. Default 1s.
   */
  timeout?: Duration;
  /**
   * Failures in a row that count as one. Default 3.
   */
  retries?: Count;
  /**
   * For this long after a start failures count for nothing. Default 0s.
   */
  start_period?: Duration;
  /**
   * Successes in a row that count as one. Default 1.
   */
  success?: Count;
}
export interface HttpCheckEntry {
  /**
   * The whole URL, instead of `scheme`, `host`, `port` and `path`.
   */
  url?: Text;
  /**
   * A port, or the name of one of the ports of the service.
   */
  port?: PortRef;
  /**
   * What is asked for. Default `/`.
   */
  path?: string;
  /**
   * The host that is asked. Default 127.0.0.1.
   */
  host?: Text;
  /**
   * The scheme of the URL. Default `http`.
   */
  scheme?: 'http' | 'https';
  /**
   * The method of the request. Default GET.
   */
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /**
   * Headers of the request.
   */
  headers?: {
    [k: string]: Scalar;
  };
  /**
   * Statuses that count as success: one, a class, a range, or a list of these. Default `200-399`.
   */
  status?: Statuses;
}
export interface TcpCheckEntry {
  /**
   * The host that is asked. Default 127.0.0.1.
   */
  host?: Text;
  /**
   * A port, or the name of one of the ports of the service.
   */
  port?: PortRef;
}
export interface LogCheckEntry {
  /**
   * A JavaScript regular expression, matched line by line.
   */
  pattern?: Regex;
  /**
   * Where the line must stand. Default: in either of them.
   */
  stream?: 'stdout' | 'stderr';
}
export interface RestartEntry {
  /**
   * When it is started again. Default `on-failure`.
   */
  policy?: RestartPolicy;
  /**
   * Restarts allowed within the window; the next failure is then the last. 0 (default): any number.
   */
  max_restarts?: number;
  /**
   * How far back restarts count for `max_restarts`. Default 60s.
   */
  window?: Duration;
  /**
   * Exit statuses that count as success. Default `[0]`.
   */
  success_exit_codes?: ExitCodes;
  /**
   * Only failures with these exit statuses are followed by a restart; 128 + n stands for signal n. Default: all.
   */
  on_codes?: ExitCodes;
}
export interface Backoff {
  /**
   * Delay before the first restart. Default 500ms.
   */
  initial?: Duration;
  /**
   * Longest delay, jitter included. Default 30s.
   */
  max?: Duration;
  /**
   * Each delay is this many times the one before. Default 2.
   */
  multiplier?: number;
  /**
   * Share of the delay by which it varies either way, 0 to 1. Default 0.2.
   */
  jitter?: number;
  /**
   * After a run this long the next failure counts as the first. Default 30s.
   */
  reset_after?: Duration;
}
export interface Stop {
  /**
   * The signal that asks the service to end. Default SIGTERM.
   */
  signal?: Signal;
  /**
   * How long the service has before it is killed with SIGKILL. Default 10s.
   */
  grace?: Duration;
  /**
   * Run instead of sending the signal.
   */
  command?: Command;
  /**
   * Whether signals go to the process and all it has started (`true`, the default) or to the main process alone.
   */
  kill_tree?: Boolean;
}
export interface ScheduleEntry {
  /**
   * A cron expression: minute, hour, day of the month, month, day of the week; a sixth field in front stands for seconds. Also `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
   */
  cron?: Text;
  /**
   * Time from the begin of one run to that of the next, instead of `cron`; at least 100ms.
   */
  every?: Duration;
  /**
   * IANA name of the time zone that `cron` is meant in. Default: that of the machine.
   */
  timezone?: Text;
  /**
   * What happens when it is due while it still runs: `skip` (default) that time, `queue` one run for afterwards, or `replace` the run.
   */
  overlap?: 'skip' | 'queue' | 'replace';
  /**
   * Also run once when the project comes up. Default false.
   */
  on_start?: Boolean;
  /**
   * What becomes of times that passed while nobody was there to see them: `skip` (default), or `run` once for all of them.
   */
  missed?: 'skip' | 'run';
}
export interface WatchEntry {
  /**
   * Files and folders, relative to the file that names them.
   */
  paths?: Path | [Path, ...Path[]];
  /**
   * Patterns of paths below a watched folder that do not count, besides the usual ones.
   */
  ignore?: Text[];
  /**
   * Nothing is done until the files have been quiet for this long. Default 300ms.
   */
  debounce?: Duration;
  /**
   * `restart` (default), or `{signal}`.
   */
  action?: WatchAction;
}
export interface WatchSignal {
  /**
   * The signal that the service gets.
   */
  signal: Signal;
}
export interface SandboxEntry {
  /**
   * Whether it reaches the network. Default true.
   */
  network?: Boolean;
  /**
   * Files and folders that it may read besides what every program needs.
   */
  read?: Paths;
  /**
   * Files and folders that it may write.
   */
  write?: Paths;
  /**
   * `default`: the machine read-only, /tmp and the like empty. `strict`: programs and libraries alone.
   */
  profile?: 'default' | 'strict';
}
export interface Limits {
  /**
   * Open file descriptors (RLIMIT_NOFILE).
   */
  open_files?: Count;
  /**
   * Processes and threads of the service's user (RLIMIT_NPROC).
   */
  processes?: Count;
  /**
   * Size of a core file (RLIMIT_CORE); 0 means none.
   */
  core_size?: Size;
  /**
   * Size of a file the service writes (RLIMIT_FSIZE).
   */
  file_size?: Size;
  /**
   * Size of the main thread's stack (RLIMIT_STACK).
   */
  stack_size?: Size;
  /**
   * Memory that may be locked (RLIMIT_MEMLOCK).
   */
  locked_memory?: Size;
  /**
   * Virtual memory of each process (RLIMIT_AS).
   */
  address_space?: Size;
  /**
   * CPU time of each process (RLIMIT_CPU), in whole seconds.
   */
  cpu_time?: Duration;
  /**
   * Memory that all processes of the service may hold together. Needs a control group that may be written.
   */
  memory?: Size;
  /**
   * CPUs that all processes of the service may keep busy together; 0.5 is half of one. Needs a control group that may be written.
   */
  cpus?: number;
}
export interface Docker {
  /**
   * The image, instead of `image` of the service itself.
   */
  image?: Image;
  /**
   * How the image is built, instead of `build` of the service itself.
   */
  build?: Build;
  /**
   * The entry point, instead of `entrypoint` of the service itself.
   */
  entrypoint?: Command;
  /**
   * When the image is pulled: where the engine does not have it (`missing`, the default), before each start (`always`), or `never`.
   */
  pull?: Pull;
  /**
   * Labels of the container.
   */
  labels?: Labels;
  /**
   * Capabilities that the container gets besides those that every one has.
   */
  cap_add?: Capabilities;
  /**
   * Capabilities that the container does not get.
   */
  cap_drop?: Capabilities;
  /**
   * The user within the container, instead of `user` of the service.
   */
  user?: User;
  /**
   * Networks that the container joins, by their names at the top level. Default: `default`, which every project has.
   */
  networks?: Text[];
  /**
   * Instead of networks: `host`, `none`, `bridge`, `container:NAME`, or `service:ID` for that of another service.
   */
  network_mode?: string;
  /**
   * Names that the container knows by itself: a map to addresses, or a list of `NAME:ADDRESS`. `host-gateway` is the machine.
   */
  extra_hosts?: ExtraHosts;
  /**
   * A folder that is mounted at /workspace and made the working directory.
   */
  workspace?: Path;
  /**
   * Covers what is called `.git` in the folders that are mounted, so that the container cannot reach the repository. Default false.
   */
  hide_git?: Boolean;
  /**
   * A file that is there as `.netrc` in the home folder, read-only. `true`: your own, `~/.netrc`.
   */
  netrc?: OwnFile;
  /**
   * A file that is there as `.gitconfig` in the home folder, read-only. `true`: your own, `~/.gitconfig`.
   */
  gitconfig?: OwnFile;
  /**
   * The container is started only while fewer than these run on the engine, those of other projects counted in.
   */
  max_containers?: Count;
  /**
   * Gives the container every right on the machine. Default false.
   */
  privileged?: Boolean;
  /**
   * `host`: the container sees the processes of the machine.
   */
  pid?: 'host';
  /**
   * The platform of the image.
   */
  platform?: string;
  /**
   * Runs a small init before the program, which takes care of processes left behind. Default false.
   */
  init?: Boolean;
  /**
   * The file system of the image cannot be written. Default false.
   */
  read_only?: Boolean;
  /**
   * Size of /dev/shm.
   */
  shm_size?: Size;
  /**
   * A check that the engine runs within the container, instead of that of the image. A container is ready once it is healthy, unless `ready` says otherwise.
   */
  healthcheck?: Healthcheck;
}
export interface Healthcheck {
  /**
   * The command: a string is run by the shell of the container; a list begins with `CMD` or `CMD-SHELL`. Without it the check is that of the image.
   */
  test?: Command;
  /**
   * Time from the end of one check to the next. Default: that of the image, else 30s.
   */
  interval?: Duration;
  /**
   * A check that takes longer has failed. Default: that of the image, else 30s.
   */
  timeout?: Duration;
  /**
   * Failures in a row that make it unhealthy. Default: that of the image, else 3.
   */
  retries?: Count;
  /**
   * For this long after a start failures count for nothing. Default: that of the image, else 0s.
   */
  start_period?: Duration;
  /**
   * `true`: the image's own check is not run.
   */
  disable?: Boolean;
}
export interface Nix {
  /**
   * The flake: a folder, relative to the file that names it, or a reference such as github:acme/tools. Default: the manifest's folder.
   */
  flake?: Path;
  /**
   * The shell of its `devShells` that the service runs in. Default `default`.
   */
  shell?: string;
  /**
   * The folder in which evaluated shells are kept. Default: one for the user.
   */
  cache_dir?: Path;
  /**
   * Evaluates the flake with access to the environment and to all files. Default false.
   */
  impure?: Boolean;
}
export interface Log {
  /**
   * Size of each of its two files at most. What goes beyond is cut off at the head. Default 64MiB; 0: no bound.
   */
  max_size?: Size;
  /**
   * How many pieces of that size are kept of what was cut off. Default 3.
   */
  keep?: number;
  /**
   * `separate` (default) from stdout, or `merge`: into stdout, in the order in which it was written.
   */
  stderr?: 'separate' | 'merge';
}
export interface Hooks {
  /**
   * Before each start. A failure keeps the service from being started.
   */
  pre_start?: Hook;
  /**
   * After each start, while the service runs.
   */
  post_start?: Hook;
  /**
   * Before the service is asked to stop.
   */
  pre_stop?: Hook;
  /**
   * After the service has ended.
   */
  post_stop?: Hook;
}
export interface HookEntry {
  /**
   * A string for the shell, or a list that is executed as it is.
   */
  command: Command;
  /**
   * After this long the command is killed and counts as failed. Default 30s.
   */
  timeout?: Duration;
}
export interface ErrorPattern {
  /**
   * A JavaScript regular expression, matched line by line.
   */
  match: Regex;
  /**
   * What is shown instead; `$1` to `$9` and `$<name>` stand for what the expression's groups matched.
   */
  message: Text;
}
export interface IncludeEntry {
  /**
   * The manifest, relative to the file that names it.
   */
  path: Path;
  /**
   * Dotenv files with variables for interpolation in that manifest, instead of the `.env` beside it.
   */
  env_file?: Path | Path[];
}
export interface Secret {
  /**
   * The file that holds it, relative to the file that names it.
   */
  file?: Path;
  /**
   * The variable that holds it: of the caller's environment, or of the files for interpolation.
   */
  env?: VariableName;
}
export interface VolumeEntry {
  /**
   * The engine's name for it. Default: the project's name, `_` and this one.
   */
  name?: ResourceName;
  /**
   * It must be there already, and is never made or removed. Default false.
   */
  external?: Boolean;
  /**
   * Who provides it. Default: the engine itself.
   */
  driver?: Text;
  /**
   * Options for the driver.
   */
  driver_opts?: Options;
  /**
   * Labels of the volume.
   */
  labels?: Labels;
}
export interface Options {
  [k: string]: Scalar;
}
export interface NetworkEntry {
  /**
   * The engine's name for it. Default: the project's name, `_` and this one.
   */
  name?: ResourceName;
  /**
   * It must be there already, and is never made or removed. Default false.
   */
  external?: Boolean;
  /**
   * Who provides it. Default: the engine itself, as a bridge.
   */
  driver?: Text;
  /**
   * Options for the driver.
   */
  driver_opts?: Options;
  /**
   * Containers in it reach each other and nothing else. Default false.
   */
  internal?: Boolean;
  /**
   * Labels of the network.
   */
  labels?: Labels;
}
