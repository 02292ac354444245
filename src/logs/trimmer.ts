import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { LogSpec } from '../core/service.ts';
import { errnoOf, messageOf } from '../core/util/system-error.ts';
import { Archives } from './archives.ts';

import { fileBefore, removeFilesBefore } from './retained-range.ts';
import type { InstanceLog } from './instance-log.ts';
import { STREAMS } from './instance-log.ts';
import type { Puncher } from './punch.ts';
import type { Stream } from './timeline.ts';

/** What a reader that must not miss anything may hold up, besides what is to be kept anyway. */
const MOST_HELD_UP_BYTES = 64 * 1024 * 1024;

/** How far before the place to cut at a line's end is looked for. */
const LONGEST_LOOK_BYTES = 64 * 1024;

/** After the disk refused, as long as this nothing is tried. */
const RETRY_MS = 10_000;

const CHUNK_BYTES = 512 * 1024;

/** What the trimmers of a store have in common. */
export interface TrimmerHost {
  readonly puncher: Puncher;
  readonly onWarning: (message: string) => void;
  /** Set once the store is closed: nothing is begun or noted any more. */
  isClosed: boolean;
}

interface StreamState {
  readonly archives: Archives;
  busy: boolean;
  /** Monotonic ms. */
  retryAt: number;
  /** What was said of it since it last worked. */
  readonly warned: Set<'refused' | 'dropped'>;
  /** Whether files that an earlier daemon had no time to remove are gone. */
  isSwept: boolean;
}

/** Thrown by what only the present attempt to trim is to be ended by. */
class GivenUp extends Error {}

/**
 * Keeps the files of one instance as small as its `LogSpec` says, while the service goes on appending. What is too much is
 * copied into archives, is noted as released, so that readers pass over it, and then becomes a hole. A daemon that dies
 * at any moment in between leaves nothing twice and nothing lost.
 *
 * Half of what may be kept stays in the file, so that there is always something to read.
 */
export class Trimmer {
  spec: LogSpec;
  readonly #log: InstanceLog;
  readonly #host: TrimmerHost;
  readonly #states: Readonly<Record<Stream, StreamState>>;

  readonly #look: () => void;

  /** `look` has the files looked at on everybody's behalf. */
  constructor(log: InstanceLog, spec: LogSpec, host: TrimmerHost, look: () => void) {
    this.#log = log;
    this.#look = look;
    this.spec = spec;
    this.#host = host;
    const state = (stream: Stream): StreamState => ({
      archives: new Archives(log.paths[stream]),
      busy: false,
      retryAt: 0,
      warned: new Set(),
      isSwept: false,
    });
    this.#states = { stdout: state('stdout'), stderr: state('stderr') };
  }

  /** To be called after a look at the files: begins to trim them where that is due. */
  consider(): void {
    for (const stream of STREAMS) {
      const state = this.#states[stream];
      if (state.busy || !this.#isTooMuch(stream) || performance.now() < state.retryAt) continue;
      state.busy = true;
      void this.#trim(stream).finally(() => (state.busy = false));
    }
  }

  #isTooMuch(stream: Stream): boolean {
    if (this.#host.isClosed || this.spec.maxSize <= 0) return false;
    return this.#held(stream) > this.spec.maxSize;
  }

  #held(stream: Stream): number {
    return this.#log.seen[stream].size - this.#log.timeline.retained(stream).start;
  }

