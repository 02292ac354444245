import { statSync } from 'node:fs';
import { formatDuration } from '../core/util/duration.ts';
import type { CommandResult, CommandRunner } from '../ports/commands.ts';
import type { ConcreteCheck, ProbeResult } from '../ports/probes.ts';

/** Runs the command; exit status 0 is success. */
export async function lookByExec(
  commands: CommandRunner,
  { argv, cwd, env, within }: Extract<ConcreteCheck, { kind: 'exec' }>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const result = await (within ?? commands).run({ argv, cwd, env, timeoutMs, signal });
  if (result.kind === 'not-started') {
    return { ok: false, output: within === undefined ? notStarted(result.output, cwd) : result.output };
  }
  const ok = result.kind === 'exited' && result.code === 0;
  const end = ok && result.output.trim() !== '' ? {} : { end: describeEnd(result, timeoutMs) };
  return { ok, ...end, output: wholeLines(result.output) };
}

function describeEnd({ kind, code, signal }: CommandResult, timeoutMs: number): string {
  if (kind === 'timed-out') return `no end within ${formatDuration(timeoutMs)}`;
  return kind === 'signalled' ? `killed by ${signal ?? 'a signal'}` : `exit ${code ?? 0}`;
}

/** The system blames the program for a folder that is missing. */
function notStarted(why: string, cwd: string): string {
  const missing = statSync(cwd, { throwIfNoEntry: false }) === undefined;
  return missing ? `the folder ${cwd} does not exist` : `it could not be started: ${why}`;
}

/** The length at which a command's output has lost its beginning. */
const CUT_AT = 4096;

/** A first line that was cut may begin within a secret, where nobody would recognise it. */
function wholeLines(output: string): string {
  const first = output.indexOf('\n');
  return output.length < CUT_AT || first === -1 ? output : output.slice(first + 1);
}
