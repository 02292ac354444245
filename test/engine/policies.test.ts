import { describe, expect, test } from 'vitest';
import type { Dependency, Probe } from '../../src/core/service.ts';
import { settled } from '../rig/fake-clock.ts';
import { project, spec } from '../rig/spec.ts';
import { EngineRig, loaded } from './rig.ts';

const HTTP: Probe = {
  check: {
    kind: 'http',
    url: 'http://127.0.0.1/',
    method: 'GET',
    headers: {},
    status: [{ from: 200, to: 399 }],
  },
  intervalMs: 2_000,
  timeoutMs: 1_000,
  retries: 3,
  startPeriodMs: 0,
  success: 1,
};

const on = (service: string, change: Partial<Dependency> = {}): Dependency => ({
  service,
  condition: 'started',
  required: true,
  onFailure: 'ignore',
  ...change,
});

const failing = { ok: false, output: 'HTTP 503' };

describe('a ready probe', () => {
  test('gates those that wait for it, and no others', async () => {
    const rig = new EngineRig();
    let found = failing;
    rig.lookResult = () => found;
    await rig.apply(
      project([
        spec('db', { ready: HTTP }),
        spec('api', { dependsOn: [on('db', { condition: 'ready' })] }),
        spec('tail', { dependsOn: [on('db')] }),
      ]),
    );
    expect(rig.states).toEqual(['api.1 waiting', 'db.1 running', 'tail.1 running']);
    found = { ok: true, output: '' };
    await rig.clock.pass(2_500);
    expect(rig.states).toEqual(['api.1 running', 'db.1 running', 'tail.1 running']);
    expect(rig.store.typesOf('db.1')).toEqual(['instance-started', 'instance-ready']);
    expect(rig.engine.services()[1]?.instances[0]?.state).toMatchObject({ readiness: { kind: 'ready' } });
  });

  test('is taken back after its retries, and does not end the run', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('db', { ready: HTTP })]));
    await rig.clock.pass(100);
    rig.lookResult = () => failing;
    await rig.clock.pass(10_000);
    expect(rig.engine.services()[0]?.instances[0]?.state).toMatchObject({
      kind: 'running',
      readiness: { kind: 'lost' },
    });
    expect(rig.backend.startsOf('db.1')).toBe(1);
  });

  test('is looked at no more once the run is over', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('db', { ready: HTTP, restart: 'never' })]));
    rig.backend.of('db.1').end({ kind: 'code', code: 0 });
    await settled();
    const looks = rig.looks.length;
    await rig.clock.pass(60_000);
    expect(rig.looks.length).toBe(looks);
    expect(rig.clock.armed).toBe(0);
  });

  test('that the manifest adds is looked at without a restart', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('db')]));
    const plan = await rig.apply(project([spec('db', { ready: HTTP })]));
    expect(plan.steps.map((s) => s.action)).toEqual(['update']);
    await rig.clock.pass(1_000);
    expect(rig.engine.services()[0]?.instances[0]?.state).toMatchObject({ readiness: { kind: 'ready' } });
    expect(rig.backend.startsOf('db.1')).toBe(1);
  });

  test('lets replicas be replaced one after the other, each ready before the next', async () => {
    const rig = new EngineRig();
    const web = (version: string): ReturnType<typeof spec> =>
      spec('web', { ready: HTTP, replicas: 2, launch: { env: { VERSION: version } } });
    await rig.apply(project([web('1')]));
    await rig.clock.pass(1_000);
    rig.lookResult = () => failing;
    await rig.apply(project([web('2')]));
    await rig.clock.pass(30_000);
    expect([rig.backend.startsOf('web.1'), rig.backend.startsOf('web.2')]).toEqual([2, 1]);
    rig.lookResult = () => ({ ok: true, output: '' });
    await rig.clock.pass(5_000);
    expect([rig.backend.startsOf('web.1'), rig.backend.startsOf('web.2')]).toEqual([2, 2]);
  });
});

