import type { RunId } from '../core/state.ts';
import type { RetainedRange } from './retained-range.ts';
import { WHOLE_FILE } from './retained-range.ts';

export type Stream = 'stdout' | 'stderr';

/** A number for each of the two files of an instance. */
export interface StreamPositions {
  readonly stdout: number;
  readonly stderr: number;
}

/** How much had been written to both streams at a point in time (epoch ms). */
export interface Sample extends StreamPositions {
  readonly time: number;
}

/** Where a run's output begins in both files and, once it has ended, where it ends. */
interface RunMark {
  readonly run: RunId;
  readonly begin: Sample;
  readonly end?: Sample;
}

/** Bytes of one stream: `from` included, `to` excluded; without `to`, up to its end. */
export interface ByteRange {
  readonly from: number;
  readonly to?: number;
}

/** More run marks than this are not kept; the oldest go first. */
const MOST_RUNS = 64;

/**
 * Tells when which byte of an instance's output was written, as far as samples tell. Samples come in the order of time.
 * A file that has shrunk has lost its content: everything before that then counts as byte 0.
 */
export class Timeline {
  readonly #times: number[] = [];
  readonly #sizes: Readonly<Record<Stream, number[]>> = { stdout: [], stderr: [] };
  readonly #generations: Record<Stream, number> = { stdout: 0, stderr: 0 };
  readonly #retained: Record<Stream, RetainedRange> = { stdout: WHOLE_FILE, stderr: WHOLE_FILE };
  #runs: RunMark[] = [];
  /** Worked out when asked for, dropped when a run mark changes. */
  #breaks: Partial<Record<Stream, readonly number[]>> = {};

  get length(): number {
    return this.#times.length;
  }

  get runs(): readonly RunMark[] {
    return this.#runs;
  }

  at(index: number): Sample | undefined {
    const time = this.#times.at(index);
    const stdout = this.#sizes.stdout.at(index);
    const stderr = this.#sizes.stderr.at(index);
    if (time === undefined || stdout === undefined || stderr === undefined) return undefined;
    return { time, stdout, stderr };
  }

  add(sample: Sample): void {
    const before = this.at(-1);
    if (before !== undefined && sample.stdout < before.stdout) this.forgetContent('stdout');
    if (before !== undefined && sample.stderr < before.stderr) this.forgetContent('stderr');
    const last = this.at(-1);
    // A clock that was set back must not make an earlier byte seem later.
    const time = Math.max(sample.time, last?.time ?? 0);
    const { stdout, stderr } = sample;
    if (last?.time === time && last.stdout === stdout && last.stderr === stderr) return;
    this.#times.push(time);
    this.#sizes.stdout.push(stdout);
    this.#sizes.stderr.push(stderr);
  }

