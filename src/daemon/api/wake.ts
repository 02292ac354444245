/** Lets one loop sleep until somebody has something for it; what is said while it is awake is not lost. */
export class Wake {
  readonly #signal: AbortSignal;
  #pending = false;
  #resolve: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.ring(), { once: true });
  }

  ring(): void {
    this.#pending = true;
    this.#resolve?.();
    this.#resolve = undefined;
  }

  /** Resolves at once where it was rung since the last call, or where the signal has aborted. */
  async next(): Promise<void> {
    if (!this.#pending && !this.#signal.aborted) {
      await new Promise<void>((resolve) => (this.#resolve = resolve));
    }
    this.#pending = false;
  }
}
