/** What somebody who waits for an image is told. */
export interface Wait {
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * A piece of work that several wait for. Everybody is told how far it is; one who gives up is let go at once, and the work
 * is given up with the last of them.
 */
export class SharedWork<T> {
  readonly #waits = new Set<Wait>();
  readonly #abort = new AbortController();
  readonly #result: Promise<T>;
  readonly #givenUp: () => T;
  #last: string | undefined;

  /** `givenUp` is what one who gives up is answered. */
  constructor(work: (wait: Wait) => Promise<T>, givenUp: () => T) {
    this.#givenUp = givenUp;
    // Begun only once the first one waits for it.
    this.#result = Promise.resolve().then(() =>
      work({ progress: (text) => this.#tell(text), signal: this.#abort.signal }),
    );
    // Nobody may be there any more to be told.
    this.#result.catch(() => undefined);
  }

  /** Whether it was given up: whoever comes now needs another. */
  get isGivenUp(): boolean {
    return this.#abort.signal.aborted;
  }

  async join(wait: Wait): Promise<T> {
    const { signal, progress } = wait;
    if (signal.aborted) return this.#givenUp();
    this.#waits.add(wait);
    if (this.#last !== undefined) progress(this.#last);
    let leave = (): void => undefined;
    const left = new Promise<T>((resolve) => {
      leave = (): void => resolve(this.#givenUp());
      signal.addEventListener('abort', leave);
    });
    try {
      return await Promise.race([this.#result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      this.#waits.delete(wait);
      if (this.#waits.size === 0) this.#abort.abort();
    }
  }

  #tell(text: string): void {
    this.#last = text;
    for (const { progress } of this.#waits) progress(text);
  }
}
