import { describe, expect, test } from 'vitest';
import { ask, dialRaw, post, rawRequest, sendRaw, serve, until } from './rig.ts';

describe('more clients than are served', () => {
  test('one above the limit is told so and ended, and the others go on', async () => {
    const { socket } = await serve({ maxConnections: 4 });
    const held = await Promise.all(Array.from({ length: 4 }, () => dialRaw(socket)));
    const answer = await sendRaw(socket, rawRequest('GET', '/v1/info'));
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*"code":"too-many-connections"/s);
    let text = '';
    held[0]?.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    held[0]?.write(rawRequest('GET', '/v1/info'));
    await until(() => text.includes('"pid":4711'));
  });

  test('nothing is done for one that was turned away', async () => {
    const { control, socket } = await serve({ maxConnections: 1 });
    await dialRaw(socket);
    const answer = await sendRaw(socket, rawRequest('POST', '/v1/down', '{"reason":"x","level":2}'));
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(control.asked).toEqual([]);
  });

  test('a place that gets free is given away again', async () => {
    const { socket } = await serve({ maxConnections: 1 });
    const first = await dialRaw(socket);
    expect((await ask(socket, '/v1/info')).status).toBe(503);
    first.destroy();
    const answers: number[] = [];
    while (answers.at(-1) !== 200) answers.push((await ask(socket, '/v1/info')).status);
    expect(new Set(answers.slice(0, -1))).toEqual(answers.length > 1 ? new Set([503]) : new Set());
  });

  test('1,000 silent connections leave the server answering, and of more it turns away what it does not serve', async () => {
    const { socket } = await serve();
    const silent = await Promise.all(Array.from({ length: 1000 }, () => dialRaw(socket)));
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(socket, '/v1/status')));
    expect(answers.map((a) => a.status)).toEqual(Array(20).fill(200));
    let refused = 0;
    const more = Array.from({ length: 200 }, () =>
      dialRaw(socket).then((client) => {
        client.once('data', (bytes: Buffer) => (refused += bytes.includes(' 503 ') ? 1 : 0));
        return client;
      }),
    );
    // 1,024 are served.
    await until(() => refused >= 176);
    for (const client of [...silent, ...(await Promise.all(more))]) client.destroy();
    while ((await ask(socket, '/v1/status')).status !== 200);
  });
});

describe('clients that do not read', () => {
  test('an answer that is not taken in time is given up', async () => {
    const { control, socket } = await serve({ answerTimeoutMs: 50, maxConnections: 1 });
    control.padding = 'x'.repeat(5_000_000);
    const client = await dialRaw(socket);
    client.pause();
    client.write(rawRequest('GET', '/v1/status'));
    await until(() => control.snapshots > 0);
    // It holds the only place until the server has let go of it.
    while ((await ask(socket, '/v1/info')).status !== 200);
    let bytes = 0;
    client.on('data', (piece: Buffer) => (bytes += piece.length)).resume();
    await new Promise((resolve) => client.once('close', resolve));
    expect(bytes).toBeLessThan(5_000_000);
  });

  test('requests sent in one go are not all worked on before the first answer is taken', async () => {
    const { control, socket } = await serve();
    control.padding = 'x'.repeat(100_000);
    const client = await dialRaw(socket);
    client.pause();
    client.write(rawRequest('GET', '/v1/status').repeat(5000));
    let before = -1;
    await until(() => {
      const still = control.snapshots > 0 && control.snapshots === before;
      before = control.snapshots;
      return still;
    });
    // What the connection itself holds, and one more.
    expect(control.snapshots).toBeLessThan(50);
  });
});

describe('bodies that nobody wants', () => {
  const waiting = (path: string, type: string, length: number): string =>
    `POST ${path} HTTP/1.1\r\nhost: setpoint\r\nexpect: 100-continue\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`;

  test.each([
    ['too large', '/v1/apply', 'application/json', 10_000_000, 413],
    ['too large for input', '/v1/instances/web.1/input', 'application/octet-stream', 65_537, 413],
    ['of a wrong type', '/v1/apply', 'text/plain', 10, 415],
    ['sent to nowhere', '/v1/nothing', 'application/json', 10, 404],
  ])('one that is %s is refused before it is sent', async (_, path, type, length, status) => {
    const { control, socket } = await serve();
    const answer = await sendRaw(socket, waiting(path, type, length));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(control.asked).toEqual([]);
  });

  test('a client that waits to send its body is told to go on', async () => {
    const { control, socket } = await serve();
    const client = await dialRaw(socket);
    let text = '';
    client.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    client.write(waiting('/v1/instances/web.1/input', 'application/octet-stream', 3));
    await until(() => text.includes('100 Continue'));
    client.write('abc');
    await until(() => text.includes('200 OK'));
    expect(control.asked).toEqual([['input', 'web.1', 'abc']]);
  });

  test.each(['/v1/nothing', '/v1/info', '/v1/apply?x=1'])(
    'a body without end that is sent to %s is cut off',
    async (path) => {
      const { socket } = await serve();
      const client = await dialRaw(socket);
      client.write(`POST ${path} HTTP/1.1\r\nhost: setpoint\r\ncontent-type: application/json\r\n`);
      client.write(`content-length: ${10 ** 12}\r\n\r\n`);
      const piece = Buffer.alloc(1024 * 1024, 0x20);
      const push = (): void => {
        while (!client.destroyed && client.write(piece));
      };
      client.on('drain', push).resume();
      push();
      await new Promise((resolve) => client.once('close', resolve));
      expect(client.bytesWritten).toBeLessThan(64 * 1024 * 1024);
    },
  );

  test('a body that trickles in is cut off, and nothing is done', async () => {
    const { control, socket } = await serve({ requestTimeoutMs: 60 });
    const client = await dialRaw(socket);
    client.write(rawRequest('POST', '/v1/down', ' '.repeat(1000)).trimEnd());
    client.write('\r\n\r\n');
    const trickle = setInterval(() => client.write(' '), 10);
    client.resume();
    await new Promise((resolve) => client.once('close', resolve));
    clearInterval(trickle);
    expect(control.asked).toEqual([]);
  });
});

describe('header bombs', () => {
  const LINE = 'GET /v1/info HTTP/1.1\r\nhost: setpoint\r\n';

  test.each([
    ['many headers', `${LINE}${'x: y\r\n'.repeat(20_000)}\r\n`, 431],
    ['one header without end', `${LINE}x: ${'y'.repeat(1_000_000)}`, 431],
    ['a target without end', `GET /${'y'.repeat(1_000_000)}`, 431],
    [
      'an extension of a chunk without end',
      `POST /v1/apply HTTP/1.1\r\nhost: setpoint\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1;${'y'.repeat(1_000_000)}`,
      400,
    ],
    [
      'two lengths',
      'POST /v1/apply HTTP/1.1\r\nhost: setpoint\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
      400,
    ],
    [
      'a length and chunks',
      'POST /v1/apply HTTP/1.1\r\nhost: setpoint\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
  ])('%s: the connection is answered and cut, and others are served', async (_, bytes, status) => {
    const { control, socket } = await serve();
    expect(await sendRaw(socket, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(control.asked).toEqual([]);
    expect((await post(socket, '/v1/down', { reason: 'x', level: 0 })).status).toBe(200);
  });
});
