import type { Clock } from '../ports/clock.ts';
import type { FileWatcher } from '../ports/file-watcher.ts';
import type { FileLook, Marks } from './file-marks.ts';

/** Changes that follow each other more closely are one. */
const DEBOUNCE_MS = 60;

/** However long saving goes on, it is looked at after so long. */
const LONGEST_DEBOUNCE_MS = 600;

/** A file that is gone or empty is given so long to come back: some editors take it away before they write it anew. */
const BLANK_MS = 500;

export interface ManifestWatchPorts {
  readonly clock: Clock;
  readonly watcher: FileWatcher;
  /** Never rejects. */
  readonly look: (path: string) => Promise<FileLook>;
}

export interface ManifestWatchHost {
  /** The content of the files is another than what `set` was told. */
  changed(): void;
  /** Why changes are only seen by `check`. */
  warn(reason: string): void;
}

/**
 * Watches the files that a manifest was loaded from, and says when the content of any is another than it was loaded
 * with, however an editor saves it: once for changes that follow each other within 60 ms. A file that was touched, or
 * saved as it was, has not changed.
 */
export class ManifestWatch {
  readonly #ports: ManifestWatchPorts;
  readonly #host: ManifestWatchHost;
  #marks: Marks = new Map();
  #unwatch: (() => void) | undefined;
  #disarm: (() => void) | undefined;
  /** Monotonic ms of the first change that was not looked at yet. */
  #firstAt: number | undefined;
  /** Monotonic ms since which a file that had content has none. */
  #blankSince: number | undefined;
  /** Counts up whenever what is looked for has become another: a look from before is worth nothing. */
  #generation = 0;

  constructor(ports: ManifestWatchPorts, host: ManifestWatchHost) {
    this.#ports = ports;
    this.#host = host;
  }

  get watching(): boolean {
    return this.#unwatch !== undefined;
  }

  /** Watches these files from now on, for content other than this. What has changed since they were loaded counts. */
  set(marks: Marks): void {
    const same = this.watching && sameFiles(marks, this.#marks);
    this.#forget();
    this.#marks = marks;
    if (same) return;
    this.#unwatch?.();
    this.#unwatch = this.#ports.watcher.watch(
      // What is in a folder that stands where a file should be is nothing to watch.
      { paths: [...marks.keys()], ignore: ['*'] },
      () => this.#heard(),
      (reason) => this.#host.warn(reason),
    );
    // Between the load and the watch nobody has looked.
    this.#heard();
  }

  /** Looks without having heard of anything. */
  check(): void {
    if (this.watching && this.#disarm === undefined) void this.#compare();
  }

  stop(): void {
    this.#forget();
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #forget(): void {
    this.#generation += 1;
    this.#disarm?.();
    this.#disarm = undefined;
    this.#firstAt = undefined;
    this.#blankSince = undefined;
  }

  #heard(): void {
    const now = this.#ports.clock.now();
    this.#firstAt ??= now;
    this.#arm(Math.min(DEBOUNCE_MS, this.#firstAt + LONGEST_DEBOUNCE_MS - now));
  }

  #arm(delayMs: number): void {
    this.#disarm?.();
    this.#disarm = this.#ports.clock.after(Math.max(0, delayMs), () => {
      this.#disarm = undefined;
      this.#firstAt = undefined;
      void this.#compare();
    });
  }

  async #compare(): Promise<void> {
    const generation = (this.#generation += 1);
    const marks = this.#marks;
    const looks = await Promise.all(
      [...marks].map(async ([path, before]) => ({ before, now: await this.#ports.look(path) })),
    );
    // What was heard meanwhile is looked at in its turn.
    if (generation !== this.#generation || this.#disarm !== undefined) return;
    const others = looks.filter(({ before, now }) => now.mark !== before);
    if (others.length === 0) {
      this.#blankSince = undefined;
      return;
    }
    if (others.some(({ now }) => now.blank)) {
      const now = this.#ports.clock.now();
      this.#blankSince ??= now;
      const left = this.#blankSince + BLANK_MS - now;
      if (left > 0) {
        this.#arm(left);
        return;
      }
    }
    this.#blankSince = undefined;
    this.#host.changed();
  }
}

function sameFiles(a: Marks, b: Marks): boolean {
  return a.size === b.size && [...a.keys()].every((path) => b.has(path));
}
