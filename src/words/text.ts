import { escapeControl } from '../core/redact.ts';

/** A text of unknown origin as one line that cannot do anything to a terminal. */
export function oneLine(text: string): string {
  return escapeControl(text.replace(/\s*\r?\n\s*/g, ' ').trim());
}

// Sequences of ECMA-48: CSI; OSC, DCS, SOS, PM and APC with their terminator; any other escape of two or three characters.
const SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*([@-~])|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
const CONTROLS = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f-\u009f]/g;

/**
 * What a service wrote, for a terminal: colours stay if `colors`, everything that moves the cursor or talks to the
 * terminal goes. Of a line redrawn with carriage returns the last state is kept.
 */
export function logText(text: string, colors: boolean): string {
  if (!/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/.test(text)) return text;
  let last = text;
  if (text.includes('\r')) {
    const pieces = text.split('\r').filter((piece) => piece !== '');
    last = pieces[pieces.length - 1] ?? '';
  }
  const kept = last
    .replace(SEQUENCE, (sequence, final: string | undefined) => (colors && final === 'm' ? sequence : ''))
    .replace(CONTROLS, '');
  // A lone ESC that begins no sequence goes as well, and no colour runs on into the next line.
  const clean = kept.replace(/\u001b(?!\[[0-9;:]*m)/g, '');
  return clean.includes('\u001b') ? `${clean}\u001b[0m` : clean;
}

/** `14:02:11.204`, local time. */
export function clockTime(epochMs: number): string {
  const date = new Date(epochMs);
  const two = (n: number): string => String(n).padStart(2, '0');
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

/** `2026-03-01 14:02:11.204`, local time. */
export function dayAndTime(epochMs: number): string {
  const date = new Date(epochMs);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockTime(epochMs)}`;
}

/** "1 service", "2 services". */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
