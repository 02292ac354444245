import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createNetServer, type Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { endpoints, type OperationId } from '../../core/api.ts';
import { err, ok, type Result, unreachable } from '../../core/util/result.ts';
import type { Control } from '../../ports/control.ts';
import { failureAnswer, jsonAnswer, rawAnswer, send } from './answer.ts';
import { bodyProblem } from './body-problem.ts';
import { discard, readJson, readOctets, type BodyFailure } from './body.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { Execs } from './execs.ts';
import { badRequest, INTERNAL, type Failure } from './failure.ts';
import { refusedOrigin } from './guard.ts';
import { Inputs } from './inputs.ts';
import { Leases } from './leases.ts';
import { ByteStream, encodeLine, LineStream, OpenStreams } from './line-stream.ts';
import { requests } from './generated/requests.js';
import { readQuery } from './query.ts';
import { matchOperation } from './router.ts';
import { carryOut, type Reply, type HandlerServices } from './routes.ts';
import { listenAt, type SocketFile } from './socket-file.ts';
import { WatchHub } from './watch-hub.ts';

export interface ApiServerOptions {
  /** The longest silence on a stream. */
  readonly heartbeatMs?: number;
  /** A request has to be there, with its body, within this time. */
  readonly requestTimeoutMs?: number;
  /** An answer that does not stream has to be taken within this time. */
  readonly answerTimeoutMs?: number;
  /** One that comes on top of these is answered with status 503. */
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
/** A request may name a place in each stream of the logs: room for a thousand of them. */
const LONGEST_HEAD_BYTES = 32 * 1024;
/** Connections above the limit that are there at once because they are told so; what is above these is dropped. */
const MOST_REFUSALS = 256;

export function createApiServer(control: Control, options: ApiServerOptions): ApiServer {
  return new HttpApiServer(control, options);
}

class HttpApiServer implements ApiServer {
  readonly #server: Server;
  readonly #served: HandlerServices;
  readonly #streams: OpenStreams;
  readonly #limit: ConnectionLimit;
  readonly #mostSockets: number;
  readonly #answerTimeoutMs: number;
  readonly #onBug: (error: unknown, where: string) => void;
  /** The answer that each connection is at. */
  readonly #answering = new WeakMap<Duplex, ServerResponse>();
  /** Settles when the last answer on a connection is through. */
  readonly #turns = new WeakMap<Duplex, Promise<void>>();
  #file: SocketFile | undefined;
  #path = '';
  /** What listens in place of `#server` since its socket was removed; what connects is handed to `#server`. */
  readonly #doors: NetServer[] = [];
  #closing: Promise<void> | undefined;

