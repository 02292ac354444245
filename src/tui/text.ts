/** Styled text in columns of a terminal, and what foreign text has to lose before it may stand in one. */
import { displayWidth } from '../words/width.ts';

/** `style` holds the parameters of an SGR sequence, such as `1;32`; '' is the terminal's own. */
export interface StyledText {
  readonly text: string;
  readonly style: string;
}

/** One line of the screen. Its text holds nothing but characters of a known width. */
export type ScreenRow = readonly StyledText[];

/** Stands for what terminals disagree about how wide it is: emoji of several code points, conjoining letters. */
const PLACEHOLDER = '\u25a1';
const TAB_WIDTH = 8;
/** A letter with more marks than this would grow into its neighbours. */
const MAX_MARKS = 2;

const PLAIN_ASCII = /^[\x20-\x7e]*$/;
/**
 * In this order: sequences (ECMA-48: CSI; OSC, DCS, SOS, PM and APC up to their terminator; other escapes), emoji
 * sequences, and single code points.
 */
const TOKEN = new RegExp(
  [
    '\\u001b\\[(?<sgr>[0-9;:]*)m',
    '\\u001b\\[[0-?]*[ -/]*[@-~]',
    '(?:\\u001b[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u001b\\u009c]*(?:\\u0007|\\u009c|\\u001b\\\\)?',
    '\\u009b[0-?]*[ -/]*[@-~]',
    '\\u001b[ -/]*[0-~]?',
    '(?<emoji>\\p{RI}\\p{RI}|[0-9#*]\\ufe0f?\\u20e3|\\p{ExtPict}(?:[\\ufe0f\\u20e3\\u{e0020}-\\u{e007f}]|\\p{EMod})*(?:\\u200d\\p{ExtPict}(?:\\ufe0f|\\p{EMod})*)*)',
    '(?<char>[^])',
  ].join('|'),
  'gu',
);
const MARK = /^[\p{Mn}\p{Me}]$/u;
const INVISIBLE = /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufe00-\ufe0f]$/u;
const LONE_SURROGATE = /^[\ud800-\udfff]$/;
/** Hangul vowels and finals join the letter before them in some terminals and stand alone in others. */
const JOINING = /^[\u1160-\u11ff\ud7b0-\ud7ff]$/u;

/** Of a line redrawn with carriage returns, the last state. */
function lastState(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === '\r') end -= 1;
  return text.slice(text.lastIndexOf('\r', end - 1) + 1, end);
}

/**
 * A text of foreign origin as a row: colours stay as styles, everything else that talks to the terminal goes. `base` is
 * the style of what has none of its own.
 */
export function foreign(text: string, colours = true, base = ''): ScreenRow {
  if (PLAIN_ASCII.test(text)) return text === '' ? [] : [{ text, style: base }];
  const spans: { text: string; style: string }[] = [];
  const sgr = new SgrState();
  let style = base;
  let column = 0;
  let marks = 0;
  const put = (piece: string, width: number): void => {
    const last = spans.at(-1);
    if (last?.style === style) last.text += piece;
    else spans.push({ text: piece, style });
    column += width;
  };
  for (const { 0: token, groups } of lastState(text).matchAll(TOKEN)) {
    if (groups?.['sgr'] !== undefined) {
      sgr.apply(groups['sgr']);
      if (colours) style = joined(base, sgr.style());
    } else if (groups?.['emoji'] !== undefined) {
      const single = token.length === String.fromCodePoint(token.codePointAt(0) ?? 0).length;
      if (single) put(token, displayWidth(token));
      else put(PLACEHOLDER, 1);
      marks = 0;
    } else if (groups?.['char'] !== undefined) {
      if (MARK.test(token)) {
        marks += 1;
        if (marks <= MAX_MARKS && column > 0) put(token, 0);
        continue;
      }
      marks = 0;
      if (token === '\t') put(' '.repeat(TAB_WIDTH - (column % TAB_WIDTH)), TAB_WIDTH - (column % TAB_WIDTH));
      else if (token === '\b') column -= eraseLast(spans);
      else if (INVISIBLE.test(token)) continue;
      else if (LONE_SURROGATE.test(token)) put('\ufffd', 1);
      else if (JOINING.test(token)) put(PLACEHOLDER, 1);
      else put(token, displayWidth(token));
    }
  }
  return spans;
}

