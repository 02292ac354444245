/** The views that are read from the top: everything but the logs. */
import type { ExplainResponse } from '../../core/api.ts';
import { formatSpan } from '../../core/duration.ts';
import { planText } from '../../core/plan-text.ts';
import { stateWord, verdict } from '../../core/status-text.ts';
import { ACTION_NAMES, ACTIONS, keysOf, keyText } from '../keymap.ts';
import { layout } from '../layout.ts';
import { listRows } from '../rows.ts';
import {
  clockTime,
  diagnosticsText,
  displayWidth,
  downRows,
  explainFacts,
  oneLine,
  palette,
  percentText,
  shownInstances,
  tally,
  tell,
  timelineText,
} from '../shared.ts';
import { daemonNow, nameOf, type State } from '../state.ts';
import { fit, foreign, foreignText, span, wrapWords, type Row } from '../text.ts';
import { markOf, shortSize, sparkline, stateText } from './words.ts';

/** Columns and rows inside the frame of the main pane. */
export function mainSize(state: State): { readonly width: number; readonly height: number } {
  const listed = state.snapshot === undefined ? 0 : listRows(state.snapshot, state.grouping).length;
  const { main } = layout({ ...state, listed, zoom: state.zoom ? state.focus : undefined });
  const rect = main ?? { width: state.columns, height: state.rows - 2 };
  return { width: Math.max(1, rect.width - 2), height: Math.max(1, rect.height - 2) };
}

export function documentHeight(state: State): number {
  return documentRows(state, mainSize(state).width).length;
}

/** All rows of the present view, however many fit on the screen; each at most `width` columns wide after clipping. */
export function documentRows(state: State, width: number): readonly Row[] {
  const inner = Math.max(10, width - 2);
  return rowsOf(state, inner).map((row) => [span(' '), ...row]);
}

function rowsOf(state: State, width: number): readonly Row[] {
  switch (state.view) {
    case 'details':
      return detailRows(state, width);
    case 'plan':
      return planRows(state, width);
    case 'events':
      return eventRows(state);
    case 'graph':
      return graphRows(state);
    case 'timeline':
      return timelineRows(state, width);
    case 'diagnostics':
      return diagnosticRows(state);
    case 'help':
      return helpRows(state, width);
    case 'shutdown':
      return shutdownRows(state);
    case 'logs':
      return [];
  }
}

const BLANK: Row = [];

function pending(state: State, what: string): readonly Row[] {
  return [
    [
      span(
        state.connection === 'lost'
          ? 'the daemon cannot be asked at the moment'
          : `asking for ${what} \u2026`,
        state.theme.dim,
      ),
    ],
  ];
}

function detailRows(state: State, width: number): readonly Row[] {
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
  const facts = explainFacts(live, now);
  const ports = service.instances.flatMap((instance) =>
    Object.entries(instance.ports).map(
      ([name, port]) =>
        ['port', `${nameOf(state, instance.id)}: ${name === String(port) ? '' : `${name} `}${port}`] as const,
    ),
  );
  const usage = service.instances.flatMap((instance) => {
    const used = state.usage.get(instance.id);
    if (used === undefined) return [];
    const cpu = `${percentText(used.cpu.at(-1))} CPU ${sparkline(used.cpu, SPARKS)}`;
    const text = `${cpu}  ${shortSize(used.memory.at(-1) ?? 0)} memory ${sparkline(used.memory, SPARKS)}`;
    return [['uses', service.instances.length > 1 ? `${instance.id}: ${text}` : text] as const];
  });
  const history = historyRows(state, answer.history);
  return [
    ...verdicts,
    BLANK,
    ...factRows(state, [...usage, ...ports, ...facts], width),
    ...(history.length === 0 ? [] : [BLANK, [span('what happened', theme.dim)], ...history]),
  ];
}

const KEY_WIDTH = 11;
const SPARKS = 12;

function factRows(
  state: State,
  facts: readonly (readonly [string, string])[],
  width: number,
): readonly Row[] {
  return facts.flatMap(([key, value], index) => {
    const shown = key === facts[index - 1]?.[0] ? '' : key;
    return wrapWords(value, Math.max(10, width - KEY_WIDTH - 1)).map((row, line): Row => [
      ...fit([span(line === 0 ? shown : '', state.theme.dim)], KEY_WIDTH + 1),
      ...row,
    ]);
  });
}

/** On a screen this wide there is room for the milliseconds of what happened. */
const WITH_MS = 160;

