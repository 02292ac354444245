import { describe, expect, test } from 'vitest';
import { APPLY, INFO } from './fake-control.ts';
import { ask, dialRaw, post, rawRequest, sendRaw, serve, until } from './rig.ts';

const ONLY_SERVICE = 'there are: web';

describe('requests that are granted', () => {
  test('reading routes answer what the project says', async () => {
    const { control, socket } = await serve();
    const info = await ask(socket, '/v1/info');
    expect(info.status).toBe(200);
    expect(info.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(info.json).toEqual(INFO);
    expect((await ask(socket, '/v1/status')).json).toEqual(control.snapshot());
    expect((await ask(socket, '/v1/services/web/explain')).json).toMatchObject({ dependents: [] });
    expect((await ask(socket, '/v1/openapi.json')).json).toMatchObject({ openapi: '3.1.0' });
    expect(control.asked).toEqual([['explain', 'web']]);
  });

  test('acting routes hand the body on as it was sent', async () => {
    const { control, socket } = await serve();
    const action = { action: 'stop', select: { names: ['web.1'], labels: [] } };
    const down = { reason: 'enough', level: 1, timeoutMs: 5 };
    expect((await post(socket, '/v1/plan', APPLY)).json).toEqual({ diagnostics: [] });
    expect((await post(socket, '/v1/apply', APPLY)).status).toBe(200);
    expect((await post(socket, '/v1/actions', action)).json).toMatchObject({ affected: ['web.1'] });
    expect((await post(socket, '/v1/down', down)).json).toEqual({ stopped: 1, leftovers: [] });
    expect(control.asked).toEqual([
      ['plan', APPLY],
      ['apply', APPLY],
      ['act', action],
      ['down', down],
    ]);
  });

  test('a path segment is percent-decoded', async () => {
    const { control, socket } = await serve();
    await ask(socket, '/v1/services/a%2Fb/explain');
    expect(control.asked).toEqual([['explain', 'a/b']]);
  });

  test('an environment of 3 MiB fits into a request', async () => {
    const { control, socket } = await serve();
    const large = { ...APPLY, hostEnv: { BIG: 'x'.repeat(3 * 1024 * 1024) } };
    expect((await post(socket, '/v1/apply', large)).status).toBe(200);
    expect(control.asked).toEqual([['apply', large]]);
  });

  test('200 clients at once are all answered', async () => {
    const { control, socket } = await serve();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        n % 2 === 0 ? ask(socket, '/v1/status') : post(socket, '/v1/apply', APPLY),
      ),
    );
    expect(answers.map((a) => a.status)).toEqual(Array.from({ length: 200 }, () => 200));
    expect(control.asked).toHaveLength(100);
  });
});

