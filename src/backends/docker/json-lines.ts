/** A message longer than this is passed over: nothing the engine reports about progress is. */
const LONGEST_MESSAGE_BYTES = 4 * 1024 * 1024;

/** The JSON objects of a stream, one a line; what is none is passed over. */
export async function* jsonLines(stream: AsyncIterable<unknown>): AsyncGenerator {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    rest += decoder.decode(chunk as Buffer, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_MESSAGE_BYTES) rest = '';
    for (const line of lines) yield* parsed(line);
  }
  yield* parsed(rest);
}

function* parsed(line: string): Generator {
  if (line.trim() === '') return;
  try {
    yield JSON.parse(line);
  } catch {
    // Half a message, of an engine that broke off.
  }
}

/** Closes a stream of the engine's: the package's types call it by an interface that leaves that out. */
export function destroy(stream: NodeJS.ReadableStream): void {
  (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
}
