/**
 * Yields what several sources yield, as it comes, each read only as fast as the whole is. Further sources may join at
 * any time. Ends when `signal` aborts; a source that ends before only leaves.
 *
 * @param watch is given a function that adds a source, and answers with one that ends the adding.
 */
export async function* growingMerge<T>(
  first: AsyncIterable<T>,
  watch: (add: (source: AsyncIterable<T>) => void) => () => void,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const arrivals = new Map<AsyncIterator<T>, Promise<Arrival<T>>>();
  let wake: () => void = () => {};
  const take = (iterator: AsyncIterator<T>): void => {
    arrivals.set(
      iterator,
      iterator.next().then((result) => ({ iterator, result })),
    );
  };
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort);
  take(first[Symbol.asyncIterator]());
  const unwatch = watch((source) => {
    take(source[Symbol.asyncIterator]());
    wake();
  });
  try {
    while (!signal.aborted) {
      const woken = new Promise<undefined>((resolve) => (wake = () => resolve(undefined)));
      const arrival = await Promise.race([...arrivals.values(), woken]);
      if (arrival === undefined) continue;
      arrivals.delete(arrival.iterator);
      if (arrival.result.done === true) continue;
      yield arrival.result.value;
      take(arrival.iterator);
    }
  } finally {
    unwatch();
    signal.removeEventListener('abort', onAbort);
    await Promise.allSettled([...arrivals.keys()].map(async (iterator) => iterator.return?.()));
  }
}

interface Arrival<T> {
  readonly iterator: AsyncIterator<T>;
  readonly result: IteratorResult<T>;
}
