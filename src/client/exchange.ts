import { lstatSync } from 'node:fs';
import { connect as open, type Socket } from 'node:net';
import { ClientError, daemonGone } from './client-error.ts';
import { ResponseParser } from './response-parser.ts';

export interface Request {
  readonly method: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  /** Sent as JSON, but bytes as they are. */
  readonly body?: unknown;
  /** The head of the answer has to be there within this time; absent: however long it takes. */
  readonly answerWithinMs?: number;
}

/** The daemon has taken more connections than it serves at once; it will get to them. */
const BUSY_RETRY_MS = 20;
const BUSY_MOST_MS = 5000;

/**
 * Connects to a Unix socket; undefined where nothing listens there. A link counts as nothing: it may lead to the daemon
 * of another project, and a daemon that starts replaces it. Rejects with a `ClientError`.
 */
export async function dial(socketPath: string): Promise<Socket | undefined> {
  if (isLink(socketPath)) return undefined;
  const giveUp = Date.now() + BUSY_MOST_MS;
  for (;;) {
    const outcome = await attempt(socketPath);
    if (typeof outcome !== 'string') return outcome;
    if (outcome === 'ENOENT' || outcome === 'ECONNREFUSED') return undefined;
    // A full backlog; connect(2) says EAGAIN for Unix sockets.
    if (outcome !== 'EAGAIN' || Date.now() > giveUp) throw cannotConnect(socketPath, outcome);
    await new Promise((resolve) => setTimeout(resolve, BUSY_RETRY_MS));
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  } catch {
    return false;
  }
}

function attempt(socketPath: string): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = open(socketPath);
    const failed = ({ code = 'unknown error' }: NodeJS.ErrnoException): void => resolve(code);
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

function cannotConnect(socketPath: string, code: string): ClientError {
  const help =
    code === 'EACCES' || code === 'EPERM'
      ? 'the project belongs to another user; run the command as that user'
      : 'daemon.log in the state directory of the project may tell more';
  return new ClientError('socket-refused', `cannot connect to ${socketPath}: ${code}`, { help });
}

/** One request on a connection of its own, and its response as it comes in. */
export class Exchange {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer, undefined>;
  readonly #parser = new ResponseParser();
  #early: readonly Buffer[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    // What goes wrong reaches the reader through the iterator; without a listener it would end the process.
    socket.on('error', () => undefined);
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  }

  /** Whether the response came to its own end, rather than to that of the connection. */
  get complete(): boolean {
    return this.#parser.complete;
  }

  /** Sends the request; resolves with the response's status, once its head is there. */
  async send(request: Request): Promise<number> {
    for (const piece of encode(request)) this.#socket.write(piece);
    const deadline = { passed: false };
    const timer =
      request.answerWithinMs === undefined
        ? undefined
        : setTimeout(() => {
            deadline.passed = true;
            this.#socket.destroy();
          }, request.answerWithinMs);
    try {
      for (;;) {
        this.#early = [...this.#early, ...(await this.#next())];
        if (this.#parser.status !== undefined) return this.#parser.status;
      }
    } catch (error) {
      this.#socket.destroy();
      throw deadline.passed ? silent(request.answerWithinMs ?? 0) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The body, as it comes, no faster than it is read. Ends when the response or the connection does. */
  async *body(): AsyncGenerator<Buffer, void> {
    try {
      yield* this.#early;
      while (!this.#parser.complete) {
        const pieces = await this.#next().catch((error: unknown) => {
          if (error instanceof ClientError && error.code === 'daemon-gone') return undefined;
          throw error;
        });
        if (pieces === undefined) return;
        yield* pieces;
      }
    } finally {
      this.#socket.destroy();
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #next(): Promise<readonly Buffer[]> {
    let chunk: IteratorResult<Buffer, undefined>;
    try {
      chunk = await this.#chunks.next();
    } catch {
      throw daemonGone();
    }
    if (chunk.done === true) {
      if (this.#parser.end()) return [];
      throw daemonGone();
    }
    const pieces = this.#parser.push(chunk.value);
    if (!pieces.ok) throw new ClientError('bad-answer', pieces.error);
    return pieces.value;
  }
}

function encode({ method, path, body }: Request): readonly (string | Uint8Array)[] {
  const head = `${method} ${path} HTTP/1.1\r\nhost: setpoint\r\nconnection: close\r\n`;
  if (method === 'GET') return [`${head}\r\n`];
  if (body === undefined) return [`${head}content-length: 0\r\n\r\n`];
  if (body instanceof Uint8Array) return [`${head}${about('application/octet-stream', body.length)}`, body];
  const text = JSON.stringify(body);
  return [`${head}${about('application/json', Buffer.byteLength(text))}${text}`];
}

function about(type: string, bytes: number): string {
  return `content-type: ${type}\r\ncontent-length: ${bytes}\r\n\r\n`;
}

function silent(afterMs: number): ClientError {
  return new ClientError('daemon-silent', `the daemon has not answered within ${afterMs / 1000} s`, {
    help: 'it may be stopped or stuck; services run on without it, so it can be killed and brought back by `setpoint up`',
  });
}