  /** Never rejects. */
  async #trim(stream: Stream): Promise<void> {
    try {
      this.#sweep(stream);
      while (this.#isTooMuch(stream)) {
        const target = await this.#target(stream);
        if (target <= this.#log.timeline.retained(stream).start) return;
        await this.#letGo(stream, target);
        await this.#release(stream);
        this.#look();
      }
    } catch (error) {
      if (error instanceof GivenUp || this.#host.isClosed) return;
      this.#states[stream].retryAt = performance.now() + RETRY_MS;
      this.#warn(stream, 'refused', `cannot trim ${this.#log.paths[stream]}: ${messageOf(error)}`);
    }
  }

  #sweep(stream: Stream): void {
    const state = this.#states[stream];
    if (state.isSwept) return;
    const { before } = this.#log.timeline.retained(stream);
    removeFilesBefore(this.#log.paths[stream], before);
    state.isSwept = true;
  }

  /** Up to which byte to let go, if that is further than now. */
  async #target(stream: Stream): Promise<number> {
    const { maxSize } = this.spec;
    const wanted = this.#log.seen[stream].size - Math.floor(maxSize / 2);
    const isHeldUp = this.#held(stream) <= maxSize + MOST_HELD_UP_BYTES;
    const allowed = isHeldUp ? Math.min(wanted, this.#log.neededFrom(stream)) : wanted;
    if (await this.#host.puncher.isPossible(this.#log.dir)) return allowed;
    const { base } = this.#log.timeline.retained(stream);
    // Of a file that nobody writes any more the rest can be copied; the present one has to wait.
    if (wanted > base) this.#log.mustBegin.add(stream);
    return Math.min(allowed, base);
  }

  /** Moves the bytes before `target` into the archives, or drops them, and notes that they are not in the file. */
  async #letGo(stream: Stream, target: number): Promise<void> {
    const to = (await this.#lineEnd(stream, target)) ?? target;
    const { maxSize, keep } = this.spec;
    const { archives } = this.#states[stream];
    if (keep <= 0) {
      archives.prune(0);
      this.#note(stream, to, undefined);
      return;
    }
    const { start } = this.#log.timeline.retained(stream);
    if (to - start > keep * maxSize) {
      // So much would not stay in the archives until the end of this anyway.
      const from = to - keep * maxSize;
      this.#note(stream, (await this.#lineEnd(stream, from)) ?? from, undefined);
    }
    while (this.#log.timeline.retained(stream).start < to) await this.#archive(stream, to, keep);
  }

  /** Adds to the newest archive as much as there is room for, or begins another one. */
  async #archive(stream: Stream, to: number, keep: number): Promise<void> {
    const { archives } = this.#states[stream];
    const { start, archive } = this.#log.timeline.retained(stream);
    const size = archive === undefined ? 0 : start - archive;
    const isOpen = archive !== undefined && (size === 0 || archives.newestSize() >= size);
    const room = isOpen ? this.spec.maxSize - size : 0;
    const atLine = to - start <= room ? to : await this.#lineEnd(stream, start + room);
    if (!isOpen || room <= 0 || (atLine === undefined && size > 0)) {
      archives.shift(keep);
      this.#note(stream, start, start);
      return;
    }
    const end = atLine ?? start + room;
    const generation = this.#log.timeline.generation(stream);
    try {
      const read = (position: number, chunk: Buffer, length: number): Promise<number> =>
        this.#host.isClosed ? Promise.resolve(0) : this.#log.read(stream, position, chunk, 0, length);
      const isThere = await archives.append(size, start, end, read);
      if (!isThere || this.#log.timeline.generation(stream) !== generation) throw new GivenUp();
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#drop(stream, to);
      return;
    }
    this.#states[stream].warned.clear();
    this.#note(stream, end, archive);
  }

  /** The disk is full: what the service goes on to write matters more than what it wrote first. */
  #drop(stream: Stream, to: number): void {
    const { start } = this.#log.timeline.retained(stream);
    this.#warn(
      stream,
      'dropped',
      `the disk is full: ${to - start} bytes of ${this.#log.paths[stream]} were dropped without being archived`,
    );
    this.#note(stream, to, undefined);
  }

  /** The end of the last line before a byte; undefined where there is none nearby. */
  async #lineEnd(stream: Stream, position: number): Promise<number | undefined> {
    const from = Math.max(this.#log.timeline.retained(stream).start, position - LONGEST_LOOK_BYTES);
    if (from >= position) return undefined;
    const bytes = Buffer.allocUnsafe(position - from);
    const got = await this.#log.read(stream, from, bytes, 0, bytes.length);
    const newline = bytes.subarray(0, got).lastIndexOf('\n');
    return newline < 0 ? undefined : from + newline + 1;
  }

  #note(stream: Stream, start: number, archive: number | undefined): void {
    if (this.#host.isClosed) throw new GivenUp();
    const { archive: _, ...retained } = this.#log.timeline.retained(stream);
    this.#log.setRetained(stream, { ...retained, start, ...(archive === undefined ? {} : { archive }) });
  }

  /** Gives the disk back what is noted as released. */
  async #release(stream: Stream): Promise<void> {
    const { base, start, before } = this.#log.timeline.retained(stream);
    const path = this.#log.paths[stream];
    if (before !== undefined && start < base) {
      await this.#releaseBefore(stream, before);
    } else {
      if (before !== undefined) this.#forgetBefore(stream, before);
      if (start > base) await this.#host.puncher.punch(path, start - base);
    }
    // The index, too, may have been refused by a disk that was full until now.
    this.#log.flush();
  }

  async #releaseBefore(stream: Stream, before: number): Promise<void> {
    const path = this.#log.paths[stream];
    const { base, start } = this.#log.timeline.retained(stream);
    if (start === before) return;
    if (await this.#host.puncher.isPossible(this.#log.dir)) {
      await this.#host.puncher.punch(fileBefore(path, before), start - before);
      return;
    }
    const rest = fileBefore(path, start);
    const file = await open(rest, 'w', 0o600);
    try {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, base - start));
      for (let at = start; at < base;) {
        const got = await this.#log.read(stream, at, chunk, 0, Math.min(chunk.length, base - at));
        if (got === 0) throw new GivenUp();
        await file.appendFile(chunk.subarray(0, got));
        at += got;
      }
    } finally {
      await file.close();
    }
    if (this.#host.isClosed) throw new GivenUp();
    this.#log.setRetained(stream, { ...this.#log.timeline.retained(stream), before: start });
    rmSync(fileBefore(path, before), { force: true });
  }

  #forgetBefore(stream: Stream, before: number): void {
    const { before: _, ...retained } = this.#log.timeline.retained(stream);
    this.#log.setRetained(stream, retained);
    rmSync(fileBefore(this.#log.paths[stream], before), { force: true });
  }

  #warn(stream: Stream, kind: 'refused' | 'dropped', message: string): void {
    const { warned } = this.#states[stream];
    if (warned.has(kind)) return;
    warned.add(kind);
    this.#host.onWarning(message);
  }
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '');
}
