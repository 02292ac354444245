import { createHash } from 'node:crypto';
import { compareText } from './graph.ts';

/** The SHA-256, in hex, of a value's canonical JSON: the same whatever the order of its keys. */
export function fingerprint(view: unknown): string {
  return sha256(canonicalJson(view));
}

/** In hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** JSON without white space and with sorted keys; properties that are undefined are left out. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => compareText(a, b));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}
