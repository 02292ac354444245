/** The first and the last row of the screen. */
import { basename } from 'node:path';
import type { FailedChange, ManifestStatus } from '../../core/api.ts';
import { isLive } from '../../core/state.ts';
import { instanceWord, STATE_ORDER } from '../../words/status.ts';
import { ACTION_NAMES, ACTIONS, keyOf, keysOf, keyText, type Action } from '../keymap.ts';
import { count } from '../../words/text.ts';
import { shownInstances, type NamedInstance } from '../../words/instances.ts';
import { selectedOf } from '../service-actions.ts';
import type { State } from '../state.ts';
import { clip, fit, joined, rowWidth, span, type ScreenRow, type StyledText } from '../text.ts';
import { markOf, shortSize } from './words.ts';

export function headerRow(state: State): ScreenRow {
  const { snapshot, theme, columns } = state;
  if (snapshot === undefined) return fit([span(' setpoint ', theme.bold), ...health(state)], columns);
  const instances = shownInstances(snapshot);
  const counts = STATE_ORDER.flatMap((word): StyledText[] => {
    const n = instances.filter(({ instance }) => instanceWord(instance) === word).length;
    const { mark, style } = markOf(word, theme);
    return n === 0 ? [] : [span('  '), span(mark, style), span(` ${n} ${word}`)];
  });
  const left = [
    span(` ${snapshot.name}`, joined(theme.bold, theme.accent)),
    span(`  ${count(snapshot.services.length, 'service')}`),
    ...counts,
  ];
  const used = usageSpans(state);
  // What does not fit is left out from the least important on: figures first, then counts.
  const candidates: readonly (readonly StyledText[])[] = [
    [...health(state), span('   '), ...used],
    [...health(state), span('  ')],
  ];
  for (const right of candidates) {
    const gap = columns - rowWidth(left) - rowWidth(right);
    if (gap >= 2) return [...left, span(' '.repeat(gap)), ...right];
  }
  const right = health(state);
  const room = columns - rowWidth(right) - 2;
  const short = [
    span(` ${snapshot.name}`, joined(theme.bold, theme.accent)),
    ...shortCounts(state, instances),
  ];
  return fit(
    [...fit(clip(rowWidth(left) <= room ? left : short, room), room), span('  '), ...right],
    columns,
  );
}

/** Without words; what looks the same is counted together. */
function shortCounts({ theme }: State, instances: readonly NamedInstance[]): readonly StyledText[] {
  const counts = new Map<string, { readonly style: string; n: number }>();
  for (const word of STATE_ORDER) {
    const { mark, style } = markOf(word, theme);
    const n = instances.filter(({ instance }) => instanceWord(instance) === word).length;
    const entry = counts.get(mark) ?? { style, n: 0 };
    entry.n += n;
    if (n > 0) counts.set(mark, entry);
  }
  return [...counts].flatMap(([mark, { style, n }]) => [span('  '), span(mark, style), span(` ${n}`)]);
}

function health(state: State): readonly StyledText[] {
  const { theme, plan, snapshot } = state;
  if (state.connection === 'lost') return [span('daemon gone, reconnecting', theme.bad)];
  if (state.connection === 'connecting') return [span('connecting', theme.busy)];
  if (snapshot?.phase === 'shutting-down') return [span('stopping', theme.busy)];
  if (snapshot === undefined) return [];
  const name = `${basename(snapshot.daemon.manifest)} `;
  if (snapshot.manifest !== undefined) return [span(name), ...standing(state, snapshot.manifest)];
  if (plan === undefined) return [];
  const errors = plan.diagnostics.filter(({ severity }) => severity === 'error').length;
  const warnings = plan.diagnostics.length - errors;
  if (errors > 0)
    return [span(name), span(`\u2716 ${count(errors, 'error')} (${keyOf(state, 'diagnostics')})`, theme.bad)];
  const { steps = [], resources = [] } = plan.plan ?? {};
  const changes =
    steps.filter(({ action }) => action !== 'none').length +
    resources.filter(({ action }) => action !== 'keep').length;
  if (changes > 0)
    return [span(name), span(`~ ${count(changes, 'change')} (${keyOf(state, 'plan')})`, theme.busy)];
  const note =
    warnings > 0 ? [span(` ${count(warnings, 'warning')} (${keyOf(state, 'diagnostics')})`, theme.busy)] : [];
  return [span(name), span('\u2714', theme.good), span(' in sync'), ...note];
}

/** What the daemon says of the manifest; what a plan would say besides is there to be asked for. */
function standing(state: State, manifest: ManifestStatus): readonly StyledText[] {
  const { theme, plan } = state;
  const failed = (manifest.failed ?? []).map((change) =>
    span(` \u2716 ${change.service} ${whatCameOf(change)}`, theme.bad),
  );
  const review = manifest.review === true ? [span(' review', theme.accent)] : [];
  switch (manifest.state) {
    case 'invalid':
      return [
        span(`\u2716 ${count(manifest.errors, 'error')} (${keyOf(state, 'diagnostics')})`, theme.bad),
        ...failed,
      ];
    case 'pending':
      return [
        span(`~ ${count(changesIn(manifest), 'change')} (${keyOf(state, 'plan')})`, theme.busy),
        ...failed,
      ];
    case 'in-sync': {
      const warnings = plan?.diagnostics.length ?? 0;
      const note =
        warnings > 0
          ? [span(` ${count(warnings, 'warning')} (${keyOf(state, 'diagnostics')})`, theme.busy)]
          : [];
      const sync = manifest.watched ? ' in sync' : ' not watched';
      if (failed.length > 0) return [...failed, ...review];
      return [
        span(manifest.watched ? '\u2714' : '\u25cb', manifest.watched ? theme.good : theme.dim),
        span(sync),
        ...review,
        ...note,
      ];
    }
  }
}

