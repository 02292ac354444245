import type { Clock } from '../ports/clock.ts';

/** Telling listeners takes at most this share of the time while changes come without a pause. */
const SHARE = 1 / 20;

/**
 * Tells listeners that something changed: at once for the first change, then at most once per `intervalMs` (longer
 * where the telling itself takes long), and always once more after the last. A hundred services that start together
 * make a few snapshots, not hundreds.
 */
export class Publisher {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #listeners = new Set<() => void>();
  #quietUntil = 0;
  #pending = false;
  #revision = 0;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How many changes there have been. */
  get revision(): number {
    return this.#revision;
  }

  changed(): void {
    this.#revision += 1;
    if (this.#pending || this.#listeners.size === 0) return;
    this.#pending = true;
    this.#clock.after(Math.max(0, this.#quietUntil - this.#clock.now()), () => {
      this.#pending = false;
      const began = this.#clock.now();
      for (const listener of this.#listeners) listener();
      const told = this.#clock.now();
      this.#quietUntil = told + Math.max(this.#intervalMs, (told - began) / SHARE);
    });
  }
}
