import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/words/width.ts';
import {
  ansi,
  clip,
  fit,
  foreign,
  foreignText,
  restyled,
  rowWidth,
  span,
  textOf,
  wrap,
} from '../../src/tui/text.ts';

describe('foreign text', () => {
  test.each([
    ['plain', 'plain'],
    ['{ok,b} {/} {red-fg}', '{ok,b} {/} {red-fg}'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\u001b[2J\u001b[H\u001b[?1049hgone', 'gone'],
    ['\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['\u001b]0;title\u0007after', 'after'],
    ['\u001bPq#0\u001b\\after', 'after'],
    ['\u009b31mcsi of eight bits', 'csi of eight bits'],
    ['10 %\r50 %\r100 %', '100 %'],
    ['done\r', 'done'],
    ['\r\r', ''],
    ['a\tb', 'a       b'],
    ['漢\tb', '漢      b'],
    ['a\bb', 'b'],
    ['bell\u0007 nul\u0000 del\u007f', 'bell nul del'],
    ['\u202egnol\u202c', 'gnol'],
    ['zero\u200bwidth\ufeff', 'zerowidth'],
    ['half \ud83d', 'half \ufffd'],
    ['half \ude00', 'half \ufffd'],
    ['\u{1f600}', '\u{1f600}'],
    ['\u{1f468}\u200d\u{1f469}\u200d\u{1f467} family', '\u25a1 family'],
    ['\u2764\ufe0f heart', '\u25a1 heart'],
    ['\u{1f1e9}\u{1f1ea} flag', '\u25a1 flag'],
    ['\u0301leading mark', 'leading mark'],
    ['e\u0301\u0301\u0301\u0301', 'e\u0301\u0301'],
    ['\u001b', ''],
    ['\u001b[', ''],
  ])('%j is shown as %j', (text, shown) => {
    expect(foreignText(text)).toBe(shown);
  });

  test('colours are kept as styles, blinking is not', () => {
    expect(foreign('\u001b[1;5;38;5;12mx\u001b[22;39my\u001b[48;2;1;2;3mz\u001b[m.')).toEqual([
      span('x', '1;38;5;12'),
      span('y'),
      span('z', '48;2;1;2;3'),
      span('.'),
    ]);
    expect(foreign('\u001b[31mx', false)).toEqual([span('x')]);
  });

  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({
      unit: fc.constantFrom(
        '\u001b',
        '[',
        ']',
        'P',
        '3',
        ';',
        'm',
        'K',
        '\u0007',
        '\\',
        '\r',
        '\t',
        '\b',
        '漢',
        '\u0301',
        '\u200d',
        '\u{1f468}',
        '\ud83d',
        'x',
      ),
    }),
  );

  test('whatever it is, nothing is left that a terminal would act upon', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(foreignText(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });

  test('a row that is fitted is as wide as it is meant to be, wherever it begins', () => {
    fc.assert(
      fc.property(
        nasty,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 30 }),
        (text, width, from) => {
          expect(rowWidth(fit(clip(foreign(text), width, from), width))).toBe(width);
          expect(rowWidth(fit(foreign(text), width))).toBe(width);
        },
      ),
    );
  });

  test('wrapping loses nothing, and no row is wider than allowed', () => {
    fc.assert(
      fc.property(nasty, fc.integer({ min: 2, max: 40 }), (text, width) => {
        const row = foreign(text);
        const rows = wrap(row, width);
        expect(rows.map(textOf).join('')).toBe(textOf(row));
        expect(Math.max(...rows.map(rowWidth))).toBeLessThanOrEqual(width);
      }),
    );
  });

  test('a line of a megabyte takes no more than moments', () => {
    expect(foreignText('x'.repeat(1_000_000))).toHaveLength(1_000_000);
    expect(displayWidth(foreignText('\u001b[31m'.repeat(200_000)))).toBe(0);
  });
});

test('what is cut off is marked, and a wide character is never halved', () => {
  expect(textOf(clip([span('abcdef')], 4))).toBe('abc…');
  expect(textOf(clip([span('漢字漢字')], 4))).toBe('漢 …');
  expect(textOf(clip([span('漢字')], 3, 1))).toBe(' 字');
});

test('parts of a row get another style', () => {
  expect(restyled([span('ab', '1'), span('cd')], [[1, 3]], '7')).toEqual([
    span('a', '1'),
    span('b', '1;7'),
    span('c', '7'),
    span('d'),
  ]);
});

test('a row written to a terminal ends without a style', () => {
  expect(ansi([span('a'), span('b', '31'), span('c', '31'), span('d')])).toBe('a\u001b[31mbc\u001b[0md');
  expect(ansi([span('b', '31')])).toBe('\u001b[31mb\u001b[0m');
});
