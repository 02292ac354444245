import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/util/system-error.ts';
import type { EngineClient } from './engine-client.ts';
import { destroy } from './json-lines.ts';
import { LaneReader, type CopyPosition, OVERLAP_MS, resumeTime } from './copy-position.ts';
import {
  type EntryParser,
  FrameParser,
  type EngineLogEntry,
  RawParser,
  sinceParameter,
} from './log-entries.ts';

interface PumpOptions {
  readonly engine: EngineClient;
  readonly container: string;
  readonly tty: boolean;
  /** Where an earlier pump stopped, or the beginning. */
  readonly cursor: CopyPosition;
  /** Keeps a cursor for a later pump. May throw: what was kept before still does. */
  readonly keep: (cursor: CopyPosition) => void;
  readonly onWarning: (message: string) => void;
}

type ReadEnd =
  /** The engine had no more and said so. */
  | 'ended'
  /** The stream broke off. */
  | 'broken'
  /** There is no such container, or it keeps no log that can be read. */
  | 'unreadable';

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
const KEEP_EVERY_MS = 500;
const KEEP_EVERY_BYTES = 4 * 1024 * 1024;
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 2_000;
const DISK_RETRY_MS = 1_000;

/**
 * Copies what a container writes from the engine's log to the files, byte by byte, each byte once: whatever breaks off in
 * between, the engine or this process, the next reading goes on where the files end. The cursor is kept only now and
 * then; how far the files are beyond it, their sizes tell.
 */
export class LogPump {
  readonly #options: PumpOptions;
  readonly #stopped = new AbortController();
  readonly #done: Promise<boolean>;
  #cursor: CopyPosition;
  #containerEnded = false;
  /** Monotonic ms since which the engine had been asked for the end that it has told, where it told it. */
  #askedSince = Infinity;
  /** Monotonic ms of the last reading's proper end. */
  #endedAt = -Infinity;
  #received = 0;
  #announceEnd: () => void = () => {};
  #bytes = 0;
  #keptAt = 0;
  #keptBytes = 0;
  #keepTimer: NodeJS.Timeout | undefined;
  #hasWarnedOfDisk = false;
  #stream: NodeJS.ReadableStream | undefined;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#cursor = options.cursor;
    this.#done = this.#run();
  }

  /** Resolves once all the container has written is in the files: with true; or it cannot be: with false. Never rejects. */
  get done(): Promise<boolean> {
    return this.#done;
  }

  /** Grows with every byte that comes, be it new or not. */
  get received(): number {
    return this.#received;
  }

  /**
   * To be called once the container is known to have ended: what the engine has by now is all there will be. `askedSince`
   * is when the request was made that the engine answered with the end, if it was told that way, monotonic.
   */
  containerEnded(askedSince = Infinity): void {
    this.#containerEnded = true;
    this.#askedSince = askedSince;
    this.#announceEnd();
  }

  /** Reads on from where it is by another connection: the present one may lead nowhere. */
  refresh(): void {
    if (this.#stream !== undefined) destroy(this.#stream);
  }

  /** Stops where it is. Another pump can go on from there. */
  stop(): void {
    this.#stopped.abort();
  }

  async #run(): Promise<boolean> {
    const { signal } = this.#stopped;
    let pause = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const isLast = this.#containerEnded;
      const before = this.#bytes;
      const reading = await this.#read().catch((error: unknown): ReadEnd => {
        this.#options.onWarning(`copying a log broke off: ${messageOf(error)}`);
        return 'broken';
      });
      this.#keepNow();
      if (reading === 'unreadable') return false;
      if (reading === 'ended' && (isLast || this.#hasSeenAll())) return true;
      pause = this.#bytes > before ? FIRST_PAUSE_MS : Math.min(pause * 2, LAST_PAUSE_MS);
      await this.#pause(reading, pause);
      if (reading === 'ended' && this.#hasSeenAll()) return true;
    }
    return false;
  }

  /**
   * Whether the last reading was the last one there is. A log that is followed ends with its container or with the engine;
   * the engine has not ended if it answers after that what it was asked before.
   */
  #hasSeenAll(): boolean {
    return this.#containerEnded && this.#askedSince < this.#endedAt;
  }

  /** Until the engine can be asked again; not at all once the container has ended and only the last reading is due. */
  async #pause(reading: ReadEnd, ms: number): Promise<void> {
    const { signal } = this.#stopped;
    try {
      await this.#options.engine.untilAvailable(signal);
      if (reading === 'ended' && this.#containerEnded) return;
      const ended = new Promise<void>((resolve) => (this.#announceEnd = resolve));
      await Promise.race([ended, sleep(ms, undefined, { signal, ref: false })]);
    } catch {
      // Stopped.
    }
  }

  async #read(): Promise<ReadEnd> {
    const { engine, container, tty, onWarning } = this.#options;
    const { signal } = this.#stopped;
    const since = resumeTime(this.#cursor);
    const opened = await engine.open((docker) =>
      docker.getContainer(container).logs({
        follow: true,
        stdout: true,
        stderr: true,
        timestamps: true,
        // The types know whole seconds only.
        since: since === undefined ? 0 : (sinceParameter(since, OVERLAP_MS) as unknown as number),
      }),
    );
    if (!opened.ok) {
      if (opened.error.kind !== 'refused') return 'broken';
      if (opened.error.status !== 404) onWarning(`the engine does not give its log: ${opened.error.reason}`);
      return 'unreadable';
    }
    const stream = opened.value;
    this.#stream = stream;
    const close = (): void => destroy(stream);
    signal.addEventListener('abort', close);
    const complain = (text: string): void => onWarning(`the engine says of its log: ${text}`);
    const parser = tty ? new RawParser(complain) : new FrameParser(complain);
    const lanes = await Lanes.open(this.#cursor);
    try {
      return await this.#copy(stream, parser, lanes);
    } finally {
      signal.removeEventListener('abort', close);
      destroy(stream);
      this.#stream = undefined;
      await lanes.close();
    }
  }

  async #copy(stream: NodeJS.ReadableStream, parser: EntryParser, lanes: Lanes): Promise<ReadEnd> {
    try {
      for await (const chunk of stream) {
        this.#received += chunk.length;
        await this.#append(parser.push(chunk as Buffer), lanes);
      }
    } catch {
      return 'broken';
    }
    if (this.#stopped.signal.aborted) return 'broken';
    await this.#append(parser.end(), lanes);
    this.#endedAt = performance.now();
    return 'ended';
  }

  async #append(entries: readonly EngineLogEntry[], lanes: Lanes): Promise<void> {
    if (entries.length === 0) return;
    const pieces = lanes.take(entries);
    for (const { file, bytes } of pieces) {
      await this.#write(file, bytes);
      this.#bytes += bytes.length;
    }
    this.#cursor = lanes.cursor;
    this.#keepSoon();
  }

  /** What the disk refuses the engine still has: it is tried until it is taken. */
  async #write(file: FileHandle, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      try {
        at += (await file.write(bytes, at)).bytesWritten;
      } catch (error) {
        if (!this.#hasWarnedOfDisk) {
          this.#options.onWarning(
            `a log cannot be written: ${error instanceof Error ? error.message : 'unknown'}`,
          );
        }
        this.#hasWarnedOfDisk = true;
        await sleep(DISK_RETRY_MS, undefined, { signal: this.#stopped.signal, ref: false });
      }
    }
  }

  #keepSoon(): void {
    const isDue = performance.now() - this.#keptAt > KEEP_EVERY_MS;
    if (isDue || this.#bytes - this.#keptBytes > KEEP_EVERY_BYTES) this.#keepNow();
    else this.#keepTimer ??= setTimeout(() => this.#keepNow(), KEEP_EVERY_MS).unref();
  }

  #keepNow(): void {
    clearTimeout(this.#keepTimer);
    this.#keepTimer = undefined;
    try {
      this.#options.keep(this.#cursor);
    } catch {
      // The cursor that was kept before does as well; only more of the log is read again.
    }
    this.#keptAt = performance.now();
    this.#keptBytes = this.#bytes;
  }
}