function historyRows(state: State, history: ExplainResponse['history']): readonly Row[] {
  const told = history.map((happening) => ({ happening, ...tell(happening) }));
  const widest = (texts: readonly string[], most: number): number =>
    Math.min(most, Math.max(0, ...texts.map((text) => displayWidth(text))));
  const nameWidth = widest(
    told.map(({ happening }) => nameOf(state, happening.instance ?? '')),
    20,
  );
  const verbWidth = widest(
    told.map(({ verb }) => verb),
    16,
  );
  const detailWidth = widest(
    told.map(({ detail }) => detail),
    32,
  );
  return told.map(({ happening, verb, detail, why }) => [
    span(`${clockTime(happening.time).slice(0, state.columns >= WITH_MS ? 12 : 8)} `, state.theme.dim),
    ...fit([span(happening.instance === undefined ? '' : nameOf(state, happening.instance))], nameWidth),
    span('  '),
    ...fit([span(verb, VERB_STYLES.get(happening.type)?.(state) ?? '')], verbWidth),
    span('  '),
    ...fit([span(foreignText(detail))], detailWidth),
    span(`  ${foreignText(why)}`, state.theme.dim),
  ]);
}

const VERB_STYLES = new Map<string, (state: State) => string>([
  ['instance-ready', ({ theme }) => theme.good],
  ['instance-completed', ({ theme }) => theme.good],
  ['instance-failed', ({ theme }) => theme.bad],
  ['instance-unhealthy', ({ theme }) => theme.bad],
  ['instance-escalated', ({ theme }) => theme.bad],
  ['manifest-rejected', ({ theme }) => theme.bad],
  ['instance-backing-off', ({ theme }) => theme.busy],
  ['warning', ({ theme }) => theme.busy],
]);

/** Newest first: that is what one looks for. */
function eventRows(state: State): readonly Row[] {
  if (state.happenings.length === 0) return [[span('nothing has happened yet', state.theme.dim)]];
  const rows = historyRows(state, [...state.happenings].reverse());
  if (state.missed === 0) return rows;
  return [
    ...rows,
    [span(`${state.missed} earlier ones are not kept here: \`setpoint events\` has them`, state.theme.dim)],
  ];
}

const PLAN_STYLES: Readonly<Record<string, 'good' | 'busy' | 'bad' | 'dim'>> = {
  '+': 'good',
  '~': 'busy',
  '-': 'bad',
  '=': 'dim',
};

function planRows(state: State, width: number): readonly Row[] {
  const { plan, theme } = state;
  if (plan === undefined) return pending(state, 'the plan');
  const problems = plan.diagnostics.length === 0 ? [] : [...diagnosticRows(state), BLANK];
  if (plan.plan === undefined) return problems;
  const now = daemonNow(state);
  const upSince = (instance: string): string | undefined => {
    const found =
      state.snapshot && shownInstances(state.snapshot).find((shown) => shown.instance.id === instance);
    return found?.instance.state.kind === 'running'
      ? formatSpan(now - found.instance.state.since, 'whole')
      : undefined;
  };
  const rows = planText(plan.plan, { upSince })
    .trimEnd()
    .split('\n')
    .flatMap((line): readonly Row[] => {
      const kind = PLAN_STYLES[/^ {2}([-+~=]) /.exec(line)?.[1] ?? ''];
      if (kind !== undefined || line.startsWith('  '))
        return [[span(line, kind === undefined ? '' : theme[kind])]];
      return wrapWords(line, width);
    });
  const hint = plan.plan.drift ? [BLANK, [span(`${keyOf(state, 'apply')} applies it`, theme.accent)]] : [];
  return [...problems, ...rows, ...hint];
}

function diagnosticRows({ plan, theme, cwd }: State): readonly Row[] {
  if (plan === undefined || plan.diagnostics.length === 0)
    return [[span('the manifest has no problems', theme.good)]];
  const text = diagnosticsText(plan.diagnostics, { cwd, color: theme.foreign });
  const rows = text
    .trimEnd()
    .split('\n')
    .map((line) => foreign(line, theme.foreign));
  return [...rows, BLANK, [span(tally(plan.diagnostics) ?? '', theme.bold)]];
}

function timelineRows(state: State, width: number): readonly Row[] {
  if (state.timeline === undefined) return pending(state, 'the timeline');
  const text = timelineText(state.timeline, {
    names: state.names,
    width,
    colours: palette(state.theme.foreign),
  });
  return text
    .trimEnd()
    .split('\n')
    .map((line) => foreign(line, state.theme.foreign));
}

