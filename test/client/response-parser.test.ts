import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ResponseParser } from '../../src/client/response-parser.ts';

interface Parsed {
  readonly status: number | undefined;
  readonly body: string;
  readonly complete: boolean;
  readonly problem?: string;
}

/** Feeds the bytes in pieces that end at the given places, then ends the connection. */
function parse(bytes: Buffer, cuts: readonly number[] = []): Parsed {
  const parser = new ResponseParser();
  const body: Buffer[] = [];
  const edges = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  let start = 0;
  for (const end of edges) {
    const pieces = parser.push(bytes.subarray(start, end));
    if (!pieces.ok) return { status: parser.status, body: '', complete: false, problem: pieces.error };
    body.push(...pieces.value);
    start = end;
  }
  const complete = parser.end();
  return { status: parser.status, body: Buffer.concat(body).toString('utf8'), complete };
}

const response = (head: string, body = ''): Buffer =>
  Buffer.from(`${head.replaceAll('\n', '\r\n')}\r\n\r\n${body}`);

test.each([
  ['a known length', response('HTTP/1.1 200 OK\nContent-Length: 5', 'hello')],
  ['no body', response('HTTP/1.1 200 OK\ncontent-length: 0'), ''],
  ['chunks', response('HTTP/1.1 200 OK\nTransfer-Encoding: Chunked', '3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n')],
  [
    'chunks and a trailer',
    response('HTTP/1.1 200 OK\ntransfer-encoding: chunked', '5\r\nhello\r\n0\r\nx: y\r\n\r\n'),
  ],
  ['the end of the connection', response('HTTP/1.1 200 OK\nx: y', 'hello')],
  [
    'an interim response before',
    Buffer.concat([response('HTTP/1.1 100 Continue'), response('HTTP/1.1 200\nContent-Length: 5', 'hello')]),
  ],
])('a response framed by %s is read', (_, bytes, body = 'hello') => {
  expect(parse(bytes)).toEqual({ status: 200, body, complete: true });
});

test.each([
  ['no HTTP', Buffer.from('SSH-2.0-OpenSSH\r\n\r\n')],
  ['another version', response('HTTP/2 200 OK')],
  ['a length that is no number', response('HTTP/1.1 200 OK\ncontent-length: -1')],
  ['a chunk without size', response('HTTP/1.1 200 OK\ntransfer-encoding: chunked', 'xyz\r\n')],
  ['a chunk longer than its size', response('HTTP/1.1 200 OK\ntransfer-encoding: chunked', '2\r\nhello\r\n')],
  ['bytes behind the end', response('HTTP/1.1 200 OK\ncontent-length: 1', 'ab')],
  ['an endless line', Buffer.from(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`)],
  ['endless headers', response(`HTTP/1.1 200 OK\n${'a: b\n'.repeat(300)}c: d`)],
])('%s is told apart from a response', (_, bytes) => {
  expect(parse(bytes).problem).toBeTypeOf('string');
});

test.each([
  ['the head', response('HTTP/1.1 200 OK').subarray(0, -2)],
  ['a known length', response('HTTP/1.1 200 OK\ncontent-length: 9', 'hello')],
  ['a chunk', response('HTTP/1.1 200 OK\ntransfer-encoding: chunked', '9\r\nhello')],
  ['the last chunk', response('HTTP/1.1 200 OK\ntransfer-encoding: chunked', '5\r\nhello\r\n')],
])('a response that is cut within %s is not whole', (_, bytes) => {
  expect(parse(bytes).complete).toBe(false);
});

test('where the bytes are cut makes no difference', () => {
  const text = fc.array(fc.string({ unit: 'binary', maxLength: 30 }), { maxLength: 5 });
  fc.assert(
    fc.property(text, fc.boolean(), fc.array(fc.nat(), { maxLength: 20 }), (pieces, chunked, cuts) => {
      const sizes = pieces
        .filter((piece) => piece !== '')
        .map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`);
      const body = Buffer.from(pieces.join(''));
      const bytes = chunked
        ? response('HTTP/1.1 200 OK\ntransfer-encoding: chunked', `${sizes.join('')}0\r\n\r\n`)
        : response(`HTTP/1.1 200 OK\ncontent-length: ${body.length}`, pieces.join(''));
      expect(parse(bytes, cuts)).toEqual({ status: 200, body: body.toString('utf8'), complete: true });
    }),
  );
});