  constructor(control: Control, options: ApiServerOptions) {
    const requestTimeout = options.requestTimeoutMs ?? 30_000;
    const maxConnections = options.maxConnections ?? 1024;
    this.#served = {
      control,
      hub: new WatchHub(control),
      leases: new Leases(control),
      inputs: new Inputs(control),
      execs: new Execs(),
    };
    this.#streams = new OpenStreams(options.heartbeatMs ?? 15_000);
    this.#limit = new ConnectionLimit(maxConnections);
    this.#mostSockets = maxConnections + MOST_REFUSALS;
    this.#answerTimeoutMs = options.answerTimeoutMs ?? 30_000;
    this.#onBug = options.onBug ?? reportBug;
    this.#server = createServer({
      maxHeaderSize: LONGEST_HEAD_BYTES,
      requestTimeout,
      headersTimeout: Math.min(10_000, requestTimeout),
      connectionsCheckingInterval: Math.min(10_000, requestTimeout),
    });
    this.#server.maxConnections = this.#mostSockets;
    this.#server.on('connection', (socket: Duplex) => this.#limit.add(socket));
    const serve = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#inTurn(request, response);
    // The second is for a request that waits to be told to go on, so that what is refused need not be sent.
    this.#server.on('request', serve).on('checkContinue', serve);
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
    door.maxConnections = this.#mostSockets;
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

  /** Requests sent in one go wait here, not as answers that nobody has taken yet. */
  async #inTurn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    if (this.#limit.hasRefused(socket)) return;
    const before = this.#turns.get(socket);
    this.#turns.set(socket, new Promise((resolve) => response.once('close', resolve)));
    if (before !== undefined) await before;
    await this.#serve(request, response);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#answering.set(socket, response);
    response.once('close', () => this.#answering.delete(socket));
    const [path, search] = splitTarget(request.url ?? '');
    try {
      const reply = await this.#reply(request, response, path, search);
      if (reply === 'gone') return;
      if (reply.ok) await this.#give(response, reply.value, path);
      else this.#refuse(request, response, reply.error);
    } catch (error) {
      this.#onBug(error, `${request.method ?? ''} ${path}`);
      if (response.headersSent) response.destroy();
      else send(response, failureAnswer(INTERNAL), this.#answerTimeoutMs);
    }
  }

  #refuse(request: IncomingMessage, response: ServerResponse, failure: Failure): void {
    if (!request.complete) {
      // Who asked before sending its body may now send it or not: what comes next on this connection is anyone's guess.
      if (expectsContinue(request)) response.setHeader('connection', 'close');
      discard(request);
    }
    send(response, failureAnswer(failure), this.#answerTimeoutMs);
  }

  async #reply(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    search: string,
  ): Promise<Result<Reply, Failure> | 'gone'> {
    const refused = refusedOrigin(request);
    if (refused !== undefined) return err(refused);
    const matched = matchOperation(request.method ?? '', path);
    if (!matched.ok) {
      if (matched.error.allow !== undefined) response.setHeader('allow', matched.error.allow);
      return err(matched.error.failure);
    }
    const { operation, params } = matched.value;
    const query = readQuery(search, requests[operation].query);
    if (!query.ok) return err(badRequest(query.error));
    const proceed = (): void => {
      if (expectsContinue(request)) response.writeContinue();
    };
    const body = await readBody(request, operation, proceed);
    if (body.ok) return carryOut(operation, this.#served, { params, query: query.value, body: body.value });
    return body.error === 'gone' ? 'gone' : err(body.error);
  }

  #give(response: ServerResponse, reply: Reply, path: string): Promise<void> {
    switch (reply.kind) {
      case 'json':
        send(response, jsonAnswer(reply.value), this.#answerTimeoutMs);
        return Promise.resolve();
      case 'text':
        send(response, { status: 200, ...reply }, this.#answerTimeoutMs);
        return Promise.resolve();
      case 'lines':
        return this.#sendLines(response, reply.send, path);
      case 'bytes':
        return this.#sendBytes(response, reply.send, path);
      default:
        return unreachable(reply);
    }
  }

  /** What fails once lines may have been sent is told in a last line. */
  #sendLines(response: ServerResponse, give: SendOf<'lines'>, path: string): Promise<void> {
    return this.#streams.run(new LineStream(response), async (stream) => {
      try {
        await give(stream);
      } catch (error) {
        if (stream.signal.aborted) return;
        this.#onBug(error, path);
        stream.write(encodeLine({ error: INTERNAL }));
      }
    });
  }

  /** What fails among bytes cannot be told in them, so the stream breaks off. */
  #sendBytes(response: ServerResponse, give: SendOf<'bytes'>, path: string): Promise<void> {
    return this.#streams.run(new ByteStream(response), async (stream) => {
      try {
        await give(stream);
      } catch (error) {
        if (stream.signal.aborted) return;
        this.#onBug(error, path);
        stream.cut();
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
    socket.end(rawAnswer(failureOfBytes(error.code)), () => socket.destroy());
  }
}

type SendOf<K extends Reply['kind']> = Extract<Reply, { kind: K; send: unknown }>['send'];

async function readBody(
  request: IncomingMessage,
  operation: OperationId,
  proceed: () => void,
): Promise<Result<unknown, BodyFailure>> {
  const endpoint = endpoints[operation];
  if ('octets' in endpoint) {
    const octets = await readOctets(request, endpoint.octets, proceed);
    return octets.ok && octets.value.length === 0 ? err(NO_BODY) : octets;
  }
  const { body: check, bodyRequired } = requests[operation];
  if (check === undefined) return ok(undefined);
  const read = await readJson(request, BODY_LIMIT_BYTES, proceed);
  if (!read.ok) return read;
  if (read.value === undefined) return bodyRequired ? err(NO_BODY) : read;
  if (check(read.value)) return read;
  const [error] = check.errors ?? [];
  return err(badRequest(error === undefined ? 'the request body is not as expected' : bodyProblem(error)));
}

const NO_BODY = badRequest('the request has no body');

/** Node tells such a request apart by the same header (RFC 9110, 10.1.1). */
function expectsContinue({ headers }: IncomingMessage): boolean {
  return /(?:^|\W)100-continue(?:\W|$)/i.test(headers.expect ?? '');
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
