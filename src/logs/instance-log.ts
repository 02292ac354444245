import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceId } from '../core/service.ts';
import type { RunId } from '../core/state.ts';
import { messageOf } from '../core/util/system-error.ts';
import type { LogPaths } from '../ports/logs.ts';
import type { FileState } from './files.ts';
import { NO_FILE, readInto, stateOf } from './files.ts';
import type { RetainedRange } from './retained-range.ts';
import { fileBefore, filePositionOf } from './retained-range.ts';
import { IndexFile } from './index-file.ts';
import type { Sample, Stream, Timeline } from './timeline.ts';

export const STDOUT_FILE = 'stdout.log';
export const STDERR_FILE = 'stderr.log';
const INDEX_FILE = 'log.index';

export const STREAMS: readonly Stream[] = ['stdout', 'stderr'];

/** Tells the first byte of a stream that a reader has not read yet; `Infinity` for one it does not read. */
type Reader = (stream: Stream) => number;

interface InstanceLogOptions {
  /** For a reader without a daemon: nothing is written. */
  readonly readOnly: boolean;
  /** Epoch ms. */
  readonly wall: () => number;
  readonly onWarning: (message: string) => void;
}

/** Both streams as they were at one look; their sizes are all that was ever written to them, released or not. */
export interface LogFileStates {
  /** Epoch ms. */
  readonly time: number;
  readonly stdout: FileState;
  readonly stderr: FileState;
}

/** The output of one instance: its two files and their index. */
export class InstanceLog {
  readonly dir: string;
  readonly paths: LogPaths;
  readonly #index: IndexFile;
  readonly #options: InstanceLogOptions;
  readonly #readers = new Set<Reader>();
  #look: LogFileStates | undefined;
  /**
   * Whether changes are looked at as soon as they happen: what is new at a look was written just then. Otherwise it may
   * have been written at any time since the look before.
   */
  watched = false;
  /** The streams whose next run is to begin a new file: what is too much in the present one cannot be released. */
  readonly mustBegin = new Set<Stream>();

  constructor(dir: string, options: InstanceLogOptions) {
    this.dir = dir;
    this.paths = logPathsIn(dir);
    this.#options = options;
    this.#index = new IndexFile(join(dir, INDEX_FILE), options);
    for (const stream of STREAMS) this.#finishSettingAside(stream);
  }

  get timeline(): Timeline {
    return this.#index.timeline;
  }

  /** Makes the folder, for its owner alone. The files are made by whoever hands them to the service. */
  makeDir(): void {
    try {
      mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      const why = messageOf(error);
      this.#options.onWarning(`cannot make the folder ${this.dir}: ${why}`);
    }
  }

  /** The last look, without taking another one. */
  get seen(): LogFileStates {
    return this.#look ?? { time: this.#options.wall(), stdout: NO_FILE, stderr: NO_FILE };
  }

