import type { Clock } from '../ports/clock.ts';

/** What `promise` comes to, or undefined where that takes longer than `ms`. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  let disarm: () => void = () => {};
  const late = new Promise<undefined>((resolve) => {
    disarm = clock.after(ms, () => resolve(undefined));
  });
  const first = await Promise.race([promise, late]);
  disarm();
  return first;
}
