const NEWLINE = 0x0a;

interface LineLimits {
  readonly longestBytes: number;
  /** Called for a line that is longer, of which nothing is kept; may throw. */
  readonly tooLong: () => void;
  /** Whether what follows the last newline is a line, too. */
  readonly unfinished: 'keep' | 'drop';
}

/** The lines of a stream of UTF-8, cut as bytes so that no character is torn. Empty ones are passed over. */
export async function* byteLines(
  chunks: AsyncIterable<Uint8Array>,
  { longestBytes, tooLong, unfinished }: LineLimits,
): AsyncGenerator<string, void> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  const take = (part: Uint8Array): string => {
    const decoder = new TextDecoder();
    const head = pending.map((piece) => decoder.decode(piece, { stream: true })).join('');
    pending = [];
    pendingBytes = 0;
    return head + decoder.decode(part);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = take(chunk.subarray(start, end));
      start = end + 1;
      if (line !== '') yield line;
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > longestBytes) {
      pending = [];
      pendingBytes = 0;
      tooLong();
    }
  }
  if (unfinished === 'keep' && pendingBytes > 0) yield take(new Uint8Array());
}
