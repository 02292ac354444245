import { request as httpRequest, type IncomingMessage } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bytesOf } from './fake-control.ts';
import { ask, dialRaw, post, rawRequest, serve, until, type Answer, type Served } from './rig.ts';

const OCTETS = { 'content-type': 'application/octet-stream' };

function write(
  socket: string,
  body: string | Buffer,
  headers: Record<string, string> = OCTETS,
): Promise<Answer> {
  return ask(socket, '/v1/instances/web.1/input', { method: 'POST', headers, body });
}

describe('input', () => {
  test('the bytes reach the instance as they are', async () => {
    const { control, socket } = await serve();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    expect(await write(socket, bytes)).toMatchObject({ status: 200, json: {} });
    expect(control.asked).toEqual([['input', 'web.1', bytes.toString('latin1')]]);
  });

  test('64 KiB are taken, and one byte more is not', async () => {
    const { control, socket } = await serve();
    expect((await write(socket, Buffer.alloc(64 * 1024))).status).toBe(200);
    const answer = await write(socket, Buffer.alloc(64 * 1024 + 1));
    expect(answer).toMatchObject({ status: 413, json: { error: { code: 'payload-too-large' } } });
    const chunked = { ...OCTETS, 'transfer-encoding': 'chunked' };
    expect((await write(socket, Buffer.alloc(64 * 1024 + 1), chunked)).status).toBe(413);
    expect(control.asked).toHaveLength(1);
  });

  test.each([
    [{ 'content-type': 'application/json' }, 415],
    [{ ...OCTETS, 'content-encoding': 'gzip' }, 415],
  ])('%j is status %i', async (headers, status) => {
    const { control, socket } = await serve();
    expect((await write(socket, 'x', headers)).status).toBe(status);
    expect(control.asked).toEqual([]);
  });

  test('nothing is no input', async () => {
    const { socket } = await serve();
    expect(await write(socket, '')).toMatchObject({
      status: 400,
      json: { error: { message: 'the request has no body' } },
    });
  });

  test('what the project does not take is told', async () => {
    const { control, socket } = await serve();
    control.refusal = { code: 'no-input', message: 'web.1 takes no input' };
    expect(await write(socket, 'x')).toMatchObject({ status: 409, json: { error: { code: 'no-input' } } });
    control.refusal = { code: 'unknown-service', message: 'there is no web.9' };
    expect((await write(socket, 'x')).status).toBe(404);
  });

  test('an instance that does not read is given a bounded amount, and reads on later', async () => {
    const { control, socket } = await serve();
    let open = (): void => undefined;
    control.gate = new Promise((resolve) => (open = resolve));
    const waiting = Array.from({ length: 16 }, () => write(socket, Buffer.alloc(64 * 1024)));
    await until(() => control.asked.length === 16);
    expect(await write(socket, 'x')).toMatchObject({ status: 409, json: { error: { code: 'input-full' } } });
    expect(control.asked).toHaveLength(16);
    open();
    expect((await Promise.all(waiting)).map((answer) => answer.status)).toEqual(Array(16).fill(200));
    expect((await write(socket, 'x')).status).toBe(200);
  });
});

describe('resize', () => {
  test.each([
    [{ columns: 80, rows: 24 }, 200],
    [{ columns: 1, rows: 10_000 }, 200],
    [{ columns: 0, rows: 24 }, 400],
    [{ columns: 80, rows: 10_001 }, 400],
    [{ columns: 80.5, rows: 24 }, 400],
    [{ columns: 80 }, 400],
  ])('%j is status %i', async (size, status) => {
    const { control, socket } = await serve();
    expect((await post(socket, '/v1/instances/web.1/resize', size)).status).toBe(status);
    expect(control.asked).toHaveLength(status === 200 ? 1 : 0);
  });
});

/** The raw bytes of an answer, as they come. */
class Received {
  readonly response: IncomingMessage;
  text = '';
  ended: 'whole' | 'cut' | undefined;

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('latin1').on('data', (piece: string) => (this.text += piece));
    response.on('error', () => undefined);
    response.on('close', () => (this.ended = response.complete ? 'whole' : 'cut'));
  }
}

function follow(socketPath: string, path = '/v1/instances/web.1/output'): Promise<Received> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'setpoint' };
    const request = httpRequest({ socketPath, path, headers, agent: false }, (response) => {
      expect(response.statusCode).toBe(200);
      expect(response.headers['content-type']).toBe('application/octet-stream');
      resolve(new Received(response));
    });
    onTestFinished(() => void request.destroy());
    request.on('error', reject).end();
  });
}

async function untilFree({ server }: Served): Promise<void> {
  await until(() => server.streams === 0);
}

