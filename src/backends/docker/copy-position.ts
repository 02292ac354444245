import { asRecord } from '../../core/util/record.ts';
import type { EngineLogEntry } from './log-entries.ts';

type Source = EngineLogEntry['source'];

/**
 * How far a log was copied.
 *
 * A lane is a file and the sources that go to it. Its place is named by the last entry that went in: the n-th of its
 * source with its time, since times are not unique (the pieces of one long line all have the first one's). The size of
 * the file says what came after that place was last noted: that many bytes of what follows it are in the file already.
 */
export interface CopyPosition {
  readonly lanes: readonly LaneCursor[];
}

export interface LaneCursor {
  readonly path: string;
  readonly sources: readonly Source[];
  /** Size of the file when everything up to the place was in it, and nothing more. */
  readonly size: number;
  readonly last?: Place;
  /** The last time of each source. */
  readonly times: Readonly<Partial<Record<Source, string>>>;
}

interface Place {
  readonly source: Source;
  readonly time: string;
  /** How many entries of the source have this time up to here; from 1. */
  readonly count: number;
}

/** The cursor of a run that has not written yet. A terminal has no second output, and merged output has one file. */
export function newCursor(
  stdout: { readonly path: string; readonly size: number },
  stderr?: { readonly path: string; readonly size: number },
): CopyPosition {
  if (stderr === undefined) return { lanes: [{ ...stdout, sources: ['stdout'], times: {} }] };
  if (stdout.path === stderr.path) {
    return { lanes: [{ ...stdout, sources: ['stdout', 'stderr'], times: {} }] };
  }
  return {
    lanes: [
      { ...stdout, sources: ['stdout'], times: {} },
      { ...stderr, sources: ['stderr'], times: {} },
    ],
  };
}

/**
 * Up to which time back the log is asked for again: the engine filters by time, and of sources that wait for each other
 * and of clocks that are set back a little an entry may come later than its time.
 */
export const OVERLAP_MS = 10_000;

/** The time of the earliest entry that may still be needed; undefined: from the beginning. */
export function resumeTime(cursor: CopyPosition): string | undefined {
  let earliest: string | undefined;
  for (const { last, times } of cursor.lanes) {
    // Of a lane that got nothing yet everything is needed, but all of it is later than what other lanes got, or nearly.
    if (last === undefined) continue;
    for (const time of Object.values(times)) {
      if (earliest === undefined || time < earliest) earliest = time;
    }
  }
  return earliest;
}

/**
 * Decides of each entry of a log that is read again from `resumeTime` minus the overlap on what of it is not in the files
 * yet. One for each reading.
 */
export class LaneReader {
  readonly path: string;
  readonly sources: ReadonlySet<Source>;
  readonly #anchor: Place | undefined;
  readonly #seen: Partial<Record<Source, { readonly time: string; readonly count: number }>> = {};
  readonly #times: Partial<Record<Source, string>>;
  #last: Place | undefined;
  #passed: boolean;
  /** Bytes of entries after the anchor that the file has already. */
  #skip: number;
  #size: number;

  /** `size` is the file's now. */
  constructor(lane: LaneCursor, size: number) {
    this.path = lane.path;
    this.sources = new Set(lane.sources);
    this.#anchor = lane.last;
    this.#last = lane.last;
    this.#times = { ...lane.times };
    this.#passed = lane.last === undefined;
    this.#skip = Math.max(0, size - lane.size);
    this.#size = lane.size;
  }

  /** What of the entry is to be appended; empty where it is there already. */
  take(entry: EngineLogEntry): Buffer {
    const place = this.#count(entry);
    if (!this.#passed && this.#isOld(place)) return entry.payload.subarray(entry.payload.length);
    this.#last = place;
    this.#times[entry.source] = entry.time;
    this.#size += entry.payload.length;
    const skipped = Math.min(this.#skip, entry.payload.length);
    this.#skip -= skipped;
    return entry.payload.subarray(skipped);
  }

  /** The place after the last entry taken, once all of it is in the file. */
  get cursor(): LaneCursor {
    return {
      path: this.path,
      sources: [...this.sources],
      size: this.#size,
      times: { ...this.#times },
      ...(this.#last === undefined ? {} : { last: this.#last }),
    };
  }

  #count({ source, time }: EngineLogEntry): Place {
    const before = this.#seen[source];
    const count = before?.time === time ? before.count + 1 : 1;
    this.#seen[source] = { time, count };
    return { source, time, count };
  }

  /** Whether an entry is one up to the anchor. What is behind the anchor is new, whatever its time. */
  #isOld({ source, time, count }: Place): boolean {
    const anchor = this.#anchor;
    if (anchor?.source !== source) return true;
    if (time === anchor.time && count === anchor.count) {
      this.#passed = true;
      return true;
    }
    // The engine has thrown the anchor away by now: what is later than it is new.
    this.#passed = time > anchor.time;
    return !this.#passed;
  }
}

/** Reads a cursor as it was written; undefined where it is not one. */
export function parseCopyPosition(value: unknown): CopyPosition | undefined {
  const lanes = asRecord(value)?.['lanes'];
  if (!Array.isArray(lanes)) return undefined;
  const parsed = lanes.map(parseLane);
  return parsed.every((lane) => lane !== undefined) ? { lanes: parsed } : undefined;
}

function parseLane(value: unknown): LaneCursor | undefined {
  const { path, sources, size, times, last } = asRecord(value) ?? {};
  if (typeof path !== 'string' || typeof size !== 'number' || !Array.isArray(sources)) return undefined;
  const place = asRecord(last);
  const known = sources.filter((source): source is Source => source === 'stdout' || source === 'stderr');
  const isPlace =
    place !== undefined &&
    (place['source'] === 'stdout' || place['source'] === 'stderr') &&
    typeof place['time'] === 'string' &&
    typeof place['count'] === 'number';
  if (last !== undefined && !isPlace) return undefined;
  return {
    path,
    size,
    sources: known,
    times: Object.fromEntries(
      known.flatMap((source) => {
        const time = asRecord(times)?.[source];
        return typeof time === 'string' ? [[source, time]] : [];
      }),
    ),
    ...(isPlace ? { last: place as unknown as Place } : {}),
  };
}
