import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createNetServer, type Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { err, ok, type Result } from '../../core/result.ts';
import type { Control } from '../../ports/control.ts';
import { readJson, type BodyFailure } from './body.ts';
import { badRequest, INTERNAL, statusOf, type Failure } from './failure.ts';
import { refusedOrigin } from './guard.ts';
import { Leases } from './leases.ts';
import { encodeLine, OpenStreams } from './line-stream.ts';
import { Query } from './query.ts';
import { matchRoute, type Match } from './router.ts';
import { nothing, routes, type Reply, type Served } from './routes.ts';
import { listenAt, type SocketFile } from './socket-file.ts';
import { WatchHub } from './watch-hub.ts';

export interface ApiServerOptions {
  /** The longest silence on a stream. */
  readonly heartbeatMs?: number;
  /** A request has to be there, with its body, within this time. */
  readonly requestTimeoutMs?: number;
  readonly maxConnections?: number;
  /** Told of every error that is a bug of ours; `where` is the route. By default it goes to stderr. */
  readonly onBug?: (error: unknown, where: string) => void;
}

export interface ApiServer {
  /** Resolves once clients can connect. The caller holds the lock of the project that the socket is for. */
  listen(socketPath: string): Promise<Result<void, Failure>>;
  /**
   * Makes the socket again where somebody removed it, as when a session's runtime directory is cleared. Resolves with
   * whether that was needed.
   */
  reopen(): Promise<Result<boolean, Failure>>;
  /**
   * Takes no more requests, ends the streams, waits (a second at most) for the answers under way and cuts what is
   * left. Leases that are held are dropped without bringing the project down.
   */
  close(): Promise<void>;
  /** Streams that are open now. */
  readonly streams: number;
}

