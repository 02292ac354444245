import { describe, expect, test } from 'vitest';
import type { ExplainResponse, ProjectSnapshot } from '../../src/core/api.ts';
import type { InstanceSnapshot } from '../../src/core/event.ts';
import type { State } from '../../src/tui/state.ts';
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
  details: (columns: number, rows: number) => explained(withLogs(opened(columns, rows))),
  held: (columns: number, rows: number) => press(withLogs(opened(columns, rows, held())), 'p'),
  problems: (columns: number, rows: number) => press(withLogs(opened(columns, rows, broken())), 'm'),
  probed: (columns: number, rows: number) => withLogs(opened(columns, rows, probed())),
  containers: (columns: number, rows: number) => withLogs(opened(columns, rows, containers())),
  'container-details': (columns: number, rows: number) =>
    containerExplained(withLogs(opened(columns, rows, containers()))),
  'kept-change': (columns: number, rows: number) => press(withLogs(opened(columns, rows, containers())), 'm'),
  palette: (columns: number, rows: number) => type(withLogs(opened(columns, rows)), ':log'),
  'wrapped-search': (columns: number, rows: number) =>
    press(type(press(withLogs(opened(columns, rows)), 'w'), '/a l'), 'enter'),
};

function held(): ProjectSnapshot {
  const pending = { start: 0, replace: 1, update: 1, stop: 0 };
  return { ...project(), manifest: { state: 'pending', watched: true, review: true, errors: 0, pending } };
}

function broken(): ProjectSnapshot {
  const source = '    comand: node server.js';
  const place = { file: '/shop/setpoint.yaml', line: 7, column: 5, endColumn: 11, source };
  const diagnostics = [
    {
      severity: 'error',
      code: 'unknown-key',
      message: 'unknown key `comand` in service `api`',
      labels: [{ place, note: 'did you mean `command`?' }],
    },
  ] as const;
  return { ...project(), manifest: { state: 'invalid', watched: true, errors: 1, diagnostics } };
}

/** Two services with probes: the one is well, the other has failed twice of three times. */
function probed(): ProjectSnapshot {
  const all = project();
  const looks = { db: [true, 4], web: [false, 2] } as const;
  const services = all.services.map((service) => {
    if (service.id !== 'db' && service.id !== 'web') return service;
    const [ok, inARow] = looks[service.id];
    const last = { ok, at: NOW, tookMs: 3, output: ok ? '200 OK' : '503 Service Unavailable' };
    const ready = { what: 'http http://127.0.0.1:3000/', last, inARow, retries: 3 };
    return { ...service, instances: service.instances.map((one) => ({ ...one, ready })) };
  });
  return { ...all, services };
}

/** One being pulled for, one being replaced, one whose engine is silent, and one that was not replaced. */
function containers(): ProjectSnapshot {
  const all = project();
  const starting = { kind: 'starting', run: 'r2', since: NOW - 9_000 } as const;
  const more: Readonly<Record<string, Partial<InstanceSnapshot>>> = {
    'api.1': { replacing: true, progress: 'building api: step 3 of 7' },
    db: { unknown: 'the engine at unix:///run/docker.sock does not answer' },
    web: { state: starting, progress: 'pulling nginx:1.29 45 %' },
  };
  const services = all.services.map((service) => ({
    ...service,
    ...(service.id in { api: 1, db: 1, web: 1 }
      ? { backend: 'docker', backendReason: 'it has an image' }
      : {}),
    instances: service.instances.map((one) => ({ ...one, ...(more[one.id] ?? more[one.service]) })),
  }));
  const text = 'what it needs could not be brought about: pull of worker:2 failed: no such tag';
  const reason = { kind: 'text', text } as const;
  const failed = [{ service: 'worker', reason, rolledBack: false, kept: true }] as const;
  return { ...all, services, manifest: { state: 'in-sync', watched: true, errors: 0, failed } };
}

function containerExplained(state: State): State {
  const service = state.snapshot?.services.find(({ id }) => id === 'db');
  if (service === undefined) throw new Error('there is no db');
  const answer: ExplainResponse = {
    service,
    asked: service.instances.map(({ id }) => id),
    now: NOW,
    history: [],
    dependencies: [],
    dependents: ['api'],
    instances: [
      {
        instance: 'db.1',
        launch: {
          backend: 'docker',
          'docker.image': '"postgres:16"',
          'mounts./etc/db.conf': '"bind /shop/db.conf, read-only"',
          'mounts./var/lib/postgresql/data': '"volume data"',
        },
        processes: [],
      },
    ],
  };
  return send(press(state, 'down', 'down', 'e'), { type: 'explained', service: 'db', answer });
}

function explained(state: State): State {
  const service = state.snapshot?.services.find(({ id }) => id === 'api');
  if (service === undefined) throw new Error('there is no api');
  const exit = { kind: 'code', code: 1 } as const;
  const answer: ExplainResponse = {
    service,
    asked: service.instances.map(({ id }) => id),
    now: NOW,
    history: [],
    dependencies: [
      { service: 'db', condition: 'ready', required: true, onFailure: 'ignore', now: ['running'] },
    ],
    dependents: ['web'],
    instances: [
      {
        instance: 'api.1',
        launch: {
          backend: 'native',
          command: '["node", "server.js"]',
          cwd: '"/shop"',
          'env.API_TOKEN': '***',
          'env.PORT': '"8081"',
        },
        processes: [
          { pid: 4711, command: 'node server.js' },
          { pid: 4712, parent: 4711, command: 'node pool.js' },
          { pid: 4713, parent: 4711, command: 'sh -c "{ok,b}"' },
        ],
      },
    ],
    ends: [
      {
        type: 'instance-exited',
        seq: 1,
        time: NOW - 60_000,
        service: 'api',
        instance: 'api.1',
        run: 'r0',
        exit,
        ranMs: 4_000,
        cause: 'EADDRINUSE',
      },
    ],
  };
  return send(press(state, 'e'), { type: 'explained', service: 'api', answer });
}

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
              cause: { kind: 'text', of: 'user', text: 'q' },
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