interface Lane {
  readonly reader: LaneReader;
  readonly file: FileHandle;
}

/** The files of one reading. */
class Lanes {
  readonly #lanes: readonly Lane[];

  static async open(cursor: CopyPosition): Promise<Lanes> {
    const files: FileHandle[] = [];
    const lanes: Lane[] = [];
    try {
      for (const lane of cursor.lanes) {
        const file = await open(lane.path, APPEND, 0o600);
        files.push(file);
        lanes.push({ reader: new LaneReader(lane, (await file.stat()).size), file });
      }
    } catch (error) {
      for (const file of files) await file.close();
      throw error;
    }
    return new Lanes(lanes);
  }

  private constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
  }

  get cursor(): CopyPosition {
    return { lanes: this.#lanes.map(({ reader }) => reader.cursor) };
  }

  /** What of the entries has to be appended to which file. */
  take(entries: readonly EngineLogEntry[]): readonly { readonly file: FileHandle; readonly bytes: Buffer }[] {
    const pieces = this.#lanes.map(() => [] as Buffer[]);
    for (const entry of entries) {
      const at = this.#lanes.findIndex(({ reader }) => reader.sources.has(entry.source));
      const bytes = this.#lanes[at]?.reader.take(entry);
      if (bytes !== undefined && bytes.length > 0) pieces[at]?.push(bytes);
    }
    return this.#lanes.flatMap(({ file }, at) => {
      const parts = pieces[at] ?? [];
      return parts.length === 0 ? [] : [{ file, bytes: Buffer.concat(parts) }];
    });
  }

  async close(): Promise<void> {
    for (const { file } of this.#lanes) await file.close();
  }
}