describe('output', () => {
  test('every byte comes as it was written, with the backlog that was asked for', async () => {
    const { control, socket } = await serve();
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, n) => n));
    control.pieces = () => bytesOf([all, 'more']);
    const received = await follow(socket, '/v1/instances/web.1/output?backlog=4096');
    await until(() => received.ended !== undefined);
    expect([received.text, received.ended]).toEqual([`${all}more`, 'whole']);
    expect(control.asked).toEqual([['output', 'web.1', 4096]]);
  });

  test('without a backlog there is none', async () => {
    const { control, socket } = await serve();
    await follow(socket);
    expect(control.asked).toEqual([['output', 'web.1', 0]]);
  });

  test.each(['?backlog=-1', `?backlog=${16 * 1024 * 1024 + 1}`, '?backlog=all', '?follow=true'])(
    '%s is a bad request',
    async (query) => {
      const { control, socket } = await serve();
      expect((await ask(socket, `/v1/instances/web.1/output${query}`)).status).toBe(400);
      expect(control.asked).toEqual([]);
    },
  );

  test('what is refused is told as such', async () => {
    const { control, socket } = await serve();
    control.refusal = { code: 'unknown-service', message: 'there is no web.9' };
    expect(await ask(socket, '/v1/instances/web.9/output')).toMatchObject({
      status: 404,
      json: { error: { code: 'unknown-service' } },
    });
  });

  test('a piece does not wait for the next, and silence stays silence', async () => {
    const { control, socket } = await serve({ heartbeatMs: 5 });
    let more = (): void => undefined;
    control.pieces = async function* () {
      yield Buffer.from('$ ');
      await new Promise<void>((resolve) => (more = resolve));
      yield Buffer.from('ls');
    };
    const received = await follow(socket);
    await until(() => received.text === '$ ');
    // Another stream shows that heartbeats are sent by now.
    const headers = { host: 'setpoint' };
    let beats = '';
    const request = httpRequest(
      { socketPath: socket, path: '/v1/watch', headers, agent: false },
      (response) => {
        response.setEncoding('utf8').on('data', (piece: string) => (beats += piece));
      },
    ).end();
    onTestFinished(() => void request.destroy());
    await until(() => beats.endsWith('\n\n\n'));
    expect(received.text).toBe('$ ');
    more();
    await until(() => received.ended === 'whole');
    expect(received.text).toBe('$ ls');
  });

  test('it is read no faster than the client takes it', async () => {
    const served = await serve();
    let read = 0;
    let finished = false;
    served.control.pieces = async function* (signal): AsyncGenerator<Uint8Array> {
      try {
        while (!signal.aborted) {
          await Promise.resolve();
          read += 1;
          yield Buffer.alloc(10_000);
        }
      } finally {
        finished = true;
      }
    };
    const client = await dialRaw(served.socket);
    client.pause();
    client.write(rawRequest('GET', '/v1/instances/web.1/output'));
    let before = -1;
    await until(() => {
      const still = read > 0 && read === before;
      before = read;
      return still;
    });
    expect(read).toBeLessThan(500);
    client.destroy();
    await until(() => finished);
    await untilFree(served);
  });

  test('a client that goes away ends the reading even when nothing is written', async () => {
    const served = await serve();
    let aborted = false;
    served.control.pieces = async function* (signal) {
      yield Buffer.from('x');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      aborted = true;
    };
    const received = await follow(served.socket);
    await until(() => received.text === 'x');
    received.response.destroy();
    await until(() => aborted);
    await untilFree(served);
  });

  test('what fails on the way breaks the stream off', async () => {
    const { control, socket, bugs } = await serve();
    control.pieces = async function* () {
      yield Buffer.from('half');
      await Promise.resolve();
      throw new Error('the disk holds hunter2');
    };
    const received = await follow(socket);
    await until(() => received.ended !== undefined);
    expect(received.ended).toBe('cut');
    expect(received.text).not.toContain('hunter2');
    expect(bugs).toEqual(['/v1/instances/web.1/output: Error: the disk holds hunter2']);
  });

  test('a daemon that closes ends it as a whole one', async () => {
    const { control, server, socket } = await serve();
    control.pieces = async function* (signal) {
      yield Buffer.from('x');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    const received = await follow(socket);
    await until(() => received.text === 'x');
    await server.close();
    await until(() => received.ended !== undefined);
    expect(received.ended).toBe('whole');
  });
});

describe('handing over', () => {
  test('the reason reaches the project, and the client gets an answer', async () => {
    const { control, socket } = await serve();
    const answer = await post(socket, '/v1/daemon/hand-over', { reason: 'a newer version' });
    expect(answer).toMatchObject({ status: 200, json: {} });
    expect(control.asked).toEqual([['hand-over', 'a newer version']]);
    expect((await post(socket, '/v1/daemon/hand-over', {})).status).toBe(400);
  });
});

describe('metrics', () => {
  const scrape = (socketPath: string, path: string): Promise<{ type: string | undefined; text: string }> =>
    new Promise((resolve, reject) => {
      httpRequest({ socketPath, path, headers: { host: 'localhost:9090' }, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.on('end', () => resolve({ type: response.headers['content-type'], text }));
      })
        .on('error', reject)
        .end();
    });

  test.each(['/metrics', '/v1/metrics'])('%s is in the text format of Prometheus', async (path) => {
    const { socket } = await serve();
    const { type, text } = await scrape(socket, path);
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('setpoint_instance_state{service="web",instance="web.1",state="running"} 1\n');
    expect(text).toContain('setpoint_instance_cpu_seconds_total{service="web",instance="web.1"} 1.5\n');
    expect(text).toContain('setpoint_daemon_cpu_seconds_total 0.25\n');
  });

  test('a project that cannot be sampled says so', async () => {
    const { control, socket } = await serve();
    control.refusal = { code: 'conflict', message: 'not now' };
    expect((await ask(socket, '/metrics')).status).toBe(409);
  });
});
