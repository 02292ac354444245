/** Durations and sizes as people write and read them. */
import { err, ok } from './result.ts';
import type { Result } from './result.ts';

/** The longest delay that a timer of Node.js takes (2^31 - 1 ms, almost 25 days), so no timer ever has to be chained. */
export const MAX_DURATION_MS = 2_147_483_647;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['d', DAY_MS],
  ['h', HOUR_MS],
  ['m', MINUTE_MS],
  ['s', SECOND_MS],
  ['ms', 1],
]);

/** Powers of 1024 for `k`, `m`, `g`, `t` with and without a `b`, as in Compose; the keys are in lower case. */
const SIZE_UNITS: ReadonlyMap<string, number> = new Map(
  ['', 'k', 'm', 'g', 't'].flatMap((prefix, power): [string, number][] => [
    [prefix, 1024 ** power],
    [`${prefix}b`, 1024 ** power],
    ...(prefix === '' ? [] : [[`${prefix}ib`, 1024 ** power] satisfies [string, number]]),
  ]),
);

/** More digits than any duration or size within bounds needs; fewer than a double can no longer hold. */
const MAX_DIGITS = 15;

/**
 * Reads a duration such as `500ms`, `1m30s`, `1.5s` or `2d` into whole milliseconds.
 *
 * Units (`d`, `h`, `m`, `s`, `ms`) go from large to small, each at most once. The bounds are 0 and `MAX_DURATION_MS`.
 * The error is a sentence for people, without a final period.
 */
export function parseDuration(text: string): Result<number, string> {
  const source = text.trim();
  if (source === '') return err('a duration is missing, such as 30s or 500ms');
  if (/^[-−]/.test(source)) return err('a duration cannot be negative');
  if (/^\d+(\.\d+)?$/.test(source)) {
    return err(`${shown(source)} has no unit: write ${shown(source)}s or ${shown(source)}ms`);
  }
  if (/\s/.test(source)) return err('a duration has no spaces: write 1m30s');
  if (!/^(\d+(\.\d+)?[^\d.]+)+$/.test(source)) {
    return err(`${shown(source)} is not a duration: write one like 30s, 500ms or 1m30s`);
  }
  let total = 0;
  let last = Number.POSITIVE_INFINITY;
  for (const [, digits = '', unit = ''] of source.matchAll(/(\d+(?:\.\d+)?)([^\d.]+)/g)) {
    const unitMs = DURATION_UNITS.get(unit);
    if (unitMs === undefined) return err(unknownDurationUnit(unit));
    if (unitMs >= last) return err('the units of a duration go from large to small, each once: write 1m30s');
    last = unitMs;
    const value = scale(digits, unitMs);
    if (value === undefined || value > MAX_DURATION_MS) return err(tooLong(source));
    if (!Number.isInteger(value)) return err('a duration is a whole number of milliseconds');
    total += value;
  }
  return total > MAX_DURATION_MS ? err(tooLong(source)) : ok(total);
}

/** The shortest exact form that `parseDuration` reads back: `500ms`, `1.5s`, `1m30s`, `1d`. Fractions of 1 ms are rounded. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms));
  if (rest < SECOND_MS) return rest === 0 ? '0s' : `${rest}ms`;
  let out = '';
  for (const [unit, unitMs] of [
    ['d', DAY_MS],
    ['h', HOUR_MS],
    ['m', MINUTE_MS],
  ] as const) {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0) out += `${count}${unit}`;
  }
  return rest === 0 ? out : `${out}${rest / SECOND_MS}s`;
}

/**
 * A span of time at a glance, for tables: `40 ms`, `0.8 s`, `4s`, `42s`, `1m 30s`, `12m`, `2h 5m`, `3d 4h`.
 *
 * Below 10 s it shows tenths where there are any; `whole` leaves them out, for an age that is painted again and again.
 * From 10 s on everything is rounded down.
 */
export function formatSpan(ms: number, precision: 'tenths' | 'whole' = 'tenths'): string {
  const span = Math.max(0, ms);
  const tenths = Math.round(span / 100);
  if (precision === 'tenths' && tenths < 100) {
    if (span > 0 && span < 99.5) return `${Math.max(1, Math.round(span))} ms`;
    if (tenths % 10 !== 0) return `${(tenths / 10).toFixed(1)} s`;
    return `${tenths / 10}s`;
  }
  const seconds = Math.floor(Math.max(span, precision === 'tenths' ? 10 * SECOND_MS : 0) / SECOND_MS);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'm');
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/**
 * Reads a size such as `64MiB`, `10kb`, `1.5g` or `4096` into whole bytes.
 *
 * `b`, `k`, `kb`, `m`, `mb`, `g`, `gb`, `t`, `tb` are powers of 1024, as in Compose, and so are `KiB`, `MiB`, `GiB`,
 * `TiB`; case does not matter; a bare number is bytes. The error is a sentence for people, without a final period.
 */
export function parseSize(text: string): Result<number, string> {
  const source = text.trim();
  if (source === '') return err('a size is missing, such as 64MiB');
  if (/^[-−]/.test(source)) return err('a size cannot be negative');
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(source);
  if (match === null) return err(`${shown(source)} is not a size: write one like 64MiB, 10kb or 1g`);
  const [, digits = '', unit = ''] = match;
  const unitBytes = SIZE_UNITS.get(unit.toLowerCase());
  if (unitBytes === undefined) {
    return err(`${shown(unit)} is not a unit of size: use b, kb, mb, gb, tb or KiB, MiB, GiB, TiB`);
  }
  const value = scale(digits, unitBytes);
  if (value === undefined || value > Number.MAX_SAFE_INTEGER)
    return err(`${shown(source)} is too large a size`);
  if (unitBytes === 1 && !Number.isInteger(value)) return err('a size is a whole number of bytes');
  return ok(Math.round(value));
}

/** A size at a glance: `512 B`, `1.5 GiB`, `61 MiB`; one decimal below 10, rounded to the nearest. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
  let value = Math.max(0, bytes);
  let power = 0;
  while (power < units.length - 1 && Math.round(value) >= 1024) {
    value /= 1024;
    power += 1;
  }
  const tenths = Math.round(value * 10) / 10;
  const number = power === 0 || tenths >= 10 ? Math.round(value) : tenths;
  return `${number} ${units[power] ?? 'B'}`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit} ${small}${smallUnit}`;
}

function unknownDurationUnit(unit: string): string {
  if (unit === 'us' || unit === 'µs' || unit === 'μs' || unit === 'ns') {
    return `${unit} is too short a unit: the smallest is ms`;
  }
  return `${shown(unit)} is not a unit of time: use d, h, m, s or ms`;
}

function tooLong(source: string): string {
  return `${shown(source)} is too long: the longest duration is ${formatDuration(MAX_DURATION_MS)}`;
}

/** `digits` times `factor`, exact where the product is a whole number. Undefined where there are too many digits. */
function scale(digits: string, factor: number): number | undefined {
  const [whole = '', fraction = ''] = digits.split('.');
  if (whole.length + fraction.length > MAX_DIGITS) return undefined;
  // Integers until the last step: 0.1 * 86,400,000 as doubles would already be off.
  return Number(whole) * factor + (Number(fraction) * factor) / 10 ** fraction.length;
}

/** What a person wrote, for a message: bounded, and nothing that a terminal would act upon. */
function shown(text: string): string {
  const short = text.length > 32 ? `${text.slice(0, 32)}...` : text;
  return short.replace(/[^\x20-\x7e]/g, '?');
}
