import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { ConcreteCheck, ProbeResult } from '../../src/ports/probes.ts';
import { createProber } from '../../src/probes/prober.ts';
import { freePort } from '../rig/free-port.ts';
import { lacks } from '../rig/needs.ts';
import { eventually } from '../rig/wait.ts';
import { Servers } from './rig.ts';

const servers = new Servers();
afterEach(() => servers.close());

const prober = createProber({ run: () => Promise.reject(new Error('no command is expected')) });
const NEVER = new AbortController().signal;
const SOON_MS = 150;
const AMPLE_MS = 10_000;

type HttpCheck = Extract<ConcreteCheck, { kind: 'http' }>;

function http(url: string, change: Partial<HttpCheck> = {}, timeoutMs = AMPLE_MS): Promise<ProbeResult> {
  const check: HttpCheck = {
    kind: 'http',
    url,
    method: 'GET',
    headers: {},
    status: [{ from: 200, to: 399 }],
    ...change,
  };
  return prober.look(check, timeoutMs, NEVER);
}

function tcp(host: string, port: number, timeoutMs = AMPLE_MS, signal = NEVER): Promise<ProbeResult> {
  return prober.look({ kind: 'tcp', host, port }, timeoutMs, signal);
}

const noIpv6 = Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === '::1'))
  ? undefined
  : 'no IPv6 loopback';

describe('a look by TCP', () => {
  test('succeeds where a connection is accepted, and closes it', async () => {
    const port = await servers.tcp();
    expect(await tcp('127.0.0.1', port)).toEqual({ ok: true, output: 'connected' });
    await eventually('the connection is closed', () => servers.connections === 0);
  });

  test('says where it was refused', async () => {
    const port = await freePort();
    expect(await tcp('127.0.0.1', port)).toEqual({ ok: false, output: `ECONNREFUSED 127.0.0.1:${port}` });
    expect(await tcp('localhost', port)).toEqual({ ok: false, output: `ECONNREFUSED 127.0.0.1:${port}` });
  });

  test('finds a service of localhost by either family', async (ctx) => {
    const port = await servers.tcp();
    expect(await tcp('localhost', port)).toEqual({ ok: true, output: 'connected' });
    if (noIpv6 !== undefined) ctx.skip(noIpv6);
    const six = await servers.tcp(undefined, '::1');
    expect(await tcp('localhost', six)).toEqual({ ok: true, output: 'connected' });
  });

  test('names a host that is not known', async () => {
    const result = await tcp('no-such-host.invalid', 80);
    expect(result.ok).toBe(false);
    expect(result.output).toMatch(/^(ENOTFOUND|EAI_AGAIN) no-such-host\.invalid$/);
  });

  test('fails when there is no answer in time, and when it is given up', async () => {
    // An address of documentation (RFC 5737): nobody answers, or the network says at once that it leads nowhere.
    const result = await tcp('192.0.2.1', 81, SOON_MS);
    expect(result.ok).toBe(false);
    expect(result.output).toMatch(
      /^(no connection to 192\.0\.2\.1:81 within 150ms|E[A-Z]+ 192\.0\.2\.1:81)$/,
    );
    const abort = new AbortController();
    const look = tcp('192.0.2.1', 81, AMPLE_MS, abort.signal);
    abort.abort();
    expect((await look).ok).toBe(false);
    expect(await tcp('127.0.0.1', 81, AMPLE_MS, abort.signal)).toEqual({ ok: false, output: 'given up' });
  });
});

