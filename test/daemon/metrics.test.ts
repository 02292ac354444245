import { describe, expect, test } from 'vitest';
import type { ProjectSnapshot, StatsResponse } from '../../src/core/api.ts';
import type { InstanceSnapshot } from '../../src/core/event.ts';
import type { InstanceState } from '../../src/core/state.ts';
import { renderMetrics } from '../../src/daemon/metrics.ts';

const STATS: StatsResponse = {
  at: 1_700_000_001_000,
  instances: [],
  daemon: { cpuMs: 1250, memoryBytes: 50_000_000, openFiles: 21 },
};

function instance(
  number: number,
  state: InstanceState,
  more: Partial<InstanceSnapshot> = {},
): InstanceSnapshot {
  const id = `web.${number}`;
  return { id, service: 'web', number, wanted: 'up', state, restarts: 0, ports: {}, ...more };
}

function project(instances: readonly InstanceSnapshot[], version = '0.1.0'): ProjectSnapshot {
  return {
    daemon: {
      version,
      api: 1,
      pid: 1,
      startedAt: 1_700_000_000_500,
      project: 'shop',
      manifest: '/m',
      stateDir: '/s',
    },
    name: 'shop',
    dir: '/d',
    files: [],
    services: [
      {
        id: 'web',
        labels: {},
        backend: 'native',
        backendReason: 'r',
        replicas: instances.length,
        dependsOn: [],
        inManifest: true,
        instances,
        restart: 'always',
        backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 60_000 },
      },
    ],
    inactive: [],
    revision: 1,
    phase: 'up',
    leased: false,
    now: 1,
  };
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text format, version 0.0.4, as strictly as its description has it. */
function parse(text: string): { samples: Sample[]; help: Map<string, string>; type: Map<string, string> } {
  const samples: Sample[] = [];
  const help = new Map<string, string>();
  const type = new Map<string, string>();
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (comment !== null) {
      (comment[1] === 'HELP' ? help : type).set(comment[2] ?? '', comment[3] ?? '');
      continue;
    }
    const sample = /^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+)$/.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const labels = Object.fromEntries(
      [...(sample[2] ?? '').matchAll(/([a-z]+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [
        m[1] ?? '',
        (m[2] ?? '').replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)),
      ]),
    );
    samples.push({ name: sample[1] ?? '', labels, value: Number(sample[3]) });
  }
  return { samples, help, type };
}

async function rendered(snapshot: ProjectSnapshot, stats = STATS): Promise<ReturnType<typeof parse>> {
  return parse((await renderMetrics(snapshot, stats)).text);
}

const exit = { kind: 'code', code: 3 } as const;
const live = { kind: 'running', run: 'r', pid: 1, since: 1_700_000_000_250 } as const;
/** What each state is called, and whether it is up and ready. */
const states: readonly (readonly [string, InstanceState, number, number])[] = [
  ['stopped', { kind: 'stopped' }, 0, 0],
  ['waiting', { kind: 'waiting', since: 1, on: [] }, 0, 0],
  ['starting', { kind: 'starting', run: 'r', since: 1 }, 0, 0],
  ['running', live, 1, 1],
  ['unready', { ...live, readiness: { kind: 'pending' } }, 1, 0],
  ['ready', { ...live, readiness: { kind: 'ready', since: 1, tookMs: 1 } }, 1, 1],
  ['unready', { ...live, readiness: { kind: 'lost', since: 1, reason: { kind: 'text', text: 'r' } } }, 1, 0],
  [
    'backoff',
    {
      kind: 'backoff',
      attempt: 1,
      since: 1,
      until: 2,
      delayMs: 1,
      exit,
      reason: { kind: 'text', text: 'r' },
    },
    0,
    0,
  ],
  [
    'stopping',
    {
      kind: 'stopping',
      run: 'r',
      since: 1,
      deadline: 2,
      then: 'stopped',
      escalated: false,
      cause: { kind: 'added' },
    },
    0,
    0,
  ],
  ['completed', { kind: 'completed', exit, at: 1 }, 0, 0],
  ['failed', { kind: 'failed', exit, reason: { kind: 'text', text: 'r' }, at: 1 }, 0, 0],
  ['scheduled', { kind: 'scheduled', since: 1 }, 0, 0],
  ['skipped', { kind: 'skipped', reason: { kind: 'text', text: 'r' } }, 0, 0],
];

