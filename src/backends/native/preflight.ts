import { accessSync, constants, statSync } from 'node:fs';
import type { ConcreteLaunch } from '../../core/launch.ts';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { RunId } from '../../core/state.ts';
import { errnoOf } from '../../core/util/system-error.ts';
import type { Encloser, PreparedEnclosure } from '../../ports/encloser.ts';
import { COOKIE } from '../../host/unit-scan.ts';
import { planLimits } from './limits.ts';
import { planNice } from './niceness.ts';
import { findReceivers, type ReceiverProgram } from './notify-receiver.ts';
import { findPortHolder, isPortTaken } from '../../host/ports.ts';
import { findProgram, type ToHostPath, programFailure, type ProgramFinder } from '../../host/programs.ts';
import { clearSocket } from './socket-file.ts';
import { SHELL } from './start-failures.ts';
import { DEFAULT_TERM, findTerminalTools, type TerminalTools } from './terminal.ts';
import { planUser } from './users.ts';

/** What is handed to the launcher once all checks are passed. */
export interface CheckedLaunch {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** For the launcher's `ulimit`. */
  readonly limits: string;
  /** Where the launch asks for a terminal. */
  readonly terminal?: TerminalTools;
  /** Where the launch asks for sd_notify. */
  readonly receivers?: readonly ReceiverProgram[];
  /** Who the service runs as, where that is another than this one. */
  readonly uid?: number;
  readonly owner?: Owner;
  /** Where the launch asks for mounts or a sandbox. */
  readonly enclosing?: PreparedEnclosure;
  /** A command to put before all else. */
  readonly nice: readonly string[];
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface PreflightRequest {
  readonly run: RunId;
  readonly launch: ConcreteLaunch;
  readonly requires: readonly string[];
  readonly instanceDir: string;
}

interface Means {
  readonly programs: ProgramFinder;
  /** This process's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly encloser: Encloser | undefined;
}

/**
 * Finds out before a process is made what would keep it from running, each hindrance told apart. Has one effect: a stale
 * socket is removed.
 */
export async function preflight(
  request: PreflightRequest,
  { programs, env: daemonEnv, encloser }: Means,
): Promise<Result<CheckedLaunch, StartFailure>> {
  const toolPath = daemonEnv['PATH'];
  const odd = checkText(request.launch);
  if (odd !== undefined) return err(odd);
  const user = await asUser(request.launch, daemonEnv);
  if (!user.ok) return user;
  const launch = { ...request.launch, env: { ...request.launch.env, ...user.value.env } };
  const enclosing = await prepareEnclosure(launch, request.instanceDir, encloser);
  if (!enclosing.ok) return enclosing;
  const hostPath = enclosing.value?.hostPath;
  const failure = checkCwd(launch.cwd, hostPath) ?? checkPrograms({ ...request, launch }, programs, hostPath);
  if (failure !== undefined) return err(failure);
  const limits = planLimits(launch.limits, toolPath);
  if (!limits.ok) return limits;
  const nice = planNice(launch.nice, programs, toolPath);
  if (!nice.ok) return nice;
  const helpers = findHelpers(launch, programs, toolPath, user.value.owner?.uid);
  if (!helpers.ok) return helpers;
  const blocked =
    (launch.socket === undefined ? undefined : await clearSocket(launch.socket)) ??
    (await checkPorts(launch.ports));
  if (blocked !== undefined) return err(blocked);
  const term = launch.tty === true && launch.env['TERM'] === undefined ? { TERM: DEFAULT_TERM } : {};
  const env = { ...launch.env, ...term, [COOKIE]: request.run };
  const command = withOddNames(shellSafe(launch, programs, hostPath), env, toolPath);
  if (!command.ok) return command;
  const { prefix, owner } = user.value;
  const cleared: CheckedLaunch = {
    argv: [...limits.value.prefix, ...prefix, ...command.value],
    env,
    limits: limits.value.words,
    nice: nice.value,
    ...helpers.value,
    ...(owner === undefined ? {} : { owner }),
    ...(enclosing.value === undefined ? {} : { enclosing: enclosing.value }),
  };
  const unseen = checkTools(cleared, hostPath);
  return unseen === undefined ? ok(cleared) : err(unseen);
}

/** Where nobody can make mounts and sandboxes, a launch that asks for them is not started without. */
async function prepareEnclosure(
  launch: ConcreteLaunch,
  instanceDir: string,
  encloser: Encloser | undefined,
): Promise<Result<PreparedEnclosure | undefined, StartFailure>> {
  if (launch.mounts.length === 0 && launch.sandbox === undefined) return ok(undefined);
  if (encloser !== undefined) return encloser.prepare(launch, { read: [instanceDir], write: [] });
  return err({ code: 'sandbox-unavailable', message: 'mounts and sandboxes cannot be had here' });
}

/** Programs of the machine that are put before the service's have to be there in the enclosure, too. */
function checkTools(
  { argv, terminal }: CheckedLaunch,
  hostPath: ToHostPath | undefined,
): StartFailure | undefined {
  if (hostPath === undefined) return undefined;
  const tools = [SHELL, argv[0] ?? '', terminal?.script, terminal?.stty, terminal?.chown];
  const unseen = tools.find((path) => path?.startsWith('/') === true && hostPath(path) === undefined);
  if (unseen === undefined) return undefined;
  return {
    code: 'sandbox-unavailable',
    message: `${unseen}, which starts the service, is not there in the sandbox`,
    help: 'add its folder to `sandbox.read`',
  };
}

/** What other programs the launch takes besides its own. */
function findHelpers(
  launch: ConcreteLaunch,
  programs: ProgramFinder,
  toolPath: string | undefined,
  uid: number | undefined,
): Result<Pick<CheckedLaunch, 'terminal' | 'receivers' | 'uid'>, StartFailure> {
  const terminal =
    launch.tty === true ? findTerminalTools(programs, toolPath, uid !== undefined) : ok(undefined);
  if (!terminal.ok) return terminal;
  const receivers = launch.notify === undefined ? ok(undefined) : findReceivers(programs, toolPath);
  if (!receivers.ok) return receivers;
  return ok({
    ...(terminal.value === undefined ? {} : { terminal: terminal.value }),
    ...(receivers.value === undefined ? {} : { receivers: receivers.value }),
    ...(uid === undefined ? {} : { uid }),
  });
}

function checkCwd(cwd: string, hostPath: ToHostPath | undefined): StartFailure | undefined {
  const place = hostPath === undefined ? cwd : hostPath(cwd);
  // A folder in memory, which is there once the service is.
  if (place === undefined) return undefined;
  try {
    if (!statSync(place).isDirectory())
      return { code: 'missing-cwd', message: `working directory ${cwd} is not a directory` };
    accessSync(place, constants.X_OK);
    return undefined;
  } catch (cause) {
    const code = errnoOf(cause) ?? 'unknown error';
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return {
        code: 'missing-cwd',
        message: `working directory ${cwd} does not exist`,
        help: `create it, or correct \`cwd\``,
      };
    }
    return {
      code: 'missing-cwd',
      message: `working directory ${cwd} cannot be entered (${code})`,
      help: 'mend its permissions, or correct `cwd`',
    };
  }
}

/** The values may be secret, so only the place is named. */
function checkText(launch: ConcreteLaunch): StartFailure | undefined {
  const argument = launch.argv.findIndex((arg) => arg.includes('\0'));
  if (argument >= 0)
    return { code: 'other', message: `argument ${argument} of the command holds a NUL byte` };
  const variable = Object.entries(launch.env).find(([name, value]) => `${name}${value}`.includes('\0'))?.[0];
  if (variable === undefined) return undefined;
  return { code: 'other', message: `environment variable ${JSON.stringify(variable)} holds a NUL byte` };
}

function checkPrograms(
  request: PreflightRequest,
  programs: ProgramFinder,
  hostPath: ToHostPath | undefined,
): StartFailure | undefined {
  const { launch, requires } = request;
  const path = launch.env['PATH'];
  const missing = requires.filter((name) => programs.find(name, path, launch.cwd, hostPath).kind !== 'found');
  if (missing.length > 0) {
    return {
      code: 'missing-requirement',
      message: `required ${missing.length === 1 ? 'program is' : 'programs are'} not on the service's PATH: ${missing.join(', ')}`,
      help: `install ${missing.length === 1 ? 'it' : 'them'}, or add the folder to \`path\`; PATH is ${path ?? 'not set'}`,
    };
  }
  const program = launch.argv[0] ?? '';
  return programFailure(program, programs.find(program, path, launch.cwd, hostPath), path);
}

interface UserPart {
  readonly prefix: readonly string[];
  /** Absent where it is the user that is there already. */
  readonly owner?: Owner;
  readonly env: Readonly<Record<string, string>>;
}

async function asUser(
  launch: ConcreteLaunch,
  daemonEnv: Readonly<Record<string, string | undefined>>,
): Promise<Result<UserPart, StartFailure>> {
  if (launch.user === undefined) return ok({ prefix: [], env: {} });
  const invoker = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, path: daemonEnv['PATH'] };
  const plan = await planUser(launch.user, invoker);
  if (!plan.ok) return plan;
  // A value that differs from our own was declared, and stands.
  const undeclared = Object.entries(plan.value.env).filter(([name]) => {
    const present = launch.env[name];
    return present === undefined || present === daemonEnv[name];
  });
  const { prefix, owner } = plan.value;
  return ok({
    prefix,
    env: Object.fromEntries(undeclared),
    ...(owner === undefined || owner.uid === invoker.uid ? {} : { owner }),
  });
}

