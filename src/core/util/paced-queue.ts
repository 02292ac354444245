/**
 * Pieces of output in order, for one reader. Whoever fills it is told to pause while more bytes wait than are to, and, with
 * each piece that is read while it is not so, to go on.
 */
export class PacedQueue<T extends { readonly data: Uint8Array }> {
  /** Ends once all that was put before `end` has been read. */
  readonly pieces: AsyncIterable<T>;
  readonly #mostBytes: number;
  readonly #flow: (how: 'pause' | 'resume') => void;
  readonly #waiting: T[] = [];
  #waitingBytes = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(mostBytes: number, flow: (how: 'pause' | 'resume') => void) {
    this.#mostBytes = mostBytes;
    this.#flow = flow;
    this.pieces = this.#read();
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** What comes after the end is dropped. */
  put(pieces: readonly T[]): void {
    if (this.#isOver) return;
    for (const piece of pieces) {
      this.#waiting.push(piece);
      this.#waitingBytes += piece.data.length;
    }
    if (this.#waitingBytes > this.#mostBytes) this.#flow('pause');
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Ends it without what waits. */
  drop(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.end();
  }

  async *#read(): AsyncGenerator<T> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        this.#waitingBytes -= next.data.length;
        if (this.#waitingBytes <= this.#mostBytes) this.#flow('resume');
        yield next;
      } else if (this.#isOver) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
