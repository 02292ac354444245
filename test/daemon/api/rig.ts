import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type {
  ActionRequest,
  ApplyRequest,
  DaemonInfo,
  DownRequest,
  LogLine,
  LogQuery,
  ProjectSnapshot,
  WatchItem,
} from '../../../src/core/api.ts';
import type { Happening, HappeningBody } from '../../../src/core/event.ts';
import { err, ok } from '../../../src/core/result.ts';
import { createApiServer, type ApiServer, type ApiServerOptions } from '../../../src/daemon/api/server.ts';
import type { Control, ControlResult, LeaseHold } from '../../../src/ports/control.ts';

export const INFO: DaemonInfo = {
  version: '0.1.0',
  api: 1,
  pid: 4711,
  startedAt: 1_700_000_000_000,
  project: 'shop',
  manifest: '/home/me/shop/setpoint.yaml',
  stateDir: '/home/me/.local/state/setpoint/shop-1',
};

const SERVICE = {
  id: 'web',
  labels: {},
  backend: 'native',
  backendReason: 'the only one',
  replicas: 1,
  dependsOn: [],
  inManifest: true,
  restart: 'on-failure',
  backoff: '500ms x2',
  instances: [
    {
      id: 'web.1',
      service: 'web',
      number: 1,
      wanted: 'up',
      state: { kind: 'running', run: 'r1', pid: 77, since: 1_700_000_000_100 },
      restarts: 0,
      ports: { http: 8080 },
    },
  ],
} as const satisfies ProjectSnapshot['services'][number];

/** A project that does as the test says and notes what it was asked. */
export class FakeControl implements Control {
  readonly asked: unknown[] = [];
  readonly listeners = new Set<(item: WatchItem) => void>();
  readonly journal: Happening[] = [];
  readonly released: boolean[] = [];
  revision = 1;
  leased = false;
  /** More text in every snapshot. */
  padding = '';
  /** What every request that can fail answers with; undefined: success. */
  refusal: { code: string; message: string; help?: string } | undefined;
  /** Awaited by every request that can fail. */
  gate: Promise<void> = Promise.resolve();
  lines: (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogLine> = () => linesOf([]);

  info(): DaemonInfo {
    return INFO;
  }

  snapshot(): ProjectSnapshot {
    return {
      daemon: INFO,
      name: 'shop',
      dir: '/home/me/shop',
      files: [INFO.manifest],
      services: [{ ...SERVICE, description: `the shop ${this.padding}` }],
      inactive: ['debug'],
      revision: this.revision,
      phase: 'up',
      leased: this.leased,
      now: 1_700_000_001_000,
    };
  }

  subscribe(listener: (item: WatchItem) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  plan(request: ApplyRequest) {
    return this.#answer(['plan', request], { diagnostics: [] });
  }

  apply(request: ApplyRequest) {
    return this.#answer(['apply', request], { diagnostics: [], snapshot: this.snapshot() });
  }

  act(request: ActionRequest) {
    return this.#answer(['act', request], { affected: ['web.1'], unchanged: [], snapshot: this.snapshot() });
  }

  down(request: DownRequest) {
    return this.#answer(['down', request], { stopped: 1, leftovers: [] });
  }

  explain(service: string) {
    return this.#answer(['explain', service], {
      service: this.snapshot().services[0]!,
      verdicts: [{ instance: 'web.1', text: 'web.1 is running' }],
      history: [],
      dependencies: [],
      dependents: [],
      next: [],
    });
  }

  happenings(limit: number, service?: string): readonly Happening[] {
    const all = this.journal.filter((h) => service === undefined || h.service === service);
    return limit === 0 ? [] : all.slice(-limit);
  }

  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    this.asked.push(['logs', query]);
    return this.lines(query, signal);
  }

  lease(): LeaseHold | undefined {
    if (this.leased) return undefined;
    this.leased = true;
    return {
      release: (detach) => {
        this.leased = false;
        this.released.push(detach);
      },
    };
  }

  /** Puts something into the journal and tells those who watch. */
  happen(body: HappeningBody, service?: string): Happening {
    const seq = (this.journal.at(-1)?.seq ?? 0) + 1;
    const happening = {
      ...body,
      seq,
      time: 1_700_000_000_000 + seq,
      ...(service === undefined ? {} : { service }),
    };
    this.journal.push(happening);
    for (const listener of this.listeners) listener({ type: 'happening', happening });
    return happening;
  }

  change(): void {
    this.revision += 1;
    const snapshot = this.snapshot();
    for (const listener of this.listeners) listener({ type: 'snapshot', snapshot });
  }

  async #answer<T>(asked: unknown, value: T): ControlResult<T> {
    this.asked.push(asked);
    await this.gate;
    return this.refusal === undefined ? ok(value) : err(this.refusal);
  }
}

export const APPLY: ApplyRequest = {
  load: { files: [INFO.manifest], profiles: [], set: { A: '1' }, envFiles: [], named: [] },
  hostEnv: { HOME: '/home/me' },
  services: [],
};

export async function* linesOf(lines: readonly LogLine[]): AsyncGenerator<LogLine> {
  await Promise.resolve();
  yield* lines;
}

export function logLine(number: number, text = `line ${number}`): LogLine {
  return { service: 'web', instance: 'web.1', stream: 'stdout', time: 1_700_000_000_000 + number, text };
}

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

export function ask(
  socketPath: string,
  path: string,
  { method = 'GET', headers, body }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { socketPath, path, method, headers: { host: 'setpoint', ...headers }, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            json: JSON.parse(text) as unknown,
          });
        });
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

export function post(socketPath: string, path: string, value: unknown): Promise<Answer> {
  return ask(socketPath, path, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(value) });
}

/** A bare connection, destroyed at the end of the test. */
export async function dialRaw(socketPath: string): Promise<Socket> {
  const socket = connect(socketPath);
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
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
