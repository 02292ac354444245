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
export type Condition = 'started' | 'completed' | 'completed-successfully';
export type Duration = string;
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
export type Umask = string | number;
export type Count = number;
export type Size = string | number;
export type Hook = Command | HookEntry;
export type Regex = string;

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
   * What follows an end of the process. `never`: nothing. `on-failure` (default): a failed one is started again. `always`: started again in any case. `unless-stopped`: like `always`, but one that a person stopped stays so when the daemon comes back.
   */
  restart?: 'never' | 'on-failure' | 'always' | 'unless-stopped';
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
   * How many instances run. Default 1.
   */
  replicas?: number;
  /**
   * The file mode creation mask, as three or four octal digits.
   */
  umask?: Umask;
  /**
   * Resource limits of each process, set with setrlimit(2).
   */
  limits?: Limits;
  /**
   * The user to run as, by name or number. Needs the right to change the user.
   */
  user?: string | number;
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