function whatCameOf({ rolledBack, kept }: FailedChange): string {
  if (kept === true) return 'not replaced';
  return rolledBack ? 'rolled back' : 'not up as changed';
}

/** How many instances what is held concerns. */
export function changesIn({ pending }: ManifestStatus): number {
  return pending === undefined ? 0 : pending.start + pending.replace + pending.update + pending.stop;
}

function usageSpans({ stats, theme, columns }: State): readonly StyledText[] {
  if (stats === undefined) return [];
  const cpu = stats.instances.reduce((sum, one) => sum + (one.cpuPercent ?? 0), 0);
  const memory = stats.instances.reduce((sum, one) => sum + one.memoryBytes, 0);
  const own = `  daemon ${Math.round(stats.daemon.cpuPercent ?? 0)}% ${shortSize(stats.daemon.memoryBytes)}`;
  return [
    span(`CPU ${cpu.toFixed(1)}%  MEM ${shortSize(memory)}`),
    ...(columns >= 160 ? [span(own, theme.dim)] : []),
    span(' '),
  ];
}

/** Where the cursor is to stand while something is typed; undefined: nowhere. */
export interface Footer {
  readonly row: ScreenRow;
  readonly cursor?: number;
}

export function footerRow(state: State): Footer {
  const { prompt, theme, columns, notice } = state;
  if (prompt?.kind === 'confirm')
    return {
      row: fit(
        [span(` ${prompt.question} `, theme.bold), span('y: yes, any other key: no', theme.dim)],
        columns,
      ),
    };
  if (prompt !== undefined)
    return promptRow(state, prompt.kind, prompt.text, 'problem' in prompt ? prompt.problem : undefined);
  if (notice !== undefined)
    return {
      row: fit(
        [span(` ${notice.text}`, notice.level === 'error' ? joined(theme.bold, theme.bad) : theme.accent)],
        columns,
      ),
    };
  return { row: fit(hints(state), columns) };
}

const PROMPTS = {
  search: 'search',
  filter: 'only lines matching',
  scale: 'instances',
  signal: 'signal',
  time: 'jump to (14:02, 5m)',
  palette: 'command',
  input: 'type a line for it (esc ends)',
} as const;

function promptRow(
  state: State,
  kind: keyof typeof PROMPTS,
  text: string,
  problem: string | undefined,
): Footer {
  const { theme, columns } = state;
  const label = [span(` ${PROMPTS[kind]}: `, theme.bold)];
  const room = Math.max(4, columns - rowWidth(label) - 1);
  const over = Math.max(0, rowWidth([span(text)]) - room);
  const typed = over > 0 ? clip([span(text)], room, over) : [span(text)];
  const cursor = rowWidth(label) + rowWidth(typed);
  const said = problem === undefined ? [] : [span(`   ${problem}`, theme.bad)];
  return { row: fit([...label, ...typed, ...said], columns), cursor: Math.min(columns - 1, cursor) };
}

/** The keys that make sense for what is selected, as many as there is room for. */
function hints(state: State): ScreenRow {
  const { theme, columns } = state;
  const out: StyledText[] = [span(' ')];
  let used = 1;
  for (const action of hinted(state)) {
    const key = keysOf(state.keymap, action)[0];
    const short = ACTIONS[action].short;
    if (key === undefined || short === undefined) continue;
    const shown = `${keyText(key)} ${action === 'all-logs' && state.logs.all ? 'one' : short}`;
    const width = rowWidth([span(shown)]) + 2;
    if (used + width > columns) break;
    out.push(span(keyText(key), theme.accent), span(`${shown.slice(keyText(key).length)}  `));
    used += width;
  }
  return out;
}

function hinted(state: State): readonly Action[] {
  const selected = selectedOf(state);
  const live = selected !== undefined && isLive(selected.instance.state);
  const wanted = selected?.instance.wanted === 'up';
  const leave: readonly Action[] = state.holdsLease ? ['detach', 'quit'] : ['quit'];
  const absent = new Set<Action>([
    ...(live || wanted ? (['start'] as const) : (['stop', 'restart'] as const)),
    ...(selected?.service.input !== undefined && live ? [] : (['attach'] as const)),
    ...(selected === undefined ? (['start', 'stop', 'restart', 'details', 'open'] as const) : []),
    ...(state.holdsLease ? [] : (['detach'] as const)),
  ]);
  const first: readonly Action[] = ['help', ...leave];
  const others = ACTION_NAMES.filter(
    (action) => ACTIONS[action].short !== undefined && !first.includes(action),
  );
  return [...first, ...others].filter((action) => !absent.has(action));
}
