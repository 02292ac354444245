import { byteLines } from '../core/util/byte-lines.ts';
import { ClientError } from './client-error.ts';

/** Far above a snapshot of a thousand services. */
const LONGEST_LINE_BYTES = 32 * 1024 * 1024;

const LIMITS = {
  longestBytes: LONGEST_LINE_BYTES,
  tooLong: (): never => {
    throw new ClientError('bad-answer', `a line of the daemon is longer than ${LONGEST_LINE_BYTES} bytes`);
  },
  unfinished: 'drop',
} as const;

/** Decodes the daemon's NDJSON. Empty lines are heartbeats and are passed over; a line that broke off is dropped. */
export async function* jsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<unknown, void> {
  for await (const line of byteLines(chunks, LIMITS)) yield decode(line);
}

function decode(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new ClientError('bad-answer', 'a line of the daemon is not JSON');
  }
}