/** Each service that nothing depends on, with what it depends on below it and under which condition. */
function graphRows(state: State): readonly Row[] {
  const { snapshot, theme } = state;
  if (snapshot === undefined) return pending(state, 'the services');
  const byId = new Map(snapshot.services.map((service) => [service.id, service]));
  const needed = new Set(
    snapshot.services.flatMap(({ dependsOn }) => dependsOn.map(({ service }) => service)),
  );
  const drawn = new Set<string>();
  const rows: Row[] = [];
  const draw = (id: string, lead: string, branch: string, condition: string): void => {
    const service = byId.get(id);
    const again = drawn.has(id);
    drawn.add(id);
    const states = (service?.instances ?? []).flatMap((instance) => {
      const { mark, style } = markOf(stateWord(instance.state), theme);
      return [span(mark, style), span(' ')];
    });
    const first = service?.instances[0];
    const does = first === undefined ? 'takes no part' : stateText(first, daemonNow(state));
    rows.push([
      span(lead + branch, theme.dim),
      ...states,
      span(id, theme.bold),
      ...(condition === '' ? [] : [span(`  ${condition}`, theme.accent)]),
      span(again && (service?.dependsOn.length ?? 0) > 0 ? '  (drawn above)' : `  ${does}`, theme.dim),
    ]);
    if (again) return;
    const below = service?.dependsOn ?? [];
    const under = branch === '' ? '' : branch.startsWith('\u251c') ? '\u2502  ' : '   ';
    below.forEach((dependency, index) => {
      const isLast = index === below.length - 1;
      const terms = `${dependency.condition}${dependency.required ? '' : ', not required'}`;
      draw(dependency.service, lead + under, isLast ? '\u2514\u2500 ' : '\u251c\u2500 ', terms);
    });
  };
  for (const { id } of snapshot.services) if (!needed.has(id)) draw(id, '', '', '');
  for (const { id } of snapshot.services) if (!drawn.has(id)) draw(id, '', '', '');
  return rows;
}

function keyOf(state: State, action: (typeof ACTION_NAMES)[number]): string {
  const key = keysOf(state.keymap, action)[0];
  return key === undefined ? `:${action}` : keyText(key);
}

const COLUMN_WIDTH = 54;
const KEYS_WIDTH = 21;

function helpRows(state: State, width: number): readonly Row[] {
  const { theme } = state;
  const groups = [...new Set(ACTION_NAMES.map((action) => ACTIONS[action].group))];
  const blocks = groups.map((group): readonly Row[] => [
    [span(group, theme.bold)],
    ...ACTION_NAMES.filter((action) => ACTIONS[action].group === group).map((action): Row => {
      const keys = keysOf(state.keymap, action).map(keyText).join(' ');
      return [
        ...fit([span(keys === '' ? `: ${action}` : keys, theme.accent)], KEYS_WIDTH),
        span(ACTIONS[action].title),
      ];
    }),
    BLANK,
  ]);
  if (width < 2 * COLUMN_WIDTH) return blocks.flat();
  const half = Math.ceil(blocks.reduce((sum, block) => sum + block.length, 0) / 2);
  const [left, right]: [Row[], Row[]] = [[], []];
  for (const block of blocks) (left.length < half ? left : right).push(...block);
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => [
    ...fit(left[index] ?? [], COLUMN_WIDTH),
    ...(right[index] ?? []),
  ]);
}

const STOP_MARKS = {
  ok: ['\u2714', 'good'],
  bad: ['\u2716', 'bad'],
  busy: ['\u25d1', 'busy'],
  idle: ['\u25cb', 'dim'],
} as const;

/** Who has stopped, who has not, and who blocks whom. */
function shutdownRows(state: State): readonly Row[] {
  const { down, snapshot, theme } = state;
  if (down === undefined || snapshot === undefined) return pending(state, 'the shutdown');
  const now = daemonNow(state);
  const reason = snapshot.shutdown?.reason ?? 'the project is being stopped';
  const deadline =
    snapshot.shutdown === undefined
      ? ''
      : `; what is left in ${formatSpan(Math.max(0, snapshot.shutdown.deadline - now), 'whole')} is killed`;
  const hint = [
    '',
    `${keyOf(state, 'quit')} again: skip the grace periods`,
    `${keyOf(state, 'quit')} again: kill what is left`,
    'killing what is left',
  ][state.quits];
  const rows = downRows(down, snapshot, now);
  const nameWidth = Math.max(0, ...rows.map(({ name }) => displayWidth(name)));
  const left = state.downResponse?.leftovers ?? [];
  return [
    [span('Stopping', theme.bold), span(`  ${oneLine(reason)}${deadline}`, theme.dim)],
    ...(hint === undefined || hint === '' ? [] : [[span(hint, theme.accent)]]),
    BLANK,
    ...rows.map(({ icon, name, text, time, note }): Row => {
      const [mark, style] = STOP_MARKS[icon];
      const more = [time, note].filter((part) => part !== undefined).join('  ');
      return [
        span(mark, theme[style]),
        span(' '),
        ...fit([span(name)], nameWidth),
        span(`  ${text}`),
        span(`  ${more}`, theme.dim),
      ];
    }),
    ...left.map(({ instance, pid, command, reason }): Row => {
      const which = pid === undefined ? '' : ` pid ${pid}`;
      const why = reason === undefined ? '' : `  (${foreignText(reason)})`;
      return [span(`${instance}:${which} could not be stopped  ${foreignText(command)}${why}`, theme.bad)];
    }),
  ];
}
