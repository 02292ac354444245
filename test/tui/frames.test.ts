import { describe, expect, test } from 'vitest';
import { frame } from '../../src/tui/views/frame.ts';
import { rowWidth } from '../../src/tui/text.ts';
import { NOW, opened, press, project, screen, send, type, withLogs } from './fixture.ts';

process.env['TZ'] = 'UTC';

const SIZES = [
  [80, 24],
  [120, 40],
  [200, 60],
] as const;

const SCENES = {
  all: (columns: number, rows: number) => withLogs(opened(columns, rows)),
  'one-service': (columns: number, rows: number) => press(withLogs(opened(columns, rows)), 'G', 'enter'),
  help: (columns: number, rows: number) => press(withLogs(opened(columns, rows)), '?'),
  tree: (columns: number, rows: number) => press(withLogs(opened(columns, rows)), 'o', 'o', 'o', 'D'),
  palette: (columns: number, rows: number) => type(withLogs(opened(columns, rows)), ':log'),
  'wrapped-search': (columns: number, rows: number) =>
    press(type(press(withLogs(opened(columns, rows)), 'w'), '/a l'), 'enter'),
};

describe.each(SIZES)('frames of %d by %d', (columns, rows) => {
  test.each(Object.entries(SCENES))('%s', async (name, scene) => {
    const state = scene(columns, rows);
    const shown = frame(state).rows;
    expect(shown).toHaveLength(rows);
    expect(shown.map((row) => rowWidth(row)).filter((width) => width !== columns)).toEqual([]);
    await expect(screen(state)).toMatchFileSnapshot(`frames/${name}-${columns}x${rows}.txt`);
  });
});

test('a shutdown shows who has stopped, who has not and who waits, with the time that is left', () => {
  const before = withLogs(opened(120, 24));
  const snapshot = project();
  const services = snapshot.services.map((service) => ({
    ...service,
    instances: service.instances.map((instance) =>
      instance.id === 'web.1'
        ? {
            ...instance,
            state: {
              kind: 'stopping',
              run: 'r1',
              pid: 7,
              since: NOW,
              deadline: NOW + 7_000,
              then: 'stopped',
              escalated: false,
              reason: 'q',
            } as const,
          }
        : instance,
    ),
  }));
  const shutdown = { reason: 'q in the TUI', deadline: NOW + 60_000, level: 0 };
  const state = send(before, {
    type: 'snapshot',
    snapshot: { ...snapshot, services, phase: 'shutting-down', shutdown },
    at: NOW,
  });
  const text = screen(state);
  expect(text).toMatch(/Stopping {2}q in the TUI; what is left in 1m is killed/);
  expect(text).toMatch(/◑ web +asked to stop, 7 s left/);
  expect(text).toMatch(/○ api\.1 +waits for web/);
  expect(text).toMatch(/✔ worker +was not running/);
});

test('any size has a frame of just that size', () => {
  const state = withLogs(opened());
  for (let columns = 1; columns <= 130; columns += 3) {
    for (const rows of [1, 2, 5, 8, 9, 13, 24]) {
      const shown = frame(send(state, { type: 'resize', columns, rows })).rows;
      expect(shown).toHaveLength(rows);
      expect(new Set(shown.map((row) => rowWidth(row)))).toEqual(new Set([columns]));
    }
  }
});
