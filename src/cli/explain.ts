import type { ExplainResponse } from '../core/api.ts';
import type { Happening } from '../core/event.ts';
import { closing, locate, reach, type Common, type Format } from './common.ts';
import { fail, writeJson } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { palette } from './output/colour.ts';
import { tell } from './output/happening.ts';
import { clockTime, oneLine } from './output/text.ts';
import { padEnd } from './output/width.ts';
import { widest } from './output/table.ts';
import type { Location } from './services.ts';

export interface ExplainOptions {
  readonly format: Format;
}

/** How much of the journal is shown where no daemon chooses. */
const HISTORY = 20;

/** Says what a service does, why, and what comes next. */
export async function explain(common: Common, service: string, options: ExplainOptions): Promise<ExitStatus> {
  const { context } = common;
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const client = await reach(common, located.value);
  if (client === undefined) return fromJournal(common, located.value, service, options);
  return closing(client, async () => {
    const answer = await client.explain(service);
    if (options.format === 'json') writeJson(context, answer);
    else context.stdout.write(explainText(answer, context.color));
    return EXIT.ok;
  });
}

export function explainText(answer: ExplainResponse, color: boolean): string {
  const colours = palette(color);
  const lines = answer.verdicts.map(({ text }) => colours.bold(oneLine(text)));
  if (lines.length === 0) lines.push(colours.bold(`${answer.service.id} has no instances`));
  if (answer.history.length > 0)
    lines.push('', ...historyLines(answer.history, answer.service.instances.length > 1, color));
  const { description } = answer.service;
  const facts: (readonly [string, string])[] = [
    ...(description === undefined ? [] : [['description', oneLine(description)] as const]),
    ...answer.dependencies.map(({ service, condition, now }): [string, string] => [
      'depends on',
      `${service} (${condition}; ${oneLine(now)})`,
    ]),
    ...(answer.dependents.length === 0 ? [] : [['needed by', answer.dependents.join(', ')] as const]),
    ['restart', `${answer.service.restart}, backoff ${answer.service.backoff}`],
    ['backend', `${answer.service.backend}: ${oneLine(answer.service.backendReason)}`],
    ...(answer.next.length === 0 ? [] : [['next', answer.next.join('; ')] as const]),
  ];
  lines.push('');
  facts.forEach(([key, value], index) => {
    const shown = key === facts[index - 1]?.[0] ? '' : key;
    lines.push(`  ${colours.dim(padEnd(shown, 12))}  ${value}`);
  });
  return `${lines.join('\n')}\n`;
}

function historyLines(history: readonly Happening[], named: boolean, color: boolean): string[] {
  const colours = palette(color);
  const told = history.map((happening) => ({ happening, ...tell(happening) }));
  const nameWidth = named ? widest(history.map(({ instance }) => instance ?? '')) + 2 : 0;
  const verbWidth = widest(told.map(({ verb }) => verb));
  const detailWidth = Math.min(36, widest(told.map(({ detail }) => detail)));
  return told.map(({ happening, verb, detail, why }) =>
    `  ${colours.dim(clockTime(happening.time))}  ${padEnd(named ? (happening.instance ?? '') : '', nameWidth)}${padEnd(verb, verbWidth)}  ${padEnd(detail, detailWidth)}  ${why}`.trimEnd(),
  );
}

async function fromJournal(
  { context, services }: Common,
  location: Location,
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
