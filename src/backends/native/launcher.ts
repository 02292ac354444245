import { constants } from 'node:os';
import type { Limits } from '../../core/service.ts';
import type { RunId } from '../../core/state.ts';
import { BATCH_FDS } from './batch-spawner.ts';

/** Files of an instance's directory that the launcher and the backend share. */
export const FILES = {
  script: 'launcher.sh',
  /** FIFO held open by the launcher: its end tells a reader that the launcher is gone. */
  alive: 'alive',
  /**
   * The launcher's stderr, emptied before a start. In order: `begun RUN BOOT-ID LAUNCHER-PID SERVICE-PID`, right before
   * the service begins, the boot id followed by `OWN_PIDS` where the pids are not the machine's; what the shell
   * itself has to say; at the end `ended RUN STATUS`, the status as the shell has it:
   * 128 + n for signal n. One file, because making one costs a third of a millisecond on a journalled filesystem.
   */
  exit: 'exit',
  /** FIFO that is the service's standard input, where it asks for one. Another one for each run. */
  stdin: 'stdin',
  /** What the run has said by sd_notify, as its receiver keeps it. */
  notify: 'notify',
  /** The receiver's socket, where the path is short enough and the service may come here. */
  notifySocket: 'notify.sock',
} as const;

/** Ends the boot id in the record of a launcher in a pid namespace of its own; no boot id holds it. */
export const OWN_PIDS = '+pids';

/** The launcher's status when a limit could not be set, or a control group not be entered; the shell says why. */
export const LIMIT_REFUSED = 125;

/**
 * Place in `stdio` of what the launcher expects beside the standard three. `inputKeeper` is the writing end of the FIFO
 * that is the service's standard input, where there is one: the launcher never uses it, but as long as it holds it the
 * service does not see the end of its input.
 */
const LAUNCHER_FDS = { alive: 3, serviceStderr: 4, inputKeeper: 5 } as const;

/**
 * Place in `stdio` of what an enclosed launcher gets as its standard output and input: the program around it is given
 * neither.
 */
export const ENCLOSED_FDS = { stdout: 6, stdin: 7 } as const;

/** Signals that cannot be caught, and those whose default does not end a process. */
const UNTRAPPED = new Set(['SIGKILL', 'SIGSTOP', 'SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH']);

function trappedSignals(): string {
  const numbers = Object.entries(constants.signals).flatMap(([name, number]) =>
    UNTRAPPED.has(name) ? [] : [number],
  );
  return [...new Set(numbers)].sort((a, b) => a - b).join(' ');
}

/**
 * The launcher, for any POSIX shell (tried with dash, bash and busybox): builtins only, so that it costs one fork and
 * one exec.
 *
 * - It is a file and not the argument of `sh -c` because bash says which signal ended a job only when it reads a file;
 *   and it is one function, so that the shell has read all of it before it runs any.
 * - The traps are handlers, not `''`: the launcher outlives a signal to the group, and exec gives the service the default.
 * - `$$` is the launcher's pid in a subshell, too. Of /proc/self/status it reads only the first lines, for shells read a
 *   byte at a time.
 * - The service runs in the foreground: in the background a shell makes it ignore SIGINT and SIGQUIT.
 * - Made by a shell and not by the daemon (`batch-spawner.ts`), it first says that it is there, and lets go of the fence.
 * - Control groups are entered by the subshell, which becomes the service; the launcher stays outside.
 * - The shell reports a death by signal on its stderr (save SIGINT's and SIGPIPE's): so 137 and SIGKILL are told apart.
 */
