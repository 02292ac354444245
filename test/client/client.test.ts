import { spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ClientError } from '../../src/client/client-error.ts';
import { connect, type ClientOptions } from '../../src/client/client.ts';
import type { DaemonClient } from '../../src/client/types.ts';
import type { LogQuery, WatchItem } from '../../src/core/api.ts';
import { APPLY, bytesOf, INFO, linesOf, logLine, STATS, TIMELINE } from '../daemon/api/fake-control.ts';
import { serve, tempDir, until, type Served } from '../daemon/api/rig.ts';

async function client(socketPath: string, options?: ClientOptions): Promise<DaemonClient> {
  const found = await connect(socketPath, options);
  if (found === undefined) throw new Error('nothing listens');
  onTestFinished(() => found.close());
  return found;
}

async function served(): Promise<Served & { readonly client: DaemonClient }> {
  const all = await serve();
  return { ...all, client: await client(all.socket) };
}

/** A server that does with each connection as it is told. */
async function speaker(act: (socket: Socket) => void): Promise<string> {
  const path = join(tempDir(), 's.sock');
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    act(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

/** Answers each request with the same bytes. */
function saying(bytes: string): Promise<string> {
  return speaker((socket) => {
    socket.once('data', () => socket.end(bytes));
  });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function failureOf(promise: Promise<unknown>): Promise<ClientError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ClientError)) throw new Error(`no ClientError: ${String(error)}`);
  return error;
}

const ALL: LogQuery = { select: { names: [], labels: [] }, follow: false };
const FOLLOW: LogQuery = { ...ALL, follow: true };
const down = { reason: 'r', level: 0 } as const;

describe('connecting', () => {
  test('nothing is there where no socket is', async () => {
    expect(await connect(join(tempDir(), 'none.sock'))).toBeUndefined();
    expect(await connect(join(tempDir(), 'no', 'folder.sock'))).toBeUndefined();
  });

  test('nothing is there where a killed daemon left its socket', async () => {
    const path = join(tempDir(), 'a.sock');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    const killed = spawn(process.execPath, ['-e', script]);
    await new Promise((resolve) => killed.once('exit', resolve));
    expect(await connect(path)).toBeUndefined();
  });

  test('a path through a file is an error that says so', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    expect((await failureOf(connect(join(file, 'a.sock')))).code).toBe('socket-refused');
  });

  test('a socket of somebody else is an error that says so', async ({ skip }) => {
    skip(process.getuid?.() === 0, 'root may open every socket');
    const { socket } = await serve();
    chmodSync(socket, 0);
    expect((await failureOf(connect(socket))).help).toMatch(/belongs to another user/);
  });
});

