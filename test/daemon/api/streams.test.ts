import { spawn } from 'node:child_process';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LogLine, WatchItem } from '../../../src/core/api.ts';
import type { ProjectEvent } from '../../../src/core/event.ts';
import { checkAnswer } from '../../rig/contract.ts';
import { linesOf, logLine } from './fake-control.ts';
import { dialRaw, post, rawRequest, serve, until, type Served } from './rig.ts';

/** A stream as a client sees it. */
class Stream {
  readonly response: IncomingMessage;
  readonly lines: unknown[] = [];
  raw = '';
  ended: 'whole' | 'cut' | undefined;

  /** `check` throws where a line is not as the contract says. */
  constructor(response: IncomingMessage, check: (line: string) => void) {
    this.response = response;
    let rest = '';
    response.setEncoding('utf8').on('data', (piece: string) => {
      this.raw += piece;
      const lines = `${rest}${piece}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((text) => text !== '')) {
        this.lines.push(JSON.parse(line) as unknown);
        check(line);
      }
    });
    response.on('error', () => undefined);
    response.on('close', () => (this.ended = response.complete ? 'whole' : 'cut'));
  }

  async atLeast(count: number): Promise<unknown[]> {
    await until(() => this.lines.length >= count);
    return this.lines;
  }

  async end(): Promise<unknown[]> {
    await until(() => this.ended !== undefined);
    return this.lines;
  }
}

function openStream(socketPath: string, path: string, method = 'GET'): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'setpoint' };
    const request = httpRequest({ socketPath, path, method, headers, agent: false }, (response) => {
      expect(response.statusCode).toBe(200);
      expect(response.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
      resolve(
        new Stream(response, (text) =>
          checkAnswer(method, path, { status: 200, type: 'application/x-ndjson', text }),
        ),
      );
    });
    onTestFinished(() => void request.destroy());
    request.on('error', reject).end();
  });
}

/** Nothing of a stream is left in the server. */
async function untilFree({ server, control }: Served): Promise<void> {
  await until(() => server.streams === 0 && control.listeners.size === 0);
}

/** A client that asks for a stream and reads nothing of it. */
async function openUnread(socketPath: string, path: string): Promise<Socket> {
  const socket = await dialRaw(socketPath);
  socket.pause();
  socket.write(rawRequest('GET', path));
  return socket;
}

const seqs = (items: readonly unknown[]): number[] => (items as ProjectEvent[]).map((h) => h.seq);

describe('watch', () => {
  test('a snapshot comes first, then every change and happening', async () => {
    const served = await serve();
    const { control, socket } = served;
    control.happen({ type: 'warning', message: 'before anybody watched' });
    const stream = await openStream(socket, '/v1/watch');
    await stream.atLeast(1);
    control.happen({ type: 'warning', message: 'now' });
    control.change();
    const items = (await stream.atLeast(3)) as WatchItem[];
    expect(items.map((i) => (i.type === 'snapshot' ? i.snapshot.revision : i.happening.seq))).toEqual([
      1, 2, 2,
    ]);
    expect(items[1]).toEqual({ type: 'happening', happening: control.journal[1] });
    stream.response.destroy();
    await untilFree(served);
  });

  test('a hundred watchers share one subscription, which ends with the last of them', async () => {
    const served = await serve();
    const streams = await Promise.all(
      Array.from({ length: 100 }, () => openStream(served.socket, '/v1/watch')),
    );
    expect(served.control.listeners.size).toBe(1);
    served.control.change();
    for (const stream of streams) await stream.atLeast(2);
    for (const stream of streams.slice(1)) stream.response.destroy();
    await until(() => served.server.streams === 1);
    expect(served.control.listeners.size).toBe(1);
    streams[0]?.response.destroy();
    await untilFree(served);
  });

  test('one that does not read costs no more than what the connection holds, and then gets the newest snapshot', async () => {
    const served = await serve();
    const { control, socket } = served;
    control.padding = 'x'.repeat(100_000);
    const client = await openUnread(socket, '/v1/watch');
    await until(() => control.listeners.size === 1);
    for (let n = 0; n < 300; n += 1) {
      control.change();
      control.happen({ type: 'warning', message: `number ${n}` });
      // Others get their turn, as they would.
      await new Promise((resolve) => setImmediate(resolve));
    }
    let text = '';
    client.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    client.resume();
    await until(() => text.includes('"revision":301') && text.includes('number 299'));
    const snapshots = text.match(/"type":"snapshot"/g)?.length ?? 0;
    expect(snapshots).toBeLessThan(30);
    const seen = [...text.matchAll(/number (\d+)"/g)].map((m) => Number(m[1]));
    expect(seen).toEqual(Array.from({ length: 300 }, (_, n) => n));
    client.destroy();
    await untilFree(served);
  });

  test('happenings that a slow watcher missed for good are counted', async () => {
    const { control, socket } = await serve();
    control.padding = 'x'.repeat(3_000_000);
    const client = await openUnread(socket, '/v1/watch');
    await until(() => control.listeners.size === 1);
    for (let n = 0; n < 1500; n += 1) control.happen({ type: 'warning', message: 'again' });
    let text = '';
    client.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    client.resume();
    await until(() => text.includes('"seq":1500'));
    expect(text).toContain('"dropped":500');
    expect(text.match(/"seq":/g)).toHaveLength(1000);
  });

  test('silence is broken by empty lines', async () => {
    const { socket } = await serve({ heartbeatMs: 5 });
    const stream = await openStream(socket, '/v1/watch');
    await until(() => stream.raw.endsWith('}\n\n\n'));
    expect(stream.lines).toHaveLength(1);
  });

  test('a client that only ends its own side is gone, too', async () => {
    const served = await serve();
    const client = await dialRaw(served.socket);
    client.write(rawRequest('GET', '/v1/watch'));
    await until(() => served.server.streams === 1);
    client.end();
    await untilFree(served);
  });

  test('closing the server ends the stream as a whole one', async () => {
    const served = await serve();
    const stream = await openStream(served.socket, '/v1/watch');
    await stream.atLeast(1);
    await served.server.close();
    await stream.end();
    expect(stream.ended).toBe('whole');
    expect(served.control.listeners.size).toBe(0);
  });

  test('a thousand clients that read nothing leave the server answering', async () => {
    const served = await serve();
    served.control.padding = 'x'.repeat(2000);
    const clients = await Promise.all(
      Array.from({ length: 1000 }, () => openUnread(served.socket, '/v1/watch')),
    );
    await until(() => served.server.streams === 1000);
    const before = process.memoryUsage().rss;
    for (let n = 0; n < 200; n += 1) {
      served.control.change();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await post(served.socket, '/v1/lease/detach', { id: 'x' })).status).toBe(404);
    // Unbounded, this would be 1,000 x 200 x 2 kB = 400 MB, not counting what the kernel holds.
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    for (const client of clients) client.destroy();
    await untilFree(served);
  });
});

describe('events', () => {
  test('the newest come, oldest first, of one service where asked', async () => {
    const { control, socket } = await serve();
    for (let n = 0; n < 10; n += 1)
      control.happen({ type: 'warning', message: 'x' }, n % 2 === 0 ? 'web' : 'db');
    expect(seqs(await (await openStream(socket, '/v1/events?limit=3')).end())).toEqual([8, 9, 10]);
    expect(seqs(await (await openStream(socket, '/v1/events?limit=0')).end())).toEqual([]);
    const ofOne = await (await openStream(socket, '/v1/events?limit=2&service=web')).end();
    expect(seqs(ofOne)).toEqual([7, 9]);
  });

  test('a service that is no longer there still has its history', async () => {
    const { control, socket } = await serve();
    control.happen({ type: 'warning', message: 'x' }, 'gone');
    expect(seqs(await (await openStream(socket, '/v1/events?service=gone')).end())).toEqual([1]);
  });

  test('following goes on without gap or repeat, however many come at once', async () => {
    const served = await serve();
    const { control, socket } = served;
    for (let n = 0; n < 5; n += 1) control.happen({ type: 'warning', message: 'old' });
    const stream = await openStream(socket, '/v1/events?limit=2&follow=true');
    await stream.atLeast(2);
    for (let n = 0; n < 300; n += 1) control.happen({ type: 'warning', message: 'new' });
    await stream.atLeast(302);
    control.happen({ type: 'warning', message: 'last' });
    expect(seqs(await stream.atLeast(303))).toEqual(Array.from({ length: 303 }, (_, n) => n + 4));
    stream.response.destroy();
    await untilFree(served);
  });

  test('following one service passes over what others do', async () => {
    const { control, socket } = await serve();
    const stream = await openStream(socket, '/v1/events?limit=0&follow=true&service=web');
    await until(() => control.listeners.size === 1);
    for (let n = 0; n < 100; n += 1)
      control.happen({ type: 'warning', message: 'x' }, n % 10 === 0 ? 'web' : 'db');
    expect(seqs(await stream.atLeast(10))).toEqual([1, 11, 21, 31, 41, 51, 61, 71, 81, 91]);
  });
});

describe('logs', () => {
  test('the query reaches the project as it was meant', async () => {
    const { control, socket } = await serve();
    const path = '/v1/logs?name=web&name=web.1&label=a%3Db&tail=5&since=17&stream=stderr&previous=true';
    await (await openStream(socket, path)).end();
    await (await openStream(socket, '/v1/logs')).end();
    expect(control.asked).toEqual([
      [
        'logs',
        {
          select: { names: ['web', 'web.1'], labels: ['a=b'] },
          tail: 5,
          follow: false,
          since: 17,
          stream: 'stderr',
          previous: true,
        },
      ],
      ['logs', { select: { names: [], labels: [] }, follow: false }],
    ]);
  });

  test('50,000 lines arrive as they are, in order', async () => {
    const { control, socket } = await serve();
    const lines = Array.from({ length: 50_000 }, (_, n) => logLine(n, `${n} \u{1f600} "é" \u001b[31mred`));
    control.lines = () => linesOf(lines);
    const stream = await openStream(socket, '/v1/logs');
    expect(await stream.end()).toEqual(lines);
    expect(stream.ended).toBe('whole');
  });

  test('a line that comes alone does not wait for the next', async () => {
    const { control, socket } = await serve();
    let more = (): void => undefined;
    control.lines = async function* () {
      yield logLine(1);
      await new Promise<void>((resolve) => (more = resolve));
      yield logLine(2);
    };
    const stream = await openStream(socket, '/v1/logs?follow=true');
    expect(await stream.atLeast(1)).toEqual([logLine(1)]);
    more();
    expect(await stream.end()).toEqual([logLine(1), logLine(2)]);
  });

  test('they are read no faster than the client takes them', async () => {
    const served = await serve();
    let read = 0;
    let finished = false;
    served.control.lines = async function* (_, signal): AsyncGenerator<LogLine> {
      try {
        while (!signal.aborted) {
          await Promise.resolve();
          yield logLine((read += 1), 'x'.repeat(1000));
        }
      } finally {
        finished = true;
      }
    };
    const client = await openUnread(served.socket, '/v1/logs');
    let before = -1;
    // It stands still once the buffers on the way are full.
    await until(() => {
      const still = read > 0 && read === before;
      before = read;
      return still;
    });
    expect(read).toBeLessThan(5000);
    client.destroy();
    await until(() => finished);
    await untilFree(served);
  });

  test('a client that goes away ends the reading even when nothing is written', async () => {
    const served = await serve();
    let finished = false;
    served.control.lines = async function* (_, signal) {
      yield logLine(1);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      finished = true;
    };
    const stream = await openStream(served.socket, '/v1/logs?follow=true');
    await stream.atLeast(1);
    stream.response.destroy();
    await until(() => finished);
    await untilFree(served);
  });

  test('what fails on the way is told in the last line', async () => {
    const { control, socket, bugs } = await serve();
    control.lines = async function* () {
      yield logLine(1);
      await Promise.resolve();
      throw new Error('the disk holds hunter2');
    };
    const lines = await (await openStream(socket, '/v1/logs')).end();
    expect(lines).toMatchObject([logLine(1), { error: { code: 'internal-error' } }]);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(bugs).toEqual(['/v1/logs: Error: the disk holds hunter2']);
  });
});

describe('lease', () => {
  const hold = async (served: Served): Promise<{ stream: Stream; id: string }> => {
    const stream = await openStream(served.socket, '/v1/lease', 'POST');
    const [first] = (await stream.atLeast(1)) as { lease: string; id: string }[];
    expect(first).toEqual({ lease: 'granted', id: first?.id });
    return { stream, id: first?.id ?? '' };
  };

  test('its holder going away releases it, and the project goes down', async () => {
    const served = await serve();
    const { stream } = await hold(served);
    expect(served.control.released).toEqual([]);
    stream.response.destroy();
    await until(() => served.control.released.length === 1);
    expect(served.control.released).toEqual([false]);
    await untilFree(served);
  });

  test('a holder that is killed has gone away', async () => {
    const served = await serve();
    const options = JSON.stringify({
      socketPath: served.socket,
      path: '/v1/lease',
      method: 'POST',
      headers: { host: 'setpoint' },
    });
    const holder = spawn(process.execPath, ['-e', `require('node:http').request(${options}).end()`]);
    await until(() => served.control.leased);
    holder.kill('SIGKILL');
    await until(() => served.control.released.length === 1);
    expect(served.control.released).toEqual([false]);
  });

  test('a holder that only ends its own side has gone away', async () => {
    const served = await serve();
    const client = await dialRaw(served.socket);
    client.write(rawRequest('POST', '/v1/lease'));
    await until(() => served.control.leased);
    client.end();
    await until(() => served.control.released.length === 1);
    expect(served.control.released).toEqual([false]);
  });

  test('after a detach, the project stays up, and the stream says so and ends', async () => {
    const served = await serve();
    const { stream, id } = await hold(served);
    expect(await post(served.socket, '/v1/lease/detach', { id })).toMatchObject({ status: 200, json: {} });
    expect((await stream.end()).at(-1)).toEqual({ lease: 'detached' });
    await untilFree(served);
    expect(served.control.released).toEqual([true]);
    expect((await post(served.socket, '/v1/lease/detach', { id })).status).toBe(404);
  });

  test('there is one at a time', async () => {
    const served = await serve();
    const { stream } = await hold(served);
    const second = await openStream(served.socket, '/v1/lease', 'POST');
    expect(await second.end()).toEqual([{ lease: 'taken' }]);
    expect(served.control.released).toEqual([]);
    stream.response.destroy();
    await until(() => !served.control.leased);
    await hold(served);
  });

  test('nobody gives up the lease of somebody else', async () => {
    const served = await serve();
    await hold(served);
    const answer = await post(served.socket, '/v1/lease/detach', { id: 'a guess' });
    expect(answer).toMatchObject({ status: 404, json: { error: { code: 'unknown-lease' } } });
    expect(served.control.leased).toBe(true);
  });

  test('a request for it takes no options', async () => {
    const served = await serve();
    expect((await post(served.socket, '/v1/lease', { force: true })).status).toBe(400);
    expect(served.control.leased).toBe(false);
  });

  test('a daemon that closes does not take that for the end of the holder', async () => {
    const served = await serve();
    const { stream } = await hold(served);
    await served.server.close();
    await stream.end();
    expect(served.control.released).toEqual([true]);
  });
});
