import type { CliContext } from './context.ts';
import { palette } from '../words/colour.ts';
import { changedRows, LiveBlock, progressFrame } from './output/progress.ts';
import type { ProgressRow } from '../words/progress-row.ts';

export type KeyedRow = ProgressRow & { readonly key: string };

/** How often a live display is redrawn, for its spinner and its countdowns. */
export const FRAME_MS = 100;

/**
 * Shows rows that change: redrawn in place on a terminal, else one plain line for each change. Lines of other origin
 * go through `print`.
 */
export class Display {
  readonly #context: CliContext;
  readonly #live: LiveBlock | undefined;
  readonly #silent: boolean;
  #seen: ReadonlyMap<string, string> = new Map();
  #tick = 0;

  /** `how`: on a terminal redrawn in place, or plain lines all the same, or nothing at all. */
  constructor(context: CliContext, how: 'live' | 'plain' | 'silent') {
    this.#context = context;
    this.#silent = how === 'silent';
    this.#live =
      context.isTTY && how === 'live' ? new LiveBlock((text) => context.stdout.write(text)) : undefined;
  }

  /** `head` is the line above the rows; without a terminal it is left to the caller. */
  show(rows: readonly KeyedRow[], head?: string): void {
    if (this.#silent) return;
    if (this.#live === undefined) {
      const { lines, seen } = changedRows(this.#seen, rows);
      this.#seen = seen;
      for (const line of lines) this.#context.stdout.write(`${line}\n`);
      return;
    }
    this.#tick += 1;
    this.#live.update(
      progressFrame(rows, {
        ...(head === undefined ? {} : { head }),
        tick: this.#tick,
        columns: this.#context.columns() ?? 80,
        rows: this.#context.rows() - 1,
        colours: palette(this.#context.color),
      }),
    );
  }

  /** Rows that are not news: without a terminal no line is printed for them. */
  assume(rows: readonly KeyedRow[]): void {
    this.#seen = changedRows(this.#seen, rows).seen;
  }

  get isLive(): boolean {
    return this.#live !== undefined;
  }

  /** `text` ends with a newline. */
  print(text: string): void {
    if (this.#silent) return;
    if (this.#live === undefined) this.#context.stdout.write(text);
    else this.#live.print(text);
  }

  /** Leaves what is shown as it is. */
  leave(): void {
    this.#live?.leave();
  }
}