describe('requests', () => {
  test('each reaches the project and brings its answer back', async () => {
    const { client, control } = await served();
    const action = { action: 'kill', select: { names: ['web'], labels: [] }, signal: 'SIGHUP' } as const;
    expect(await client.info()).toEqual(INFO);
    expect(await client.snapshot()).toEqual(control.snapshot());
    expect(await client.plan(APPLY)).toEqual({ diagnostics: [] });
    expect((await client.apply(APPLY)).snapshot).toEqual(control.snapshot());
    expect((await client.act(action)).affected).toEqual(['web.1']);
    expect(await client.down(down)).toEqual({ stopped: 1, leftovers: [] });
    expect((await client.explain('a/b ü')).asked).toEqual(['web.1']);
    expect(control.asked).toEqual([
      ['plan', APPLY],
      ['apply', APPLY],
      ['act', action],
      ['down', down],
      ['explain', 'a/b ü'],
    ]);
  });

  test('what the daemon does not grant is an error with its code, words and status', async () => {
    const { client, control } = await served();
    control.refusal = { code: 'unknown-service', message: 'there is no `x`', help: 'there are: web' };
    const { code, message, help, status } = await failureOf(client.explain('x'));
    expect({ code, message, help, status }).toEqual({ ...control.refusal, status: 404 });
  });

  test('a daemon of another version is told apart', async () => {
    const body = JSON.stringify({
      error: { code: 'unknown-route', message: 'there is nothing at this path' },
    });
    const path = await saying(`HTTP/1.1 404 Not Found\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    expect((await failureOf((await client(path)).info())).help).toMatch(/another version/);
  });

  test.each([
    ['closes the connection', '', 'daemon-gone'],
    ['breaks off', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"version"', 'daemon-gone'],
    ['speaks something else', 'SSH-2.0-OpenSSH\r\n', 'bad-answer'],
    ['sends no JSON', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno', 'bad-answer'],
    ['fails without saying why', 'HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}', 'bad-answer'],
  ])('a daemon that %s is a failure', async (_, bytes, code) => {
    expect((await failureOf((await client(await saying(bytes))).snapshot())).code).toBe(code);
  });

  test('a daemon that went away since is gone', async () => {
    const { client, server } = await served();
    await server.close();
    expect((await failureOf(client.snapshot())).code).toBe('daemon-gone');
  });

  test('a daemon that is stuck does not hang its clients', async () => {
    const path = await speaker(() => undefined);
    const error = await failureOf((await client(path, { answerWithinMs: 20 })).snapshot());
    expect([error.code, error.message]).toEqual([
      'daemon-silent',
      'the daemon has not answered within 0.02 s',
    ]);
  });

  test('a shutdown may take its time', async () => {
    const { control, socket } = await serve();
    const impatient = await client(socket, { answerWithinMs: 1 });
    let open = (): void => undefined;
    control.gate = new Promise((resolve) => (open = resolve));
    const going = impatient.down(down);
    await until(() => control.asked.length === 1);
    // What is not a shutdown has been given up meanwhile.
    expect((await failureOf(impatient.plan(APPLY))).code).toBe('daemon-silent');
    open();
    expect(await going).toEqual({ stopped: 1, leftovers: [] });
  });

  test('closing the client fails what is under way, and what comes after', async () => {
    const path = await speaker(() => undefined);
    const one = await client(path);
    const underWay = failureOf(one.snapshot());
    one.close();
    expect((await underWay).code).toBe('closed');
    expect((await failureOf(one.info())).code).toBe('closed');
  });

  test('a body that is too large is answered, not cut', async () => {
    const { client } = await served();
    const large = { ...APPLY, hostEnv: { BIG: 'x'.repeat(10_000_000) } };
    expect((await failureOf(client.apply(large))).status).toBe(413);
  });

  test('200 at once are all answered', async () => {
    const { client } = await served();
    const answers = await Promise.all(Array.from({ length: 200 }, () => client.info()));
    expect(answers).toEqual(Array.from({ length: 200 }, () => INFO));
  });
});

describe('streams', () => {
  test('log lines arrive as they are, and the query with them', async () => {
    const { client, control } = await served();
    const lines = Array.from({ length: 3000 }, (_, n) =>
      logLine(n, `${n} ü \u{1f600} ${'é'.repeat(n % 50)}`),
    );
    control.lines = () => linesOf(lines);
    const query: LogQuery = {
      select: { names: ['web', 'web.1'], labels: ['a=b&c', 'd'] },
      follow: false,
      tail: 0,
      since: 5,
      stream: 'stderr',
      previous: true,
      after: [
        { instance: 'web.1', stream: 'stdout', at: 12 },
        { instance: 'web.1', stream: 'stderr', at: 0 },
      ],
    };
    expect(await collect(client.logs(query))).toEqual(lines);
    expect(control.asked).toEqual([['logs', query]]);
  });

  test('events come with the limit and service asked for', async () => {
    const { client, control } = await served();
    for (let n = 0; n < 6; n += 1)
      control.happen({ type: 'warning', message: 'x' }, n % 2 === 0 ? 'web' : 'db');
    const got = await collect(client.events({ limit: 2, follow: false, service: 'web' }));
    expect(got.map((h) => h.seq)).toEqual([3, 5]);
  });

  test('what the daemon refuses fails at the first step', async () => {
    const { client } = await served();
    const query = { ...ALL, select: { names: ['wbe'], labels: [] } };
    expect((await failureOf(collect(client.logs(query)))).code).toBe('unknown-service');
  });

  test('what fails on the way fails the stream', async () => {
    const { client, control } = await served();
    control.lines = async function* () {
      yield logLine(1);
      await Promise.resolve();
      throw new Error('disk');
    };
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const line of client.logs(ALL)) got.push(line);
    })();
    expect((await failureOf(reading)).code).toBe('internal-error');
    expect(got).toEqual([logLine(1)]);
  });

  test('leaving the loop frees the server', async () => {
    const { client, control, server } = await served();
    for await (const item of client.watch()) {
      expect(item).toEqual({ type: 'snapshot', snapshot: control.snapshot() });
      break;
    }
    await until(() => server.streams === 0 && control.listeners.size === 0);
  });

  test('return() ends a stream that is quiet', async () => {
    const { client, control, server } = await served();
    const items = client.watch()[Symbol.asyncIterator]();
    await items.next();
    const quiet = items.next();
    await items.return?.();
    expect(await quiet).toMatchObject({ done: true });
    await until(() => server.streams === 0 && control.listeners.size === 0);
  });

  test('a signal ends a stream that is quiet, cleanly', async () => {
    const { client, control, server } = await served();
    const stop = new AbortController();
    const watching = collect(client.watch(stop.signal));
    const following = collect(client.logs(FOLLOW, stop.signal));
    control.lines = async function* (_, signal) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      yield* [];
    };
    await until(() => server.streams >= 1);
    stop.abort();
    expect((await watching).length).toBeLessThanOrEqual(1);
    expect(await following).toEqual([]);
    await until(() => server.streams === 0);
    expect(await collect(client.watch(stop.signal))).toEqual([]);
  });

  test('a watch ends when the daemon closes, and fails when it vanishes', async () => {
    const { client: one, control, server } = await served();
    const watching = collect(one.watch());
    await until(() => control.listeners.size === 1);
    await server.close();
    expect(await watching).toHaveLength(1);

    const cut = await saying('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{}\n\n\r\n');
    expect((await failureOf(collect((await client(cut)).watch()))).code).toBe('daemon-gone');
  });

  test('a follower of logs fails when the daemon vanishes, for more is to come; one of events ends', async () => {
    const line = JSON.stringify(logLine(1));
    const cut = await saying(
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${(line.length + 1).toString(16)}\r\n${line}\n\r\n`,
    );
    const one = await client(cut);
    expect((await failureOf(collect(one.logs(FOLLOW)))).code).toBe('daemon-gone');
    expect(await collect(one.events({ limit: 1, follow: true }))).toEqual([logLine(1)]);
    expect((await failureOf(collect(one.logs(ALL)))).code).toBe('daemon-gone');
    expect((await failureOf(collect(one.events({ limit: 1, follow: false })))).code).toBe('daemon-gone');
  });

  test('a reader that is slow holds the writer back', async () => {
    const { client, control } = await served();
    let written = 0;
    control.lines = async function* (_, signal) {
      while (!signal.aborted) {
        await Promise.resolve();
        yield logLine((written += 1), 'x'.repeat(1000));
      }
    };
    const items = client.logs(ALL)[Symbol.asyncIterator]();
    expect(await items.next()).toEqual({ done: false, value: logLine(1, 'x'.repeat(1000)) });
    let before = -1;
    await until(() => {
      const still = written === before;
      before = written;
      return still;
    });
    expect(written).toBeLessThan(5000);
    expect((await items.next()).value).toMatchObject({ time: logLine(2).time });
    await items.return?.();
  });

  test('changes arrive as they happen', async () => {
    const { client, control } = await served();
    const items = client.watch()[Symbol.asyncIterator]();
    await items.next();
    control.happen({ type: 'warning', message: 'now' });
    const next = (await items.next()) as IteratorResult<WatchItem, undefined>;
    expect(next.value).toEqual({ type: 'happening', happening: control.journal[0] });
    await items.return?.();
  });
});