test('a live probe that fails restarts the service under its policy', async () => {
  const rig = new EngineRig();
  await rig.apply(
    project([
      spec('db', {
        live: HTTP,
        backoff: { initialMs: 100, maxMs: 100, multiplier: 1, jitter: 0, resetAfterMs: 1 },
      }),
    ]),
  );
  rig.lookResult = () => failing;
  await rig.clock.pass(7_000);
  rig.lookResult = () => ({ ok: true, output: '' });
  await rig.clock.pass(1_000);
  expect(rig.backend.startsOf('db.1')).toBe(2);
  expect(rig.store.typesOf('db.1')).toContain('instance-unhealthy');
  expect(rig.states).toEqual(['db.1 running']);
});

describe('a dependency', () => {
  test('that takes too long skips the dependent, which starts once it is there after all', async () => {
    const rig = new EngineRig();
    rig.lookResult = () => failing;
    await rig.apply(
      project([
        spec('db', { ready: HTTP }),
        spec('api', { dependsOn: [on('db', { condition: 'ready', timeoutMs: 5_000 })] }),
      ]),
    );
    await rig.clock.pass(4_999);
    expect(rig.states).toEqual(['api.1 waiting', 'db.1 running']);
    await rig.clock.pass(1);
    expect(rig.states).toEqual(['api.1 skipped', 'db.1 running']);
    rig.lookResult = () => ({ ok: true, output: '' });
    await rig.clock.pass(2_500);
    expect(rig.states).toEqual(['api.1 running', 'db.1 running']);
  });

  test('that is not required holds nobody up when it fails', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([
        spec('seed', { restart: 'never' }),
        spec('api', { dependsOn: [on('seed', { condition: 'completed-successfully', required: false })] }),
      ]),
    );
    rig.backend.of('seed.1').end({ kind: 'code', code: 1 });
    await settled();
    expect(rig.states).toEqual(['api.1 running', 'seed.1 failed']);
  });

  test.each([
    ['ignore', 'api.1 running', 1],
    ['restart', 'api.1 running', 2],
    ['stop', 'api.1 stopped', 1],
  ] as const)('that fails has its dependents %s: %s', async (onFailure, state, starts) => {
    const rig = new EngineRig();
    await rig.apply(
      project([spec('db'), spec('api', { dependsOn: [on('db', { condition: 'started', onFailure })] })]),
    );
    rig.backend.of('db.1').end({ kind: 'code', code: 1 });
    await settled();
    if (onFailure === 'restart') expect(rig.states).toEqual(['api.1 waiting', 'db.1 backoff']);
    await rig.clock.pass(1_000);
    expect(rig.states).toEqual([state, 'db.1 running']);
    expect(rig.backend.startsOf('api.1')).toBe(starts);
  });

  test('that fails has a whole chain restarted, each once and in order, down to who ignores it', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([
        spec('a'),
        spec('b', { dependsOn: [on('a', { onFailure: 'restart' })] }),
        spec('c', { dependsOn: [on('a', { onFailure: 'restart' }), on('b', { onFailure: 'restart' })] }),
        spec('d', { dependsOn: [on('c', { onFailure: 'restart' })] }),
        spec('e', { dependsOn: [on('d')] }),
        spec('f', { dependsOn: [on('e', { onFailure: 'restart' })] }),
      ]),
    );
    const before = rig.backend.procs.length;
    rig.backend.of('a.1').end({ kind: 'code', code: 1 });
    await settled();
    expect(rig.states.filter((state) => state.endsWith('waiting'))).toHaveLength(3);
    await rig.clock.pass(60_000);
    expect(rig.backend.procs.slice(before).map(({ instance }) => instance)).toEqual([
      'a.1',
      'b.1',
      'c.1',
      'd.1',
    ]);
    const causes = rig.store.told.flatMap((h) => (h.type === 'instance-stopping' ? [h.cause] : []));
    expect(causes).toEqual(
      Array(3).fill({ kind: 'dependency', service: 'a', exit: { kind: 'code', code: 1 } }),
    );
  });

  test('that fails has a whole chain stopped, to stay so for a later daemon, too', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([
        spec('a'),
        spec('b', { dependsOn: [on('a', { onFailure: 'stop' })] }),
        spec('c', { dependsOn: [on('b', { onFailure: 'stop' })] }),
      ]),
    );
    rig.backend.of('a.1').end({ kind: 'code', code: 1 });
    await rig.clock.pass(60_000);
    expect(rig.states).toEqual(['a.1 running', 'b.1 stopped', 'c.1 stopped']);
    expect(rig.store.readProject()?.stopped).toEqual(['b', 'c']);
  });

  test('that a person restarts or that ends well leaves its dependents alone', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([
        spec('db', { restart: 'never' }),
        spec('api', { dependsOn: [on('db', { onFailure: 'restart' })] }),
      ]),
    );
    rig.engine.act({ action: 'restart', select: { names: ['db'], labels: [] } });
    await settled();
    rig.backend.of('db.1').end({ kind: 'code', code: 0 });
    await settled();
    expect(rig.states).toEqual(['api.1 running', 'db.1 completed']);
    expect(rig.backend.startsOf('api.1')).toBe(1);
  });
});

