import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TerminalModes } from '../../src/terminal/terminal-modes.ts';

function undoOf(...pieces: readonly string[]): string {
  const modes = new TerminalModes();
  for (const piece of pieces) modes.see(Buffer.from(piece, 'utf8'));
  return modes.undo();
}

describe('TerminalModes', () => {
  test.each([
    ['nothing', 'plain text\r\n', '\u001b[0m'],
    ['colours alone', '\u001b[31mred', '\u001b[0m'],
    ['the other screen and a hidden cursor', '\u001b[?1049h\u001b[?25l', '\u001b[?25h\u001b[?1049l\u001b[0m'],
    ['what was undone already', '\u001b[?1049h\u001b[?25l\u001b[?25h\u001b[?1049l', '\u001b[0m'],
    ['several modes in one sequence', '\u001b[?1000;1006h', '\u001b[?1000l\u001b[?1006l\u001b[0m'],
    ['no wrapping', '\u001b[?7l', '\u001b[?7h\u001b[0m'],
    ['what only looks like one', '\u001b[?x1049h \u001b[4h \u001b]0;title\u0007', '\u001b[0m'],
  ])('undoes %s', (_, written, undone) => {
    expect(undoOf(written)).toBe(undone);
  });

  test('it does not matter where the output is cut', () => {
    const text = 'a\u001b[?1049hb\u001b[?25l\u001b\u001b[?1002;1006hé\u001b[?2004h\u001b[?1002l';
    const whole = undoOf(text);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        expect(undoOf(...at.slice(1).map((end, index) => text.slice(at[index], end)))).toBe(whole);
      }),
    );
  });

  test('an endless sequence is not held for ever', () => {
    const modes = new TerminalModes();
    modes.see(Buffer.from(`\u001b[?${'1'.repeat(500)}`));
    modes.see(Buffer.from('h\u001b[?25l'));
    expect(modes.undo()).toBe('\u001b[?25h\u001b[0m');
  });
});