describe('metrics', () => {
  test.each(states)('%s is one of the states, and the only one', async (name, state, up, ready) => {
    const { samples } = await rendered(project([instance(1, state)]));
    const value = (of: string): number | undefined => samples.find((s) => s.name === of)?.value;
    const series = samples.filter((s) => s.name === 'setpoint_instance_state');
    expect(series).toHaveLength(13);
    expect(series.filter((s) => s.value === 1).map((s) => s.labels['state'])).toEqual([name]);
    expect([value('setpoint_instance_up'), value('setpoint_instance_ready')]).toEqual([up, ready]);
  });

  test('figures come in base units, and what is not known is not there', async () => {
    const probed = instance(1, live, {
      restarts: 4,
      lastExit: exit,
      ready: { what: 'w', last: { ok: true, at: 1, tookMs: 1, output: '' }, inARow: 1, retries: 3 },
      live: { what: 'w', last: { ok: false, at: 1, tookMs: 1, output: '' }, inARow: 1, retries: 3 },
    });
    const bare = instance(2, { kind: 'stopped' }, { lastExit: { kind: 'signal', signal: 'SIGTERM' } });
    const use = { memoryBytes: 4096, processes: 2, threads: 5, openFiles: 9, uptimeMs: 1 };
    const { samples } = await rendered(project([probed, bare]), {
      ...STATS,
      instances: [{ service: 'web', instance: 'web.1', cpuPercent: 1, cpuMs: 1500, ...use }],
    });
    const found = samples
      .filter((s) => s.name !== 'setpoint_instance_state')
      .map(({ name, labels, value }) => [
        name.replace('setpoint_', ''),
        Object.values(labels).join(' '),
        value,
      ]);
    expect(found).toEqual([
      ['daemon_info', '0.1.0 shop', 1],
      ['daemon_start_time_seconds', '', 1_700_000_000.5],
      ['daemon_cpu_seconds_total', '', 1.25],
      ['daemon_resident_memory_bytes', '', 50_000_000],
      ['daemon_open_files', '', 21],
      ['services', '', 1],
      ['instance_up', 'web web.1', 1],
      ['instance_up', 'web web.2', 0],
      ['instance_ready', 'web web.1', 1],
      ['instance_ready', 'web web.2', 0],
      ['instance_restarts_total', 'web web.1', 4],
      ['instance_restarts_total', 'web web.2', 0],
      ['instance_start_time_seconds', 'web web.1', 1_700_000_000.25],
      ['instance_last_exit_code', 'web web.1', 3],
      ['instance_probe_success', 'web web.1 ready', 1],
      ['instance_probe_success', 'web web.1 live', 0],
      ['instance_cpu_seconds_total', 'web web.1', 1.5],
      ['instance_resident_memory_bytes', 'web web.1', 4096],
      ['instance_processes', 'web web.1', 2],
      ['instance_threads', 'web web.1', 5],
      ['instance_open_files', 'web web.1', 9],
    ]);
  });

  test('every metric has a help text, and a type that fits its name', async () => {
    const { samples, help, type } = await rendered(project([instance(1, live)]));
    const names = new Set(samples.map((s) => s.name));
    expect([...names].filter((name) => !help.has(name) || !type.has(name))).toEqual([]);
    for (const [name, kind] of type)
      expect([name, kind === 'counter']).toEqual([name, name.endsWith('_total')]);
  });

  test('labels are escaped', async () => {
    const { samples } = await rendered(project([], 'a "b" \\c\nd'));
    expect(samples.find((s) => s.name === 'setpoint_daemon_info')?.labels['version']).toBe('a "b" \\c\nd');
  });

  test('an empty project has no series of instances, not even a lone 0', async () => {
    const { samples } = await rendered(project([]), { ...STATS, daemon: { cpuMs: 0, memoryBytes: 1 } });
    expect(samples.map((s) => s.name)).toEqual([
      'setpoint_daemon_info',
      'setpoint_daemon_start_time_seconds',
      'setpoint_daemon_cpu_seconds_total',
      'setpoint_daemon_resident_memory_bytes',
      'setpoint_services',
    ]);
  });

  test('what is gone from the project is gone from the next answer', async () => {
    await rendered(project([instance(1, live), instance(2, live)]));
    const { samples } = await rendered(project([instance(2, live)]));
    expect(samples.some((s) => s.labels['instance'] === 'web.1')).toBe(false);
  });
});
