import { relative } from 'node:path';
import type { Diagnostic, Label, Place } from '../core/diagnostic.ts';
import { escapeControl } from '../core/redact.ts';
import { palette, type Palette } from './colour.ts';
import { count } from './text.ts';
import { displayWidth, padEnd } from './width.ts';

const TAB_WIDTH = 4;
/** A longer source line is shown as a window of this many columns around the caret. */
const MAX_SOURCE = 160;

/** Diagnostics as people read them: where, the source line, a caret under what is meant. Files are named relative to `cwd`. */
export function diagnosticsText(
  diagnostics: readonly Diagnostic[],
  options: { readonly cwd: string; readonly color: boolean },
): string {
  const colours = palette(options.color);
  return diagnostics.map((diagnostic) => oneDiagnostic(diagnostic, options.cwd, colours)).join('\n');
}

/** "2 errors, 1 warning"; undefined where there is neither. */
export function tally(diagnostics: readonly Diagnostic[]): string | undefined {
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  const warnings = diagnostics.length - errors;
  const parts = [
    ...(errors > 0 ? [count(errors, 'error')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === 'error');
}

function oneDiagnostic(diagnostic: Diagnostic, cwd: string, colours: Palette): string {
  const paint = diagnostic.severity === 'error' ? colours.red : colours.yellow;
  const lines = [
    `${colours.bold(paint(`${diagnostic.severity}[${diagnostic.code}]`))}: ${colours.bold(escapeControl(diagnostic.message))}`,
  ];
  const places = diagnostic.labels.map(({ place }) => where(place, cwd));
  const placeWidth = places.reduce((width, text) => Math.max(width, displayWidth(text)), 0);
  const [only] = diagnostic.labels;
  if (diagnostic.labels.length === 1 && only !== undefined) {
    lines.push(`  ${colours.blue('-->')} ${places[0] ?? ''}`);
    lines.push(...frame(only, paint, colours));
  } else {
    diagnostic.labels.forEach((label, index) => {
      const place = padEnd(places[index] ?? '', label.note === undefined ? 0 : placeWidth);
      const note = label.note === undefined ? '' : `  ${escapeControl(label.note)}`;
      lines.push(`  ${colours.blue('-->')} ${place}${note}`);
    });
  }
  if (diagnostic.help !== undefined)
    lines.push(`  ${colours.blue('help:')} ${escapeControl(diagnostic.help)}`);
  return `${lines.join('\n')}\n`;
}

function where(place: Place, cwd: string): string {
  const path = relative(cwd, place.file);
  const name = path === '' || path.startsWith('../../..') ? place.file : path;
  const at =
    place.source === undefined && place.line <= 1 && place.column <= 1
      ? ''
      : `:${place.line}:${place.column}`;
  return escapeControl(name) + at;
}

function frame(label: Label, paint: (text: string) => string, colours: Palette): string[] {
  const { place, note } = label;
  if (place.source === undefined)
    return note === undefined ? [] : [`   ${colours.blue('=')} ${escapeControl(note)}`];
  const gutter = ' '.repeat(String(place.line).length);
  const bar = colours.blue('|');
  const shown = window(place.source, place.column, place.endColumn ?? place.column + 1);
  const marks = ' '.repeat(shown.indent) + paint('^'.repeat(shown.carets));
  return [
    ` ${gutter} ${bar}`,
    ` ${colours.blue(String(place.line))} ${bar} ${shown.text}`,
    ` ${gutter} ${bar} ${marks}${note === undefined ? '' : ` ${paint(escapeControl(note))}`}`,
  ];
}

/** The source line with tabs widened and control characters shown, and where in it the carets go, in columns. */
function window(
  source: string,
  column: number,
  endColumn: number,
): { readonly text: string; readonly indent: number; readonly carets: number } {
  const before = visible(source.slice(0, column - 1));
  const meant = visible(source.slice(column - 1, Math.max(column, endColumn - 1)));
  const after = visible(source.slice(Math.max(column, endColumn - 1)));
  const indent = displayWidth(before);
  const carets = Math.max(1, displayWidth(meant));
  const whole = before + meant + after;
  if (displayWidth(whole) <= MAX_SOURCE) return { text: whole, indent, carets };
  const lead = tail(before, MAX_SOURCE / 2);
  const body = head(meant + after, MAX_SOURCE - displayWidth(lead));
  const mark = lead === before ? '' : '…';
  const end = body === meant + after ? '' : '…';
  return {
    text: mark + lead + body + end,
    indent: displayWidth(mark + lead),
    carets: Math.min(carets, Math.max(1, displayWidth(body))),
  };
}

function visible(text: string): string {
  return escapeControl(text.replaceAll('\t', ' '.repeat(TAB_WIDTH)));
}

function head(text: string, width: number): string {
  let out = '';
  let used = 0;
  for (const char of text) {
    used += displayWidth(char);
    if (used > width) break;
    out += char;
  }
  return out;
}

function tail(text: string, width: number): string {
  const chars = Array.from(text);
  let used = 0;
  let from = chars.length;
  while (from > 0) {
    used += displayWidth(chars[from - 1] ?? '');
    if (used > width) break;
    from -= 1;
  }
  return chars.slice(from).join('');
}
