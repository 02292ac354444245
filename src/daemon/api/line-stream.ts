import type { ServerResponse } from 'node:http';

/** Why a stream is to stop: its client is not there any more, or the server is closing. */
type StreamEnd = 'gone' | 'closing';

export function encodeLine(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** An answer that stays open. Holds no queue; who writes waits while it is `blocked`. */
abstract class OpenAnswer {
  readonly #response: ServerResponse;
  readonly #ending = new AbortController();

  constructor(response: ServerResponse, contentType: string) {
    this.#response = response;
    response.once('close', () => this.stop('gone'));
    response.on('error', () => this.stop('gone'));
    if (response.destroyed) this.stop('gone');
    response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
    response.flushHeaders();
  }

  /** Aborts, with a `StreamEnd` as its reason, when nothing more is to be written. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** True while the connection holds as much as it should that the client has not taken yet. */
  get blocked(): boolean {
    return this.#response.writableNeedDrain;
  }

  write(piece: string | Uint8Array): void {
    if (!this.signal.aborted) this.#response.write(piece);
  }

  /** Resolves when the client has caught up, or when the stream is to stop. */
  async unblocked(): Promise<void> {
    if (!this.blocked || this.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#response.off('drain', done);
        this.signal.removeEventListener('abort', done);
        resolve();
      };
      this.#response.once('drain', done);
      this.signal.addEventListener('abort', done);
    });
  }

  /** Breaks a long silence, where the format has something that says nothing. */
  abstract beat(): void;

  stop(reason: StreamEnd): void {
    if (!this.signal.aborted) this.#ending.abort(reason);
  }

  /** Ends the answer as a whole one; harmless where it has ended. */
  end(): void {
    this.#response.end();
  }

  /** Breaks the answer off, so that its client sees that it is not whole. */
  cut(): void {
    this.#response.destroy();
  }
}

/** JSON values, one a line. What is written ends with a newline. */
export class LineStream extends OpenAnswer {
  constructor(response: ServerResponse) {
    super(response, 'application/x-ndjson; charset=utf-8');
  }

  /** An empty line, which every reader skips. */
  beat(): void {
    if (!this.blocked) this.write('\n');
  }
}

/** Bytes as they are. There is none that would say nothing, so silence is silence. */
export class ByteStream extends OpenAnswer {
  constructor(response: ServerResponse) {
    super(response, 'application/octet-stream');
  }

  beat(): void {
    // A closed connection is noticed without.
  }
}

/** The streams that are open, and their heartbeat: the one timer of them all, which runs only while there are some. */
export class OpenStreams {
  readonly #heartbeatMs: number;
  readonly #open = new Set<OpenAnswer>();
  #timer: NodeJS.Timeout | undefined;

  constructor(heartbeatMs: number) {
    this.#heartbeatMs = heartbeatMs;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Runs `use` with a new stream; the stream ends when it settles. */
  async run<S extends OpenAnswer>(stream: S, use: (stream: S) => Promise<void>): Promise<void> {
    this.#open.add(stream);
    this.#timer ??= setInterval(() => this.#beat(), this.#heartbeatMs).unref();
    try {
      await use(stream);
    } finally {
      stream.end();
      this.#open.delete(stream);
      if (this.#open.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  stopAll(): void {
    for (const stream of this.#open) stream.stop('closing');
  }

  #beat(): void {
    for (const stream of this.#open) stream.beat();
  }
}
