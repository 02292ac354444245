import type { Proc } from '../ports/backend.ts';
import type { CommandRunner } from '../ports/commands.ts';

/**
 * Runs commands within a unit that is not on the machine, in its own environment and folder: of a request's `env` only
 * what is to be set besides, and `cwd` not at all. Undefined where commands for the unit run on the machine.
 */
export function runnerWithin(proc: Proc | undefined): CommandRunner | undefined {
  if (proc?.exec === undefined) return undefined;
  const exec = proc.exec.bind(proc);
  return {
    run: ({ argv, env, timeoutMs, signal }) =>
      exec(argv, { env, timeoutMs, ...(signal === undefined ? {} : { signal }) }),
  };
}
