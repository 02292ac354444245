import type { DaemonClient } from '../client/types.ts';
import type { CliContext, Problem } from './context.ts';
import { problemText } from './context.ts';
import { logText, oneLine } from './output/text.ts';
import type { Culprit } from './up-progress.ts';

/** How much of a culprit's output is shown, and for how many of them. */
const TAIL_LINES = 10;
const MAX_CULPRITS = 3;

/** Says on stderr which instances are to blame, why, and what they wrote last. */
export async function reportCulprits(
  context: CliContext,
  client: DaemonClient,
  culprits: readonly Culprit[],
): Promise<void> {
  for (const { name, instance, reason } of culprits.slice(0, MAX_CULPRITS)) {
    const cause = instance.lastCause === undefined ? undefined : oneLine(instance.lastCause);
    const problem: Problem = {
      message: `${name}: ${oneLine(reason)}`,
      ...(cause === undefined || cause === '' ? {} : { where: cause }),
    };
    context.stderr.write(problemText(problem, context.color));
    const tail = await lastLines(client, instance.id);
    if (tail.length > 0) {
      context.stderr.write(`  last lines of its stderr:\n${tail.map((line) => `    | ${line}\n`).join('')}`);
    }
    context.stderr.write(`  next: \`setpoint explain ${instance.service}\`, \`setpoint logs ${name}\`\n`);
  }
  const more = culprits.length - MAX_CULPRITS;
  if (more > 0) context.stderr.write(`and ${more} more: \`setpoint status\` names them\n`);
}

/** Empty where there are none, or where the daemon cannot tell. */
async function lastLines(client: DaemonClient, instance: string): Promise<string[]> {
  const lines: string[] = [];
  try {
    const query = {
      select: { names: [instance], labels: [] },
      tail: TAIL_LINES,
      follow: false,
      stream: 'stderr',
    } as const;
    for await (const { text } of client.logs(query)) lines.push(logText(text, false));
  } catch {
    // The reason was said already; its last words are extra.
    return lines;
  }
  return lines.slice(-TAIL_LINES);
}
