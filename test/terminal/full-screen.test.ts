import { expect, test } from 'vitest';
import { FullScreen } from '../../src/terminal/full-screen.ts';

test('paints what changed, all of it after a change of size, and leaves what was there before', () => {
  const written: string[] = [];
  const screen = new FullScreen((text) => written.push(text));
  const size = { columns: 10, rows: 3 };
  screen.leave();
  screen.paint(['one', 'two'], size);
  screen.paint(['one', 'two'], size);
  screen.paint(['one', 'TWO', '0123456789', 'too much'], size);
  screen.paint(['one'], { columns: 8, rows: 3 });
  screen.leave();
  screen.leave();
  expect(written).toEqual([
    '\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J\u001b[1;1Hone\u001b[K\u001b[2;1Htwo\u001b[K',
    '\u001b[2;1HTWO\u001b[K\u001b[3;1H0123456789',
    '\u001b[2J\u001b[1;1Hone\u001b[K',
    '\u001b[?25h\u001b[?1049l',
  ]);
});
