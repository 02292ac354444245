import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonErrorOffset } from '../../../src/daemon/api/json-offset.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test.each([
  ['', 0],
  ['{"a": }', 6],
  ['{"a" 1}', 5],
  ['{,}', 1],
  ['{"a": 1,}', 8],
  ['[1, 2', 5],
  ['[1 2]', 3],
  ['01', 1],
  ['-', 0],
  ['"a\nb"', 2],
  ['"\\x"', 1],
  ['"\\u12"', 1],
  ['truE', 0],
  ['1 1', 2],
  ['{"a": 1}]', 8],
  ['[}', 1],
  [' nul', 1],
])('%j goes wrong at %i', (text, offset) => {
  expect(jsonErrorOffset(text)).toBe(offset);
});

test('there is an offset for exactly the texts that are not JSON', () => {
  const mangled = fc.tuple(
    fc.json(),
    fc.nat(),
    fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', '0', '-', 'e', '.', '\n', '\u0001'),
    fc.nat(2),
  );
  fc.assert(
    fc.property(mangled, ([text, at, insert, remove]) => {
      const cut = at % (text.length + 1);
      const broken = text.slice(0, cut) + insert + text.slice(cut + remove);
      expect(jsonErrorOffset(broken) === undefined).toBe(isJson(broken));
    }),
    { numRuns: 5000 },
  );
});

test('depth is no danger', () => {
  expect(jsonErrorOffset('['.repeat(2_000_000))).toBe(2_000_000);
});
