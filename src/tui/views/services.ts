import { instanceWord } from '../../words/status.ts';
import type { ListRow } from '../rows.ts';
import { displayWidth } from '../../words/width.ts';
import type { NamedInstance } from '../../words/instances.ts';
import { daemonNow, type State } from '../state.ts';
import { fit, joined, span, type ScreenRow, type StyledText } from '../text.ts';
import {
  hasFailed,
  healthText,
  markOf,
  reasonText,
  shortSize,
  sparkline,
  stateText,
  trend,
  uptimeText,
} from './words.ts';

/** Index of the first row on screen, so that the selected one stands in the middle where it can. */
export function listTop(rows: readonly ListRow[], selected: string | undefined, height: number): number {
  const index = rows.findIndex(
    (row) => row.kind === 'instance' && !row.repeated && row.shown.instance.id === selected,
  );
  return Math.max(0, Math.min(rows.length - height, index - Math.floor(height / 2)));
}

interface Column {
  /** Lower ones stay longest. */
  readonly priority: number;
  readonly right?: boolean;
  readonly most: number;
  text(shown: NamedInstance, state: State): string;
  style?(shown: NamedInstance, state: State): string;
}

const SPARK_WIDTH = 6;
const GAP = 1;
/** A reason in fewer columns says nothing. */
const LEAST_REASON = 14;
/** The state is as wide as this at least, so that a countdown does not move the columns behind it. */
const LEAST_STATE = 14;
/** Where something needs a reason, columns from this priority on leave that much room to it. */
const EXTRA = 8;
const REASON_ROOM = 16;
const MOST_NAME = 28;
/** On a screen this wide the backend is named even where all have the same. */
const WITH_BACKEND = 160;

/** As wide from the first sample on as it will be, so that the columns behind it stay where they are. */
function steady(bars: string): string {
  return bars === '' ? '' : bars.padStart(SPARK_WIDTH);
}

const COLUMNS: readonly Column[] = [
  {
    priority: 0,
    most: 22,
    text: ({ instance }, state) => stateText(instance, daemonNow(state)),
    style: ({ instance }, { theme }) => markOf(instanceWord(instance), theme).style,
  },
  {
    priority: 1,
    right: true,
    most: 7,
    text: ({ instance }, state) => uptimeText(instance, daemonNow(state)),
  },
  {
    priority: 2,
    most: 6,
    text: ({ instance }) => healthText(instance),
    style: ({ instance }, { theme }) => (hasFailed(instance) ? theme.bad : theme.good),
  },
  {
    priority: 4,
    right: true,
    most: 5,
    text: ({ instance }) => (instance.restarts === 0 ? '' : `\u21bb${instance.restarts}`),
    style: (_, { theme }) => theme.busy,
  },
  {
    priority: 7,
    right: true,
    most: 5,
    text: ({ instance }, { usage }) => {
      const cpu = usage.get(instance.id)?.cpu.at(-1);
      return cpu === undefined ? '' : `${cpu < 9.95 ? cpu.toFixed(1) : Math.round(cpu)}%`;
    },
  },
  {
    priority: 6,
    most: SPARK_WIDTH,
    text: ({ instance }, { usage }) => steady(sparkline(usage.get(instance.id)?.cpu ?? [], SPARK_WIDTH)),
    style: (_, { theme }) => theme.accent,
  },
  {
    priority: 5,
    right: true,
    most: 5,
    text: ({ instance }, { usage }) => {
      const used = usage.get(instance.id);
      return used === undefined ? '' : shortSize(used.memory.at(-1) ?? 0);
    },
  },
  {
    priority: 9,
    most: SPARK_WIDTH,
    text: ({ instance }, { usage }) => steady(trend(usage.get(instance.id)?.memory ?? [], SPARK_WIDTH)),
    style: (_, { theme }) => theme.dim,
  },
  {
    priority: 3,
    most: 18,
    text: ({ instance }) =>
      Object.values(instance.ports)
        .map((port) => `:${port}`)
        .join(' '),
  },
  {
    priority: 8,
    most: 8,
    text: ({ service }, { snapshot, columns }) => {
      const mixed = snapshot?.services.some(({ backend }) => backend !== service.backend) === true;
      return mixed || columns >= WITH_BACKEND ? service.backend : '';
    },
    style: (_, { theme }) => theme.dim,
  },
];

