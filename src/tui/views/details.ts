/** Everything there is to know of the selected service. */
import type { ExplainResponse, InstanceDetails, ProcessView } from '../../core/api.ts';
import type { ProjectEvent } from '../../core/event.ts';
import { verdict } from '../../words/status.ts';
import { clockTime, oneLine } from '../../words/text.ts';
import { explainFacts } from '../../words/explain-facts.ts';
import { percentText } from '../../words/figures.ts';
import { eventText } from '../../words/events.ts';
import { daemonNow, nameOf, type State } from '../state.ts';
import { fit, foreignText, span, wrapWords, type ScreenRow } from '../text.ts';
import { historyRows } from './history.ts';
import { shortSize, sparkline, trend } from './words.ts';
import { pending } from './pending.ts';

const BLANK: ScreenRow = [];
const KEY_WIDTH = 11;
const SPARKS = 12;
const ENVIRONMENT = 'env.';

export function detailRows(state: State, width: number): readonly ScreenRow[] {
  const { explained, theme, snapshot } = state;
  const service = snapshot?.services.find(({ instances }) =>
    instances.some(({ id }) => id === state.selected),
  );
  if (service === undefined) return [[span('no service is selected', theme.dim)]];
  if (explained?.service !== service.id) return pending(state, 'an explanation');
  const now = daemonNow(state);
  const { answer } = explained;
  // What the snapshot knows is newer than the answer: countdowns go on.
  const live: ExplainResponse = { ...answer, service };
  const verdicts = service.instances.flatMap((instance) =>
    wrapWords(oneLine(verdict(instance, service, now)), width, theme.bold),
  );
  const ports = service.instances.flatMap((instance) =>
    Object.entries(instance.ports).map(
      ([name, port]) =>
        ['port', `${nameOf(state, instance.id)}: ${name === String(port) ? '' : `${name} `}${port}`] as const,
    ),
  );
  const instances = answer.instances ?? [];
  const ends = [...(answer.ends ?? [])].reverse().map(endRow(state));
  const history = historyRows(state, answer.history);
  return [
    ...verdicts,
    BLANK,
    ...factRows(
      state,
      [
        ...usage(
          state,
          service.instances.map(({ id }) => id),
        ),
        ...ports,
        ...explainFacts(live, now),
      ],
      width,
    ),
    ...instances.flatMap((one) => instanceRows(state, one, instances.length > 1, width)),
    ...section(state, 'how the last runs ended', ends),
    ...section(state, 'what happened', history),
  ];
}

function section({ theme }: State, title: string, rows: readonly ScreenRow[]): readonly ScreenRow[] {
  return rows.length === 0 ? [] : [BLANK, [span(title, theme.accent)], ...rows];
}

function usage(state: State, ids: readonly string[]): readonly (readonly [string, string])[] {
  return ids.flatMap((id) => {
    const used = state.usage.get(id);
    if (used === undefined) return [];
    const cpu = `${percentText(used.cpu.at(-1))} CPU ${sparkline(used.cpu, SPARKS)}`;
    const text = `${cpu}  ${shortSize(used.memory.at(-1) ?? 0)} memory ${trend(used.memory, SPARKS)}`;
    return [['uses', ids.length > 1 ? `${id}: ${text}` : text] as const];
  });
}

function factRows(
  state: State,
  facts: readonly (readonly [string, string])[],
  width: number,
): readonly ScreenRow[] {
  return facts.flatMap(([key, value], index) => {
    const shown = key === facts[index - 1]?.[0] ? '' : key;
    return wrapWords(value, Math.max(10, width - KEY_WIDTH - 1)).map((row, line): ScreenRow => [
      ...fit([span(line === 0 ? shown : '', state.theme.dim)], KEY_WIDTH + 1),
      ...row,
    ]);
  });
}

/** What an instance was launched with, its environment, and its processes. */
function instanceRows(
  state: State,
  { instance, launch, processes }: InstanceDetails,
  named: boolean,
  width: number,
): readonly ScreenRow[] {
  const of = named ? `${nameOf(state, instance)}: ` : '';
  const fields = Object.entries(launch);
  // The backend has been told, with its reason.
  const other = fields.filter(([field]) => field !== 'backend' && !field.startsWith(ENVIRONMENT));
  const environment = fields.filter(([field]) => field.startsWith(ENVIRONMENT));
  return [
    ...section(state, `${of}launched with`, fieldRows(state, other, width)),
    ...section(
      state,
      `${of}environment (secrets masked)`,
      fieldRows(
        state,
        environment.map(([field, value]) => [field.slice(ENVIRONMENT.length), value] as const),
        width,
      ),
    ),
    ...section(state, `${of}processes`, processRows(state, processes)),
  ];
}

const MOST_FIELD = 24;

function fieldRows(
  { theme }: State,
  fields: readonly (readonly [string, string])[],
  width: number,
): readonly ScreenRow[] {
  const name = Math.min(MOST_FIELD, Math.max(0, ...fields.map(([field]) => field.length)));
  return fields.flatMap(([field, value]) =>
    wrapWords(oneLine(value), Math.max(10, width - name - 2)).map((row, line): ScreenRow => [
      ...fit([span(line === 0 ? field : '', theme.dim)], name + 2),
      ...row,
    ]),
  );
}

/** Each process below the one that started it. */
function processRows({ theme }: State, processes: readonly ProcessView[]): readonly ScreenRow[] {
  const rows: ScreenRow[] = [];
  const draw = ({ pid, command }: ProcessView, lead: string, branch: string): void => {
    rows.push([
      span(lead + branch, theme.dim),
      span(String(pid), theme.bold),
      span(`  ${foreignText(oneLine(command))}`),
    ]);
    const children = processes.filter(({ parent }) => parent === pid);
    const under = branch === '' ? '' : branch.startsWith('\u251c') ? '\u2502  ' : '   ';
    children.forEach((child, index) =>
      draw(child, lead + under, index === children.length - 1 ? '\u2514\u2500 ' : '\u251c\u2500 '),
    );
  };
  for (const process of processes) if (process.parent === undefined) draw(process, '', '');
  return rows;
}

function endRow(state: State): (end: ProjectEvent) => ScreenRow {
  return (end) => {
    const { detail, why } = eventText(end);
    return [
      span(`${clockTime(end.time).slice(0, 8)} `, state.theme.dim),
      span(`${nameOf(state, end.instance ?? '')}  `),
      span(foreignText(detail)),
      span(why === '' ? '' : `  ${foreignText(why)}`, state.theme.dim),
    ];
  };
}
