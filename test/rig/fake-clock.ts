import type { Clock } from '../../src/ports/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Time that passes only when told to. */
export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  #wallAtStart = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wallAtStart + this.#now;
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get armed(): number {
    return this.#timers.size;
  }

  /** How long until the first timer is due, in ms; undefined where there is none. */
  get nearest(): number | undefined {
    const times = [...this.#timers].map(({ at }) => at - this.#now);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Sets the wall clock, as a person or a time server does; timers go by the monotonic one. */
  setWall(epochMs: number): void {
    this.#wallAtStart = epochMs - this.#now;
  }

  /** `ms` pass in which the process does not get to run; what fell due meanwhile fires at their end. */
  async hang(ms: number): Promise<void> {
    await settled();
    this.#now += ms;
    await this.pass(0);
  }

  /** Passes `ms`, firing what falls due in order and letting what it set off run to its end each time. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const next = [...this.#timers]
        .filter((t) => t.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fire();
      await settled();
    }
    this.#now = end;
  }
}

/** Resolves once everything that needs no time has been done. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 30; i += 1) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 30; i += 1) await Promise.resolve();
}