export function launcherScript(): string {
  return `main() {
  trap : ${trappedSignals()}
  if [ -n "$5" ]
  then
    printf 'launcher %s %s\\n' "$1" "$$" 2>/dev/null >&${BATCH_FDS.announce}
    exec ${BATCH_FDS.announce}>&- ${BATCH_FDS.fence}>&-
  fi
  (
    if [ -r /proc/self/status ]
    then
      while read -r _setpoint_key _setpoint_pid; do
        if [ "$_setpoint_key" = Tgid: ]; then break; fi
      done </proc/self/status
    else _setpoint_pid=$(exec /bin/sh -c 'printf %s "$PPID"')
    fi
    printf 'begun %s %s %s %s\\n' "$1" "$2" "$$" "$_setpoint_pid" >&2
    _setpoint_umask=$3 _setpoint_limits=$4
    shift 5
    while [ "$1" != -- ]; do
      printf 0 >"$1" || exit ${LIMIT_REFUSED}
      shift
    done
    shift
    if [ -n "$_setpoint_umask" ]; then umask "$_setpoint_umask"; fi
    for _setpoint_limit in $_setpoint_limits; do
      case $_setpoint_limit in
        u=*) ulimit -u "\${_setpoint_limit#u=}" 2>/dev/null || ulimit -p "\${_setpoint_limit#u=}" || exit ${LIMIT_REFUSED} ;;
        *) ulimit "-\${_setpoint_limit%%=*}" "\${_setpoint_limit#*=}" || exit ${LIMIT_REFUSED} ;;
      esac
    done
    exec "$@" ${LAUNCHER_FDS.alive}>&- 2>&${LAUNCHER_FDS.serviceStderr} ${LAUNCHER_FDS.serviceStderr}>&- ${LAUNCHER_FDS.inputKeeper}>&-
  )
  _setpoint_status=$?
  printf 'ended %s %s\\n' "$1" "$_setpoint_status" >&2
  exit "$_setpoint_status"
}
main "$@"
`;
}

interface LauncherArgs {
  readonly scriptPath: string;
  readonly run: RunId;
  readonly bootId: string;
  /** Whether it will be in a pid namespace of its own. */
  readonly ownPids?: boolean;
  /** Octal digits; '' leaves it as it is. */
  readonly umask: string;
  /** As `ulimitWords` makes it. */
  readonly limits: string;
  /** One of many that a shell makes at once: it announces itself. */
  readonly announces?: boolean;
  /** Files of control groups that the service's process writes itself into. */
  readonly joins?: readonly string[];
  readonly argv: readonly string[];
}

/** The arguments of /bin/sh. */
export function launcherArgs(args: LauncherArgs): string[] {
  const { scriptPath, run, bootId, ownPids = false, umask, limits, announces = false } = args;
  const boot = ownPids ? bootId + OWN_PIDS : bootId;
  const announce = announces ? 'announce' : '';
  return [scriptPath, run, boot, umask, limits, announce, ...(args.joins ?? []), '--', ...args.argv];
}

/** POSIX leaves these in blocks of 512 bytes; the others of bytes are in KiB everywhere. */
const ULIMITS: readonly { readonly name: keyof Limits; readonly flag: string; readonly unit: number }[] = [
  { name: 'open_files', flag: 'n', unit: 1 },
  { name: 'processes', flag: 'u', unit: 1 },
  { name: 'cpu_time', flag: 't', unit: 1 },
  { name: 'core_size', flag: 'c', unit: 512 },
  { name: 'stack_size', flag: 's', unit: 1024 },
  { name: 'locked_memory', flag: 'l', unit: 1024 },
  { name: 'address_space', flag: 'v', unit: 1024 },
  // The last one: once it is set, the shell can write no longer than this either.
  { name: 'file_size', flag: 'f', unit: 512 },
];

/** Limits as the launcher takes them, `n=64 c=0`, and the names of those that a shell cannot express exactly. */
export function ulimitWords(limits: Limits): {
  readonly words: string;
  readonly inexact: readonly (keyof Limits)[];
} {
  const words: string[] = [];
  const inexact: (keyof Limits)[] = [];
  for (const { name, flag, unit } of ULIMITS) {
    const value = limits[name];
    if (value === undefined) continue;
    if (value % unit === 0) words.push(`${flag}=${value / unit}`);
    else inexact.push(name);
  }
  return { words: words.join(' '), inexact };
}
