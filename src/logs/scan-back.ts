import { LONGEST_PIECE_BYTES, continuationBytes } from './split.ts';

const NEWLINE = 0x0a;
const CHUNK_BYTES = 64 * 1024;

/** Reads the bytes from `from` to `to`, fewer where the file has become shorter. */
export type ReadBytes = (from: number, to: number) => Promise<Buffer>;

interface ScanRequest {
  /** The first byte that can be read; a line begins there. */
  readonly first: number;
  /** Nothing before this byte counts. */
  readonly from: number;
  readonly to: number;
  /** How many lines are wanted. */
  readonly lines: number;
  /** Where a line begins whatever is before it. */
  readonly breaks: readonly number[];
}

interface LinesFound {
  /** Where the first of the lines found begins. */
  readonly start: number;
  /** How many lines there are from `start` to the end; an unfinished last one counts. */
  readonly lines: number;
}

/**
 * Finds the last lines of a part of a file, reading backwards and no more than needed: at most 64 KiB for each line that is
 * wanted. A longer line may therefore begin in its middle.
 */
export async function findLastLines(read: ReadBytes, request: ScanRequest): Promise<LinesFound> {
  const { first, from, to, lines, breaks } = request;
  if (lines <= 0 || to <= from) return { start: to, lines: 0 };
  const lowest = Math.max(from, to - (lines + 1) * LONGEST_PIECE_BYTES);
  let found = 0;
  let start = to;
  let end = to;
  while (end > lowest) {
    const begin = Math.max(lowest, end - CHUNK_BYTES);
    // One byte more in front: whether a line begins at `begin` depends on it.
    const base = Math.max(first, begin - 1);
    const bytes = await read(base, end);
    const starts = lineStarts(bytes, base, begin, end, [first, ...breaks]);
    for (const at of starts) {
      found += 1;
      start = at;
      if (found === lines) return { start, lines: found };
    }
    end = begin;
  }
  // A line may have begun before the first byte looked at; what there is of it counts, unless it is only cut off.
  if (start > lowest && lowest > from) {
    const head = await read(lowest, Math.min(to, lowest + 4));
    return { start: lowest + continuationBytes(head), lines: found + 1 };
  }
  return { start, lines: found };
}

/** Where the unfinished line at the end begins; `to` where the last line is finished. */
export async function findUnfinished(read: ReadBytes, request: Omit<ScanRequest, 'lines'>): Promise<number> {
  const { from, to, breaks } = request;
  if (to <= from || breaks.includes(to)) return to;
  const last = await read(to - 1, to);
  if (last[0] === NEWLINE) return to;
  return (await findLastLines(read, { ...request, lines: 1 })).start;
}

/** The places in [begin, end) at which a line begins, last one first. */
function lineStarts(
  bytes: Buffer,
  base: number,
  begin: number,
  end: number,
  breaks: readonly number[],
): number[] {
  const starts: number[] = [];
  for (let i = bytes.indexOf(NEWLINE); i >= 0; i = bytes.indexOf(NEWLINE, i + 1)) {
    const at = base + i + 1;
    if (at >= begin && at < end) starts.push(at);
  }
  const known = new Set(starts);
  for (const at of new Set(breaks)) if (at >= begin && at < end && !known.has(at)) starts.push(at);
  return starts.sort((a, b) => b - a);
}
