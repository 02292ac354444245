import { describe, expect, test } from 'vitest';
import type { ManifestStatus } from '../../src/core/api.ts';
import { ACTION_NAMES, ACTIONS, DEFAULT_KEYMAP, isKeyName } from '../../src/tui/keymap.ts';
import { LONGEST_LINE, LogBuffer, MatchIndex } from '../../src/tui/log-buffer.ts';
import { parsePattern } from '../../src/tui/pattern.ts';
import { readSettings } from '../../src/tui/settings.ts';
import { shownBuffer, type State } from '../../src/tui/state.ts';
import { parseMoment } from '../../src/tui/time-of-day.ts';
import { update } from '../../src/tui/update.ts';
import {
  line,
  NOW,
  opened,
  press,
  project,
  RUNNING,
  screen,
  send,
  service,
  type,
  withLogs,
} from './fixture.ts';

process.env['TZ'] = 'UTC';

function effects(state: State, key: string): readonly unknown[] {
  return update(state, { type: 'key', key }).effects;
}

describe('keys', () => {
  test.each([
    ['s', { action: 'start', select: { names: ['api.1'], labels: [] }, withDependencies: true }],
    ['x', { action: 'stop', select: { names: ['api.1'], labels: [] } }],
    ['r', { action: 'restart', select: { names: ['api.1'], labels: [] } }],
    ['X', { action: 'kill', select: { names: ['api.1'], labels: [] }, signal: 'SIGKILL' }],
    ['+', { action: 'scale', service: 'api', replicas: 3 }],
    ['-', { action: 'scale', service: 'api', replicas: 1 }],
  ])('%s acts on the selected service', (key, request) => {
    expect(effects(opened(), key)).toEqual([expect.objectContaining({ type: 'act', request })]);
  });

  test('q with the lease brings the project down, then more and more impatiently; without it, it leaves', () => {
    let state = opened();
    for (const level of [0, 1, 2, 2]) {
      const step = update(state, { type: 'key', key: 'q' });
      expect(step.effects).toEqual([{ type: 'down', level }]);
      state = step.state;
    }
    expect(effects({ ...opened(), holdsLease: false }, 'q')).toEqual([{ type: 'leave' }]);
    expect(effects(opened(), 'd')).toEqual([{ type: 'leave' }]);
  });

  test('a question is answered before anything is done', () => {
    const asked = press(type(opened(), ':take-down'), 'enter');
    expect(screen(asked)).toContain('Stop the whole project?');
    expect(update(asked, { type: 'key', key: 'n' }).effects).toEqual([]);
    expect(update(asked, { type: 'key', key: 'y' }).effects).toEqual([{ type: 'down', level: 0 }]);
  });

  test('a signal is sent by its name, and what is none is refused', () => {
    const typed = type(press(opened(), 'S'), 'hup');
    expect(effects(typed, 'enter')).toEqual([
      expect.objectContaining({
        request: { action: 'kill', select: { names: ['api.1'], labels: [] }, signal: 'SIGHUP' },
      }),
    ]);
    expect(screen(press(type(press(opened(), 'S'), '1 2'), 'enter'))).toContain('a name such as HUP');
  });

  test('every action has a title, its keys have names, and no key stands for two of them', () => {
    const keys = ACTION_NAMES.flatMap((action) => [...ACTIONS[action].keys]);
    expect(keys.filter((key) => !isKeyName(key))).toEqual([]);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('the selection', () => {
  test('stays with its instance, and goes to a neighbour when that is gone', () => {
    const state = press(opened(), 'j', 'j');
    expect(state.selected).toBe('db.1');
    const without = project(project().services.filter(({ id }) => id !== 'db'));
    expect(send(state, { type: 'snapshot', snapshot: without, at: NOW }).selected).toBe('migrate.1');
    const added = project([service('aaa', RUNNING), ...project().services]);
    expect(send(state, { type: 'snapshot', snapshot: added, at: NOW }).selected).toBe('db.1');
    expect(send(state, { type: 'snapshot', snapshot: project([]), at: NOW }).selected).toBeUndefined();
  });

  test('a click selects what stands under it', () => {
    expect(send(opened(), { type: 'mouse', kind: 'click', x: 5, y: 4 }).selected).toBe('db.1');
  });
});

describe('logs', () => {
  test('follow until somebody scrolls, and again from the end on', () => {
    const many = send(opened(), {
      type: 'logs',
      lines: Array.from({ length: 200 }, (_, n) => line('db.1', `line ${n}`)),
    });
    expect(screen(many)).toContain('line 199');
    const up = press(many, 'tab', 'pageup');
    expect(screen(up)).not.toContain('line 199');
    const more = send(up, { type: 'logs', lines: [line('db.1', 'a new one')] });
    expect(screen(more)).toBe(screen(more).replace('a new one', ''));
    expect(screen(press(more, 'G'))).toContain('a new one');
    expect(screen(press(more, 'g'))).toContain('line 0 ');
  });

  test('are bounded, and what is dropped is counted and shown', () => {
    let state = opened();
    for (let n = 0; n < 11; n += 1)
      state = send(state, { type: 'logs', lines: Array.from({ length: 1_000 }, () => line('db.1', 'x')) });
    expect(state.merged.length).toBe(10_000);
    expect(screen(state)).toContain('1000 older dropped');
    const long = send(opened(), { type: 'logs', lines: [line('db.1', 'y'.repeat(1_000_000))] });
    expect(long.merged.at(0)?.text).toHaveLength(LONGEST_LINE);
    expect(long.merged.at(0)?.cut).toBe(1_000_000 - LONGEST_LINE);
  });

  test('a filter shows matching lines only, also those to come', () => {
    let state = press(type(press(withLogs(opened()), 'f'), 'GET|POST'), 'enter');
    const advance = (): unknown => state.logs.filter?.index.advance(() => false);
    advance();
    state = send(state, { type: 'logs', lines: [line('api.1', 'POST /x'), line('api.1', 'else')] });
    advance();
    expect(screen(state)).toContain('only /GET|POST/ (2)');
    expect(screen(state)).not.toContain('else');
    expect(screen(press(state, 'escape'))).toContain('else');
  });

  test('a search goes from match to match in both directions', () => {
    const lines = Array.from({ length: 300 }, (_, n) =>
      line('db.1', n % 100 === 50 ? `needle ${n}` : `hay ${n}`),
    );
    let state = press(type(press(send(opened(), { type: 'logs', lines }), '/'), 'needle'), 'enter');
    expect(screen(state)).toContain('needle 250');
    expect(screen(state)).toContain('/needle/ 3 of 3');
    state = press(state, 'N', 'N');
    expect(screen(state)).toContain('/needle/ 1 of 3');
    expect(screen(press(state, 'N'))).toContain('no older match');
    expect(screen(press(state, 'n'))).toContain('needle 150');
  });

  test('selected lines are copied as text', () => {
    const state = press(withLogs(opened()), 'v', 'k', 'k', 'k', 'k', 'k');
    const step = update(state, { type: 'key', key: 'y' });
    expect(step.effects).toEqual([
      {
        type: 'copy',
        text: expect.stringContaining(
          'database system is ready to accept connections\nGET /items 200 3 ms {ok,b}\n100 % built',
        ) as string,
      },
    ]);
    expect(step.state.logs.selection).toBeUndefined();
  });

  test('the previous run and a time are asked of the files', () => {
    expect(effects(opened(), 'b')).toEqual([
      expect.objectContaining({
        type: 'history',
        query: expect.objectContaining({
          previous: true,
          select: { names: ['api.1'], labels: [] },
        }) as unknown,
      }),
    ]);
    const asked = update(type(press(opened(), 'T'), '13:00'), { type: 'key', key: 'enter' });
    expect(asked.effects).toEqual([
      expect.objectContaining({
        type: 'history',
        query: expect.objectContaining({ since: Date.UTC(2026, 2, 1, 13) }) as unknown,
      }),
    ]);
    const into = shownBuffer(asked.state);
    const shown = send(asked.state, {
      type: 'history',
      into,
      lines: [line('db.1', 'from back then')],
      done: true,
    });
    expect(screen(shown)).toContain('from back then');
    expect(screen(press(shown, 'escape'))).not.toContain('from back then');
  });
});

test('a buffer keeps the numbers of its lines, whatever falls out', () => {
  const buffer = new LogBuffer(10, 1_000_000);
  const index = new MatchIndex(buffer, ({ text }) => Number(text) % 5 === 0);
  for (let n = 0; n < 5_000; n += 1)
    buffer.push({ time: n, instance: 'a.1', stream: 'stdout', text: String(n), cut: 0 });
  expect([buffer.first, buffer.end, buffer.dropped]).toEqual([4_990, 5_000, 4_990]);
  expect(buffer.at(4_995)?.text).toBe('4995');
  expect(buffer.at(4_989)).toBeUndefined();
  expect(index.advance(() => false)).toBe(true);
  expect(index.numbers).toEqual([4_990, 4_995]);
});

test('patterns are checked before they are used, and case counts where there are capitals', () => {
  expect(parsePattern('(a+)+$').ok).toBe(false);
  expect(parsePattern('[').ok).toBe(false);
  const [folded, exact] = [parsePattern('error'), parsePattern('Error')];
  expect(folded.ok && folded.value.ranges('an Error, error')).toEqual([
    [3, 8],
    [10, 15],
  ]);
  expect(exact.ok && [exact.value.matches('error'), exact.value.matches('Error')]).toEqual([false, true]);
});

test('moments are times of today, days, or spans ago', () => {
  expect(parseMoment('14:00', NOW)).toEqual({ ok: true, value: Date.UTC(2026, 2, 1, 14) });
  expect(parseMoment('15:00:30', NOW)).toEqual({ ok: true, value: Date.UTC(2026, 1, 28, 15, 0, 30) });
  expect(parseMoment('2026-02-03 04:05', NOW)).toEqual({ ok: true, value: Date.UTC(2026, 1, 3, 4, 5) });
  expect(parseMoment('5m', NOW)).toEqual({ ok: true, value: NOW - 300_000 });
  for (const bad of ['', '25:00', '2026-02-30 10:00', 'soon']) expect(parseMoment(bad, NOW).ok).toBe(false);
});

describe('settings', () => {
  test('remap keys, and a key that is taken leaves its action', () => {
    const { settings, problems } = readSettings(
      '{"keys": {"stop": ["s", "ctrl-x"]}, "theme": "light", "mouse": false}',
    );
    expect(problems).toEqual([]);
    expect([settings.keymap.get('s'), settings.keymap.get('ctrl-x'), settings.keymap.get('x')]).toEqual([
      'stop',
      'stop',
      undefined,
    ]);
    expect([settings.theme, settings.mouse]).toEqual(['light', false]);
  });

  test.each([
    ['{', /JSON/],
    ['[]', /not an object/],
    ['{"colour": 1}', /unknown setting "colour"/],
    ['{"keys": {"stpo": "x"}}', /no action "stpo"/],
    ['{"keys": {"stop": "hyper-x"}}', /"hyper-x" is no key/],
    ['{"keys": {"stop": "x", "kill": "x"}}', /given to stop as well/],
    ['{"keys": {"quit": []}}', /no key would be left/],
    ['{"mouse": "on"}', /mouse is true or false/],
    ['{"theme": "blue"}', /theme is/],
  ])('%s is told of, and the rest is used', (text, said) => {
    const { settings, problems } = readSettings(text);
    expect(problems.join('; ')).toMatch(said);
    expect([...settings.keymap.values()]).toContain('quit');
    expect(settings.keymap.get('r')).toBe(DEFAULT_KEYMAP.get('r'));
  });
});

test('an Escape right before a key is both, unless that key with Alt stands for something', () => {
  const alt = { type: 'key', key: 'alt-j', text: 'j' } as const;
  const state = press(withLogs(opened()), '?', 'tab');
  const after = send(state, alt);
  expect([after.view, after.selected]).toEqual(['logs', 'api.2']);
  const bound = send({ ...state, keymap: new Map([...state.keymap, ['alt-j', 'zoom']]) }, alt);
  expect([bound.view, bound.zoom]).toEqual(['help', true]);
});

describe('the first row says how what runs stands to the manifest', () => {
  const base = { state: 'in-sync', watched: true, errors: 0 } as const;
  const cases: readonly (readonly [string, ManifestStatus, RegExp])[] = [
    ['in sync', base, /setpoint\.yaml ✔ in sync {3}/],
    ['held edits', { ...base, review: true }, /✔ in sync review/],
    ['nobody watches', { ...base, watched: false }, /○ not watched/],
    ['errors', { ...base, state: 'invalid', errors: 2 }, /✖ 2 errors \(m\)/],
    [
      'a held change',
      { ...base, state: 'pending', pending: { start: 1, replace: 1, update: 0, stop: 0 } },
      /~ 2 changes \(p\)/,
    ],
    [
      'a change that was rolled back',
      { ...base, failed: [{ service: 'api', reason: { kind: 'text', text: 'exit 1' }, rolledBack: true }] },
      /✖ api rolled back/,
    ],
  ];
  test.each(cases)('%s', (_, manifest, said) => {
    const state = withLogs(opened(120, 24, { ...project(), manifest }));
    expect(screen(state).split('\n')[0]).toMatch(said);
  });
});

test('the problems are those that the daemon found, with the place of each', () => {
  const diagnostics = [
    {
      severity: 'error',
      code: 'unknown-key',
      message: 'unknown key `comand` in service `api`',
      labels: [
        {
          place: {
            file: '/shop/setpoint.yaml',
            line: 7,
            column: 5,
            endColumn: 11,
            source: '    comand: node server.js',
          },
          note: 'did you mean `command`?',
        },
      ],
    },
  ] as const;
  const manifest = { state: 'invalid', watched: true, errors: 3, diagnostics } as const;
  const text = screen(press(opened(120, 24, { ...project(), manifest }), 'm'));
  expect(text).toMatch(/error\[unknown-key\]: unknown key `comand` in service `api`/);
  expect(text).toMatch(/--> setpoint\.yaml:7:5/);
  expect(text).toMatch(/\^{6} did you mean `command`\?/);
  expect(text).toMatch(/2 more errors not shown here/);
});

test('a search that has no match above the lines on screen goes on to those below', () => {
  const state = press(withLogs(opened()), 'tab', 'g');
  const found = press(type(press(state, '/'), 'too long'), 'enter');
  expect(found.logs.search?.at).toBe(6);
});

test('lines that fit on the screen are not scrolled out of it', () => {
  const state = press(withLogs(opened()), 'tab', 'k', 'k');
  expect(screen(state)).toContain('listening on :8081');
  expect(screen(state)).toContain('too long for the pane');
});

test.each([
  [{ rolledBack: true }, 'web: the change was rolled back: exit 7'],
  [{ rolledBack: false }, 'web: the change failed: exit 7'],
  [{ rolledBack: false, kept: true }, 'web: the change was not taken up: exit 7'],
] as const)('a change that did not come up is said, with what came of it: %j', (outcome, text) => {
  const happening = {
    type: 'change-failed',
    reason: { kind: 'text', text: 'exit 7' },
    ...outcome,
    seq: 1,
    time: NOW,
    service: 'web',
  } as const;
  const state = send(opened(), { type: 'happening', happening, dropped: 0 });
  expect(state.notice).toMatchObject({ level: 'error', text });
});
