import type { HealthFeed, HealthState } from './contract.ts';

/** The last state of the engine's healthcheck that was seen. */
export class ObservedHealth implements HealthFeed {
  readonly #listeners = new Set<() => void>();
  #state: HealthState = 'none';

  current(): HealthState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes what an inspection says; what is no state counts as there being no healthcheck. */
  observe(status: string | undefined): void {
    const state = status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}
