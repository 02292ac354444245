import { ClientError } from './client-error.ts';

/** Far above a snapshot of a thousand services. */
const LONGEST_LINE_BYTES = 32 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Decodes NDJSON. Lines are cut as bytes, so that no character is torn; empty ones are heartbeats and are skipped. */
export async function* jsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<unknown, void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end);
      const line = pending.length === 0 ? part : Buffer.concat([...pending, part]);
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.length > 0) yield decode(line);
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > LONGEST_LINE_BYTES) {
      throw new ClientError('bad-answer', `a line of the daemon is longer than ${LONGEST_LINE_BYTES} bytes`);
    }
  }
}

function decode(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch {
    throw new ClientError('bad-answer', 'a line of the daemon is not JSON');
  }
}