describe('instances and the daemon', () => {
  test('figures, the timeline, a size and a hand-over reach the project and bring back what it says', async () => {
    const { client, control } = await served();
    expect(await client.stats()).toEqual(STATS);
    expect(await client.timeline()).toEqual(TIMELINE);
    await client.resize('a/b.1', 120, 40);
    await client.handOver('a newer version');
    expect(control.asked).toEqual([
      ['stats', false],
      ['timeline'],
      ['resize', 'a/b.1', 120, 40],
      ['hand-over', 'a newer version'],
    ]);
    expect((await failureOf(client.resize('web.1', 0, 40))).code).toBe('bad-request');
  });

  const written = (control: Served['control'], instance: string): string =>
    (control.asked as [string, string, string][])
      .filter(([what, of]) => what === 'input' && of === instance)
      .map(([, , bytes]) => bytes)
      .join('');

  test('input arrives byte for byte and in the order of the calls, however large', async () => {
    const { client, control } = await served();
    const all = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * 7) % 256));
    const typed = Buffer.from('typed');
    const calls = [client.input('web.1', all), client.input('db.1', Buffer.from('other'))];
    for (const byte of typed) calls.push(client.input('web.1', Buffer.from([byte])));
    // What was handed over is what is sent.
    all.fill(0);
    await Promise.all(calls);
    await client.input('web.1', Buffer.alloc(0));
    const sent = Array.from({ length: 200_000 }, (_, n) => String.fromCharCode((n * 7) % 256)).join('');
    expect(written(control, 'web.1') === `${sent}typed`).toBe(true);
    expect(written(control, 'db.1')).toBe('other');
  });

  test('what waits behind input that failed is not written, and what comes later is', async () => {
    const { client, control } = await served();
    let open = (): void => undefined;
    control.gate = new Promise((resolve) => (open = resolve));
    const first = failureOf(client.input('web.1', Buffer.from('1')));
    const second = failureOf(client.input('web.1', Buffer.from('2')));
    await until(() => control.asked.length === 1);
    control.refusal = { code: 'no-input', message: 'web.1 takes no input' };
    open();
    expect([(await first).code, (await second).code]).toEqual(['no-input', 'no-input']);
    control.refusal = undefined;
    await client.input('web.1', Buffer.from('3'));
    expect(written(control, 'web.1')).toBe('13');
  });

  test('input to a service that does not read waits as long as it takes', async () => {
    const { control, socket } = await serve();
    const impatient = await client(socket, { answerWithinMs: 1 });
    let open = (): void => undefined;
    control.gate = new Promise((resolve) => (open = resolve));
    const writing = impatient.input('web.1', Buffer.from('x'));
    await until(() => control.asked.length === 1);
    expect((await failureOf(impatient.stats())).code).toBe('daemon-silent');
    open();
    await writing;
  });

  test('output comes byte for byte, beginning with the backlog that was asked for', async () => {
    const { client, control } = await served();
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, n) => n));
    control.pieces = () => bytesOf([all, all]);
    const pieces = await collect(client.output('web.1', 512.7));
    expect(Buffer.concat(pieces).toString('latin1')).toBe(all + all);
    expect(control.asked).toEqual([['output', 'web.1', 512]]);
  });

  test('leaving the loop, or a signal, frees the server although nothing is written', async () => {
    const { client, control, server } = await served();
    control.pieces = async function* (signal) {
      yield Buffer.from('x');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    for await (const piece of client.output('web.1', 0)) {
      expect(Buffer.from(piece).toString()).toBe('x');
      break;
    }
    await until(() => server.streams === 0);
    const stop = new AbortController();
    const reading = collect(client.output('web.1', 0, stop.signal));
    await until(() => server.streams === 1);
    stop.abort();
    expect((await reading).length).toBeLessThanOrEqual(1);
    await until(() => server.streams === 0);
  });

  test('output of what is not there fails, and so does one that is cut off', async () => {
    const { client, control } = await served();
    control.refusal = { code: 'unknown-service', message: 'there is no web.9' };
    expect((await failureOf(collect(client.output('web.9', 0)))).status).toBe(404);
    control.refusal = undefined;
    control.pieces = async function* () {
      yield Buffer.from('half');
      await Promise.resolve();
      throw new Error('disk');
    };
    expect((await failureOf(collect(client.output('web.1', 0)))).code).toBe('daemon-gone');
  });
});

describe('the lease', () => {
  test('is held until it is detached, and the project stays up', async () => {
    const { client, control } = await served();
    const lease = await client.lease();
    expect(control.leased).toBe(true);
    await lease?.detach();
    await lease?.ended;
    expect(control.released).toEqual([true]);
  });

  test('is not had twice', async () => {
    const { client, control, socket } = await served();
    await client.lease();
    const other = await connect(socket);
    expect(await other?.lease()).toBeUndefined();
    other?.close();
    expect(control.released).toEqual([]);
  });

  test('ends with the client', async () => {
    const { client, control } = await served();
    const lease = await client.lease();
    client.close();
    await lease?.ended;
    await until(() => control.released.length === 1);
    expect(control.released).toEqual([false]);
  });

  test('tells when the daemon ended it', async () => {
    const { client, server, control } = await served();
    const lease = await client.lease();
    await server.close();
    await lease?.ended;
    expect(control.released).toEqual([true]);
    expect((await failureOf(lease?.detach() ?? Promise.resolve())).code).toBe('daemon-gone');
  });
});
