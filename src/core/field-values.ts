import type { FieldChange } from './event.ts';
import { sha256 } from './fingerprint.ts';
import { compareText } from './graph.ts';
import { escapeControl, type Redactor } from './redact.ts';
import type { Text } from './service.ts';

/**
 * A service's settings one by one, as shown to people: texts in quotes, secrets masked. A value that is not shown
 * wholly ends in a digest of what it is, ` #` where something is masked, ` ~` where it is only long, ` @` where it stands
 * for the content of files; so two of them can be told apart without anything secret being kept. `diffFields` takes the digests off again.
 */
export type Fields = Readonly<Record<string, string>>;

/** Stands for the new value of a field whose old and new value look the same once masked. */
export const SECRET_CHANGED = '(secret changed)';

/** The same for values that differ behind where they are cut for display. */
export const CHANGED_FURTHER_ON = '(changed further on)';

/** The same for what lies beside the manifest: a flake's files, a build's context. */
export const CONTENT_CHANGED = '(content changed)';

/** A longer value is cut for display. */
export const MAX_VALUE = 200;

const DIGEST_LENGTH = 12;
const MARKED = new RegExp(`^(?<shown>.*) (?<mark>[#~@])(?<digest>[0-9a-f]{${DIGEST_LENGTH}})$`, 's');

/** How values are written for people, each with its mark where it is not shown wholly. */
export interface Shower {
  /** A text, by the name of what holds it: masked wholly where that name is secret. */
  value(key: string, value: string): string;
  /** A text whose field's name says nothing about secrecy. */
  text(field: string, value: string): string;
  /** Nothing but that it is there, and a digest. */
  secret(name: string, value: string): string;
  /** A script in quotes, or a list of words in brackets. */
  words(field: string, value: string | readonly string[]): string;
}

/** The salt keeps digests of two projects from being compared. */
export function shower(redactor: Redactor, salt: string): Shower {
  const mark = (key: string, whole: string, masked: string, wrap: (text: string) => string): string => {
    const digest = sha256(JSON.stringify([salt, key, whole])).slice(0, DIGEST_LENGTH);
    const short = masked.length > MAX_VALUE ? `${masked.slice(0, MAX_VALUE)}...` : masked;
    if (masked !== whole) return `${wrap(short)} #${digest}`;
    return short === masked ? wrap(short) : `${wrap(short)} ~${digest}`;
  };
  const text = (field: string, value: string): string => mark(field, value, redactor.text(value), quoted);
  return {
    value: (key, value) =>
      redactor.isSecretKey(key) ? mark(key, value, redactor.value(key, value), asItIs) : text(key, value),
    text,
    secret: (name, value) => mark(`secrets.${name}`, value, '***', asItIs),
    words: (field, value) => {
      if (typeof value === 'string') return text(field, value);
      // Word by word a flag and its value would be looked at apart.
      const whole = `[${value.map(quotedWord).join(', ')}]`;
      const masked = `[${value.map((word, i) => quotedWord(maskedWord(value, i, word))).join(', ')}]`;
      return mark(field, whole, masked, asItIs);
    },
  };

  function maskedWord(words: readonly string[], i: number, word: string): string {
    const before = i === 0 ? '' : `${words[i - 1] ?? ''} `;
    const flagged = /^--?[A-Za-z][\w-]* $/.test(before) && !word.startsWith('-');
    return flagged && redactor.isSecretKey(before.trim().replace(/^-+/, '')) ? '***' : redactor.text(word);
  }
}

function asItIs(text: string): string {
  return text;
}

function quoted(text: string): string {
  return escapeControl(JSON.stringify(text));
}

function quotedWord(text: string): string {
  return escapeControl(JSON.stringify(text), Number.MAX_SAFE_INTEGER);
}

/** A text with its late references as the manifest writes them. */
export function template(text: Text): string {
  if (typeof text === 'string') return text;
  return text
    .map((part) => {
      if (typeof part === 'string') return part;
      switch (part.ref) {
        case 'port':
          return `\${services.${part.service}.ports.${part.port}}`;
        case 'host':
          return `\${services.${part.service}.host}`;
        case 'instance-number':
          return '${instance.number}';
      }
    })
    .join('');
}

/** Stands for the content of files, of which there is a digest. */
export function contentMark(inputs: string): string {
  return `@${sha256(inputs).slice(0, DIGEST_LENGTH)}`;
}

/** What differs, sorted by field. */
export function diffFields(old: Fields, now: Fields): readonly FieldChange[] {
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort(compareText);
  return names.flatMap((field): FieldChange[] => {
    const from = Object.hasOwn(old, field) ? old[field] : undefined;
    const to = Object.hasOwn(now, field) ? now[field] : undefined;
    if (from === to) return [];
    if (from === undefined) return [{ field, to: unmarked(to).shown }];
    if (to === undefined) return [{ field, from: unmarked(from).shown }];
    const [before, after] = [unmarked(from), unmarked(to)];
    if (before.shown !== after.shown) return [{ field, from: before.shown, to: after.shown }];
    return [{ field, from: before.shown, to: unseenChange(before.mark, after.mark) }];
  });
}

function unseenChange(before: string | undefined, after: string | undefined): string {
  if (before === '@' || after === '@') return CONTENT_CHANGED;
  return after === '~' && before === '~' ? CHANGED_FURTHER_ON : SECRET_CHANGED;
}

/** The fields without their digests. */
export function displayedFields(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, unmarked(value).shown]));
}

function unmarked(value: string | undefined): { readonly shown: string; readonly mark?: string } {
  const { shown, mark } = MARKED.exec(value ?? '')?.groups ?? {};
  return shown === undefined || mark === undefined ? { shown: value ?? '' } : { shown, mark };
}