/** Takes the last character away; answers the columns it took. */
function eraseLast(spans: { text: string; style: string }[]): number {
  const last = spans.at(-1);
  if (last === undefined) return 0;
  const chars = Array.from(last.text);
  const gone = chars.pop() ?? '';
  last.text = chars.join('');
  if (last.text === '') spans.pop();
  return displayWidth(gone);
}

/** The same without styles. */
export function foreignText(text: string): string {
  return PLAIN_ASCII.test(text) ? text : textOf(foreign(text, false));
}

export function textOf(row: ScreenRow): string {
  return row.length === 1 ? (row[0]?.text ?? '') : row.map(({ text }) => text).join('');
}

/** Text of our own, or known to be clean. */
export function span(text: string, style = ''): StyledText {
  return { text, style };
}

export function joined(a: string, b: string): string {
  return a === '' || b === '' ? a + b : `${a};${b}`;
}

export function rowWidth(row: ScreenRow): number {
  return row.reduce((sum, { text }) => sum + displayWidth(text), 0);
}

/** Columns `from` to `from + width`; where something is cut off on the right, `…` stands in the last one if `marked`. */
export function clip(row: ScreenRow, width: number, from = 0, marked = true): ScreenRow {
  if (width <= 0) return [];
  const out: StyledText[] = [];
  let column = 0;
  let used = 0;
  for (const { text, style } of row) {
    let kept = '';
    for (const char of PLAIN_ASCII.test(text) && text.length <= 64 ? text : clusters(text)) {
      const wide = displayWidth(char);
      const start = column;
      column += wide;
      if (start < from) {
        // Half of a wide character is cut off.
        if (column > from && wide > 0) {
          kept += ' '.repeat(column - from);
          used += column - from;
        }
        continue;
      }
      if (used + wide > width) {
        const cut = [...out, ...(kept === '' ? [] : [{ text: kept, style }])];
        return marked ? ended(cut, width) : cut;
      }
      kept += char;
      used += wide;
    }
    if (kept !== '') out.push({ text: kept, style });
  }
  return out;
}

/** Characters with the marks that belong to them. */
function clusters(text: string): readonly string[] {
  return text.match(/[^][\p{Mn}\p{Me}]*/gu) ?? [];
}

/** Puts `…` into the last of `width` columns. */
function ended(row: readonly StyledText[], width: number): ScreenRow {
  const spans = [...row];
  let used = rowWidth(spans);
  while (used >= width) {
    const last = spans.pop();
    if (last === undefined) break;
    const chars = [...clusters(last.text)];
    const gone = chars.pop() ?? '';
    used -= displayWidth(gone);
    if (chars.length > 0) spans.push({ text: chars.join(''), style: last.style });
  }
  const style = spans.at(-1)?.style ?? '';
  return [...spans, { text: ' '.repeat(width - 1 - used) + '…', style }];
}

/** Exactly `width` columns: cut, or with spaces of `style` behind. */
export function fit(row: ScreenRow, width: number, style = ''): ScreenRow {
  const shown = rowWidth(row) > width ? clip(row, width) : row;
  const missing = width - rowWidth(shown);
  return missing > 0 ? [...shown, { text: ' '.repeat(missing), style }] : shown;
}

/** The row in as many rows as `width` columns take; at least one. */
export function wrap(row: ScreenRow, width: number): readonly ScreenRow[] {
  if (rowWidth(row) <= width || width <= 1) return [row];
  const out: ScreenRow[] = [];
  let line: StyledText[] = [];
  let used = 0;
  for (const { text, style } of row) {
    let kept = '';
    for (const char of clusters(text)) {
      const wide = displayWidth(char);
      if (used + wide > width) {
        out.push(kept === '' ? line : [...line, { text: kept, style }]);
        [line, kept, used] = [[], '', 0];
      }
      kept += char;
      used += wide;
    }
    if (kept !== '') line.push({ text: kept, style });
  }
  out.push(line);
  return out;
}

