import type { BufferedLine } from '../log-buffer.ts';
import { bottomOf, entryText, shownLines } from '../log-view.ts';
import { clockTime } from '../../words/text.ts';
import { displayWidth } from '../../words/width.ts';
import { nameOf, type State } from '../state.ts';
import {
  clip,
  fit,
  foreign,
  joined,
  restyled,
  rowWidth,
  span,
  wrap,
  type ScreenRow,
  type StyledText,
} from '../text.ts';

const MOST_NAME = 16;
/** From this width on there is room for a time before each line, and from there on for its milliseconds. */
const WITH_TIME = 56;
const WITH_MS = 90;

/** The lines on screen: as many as there is room for, the last one at the bottom once they fill it. */
export function logRows(state: State, width: number, height: number): readonly ScreenRow[] {
  const lines = shownLines(state);
  const out: ScreenRow[] = [];
  for (let n = bottomOf(lines, state.logs); n >= 0 && out.length < height; n -= 1) {
    const number = lines.number(n);
    const entry = lines.buffer.at(number);
    if (entry !== undefined)
      out.unshift(...entryRows(state, entry, number, width).slice(out.length - height));
  }
  return out.slice(-height);
}

function entryRows(state: State, entry: BufferedLine, number: number, width: number): readonly ScreenRow[] {
  const { logs, theme } = state;
  const lead = leadOf(state, entry, width);
  const room = Math.max(1, width - rowWidth(lead));
  const body = bodyOf(state, entry, number);
  const selected = isSelected(logs.selection, number);
  const dress = (row: ScreenRow): ScreenRow =>
    selected
      ? row.map(({ text, style }) => ({
          text,
          style: joined(style === theme.dim ? '' : style, theme.selected),
        }))
      : row;
  if (!logs.wrap) {
    const shown = logs.left > 0 || rowWidth(body) > room ? clip(body, room, logs.left) : body;
    return [dress(fit([...lead, ...shown], width))];
  }
  const indent = [span(' '.repeat(rowWidth(lead)))];
  return wrap(body, room).map((row, index) => dress(fit([...(index === 0 ? lead : indent), ...row], width)));
}

/** What stands before a line: its time, and whose it is where several are shown. */
function leadOf(state: State, entry: BufferedLine, width: number): ScreenRow {
  const { logs, theme } = state;
  const spans: StyledText[] = [];
  if (logs.timestamps && width >= WITH_TIME)
    spans.push(span(`${clockTime(entry.time).slice(0, width >= WITH_MS ? 12 : 8)} `, theme.dim));
  const several = logs.history === undefined ? logs.all : logs.all;
  const bar = entry.stream === 'stderr' ? theme.bad : theme.dim;
  if (several) {
    const most = Math.max(4, ...[...state.names.values()].map((name) => displayWidth(name)));
    const index = [...state.names.keys()].indexOf(entry.instance);
    const room = Math.min(MOST_NAME, most, Math.max(4, Math.floor(width / 4)));
    spans.push(
      ...fit([span(nameOf(state, entry.instance), index < 0 ? theme.dim : theme.name(index))], room),
    );
    spans.push(span(' '));
  }
  spans.push(span(entry.stream === 'stderr' ? '\u2503' : '\u2502', bar), span(' '));
  return spans;
}

function bodyOf({ logs, theme }: State, entry: BufferedLine, number: number): ScreenRow {
  if (entry.stream === 'notice') return [span(`* ${entryText(entry)}`, theme.dim)];
  const row = foreign(entry.text, theme.foreign);
  const marked = logs.search === undefined ? row : marks(row, entry, number, logs.search, theme.match);
  const start = entry.continued === true ? [span('\u21aa ', theme.dim)] : [];
  const end = entry.cut > 0 ? [span(` \u2026 ${entry.cut} more characters`, theme.dim)] : [];
  return start.length + end.length === 0 ? marked : [...start, ...marked, ...end];
}

function marks(
  row: ScreenRow,
  entry: BufferedLine,
  number: number,
  search: NonNullable<State['logs']['search']>,
  style: string,
): ScreenRow {
  const text = entryText(entry);
  if (!search.pattern.matches(text)) return row;
  return restyled(row, search.pattern.ranges(text), number === search.at ? joined(style, '1;4') : style);
}

function isSelected(selection: State['logs']['selection'], number: number): boolean {
  if (selection === undefined) return false;
  const { from, to } = selection;
  return from <= to ? number >= from && number <= to : number >= to && number <= from;
}

/** What the frame of the lines says about them. */
export function logTitle(state: State): string {
  const { logs } = state;
  const lines = shownLines(state);
  const bottom = bottomOf(lines, logs);
  const whose = logs.all || state.selected === undefined ? 'all services' : nameOf(state, state.selected);
  const { history } = logs;
  const parts = [history === undefined ? whose : history.title, 'logs'];
  if (history !== undefined && !history.isComplete) parts.push('loading');
  else if (logs.bottom === undefined) parts.push(history === undefined ? 'follow' : 'end');
  else parts.push(`${bottom + 1} of ${lines.count}`);
  if (logs.filter !== undefined) {
    const { pattern, index } = logs.filter;
    parts.push(`only /${pattern.source}/ ${index.isComplete ? `(${lines.count})` : '(filtering)'}`);
  }
  if (logs.search !== undefined) {
    const { pattern, index, at } = logs.search;
    const count = index.numbers.length;
    const nth = at === undefined ? '' : `${index.numbers.indexOf(at) + 1} of `;
    parts.push(`/${pattern.source}/ ${nth}${count}${index.isComplete ? '' : '+'}`);
  }
  if (lines.buffer.dropped > 0) parts.push(`${lines.buffer.dropped} older dropped`);
  if (logs.selection !== undefined) parts.push('selecting');
  return parts.join(' \u2500 ');
}
