import type { InstanceLogQuery, LogTarget } from '../ports/logs.ts';
import type { InstanceLog } from './instance-log.ts';
import { readInto } from './files.ts';
import type { ReadBytes } from './scan-back.ts';
import { findLastLines, findUnfinished } from './scan-back.ts';
import type { SourcePlan } from './source.ts';
import { Source } from './source.ts';
import type { ByteRange, Stream } from './timeline.ts';

interface InstancePlan {
  readonly sources: readonly Source[];
  /** How many of the first lines, in the order of time, are too many for the tail asked for. */
  readonly surplus: number;
}

/** Decides where reading an instance's streams begins and ends, for a log that has just been looked at. */
export async function planInstance(
  target: LogTarget,
  log: InstanceLog,
  query: Omit<InstanceLogQuery, 'instances'>,
  onWarning: (message: string) => void,
): Promise<InstancePlan> {
  const streams: readonly Stream[] = query.stream === undefined ? ['stderr', 'stdout'] : [query.stream];
  const sources: Source[] = [];
  let lines = 0;
  for (const stream of streams) {
    const range = query.previous === true ? log.timeline.previousRange(stream) : { from: 0 };
    if (range === undefined) continue;
    const base: BasePlan = {
      target,
      stream,
      path: log.paths[stream],
      timeline: log.timeline,
      size: log.seen[stream].size,
      follow: query.follow && query.previous !== true,
      ...(range.to === undefined ? {} : { to: range.to }),
    };
    const begin = await planBegin(base, range, query, onWarning);
    lines += begin.lines;
    sources.push(new Source({ ...base, from: begin.from, seek: begin.seek }));
  }
  return { sources, surplus: query.tail === undefined ? 0 : Math.max(0, lines - query.tail) };
}

type BasePlan = Omit<SourcePlan, 'from' | 'seek'>;

interface Begin {
  readonly from: number;
  readonly seek: boolean;
  readonly lines: number;
}

async function planBegin(
  plan: BasePlan,
  range: ByteRange,
  query: Pick<InstanceLogQuery, 'tail' | 'since'>,
  onWarning: (message: string) => void,
): Promise<Begin> {
  const { timeline, stream } = plan;
  const to = Math.min(range.to ?? Infinity, plan.size);
  const since = query.since === undefined ? 0 : timeline.offsetSince(stream, query.since);
  const from = Math.min(to, Math.max(range.from, since));
  if (query.tail === undefined) {
    // From one byte earlier, so that a line that begins right there is found.
    const inside = from > range.from && !timeline.breaks(stream).includes(from);
    return { from: inside ? from - 1 : from, seek: inside, lines: 0 };
  }
  const read = reader(plan.path, onWarning);
  const part = { from, to, breaks: timeline.breaks(stream) };
  const end = plan.follow ? await findUnfinished(read, part) : to;
  const { start, lines } = await findLastLines(read, { ...part, to: end, lines: query.tail });
  return { from: start, seek: false, lines };
}

/** Reads parts of a file; where the disk refuses, there is nothing to be read, and it says so. */
export function reader(path: string, onWarning: (message: string) => void): ReadBytes {
  return async (from, to) => {
    const bytes = Buffer.allocUnsafe(Math.max(0, to - from));
    try {
      return bytes.subarray(0, await readInto(path, from, bytes, 0, bytes.length));
    } catch (error) {
      onWarning(readRefused(path, error));
      return bytes.subarray(0, 0);
    }
  };
}

export function readRefused(path: string, error: unknown): string {
  return `cannot read the log ${path}: ${error instanceof Error ? error.message : String(error)}`;
}
