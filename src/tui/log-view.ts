/** Moving about in the lines of the log view. */
import { daemonNow, shownBuffer, type LogView, type State } from './state.ts';
import { bounded, lowerBound, MatchIndex, type LogBuffer, type BufferedLine } from './log-buffer.ts';
import type { Pattern } from './pattern.ts';
import { foreignText } from './text.ts';

/** The numbers of the lines that are shown: all from `first` on, or those that the filter lets through. */
export interface Lines {
  readonly buffer: LogBuffer;
  readonly count: number;
  /** The number of the n-th. */
  number(n: number): number;
  /** How many are below this number. */
  below(number: number): number;
}

export function shownLines(state: State): Lines {
  const buffer = shownBuffer(state);
  const numbers = state.logs.filter?.index.numbers;
  if (numbers === undefined) {
    const { first, length } = buffer;
    return {
      buffer,
      count: length,
      number: (n) => first + n,
      below: (number) => Math.min(length, Math.max(0, number - first)),
    };
  }
  return {
    buffer,
    count: numbers.length,
    number: (n) => numbers[n] ?? 0,
    below: (number) => lowerBound(numbers, number),
  };
}

/** Position (0 .. count - 1) of the line at the bottom of the view; -1 where there are none. */
export function bottomOf(lines: Lines, { bottom }: LogView): number {
  if (bottom === undefined) return lines.count - 1;
  return Math.min(lines.count - 1, lines.below(bottom + 1) - 1 < 0 ? 0 : lines.below(bottom + 1) - 1);
}

/**
 * Moves the view; at the very end it follows again. It stops where the first line stands at the top of `fits` lines; a
 * line that is wrapped takes several, so then it goes on to the very first one.
 */
export function scrolled(state: State, by: number, fits: number): State {
  const lines = shownLines(state);
  if (lines.count === 0) return state;
  const target = bottomOf(lines, state.logs) + by;
  if (target >= lines.count - 1 && by > 0) return { ...state, logs: withoutBottom(state.logs) };
  const least = state.logs.wrap ? 0 : Math.min(lines.count - 1, fits - 1);
  const position = Math.max(least, Math.min(lines.count - 1, target));
  return { ...state, logs: { ...state.logs, bottom: lines.number(position) } };
}

/** `from`: how many lines fit, so that the first one stands at the top. */
export function toTop(state: State, fits: number): State {
  const lines = shownLines(state);
  if (lines.count === 0) return state;
  const position = Math.min(lines.count - 1, Math.max(0, fits - 1));
  return { ...state, logs: { ...state.logs, bottom: lines.number(position) } };
}

export function withoutBottom(logs: LogView): LogView {
  const { bottom: _bottom, ...rest } = logs;
  return rest;
}

/** What is searched and marked in is what stands on screen. */
export function entryText(entry: BufferedLine): string {
  return foreignText(entry.text);
}

/** Points filter and search at the lines that are shown now. */
export function reindexed(state: State): State {
  const { filter, search, ...rest } = state.logs;
  let next: State = { ...state, logs: rest };
  if (filter !== undefined) next = withFilter(next, filter.pattern);
  if (search !== undefined) next = withSearch(next, search.pattern);
  return next;
}

export function withFilter(state: State, pattern: Pattern | undefined): State {
  const { filter: _filter, search, ...rest } = state.logs;
  const cleared = withoutBottom(rest);
  const next: State =
    pattern === undefined
      ? { ...state, logs: cleared }
      : {
          ...state,
          logs: {
            ...cleared,
            filter: {
              pattern,
              index: new MatchIndex(shownBuffer(state), (entry) => pattern.matches(entryText(entry))),
            },
          },
        };
  return search === undefined ? next : withSearch(next, search.pattern);
}

/** What the filter hides is not found. */
export function withSearch(state: State, pattern: Pattern | undefined): State {
  const { search: _search, ...rest } = state.logs;
  if (pattern === undefined) return { ...state, logs: rest };
  const filter = rest.filter?.pattern;
  const index = new MatchIndex(shownBuffer(state), (entry) => {
    const text = entryText(entry);
    return pattern.matches(text) && (filter === undefined || filter.matches(text));
  });
  return { ...state, logs: { ...rest, search: { pattern, index } } };
}

/** Goes to the next match below or above the present one (or, at first, the bottom); undefined where there is none. */
export function toMatch(state: State, direction: 'older' | 'newer'): State | undefined {
  const { search } = state.logs;
  const lines = shownLines(state);
  if (search === undefined || lines.count === 0) return undefined;
  const numbers = search.index.numbers;
  const from = search.at ?? lines.number(bottomOf(lines, state.logs)) + (direction === 'older' ? 1 : 0);
  const index = direction === 'older' ? lowerBound(numbers, from) - 1 : lowerBound(numbers, from + 1);
  const at = numbers[index];
  if (at === undefined) return undefined;
  const logs = { ...state.logs, search: { ...search, at } };
  return {
    ...state,
    logs: { ...logs, bottom: lines.number(Math.min(lines.count - 1, lines.below(at) + 3)) },
  };
}

/** Adds lines of output, and what was left out of them. */
export function pushLine(
  buffers: readonly LogBuffer[],
  line: {
    readonly time: number;
    readonly instance: string;
    readonly stream: BufferedLine['stream'];
    readonly text: string;
    readonly skipped?: number;
    readonly continued?: boolean;
  },
): void {
  const { time, instance, stream } = line;
  if ((line.skipped ?? 0) > 0) {
    const text = `${line.skipped} bytes left out: they came faster than they could be shown`;
    for (const buffer of buffers) buffer.push({ time, instance, stream: 'notice', text, cut: 0 });
  }
  const rest = line.continued === true ? ({ continued: true } as const) : {};
  const entry: BufferedLine = { time, instance, stream, ...bounded(line.text), ...rest };
  for (const buffer of buffers) buffer.push(entry);
}

/**
 * Puts the first line that is not older than this moment at the top; undefined where all are newer than it, so others
 * are needed. `fits`: how many lines there is room for.
 */
export function toMoment(state: State, at: number, fits: number): State | undefined {
  const lines = shownLines(state);
  const first = lines.buffer.at(lines.number(0));
  if (lines.count === 0 || first === undefined || (first.time > at && at < daemonNow(state)))
    return undefined;
  let low = 0;
  let high = lines.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines.buffer.at(lines.number(middle))?.time ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  const position = Math.min(lines.count - 1, low + fits - 1);
  return { ...state, logs: { ...state.logs, bottom: lines.number(position) } };
}
