import type { Knowledge } from '../../ports/backend.ts';

/** Whether what is known of one container is so now. */
export class ObservedKnowledge implements Knowledge {
  readonly #listeners = new Set<() => void>();
  readonly #why: () => string | undefined;
  #state: 'known' | 'unknown' = 'unknown';

  /** `why` is asked for the reason while nothing is known. */
  constructor(why: () => string | undefined) {
    this.#why = why;
  }

  current(): 'known' | 'unknown' {
    return this.#state;
  }

  reason(): string | undefined {
    return this.#state === 'known' ? undefined : (this.#why() ?? 'the container was not looked at yet');
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  become(state: 'known' | 'unknown'): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}
