import { describeFailedChange } from '../../words/cause.ts';
import { changeLines } from '../../words/counts.ts';
/** The views that are read from the top: everything but the logs. */
import type { ManifestStatus } from '../../core/api.ts';
import { formatSpan } from '../../core/util/duration.ts';
import { planText } from '../../words/plan.ts';
import { describeCounts } from '../../words/counts.ts';
import { instanceWord } from '../../words/status.ts';
import { ACTION_NAMES, ACTIONS, keyOf, keysOf, keyText } from '../keymap.ts';
import { layout } from '../layout.ts';
import { listRows } from '../rows.ts';
import { count, oneLine } from '../../words/text.ts';
import { diagnosticsText, tally } from '../../words/diagnostics.ts';
import { displayWidth } from '../../words/width.ts';
import { downRows } from '../../words/down.ts';
import { palette } from '../../words/colour.ts';
import { shownInstances } from '../../words/instances.ts';
import { timelineText } from '../../words/timeline.ts';
import { daemonNow, type State } from '../state.ts';
import { fit, foreign, foreignText, span, wrapWords, type ScreenRow } from '../text.ts';
import { detailRows } from './details.ts';
import { historyRows } from './history.ts';
import { pending } from './pending.ts';
import { markOf, stateText } from './words.ts';

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
export function documentRows(state: State, width: number): readonly ScreenRow[] {
  const inner = Math.max(10, width - 2);
  return rowsOf(state, inner).map((row) => [span(' '), ...row]);
}

function rowsOf(state: State, width: number): readonly ScreenRow[] {
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
      return diagnosticRows(state, width);
    case 'help':
      return helpRows(state, width);
    case 'shutdown':
      return shutdownRows(state);
    case 'logs':
      return [];
  }
}

const BLANK: ScreenRow = [];

