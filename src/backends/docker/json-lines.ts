import { byteLines } from '../../core/util/byte-lines.ts';

const LIMITS = {
  /** Nothing the engine reports about progress is as long. */
  longestBytes: 4 * 1024 * 1024,
  tooLong: (): void => undefined,
  unfinished: 'keep',
} as const;

/** The JSON objects of a stream, one a line; what is none is passed over, and what is too long for a message. */
export async function* jsonLines(stream: AsyncIterable<unknown>): AsyncGenerator {
  for await (const line of byteLines(stream as AsyncIterable<Buffer>, LIMITS)) {
    try {
      yield JSON.parse(line);
    } catch {
      // Half a message, of an engine that broke off.
    }
  }
}

/** Closes a stream of the engine's: the package's types call it by an interface that leaves that out. */
export function destroy(stream: NodeJS.ReadableStream): void {
  (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
}
