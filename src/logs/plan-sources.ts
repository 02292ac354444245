import { messageOf } from '../core/util/system-error.ts';
import type { InstanceLogQuery, LogTarget } from '../ports/logs.ts';
import type { InstanceLog } from './instance-log.ts';
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
      log,
      size: log.seen[stream].size,
      follow: query.follow && query.previous !== true,
      ...(range.to === undefined ? {} : { to: range.to }),
    };
    const after = placeAfter(base, query);
    if (after !== undefined) {
      sources.push(new Source({ ...base, from: after, seek: false, after }));
      continue;
    }
    const begin = await planBegin(base, range, query, onWarning);
    lines += begin.lines;
    sources.push(new Source({ ...base, from: begin.from, seek: begin.seek }));
  }
  return { sources, surplus: query.tail === undefined ? 0 : Math.max(0, lines - query.tail) };
}

/** Where a reader that goes on begins; undefined where it has not been before, or the stream has begun anew since. */
function placeAfter({ target, stream, size }: BasePlan, { after }: Pick<InstanceLogQuery, 'after'>) {
  const place = after?.find((one) => one.instance === target.instance && one.stream === stream);
  return place === undefined || place.at >= size ? undefined : place.at;
}

type BasePlan = Omit<SourcePlan, 'from' | 'seek'>;

interface Begin {
  readonly from: number;
  readonly seek: boolean;
  readonly lines: number;
}

/** Retention may release what is being looked at; what is found then counts for nothing. */
const MOST_LOOKS = 3;

async function planBegin(
  plan: BasePlan,
  range: ByteRange,
  query: Pick<InstanceLogQuery, 'tail' | 'since'>,
  onWarning: (message: string) => void,
): Promise<Begin> {
  const { timeline } = plan.log;
  const { stream } = plan;
  const since = query.since === undefined ? 0 : timeline.offsetSince(stream, query.since);
  for (let look = 1; ; look += 1) {
    const { start } = timeline.retained(stream);
    const to = Math.max(start, Math.min(range.to ?? Infinity, plan.size));
    const lowest = Math.max(range.from, start);
    const from = Math.min(to, Math.max(lowest, since));
    if (query.tail === undefined) {
      // From one byte earlier, so that a line that begins right there is found.
      const inside = from > lowest && !timeline.breaks(stream).includes(from);
      return { from: inside ? from - 1 : from, seek: inside, lines: 0 };
    }
    const read = reader(plan.log, stream, onWarning);
    const part = { first: start, from, to, breaks: timeline.breaks(stream) };
    const end = plan.follow ? await findUnfinished(read, part) : to;
    const found = await findLastLines(read, { ...part, to: end, lines: query.tail });
    const isThere = timeline.retained(stream).start <= found.start;
    if (isThere || look === MOST_LOOKS) return { from: found.start, seek: false, lines: found.lines };
  }
}

/** Reads parts of a stream; where the disk refuses, there is nothing to be read, and it says so. */
export function reader(log: InstanceLog, stream: Stream, onWarning: (message: string) => void): ReadBytes {
  return async (from, to) => {
    const bytes = Buffer.allocUnsafe(Math.max(0, to - from));
    try {
      return bytes.subarray(0, await log.read(stream, from, bytes, 0, bytes.length));
    } catch (error) {
      onWarning(readRefused(log.paths[stream], error));
      return bytes.subarray(0, 0);
    }
  };
}

export function readRefused(path: string, error: unknown): string {
  return `cannot read the log ${path}: ${messageOf(error)}`;
}