async function checkPorts(ports: Readonly<Record<string, number>>): Promise<StartFailure | undefined> {
  for (const [name, port] of Object.entries(ports)) {
    if (!(await isPortTaken(port))) continue;
    const holder = await findPortHolder(port);
    const who = holder === undefined ? 'another process' : `${holder.name} (pid ${holder.pid})`;
    return {
      code: 'port-taken',
      message: `port ${port} (${name}) is taken by ${who}`,
      help: 'stop that process, choose another port, or use `auto`',
    };
  }
  return undefined;
}

/** A shell would take a leading `-` for an option of exec, and look in a place of its own where there is no PATH. */
function shellSafe(
  launch: ConcreteLaunch,
  programs: ProgramFinder,
  hostPath: ToHostPath | undefined,
): readonly string[] {
  const [program = '', ...args] = launch.argv;
  const path = launch.env['PATH'];
  if (path !== undefined && !program.startsWith('-')) return launch.argv;
  const found = programs.find(program, path, launch.cwd, hostPath);
  return found.kind === 'found' ? [found.path, ...args] : launch.argv;
}

const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Shells do not pass on variables whose names they cannot have themselves, such as `my.var`: env(1) sets those anew. */
function withOddNames(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  toolPath: string | undefined,
): Result<readonly string[], StartFailure> {
  const odd = Object.entries(env).filter(([name]) => !SHELL_NAME.test(name));
  if (odd.length === 0) return ok(argv);
  const tool = findProgram('env', toolPath, '/');
  if (tool.kind !== 'found' || argv[0]?.includes('=') === true) {
    const names = odd.map(([name]) => JSON.stringify(name)).join(', ');
    return err({
      code: 'other',
      message: `environment variables cannot be passed on through a shell: ${names}`,
    });
  }
  return ok([tool.path, '--', ...odd.map(([name, value]) => `${name}=${value}`), ...argv]);
}
