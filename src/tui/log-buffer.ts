import type { InstanceId } from '../core/service.ts';

/** A line of output, or (`notice`) something that happened to the instance in between. */
export interface BufferedLine {
  /** Epoch ms. */
  readonly time: number;
  readonly instance: InstanceId;
  readonly stream: 'stdout' | 'stderr' | 'notice';
  /** As written, cut to `LONGEST_LINE`. */
  readonly text: string;
  /** Characters that were cut off. */
  readonly cut: number;
  /** Whether it is the rest of the line before it. */
  readonly continued?: true;
}

/** Characters (UTF-16 units) of a line that are kept; `setpoint logs` shows all of it. */
export const LONGEST_LINE = 8_192;

/** The text as it is kept; `cut` says how much was left out. */
export function bounded(text: string): { readonly text: string; readonly cut: number } {
  if (text.length <= LONGEST_LINE) return { text, cut: 0 };
  const half = /[\ud800-\udbff]/.test(text[LONGEST_LINE - 1] ?? '');
  const end = half ? LONGEST_LINE - 1 : LONGEST_LINE;
  // A mere slice would keep the whole of the long text in memory.
  return { text: ` ${text.slice(0, end)}`.slice(1), cut: text.length - end };
}

/**
 * The newest lines of a view, each under a number that stays the same while it is there. Bounded by lines and by
 * characters; what falls out is counted.
 */
export class LogBuffer {
  readonly #maxLines: number;
  readonly #maxChars: number;
  #entries: BufferedLine[] = [];
  /** How many at the beginning of the array have fallen out already. */
  #gone = 0;
  #first = 0;
  #chars = 0;
  #dropped = 0;

  constructor(maxLines: number, maxChars: number) {
    this.#maxLines = maxLines;
    this.#maxChars = maxChars;
  }

  push(entry: BufferedLine): void {
    this.#entries.push(entry);
    this.#chars += entry.text.length;
    while (this.length > this.#maxLines || (this.#chars > this.#maxChars && this.length > 1)) this.#shift();
  }

  #shift(): void {
    this.#chars -= this.#entries[this.#gone]?.text.length ?? 0;
    this.#gone += 1;
    this.#first += 1;
    this.#dropped += 1;
    if (this.#gone > 1024 && this.#gone * 4 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#gone);
      this.#gone = 0;
    }
  }

  /** Forgets what is there; numbers go on. */
  clear(): void {
    this.#first += this.length;
    this.#entries = [];
    this.#gone = 0;
    this.#chars = 0;
    this.#dropped = 0;
  }

  get length(): number {
    return this.#entries.length - this.#gone;
  }

  /** Number of the oldest line that is there. */
  get first(): number {
    return this.#first;
  }

  /** Number that the next line gets. */
  get end(): number {
    return this.#first + this.length;
  }

  /** Lines that fell out since the last `clear`. */
  get dropped(): number {
    return this.#dropped;
  }

  at(number: number): BufferedLine | undefined {
    return number < this.#first ? undefined : this.#entries[number - this.#first + this.#gone];
  }
}

/** The numbers of those lines of a buffer that meet a condition, found in portions. */
export class MatchIndex {
  readonly #buffer: LogBuffer;
  readonly #meets: (entry: BufferedLine) => boolean;
  #numbers: number[] = [];
  #next: number;

  constructor(buffer: LogBuffer, meets: (entry: BufferedLine) => boolean) {
    this.#buffer = buffer;
    this.#meets = meets;
    this.#next = buffer.first;
  }

  /** Looks at lines it has not seen until `enough` says so; true once none is left. */
  advance(enough: () => boolean): boolean {
    this.#next = Math.max(this.#next, this.#buffer.first);
    for (; this.#next < this.#buffer.end; this.#next += 1) {
      // Asking what time it is for each line would cost more than most of the lines.
      if (this.#next % 16 === 0 && enough()) return false;
      const entry = this.#buffer.at(this.#next);
      if (entry !== undefined && this.#meets(entry)) this.#numbers.push(this.#next);
    }
    return true;
  }

  get isComplete(): boolean {
    return this.#next >= this.#buffer.end;
  }

  /** Ascending. */
  get numbers(): readonly number[] {
    const first = this.#buffer.first;
    if ((this.#numbers[0] ?? first) < first)
      this.#numbers = this.#numbers.slice(lowerBound(this.#numbers, first));
    return this.#numbers;
  }
}

/** Index of the first number that is not below `least`. */
export function lowerBound(numbers: readonly number[], least: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
