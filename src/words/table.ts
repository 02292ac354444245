import { displayWidth, padEnd, truncate } from './width.ts';

export interface Column<Row> {
  readonly title: string;
  /** 0 is never dropped; where the terminal is too narrow, the highest go first. */
  readonly priority: number;
  /** For the last column: cut down to this width before any other column is dropped. */
  readonly least?: number;
  /** Already free of control characters. */
  text(row: Row): string;
  /** Paints the padded cell. */
  paint?(cell: string, row: Row): string;
}

const GAP = 2;

/**
 * Lays rows out in columns as wide as their widest cell. The last column is not padded, and is what is cut when the
 * line is still too long once all columns that may go are gone. A column without any text is left out, unless it must
 * stay.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  maxWidth: number | undefined,
  head: (title: string) => string = (title) => title,
): string[] {
  let kept = columns
    .map((column) => {
      const cells = rows.map((row) => column.text(row));
      return { column, cells, width: widest([column.title, ...cells]) };
    })
    .filter(({ column, cells }) => column.priority === 0 || cells.some((cell) => cell !== ''));
  while (maxWidth !== undefined && total(kept) > maxWidth) {
    const dispensable = kept.reduce((worst, { column }) => Math.max(worst, column.priority), 0);
    if (dispensable === 0) break;
    kept = kept.filter(({ column }) => column.priority !== dispensable);
  }
  const line = (cell: (index: number) => string, paint: (index: number, text: string) => string): string =>
    cut(
      kept
        .map(({ width }, index) => {
          const text = cell(index);
          return paint(index, index === kept.length - 1 ? text : padEnd(text, width));
        })
        .join(' '.repeat(GAP))
        .trimEnd(),
      maxWidth,
    );
  return [
    line(
      (index) => kept[index]?.column.title ?? '',
      (_, text) => head(text),
    ),
    ...rows.map((row, at) =>
      line(
        (index) => kept[index]?.cells[at] ?? '',
        (index, text) => kept[index]?.column.paint?.(text, row) ?? text,
      ),
    ),
  ];
}

function total<Row>(columns: readonly { readonly width: number; readonly column: Column<Row> }[]): number {
  return columns.reduce((sum, { width, column }) => sum + Math.min(width, column.least ?? width) + GAP, -GAP);
}

export function widest(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, displayWidth(text)), 0);
}

function cut(line: string, maxWidth: number | undefined): string {
  return maxWidth === undefined ? line : truncate(line, maxWidth);
}