describe('a schedule', () => {
  test('runs the service at its times and not before', async () => {
    const rig = new EngineRig();
    const when = { kind: 'every', everyMs: 60_000 } as const;
    const schedule = { when, overlap: 'skip', onStart: false, missed: 'skip' } as const;
    await rig.apply(project([spec('job', { schedule, restart: 'never' })]));
    expect(rig.states).toEqual(['job.1 scheduled']);
    expect(rig.engine.services()[0]?.instances[0]?.nextRun).toBe(rig.clock.wall() + 60_000);
    await rig.clock.pass(60_000);
    expect(rig.states).toEqual(['job.1 running']);
    rig.backend.of('job.1').end({ kind: 'code', code: 3 });
    await settled();
    expect(rig.states).toEqual(['job.1 scheduled']);
    await rig.clock.pass(60_000);
    expect(rig.backend.startsOf('job.1')).toBe(2);
  });

  test('a changed launch is in force for the next run, and no drift after it was applied', async () => {
    const rig = new EngineRig();
    const when = { kind: 'every', everyMs: 60_000 } as const;
    const schedule = { when, overlap: 'skip', onStart: true, missed: 'skip' } as const;
    const job = (version: string): ReturnType<typeof spec> =>
      spec('job', { schedule, restart: 'never', launch: { env: { VERSION: version } } });
    await rig.apply(project([job('1')]));
    rig.backend.of('job.1').end({ kind: 'code', code: 0 });
    await settled();
    const plan = await rig.apply(project([job('2')]));
    expect(plan.steps.map((s) => s.action)).toEqual(['update']);
    expect(await rig.drift(project([job('2')]))).toEqual([]);
    await rig.clock.pass(60_000);
    expect(rig.backend.of('job.1').request?.launch.env['VERSION']).toBe('2');
  });

  test('ends with the service', async () => {
    const rig = new EngineRig();
    const when = { kind: 'cron', expression: '* * * * *' } as const;
    const schedule = { when, overlap: 'skip', onStart: false, missed: 'skip' } as const;
    await rig.apply(project([spec('job', { schedule })]));
    rig.engine.act({ action: 'stop', select: { names: ['job'], labels: [] } });
    await rig.clock.pass(600_000);
    expect(rig.states).toEqual(['job.1 stopped']);
    expect(rig.clock.armed).toBe(0);
  });
});

