import { describe, expect, test } from 'vitest';
import { palette } from '../../src/words/colour.ts';
import { timelineText } from '../../src/words/timeline.ts';
import { displayWidth } from '../../src/words/width.ts';
import { timelineOf } from '../../src/cli/explain.ts';
import type { TimelineResponse, TimelineRow } from '../../src/core/api.ts';
import { NOW } from '../cli/fake.ts';

function row(service: string, more: Partial<TimelineRow>): TimelineRow {
  return { service, instance: `${service}.1`, wantedAt: NOW, waitedFor: [], critical: false, ...more };
}

const db = row('db', { startedAt: NOW, doneAt: NOW + 2_000, doneAs: 'ready', critical: true });
const api = row('api', {
  startedAt: NOW + 2_000,
  doneAt: NOW + 2_400,
  doneAs: 'running',
  critical: true,
  waitedFor: [{ service: 'db', condition: 'ready', until: NOW + 2_000 }],
});
const log = row('log', { startedAt: NOW, doneAt: NOW + 1, doneAs: 'running' });
const done: TimelineResponse = { beganAt: NOW, doneAt: NOW + 2_400, now: NOW + 90_000, rows: [log, db, api] };
const view = {
  names: new Map([
    ['db.1', 'db'],
    ['api.1', 'api'],
    ['log.1', 'log'],
  ]),
  width: 80,
  colours: palette(false),
};

describe('timelineText', () => {
  test('shows waits, what took how long, and what everything waited for', () => {
    expect(timelineText(done, view)).toBe(
      `3 instances, all settled after 2.4 s

       0                  2.4 s
  log  █                         running after 1 ms
* db   ████████████████████      ready after 2s
* api  ····················████  waited 2s for db (ready), running after 0.4 s

* critical path: db -> api, 2.4 s
`,
    );
  });

  test('never passes the width of the terminal, nor the bars their room', () => {
    for (const width of [20, 40, 60, 79, 120, 300]) {
      const lines = timelineText(done, { ...view, width }).split('\n');
      expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(width);
    }
  });

  test('says what is not settled yet, and does not let it squeeze the others', () => {
    const crash = row('crash', { startedAt: NOW + 100 });
    const web = row('web', {});
    const skipped = row('gone', { doneAt: NOW + 900, doneAs: 'skipped' });
    const { doneAt: _, ...rest } = done;
    const text = timelineText({ ...rest, rows: [db, crash, skipped, web] }, { ...view, width: undefined });
    expect(text.split('\n')[0]).toBe('2 of 4 instances settled within 2s');
    expect(text).toMatch(/crash\.1 {2}·{3}▒{57} {2}started 1m 29s ago\n/);
    expect(text).toMatch(/gone\.1 {3}·+ +skipped\n/);
    expect(text).toMatch(/web\.1 {4}·{60} {2}waiting for 1m 30s\n/);
  });

  test('says so where nothing was started', () => {
    expect(timelineText({ beganAt: NOW, now: NOW, rows: [] }, view)).toBe('nothing has been started yet\n');
  });
});

test('of one service, only what it waited for is shown, and no path that would be but a part', () => {
  expect(timelineOf(done, 'api').rows.map(({ service }) => service)).toEqual(['db', 'api']);
  const alone = timelineOf(done, 'log.1');
  expect([alone.rows.length, alone.doneAt]).toEqual([1, NOW + 1]);
  expect(timelineText(alone, view)).not.toContain('critical');
});
