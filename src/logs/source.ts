import type { LogLine } from '../core/api.ts';
import type { LogTarget } from '../ports/logs.ts';
import type { InstanceLog } from './instance-log.ts';
import { LONGEST_PIECE_BYTES, splitLines } from './split.ts';
import type { ClockHand, Stream, Timeline } from './timeline.ts';

/** A follower further behind than this is moved on. */
export const MOST_BEHIND_BYTES = 8 * 1024 * 1024;

/** How far before the end of the file a follower goes on that was moved on. */
export const RESUME_BEHIND_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

export interface SourcePlan {
  readonly target: LogTarget;
  readonly stream: Stream;
  readonly log: InstanceLog;
  /** The first byte to read. */
  readonly from: number;
  /** `from` may be inside a line: begin with the next one. */
  readonly seek: boolean;
  /** The byte to stop before, for good; without it the source goes on with what `extend` tells. */
  readonly to?: number;
  /** The size of the stream when `from` was decided. */
  readonly size: number;
  /** Hold back an unfinished line, since the rest of it may come. */
  readonly follow: boolean;
  /** Never moved on, however far behind it is. */
  readonly patient?: boolean;
  /** Where the last line begins that the reader has had before: it wants those after that one, and all of them. */
  readonly after?: number;
}

/** Room for reading, shared by the sources of one reader, which load one after the other. */
export class Scratch {
  readonly bytes: Buffer;
  readonly chunkBytes: number;

  constructor(chunkBytes: number) {
    this.chunkBytes = chunkBytes;
    this.bytes = Buffer.allocUnsafe(LONGEST_PIECE_BYTES + chunkBytes);
  }
}

/**
 * One stream of one instance, turned into lines chunk by chunk. `lines` holds what was loaded and is taken from `taken`
 * on; `load` replaces it once all of it was taken.
 */
export class Source {
  lines: LogLine[] = [];
  taken = 0;
  readonly #plan: SourcePlan;
  readonly #timeline: Timeline;
  /** The next byte to read; what is in `#rest` lies directly before it. */
  #position: number;
  #limit: number;
  #generation: number;
  /** The beginning of a line whose end was not read yet. */
  #rest: Buffer = Buffer.alloc(0);
  #seeking: 'no' | 'quietly' | 'counting';
  #skipped = 0;
  /** Up to here nothing is handed on. */
  #after: number;
  /** Of the line whose first pieces were handed on; all its pieces carry the same time. */
  #lineTime: number | undefined;
  readonly #hand: ClockHand = { index: 0 };

  constructor(plan: SourcePlan) {
    this.#plan = plan;
    this.#timeline = plan.log.timeline;
    this.#position = plan.from;
    this.#generation = this.#timeline.generation(plan.stream);
    this.#limit = Math.max(plan.from, Math.min(plan.to ?? Infinity, plan.size));
    this.#after = plan.after ?? -1;
    this.#seeking = plan.seek && plan.from > 0 ? 'quietly' : 'no';
  }

  get instance(): string {
    return this.#plan.target.instance;
  }

  get path(): string {
    return this.#plan.log.paths[this.#plan.stream];
  }

  /** The first byte that was not handed on: what is held back of an unfinished line counts as read. */
  get position(): number {
    return this.#position;
  }

  /** Whether it goes on where an earlier reader has come to. */
  get goesOn(): boolean {
    return this.#plan.after !== undefined;
  }

  get stream(): Stream {
    return this.#plan.stream;
  }

