/** Somebody who waits for a piece of work: what he is told of it, and how he gives up. */
export interface Waiter {
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Work that several ask for at the same time and that is done once. Everybody is told how far it is; one who gives up is
 * let go at once, and the work is given up with the last of them.
 */
export class SharedWork<T> {
  readonly #underWay = new Map<string, Work<T>>();

  /**
   * Waits for the work under this key, which is begun where none is under way. Resolves with its result, or with undefined
   * as soon as the waiter's signal is aborted. Rejects with what `work` rejects with.
   */
  async join(key: string, waiter: Waiter, work: (all: Waiter) => Promise<T>): Promise<T | undefined> {
    if (waiter.signal.aborted) return undefined;
    let shared = this.#underWay.get(key);
    if (shared === undefined || shared.isOver) {
      shared = new Work(work);
      this.#underWay.set(key, shared);
    }
    try {
      return await shared.join(waiter);
    } finally {
      if (shared.isOver && this.#underWay.get(key) === shared) this.#underWay.delete(key);
    }
  }
}

class Work<T> {
  readonly #waiters = new Set<Waiter>();
  readonly #abort = new AbortController();
  readonly #result: Promise<T>;
  #last: string | undefined;

  constructor(work: (all: Waiter) => Promise<T>) {
    // A moment later, so that whoever began it hears it all.
    this.#result = Promise.resolve().then(() =>
      work({ progress: (text) => this.#tell(text), signal: this.#abort.signal }),
    );
    // Nobody may be there any more to be told.
    this.#result.catch(() => undefined);
  }

  /** Whether nobody waits any more: it is done, or was given up, and whoever comes now needs another. */
  get isOver(): boolean {
    return this.#abort.signal.aborted;
  }

  async join(waiter: Waiter): Promise<T | undefined> {
    const { signal, progress } = waiter;
    this.#waiters.add(waiter);
    if (this.#last !== undefined) progress(this.#last);
    let leave = (): void => undefined;
    const left = new Promise<undefined>((resolve) => {
      leave = (): void => resolve(undefined);
      signal.addEventListener('abort', leave);
    });
    try {
      return await Promise.race([this.#result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      this.#waiters.delete(waiter);
      if (this.#waiters.size === 0) this.#abort.abort();
    }
  }

  #tell(text: string): void {
    this.#last = text;
    for (const { progress } of this.#waiters) progress(text);
  }
}
