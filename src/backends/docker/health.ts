import type { HealthFeed, HealthState } from '../../ports/backend.ts';

/** What the engine says of a container's health, as far as it is looked at. */
interface SeenHealth {
  readonly Status?: string;
  readonly Log?: readonly { readonly Output?: string }[] | null;
}

const LONGEST_OUTPUT_CHARS = 1024;

/** The last state of the engine's healthcheck that was seen. */
export class ObservedHealth implements HealthFeed {
  readonly #listeners = new Set<() => void>();
  #state: HealthState = 'none';
  #output: string | undefined;

  current(): HealthState {
    return this.#state;
  }

  output(): string | undefined {
    return this.#output;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes what an inspection says; what is no state counts as there being no healthcheck. */
  observe(seen: SeenHealth | undefined): void {
    const status = seen?.Status;
    const state = status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
    const said = seen?.Log?.at(-1)?.Output?.trim();
    this.#output = said === undefined || said === '' ? undefined : said.slice(-LONGEST_OUTPUT_CHARS);
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}
