import { err, ok, type Result } from '../core/util/result.ts';

/** How far the bytes of the body are: known length, chunks, or until the connection ends. */
type Framing =
  | { readonly kind: 'head' }
  | { readonly kind: 'sized'; readonly left: number }
  | { readonly kind: 'chunk-size' }
  | { readonly kind: 'chunk'; readonly left: number }
  | { readonly kind: 'chunk-end' }
  | { readonly kind: 'trailer' }
  | { readonly kind: 'until-end' }
  | { readonly kind: 'done' };

const LONGEST_LINE_BYTES = 16 * 1024;
const MOST_HEAD_LINES = 200;

const NOT_HTTP = 'what answers does not speak HTTP/1.1';

/**
 * One HTTP/1.1 response (RFC 9112), read as its bytes come. Exists because node:http costs every command some 15 ms at
 * start, a fifth of all that `setpoint status` takes, for proxies, pools and upgrades that a Unix socket never needs.
 */
export class ResponseParser {
  #framing: Framing = { kind: 'head' };
  /** The start of a line whose end has not come yet. */
  #line: Buffer = Buffer.alloc(0);
  #headLines: string[] = [];
  #status: number | undefined;

  /** Undefined until the head of the response is there. */
  get status(): number | undefined {
    return this.#status;
  }

  /** Whether all of the response is there. */
  get complete(): boolean {
    return this.#framing.kind === 'done';
  }

  /** The connection has ended; answers whether the response is whole. */
  end(): boolean {
    if (this.#framing.kind === 'until-end') this.#framing = { kind: 'done' };
    return this.complete;
  }

  /** Takes the next bytes; answers the pieces of the body among them, or what is wrong with the response. */
  push(bytes: Buffer): Result<readonly Buffer[], string> {
    const pieces: Buffer[] = [];
    let rest = bytes;
    while (rest.length > 0) {
      const framing = this.#framing;
      switch (framing.kind) {
        case 'done':
          return err('there are bytes behind the response');
        case 'until-end':
          pieces.push(rest);
          return ok(pieces);
        case 'sized':
        case 'chunk': {
          const piece = rest.subarray(0, framing.left);
          pieces.push(piece);
          rest = rest.subarray(piece.length);
          this.#framing = afterPiece(framing.kind, framing.left - piece.length);
          break;
        }
        case 'head':
        case 'chunk-size':
        case 'chunk-end':
        case 'trailer': {
          const newline = rest.indexOf(0x0a);
          const part = newline === -1 ? rest : rest.subarray(0, newline + 1);
          if (this.#line.length + part.length > LONGEST_LINE_BYTES)
            return err('a line of the response is too long');
          this.#line = Buffer.concat([this.#line, part]);
          rest = rest.subarray(part.length);
          if (newline === -1) return ok(pieces);
          const problem = this.#takeLine(framing.kind);
          if (problem !== undefined) return err(problem);
          break;
        }
      }
    }
    return ok(pieces);
  }

  #takeLine(kind: 'head' | 'chunk-size' | 'chunk-end' | 'trailer'): string | undefined {
    const line = this.#line.toString('latin1').replace(/\r?\n$/, '');
    this.#line = Buffer.alloc(0);
    switch (kind) {
      case 'head':
        if (line !== '') {
          if (this.#headLines.length === 0 && !line.startsWith('HTTP/1.')) return NOT_HTTP;
          this.#headLines.push(line);
          return this.#headLines.length > MOST_HEAD_LINES ? 'the response has too many headers' : undefined;
        }
        return this.#takeHead();
      case 'chunk-size': {
        const size = /^[0-9a-fA-F]{1,8}(?=$|[; \t])/.exec(line);
        if (size === null) return 'a chunk of the response has no size';
        const left = Number.parseInt(size[0], 16);
        this.#framing = left === 0 ? { kind: 'trailer' } : { kind: 'chunk', left };
        return undefined;
      }
      case 'chunk-end':
        if (line !== '') return 'a chunk of the response is longer than its size';
        this.#framing = { kind: 'chunk-size' };
        return undefined;
      case 'trailer':
        if (line === '') this.#framing = { kind: 'done' };
        return undefined;
    }
  }

  #takeHead(): string | undefined {
    const [first = '', ...lines] = this.#headLines;
    this.#headLines = [];
    const status = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/.exec(first)?.[1];
    if (status === undefined) return NOT_HTTP;
    // 100 Continue and its like go before the response proper.
    if (status.startsWith('1')) return undefined;
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, Math.max(0, colon)).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.#status = Number(status);
    const length = headers.get('content-length');
    if (status === '204' || status === '304') this.#framing = { kind: 'done' };
    else if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked')
      this.#framing = { kind: 'chunk-size' };
    else if (length === undefined) this.#framing = { kind: 'until-end' };
    else if (/^[0-9]{1,15}$/.test(length)) this.#framing = afterPiece('sized', Number(length));
    else return 'the length of the response is not a number';
    return undefined;
  }
}

function afterPiece(kind: 'sized' | 'chunk', left: number): Framing {
  if (left > 0) return { kind, left };
  return { kind: kind === 'sized' ? 'done' : 'chunk-end' };
}