/** Newest first: that is what one looks for. */
function eventRows(state: State): readonly ScreenRow[] {
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

function planRows(state: State, width: number): readonly ScreenRow[] {
  const { plan, theme, snapshot } = state;
  if (plan === undefined) return pending(state, 'the plan');
  const manifest = snapshot?.manifest;
  const isInvalid = manifest?.state === 'invalid' || plan.diagnostics.length > 0;
  const held = manifest?.state === 'pending' ? heldRows(state, manifest, width) : [];
  const problems = isInvalid ? [...diagnosticRows(state, width), BLANK] : held;
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
    .flatMap((line): readonly ScreenRow[] => {
      const kind = PLAN_STYLES[/^ {2}([-+~=]) /.exec(line)?.[1] ?? ''];
      if (kind !== undefined || line.startsWith('  '))
        return [[span(line, kind === undefined ? '' : theme[kind])]];
      return wrapWords(line, width);
    });
  const hint =
    plan.plan.drift && held.length === 0
      ? [BLANK, [span(`${keyOf(state, 'apply')} applies it`, theme.accent)]]
      : [];
  const mode =
    manifest?.review === true
      ? `Edits are held for review; ${keyOf(state, 'review')} has them taken up at once`
      : `Edits are taken up at once; ${keyOf(state, 'review')} has them held for review`;
  const said = manifest?.watched === true ? wrapWords(mode, width, theme.dim) : [];
  return [...problems, ...rows, ...hint, BLANK, ...said];
}

/** What a reload would do, as it was told when it was held. */
function heldRows(state: State, manifest: ManifestStatus, width: number): readonly ScreenRow[] {
  const { theme, happenings } = state;
  const told = happenings.findLast((one) => one.type === 'manifest-held');
  const changes = told?.type === 'manifest-held' ? changeLines(told) : [];
  return [
    [
      span(`Held for review: ${describeCounts(manifest.pending ?? NO_COUNTS)}. `, theme.busy),
      span(`${keyOf(state, 'apply')} carries it out`, theme.accent),
    ],
    BLANK,
    ...changes.flatMap((change) => wrapWords(`  ${foreignText(oneLine(change))}`, width)),
    BLANK,
    [span('`setpoint up` would do:', theme.dim)],
    BLANK,
  ];
}

const NO_COUNTS = { start: 0, replace: 0, update: 0, stop: 0 };

/** What the daemon found when it last looked; else what a plan found, warnings included. */
function diagnosticRows({ plan, snapshot, theme, cwd }: State, width: number): readonly ScreenRow[] {
  const manifest = snapshot?.manifest;
  const told = manifest?.state === 'invalid' ? manifest.diagnostics : undefined;
  const diagnostics = told ?? plan?.diagnostics ?? [];
  const failed = (manifest?.failed ?? []).flatMap(
    ({ service, reason, rolledBack, kept }): readonly ScreenRow[] => {
      const was = kept === true ? 'was not replaced' : 'did not come up as changed';
      return [
        [span(`\u2716 ${service}`, theme.bad), span(` ${was}`)],
        [span(`  ${whatRuns(rolledBack, kept === true)}`)],
        ...wrapWords(oneLine(describeFailedChange(reason)), width - 2).map((row): ScreenRow => [span('  '), ...row]),
        BLANK,
      ];
    },
  );
  if (diagnostics.length === 0)
    return failed.length > 0 ? failed : [[span('the manifest has no problems', theme.good)]];
  const rows = diagnosticsText(diagnostics, { cwd, color: theme.foreign })
    .trimEnd()
    .split('\n')
    .map((line) => foreign(line, theme.foreign));
  const more = (manifest?.errors ?? 0) - diagnostics.filter(({ severity }) => severity === 'error').length;
  const rest = told !== undefined && more > 0 ? `; ${count(more, 'more error')} not shown here` : '';
  const running = told === undefined ? '' : '. Nothing was changed; what runs goes on';
  const verdict = wrapWords(`${tally(diagnostics) ?? ''}${rest}${running}`, width, theme.bold);
  return [...failed, ...rows, BLANK, ...verdict];
}

function whatRuns(isRolledBack: boolean, isKept: boolean): string {
  if (isKept) return 'its former version goes on';
  return isRolledBack ? 'its former version runs again' : 'it is left as it is';
}

function timelineRows(state: State, width: number): readonly ScreenRow[] {
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
function graphRows(state: State): readonly ScreenRow[] {
  const { snapshot, theme } = state;
  if (snapshot === undefined) return pending(state, 'the services');
  const byId = new Map(snapshot.services.map((service) => [service.id, service]));
  const needed = new Set(
    snapshot.services.flatMap(({ dependsOn }) => dependsOn.map(({ service }) => service)),
  );
  const drawn = new Set<string>();
  const rows: ScreenRow[] = [];
  const draw = (id: string, lead: string, branch: string, condition: string): void => {
    const service = byId.get(id);
    const again = drawn.has(id);
    drawn.add(id);
    const states = (service?.instances ?? []).flatMap((instance) => {
      const { mark, style } = markOf(instanceWord(instance), theme);
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

const COLUMN_WIDTH = 54;
const KEYS_WIDTH = 21;

function helpRows(state: State, width: number): readonly ScreenRow[] {
  const { theme } = state;
  const groups = [...new Set(ACTION_NAMES.map((action) => ACTIONS[action].group))];
  const blocks = groups.map((group): readonly ScreenRow[] => [
    [span(group, theme.bold)],
    ...ACTION_NAMES.filter((action) => ACTIONS[action].group === group).map((action): ScreenRow => {
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
  const [left, right]: [ScreenRow[], ScreenRow[]] = [[], []];
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
function shutdownRows(state: State): readonly ScreenRow[] {
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
    ...rows.map(({ icon, name, text, time, note }): ScreenRow => {
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
    ...left.map(({ instance, pid, command, reason }): ScreenRow => {
      const which = pid === undefined ? '' : ` pid ${pid}`;
      const why = reason === undefined ? '' : `  (${foreignText(reason)})`;
      return [span(`${instance}:${which} could not be stopped  ${foreignText(command)}${why}`, theme.bad)];
    }),
  ];
}
