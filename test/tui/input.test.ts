import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputSplitter, type Token } from '../../src/tui/input.ts';

function take(...pieces: readonly string[]): readonly string[] {
  const splitter = new InputSplitter();
  const tokens: Token[] = pieces.flatMap((piece) => splitter.take(piece));
  tokens.push(...splitter.flush());
  return tokens.map((token) =>
    token.kind === 'paste' ? `paste:${token.text}` : `${token.kind}:${token.data}`,
  );
}

test.each([
  [['abc'], ['key:a', 'key:b', 'key:c']],
  [['\u001b[A\u001b[Bj'], ['key:\u001b[A', 'key:\u001b[B', 'key:j']],
  [['\u001b', '[', 'A'], ['key:\u001b[A']],
  [['\u001b'], ['key:\u001b']],
  [['\u001b', 'x'], ['key:\u001bx']],
  [['\u001bOP\u001b[15~\u001b[1;5C'], ['key:\u001bOP', 'key:\u001b[15~', 'key:\u001b[1;5C']],
  [['\u001b[<0;10;20Mq'], ['mouse:\u001b[<0;10;20M', 'key:q']],
  [
    ['\u001b[200~ab\ncd\u001b[2', '01~x'],
    ['paste:ab\ncd', 'key:x'],
  ],
  [['é漢\u{1f600}'], ['key:é', 'key:漢', 'key:\u{1f600}']],
])('%j holds %j', (pieces, tokens) => {
  expect(take(...pieces)).toEqual(tokens);
});

test('nothing that is typed is lost or hangs, however it is cut', () => {
  const part = fc.constantFrom('a', '\u001b', '[', 'A', '~', '5', ';', 'O', '<', 'M', '漢');
  fc.assert(
    fc.property(fc.array(fc.array(part).map((parts) => parts.join(''))), (pieces) => {
      const said = take(...pieces)
        .map((token) => token.replace(/^\w+:/, ''))
        .join('');
      expect(said.replaceAll('\u001b', '')).toBe(pieces.join('').replaceAll('\u001b', ''));
    }),
  );
});
