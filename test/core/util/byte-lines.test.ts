import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteLines } from '../../../src/core/util/byte-lines.ts';

// eslint-disable-next-line @typescript-eslint/require-await
async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

async function linesOf(
  chunks: AsyncIterable<Uint8Array>,
  unfinished: 'keep' | 'drop',
  longestBytes = 1_000,
): Promise<{ readonly lines: readonly string[]; readonly dropped: number }> {
  let dropped = 0;
  const lines: string[] = [];
  for await (const line of byteLines(chunks, { longestBytes, tooLong: () => (dropped += 1), unfinished }))
    lines.push(line);
  return { lines, dropped };
}

describe('lines of a stream of bytes', () => {
  it('are the same however the bytes are cut, and no character is torn', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀') })),
        fc.array(fc.nat({ max: 5 })),
        async (lines, sizes) => {
          const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));
          const { lines: cut } = await linesOf(chunksOf(bytes, sizes), 'drop');
          expect(cut).toEqual(lines.filter((line) => line !== ''));
        },
      ),
    );
  });

  it('end with what follows the last newline only where that is wanted', async () => {
    const bytes = new TextEncoder().encode('one\ntw€');
    expect((await linesOf(chunksOf(bytes, [3, 4]), 'keep')).lines).toEqual(['one', 'tw€']);
    expect((await linesOf(chunksOf(bytes, [3, 4]), 'drop')).lines).toEqual(['one']);
  });

  it('are not kept beyond the longest: it is said, and the next one is whole', async () => {
    const bytes = new TextEncoder().encode(`${'x'.repeat(30)}\nnext\n`);
    const { lines, dropped } = await linesOf(chunksOf(bytes, [10, 10, 10]), 'drop', 25);
    expect(dropped).toBe(1);
    expect(lines).toEqual(['next']);
  });
});
