/** A part of a text: from `start` up to, but not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Shorter values are not looked for: they would hide half of every text and protect nothing. */
const MIN_LENGTH = 4;

/** Values shorter than this are found as whole words only, so that a password `test` leaves `latest` alone. */
const MIN_ANYWHERE = 6;

/** The index holds this much of a value; what follows is compared directly, so that long values cost no memory. */
const INDEXED_LENGTH = 64;

/** Words that mean something else far more often than they are a secret. */
const COMMON = new Set(['true', 'false', 'null', 'none', 'undefined', 'default', 'localhost']);

/**
 * Finds where known values occur in a text. The time is linear in the text's length whatever the number of values: a
 * trie of their beginnings is walked from each position, for at most `INDEXED_LENGTH` steps.
 */
export class ValueIndex {
  /** From state and UTF-16 code unit to the next state; 0 is the root. */
  readonly #next = new Map<number, number>();
  /** States at which a value ends. */
  readonly #ends = new Set<number>();
  /** For values that go on beyond the index: what follows. */
  readonly #tails = new Map<number, string[]>();
  #states = 1;

  /** A value of several lines is looked for line by line as well, since output is printed so. */
  constructor(values: Iterable<string>) {
    const all = new Set<string>();
    for (const value of values) {
      for (const part of [value, ...value.split(/\r?\n/)]) {
        const trimmed = part.trim();
        if (trimmed.length >= MIN_LENGTH && !COMMON.has(trimmed.toLowerCase())) all.add(trimmed);
      }
    }
    for (const value of all) this.#add(value);
  }

  /** The occurrences, in order of their beginnings; they may overlap. */
  find(text: string): readonly Span[] {
    if (this.#next.size === 0) return [];
    const spans: Span[] = [];
    for (let start = 0; start < text.length; start += 1) {
      const end = this.#longestFrom(text, start);
      if (end !== undefined) spans.push({ start, end });
    }
    return spans;
  }

  #add(value: string): void {
    let state = 0;
    const indexed = Math.min(value.length, INDEXED_LENGTH);
    for (let i = 0; i < indexed; i += 1) {
      const key = edge(state, value.charCodeAt(i));
      const known = this.#next.get(key);
      if (known !== undefined) {
        state = known;
        continue;
      }
      state = this.#states;
      this.#states += 1;
      this.#next.set(key, state);
    }
    if (value.length <= INDEXED_LENGTH) this.#ends.add(state);
    else this.#tails.set(state, [...(this.#tails.get(state) ?? []), value.slice(INDEXED_LENGTH)]);
  }

  #longestFrom(text: string, start: number): number | undefined {
    let state = 0;
    let end: number | undefined;
    for (let at = start; at < text.length; at += 1) {
      const next = this.#next.get(edge(state, text.charCodeAt(at)));
      if (next === undefined) break;
      state = next;
      if (this.#ends.has(state) && stands(text, start, at + 1)) end = at + 1;
      const tails = this.#tails.get(state);
      if (tails !== undefined) return at + 1 + longestAgreement(text, at + 1, tails);
    }
    return end;
  }
}

function edge(state: number, unit: number): number {
  return state * 0x10000 + unit;
}

function stands(text: string, start: number, end: number): boolean {
  if (end - start >= MIN_ANYWHERE) return true;
  return !isWordUnit(text.charCodeAt(start - 1)) && !isWordUnit(text.charCodeAt(end));
}

function isWordUnit(unit: number): boolean {
  return (unit >= 48 && unit <= 57) || (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122);
}

/** How far the text goes on as any of the tails does. A secret that was cut short is hidden as far as it goes. */
function longestAgreement(text: string, from: number, tails: readonly string[]): number {
  let longest = 0;
  for (const tail of tails) {
    let length = 0;
    while (length < tail.length && text.charCodeAt(from + length) === tail.charCodeAt(length)) length += 1;
    longest = Math.max(longest, length);
  }
  return longest;
}
