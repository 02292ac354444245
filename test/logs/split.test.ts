import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LONGEST_PIECE_BYTES, splitLines } from '../../src/logs/split.ts';

interface Taken {
  text: string;
  start: number;
  partial: boolean;
}

function split(bytes: Buffer, final: boolean): { taken: Taken[]; used: number } {
  const taken: Taken[] = [];
  const used = splitLines(bytes, final, (text, start, partial) => taken.push({ text, start, partial }));
  return { taken, used };
}

/** Text as a reader puts it together again. */
function joined(taken: readonly Taken[]): string {
  return taken.map(({ text, partial }) => (partial ? text : `${text}\n`)).join('');
}

describe('splitting', () => {
  it.each([
    ['', [], ''],
    ['a\nb\n', ['a', 'b'], ''],
    ['a\n\n\nb', ['a', '', ''], 'b'],
    ['a\r\nb\r\r\n\r\n', ['a', 'b\r', ''], ''],
    ['10%\r50%\r100%\n', ['10%\r50%\r100%'], ''],
    ['é\n漢字\n👩‍🚀', ['é', '漢字'], '👩‍🚀'],
    ['\u001b[31mred\u001b[0m\n', ['\u001b[31mred\u001b[0m'], ''],
  ])('cuts %j', (input, lines, rest) => {
    const bytes = Buffer.from(input);
    const { taken, used } = split(bytes, false);
    expect(taken.map(({ text }) => text)).toEqual(lines);
    expect(bytes.subarray(used).toString()).toBe(rest);
    expect(split(bytes, true).taken.map(({ text }) => text)).toEqual(rest === '' ? lines : [...lines, rest]);
  });

  it('tells where each line begins, in bytes', () => {
    for (const text of ['ab\nc\r\n\nd\n', 'ä\nc\r\n\nd\n']) {
      const bytes = Buffer.from(text);
      for (const { text: line, start } of split(bytes, false).taken) {
        expect(bytes.subarray(start).toString().startsWith(line)).toBe(true);
        expect(start === 0 || bytes[start - 1] === 10).toBe(true);
      }
    }
  });

  it.each([
    ['alone', [0xff, 0x0a], ['\ufffd']],
    ['cut short', [0xe2, 0x82, 0x0a, 0x61, 0x0a], ['\ufffd', 'a']],
    ['after a letter', [0x61, 0xc3, 0x0a], ['a\ufffd']],
    ['beside valid', [0xc3, 0xa9, 0x80, 0x0a], ['é\ufffd']],
  ])('replaces invalid UTF-8: %s', (_, bytes, lines) => {
    expect(split(Buffer.from(bytes), false).taken.map(({ text }) => text)).toEqual(lines);
  });

  it.each(['x', 'é', '漢', '😀'])('hands a long line of %s on in pieces that cut no character', (letter) => {
    const text = `a${letter.repeat(300_000)}`;
    for (const end of ['\n', '']) {
      const { taken } = split(Buffer.from(text + end), true);
      expect(taken.length).toBeGreaterThan(4);
      expect(taken.map(({ partial }) => partial)).toEqual(taken.map((_, i) => i < taken.length - 1));
      expect(taken.every((piece) => Buffer.byteLength(piece.text) <= LONGEST_PIECE_BYTES)).toBe(true);
      expect(joined(taken)).toBe(`${text}\n`);
    }
  });

  it('keeps at most one piece of a line that is not finished', () => {
    const bytes = Buffer.alloc(1_000_000, 'x');
    const { taken, used } = split(bytes, false);
    expect(taken.every(({ partial }) => partial)).toBe(true);
    expect(bytes.length - used).toBeLessThanOrEqual(LONGEST_PIECE_BYTES);
    expect(bytes.length - used).toBeGreaterThan(0);
  });

  it('gives the same lines however the bytes are cut into chunks', () => {
    const chunks = fc.array(
      fc.oneof(
        fc.constantFrom('\n', '\r\n', '\r', 'é', '漢', '😀', 'plain text').map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
      ),
    );
    fc.assert(
      fc.property(chunks, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (parts, sizes) => {
        const all = Buffer.concat(parts);
        const whole = split(all, true).taken;
        const taken: Taken[] = [];
        let rest = Buffer.alloc(0);
        let at = 0;
        let base = 0;
        while (at < all.length) {
          const next = Math.min(all.length, at + (sizes.next().value as number));
          const bytes = Buffer.concat([rest, all.subarray(at, next)]);
          at = next;
          const from = base;
          const used = splitLines(bytes, at === all.length, (text, start, partial) =>
            taken.push({ text, start: from + start, partial }),
          );
          base += used;
          rest = Buffer.from(bytes.subarray(used));
        }
        expect(taken).toEqual(whole);
      }),
    );
  });
});
