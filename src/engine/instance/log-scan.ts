import { setImmediate as nextTurn } from 'node:timers/promises';
import { type LineMatcher, lineMatcher } from '../../core/util/line-match.ts';
import type { Clock } from '../../ports/clock.ts';

/** After this much matching in a row the event loop gets its turn. */
const SLICE_MS = 5;

export type LogStream = 'stdout' | 'stderr';

/** A pattern that a line of the run's output is to match; without `stream` a line of either. */
export interface WantedLine {
  readonly pattern: string;
  readonly stream?: LogStream | undefined;
}

export interface LogScanOptions {
  readonly clock: Clock;
  /** The run's lines from its beginning on, until it ends or `signal` aborts. */
  readonly lines: (stream: LogStream | undefined, signal: AbortSignal) => AsyncIterable<string>;
  /** Told once for each. Anything may follow from the call, `end` included. */
  readonly found: (wanted: WantedLine, line: string) => void;
  /** Told why a pattern will not be found; the others are looked for all the same. */
  readonly failed: (wanted: WantedLine, why: string) => void;
}

interface Open {
  readonly wanted: WantedLine;
  readonly matcher: LineMatcher;
}

/** One pass over the output, for all patterns that want the same of it. */
interface Reader {
  readonly open: Map<string, Open>;
  readonly abort: AbortController;
}

/**
 * PollingProbe for patterns in what a run writes, from its beginning on: all of them in one pass for each stream they name,
 * which ends when the last one is found. Without an open pattern nothing is read.
 */
export class LogScan {
  readonly #options: LogScanOptions;
  readonly #readers = new Map<LogStream | undefined, Reader>();
  readonly #found = new Map<string, string>();
  #ended = false;

  constructor(options: LogScanOptions) {
    this.#options = options;
  }

  /** The line that matched, once there was one. */
  line(wanted: WantedLine): string | undefined {
    return this.#found.get(keyOf(wanted));
  }

  /**
   * What to look for from now on. A pass whose open patterns stay the same goes on; else it begins anew, since what is
   * new may have been written long ago.
   */
  want(all: readonly WantedLine[]): void {
    const groups = new Map<LogStream | undefined, Map<string, WantedLine>>();
    for (const wanted of all) {
      const key = keyOf(wanted);
      if (this.#found.has(key)) continue;
      const group = groups.get(wanted.stream) ?? new Map<string, WantedLine>();
      groups.set(wanted.stream, group.set(key, wanted));
    }
    for (const [stream, reader] of this.#readers) {
      const group = groups.get(stream);
      if (group !== undefined && sameKeys(group, reader.open)) groups.delete(stream);
      else this.#stop(stream, reader);
    }
    for (const [stream, group] of groups) this.#start(stream, group);
  }

  end(): void {
    this.#ended = true;
    for (const [stream, reader] of this.#readers) this.#stop(stream, reader);
  }

  #stop(stream: LogStream | undefined, reader: Reader): void {
    reader.abort.abort();
    if (this.#readers.get(stream) === reader) this.#readers.delete(stream);
  }

  #start(stream: LogStream | undefined, group: ReadonlyMap<string, WantedLine>): void {
    const open = new Map<string, Open>();
    for (const [key, wanted] of group) {
      const matcher = lineMatcher(wanted.pattern);
      if (matcher.ok) open.set(key, { wanted, matcher: matcher.value });
      else this.#options.failed(wanted, matcher.error);
    }
    if (open.size === 0 || this.#ended) return;
    const reader: Reader = { open, abort: new AbortController() };
    this.#readers.set(stream, reader);
    void this.#read(stream, reader);
  }

  async #read(stream: LogStream | undefined, reader: Reader): Promise<void> {
    const { clock, lines, failed } = this.#options;
    const { signal } = reader.abort;
    try {
      let from = clock.now();
      for await (const line of lines(stream, signal)) {
        for (const [key, { wanted, matcher }] of reader.open) {
          if (signal.aborted) return;
          if (matcher.matches(line)) this.#hit(reader, key, wanted, line);
          if (clock.now() - from < SLICE_MS) continue;
          await nextTurn();
          from = clock.now();
        }
        if (signal.aborted || reader.open.size === 0) return;
      }
    } catch (cause) {
      if (signal.aborted) return;
      const why = `the log cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
      for (const { wanted } of [...reader.open.values()]) failed(wanted, why);
    } finally {
      this.#stop(stream, reader);
    }
  }

  #hit(reader: Reader, key: string, wanted: WantedLine, line: string): void {
    reader.open.delete(key);
    this.#found.set(key, line);
    this.#options.found(wanted, line);
  }
}

function keyOf({ pattern, stream }: WantedLine): string {
  return `${stream ?? ''}/${pattern}`;
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}
