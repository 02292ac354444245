import type { Clock } from '../ports/clock.ts';

/** setTimeout takes at most this many ms; longer waits are made of several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delayMs, fire) {
    let left = Math.max(0, delayMs);
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const part = Math.min(left, LONGEST_TIMER_MS);
      left -= part;
      timer = setTimeout(() => (left > 0 ? arm() : fire()), part);
    };
    arm();
    return () => clearTimeout(timer);
  },
};
