import type { ExplainResponse } from '../../core/api.ts';
import { clockTime } from '../../words/text.ts';
import { displayWidth } from '../../words/width.ts';
import { eventText } from '../../words/events.ts';
import { nameOf, type State } from '../state.ts';
import { fit, foreignText, span, type ScreenRow } from '../text.ts';

/** On a screen this wide there is room for the milliseconds of what happened. */
const WITH_MS = 160;

/** What happened, a row for each, in columns. */
export function historyRows(state: State, history: ExplainResponse['history']): readonly ScreenRow[] {
  const told = history.map((happening) => ({ happening, ...eventText(happening) }));
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
