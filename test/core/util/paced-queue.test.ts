import { describe, expect, it } from 'vitest';
import { PacedQueue } from '../../../src/core/util/paced-queue.ts';

function piece(text: string) {
  return { data: Buffer.from(text) };
}

function queueOf(mostBytes: number) {
  const flow: string[] = [];
  const queue = new PacedQueue<{ data: Buffer }>(mostBytes, (how) => flow.push(how));
  const read = queue.pieces[Symbol.asyncIterator]();
  const next = async (): Promise<string | undefined> => {
    const result = await read.next();
    return result.done === true ? undefined : result.value.data.toString();
  };
  return { queue, flow, next };
}

describe('a paced queue', () => {
  it('pauses who fills it while too much waits, and lets it go on once that is read', async () => {
    const { queue, flow, next } = queueOf(5);
    queue.put([piece('abc')]);
    expect(flow).toEqual([]);
    queue.put([piece('def')]);
    expect(flow).toEqual(['pause']);
    expect(await next()).toBe('abc');
    expect(flow).toEqual(['pause', 'resume']);
  });

  it('hands what comes to a reader that waits', async () => {
    const { queue, next } = queueOf(5);
    const waiting = next();
    queue.put([piece('late')]);
    expect(await waiting).toBe('late');
  });

  it('is read to the last piece after its end, and takes nothing more', async () => {
    const { queue, next } = queueOf(5);
    queue.put([piece('last')]);
    queue.end();
    queue.put([piece('too late')]);
    expect(await next()).toBe('last');
    expect(queue.isEmpty).toBe(true);
    expect(await next()).toBeUndefined();
  });

  it('ends without what waits when it is dropped', async () => {
    const { queue, next } = queueOf(5);
    queue.put([piece('unread')]);
    queue.drop();
    expect(await next()).toBeUndefined();
  });
});
