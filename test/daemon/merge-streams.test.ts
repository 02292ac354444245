import { describe, expect, test } from 'vitest';
import { growingMerge } from '../../src/daemon/merge-streams.ts';

/** A source that yields what it is given, and says when it was closed. */
class Tap implements AsyncIterable<string> {
  closed = false;
  readonly #ready: string[] = [];
  #wake: () => void = () => {};

  give(text: string): void {
    this.#ready.push(text);
    this.#wake();
  }

  [Symbol.asyncIterator](): AsyncIterator<string> {
    return {
      next: async () => {
        while (this.#ready.length === 0 && !this.closed)
          await new Promise<void>((resolve) => (this.#wake = resolve));
        const value = this.#ready.shift();
        return value === undefined ? { done: true, value: undefined } : { done: false, value };
      },
      return: () => {
        this.closed = true;
        this.#wake();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}

async function take(from: AsyncIterator<string, void>, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const result = await from.next();
    if (result.done === true) break;
    taken.push(result.value);
  }
  return taken;
}

describe('a growing merge', () => {
  test('yields what sources yield that join while it is read', async () => {
    const [first, second] = [new Tap(), new Tap()];
    let add: (source: AsyncIterable<string>) => void = () => {};
    const ending = new AbortController();
    const merged = growingMerge(first, (adder) => ((add = adder), () => {}), ending.signal);
    first.give('a');
    expect(await take(merged, 1)).toEqual(['a']);
    const next = take(merged, 2);
    add(second);
    second.give('b');
    first.give('c');
    expect((await next).sort()).toEqual(['b', 'c']);
    await merged.return(undefined);
  });

  test('waits for later sources although the first one has ended', async () => {
    const [first, second] = [new Tap(), new Tap()];
    first.closed = true;
    let add: (source: AsyncIterable<string>) => void = () => {};
    const ending = new AbortController();
    const merged = growingMerge(first, (adder) => ((add = adder), () => {}), ending.signal);
    const next = take(merged, 1);
    await new Promise((resolve) => setImmediate(resolve));
    add(second);
    second.give('late');
    expect(await next).toEqual(['late']);
    await merged.return(undefined);
  });

  test('ends when it is aborted, closing its sources and the watch', async () => {
    const first = new Tap();
    const ending = new AbortController();
    let watching = true;
    const merged = growingMerge(first, () => () => (watching = false), ending.signal);
    const next = take(merged, 1);
    await new Promise((resolve) => setImmediate(resolve));
    ending.abort();
    expect(await next).toEqual([]);
    expect([first.closed, watching]).toEqual([true, false]);
  });
});
