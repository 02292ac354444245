import type { InstanceId } from '../core/service.ts';
import type { LogAccess } from './access.ts';

/** Waits for news of one instance's log, until `signal` aborts, none will come any more, or it is stopped. */
export class LogNews {
  #ended = false;
  #hasNews = false;
  #resolve: () => void = () => undefined;
  readonly #signal: AbortSignal;
  readonly #unfollow: () => void;

  constructor(access: LogAccess, instance: InstanceId, signal: AbortSignal) {
    this.#signal = signal;
    if (signal.aborted) this.#ended = true;
    signal.addEventListener('abort', this.#end, { once: true });
    const wake = (): void => {
      this.#hasNews = true;
      this.#resolve();
    };
    this.#unfollow = access.follow([instance], { wake, close: this.#end });
  }

  hasEnded(): boolean {
    return this.#ended;
  }

  /** Resolves when there were news since the last call, or it has ended. */
  async next(): Promise<void> {
    if (!this.#hasNews && !this.#ended) await new Promise<void>((resolve) => (this.#resolve = resolve));
    this.#hasNews = false;
  }

  stop(): void {
    this.#end();
    this.#signal.removeEventListener('abort', this.#end);
    this.#unfollow();
  }

  readonly #end = (): void => {
    this.#ended = true;
    this.#resolve();
  };
}
