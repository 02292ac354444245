import type { ProjectEvent } from '../core/event.ts';
import type { ServiceId } from '../core/service.ts';

/** How many happenings are kept, whatever they are of. */
export const KEPT = 2_000;

/** So many of each service, and of the project itself, are kept besides, however much happens to another one. */
const KEPT_OF_EACH = 100;

/** What is kept besides, of all services together. */
const MOST_BESIDES = 10_000;

/**
 * Decides, from the newest happening back, which are kept: the newest of all, then the newest of each service, so that
 * one that is restarted all the time does not cost the others their history.
 */
export class EventRetention {
  readonly #ofEach = new Map<ServiceId | undefined, number>();
  #newest = 0;
  #besides = 0;

  /** Whether an older one of this service (undefined: of the project itself) would be kept. Counts nothing. */
  wants(service: ServiceId | undefined): boolean {
    if (this.#newest < KEPT) return true;
    return this.#besides < MOST_BESIDES && (this.#ofEach.get(service) ?? 0) < KEPT_OF_EACH;
  }

  /** To be asked of each, the newest first: whether it is kept. */
  keeps({ service }: Pick<ProjectEvent, 'service'>): boolean {
    if (!this.wants(service)) return false;
    if (this.#newest < KEPT) this.#newest += 1;
    else this.#besides += 1;
    this.#ofEach.set(service, (this.#ofEach.get(service) ?? 0) + 1);
    return true;
  }
}

/** What is kept in memory of a journal, oldest first. */
export class RecentEvents {
  #all: readonly ProjectEvent[];
  #later: ProjectEvent[] = [];

  /** `kept`: what a sieve has kept before, oldest first. */
  constructor(kept: readonly ProjectEvent[]) {
    this.#all = kept;
  }

  push(happening: ProjectEvent): void {
    this.#later.push(happening);
    // Sieving once in a while instead of every time keeps an append cheap.
    if (this.#later.length >= KEPT) this.#sieve();
  }

  newest(): ProjectEvent | undefined {
    return this.#later.at(-1) ?? this.#all.at(-1);
  }

  /** The newest `limit`, of one service where asked; without gaps as long as `limit` is at most `KEPT`. */
  recent(limit: number, service?: ServiceId): readonly ProjectEvent[] {
    if (limit <= 0) return [];
    if (service === undefined && limit <= this.#later.length) return this.#later.slice(-limit);
    if (service === undefined && limit > KEPT) this.#sieve();
    const all = [...this.#all, ...this.#later];
    return (service === undefined ? all : all.filter((each) => each.service === service)).slice(-limit);
  }

  /** The newest of each service and of the project itself, oldest first: what a file that is let go of may cost. */
  ofEach(): readonly ProjectEvent[] {
    const counts = new Map<ServiceId | undefined, number>();
    const found: ProjectEvent[] = [];
    for (const each of [...this.#all, ...this.#later].reverse()) {
      const count = counts.get(each.service) ?? 0;
      if (count >= KEPT_OF_EACH || found.length >= MOST_BESIDES) continue;
      counts.set(each.service, count + 1);
      found.push(each);
    }
    return found.reverse();
  }

  #sieve(): void {
    const sieve = new EventRetention();
    const all = [...this.#all, ...this.#later].reverse();
    this.#all = all.filter((each) => sieve.keeps(each)).reverse();
    this.#later = [];
  }
}