/** The environment of the caller goes with a request, and may be large: Linux allows 6 MiB with all arguments. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024;
const CLOSE_GRACE_MS = 1000;
const JSON_TYPE = 'application/json; charset=utf-8';

export function createApiServer(control: Control, options: ApiServerOptions): ApiServer {
  return new HttpApiServer(control, options);
}

class HttpApiServer implements ApiServer {
  readonly #server: Server;
  readonly #served: Served;
  readonly #streams: OpenStreams;
  readonly #onBug: (error: unknown, where: string) => void;
  /** The answer that each connection is at. */
  readonly #answering = new WeakMap<Duplex, ServerResponse>();
  #file: SocketFile | undefined;
  #path = '';
  /** What listens in place of `#server` since its socket was removed; what connects is handed to `#server`. */
  readonly #doors: NetServer[] = [];
  #closing: Promise<void> | undefined;

  constructor(control: Control, options: ApiServerOptions) {
    const requestTimeout = options.requestTimeoutMs ?? 30_000;
    this.#served = { control, hub: new WatchHub(control), leases: new Leases(control) };
    this.#streams = new OpenStreams(options.heartbeatMs ?? 15_000);
    this.#onBug = options.onBug ?? reportBug;
    this.#server = createServer({
      requestTimeout,
      headersTimeout: Math.min(10_000, requestTimeout),
      connectionsCheckingInterval: Math.min(10_000, requestTimeout),
    });
    this.#server.maxConnections = options.maxConnections ?? 1024;
    this.#server.on('request', (request, response) => void this.#serve(request, response));
    this.#server.on('clientError', (error, socket) => this.#rejectBytes(error, socket));
  }

  get streams(): number {
    return this.#streams.size;
  }

  async listen(socketPath: string): Promise<Result<void, Failure>> {
    const file = await listenAt(this.#server, socketPath);
    if (!file.ok) return file;
    this.#file = file.value;
    this.#path = socketPath;
    this.#server.on('error', (error) => this.#onBug(error, 'listening'));
    return ok(undefined);
  }

  async reopen(): Promise<Result<boolean, Failure>> {
    if (this.#closing !== undefined || this.#file === undefined || this.#file.isThere()) return ok(false);
    const door = createNetServer((socket) => this.#server.emit('connection', socket));
    const file = await listenAt(door, this.#path);
    if (!file.ok) return file;
    door.on('error', (error) => this.#onBug(error, 'listening'));
    this.#doors.push(door);
    this.#file = file.value;
    return ok(true);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#file?.remove();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const door of this.#doors) door.close();
    this.#streams.stopAll();
    const cut = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(cut);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#answering.set(socket, response);
    response.once('close', () => this.#answering.delete(socket));
    const [path, search] = splitTarget(request.url ?? '');
    try {
      const reply = await this.#reply(request, response, path, search);
      if (reply === 'gone') return;
      if (!reply.ok) sendJson(response, statusOf(reply.error.code), { error: reply.error });
      else if (reply.value.kind === 'json') sendJson(response, 200, reply.value.value);
      else await this.#stream(response, reply.value, path);
    } catch (error) {
      this.#onBug(error, `${request.method ?? ''} ${path}`);
      if (response.headersSent) response.destroy();
      else sendJson(response, statusOf(INTERNAL.code), { error: INTERNAL });
    }
  }

  async #reply(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    search: string,
  ): Promise<Result<Reply, Failure> | 'gone'> {
    const refused = refusedOrigin(request);
    if (refused !== undefined) return err(refused);
    const matched = matchRoute(routes, request.method ?? '', path);
    if (!matched.ok) {
      if (matched.error.allow !== undefined) response.setHeader('allow', matched.error.allow);
      return err(matched.error.failure);
    }
    const { route, params } = matched.value;
    const query = new Query(search);
    const read = route.query?.(query);
    if (query.problem !== undefined) return err(badRequest(query.problem));
    const body = route.method === 'POST' ? await readBody(request, matched.value) : ok(undefined);
    if (body.ok) return route.handle(this.#served, { params, query: read, body: body.value });
    return body.error === 'gone' ? 'gone' : err(body.error);
  }

  /** What fails once lines may have been sent is told in a last line. */
  #stream(response: ServerResponse, reply: Reply & { kind: 'stream' }, path: string): Promise<void> {
    return this.#streams.run(response, async (stream) => {
      try {
        await reply.send(stream);
      } catch (error) {
        if (stream.signal.aborted) return;
        this.#onBug(error, path);
        stream.write(encodeLine({ error: INTERNAL }));
      }
    });
  }

  /** Bytes that are not HTTP, headers that are too large, or a request that did not come in time. */
  #rejectBytes(error: NodeJS.ErrnoException, socket: Duplex): void {
    const underway = this.#answering.get(socket);
    if (!socket.writable || error.code === 'ECONNRESET' || underway?.headersSent === true) {
      socket.destroy();
      return;
    }
    const failure = failureOfBytes(error.code);
    const body = JSON.stringify({ error: failure });
    socket.end(
      `HTTP/1.1 ${statusOf(failure.code)} Refused\r\nconnection: close\r\ncontent-type: ${JSON_TYPE}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  }
}

async function readBody(request: IncomingMessage, { route }: Match): Promise<Result<unknown, BodyFailure>> {
  const read = await readJson(request, BODY_LIMIT_BYTES);
  if (!read.ok) return read;
  if (read.value === undefined && route.body === undefined) return ok(undefined);
  if (read.value === undefined) return err(badRequest('the request has no body'));
  const checked = (route.body ?? nothing)(read.value, 'body');
  return checked.ok ? checked : err(badRequest(checked.error));
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  if (response.destroyed) return;
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': JSON_TYPE,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

function splitTarget(target: string): readonly [string, string] {
  const at = target.indexOf('?');
  return at === -1 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)];
}

function failureOfBytes(code: string | undefined): Failure {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { code: 'request-timeout', message: 'the request did not arrive in time' };
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return { code: 'headers-too-large', message: 'the headers of the request are too large' };
  }
  return badRequest('what was sent is not HTTP/1.1');
}

function reportBug(error: unknown, where: string): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`api: ${where}: ${text}\n`);
}
