import type { DaemonClient } from '../client/types.ts';
import type { CliContext, Problem } from './context.ts';
import { problemText } from './context.ts';
import { logText, oneLine } from '../words/text.ts';
import type { Culprit } from './up-progress.ts';

/** How much of a culprit's output is shown, and for how many of them. */
const TAIL_LINES = 10;
const MAX_CULPRITS = 3;

/** How many happenings are looked through for the begin of a run. */
const RECENT = 500;

/** The time of a line may be told this much before the process was known to have begun. */
const SLACK_MS = 20;

/** Says on stderr which instances are to blame, why, and what they wrote last. */
export async function reportCulprits(
  context: CliContext,
  client: DaemonClient,
  culprits: readonly Culprit[],
): Promise<void> {
  for (const { name, instance, reason, kept } of culprits.slice(0, MAX_CULPRITS)) {
    const cause = kept === true ? '' : oneLine(instance.lastCause ?? '');
    const said = oneLine(reason);
    const problem: Problem = {
      message: `${name}: ${said}`,
      ...(said.includes(cause) ? {} : { where: cause }),
    };
    context.stderr.write(problemText(problem, context.color));
    const tail = kept === true ? [] : await lastLines(client, instance.id);
    if (tail.length > 0) {
      context.stderr.write(`  last lines of its stderr:\n${tail.map((line) => `    | ${line}\n`).join('')}`);
    }
    const next = kept === true ? '`setpoint up` tries it again' : `\`setpoint logs ${name}\``;
    context.stderr.write(`  next: \`setpoint explain ${instance.service}\`, ${next}\n`);
  }
  const more = culprits.length - MAX_CULPRITS;
  if (more > 0) context.stderr.write(`and ${more} more: \`setpoint status\` names them\n`);
}

/** Empty where there are none, or where the daemon cannot tell. */
async function lastLines(client: DaemonClient, instance: string): Promise<string[]> {
  const lines: string[] = [];
  try {
    const since = await beginOfLastRun(client, instance);
    const query = {
      select: { names: [instance], labels: [] },
      tail: TAIL_LINES,
      follow: false,
      stream: 'stderr',
      ...(since === undefined ? {} : { since }),
    } as const;
    for await (const { text } of client.logs(query)) lines.push(logText(text, false));
  } catch {
    // The reason was said already; its last words are extra.
    return lines;
  }
  return lines.slice(-TAIL_LINES);
}

/** Epoch ms; undefined where it is not among what happened lately. */
async function beginOfLastRun(client: DaemonClient, instance: string): Promise<number | undefined> {
  let ended: { readonly time: number; readonly ranMs: number } | undefined;
  for await (const happening of client.events({ limit: RECENT, follow: false })) {
    if (happening.type === 'instance-exited' && happening.instance === instance) {
      ended = { time: happening.time, ranMs: happening.ranMs };
    }
  }
  return ended === undefined ? undefined : ended.time - ended.ranMs - SLACK_MS;
}
