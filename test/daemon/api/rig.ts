import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createApiServer, type ApiServer, type ApiServerOptions } from '../../../src/daemon/api/server.ts';
import { checkAnswer } from '../../rig/contract.ts';
import { FakeControl } from './fake-control.ts';

export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'setpoint-api-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export interface Served {
  readonly control: FakeControl;
  readonly server: ApiServer;
  readonly socket: string;
  readonly bugs: string[];
}

/** A server on a socket of its own, closed at the end of the test. */
export async function serve(options: ApiServerOptions = {}): Promise<Served> {
  const control = new FakeControl();
  const bugs: string[] = [];
  const server = createApiServer(control, {
    onBug: (error, where) => bugs.push(`${where}: ${String(error)}`),
    ...options,
  });
  const socket = join(tempDir(), 'api.sock');
  const listening = await server.listen(socket);
  if (!listening.ok) throw new Error(listening.error.message);
  onTestFinished(() => server.close());
  return { control, server, socket, bugs };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly json: unknown;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Sent as it is. */
  readonly body?: string | Buffer;
}

const JSON_BODY = { 'content-type': 'application/json' };

/** What is answered has to be as the contract says. */
export async function ask(
  socketPath: string,
  path: string,
  { method = 'GET', headers, body }: Ask = {},
): Promise<Answer> {
  const { status, headers: answered, type, text } = await send(socketPath, path, { method, headers, body });
  checkAnswer(method, path, { status, type, text });
  return { status, headers: answered, json: JSON.parse(text) as unknown };
}

interface Sent {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Texts and bytes as they are, anything else as JSON. */
  readonly body?: unknown;
  /** The answer is broken off after so many lines. */
  readonly lines?: number | undefined;
}

interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly type: string;
  readonly text: string;
}

export function send(
  socketPath: string,
  path: string,
  { method, headers, body, lines = Infinity }: Sent,
): Promise<Received> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const type =
    headers !== undefined || body === undefined
      ? {}
      : { 'content-type': isRaw ? 'application/octet-stream' : 'application/json' };
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { socketPath, path, method, headers: { host: 'setpoint', ...type, ...headers }, agent: false },
      (response) => {
        let text = '';
        const done = (): void => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            type: response.headers['content-type'] ?? '',
            text,
          });
        };
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
          if (text.split('\n').length <= lines) return;
          done();
          request.destroy();
        });
        response.on('end', done);
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(isRaw || body === undefined ? body : JSON.stringify(body));
  });
}

export function post(socketPath: string, path: string, value: unknown): Promise<Answer> {
  return ask(socketPath, path, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(value) });
}

/** A bare connection, destroyed at the end of the test. */
export async function dialRaw(socketPath: string): Promise<Socket> {
  const socket = connect(socketPath);
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('error', () => undefined);
  return socket;
}

/** Sends bytes and reads until the other side ends the connection. */
export async function sendRaw(socketPath: string, bytes: string): Promise<string> {
  const socket = await dialRaw(socketPath);
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

export function rawRequest(method: string, path: string, body?: string): string {
  const length = body === undefined ? 0 : Buffer.byteLength(body);
  return (
    `${method} ${path} HTTP/1.1\r\nhost: setpoint\r\ncontent-type: application/json\r\n` +
    `content-length: ${length}\r\n\r\n${body ?? ''}`
  );
}

/** Resolves once the fact holds; the test's own time limit is the bound. */
export async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await new Promise((resolve) => setTimeout(resolve, 2));
}
