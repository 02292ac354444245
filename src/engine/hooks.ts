import { concreteCommand } from '../core/launch.ts';
import type { Hook } from '../core/service.ts';
import type { CommandResult, CommandRunner } from '../ports/commands.ts';
import type { RunId } from '../core/state.ts';
import type { PreparedLaunch } from './run.ts';

interface HookOptions {
  readonly commands: CommandRunner;
  readonly signal: AbortSignal;
  readonly run?: RunId;
}

/**
 * Runs a hook in the service's environment and folder. `detail` says how it went, not yet masked. Aborting `signal` kills
 * it. `run`: it is a part of this run's unit, and ends with that whoever ends it. Never rejects.
 */
export async function runHook(
  name: string,
  hook: Hook,
  prepared: PreparedLaunch,
  { commands, signal, run }: HookOptions,
): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const argv = concreteCommand(hook.command, prepared.context);
  if (!argv.ok) return { ok: false, detail: argv.error };
  const result = await commands.run({
    argv: argv.value,
    cwd: prepared.launch.cwd,
    env: {
      ...prepared.launch.env,
      SETPOINT_HOOK: name,
      ...(run === undefined ? {} : { SETPOINT_RUN: run }),
    },
    timeoutMs: hook.timeoutMs,
    signal,
  });
  const last = result.output.trimEnd().split('\n').at(-1) ?? '';
  const end = describeEnd(result, hook.timeoutMs);
  return {
    ok: result.kind === 'exited' && result.code === 0,
    detail: last === '' ? end : `${end}: ${last.slice(0, 300)}`,
  };
}

function describeEnd({ kind, code, signal }: CommandResult, timeoutMs: number): string {
  switch (kind) {
    case 'exited':
      return `exit ${code ?? 0}`;
    case 'signalled':
      return `killed by ${signal ?? 'a signal'}`;
    case 'timed-out':
      return `no end within ${timeoutMs} ms`;
    case 'not-started':
      return 'could not be started';
  }
}