  beginRun(run: RunId, begin: Sample): void {
    this.add(begin);
    this.#breaks = {};
    this.#runs.push({ run, begin: this.at(-1) ?? begin });
    if (this.#runs.length > MOST_RUNS) this.#runs = this.#runs.slice(-MOST_RUNS);
  }

  endRun(run: RunId, end: Sample): void {
    this.add(end);
    const added = this.at(-1) ?? end;
    this.#breaks = {};
    this.#runs = this.#runs.map((mark) => (mark.run === run ? { ...mark, end: added } : mark));
  }

  /** The content of a file is gone, or the file is another one now: offsets known so far lead nowhere. */
  forgetContent(stream: Stream): void {
    this.#generations[stream] += 1;
    this.#retained[stream] = WHOLE_FILE;
    this.#breaks = {};
    this.#sizes[stream].fill(0);
    const reset = (sample: Sample): Sample => ({ ...sample, [stream]: 0 });
    this.#runs = this.#runs.map((mark) => ({
      ...mark,
      begin: reset(mark.begin),
      ...(mark.end === undefined ? {} : { end: reset(mark.end) }),
    }));
  }

  /** Which bytes of the stream there still are. */
  retained(stream: Stream): RetainedRange {
    return this.#retained[stream];
  }

  setRetained(stream: Stream, retained: RetainedRange): void {
    this.#retained[stream] = retained;
  }

  /** Counts up each time the content of the file is gone: a reader that knew it must begin anew. */
  generation(stream: Stream): number {
    return this.#generations[stream];
  }

  /**
   * Where a line begins whatever the byte before it is: where a run begins or ends. Ascending, without duplicates
   * and without 0.
   */
  breaks(stream: Stream): readonly number[] {
    const known = this.#breaks[stream];
    if (known !== undefined) return known;
    const found = new Set<number>();
    for (const { begin, end } of this.#runs) {
      found.add(begin[stream]);
      if (end !== undefined) found.add(end[stream]);
    }
    found.delete(0);
    const breaks = [...found].sort((a, b) => a - b);
    this.#breaks[stream] = breaks;
    return breaks;
  }

  /** What a run wrote to a stream; undefined where the run is not known. */
  rangeOf(run: RunId, stream: Stream): ByteRange | undefined {
    const index = this.#runs.findIndex((mark) => mark.run === run);
    return index < 0 ? undefined : this.#range(index, stream);
  }

  /**
   * Where a run's output ends, as far as it was seen: where the run was marked as ended, or else where the next one
   * begins. Undefined while it goes on, and where it is not known.
   */
  endOf(run: RunId, stream: Stream): number | undefined {
    const index = this.#runs.findIndex((mark) => mark.run === run);
    return this.#runs[index]?.end?.[stream] ?? (index < 0 ? undefined : this.#runs[index + 1]?.begin[stream]);
  }

  /** What the run before the last one wrote to a stream; undefined where there was none. */
  previousRange(stream: Stream): ByteRange | undefined {
    return this.#runs.length < 2 ? undefined : this.#range(this.#runs.length - 2, stream);
  }

  /** The end is where the next run begins, not where this one was seen to end: what trickles in later is still its. */
  #range(index: number, stream: Stream): ByteRange | undefined {
    const mark = this.#runs[index];
    if (mark === undefined) return undefined;
    const from = mark.begin[stream];
    const next = this.#runs[index + 1];
    return next === undefined ? { from } : { from, to: Math.max(from, next.begin[stream]) };
  }

  /** The first byte that may have been written at `time` or later. */
  offsetSince(stream: Stream, time: number): number {
    const index = lastAtMost(this.#times, time - 1);
    return this.#sizes[stream][index] ?? 0;
  }

  /**
   * When the byte at `offset` was written (epoch ms, whole), by the samples around it. `hand` keeps the place between
   * calls with growing offsets.
   */
  timeOf(stream: Stream, offset: number, hand: ClockHand): number {
    const sizes = this.#sizes[stream];
    const times = this.#times;
    let index = hand.index;
    if (!((sizes[index] ?? Infinity) <= offset && offset < (sizes[index + 1] ?? -1))) {
      index = lastAtMost(sizes, offset);
      hand.index = Math.max(index, 0);
    }
    const fromTime = times[Math.max(index, 0)] ?? 0;
    const fromSize = sizes[index];
    const toTime = times[index + 1];
    const toSize = sizes[index + 1];
    if (fromSize === undefined || toTime === undefined || toSize === undefined) return Math.round(fromTime);
    return Math.round(fromTime + ((offset - fromSize) / (toSize - fromSize)) * (toTime - fromTime));
  }

  /**
   * Drops samples from the older half, never two neighbours at once, and those first that lie in the shortest stretch
   * of time, because times between the remaining ones then change least. The end of a silence is kept: without it, what
   * was written after the silence would seem to have been written during it.
   */
  thin(): void {
    const half = Math.floor(this.#times.length / 2);
    const span = (i: number): number => {
      if (this.#isSilent(i)) return this.#isSilent(i + 1) ? 0 : Infinity;
      return (this.#times[i + 1] ?? 0) - (this.#times[i - 1] ?? 0);
    };
    const spans: number[] = [];
    for (let i = 1; i < half; i += 1) if (span(i) !== Infinity) spans.push(span(i));
    const median = spans.sort((a, b) => a - b)[Math.floor(spans.length / 2)] ?? 0;
    const kept: number[] = [];
    let dropped = false;
    for (let i = 0; i < this.#times.length; i += 1) {
      dropped = i > 0 && i < half && !dropped && span(i) <= median;
      if (!dropped) kept.push(i);
    }
    for (const list of [this.#times, this.#sizes.stdout, this.#sizes.stderr]) {
      const values = kept.map((i) => list[i] ?? 0);
      list.length = 0;
      for (const value of values) list.push(value);
    }
  }

  /** Whether nothing was written between the sample before and this one. */
  #isSilent(index: number): boolean {
    const { stdout, stderr } = this.#sizes;
    return stdout[index] === stdout[index - 1] && stderr[index] === stderr[index - 1];
  }
}

/** A place in a timeline that a reader of one stream keeps between calls. */
export interface ClockHand {
  index: number;
}

/** The last index whose value is at most `value` in an ascending list; -1 where there is none. */
function lastAtMost(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
