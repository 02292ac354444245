import type { IncomingMessage } from 'node:http';
import { err, ok, type Result } from '../../core/result.ts';
import { badRequest, type Failure } from './failure.ts';
import { jsonErrorOffset } from './json-offset.ts';

/**
 * How much of a body that is too large is read and thrown away, so that a client which writes first and reads then
 * gets to see the answer; past it the connection is cut.
 */
const DISCARD_BYTES = 32 * 1024 * 1024;

/** `gone`: the client went away, or was cut off, before all of its body was there. There is nobody to answer. */
export type BodyFailure = Failure | 'gone';

/** Reads a body of at most `limitBytes` and decodes it; undefined where there is none. */
export async function readJson(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Result<unknown, BodyFailure>> {
  const refused = refusedType(request);
  if (refused !== undefined) {
    discard(request);
    return err(refused);
  }
  const bytes = await readBytes(request, limitBytes);
  if (!bytes.ok) return bytes;
  return bytes.value.length === 0 ? ok(undefined) : decode(bytes.value);
}

function refusedType(request: IncomingMessage): Failure | undefined {
  const { headers } = request;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody) return undefined;
  const type = headers['content-type'] ?? '';
  const encoding = headers['content-encoding'] ?? 'identity';
  if (/^application\/json *(?:; *charset="?utf-8"? *)?$/i.test(type) && encoding === 'identity')
    return undefined;
  return {
    code: 'unsupported-media-type',
    message: 'a request body must be JSON in UTF-8, not compressed',
    help: 'send it with `content-type: application/json`',
  };
}

function readBytes(request: IncomingMessage, limitBytes: number): Promise<Result<Buffer, BodyFailure>> {
  const tooLarge: Failure = {
    code: 'payload-too-large',
    message: `the request body is larger than ${limitBytes} bytes`,
  };
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
    discard(request);
    return Promise.resolve(err(tooLarge));
  }
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const onData = (piece: Buffer): void => {
      size += piece.length;
      pieces.push(piece);
      if (size <= limitBytes) return;
      request.off('data', onData);
      discard(request);
      resolve(err(tooLarge));
    };
    request.on('data', onData);
    request.once('end', () => resolve(ok(Buffer.concat(pieces, size))));
    request.once('close', () => resolve(err('gone')));
    request.once('error', () => resolve(err('gone')));
  });
}

function discard(request: IncomingMessage): void {
  let left = DISCARD_BYTES;
  request.on('error', () => undefined);
  request.on('data', (piece: Buffer) => {
    left -= piece.length;
    if (left < 0) request.destroy();
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
