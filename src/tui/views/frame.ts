import { ACTIONS, keysOf, keyText } from '../keymap.ts';
import { layout, type Rect } from '../layout.ts';
import { paletteActions } from '../prompt.ts';
import { groupingText, listRows } from '../rows.ts';
import { instanceWord, verdict } from '../../words/status.ts';
import { selectedOf } from '../service-actions.ts';
import { oneLine } from '../../words/text.ts';
import { daemonNow, nameOf, type State } from '../state.ts';
import { clip, fit, joined, rowWidth, span, wrapWords, type ScreenRow } from '../text.ts';
import { footerRow, headerRow } from './bars.ts';
import { documentRows } from './document.ts';
import { logRows, logTitle } from './logs.ts';
import { servicesRows } from './services.ts';
import { markOf, reasonText } from './words.ts';

export interface Frame {
  /** One for each row of the screen, each as wide as the screen. */
  readonly rows: readonly ScreenRow[];
  readonly cursor?: { readonly x: number; readonly y: number };
}

/** The whole screen. */
export function frame(state: State): Frame {
  const { columns, rows: height } = state;
  const listed = state.snapshot === undefined ? [] : listRows(state.snapshot, state.grouping);
  const places = layout({
    columns,
    rows: height,
    listed: listed.length,
    zoom: state.zoom ? state.focus : undefined,
  });
  const { services, reason, main } = places;
  if (services === undefined && main === undefined) return tooSmall(state);
  const screen: ScreenRow[] = Array.from({ length: height }, () => []);
  const put = (rect: Rect, rows: readonly ScreenRow[]): void =>
    rows.forEach((row, index) => {
      const y = rect.y + index;
      screen[y] = [...fit(screen[y] ?? [], rect.x), ...row];
    });
  screen[0] = headerRow(state);
  if (services !== undefined) {
    const order = groupingText(state.grouping);
    const title = order === '' ? 'services' : `services \u2500 ${order}`;
    put(
      services,
      box(
        state,
        services,
        title,
        state.focus === 'services',
        servicesRows(state, listed, services.width - 2, services.height - 2),
      ),
    );
  }
  if (reason !== undefined)
    put(reason, box(state, reason, reasonTitle(state), false, reasonRows(state, reason.width - 2)));
  if (main !== undefined) put(main, mainPane(state, main));
  const footer = footerRow(state);
  screen[height - 1] = footer.row;
  if (main !== undefined && state.prompt?.kind === 'palette') overlay(screen, main, paletteRows(state, main));
  const rows = screen.map((row) => fit(row, columns));
  return footer.cursor === undefined ? { rows } : { rows, cursor: { x: footer.cursor, y: height - 1 } };
}

function tooSmall(state: State): Frame {
  const text = `${state.columns}x${state.rows} is too small`;
  const rows = Array.from({ length: state.rows }, (_, y) =>
    fit(clip([span(y === 0 ? text : '')], state.columns), state.columns),
  );
  return { rows };
}

function box(
  state: State,
  rect: Rect,
  title: string,
  focused: boolean,
  content: readonly ScreenRow[],
): readonly ScreenRow[] {
  const { theme } = state;
  const line = focused ? theme.focus : theme.border;
  const inner = rect.width - 2;
  const shown = clip([span(title)], inner - 2);
  const rest = Math.max(0, inner - rowWidth(shown) - 2);
  const top: ScreenRow = [
    span('\u250c', line),
    span(' '),
    ...shown.map(({ text }) => span(text, focused ? joined(theme.bold, theme.focus) : theme.bold)),
    span(' '),
    span('\u2500'.repeat(rest), line),
    span('\u2510', line),
  ];
  const body = Array.from({ length: rect.height - 2 }, (_, index): ScreenRow => [
    span('\u2502', line),
    ...fit(content[index] ?? [], inner),
    span('\u2502', line),
  ]);
  return [top, ...body, [span(`\u2514${'\u2500'.repeat(inner)}\u2518`, line)]];
}

