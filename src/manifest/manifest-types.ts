// Generated from schema/setpoint.schema.json by `node .config/generate.mjs`. Do not edit.

export type Env =
  | {
      [k: string]: string | number | boolean | null;
    }
  | string[];
export type EnvFile = Path | EnvFileEntry | (Path | EnvFileEntry)[];
export type Path = string;
export type Boolean = boolean;
export type Scalar = string | number | boolean;
export type Command = string | [Scalar, ...Scalar[]];
export type Text = string;
export type Port = number | 'auto';
export type Dependency = Condition | DependencyEntry;
export type Condition = 'started' | 'ready' | 'completed' | 'completed-successfully' | 'log';
export type Duration = string;
export type Regex = string;
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
export type Size = string | number;
export type Hook = Command | HookEntry;

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
  labels?:
    | {
        [k: string]: Scalar;
      }
    | string[];
  /**
   * What runs the service. `auto` (default) takes the one that fits; at present that is always `native`.
   */
  backend?: 'auto' | 'native';
  /**
   * The program. A string is run by the shell; a list is executed as it is, without a shell. Only `${...}` is interpolated here, so that `$PATH` and `$1` reach the shell.
   */
  command?: Command;
  /**
   * The shell for a `command` string: its path (`-c` is added) or a list to which the command is added as the last argument. Default `[/bin/sh, -c]`.
   */
  shell?: Command;
  /**
   * The working directory, relative to the file that names it. Default: the manifest's folder.
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
   * What of the caller's environment the service gets below its own: all of it (`true`, the default), nothing (`false`), or these names.
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
   * The TCP ports the service listens on, by name; `auto` picks a free one. The first is exported as PORT, each as NAME_PORT. Instance n of a service with a fixed port gets that port + n - 1. A list of ports is understood, too.
   */
  ports?:
    | {
        [k: string]: Port;
      }
    | (number | string)[];
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
   * Tells when the service is ready: those that depend on it being `ready` start then. One of `exec`, `http`, `tcp`, `log`, `notify`.
   */
  ready?: Probe;
  /**
   * Tells whether the service still works: one that fails is stopped, and started again under its `restart` policy. One of `exec`, `http`, `tcp`, `notify`.
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
   * Resource limits: of each process, set with setrlimit(2); `memory` and `cpus` of the service as a whole, by a control group.
   */
  limits?: Limits;
  /**
   * The user to run as, by name or number. Needs the right to change the user.
   */
  user?: string | number;
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
export interface Probe {
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
   * Default 127.0.0.1.
   */
  host?: Text;
  /**
   * Default `http`.
   */
  scheme?: 'http' | 'https';
  /**
   * Default GET.
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
   * Default 127.0.0.1.
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