describe('requests that are refused', () => {
  const codeOf = (json: unknown): string => (json as { error: { code: string } }).error.code;

  test.each([
    ['unknown-service', 404],
    ['bad-request', 400],
    ['conflict', 409],
    ['shutting-down', 409],
  ])('what the project calls %s is status %i', async (code, status) => {
    const { control, socket } = await serve();
    control.refusal = { code, message: 'no', help: 'do otherwise' };
    const answer = await post(socket, '/v1/apply', APPLY);
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({ error: { code, message: 'no', help: 'do otherwise' } });
  });

  test('a bug in the project is a 500 that gives nothing away', async () => {
    const { control, socket, bugs } = await serve();
    control.gate = Promise.reject(new Error('password hunter2'));
    control.gate.catch(() => undefined);
    const answer = await post(socket, '/v1/apply', APPLY);
    expect(answer.status).toBe(500);
    expect(codeOf(answer.json)).toBe('internal-error');
    expect(JSON.stringify(answer.json)).not.toContain('hunter2');
    expect(bugs).toEqual(['POST /v1/apply: Error: password hunter2']);
  });

  test.each(['/', '/v1', '/v1/infos', '/v1/info/', '/v2/info', '/v1/services//explain', '*'])(
    'nothing is at %s',
    async (path) => {
      const { socket } = await serve();
      const answer = await ask(socket, path);
      expect(answer.status).toBe(404);
      expect(codeOf(answer.json)).toBe('unknown-route');
    },
  );

  test('a wrong method is told which one is right', async () => {
    const { socket } = await serve();
    const answer = await ask(socket, '/v1/apply');
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('POST');
    expect((await ask(socket, '/v1/info', { method: 'DELETE' })).headers.allow).toBe('GET');
  });

  test('a path that is not percent-encoded UTF-8 is a bad request', async () => {
    const { socket } = await serve();
    expect((await ask(socket, '/v1/services/%ff/explain')).status).toBe(400);
  });

  test.each([
    ['/v1/info?verbose=1', 'unknown query parameter "verbose"'],
    ['/v1/events?limit=-1', 'query parameter limit must be a whole number from 0 to 10000'],
    ['/v1/events?limit=10001', 'query parameter limit must be a whole number from 0 to 10000'],
    ['/v1/events?limit=1&limit=2', 'query parameter limit is given more than once'],
    ['/v1/events?follow=yes', 'query parameter follow must be one of true, false'],
    ['/v1/logs?stream=both', 'query parameter stream must be one of stdout, stderr'],
    ['/v1/logs?name=', 'query parameter name is empty'],
    ['/v1/logs?after=web.1:both:3', 'query parameter after must be of the form INSTANCE:STREAM:AT'],
    ['/v1/logs?after=web.1:stdout:-3', 'query parameter after must be of the form INSTANCE:STREAM:AT'],
  ])('%s is a bad request', async (path, message) => {
    const { socket } = await serve();
    const answer = await ask(socket, path);
    expect(answer.status).toBe(400);
    expect(answer.json).toEqual({ error: { code: 'bad-request', message } });
  });

  test.each(['/v1/logs?name=wbe', '/v1/events?service=wbe'])('%s names what is there', async (path) => {
    const { socket } = await serve();
    const answer = await ask(socket, path);
    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({ error: { code: 'unknown-service', help: ONLY_SERVICE } });
  });

  test.each([
    ['{"load": ', 'the request body is not JSON: it goes wrong at line 1, column 10'],
    ['{\n "a": 1,\n "secret": hunter2}', 'the request body is not JSON: it goes wrong at line 3, column 12'],
    ['[]', 'body must be an object'],
    ['{"load": 1}', 'body.load must be an object'],
    ['{"hostEnv": {}}', 'body.load is missing'],
    [JSON.stringify({ ...APPLY, hostEnv: { A: 1 } }), 'body.hostEnv."A" must be a string'],
    [
      JSON.stringify({ ...APPLY, services: ['ok', ''] }),
      'body.services[1] must be a string of 1 to 128 characters',
    ],
    [JSON.stringify({ ...APPLY, dryRun: true }), 'body has an unknown member "dryRun"'],
    ['', 'the request has no body'],
  ])('a body such as %j is a bad request that says where', async (body, message) => {
    const { control, socket } = await serve();
    const headers = { 'content-type': 'application/json' };
    const answer = await ask(socket, '/v1/apply', { method: 'POST', headers, body });
    expect(answer.status).toBe(400);
    expect(answer.json).toEqual({ error: { code: 'bad-request', message } });
    expect(control.asked).toEqual([]);
  });

  test('a body that is not UTF-8 is a bad request', async () => {
    const { socket } = await serve();
    const headers = { 'content-type': 'application/json' };
    const answer = await ask(socket, '/v1/apply', {
      method: 'POST',
      headers,
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(answer.json).toMatchObject({ error: { message: 'the request body is not UTF-8' } });
  });

  test.each([
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/json; charset=latin1' },
    { 'content-type': 'application/json', 'content-encoding': 'gzip' },
  ])('a body that is no plain JSON is not supported: %j', async (headers) => {
    const { socket } = await serve();
    const answer = await ask(socket, '/v1/apply', { method: 'POST', headers, body: JSON.stringify(APPLY) });
    expect(answer.status).toBe(415);
  });

  test.each([
    ['with a length', {}],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
  ])('a body of 10 MB %s is too large, and the client gets to know', async (_, framing) => {
    const { control, socket } = await serve();
    const headers = { 'content-type': 'application/json', ...framing };
    const answer = await ask(socket, '/v1/apply', {
      method: 'POST',
      headers,
      body: Buffer.alloc(10_000_000, 0x20),
    });
    expect(answer.status).toBe(413);
    expect(codeOf(answer.json)).toBe('payload-too-large');
    expect(control.asked).toEqual([]);
  });

  test('a body without end is cut off', async () => {
    const { socket } = await serve();
    const client = await dialRaw(socket);
    client.write('POST /v1/apply HTTP/1.1\r\nhost: setpoint\r\ncontent-type: application/json\r\n');
    client.write(`content-length: ${10 ** 12}\r\n\r\n`);
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    const push = (): void => {
      while (!client.destroyed && client.write(piece));
    };
    client.on('drain', push).resume();
    push();
    await new Promise((resolve) => client.once('close', resolve));
    expect(client.bytesWritten).toBeLessThan(64 * 1024 * 1024);
  });

  test.each([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { host: 'evil.example' },
    { host: 'setpoint.evil' },
  ])('web pages are kept out: %j', async (headers) => {
    const { control, socket } = await serve();
    expect((await ask(socket, '/v1/status', { headers })).status).toBe(403);
    expect((await ask(socket, '/v1/lease', { method: 'POST', headers })).status).toBe(403);
    expect(control.leased).toBe(false);
  });

  test.each(['localhost', 'localhost:80', 'Setpoint', '127.0.0.1:1', '[::1]'])(
    '%s is a name of ours',
    async (host) => {
      const { socket } = await serve();
      expect((await ask(socket, '/v1/info', { headers: { host } })).status).toBe(200);
    },
  );
});

describe('clients that misbehave', () => {
  test('what is not HTTP gets a JSON answer and is cut', async () => {
    const { socket } = await serve();
    const answer = await sendRaw(socket, 'hello\r\n\r\n');
    expect(answer).toMatch(
      /^HTTP\/1\.1 400 .*\{"error":\{"code":"bad-request","message":"what was sent is not HTTP\/1.1"\}\}$/s,
    );
  });

  test('headers that are too large get an answer and are cut', async () => {
    const { socket } = await serve();
    const answer = await sendRaw(
      socket,
      `GET /v1/info HTTP/1.1\r\nhost: setpoint\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  test.each([
    ['a head', 'GET /v1/info HTTP/1.1\r\nhost: setp'],
    ['a body', rawRequest('POST', '/v1/apply', '{}').replace('content-length: 2', 'content-length: 20')],
    ['nothing', ''],
  ])('a client that sends %s and then nothing more is cut', async (_, bytes) => {
    const { control, socket } = await serve({ requestTimeoutMs: 50 });
    const answer = await sendRaw(socket, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(control.asked).toEqual([]);
  });

  test('a client that dies in the middle of its body has asked for nothing', async () => {
    const { control, socket } = await serve();
    const client = await dialRaw(socket);
    const request = rawRequest('POST', '/v1/down', JSON.stringify({ reason: 'x', level: 2 }));
    client.write(request.slice(0, -3));
    client.destroy();
    // The next request is answered after the server has seen the end of that one.
    expect((await ask(socket, '/v1/info')).status).toBe(200);
    expect(control.asked).toEqual([]);
  });

  test('a client that dies after its body was taken: what it asked for is done', async () => {
    const { control, socket, bugs } = await serve();
    let open = (): void => undefined;
    control.gate = new Promise((resolve) => (open = resolve));
    const client = await dialRaw(socket);
    client.write(rawRequest('POST', '/v1/apply', JSON.stringify(APPLY)));
    await until(() => control.asked.length === 1);
    client.destroy();
    open();
    expect((await ask(socket, '/v1/info')).status).toBe(200);
    expect(bugs).toEqual([]);
  });

  test('requests sent in one go are answered in order', async () => {
    const { socket } = await serve();
    const last = 'GET /v1/nothing HTTP/1.1\r\nhost: setpoint\r\nconnection: close\r\n\r\n';
    const answer = await sendRaw(
      socket,
      rawRequest('POST', '/v1/apply', JSON.stringify(APPLY)) + rawRequest('GET', '/v1/info') + last,
    );
    expect([...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map((m) => m[1])).toEqual(['200', '200', '404']);
  });
});

describe('closing', () => {
  test('answers under way are still given, and silent connections do not hold it up', async () => {
    const { control, server, socket } = await serve();
    let open = (): void => undefined;
    control.gate = new Promise((resolve) => (open = resolve));
    await dialRaw(socket);
    const answer = post(socket, '/v1/down', { reason: 'x', level: 0 });
    await until(() => control.asked.length === 1);
    const closed = server.close();
    open();
    expect((await answer).status).toBe(200);
    await closed;
    await expect(ask(socket, '/v1/info')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