function mainPane(state: State, rect: Rect): readonly ScreenRow[] {
  const [width, height] = [rect.width - 2, rect.height - 2];
  const focused = state.focus === 'main';
  if (state.view === 'logs') return box(state, rect, logTitle(state), focused, logRows(state, width, height));
  const rows = documentRows(state, width);
  const top = Math.min(state.top, Math.max(0, rows.length - height));
  const more =
    rows.length > height
      ? ` \u2500 ${top + 1} to ${Math.min(rows.length, top + height)} of ${rows.length}`
      : '';
  return box(
    state,
    rect,
    `${viewTitle(state)}${more}`,
    focused,
    rows.slice(top, top + height).map((row) => clip(row, width, state.logs.left)),
  );
}

function viewTitle(state: State): string {
  const name = state.selected === undefined ? '' : nameOf(state, state.selected);
  switch (state.view) {
    case 'details':
      return `${name} \u2500 explained`;
    case 'graph':
      return 'dependencies';
    case 'help':
      return `keys \u2500 ${keyText(keysOf(state.keymap, 'help')[0] ?? '?')} closes`;
    case 'diagnostics':
      return 'problems of the manifest';
    case 'timeline':
      return 'how everything came up';
    case 'plan':
    case 'events':
    case 'logs':
      return state.view;
    case 'shutdown':
      return 'shutdown';
  }
}

function reasonTitle(state: State): string {
  return state.selected === undefined ? 'nothing selected' : nameOf(state, state.selected);
}

function reasonRows(state: State, width: number): readonly ScreenRow[] {
  const selected = selectedOf(state);
  if (selected === undefined) return [];
  const { service, instance } = selected;
  const text = oneLine(verdict(instance, service, daemonNow(state)));
  const reason = reasonText(instance);
  const { style } = markOf(instanceWord(instance), state.theme);
  return [
    ...wrapWords(text, width - 2),
    ...(reason === '' || text.includes(reason) ? [] : wrapWords(reason, width - 2, style)),
    ...(service.description === undefined
      ? []
      : wrapWords(oneLine(service.description), width - 2, state.theme.dim)),
  ].map((row) => [span(' '), ...row]);
}

/** Above the line that is typed into: the actions that are meant, the chosen one marked. */
function paletteRows(state: State, rect: Rect): readonly ScreenRow[] {
  const { prompt, theme } = state;
  if (prompt?.kind !== 'palette') return [];
  const actions = paletteActions(prompt.text);
  const height = Math.min(rect.height - 2, Math.max(1, actions.length));
  const top = Math.max(0, Math.min(actions.length - height, prompt.chosen - Math.floor(height / 2)));
  const width = rect.width - 2;
  const rows = actions.slice(top, top + height).map((action, index): ScreenRow => {
    const keys = keysOf(state.keymap, action).map(keyText).join(' ');
    const row = fit(
      [
        span(` ${action}`, theme.bold),
        ...fit([], Math.max(1, 16 - action.length)),
        span(ACTIONS[action].title),
        span(keys === '' ? '' : `  ${keys}`, theme.dim),
      ],
      width,
    );
    return top + index === prompt.chosen ? row.map(({ text }) => span(text, theme.selected)) : row;
  });
  const none: ScreenRow = [span(' no command has this in its name', theme.dim)];
  return box(state, { ...rect, height: height + 2 }, 'commands', true, rows.length === 0 ? [none] : rows);
}

/** Puts rows over the lower part of a pane. */
function overlay(screen: ScreenRow[], rect: Rect, rows: readonly ScreenRow[]): void {
  rows.forEach((row, index) => {
    const y = rect.y + rect.height - rows.length + index;
    screen[y] = [...fit(clip(screen[y] ?? [], rect.x, 0, false), rect.x), ...row];
  });
}
