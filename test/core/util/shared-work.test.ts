import { describe, expect, it } from 'vitest';
import { SharedWork, type Waiter } from '../../../src/core/util/shared-work.ts';

interface Waiting extends Waiter {
  readonly heard: string[];
  readonly abort: AbortController;
}

function waiter(): Waiting {
  const abort = new AbortController();
  const heard: string[] = [];
  return { heard, abort, signal: abort.signal, progress: (text) => heard.push(text) };
}

/** Work that ends when told to. */
function openWork(): {
  all?: Waiter;
  begun: number;
  end: (value: string) => void;
  run: () => Promise<string>;
} {
  const work = {
    begun: 0,
    end: (_value: string): void => undefined,
    all: undefined as Waiter | undefined,
    run: (all: Waiter): Promise<string> => {
      work.begun += 1;
      work.all = all;
      return new Promise<string>((resolve) => (work.end = resolve));
    },
  };
  return work as never;
}

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('shared work', () => {
  it('is done once for all who ask while it is under way, and tells a late one how far it is', async () => {
    const shared = new SharedWork<string>();
    const work = openWork();
    const [first, second] = [waiter(), waiter()];
    const one = shared.join('key', first, work.run);
    await soon();
    work.all?.progress('half');
    const two = shared.join('key', second, work.run);
    work.end('done');
    expect(await Promise.all([one, two])).toEqual(['done', 'done']);
    expect(work.begun).toBe(1);
    expect([first.heard, second.heard]).toEqual([['half'], ['half']]);
  });

  it('lets one who gives up go at once, and is given up with the last one', async () => {
    const shared = new SharedWork<string>();
    const work = openWork();
    const [first, second] = [waiter(), waiter()];
    const one = shared.join('key', first, work.run);
    const two = shared.join('key', second, work.run);
    await soon();
    first.abort.abort();
    expect(await one).toBeUndefined();
    expect(work.all?.signal.aborted).toBe(false);
    second.abort.abort();
    expect(await two).toBeUndefined();
    expect(work.all?.signal.aborted).toBe(true);
  });

  it('is begun anew for whoever comes after it was done or given up', async () => {
    const shared = new SharedWork<string>();
    const work = openWork();
    const first = waiter();
    const one = shared.join('key', first, work.run);
    await soon();
    first.abort.abort();
    await one;
    const two = shared.join('key', waiter(), work.run);
    await soon();
    const three = shared.join('key', waiter(), work.run);
    work.end('second');
    expect(await Promise.all([two, three])).toEqual(['second', 'second']);
    expect(work.begun).toBe(2);
    await expect(shared.join('key', waiter(), () => Promise.resolve('third'))).resolves.toBe('third');
  });

  it('rejects for everybody where the work does, and does nothing for one who has given up already', async () => {
    const shared = new SharedWork<string>();
    const failing = (): Promise<string> => Promise.reject(new Error('no'));
    const asked = [shared.join('key', waiter(), failing), shared.join('key', waiter(), failing)];
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const gone = waiter();
    gone.abort.abort();
    const work = openWork();
    expect(await shared.join('key', gone, work.run)).toBeUndefined();
    expect(work.begun).toBe(0);
  });
});
