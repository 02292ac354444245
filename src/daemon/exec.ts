import { openExecBeside } from '../backends/native/exec-session.ts';
import type { ApiError, ExecCommand } from '../core/api.ts';
import { err, type Result } from '../core/util/result.ts';
import type { ExecSession } from '../ports/backend.ts';
import type { Supervisor } from '../engine/instance/supervisor.ts';

type Failure = ApiError['error'];

/**
 * Runs a command beside an instance: in its container, or on the machine with its environment, in its folder and as its
 * user. What cannot be entered is refused, with why. Never rejects.
 */
export async function execBeside(
  supervisor: Supervisor,
  command: ExecCommand,
  toolPath: string | undefined,
): Promise<Result<ExecSession, Failure>> {
  const { ref, state, proc, unknown } = supervisor;
  if (state.kind !== 'running' || proc === undefined) {
    return err({ code: 'not-running', message: `${ref.id} does not run (${state.kind})` });
  }
  if (unknown !== undefined) {
    return err({ code: 'not-known', message: `${ref.id} cannot be reached: ${unknown}` });
  }
  if (proc.openExec !== undefined) return opened(await proc.openExec(command));
  const barred = whyBarred(supervisor, command);
  if (barred !== undefined) return err(barred);
  const pid = proc.pid();
  if (pid === undefined) {
    return err({ code: 'not-running', message: `${ref.id} has no process yet` });
  }
  const folder = supervisor.spec.launch.cwd;
  return opened(openExecBeside({ ...command, pid, folder, toolPath }));
}

function opened(result: ReturnType<typeof openExecBeside>): Result<ExecSession, Failure> {
  if (result.ok) return result;
  const { message, help } = result.error;
  return err({ code: 'not-begun', message, ...(help === undefined ? {} : { help }) });
}

/** By what it was launched with, which may not be what the manifest says now. */
function whyBarred({ ref, launched }: Supervisor, command: ExecCommand): Failure | undefined {
  const fields = Object.keys(launched.fields ?? {});
  const has = (name: string): boolean => fields.some((field) => field.startsWith(`${name}.`));
  const what = has('sandbox')
    ? 'a sandbox'
    : has('mounts')
      ? 'a file system of its own (`mounts`)'
      : undefined;
  if (what !== undefined) {
    return {
      code: 'not-enterable',
      message: `${ref.id} runs in ${what}, which no other command can enter`,
      help: 'run the command outside, without `setpoint exec`',
    };
  }
  if (command.user === undefined) return undefined;
  return {
    code: 'not-enterable',
    message: `${ref.id} is no container: a command for it runs as its own user`,
    help: 'leave out --user',
  };
}
