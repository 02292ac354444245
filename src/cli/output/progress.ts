import type { ProgressIcon, ProgressRow } from '../../words/progress-row.ts';
import type { Palette } from '../../words/colour.ts';
import { displayWidth, padEnd, truncate } from '../../words/width.ts';

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;

/** The lines of one frame: at most `rows` lines of at most `columns` columns. Settled rows give way to unsettled ones. */
export function progressFrame(
  rows: readonly ProgressRow[],
  options: {
    readonly head?: string;
    readonly tick: number;
    readonly columns: number;
    readonly rows: number;
    readonly colours: Palette;
  },
): string[] {
  const head = options.head === undefined ? [] : [options.head];
  const room = Math.max(1, options.rows - head.length);
  const { shown, hidden } = fit(rows, room);
  const nameWidth = widest(shown, (row) => row.name);
  const textWidth = Math.min(
    40,
    widest(shown, (row) => row.text),
  );
  const timeWidth = widest(shown, (row) => row.time ?? '');
  const lines = shown.map((row) => {
    const cells = [` ${icon(row.icon, options.tick, options.colours)}`, padEnd(row.name, nameWidth)];
    cells.push(` ${padEnd(row.text, textWidth)}`);
    if (timeWidth > 0) cells.push(` ${options.colours.dim(padEnd(row.time ?? '', timeWidth))}`);
    if (row.note !== undefined) cells.push(` ${options.colours.dim(row.note)}`);
    return cells.join(' ').trimEnd();
  });
  const rest = hidden === 0 ? [] : [options.colours.dim(`   and ${hidden} more`)];
  return [...head, ...lines, ...rest].map((line) => truncate(line, options.columns));
}

function fit(
  rows: readonly ProgressRow[],
  room: number,
): { readonly shown: readonly ProgressRow[]; readonly hidden: number } {
  if (rows.length <= room) return { shown: rows, hidden: 0 };
  const keep = Math.max(0, room - 1);
  const rank = (row: ProgressRow): number => ({ bad: 0, busy: 1, idle: 2, ok: 3 })[row.icon];
  const chosen = new Set(
    rows
      .map((row, index) => ({ row, index }))
      .sort((a, b) => rank(a.row) - rank(b.row) || a.index - b.index)
      .slice(0, keep)
      .map(({ index }) => index),
  );
  return { shown: rows.filter((_, index) => chosen.has(index)), hidden: rows.length - keep };
}

function widest(rows: readonly ProgressRow[], of: (row: ProgressRow) => string): number {
  return rows.reduce((width, row) => Math.max(width, displayWidth(of(row))), 0);
}

function icon(kind: ProgressIcon, tick: number, colours: Palette): string {
  switch (kind) {
    case 'ok':
      return colours.green('✔');
    case 'bad':
      return colours.red('✖');
    case 'busy':
      return colours.yellow(SPINNER[tick % SPINNER.length] ?? '⠋');
    case 'idle':
      return ' ';
  }
}

/** What has to be written so that `previous`, just above the cursor, becomes `next`. Lines that are equal are not touched. */
export function redraw(previous: readonly string[], next: readonly string[]): string {
  const first = previous.findIndex((line, index) => line !== next[index]);
  const from = first === -1 ? previous.length : first;
  if (from === previous.length && next.length === previous.length) return '';
  const up = previous.length - from;
  let out = up === 0 ? '' : `\u001b[${up}A`;
  for (let index = from; index < next.length; index += 1) {
    const line = next[index] ?? '';
    out += line === previous[index] ? '\u001b[1B' : `\r${line}\u001b[K\n`;
  }
  // Lines that are left of a longer frame.
  return next.length < previous.length ? `${out}\u001b[J` : out;
}

/** A block of lines at the end of a terminal's output that is redrawn in place; other lines go above it. */
export class LiveBlock {
  readonly #write: (text: string) => unknown;
  #lines: readonly string[] = [];

  constructor(write: (text: string) => unknown) {
    this.#write = write;
  }

  /** Lines must fit the terminal's width, and be fewer than its height. */
  update(lines: readonly string[]): void {
    const text = redraw(this.#lines, lines);
    this.#lines = lines;
    if (text !== '') this.#write(text);
  }

  /** Prints text, which ends with a newline, above the block. */
  print(text: string): void {
    const up = this.#lines.length === 0 ? '' : `\u001b[${this.#lines.length}A\r\u001b[J`;
    const block = this.#lines.map((line) => `${line}\n`).join('');
    this.#write(up + text + block);
  }

  /** Leaves the block standing; what is updated next is a new one. */
  leave(): void {
    this.#lines = [];
  }
}

/** What to print, without a terminal, for the rows that say something else than before. An empty key says nothing yet. */
export function changedRows(
  seen: ReadonlyMap<string, string>,
  rows: readonly (ProgressRow & { readonly key: string })[],
): { readonly lines: readonly string[]; readonly seen: ReadonlyMap<string, string> } {
  const next = new Map(seen);
  const lines: string[] = [];
  for (const row of rows) {
    if (row.key === '' || seen.get(row.name) === row.key) continue;
    next.set(row.name, row.key);
    const time = row.time === undefined ? '' : ` (${row.time})`;
    const note = row.note === undefined ? '' : `  ${row.note}`;
    lines.push(`${row.name}: ${row.text}${time}${note}`);
  }
  return { lines, seen: next };
}
