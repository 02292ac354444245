import type { DependencyCondition } from '../../src/core/event.ts';
import type { LogLine, ProjectSnapshot, ServiceSnapshot } from '../../src/core/api.ts';
import type { InstanceSnapshot } from '../../src/core/event.ts';
import type { InstanceState } from '../../src/core/state.ts';
import type { Message } from '../../src/tui/message.ts';
import { initialState, type State } from '../../src/tui/state.ts';
import { textOf } from '../../src/tui/text.ts';
import { themeOf } from '../../src/tui/theme.ts';
import { update } from '../../src/tui/update.ts';
import { frame } from '../../src/tui/views/frame.ts';

/** 2026-03-01 14:02:11.000 UTC. */
export const NOW = Date.UTC(2026, 2, 1, 14, 2, 11);

export function service(
  id: string,
  state: InstanceState,
  more: Partial<ServiceSnapshot & InstanceSnapshot> = {},
): ServiceSnapshot {
  const {
    restarts = 0,
    ports = {},
    lastCause,
    replicas = 1,
    labels = {},
    dependsOn = [],
    backend = 'native',
    input,
  } = more;
  const instances = Array.from({ length: replicas }, (_, index): InstanceSnapshot => ({
    id: `${id}.${index + 1}`,
    service: id,
    number: index + 1,
    wanted: 'up',
    state,
    restarts,
    ports,
    ...(lastCause === undefined ? {} : { lastCause }),
  }));
  return {
    id,
    labels,
    backend,
    backendReason: 'nothing asks for another backend',
    replicas,
    dependsOn,
    inManifest: true,
    instances,
    restart: 'on-failure',
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 60_000 },
    ...(input === undefined ? {} : { input }),
  };
}

export const RUNNING: InstanceState = { kind: 'running', run: 'r1', pid: 4711, since: NOW - 754_000 };
const READY: InstanceState = {
  ...RUNNING,
  readiness: { kind: 'ready', since: NOW - 750_000, tookMs: 300 },
};

function needs(id: string, condition: DependencyCondition = 'ready'): ServiceSnapshot['dependsOn'][number] {
  return { service: id, condition, required: true, onFailure: 'ignore' };
}

export function project(services: readonly ServiceSnapshot[] = SHOP): ProjectSnapshot {
  return {
    daemon: {
      version: '0.1.0',
      api: 1,
      pid: 99,
      startedAt: NOW - 800_000,
      project: 'shop',
      manifest: '/shop/setpoint.yaml',
      stateDir: '/state',
    },
    name: 'shop',
    dir: '/shop',
    files: ['/shop/setpoint.yaml'],
    services,
    inactive: [],
    revision: 1,
    phase: 'up',
    leased: false,
    now: NOW,
  };
}

const SHOP: readonly ServiceSnapshot[] = [
  service('api', READY, {
    replicas: 2,
    ports: { http: 8081 },
    dependsOn: [needs('db'), needs('migrate', 'completed')],
    labels: { tier: 'app' },
  }),
  service('db', READY, { ports: { '5432': 5432 }, backend: 'docker', labels: { tier: 'data' } }),
  service(
    'migrate',
    { kind: 'completed', exit: { kind: 'code', code: 0 }, at: NOW - 700_000 },
    { labels: { tier: 'data' } },
  ),
  service(
    'web',
    { ...RUNNING, since: NOW - 4_000, readiness: { kind: 'pending' } },
    { ports: { http: 3000 }, backend: 'nix', dependsOn: [needs('api')] },
  ),
  service(
    'worker',
    {
      kind: 'backoff',
      attempt: 2,
      since: NOW - 100,
      until: NOW + 1_900,
      delayMs: 2_000,
      exit: { kind: 'code', code: 1 },
      reason: { kind: 'text', text: 'exit 1' },
    },
    { restarts: 1, lastCause: "Cannot find module './queue'" },
  ),
];

export function line(instance: string, text: string, more: Partial<LogLine> = {}): LogLine {
  return {
    service: instance.replace(/\.\d+$/, ''),
    instance,
    stream: 'stdout',
    time: NOW - 1_000,
    at: 0,
    text,
    ...more,
  };
}

export function send(state: State, ...messages: readonly Message[]): State {
  return messages.reduce((before, message) => update(before, message).state, state);
}

export function press(state: State, ...keys: readonly string[]): State {
  return keys.reduce(
    (before, key) =>
      send(before, { type: 'key', key, ...(Array.from(key).length === 1 ? { text: key } : {}) }),
    state,
  );
}

/** What is typed, character by character. */
export function type(state: State, text: string): State {
  return press(state, ...Array.from(text));
}

export function opened(columns = 120, rows = 40, snapshot = project()): State {
  const theme = themeOf('dark', {});
  const state = initialState({ columns, rows, now: NOW, cwd: '/shop', holdsLease: true, theme });
  return send(state, { type: 'snapshot', snapshot, at: NOW });
}

export function withLogs(state: State): State {
  const stats = {
    at: NOW,
    instances: ['api.1', 'api.2', 'db.1', 'web.1'].map((instance, index) => ({
      service: instance.replace(/\.\d+$/, ''),
      instance,
      cpuPercent: [2.1, 1.9, 0.4, 11][index] ?? 0,
      cpuMs: 1,
      memoryBytes: (60 + index * 9) * 1024 * 1024,
      processes: 1,
      threads: 1,
      uptimeMs: 1,
    })),
    daemon: { cpuMs: 1, memoryBytes: 61 * 1024 * 1024, cpuPercent: 0.4 },
  };
  const lines = [
    line('api.1', 'listening on :8081'),
    line('db.1', '\u001b[32mdatabase system is ready\u001b[0m to accept connections'),
    line('api.1', 'GET /items 200 3 ms {ok,b}'),
    line('web.1', '10 %\r50 %\r100 % built'),
    line(
      'web.1',
      '\u001b]8;;https://example.invalid\u001b\\a link\u001b]8;;\u001b\\ and 漢字 and \u{1f468}\u200d\u{1f469} and \ud800',
    ),
    line('worker.1', "Error: Cannot find module './queue'", { stream: 'stderr' }),
    line('api.2', `a line that is too long for the pane ${'x'.repeat(300)}`),
  ];
  const plan = {
    diagnostics: [],
    plan: { project: 'shop', manifest: 'setpoint.yaml', serviceCount: 5, steps: [], order: [], drift: false },
  };
  return send(
    state,
    { type: 'stats', stats },
    { type: 'logs', lines },
    { type: 'planned', response: plan, applied: false },
  );
}

/** The screen as text, one line for each row, without spaces at their ends. */
export function screen(state: State): string {
  return `${frame(state)
    .rows.map((row) => textOf(row).trimEnd())
    .join('\n')}\n`;
}