  /** Whether `load` would get on. */
  get pending(): boolean {
    if (this.#position < this.#limit) return true;
    return this.#rest.length > 0 && (!this.#plan.follow || this.#isBreak(this.#position));
  }

  /** Tells a following source how large its file is now. All that was loaded before must have been taken. */
  extend(size: number): void {
    const generation = this.#timeline.generation(this.#plan.stream);
    if (generation !== this.#generation) this.#startOver();
    this.#generation = generation;
    this.#limit = Math.max(this.#position, size);
    if (this.#isReleased) this.#moveTo(this.#start);
    if (this.#plan.patient !== true && this.#limit - this.#position > MOST_BEHIND_BYTES) {
      // From one byte earlier, so that a line that begins right there is found.
      this.#moveTo(this.#limit - RESUME_BEHIND_BYTES - 1);
      this.#seeking = 'counting';
    }
  }

  /** Reads the next chunk into `lines`, which may stay empty. Rejects where the disk refuses. */
  async load(scratch: Scratch): Promise<void> {
    this.lines = this.lines.slice(this.taken);
    this.taken = 0;
    if (this.#isBreak(this.#position)) {
      this.#seeking = 'no';
      this.#flush();
    }
    const held = this.#rest.length;
    this.#rest.copy(scratch.bytes);
    const end = Math.min(this.#limit, this.#position + scratch.chunkBytes, this.#nextBreak());
    const wanted = end - this.#position;
    const { log, stream } = this.#plan;
    const got = wanted > 0 ? await log.read(stream, this.#position, scratch.bytes, held, wanted) : 0;
    if (this.#isReleased) {
      this.#moveTo(this.#start);
      return;
    }
    // Shorter than it was a moment ago: what is there now is for the next look at the file.
    if (got < wanted) this.#limit = this.#position + got;
    const start = this.#position - held;
    this.#position += got;
    const final = this.#isBreak(this.#position) || (!this.#plan.follow && this.#position >= this.#limit);
    this.#take(scratch.bytes.subarray(0, held + got), start, final);
  }

  /** Nothing more is to be had: what the disk refused once is not asked for again. */
  giveUp(): void {
    this.#limit = this.#position;
    this.#rest = Buffer.alloc(0);
  }

  #take(bytes: Buffer, start: number, final: boolean): void {
    let skip = 0;
    if (this.#seeking !== 'no') {
      const newline = bytes.indexOf(NEWLINE);
      skip = newline < 0 ? bytes.length : newline + 1;
      if (this.#seeking === 'counting') this.#skipped += skip;
      if (newline >= 0) this.#seeking = 'no';
    }
    const rest = bytes.subarray(skip);
    const used = splitLines(rest, final, (text, at, partial) => {
      this.#emit(text, start + skip + at, partial);
    });
    this.#rest = used === rest.length ? Buffer.alloc(0) : Buffer.from(rest.subarray(used));
  }

  #emit(text: string, offset: number, partial: boolean): void {
    const { target, stream } = this.#plan;
    const time = this.#lineTime ?? this.#timeline.timeOf(stream, offset, this.#hand);
    this.#lineTime = partial ? time : undefined;
    if (offset <= this.#after) return;
    const line = { service: target.service, instance: target.instance, stream, time, at: offset, text };
    if (!partial && this.#skipped === 0) {
      this.lines.push(line);
      return;
    }
    const skipped = this.#skipped;
    this.#skipped = 0;
    this.lines.push({ ...line, ...(partial ? { partial } : {}), ...(skipped > 0 ? { skipped } : {}) });
  }

  /** Hands on what is held back as a line of its own: the rest of it will not come. */
  #flush(): void {
    if (this.#rest.length === 0) return;
    const bytes = this.#rest;
    this.#take(bytes, this.#position - bytes.length, true);
  }

  #startOver(): void {
    this.#seeking = 'no';
    this.#flush();
    this.#lineTime = undefined;
    this.#after = -1;
    this.#position = this.#start;
  }

  /** Leaves out what is before a byte further on, where a line begins. */
  #moveTo(position: number): void {
    this.#skipped += position - (this.#position - this.#rest.length);
    this.#position = position;
    this.#limit = Math.max(this.#limit, position);
    this.#rest = Buffer.alloc(0);
    this.#lineTime = undefined;
    this.#seeking = 'no';
  }

  get #start(): number {
    return this.#timeline.retained(this.#plan.stream).start;
  }

  /** Whether the next byte to read is not there any more. */
  get #isReleased(): boolean {
    return this.#position < this.#start && this.#position < this.#limit;
  }

  #isBreak(position: number): boolean {
    return this.#timeline.breaks(this.#plan.stream).includes(position);
  }

  #nextBreak(): number {
    return this.#timeline.breaks(this.#plan.stream).find((at) => at > this.#position) ?? Infinity;
  }
}
