import { err, ok, type Result } from '../../core/util/result.ts';
import type { StartFailure } from '../../core/exit.ts';
import type { RunPaths } from '../../ports/encloser.ts';
import { layOut } from './layout.ts';
import {
  type SandboxedLaunch,
  type SandboxLayout,
  type MachineFacts,
  type FilesystemEntry,
} from './filesystem.ts';

/**
 * What root keeps of its capabilities(7) in the default profile: what a service does to files and users of its own.
 * Without CAP_SYS_ADMIN nothing can be mounted anew, without CAP_SYS_PTRACE no other process be entered.
 */
const ROOT_CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETGID',
  'CAP_SETUID',
];

/**
 * Files of the kernel that root may write to by its mere number, whatever its capabilities. bwrap covers some of them, but
 * not /proc/sys, which it takes for read-only by the mode of the folder.
 */
const KERNEL_FILES = ['sys', 'sysrq-trigger', 'fs', 'acpi', 'scsi', 'mtrr', 'latency_stats'];

const TEMPORARY = ['TMPDIR', 'TMP', 'TEMP', 'TEMPDIR'];

/**
 * The options of bwrap(1), without the `--` that ends them, for a launch that has mounts or a sandbox.
 *
 * The launcher stands behind them, not the service's command behind the launcher. For bwrap stays outside as a parent
 * that passes no signal on and dies of each that its process group gets: the launcher would see the end of bwrap and
 * take it for the service's, whose own status nobody would ever know. Within, the launcher is the service's parent as
 * ever.
 *
 * - `--new-session`: the launcher leads its process group, and the parent outside is not in it.
 * - No `--die-with-parent`: a service outlives the daemon.
 * - A sandbox has a process namespace of its own: without it root, or another service of the same user, could be entered
 *   by ptrace(2), and anybody's process be signalled.
 * - `--as-pid-1`: the launcher is the first process in there. It has handlers for all signals, waits for whoever loses its
 *   parent, and the kernel ends the rest with it. A reaper of bwrap's own would hold on to the status.
 */
export function bwrapArgs(
  launch: SandboxedLaunch,
  own: RunPaths,
  facts: MachineFacts,
): Result<{ readonly args: readonly string[]; readonly layout: SandboxLayout }, StartFailure> {
  const layout = layOut(launch, own, facts);
  if (!layout.ok) return layout;
  const failure =
    checkOptions(layout.value, facts) ?? checkNetwork(launch) ?? checkWhere(launch, layout.value);
  if (failure !== undefined) return err(failure);
  const args = [
    '--new-session',
    ...isolationArgs(launch, facts),
    ...rootArgs(launch, layout.value),
    ...layout.value.entries.flatMap((place) => placeArgs(place, facts)),
    ...(launch.sandbox !== undefined && facts.root ? KERNEL_FILES.flatMap(readOnly) : []),
    ...temporaryArgs(launch, layout.value),
    '--chdir',
    launch.cwd,
  ];
  return ok({ args, layout: layout.value });
}

function isolationArgs({ sandbox, user, tty }: SandboxedLaunch, facts: MachineFacts): readonly string[] {
  if (sandbox === undefined) return [];
  const strict = sandbox.profile === 'strict';
  return [
    '--unshare-pid',
    '--as-pid-1',
    ...(sandbox.network ? [] : ['--unshare-net']),
    ...(strict ? ['--unshare-ipc', '--unshare-uts'] : []),
    ...(facts.root ? capabilityArgs(strict, user !== undefined, tty === true) : []),
    // For root it would be one with root alone in it, and no other user to become.
    ...(strict && !facts.root ? ['--unshare-user'] : []),
    ...(strict && !facts.root && facts.options.has('--disable-userns') ? ['--disable-userns'] : []),
  ];
}

/** Any but root has none in there anyway. setpriv(1) gives up the last ones with the change of the user. */
function capabilityArgs(strict: boolean, changesUser: boolean, tty: boolean): readonly string[] {
  const forUser = changesUser ? ['CAP_SETGID', 'CAP_SETUID', ...(tty ? ['CAP_CHOWN'] : [])] : [];
  const kept = strict ? forUser : ROOT_CAPABILITIES;
  return ['--cap-drop', 'ALL', ...kept.flatMap((name) => ['--cap-add', name])];
}