/** A text of our own in rows that break between words where they can. */
export function wrapWords(text: string, width: number, style = ''): readonly ScreenRow[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (displayWidth(longer) <= width || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  return lines.flatMap((one) => wrap([span(one, style)], width));
}

/** The row with another style for these parts of its text (UTF-16 offsets, in order, not overlapping). */
export function restyled(
  row: ScreenRow,
  ranges: readonly (readonly [number, number])[],
  style: string,
): ScreenRow {
  if (ranges.length === 0) return row;
  const out: StyledText[] = [];
  let offset = 0;
  for (const { text, style: own } of row) {
    let at = 0;
    for (const [from, to] of ranges) {
      const [start, end] = [Math.max(from - offset, at), Math.min(to - offset, text.length)];
      if (start >= end) continue;
      if (start > at) out.push({ text: text.slice(at, start), style: own });
      out.push({ text: text.slice(start, end), style: joined(own, style) });
      at = end;
    }
    if (at < text.length) out.push({ text: text.slice(at), style: own });
    offset += text.length;
  }
  return out;
}

/** The row as it is written to a terminal; begins and ends without a style. */
export function ansi(row: ScreenRow): string {
  let out = '';
  let present = '';
  for (const { text, style } of row) {
    if (text === '') continue;
    if (style !== present) {
      if (present !== '') out += '\u001b[0m';
      if (style !== '') out += `\u001b[${style}m`;
      present = style;
    }
    out += text;
  }
  return present === '' ? out : `${out}\u001b[0m`;
}

/** What SGR sequences have set so far (ECMA-48, 8.3.117). Blinking and concealing are not taken over. */
class SgrState {
  #foreground = '';
  #background = '';
  readonly #flags = new Set<string>();

  style(): string {
    return [...this.#flags, this.#foreground, this.#background].filter((part) => part !== '').join(';');
  }

  apply(parameters: string): void {
    const codes = parameters.split(/[;:]/).map(Number);
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at] ?? 0;
      if (code === 38 || code === 48) {
        const { colour, used } = extended(codes.slice(at), parameters.includes(':'));
        at += used - 1;
        if (code === 38) this.#foreground = colour;
        else this.#background = colour;
      } else this.#simple(code);
    }
  }

  #simple(code: number): void {
    if (code === 0) {
      this.#flags.clear();
      [this.#foreground, this.#background] = ['', ''];
    } else if ([1, 2, 3, 4, 7, 9].includes(code)) this.#flags.add(String(code));
    else if (code === 22) [1, 2].forEach((flag) => this.#flags.delete(String(flag)));
    else if ([23, 24, 27, 29].includes(code)) this.#flags.delete(String(code - 20));
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) this.#foreground = String(code);
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) this.#background = String(code);
    else if (code === 39) this.#foreground = '';
    else if (code === 49) this.#background = '';
  }
}

/** 38;5;n and 38;2;r;g;b, and their forms with colons, which may name a colour space first (ITU T.416). */
function extended(codes: readonly number[], colons: boolean): { colour: string; used: number } {
  const byte = (n: number | undefined): boolean =>
    Number.isInteger(n) && n !== undefined && n >= 0 && n <= 255;
  if (codes[1] === 5 && byte(codes[2])) return { colour: `${codes[0]};5;${codes[2]}`, used: 3 };
  const first = colons && codes.length >= 6 ? 3 : 2;
  const rgb = codes.slice(first, first + 3);
  if (codes[1] === 2 && rgb.length === 3 && rgb.every(byte))
    return { colour: `${codes[0]};2;${rgb.join(';')}`, used: first + 3 };
  return { colour: '', used: codes.length };
}