describe('a look by HTTP', () => {
  test('compares the status with what is wanted, and says it', async () => {
    const port = await servers.http((request, response) => {
      response.statusCode = Number(request.url?.slice(1));
      response.end('\n  first line\nsecond line\n');
    });
    const url = (status: number): string => `http://127.0.0.1:${port}/${status}`;
    expect(await http(url(200))).toEqual({ ok: true, output: 'HTTP 200 OK' });
    expect(await http(url(204))).toEqual({ ok: true, output: 'HTTP 204 No Content' });
    expect(await http(url(503))).toEqual({ ok: false, output: 'HTTP 503 Service Unavailable: first line' });
    expect(await http(url(503), { status: [{ from: 503, to: 503 }] })).toMatchObject({ ok: true });
    expect(await http(url(200), { status: [{ from: 201, to: 299 }] })).toMatchObject({ ok: false });
  });

  test('follows no redirection, but says where it leads', async () => {
    const paths: (string | undefined)[] = [];
    const port = await servers.http((request, response) => {
      paths.push(request.url);
      response.writeHead(302, { Location: '/login' }).end();
    });
    const strict = { status: [{ from: 200, to: 299 }] };
    expect(await http(`http://127.0.0.1:${port}/`, strict)).toEqual({
      ok: false,
      output: 'HTTP 302 Found to /login',
    });
    expect(await http(`http://127.0.0.1:${port}/`)).toMatchObject({ ok: true });
    expect(paths).toEqual(['/', '/']);
  });

  test('sends the method and the headers it is told to, and keeps no connection', async () => {
    const seen: { method: string | undefined; headers: IncomingHttpHeaders }[] = [];
    const port = await servers.http((request, response) => {
      seen.push({ method: request.method, headers: request.headers });
      response.end('a body that HEAD has none of');
    });
    const headers = { Host: 'shop.test', Authorization: 'Bearer 1234', 'user-agent': 'mine' };
    expect(await http(`http://localhost:${port}/x?y=1`, { method: 'HEAD', headers })).toMatchObject({
      ok: true,
    });
    expect(seen).toMatchObject([
      {
        method: 'HEAD',
        headers: {
          host: 'shop.test',
          authorization: 'Bearer 1234',
          'user-agent': 'mine',
          connection: 'close',
        },
      },
    ]);
    await eventually('the connection is closed', () => servers.connections === 0);
  });

  test('finds localhost on IPv6 alone', async (ctx) => {
    if (noIpv6 !== undefined) ctx.skip(noIpv6);
    const port = await servers.http((_, response) => response.end(), '::1');
    expect(await http(`http://localhost:${port}/`)).toMatchObject({ ok: true });
    expect(await http(`http://[::1]:${port}/`)).toMatchObject({ ok: true });
  });

  test('reads no more than 4 KiB of a body that never ends', async () => {
    const port = await servers.http((_, response) => {
      const more = (): void => {
        while (response.write('x'.repeat(1024)));
      };
      response.on('drain', more);
      more();
    });
    expect(await http(`http://127.0.0.1:${port}/`)).toEqual({ ok: true, output: 'HTTP 200 OK' });
    await eventually('the connection is closed', () => servers.connections === 0);
  });

  test('holds the whole answer to its time', async () => {
    const silent = await servers.tcp();
    expect(await http(`http://127.0.0.1:${silent}/`, {}, SOON_MS)).toEqual({
      ok: false,
      output: 'no answer within 150ms',
    });
    const halting = await servers.http((_, response) => response.write('so far'));
    expect(await http(`http://127.0.0.1:${halting}/`, {}, SOON_MS)).toEqual({
      ok: false,
      output: 'HTTP 200 OK, but no end of the answer within 150ms',
    });
    await eventually('the connections are closed', () => servers.connections === 0);
  });

  test('says why there was no answer', async () => {
    const refused = await freePort();
    expect(await http(`http://127.0.0.1:${refused}/`)).toEqual({
      ok: false,
      output: `ECONNREFUSED 127.0.0.1:${refused}`,
    });
    const closing = await servers.tcp((socket) => socket.once('data', () => socket.end()));
    expect(await http(`http://127.0.0.1:${closing}/`)).toEqual({
      ok: false,
      output: 'the connection was closed before the answer was through',
    });
    const babbling = await servers.tcp((socket) => socket.write('220 smtp ready\r\n'));
    const answer = await http(`http://127.0.0.1:${babbling}/`);
    expect(answer.ok).toBe(false);
    expect(answer.output).toMatch(/^the answer is not HTTP: /);
  });

  test.each([
    ['not a url', {}, '`not a url` is not an absolute http: or https: URL'],
    ['ftp://127.0.0.1/', {}, '`ftp://127.0.0.1/` is not an absolute http: or https: URL'],
    ['http://127.0.0.1/', { method: 'GE T' }, 'Method must be a valid HTTP token ["GE T"]'],
    ['http://127.0.0.1/', { headers: { 'X-A': 'a\nb' } }, 'Invalid character in header content ["X-A"]'],
  ])('refuses what cannot be sent: %s %o', async (url, change, output) => {
    expect(await http(url, change)).toEqual({ ok: false, output });
  });

  test('ends the connection when it is given up', async () => {
    const port = await servers.tcp();
    const abort = new AbortController();
    const check = {
      kind: 'http',
      url: `http://127.0.0.1:${port}/`,
      method: 'GET',
      headers: {},
      status: [],
    } as const;
    const look = prober.look(check, AMPLE_MS, abort.signal);
    await eventually('it is connected', () => servers.connections === 1);
    abort.abort();
    expect(await look).toEqual({ ok: false, output: 'given up' });
    await eventually('the connection is closed', () => servers.connections === 0);
  });

  test('takes an unknown certificate for a failure', async (ctx) => {
    const lack = lacks('openssl');
    if (lack !== undefined) ctx.skip(lack);
    const dir = mkdtempSync(join(tmpdir(), 'probe-tls-'));
    try {
      const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
      const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert];
      execFileSync('openssl', [...request, '-days', '1', '-subj', '/CN=localhost'], { stdio: 'ignore' });
      const server = createHttps({ key: readFileSync(key), cert: readFileSync(cert) });
      server.on('tlsClientError', () => {});
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      expect(await http(`https://127.0.0.1:${port}/`)).toEqual({
        ok: false,
        output: 'TLS: self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT)',
      });
      await new Promise((resolve) => server.close(resolve));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('says that a plain service does not speak TLS', async () => {
    const port = await servers.http((_, response) => response.end());
    const result = await http(`https://127.0.0.1:${port}/`);
    expect(result.ok).toBe(false);
    expect(result.output).toMatch(/^TLS: .*(wrong version number|packet length)/);
  });
});

test('an answer that came in time counts, although this process comes round to it after the timeout', async () => {
  const server = spawn(process.execPath, ['-e', SLOW_SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  server.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  try {
    const port = await eventually('it listens', () => /^(\d+)\n/.exec(said)?.[1]);
    const look = http(`http://127.0.0.1:${port}/`, {}, 1_000);
    await eventually('it was asked', () => said.includes('asked'));
    // Behind this phase of the event loop come the timers, and only then what has arrived.
    await nextTurn();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    expect(await look).toEqual({ ok: true, output: 'HTTP 200 OK' });
  } finally {
    server.kill('SIGKILL');
  }
});

const SLOW_SERVER = `
  const server = require('node:http').createServer((_, response) => {
    console.log('asked');
    setTimeout(() => response.end('well'), 200);
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
