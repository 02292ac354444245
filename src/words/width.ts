/**
 * How many columns of a terminal a text takes. Each code point counts by itself: the package `string-width` gives a sequence
 * of emoji the width of one, which terminals do not agree about, and so `tui/text.ts` shows none.
 */
import { eastAsianWidth } from 'get-east-asian-width';

const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const SGR = /\u001b\[[0-9;:]*m/g;
const PLAIN_ASCII = /^[\x20-\x7e]*$/;

function charWidth(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 0;
  if (code < 0x300) return 1;
  if (ZERO_WIDTH.test(char)) return 0;
  return eastAsianWidth(code);
}

/** Columns that the text takes; SGR sequences take none. */
export function displayWidth(text: string): number {
  const bare = text.includes('\u001b') ? text.replace(SGR, '') : text;
  if (PLAIN_ASCII.test(bare)) return bare.length;
  let width = 0;
  for (const char of bare) width += charWidth(char);
  return width;
}

/** The text with spaces behind it up to `width` columns; longer texts stay as they are. */
export function padEnd(text: string, width: number): string {
  const missing = width - displayWidth(text);
  return missing > 0 ? text + ' '.repeat(missing) : text;
}

/** The text cut to `width` columns, with `…` at its end where something was cut. Colours are ended at the cut. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 0) return '';
  let out = '';
  let used = 0;
  let coloured = false;
  let at = 0;
  while (at < text.length) {
    SGR.lastIndex = at;
    const escape = text.charCodeAt(at) === 0x1b ? SGR.exec(text) : null;
    if (escape?.index === at) {
      out += escape[0];
      coloured = true;
      at += escape[0].length;
      continue;
    }
    const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
    const step = charWidth(char);
    if (used + step > width - 1) break;
    out += char;
    used += step;
    at += char.length;
  }
  return `${out}…${coloured ? '\u001b[0m' : ''}`;
}