function rootArgs({ sandbox }: SandboxedLaunch, { root }: SandboxLayout): readonly string[] {
  if (sandbox === undefined) return root === 'whole' ? ['--dev-bind', '/', '/'] : [];
  const whole = root === 'whole' ? ['--ro-bind', '/', '/'] : [];
  return [...whole, '--proc', '/proc', '--dev', '/dev'];
}

function placeArgs(place: FilesystemEntry, { options }: MachineFacts): readonly string[] {
  switch (place.kind) {
    case 'link':
      return ['--symlink', place.text, place.target];
    case 'bind': {
      const option = { read: '--ro-bind', write: '--bind', device: '--dev-bind' }[place.access];
      return [option, place.source, place.target];
    }
    case 'tmpfs': {
      const { mode, size, target } = place;
      const perms = mode !== undefined && options.has('--perms') ? ['--perms', octal(mode)] : [];
      return [...perms, ...(size === undefined ? [] : ['--size', String(size)]), '--tmpfs', target];
    }
  }
}

function readOnly(name: string): readonly string[] {
  return ['--ro-bind-try', `/proc/${name}`, `/proc/${name}`];
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** A folder for temporary files that cannot be written to in there gives way to the private one. */
function temporaryArgs({ sandbox, env }: SandboxedLaunch, layout: SandboxLayout): readonly string[] {
  if (sandbox === undefined) return [];
  return TEMPORARY.filter((name) => {
    const folder = env[name];
    return folder !== undefined && folder !== '' && !layout.mayWrite(folder);
  }).flatMap((name) => ['--setenv', name, '/tmp']);
}

function checkOptions(layout: SandboxLayout, { options }: MachineFacts): StartFailure | undefined {
  const lacking = layout.entries.some(
    (place) => place.kind === 'tmpfs' && place.size !== undefined && !options.has('--size'),
  );
  if (!lacking) return undefined;
  return {
    code: 'sandbox-unavailable',
    message: 'the installed bwrap cannot bound the size of a tmpfs mount',
    help: 'install bubblewrap 0.7 or later, or leave out `size`',
  };
}

export function checkNetwork({
  sandbox,
  ports,
}: Pick<SandboxedLaunch, 'sandbox' | 'ports'>): StartFailure | undefined {
  const [name] = Object.keys(ports);
  if (sandbox === undefined || sandbox.network || name === undefined) return undefined;
  return {
    code: 'sandbox-unavailable',
    message: `port \`${name}\` could not be reached by anybody: \`sandbox.network\` is false`,
    help: 'allow the network, leave out `ports`, or serve a Unix `socket`',
  };
}

/** Told here, for a shell within would end with 127 and no word that anybody reads. */
function checkWhere({ argv, cwd, env }: SandboxedLaunch, layout: SandboxLayout): StartFailure | undefined {
  if (!layout.sees(cwd)) {
    return {
      code: 'sandbox-unavailable',
      message: `the working directory ${cwd} is not there in the sandbox`,
      help: 'add it to `sandbox.read`, or correct `cwd`',
    };
  }
  const program = argv[0] ?? '';
  const candidates = program.includes('/')
    ? [program.startsWith('/') ? program : `${cwd}/${program}`]
    : (env['PATH'] ?? '').split(':').map((folder) => `${folder}/${program}`);
  if (candidates.some((path) => path.startsWith('/') && layout.sees(path))) return undefined;
  return {
    code: 'missing-program',
    message: `program ${program} is not there in the sandbox`,
    help: 'add its folder to `sandbox.read`',
  };
}

/** Whether a launch needs bwrap(1) at all. */
export function needsBwrap({ mounts, sandbox }: Pick<SandboxedLaunch, 'mounts' | 'sandbox'>): boolean {
  return mounts.length > 0 || sandbox !== undefined;
}
