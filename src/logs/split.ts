/** A line longer than this is handed on in pieces. */
export const LONGEST_PIECE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Takes a line, or a piece of one that goes on in the next; `start` is the index of its first byte. */
type TakeLine = (text: string, start: number, partial: boolean) => void;

/**
 * Cuts bytes into lines, without their newline and one carriage return directly before it. Answers how many bytes are
 * used up; what is left is the beginning of a line, at most `LONGEST_PIECE_BYTES` of it. With `final` nothing is left:
 * the rest is a line. Characters are never cut apart, and invalid UTF-8 is replaced by U+FFFD.
 */
export function splitLines(bytes: Buffer, final: boolean, take: TakeLine): number {
  const end = final ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
  if (end > 0) {
    const text = bytes.toString('utf8', 0, end);
    // As many characters as bytes means one byte each, so that a place in the text is the place in the bytes, and
    // cutting the text is several times faster than decoding line by line.
    if (text.length === end) splitText(text, take);
    else splitBytes(bytes, end, take);
  }
  return takePieces(bytes, end, bytes.length, take);
}

function splitText(text: string, take: TakeLine): void {
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    const next = newline < 0 ? text.length : newline + 1;
    let stop = newline < 0 ? text.length : newline;
    if (newline > start && text.charCodeAt(newline - 1) === RETURN) stop -= 1;
    while (stop - start > LONGEST_PIECE_BYTES) {
      take(text.slice(start, start + LONGEST_PIECE_BYTES), start, true);
      start += LONGEST_PIECE_BYTES;
    }
    take(text.slice(start, stop), start, false);
    start = next;
  }
}

function splitBytes(bytes: Buffer, end: number, take: TakeLine): void {
  let start = 0;
  while (start < end) {
    const found = bytes.indexOf(NEWLINE, start);
    const newline = found < 0 || found >= end ? -1 : found;
    const next = newline < 0 ? end : newline + 1;
    let stop = newline < 0 ? end : newline;
    if (newline > start && bytes[newline - 1] === RETURN) stop -= 1;
    start = takePieces(bytes, start, stop, take);
    take(bytes.toString('utf8', start, stop), start, false);
    start = next;
  }
}

/** Hands on pieces until what is left is short enough; answers where that begins. Something is always left. */
function takePieces(bytes: Buffer, from: number, stop: number, take: TakeLine): number {
  let start = from;
  while (stop - start > LONGEST_PIECE_BYTES) {
    const cut = characterStart(bytes, start + LONGEST_PIECE_BYTES);
    take(bytes.toString('utf8', start, cut), start, true);
    start = cut;
  }
  return start;
}

/**
 * The beginning of the character that the byte at `index` belongs to; `index` itself where no character is that long.
 * UTF-8 characters have at most three bytes after the first (RFC 3629).
 */
function characterStart(bytes: Buffer, index: number): number {
  for (let start = index; start >= Math.max(0, index - 3); start -= 1) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start;
  }
  return index;
}

/** How many bytes at the beginning belong to a character whose first byte is missing; at most three. */
export function continuationBytes(bytes: Buffer): number {
  let count = 0;
  while (count < 3 && count < bytes.length && ((bytes[count] ?? 0) & 0xc0) === 0x80) count += 1;
  return count;
}
