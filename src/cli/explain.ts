import type { DaemonClient } from '../client/types.ts';
import type { ExplainResponse, TimelineResponse } from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import { closing, locate, notRunning, reach, type Common, type Format } from './common.ts';
import { fail, writeJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { explainFacts, nextSteps, verdicts } from '../words/explain-facts.ts';
import { palette } from '../words/colour.ts';
import { eventText } from '../words/events.ts';
import { clockTime, oneLine } from '../words/text.ts';
import { timelineText } from '../words/timeline.ts';
import { padEnd } from '../words/width.ts';
import { widest } from '../words/table.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { displayNames } from '../words/instances.ts';
import { unknownName } from './view.ts';

export interface ExplainOptions {
  readonly timeline: boolean;
  readonly format: Format;
}

/** How much of the journal is shown where no daemon chooses. */
const HISTORY = 20;

/** Says what a service does, why, and what comes next; or, with `timeline`, how everything came up. */
export async function explain(
  common: Common,
  service: string | undefined,
  options: ExplainOptions,
): Promise<ExitStatus> {
  const { context } = common;
  if (service === undefined && !options.timeline) {
    const next = '`setpoint explain SERVICE`, or `setpoint explain --timeline` for how everything came up';
    return fail(context, { message: 'which service is to be explained?', next }, EXIT.usage);
  }
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const client = await reach(common, located.value);
  if (client === undefined) {
    if (service === undefined || options.timeline) return notRunning(context, located.value);
    return fromJournal(common, located.value, service, options);
  }
  return closing(client, async () => {
    if (options.timeline) return explainTimeline(common, client, service, options);
    const answer = await client.explain(service ?? '');
    if (options.format === 'json')
      writeJson(context, { ...answer, verdicts: verdicts(answer), next: nextSteps(answer) });
    else context.stdout.write(explainText(answer, context.color, context.now()));
    return EXIT.ok;
  });
}

async function explainTimeline(
  { context }: Common,
  client: DaemonClient,
  service: string | undefined,
  { format }: ExplainOptions,
): Promise<ExitStatus> {
  const [timeline, snapshot] = await Promise.all([client.timeline(), client.snapshot()]);
  const problem = unknownName(snapshot, service === undefined ? [] : [service]);
  if (problem !== undefined) return fail(context, problem, EXIT.usage);
  const shown = service === undefined ? timeline : timelineOf(timeline, service);
  if (format === 'json') writeJson(context, shown);
  else {
    const names = displayNames(snapshot);
    const view = { names, width: context.columns(), colours: palette(context.color) };
    context.stdout.write(timelineText(shown, view));
  }
  return EXIT.ok;
}

/** The rows of a service (or instance) and of all that it waited for, directly or not. */
export function timelineOf(timeline: TimelineResponse, name: string): TimelineResponse {
  const wanted = new Set<string>();
  const todo = timeline.rows.filter((row) => row.service === name || row.instance === name);
  for (let row = todo.pop(); row !== undefined; row = todo.pop()) {
    if (wanted.has(row.instance)) continue;
    wanted.add(row.instance);
    for (const { service } of row.waitedFor)
      todo.push(...timeline.rows.filter((other) => other.service === service));
  }
  const rows = timeline.rows.filter(({ instance }) => wanted.has(instance));
  const { doneAt: _whole, ...rest } = timeline;
  const ends = rows.flatMap(({ doneAt }) => (doneAt === undefined ? [] : [doneAt]));
  const isOver = rows.length > 0 && ends.length === rows.length;
  return { ...rest, ...(isOver ? { doneAt: Math.max(...ends) } : {}), rows };
}

export function explainText(answer: ExplainResponse, color: boolean, now: number): string {
  const colours = palette(color);
  const lines = verdicts(answer).map(({ text }) => colours.bold(oneLine(text)));
  if (lines.length === 0) lines.push(colours.bold(`${answer.service.id} has no instances`));
  if (answer.history.length > 0)
    lines.push('', ...historyLines(answer.history, answer.service.instances.length > 1, color));
  lines.push('');
  const facts = explainFacts(answer, now);
  facts.forEach(([key, value], index) => {
    const shown = key === facts[index - 1]?.[0] ? '' : key;
    lines.push(`  ${colours.dim(padEnd(shown, 12))}  ${value}`);
  });
  return `${lines.join('\n')}\n`;
}

function historyLines(history: readonly ProjectEvent[], named: boolean, color: boolean): string[] {
  const colours = palette(color);
  const told = history.map((happening) => ({ happening, ...eventText(happening) }));
  const nameWidth = named ? widest(history.map(({ instance }) => instance ?? '')) + 2 : 0;
  const verbWidth = widest(told.map(({ verb }) => verb));
  const detailWidth = Math.min(36, widest(told.map(({ detail }) => detail)));
  return told.map(({ happening, verb, detail, why }) =>
    `  ${colours.dim(clockTime(happening.time))}  ${padEnd(named ? (happening.instance ?? '') : '', nameWidth)}${padEnd(verb, verbWidth)}  ${padEnd(detail, detailWidth)}  ${why}`.trimEnd(),
  );
}

async function fromJournal(
  { context, services }: Common,
  location: ProjectLocation,
  service: string,
  options: ExplainOptions,
): Promise<ExitStatus> {
  const history = await services.journal(location, HISTORY, service);
  if (history.length === 0) {
    return fail(
      context,
      {
        message: `${location.name} is not running, and nothing is recorded of \`${service}\``,
        next: '`setpoint up` starts it',
      },
      EXIT.notRunning,
    );
  }
  if (options.format === 'json') writeJson(context, { service, phase: 'down', history });
  else {
    const head = `${location.name} is not running. The last that happened to ${service}:`;
    context.stdout.write(`${[head, '', ...historyLines(history, true, context.color)].join('\n')}\n`);
  }
  return EXIT.ok;
}