  /** Looks at the files and adds to the index what has changed; answers whether something has. */
  check(): boolean {
    const before = this.#look ?? this.#fromIndex();
    const found = { stdout: stateOf(this.paths.stdout), stderr: stateOf(this.paths.stderr) };
    const known = { ...before };
    for (const stream of STREAMS) known[stream] = this.#stillKnown(stream, before[stream], found[stream]);
    const look: LogFileStates = {
      time: Math.max(this.#options.wall(), before.time),
      stdout: this.#counted('stdout', found.stdout),
      stderr: this.#counted('stderr', found.stderr),
    };
    this.#look = look;
    const changed = STREAMS.filter(
      (stream) => look[stream].size !== known[stream].size || known[stream] !== before[stream],
    );
    if (changed.length > 0) this.#index.add(samplesOf(known, look, changed, this.watched));
    return changed.length > 0;
  }

  /**
   * Reads bytes of a stream into `target`; answers how many there were. From bytes that were released meanwhile it has
   * read what is no content: the caller looks, after the answer, whether `retained(stream).start` has passed `position`.
   * Rejects where the disk refuses.
   */
  async read(
    stream: Stream,
    position: number,
    target: Buffer,
    offset: number,
    length: number,
  ): Promise<number> {
    let filled = 0;
    while (filled < length) {
      const retained = this.timeline.retained(stream);
      if (position < retained.start) return 0;
      const place = filePositionOf(this.paths[stream], retained, position + filled);
      const wanted = Math.min(length - filled, place.room);
      const got = await readInto(place.path, place.offset, target, offset + filled, wanted);
      const now = this.timeline.retained(stream);
      // While the file was opened, another one may have been given its name.
      if (now.base !== retained.base || now.before !== retained.before) continue;
      filled += got;
      if (got < place.room) break;
    }
    return filled;
  }

  /** Notes which bytes of a stream there still are: to be called before others are released. */
  setRetained(stream: Stream, retained: RetainedRange): void {
    this.#index.setRetained(stream, retained);
  }

  /** Tries again to write to the index what the disk refused. */
  flush(): void {
    this.#index.flush();
  }

  /** A reader that must not miss anything: what it has not read yet is kept, within limits. */
  addReader(reader: Reader): () => void {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  /** The first byte that some reader still needs. */
  neededFrom(stream: Stream): number {
    let first = Infinity;
    for (const reader of this.#readers) first = Math.min(first, reader(stream));
    return first;
  }

  beginRun(run: RunId): void {
    this.check();
    const last = this.timeline.runs.at(-1);
    if (last?.run === run) return;
    if (last?.end !== undefined) this.#beginFiles();
    this.#index.beginRun(run, this.#sampleNow());
  }

  endRun(run: RunId): void {
    this.check();
    const last = this.timeline.runs.at(-1);
    if (last?.run === run && last.end === undefined) this.#index.endRun(run, this.#sampleNow());
  }

  /**
   * Begins new files in place of those with a hole and those that must be cut, so that none grows for ever. Only for
   * the time between two runs: nobody may have the files open.
   */
  #beginFiles(): void {
    for (const stream of STREAMS) {
      const { base, start, before } = this.timeline.retained(stream);
      if (before === undefined && (start > base || this.mustBegin.has(stream))) this.#setAside(stream);
      this.mustBegin.delete(stream);
    }
  }

  #setAside(stream: Stream): void {
    const { before: _, ...retained } = this.timeline.retained(stream);
    const { size } = this.seen[stream];
    const path = this.paths[stream];
    const isEmpty = retained.start >= size;
    try {
      if (isEmpty) rmSync(path, { force: true });
      else renameSync(path, fileBefore(path, retained.base));
    } catch (error) {
      const why = messageOf(error);
      this.#options.onWarning(`cannot begin a new file in place of ${path}: ${why}`);
      return;
    }
    this.#index.setRetained(stream, {
      ...retained,
      base: size,
      ...(isEmpty ? {} : { before: retained.base }),
    });
    this.#look = { ...this.seen, [stream]: { ...NO_FILE, size } };
  }

  /** Where an earlier daemon was killed after it had set a file aside and before it could note that. */
  #finishSettingAside(stream: Stream): void {
    const path = this.paths[stream];
    const retained = this.timeline.retained(stream);
    if (retained.before !== undefined || existsSync(path)) return;
    const aside = stateOf(fileBefore(path, retained.base));
    if (aside.size === 0) return;
    this.#index.setRetained(stream, { ...retained, base: retained.base + aside.size, before: retained.base });
  }

  /** What was known of a stream before; nothing where its content is gone or its file is another one. */
  #stillKnown(stream: Stream, before: FileState, found: FileState): FileState {
    const { base } = this.timeline.retained(stream);
    if (base + found.size >= before.size && !isOther(found.inode, before.inode)) return before;
    this.#index.forgetContent(stream);
    return NO_FILE;
  }

  /** A file as it was found, its size counted from the stream's first byte. */
  #counted(stream: Stream, found: FileState): FileState {
    return { ...found, size: this.timeline.retained(stream).base + found.size };
  }

  #sampleNow(): Sample {
    const { time, stdout, stderr } = this.seen;
    return { time, stdout: stdout.size, stderr: stderr.size };
  }

  /** What an earlier daemon saw last. Its inode is not known, and taken to be what is there now. */
  #fromIndex(): LogFileStates {
    const last = this.timeline.at(-1) ?? { time: 0, stdout: 0, stderr: 0 };
    const state = (size: number): FileState => ({ size, inode: 0, modifiedAt: last.time });
    return { time: last.time, stdout: state(last.stdout), stderr: state(last.stderr) };
  }
}

/** The folder of an instance's records and logs. */
export function instanceDirIn(stateDir: string, instance: InstanceId): string {
  return join(stateDir, 'instances', instance);
}

export function logPathsIn(dir: string): LogPaths {
  return { stdout: join(dir, STDOUT_FILE), stderr: join(dir, STDERR_FILE) };
}

function isOther(inode: number, before: number): boolean {
  return before !== 0 && inode !== before;
}

/**
 * A change as samples, each stream's at the time its file was written last, the earlier one first. The file system's
 * clock is trusted only between the two looks.
 */
function samplesOf(
  before: LogFileStates,
  look: LogFileStates,
  changed: readonly Stream[],
  watched: boolean,
): Sample[] {
  const changes = changed
    .map((stream) => ({
      stream,
      time: Math.min(Math.max(look[stream].modifiedAt, before.time), look.time),
    }))
    .sort((a, b) => a.time - b.time);
  let sizes = { stdout: before.stdout.size, stderr: before.stderr.size };
  // Time 0 is that of no look at all: nothing is known to have been written after it.
  const samples: Sample[] = watched || before.time === 0 ? [] : [{ time: before.time, ...sizes }];
  for (const { stream, time } of changes) {
    if (watched) samples.push({ time, ...sizes });
    sizes = { ...sizes, [stream]: look[stream].size };
    if (watched) samples.push({ time, ...sizes });
  }
  const last = changes.at(-1)?.time ?? look.time;
  if (!watched) samples.push({ time: last, ...sizes });
  return samples;
}
