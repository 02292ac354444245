import type { IncomingMessage } from 'node:http';
import { err, ok, type Result } from '../../core/util/result.ts';
import { badRequest, type Failure } from './failure.ts';
import { jsonErrorOffset } from './json-offset.ts';

/**
 * How much of a body that is too large is read and thrown away, so that a client which writes first and reads then
 * gets to see the answer; past it the connection is cut.
 */
const DISCARD_BYTES = 32 * 1024 * 1024;

/** `gone`: the client went away, or was cut off, before all of its body was there. There is nobody to answer. */
export type BodyFailure = Failure | 'gone';

interface MediaType {
  readonly pattern: RegExp;
  readonly refusal: Failure;
}

const JSON_TEXT: MediaType = {
  pattern: /^application\/json *(?:; *charset="?utf-8"? *)?$/i,
  refusal: {
    code: 'unsupported-media-type',
    message: 'a request body must be JSON in UTF-8, not compressed',
    help: 'send it with `content-type: application/json`',
  },
};

const OCTETS: MediaType = {
  pattern: /^application\/octet-stream *$/i,
  refusal: {
    code: 'unsupported-media-type',
    message: 'the request body is taken as it is, not compressed and of no other type',
    help: 'send it with `content-type: application/octet-stream`',
  },
};

/**
 * Reads a body of at most `limitBytes` and decodes it; undefined where there is none. `proceed` is called before the
 * body is read, and not where its size or type speak against it from the start: a client that waits for it need not
 * send what is refused.
 */
export async function readJson(
  request: IncomingMessage,
  limitBytes: number,
  proceed: () => void,
): Promise<Result<unknown, BodyFailure>> {
  const bytes = await readBody(request, limitBytes, JSON_TEXT, proceed);
  if (!bytes.ok) return bytes;
  return bytes.value.length === 0 ? ok(undefined) : decode(bytes.value);
}

/** Reads a body as it is, under the same conditions; empty where there is none. */
export function readOctets(
  request: IncomingMessage,
  limitBytes: number,
  proceed: () => void,
): Promise<Result<Buffer, BodyFailure>> {
  return readBody(request, limitBytes, OCTETS, proceed);
}

/** Throws away what comes of a body that nobody wants, up to a limit. */
export function discard(request: IncomingMessage): void {
  let left = DISCARD_BYTES;
  request.on('error', () => undefined);
  request.on('data', (piece: Buffer) => {
    left -= piece.length;
    if (left < 0) request.destroy();
  });
}

function readBody(
  request: IncomingMessage,
  limitBytes: number,
  type: MediaType,
  proceed: () => void,
): Promise<Result<Buffer, BodyFailure>> {
  const { headers } = request;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity';
  const tooLarge: Failure = {
    code: 'payload-too-large',
    message: `the request body is larger than ${limitBytes} bytes`,
  };
  if (hasBody && !(isPlain && type.pattern.test(headers['content-type'] ?? ''))) {
    return Promise.resolve(err(type.refusal));
  }
  if (Number(headers['content-length'] ?? 0) > limitBytes) return Promise.resolve(err(tooLarge));
  proceed();
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const onData = (piece: Buffer): void => {
      size += piece.length;
      pieces.push(piece);
      if (size <= limitBytes) return;
      request.off('data', onData);
      resolve(err(tooLarge));
    };
    request.on('data', onData);
    request.once('end', () => resolve(ok(Buffer.concat(pieces, size))));
    request.once('close', () => resolve(err('gone')));
    request.once('error', () => resolve(err('gone')));
  });
}

function decode(bytes: Buffer): Result<unknown, Failure> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return err(badRequest('the request body is not UTF-8'));
  }
  try {
    return ok(JSON.parse(text));
  } catch {
    const offset = jsonErrorOffset(text) ?? text.length;
    const before = text.slice(0, offset).split('\n');
    const column = (before.at(-1) ?? '').length + 1;
    return err(
      badRequest(`the request body is not JSON: it goes wrong at line ${before.length}, column ${column}`),
    );
  }
}
