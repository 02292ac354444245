import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineMatcher } from '../../../src/core/util/line-match.ts';

function matches(source: string, line: string): boolean {
  const matcher = lineMatcher(source);
  if (!matcher.ok) throw new Error(matcher.error);
  return matcher.value.matches(line);
}

describe('a line matcher', () => {
  test.each([
    ['ready', 'now ready.', true],
    ['^ready', 'now ready', false],
    ['listening on .*:\\d+', 'listening on 127.0.0.1:80', true],
    ['.*ready.*', 'now ready.', true],
    ['.*?started.*?', 'it started', true],
    ['.*', '', true],
    ['a\\.*', 'b', false],
    ['a\\.*', 'a', true],
    ['a\\\\.*', 'a\\x', true],
    ['a\\\\.*', 'ax', false],
    ['^.*ready$', 'not ready yet', false],
    ['ready.*$', 'ready, set', true],
  ])('of /%s/ says of "%s": %s', (source, line, expected) => {
    expect(matches(source, line)).toBe(expected);
  });

  test('refuses what could take for ever', () => {
    expect(lineMatcher('(a+)+b')).toMatchObject({ ok: false });
    expect(lineMatcher('(')).toMatchObject({ ok: false });
  });

  test('finds a plain text, and one between wildcards, at the end of the longest line', () => {
    const line = `${'x'.repeat(65_000)} server ready on port 80`;
    expect(matches('ready on', line)).toBe(true);
    expect(matches('.*ready on.*', line)).toBe(true);
    expect(matches('server .* on port \\d+', line)).toBe(true);
  });

  test('agrees with the regular expression itself on lines of ordinary length', () => {
    const sources = [
      'a.*b',
      '.*ab.*',
      '^a+b',
      'a[^b]*b$',
      '(?:ab|ba).*',
      'a\\.*',
      '.*?a.?b',
      'a|b.*',
      '^b.*',
    ];
    const text = fc.array(fc.constantFrom('a', 'b', '.', ' ', '\u2028'), { maxLength: 60 });
    fc.assert(
      fc.property(fc.constantFrom(...sources), text, (source, units) => {
        const line = units.join('');
        expect(matches(source, line)).toBe(new RegExp(source, 'u').test(line));
      }),
    );
  });

  test('does not hang on lines made against it', () => {
    const lines = ['1', 'a', 'ab', 'foo bar ', ' '].map((unit) => unit.repeat(65_536 / unit.length));
    const sources = [
      '\\d+ ms',
      '.*a.*b.*c',
      'foo.*bar.*baz.*qux',
      '[ab]*[ab]*[ab]*x',
      '\\s*\\S*\\s*=$',
      'a.*b.*c.*d.*e',
    ];
    for (const source of sources) for (const line of lines) matches(source, line);
  });
});