/** The list, as many rows as there are in the height given. */
export function servicesRows(
  state: State,
  rows: readonly ListRow[],
  width: number,
  height: number,
): readonly ScreenRow[] {
  const top = listTop(rows, state.selected, height);
  const instances = rows.flatMap((row) => (row.kind === 'instance' ? [row] : []));
  const nameWidth = Math.min(
    MOST_NAME,
    Math.max(4, ...instances.map(({ shown, prefix }) => prefix.length + displayWidth(shown.name))),
  );
  const shownList = instances.map(({ shown }) => shown);
  const widths = columnWidths(state, shownList, width - nameWidth - 3);
  return rows.slice(top, top + height).map((row) => {
    if (row.kind === 'heading') return fit([span(` ${row.text}`, state.theme.dim)], width);
    return instanceRow(state, row, nameWidth, widths, width);
  });
}

/** The width of each column, 0 for those that there is no room for or nothing in. */
function columnWidths(state: State, shown: readonly NamedInstance[], room: number): readonly number[] {
  const wanted = COLUMNS.map((column, index) =>
    Math.min(
      column.most,
      Math.max(index === 0 ? LEAST_STATE : 0, ...shown.map((one) => displayWidth(column.text(one, state)))),
    ),
  );
  const kept = COLUMNS.map(() => 0);
  let left = room;
  const reserved = shown.some(({ instance }) => reasonText(instance) !== '') ? REASON_ROOM : 0;
  for (const index of COLUMNS.map((_, at) => at).sort(
    (a, b) => (COLUMNS[a]?.priority ?? 0) - (COLUMNS[b]?.priority ?? 0),
  )) {
    const width = wanted[index] ?? 0;
    const needed = width + GAP + ((COLUMNS[index]?.priority ?? 0) >= EXTRA ? reserved : 0);
    if (width === 0 || (needed > left && index > 0)) continue;
    kept[index] = Math.min(width, Math.max(0, left));
    left -= width + GAP;
  }
  return kept;
}

function instanceRow(
  state: State,
  { shown, prefix, repeated }: Extract<ListRow, { kind: 'instance' }>,
  nameWidth: number,
  widths: readonly number[],
  width: number,
): ScreenRow {
  const { theme } = state;
  const { mark, style } = markOf(instanceWord(shown.instance), theme);
  const name = [
    span(prefix, theme.dim),
    span(mark, style),
    span(` ${shown.name}`, repeated ? theme.dim : ''),
  ];
  const cells: StyledText[] = [span(' '), ...fit(name, nameWidth + 2)];
  let filled = cells.length;
  if (repeated) return fit([...cells, span('  (above)', theme.dim)], width);
  COLUMNS.forEach((column, index) => {
    const columnWidth = widths[index] ?? 0;
    if (columnWidth === 0) return;
    const text = column.text(shown, state);
    const own = column.style?.(shown, state) ?? '';
    const cell = fit([span(text, own)], columnWidth);
    const padding = columnWidth - Math.min(columnWidth, displayWidth(text));
    cells.push(span(' '.repeat(GAP)));
    if (column.right === true && padding > 0) cells.push(span(' '.repeat(padding)), span(text, own));
    else cells.push(...cell);
    if (text !== '') filled = cells.length;
  });
  // Columns at the end that say nothing of this one leave their room to the reason.
  cells.length = filled;
  const used = cells.reduce((sum, { text }) => sum + displayWidth(text), 0);
  const reason = reasonText(shown.instance);
  if (reason !== '' && width - used > LEAST_REASON) cells.push(span(` ${reason}`, theme.dim));
  const row = fit(cells, width);
  if (shown.instance.id !== state.selected) return row;
  const selected = state.focus === 'services' ? theme.selected : joined(theme.bold, '4');
  return row.map((one) => ({
    text: one.text,
    style: joined(one.style === theme.dim ? '' : one.style, selected),
  }));
}
