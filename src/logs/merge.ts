import type { LogLine } from '../core/api.ts';
import type { Source } from './source.ts';

/**
 * Takes lines out of loaded sources, in the order of time, and of the list among equal times, until one of them must load
 * more before it is known what comes next. Each source given must have a line to take.
 */
export function takeMerged(sources: readonly Source[], put: (line: LogLine, from: Source) => void): void {
  let left = [...sources];
  while (left.length > 0) {
    const { first, second, firstComesBefore } = earliestTwo(left);
    do {
      const line = head(first);
      if (line === undefined) break;
      if (second !== undefined && !precedes(line.time, second.time, firstComesBefore)) break;
      put(line, first);
      first.taken += 1;
    } while (first.taken < first.lines.length);
    if (first.taken < first.lines.length) continue;
    if (first.pending) return;
    left = left.filter((source) => source !== first);
  }
}

function head(source: Source): LogLine | undefined {
  return source.lines[source.taken];
}

function precedes(time: number, other: number, winsTies: boolean): boolean {
  return winsTies ? time <= other : time < other;
}

/** The source whose line comes next, and the line that comes next of all others. */
function earliestTwo(sources: readonly [] | readonly Source[]): {
  readonly first: Source;
  readonly second: LogLine | undefined;
  readonly firstComesBefore: boolean;
} {
  let first: Source | undefined;
  let second: LogLine | undefined;
  let firstAt = -1;
  let secondAt = -1;
  sources.forEach((source, index) => {
    const line = head(source);
    if (line === undefined) return;
    const leading = first === undefined ? undefined : head(first);
    if (leading === undefined || line.time < leading.time) {
      second = leading;
      secondAt = firstAt;
      first = source;
      firstAt = index;
    } else if (second === undefined || line.time < second.time) {
      second = line;
      secondAt = index;
    }
  });
  if (first === undefined) throw new Error('no source has a line');
  return { first, second, firstComesBefore: firstAt < secondAt || second === undefined };
}
