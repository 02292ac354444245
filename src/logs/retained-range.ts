import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Stream } from './timeline.ts';

/**
 * Which bytes of a stream there still are, and in which file. Bytes are counted from the first that the stream ever
 * had, so that the number of a byte stays the same when what was before it is released or another file begins.
 */
export interface RetainedRange {
  /** The byte that the present file begins with. */
  readonly base: number;
  /** The first byte that is still there. What the present file has before it is a hole. */
  readonly start: number;
  /** The byte that the file before the present one begins with; absent where nothing of that file is needed. */
  readonly before?: number;
  /** The first byte of the newest archive, which ends at `start`; absent where the next one is to be a new file. */
  readonly archive?: number;
}

export const WHOLE_FILE: RetainedRange = { base: 0, start: 0 };

/** Where a byte is: in a file, at an offset, with so many more bytes in that file that belong to the stream. */
export interface FilePosition {
  readonly path: string;
  readonly offset: number;
  readonly room: number;
}

export function filePositionOf(path: string, retained: RetainedRange, position: number): FilePosition {
  const { base, before } = retained;
  if (before === undefined || position >= base)
    return { path, offset: position - base, room: Number.MAX_SAFE_INTEGER };
  return { path: fileBefore(path, before), offset: position - before, room: base - position };
}

/** The name of a file that was put aside, by the byte it begins with. */
export function fileBefore(path: string, base: number): string {
  return `${path}.from-${base}`;
}

/** Removes the files that were put aside, but the one that begins with `keep`. Throws where the disk refuses. */
export function removeFilesBefore(path: string, keep: number | undefined): void {
  const prefix = `${basename(path)}.from-`;
  for (const file of readdirSync(dirname(path))) {
    if (file.startsWith(prefix) && file !== `${prefix}${keep ?? ''}`)
      rmSync(join(dirname(path), file), { force: true });
  }
}

/** As a line of the index: `h <epoch ms> <stream> <base> <start> <before> <archive>`, with `-` for what is absent. */
export function retainedRangeLine(time: number, stream: Stream, retained: RetainedRange): string {
  const { base, start, before = '-', archive = '-' } = retained;
  return `h ${Math.round(time)} ${stream} ${base} ${start} ${before} ${archive}\n`;
}

/** Undefined for a line that makes no sense. */
export function parseRetainedRange(
  line: string,
): { readonly stream: Stream; readonly retained: RetainedRange } | undefined {
  const [kind, , stream, ...fields] = line.split(' ');
  if (kind !== 'h' || (stream !== 'stdout' && stream !== 'stderr') || fields.length !== 4) return undefined;
  const [base, start, before, archive] = fields.map((field) => (field === '-' ? undefined : Number(field)));
  if (base === undefined || start === undefined) return undefined;
  const numbers = [base, start, before ?? 0, archive ?? 0];
  if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) return undefined;
  const retained = {
    base,
    start,
    ...(before === undefined ? {} : { before }),
    ...(archive === undefined ? {} : { archive }),
  };
  return { stream, retained };
}