describe('watched files', () => {
  const watch = { paths: ['/srv/src'], ignore: [], debounceMs: 300 };

  test('restart the service when they change, with their names as the cause', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api', { watch: { ...watch, action: { kind: 'restart' } } })]));
    rig.watched.get('/srv/src')?.(['/srv/src/a.js']);
    rig.watched.get('/srv/src')?.(['/srv/src/b.js']);
    await rig.clock.pass(1_000);
    expect(rig.backend.startsOf('api.1')).toBe(2);
    expect(rig.store.told.findLast((h) => h.type === 'instance-started')).toMatchObject({
      cause: { kind: 'files' },
    });
  });

  test('send a signal where that is asked for', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([spec('api', { watch: { ...watch, action: { kind: 'signal', signal: 'SIGHUP' } } })]),
    );
    rig.watched.get('/srv/src')?.(['/srv/src/a.js']);
    await rig.clock.pass(1_000);
    expect(rig.backend.startsOf('api.1')).toBe(1);
    expect(rig.backend.of('api.1').signals).toEqual(['SIGHUP']);
  });

  test('are let go of once the service is stopped', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api', { watch: { ...watch, action: { kind: 'restart' } } })]));
    expect([...rig.watched.keys()]).toEqual(['/srv/src']);
    rig.engine.act({ action: 'stop', select: { names: ['api'], labels: [] } });
    await settled();
    expect([...rig.watched.keys()]).toEqual([]);
  });
});

test('gives up after max_restarts within the window, keeps the last cause, and starts afresh by hand', async () => {
  const rig = new EngineRig();
  rig.logs.lastLines.set('api.1', ['cannot bind']);
  await rig.apply(project([spec('api', { restart: { maxRestarts: 2, windowMs: 60_000 } })]));
  for (let n = 0; n < 3; n += 1) {
    rig.backend.of('api.1').end({ kind: 'code', code: 1 });
    await rig.clock.pass(5_000);
  }
  expect(rig.backend.startsOf('api.1')).toBe(3);
  const [instance] = rig.engine.services()[0]?.instances ?? [];
  expect(instance).toMatchObject({
    state: { kind: 'failed', code: 'E_MAX_RESTARTS', exit: { kind: 'code', code: 1 } },
    lastCause: 'cannot bind',
    recentRestarts: { count: 2, max: 2, windowMs: 60_000 },
  });
  rig.engine.act({ action: 'restart', select: { names: ['api'], labels: [] } });
  await settled();
  expect(rig.states).toEqual(['api.1 running']);
});

test.each([
  [1_000, 'failed'],
  [55_000, 'failed'],
  [61_000, 'backoff'],
])('what gave up is judged by the same window by a later daemon, %d ms later: %s', async (laterMs, kind) => {
  const wanted = project([spec('api', { restart: { maxRestarts: 2, windowMs: 60_000 } })]);
  const first = new EngineRig();
  await first.apply(wanted);
  for (let n = 0; n < 3; n += 1) {
    first.backend.of('api.1').end({ kind: 'code', code: 1 });
    await first.clock.pass(1_000);
  }
  expect(first.states).toEqual(['api.1 failed']);
  const second = new EngineRig(first.backend, first.store);
  // The newer of its two restarts was 1 s before that, the older one 2.5 s.
  second.clock.setWall(first.clock.wall() - 1_000 + laterMs);
  const found = first.store.readRuns().runs.map((record) => ({ record, orphanSpec: spec('api') }));
  second.engine.resume(loaded(wanted), found);
  await settled();
  expect(second.states).toEqual([`api.1 ${kind}`]);
  expect(first.backend.startsOf('api.1')).toBe(3);
});

test('a run that ended while no daemon lived holds no gate open for those that had not begun', async () => {
  const first = new EngineRig();
  const db = spec('db', { restart: 'never' });
  await first.apply(project([db]));
  const { backend, store } = first;
  const [record] = store.readRuns().runs;
  const [proc] = await backend.adopt([{ record: record!, instanceDir: '' }]);
  // No `settled` here: the first engine never gets to see that end.
  backend.of('db.1').end({ kind: 'code', code: 1 });
  const second = new EngineRig(backend, store);
  const wanted = project([db, spec('api', { dependsOn: [on('db')] })]);
  second.engine.resume(loaded(wanted), [{ record: record!, orphanSpec: db, proc: proc! }]);
  await second.clock.pass(60_000);
  expect(second.states).toEqual(['api.1 skipped', 'db.1 failed']);
  expect(backend.startsOf('api.1')).toBe(0);
});
