import { describe, expect, test } from 'vitest';
import { settled } from '../rig/fake-clock.ts';
import { project, spec } from '../rig/spec.ts';
import { EngineRig, loaded } from './rig.ts';

const down = { reason: 'test', level: 0 } as const;

describe('apply', () => {
  test('starts independent services at once and the dependent one after its dependency', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([
        spec('web', { dependsOn: [{ service: 'migrate', condition: 'completed-successfully' }] }),
        spec('migrate', { restart: 'never' }),
        spec('cache'),
      ]),
    );
    expect(rig.states).toEqual(['cache.1 running', 'migrate.1 running', 'web.1 waiting']);
    rig.backend.of('migrate.1').end({ kind: 'code', code: 0 });
    await settled();
    expect(rig.states).toEqual(['cache.1 running', 'migrate.1 completed', 'web.1 running']);
  });

  test('skips what depends on a one-shot that failed, and starts it once the one-shot succeeds after all', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([
        spec('web', { dependsOn: [{ service: 'migrate', condition: 'completed-successfully' }] }),
        spec('migrate', { restart: 'never' }),
      ]),
    );
    rig.backend.of('migrate.1').end({ kind: 'code', code: 3 });
    await settled();
    expect(rig.states).toEqual(['migrate.1 failed', 'web.1 skipped']);
    const again = rig.engine.act({ action: 'restart', select: { names: ['migrate'], labels: [] } });
    expect(again.ok).toBe(true);
    await settled();
    rig.backend.of('migrate.1').end({ kind: 'code', code: 0 });
    await settled();
    expect(rig.states).toEqual(['migrate.1 completed', 'web.1 running']);
  });

  test('touches nothing when the same project is applied again', async () => {
    const rig = new EngineRig();
    const wanted = project([spec('web'), spec('worker', { replicas: 2 })]);
    await rig.apply(wanted);
    const before = rig.backend.procs.length;
    const plan = await rig.apply(wanted);
    expect(plan.drift).toBe(false);
    expect(rig.backend.procs.length).toBe(before);
  });

  test('replaces only the service whose launch changed, with the field as the cause', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api', { launch: { env: { PORT: '8080' } } }), spec('db')]));
    const plan = await rig.apply(project([spec('api', { launch: { env: { PORT: '8081' } } }), spec('db')]));
    expect(plan.steps.find((s) => s.service === 'api')).toMatchObject({
      action: 'replace',
      causes: [{ kind: 'changed', fields: [{ field: 'env.PORT', from: '"8080"', to: '"8081"' }] }],
    });
    await settled();
    expect(rig.backend.startsOf('api.1')).toBe(2);
    expect(rig.backend.startsOf('db.1')).toBe(1);
    expect(rig.backend.of('api.1').request?.launch.env['PORT']).toBe('8081');
  });

  test('applies a changed policy in place', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api')]));
    const backoff = { initialMs: 100, maxMs: 1_000, multiplier: 2, jitter: 0, resetAfterMs: 30_000 };
    const plan = await rig.apply(project([spec('api', { backoff })]));
    expect(plan.steps.map((s) => s.action)).toEqual(['update']);
    expect(rig.backend.startsOf('api.1')).toBe(1);
    rig.backend.of('api.1').end({ kind: 'code', code: 1 });
    await settled();
    expect(rig.engine.services()[0]?.instances[0]?.state).toMatchObject({ kind: 'backoff', delayMs: 100 });
  });

  test('does not replace anything because the caller has another environment', async () => {
    const rig = new EngineRig();
    const wanted = project([spec('api', { launch: { inheritEnv: true } })]);
    await rig.apply(wanted, [], { TERM: 'xterm' });
    const plan = await rig.apply(wanted, [], { TERM: 'screen' });
    expect(plan.drift).toBe(false);
  });

  test('stops and forgets what the manifest holds no more', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api'), spec('legacy')]));
    await rig.apply(project([spec('api')]));
    await settled();
    expect(rig.states).toEqual(['api.1 running']);
    expect(rig.backend.alive).toEqual(['api.1']);
    expect(rig.store.readRuns().runs.map((r) => r.instance)).toEqual(['api.1']);
  });

  test('replaces replicas one at a time', async () => {
    const rig = new EngineRig();
    const web = (v: string) => project([spec('web', { replicas: 3, launch: { env: { V: v } } })]);
    await rig.apply(web('1'));
    for (const proc of rig.backend.procs) proc.ignores = ['SIGTERM'];
    await rig.apply(web('2'));
    const stopping = (): string[] =>
      rig.states.filter((s) => s.endsWith('stopping')).map((s) => s.split(' ')[0] ?? '');
    expect(stopping()).toEqual(['web.1']);
    rig.backend.of('web.1').end({ kind: 'code', code: 0 });
    await settled();
    expect(stopping()).toEqual(['web.2']);
    rig.backend.of('web.2').end({ kind: 'code', code: 0 });
    await settled();
    rig.backend.of('web.3').end({ kind: 'code', code: 0 });
    await settled();
    expect(rig.backend.alive).toHaveLength(3);
    expect(await rig.drift(web('2'))).toEqual([]);
  });

  test('replaces replicas one at a time also where an apply overtakes another one', async () => {
    const rig = new EngineRig();
    const web = (v: string) => project([spec('web', { replicas: 3, launch: { env: { V: v } } })]);
    await rig.apply(web('1'));
    for (const proc of rig.backend.procs) proc.ignores = ['SIGTERM'];
    await rig.apply(web('2'));
    await rig.apply(web('2'));
    const away = (): readonly string[] => rig.states.filter((s) => !s.endsWith('running'));
    expect(away()).toEqual(['web.1 stopping']);
    for (const next of ['web.2 stopping', 'web.3 stopping', undefined]) {
      rig.backend.of((away()[0] ?? '').split(' ')[0] ?? '').end({ kind: 'code', code: 0 });
      await settled();
      expect(away()).toEqual(next === undefined ? [] : [next]);
    }
    expect(await rig.drift(web('2'))).toEqual([]);
  });

  test('goes on replacing one service while another one is scaled', async () => {
    const rig = new EngineRig();
    const wanted = (v: string) =>
      project([spec('web', { replicas: 2, launch: { env: { V: v } } }), spec('other')]);
    await rig.apply(wanted('1'));
    for (const proc of rig.backend.procs) proc.ignores = ['SIGTERM'];
    await rig.apply(wanted('2'));
    await rig.engine.scale('other', 2);
    rig.backend.of('web.1').end({ kind: 'code', code: 0 });
    await settled();
    rig.backend.of('web.2').end({ kind: 'code', code: 0 });
    await settled();
    expect([rig.backend.startsOf('web.1'), rig.backend.startsOf('web.2')]).toEqual([2, 2]);
    expect(rig.backend.alive).toHaveLength(4);
  });

  test('does not replace what a person has stopped in the meantime', async () => {
    const rig = new EngineRig();
    const web = (v: string) => project([spec('web', { replicas: 2, launch: { env: { V: v } } })]);
    await rig.apply(web('1'));
    for (const proc of rig.backend.procs) proc.ignores = ['SIGTERM'];
    await rig.apply(web('2'));
    rig.backend.of('web.2').ignores = [];
    rig.engine.act({ action: 'stop', select: { names: ['web.2'], labels: [] } });
    rig.backend.of('web.1').end({ kind: 'code', code: 0 });
    await settled();
    expect(rig.states).toEqual(['web.1 running', 'web.2 stopped']);
  });

  test('brings up the named services and what they depend on, nothing else', async () => {
    const rig = new EngineRig();
    const wanted = project([
      spec('web', { dependsOn: [{ service: 'db', condition: 'started' }] }),
      spec('db'),
      spec('other'),
    ]);
    await rig.apply(wanted, ['web']);
    await settled();
    expect(rig.states).toEqual(['db.1 running', 'other.1 stopped', 'web.1 running']);
  });

  test('hands out automatic ports that stay the same over a replacement and reach those who refer to them', async () => {
    const rig = new EngineRig();
    const wanted = (v: string) =>
      project([
        spec('db', { launch: { ports: [{ name: 'sql', port: 'auto' }], env: { V: v } } }),
        spec('api', {
          launch: {
            env: {
              DB: [
                'tcp://',
                { ref: 'host', service: 'db' },
                ':',
                { ref: 'port', service: 'db', port: 'sql' },
              ],
            },
          },
        }),
      ]);
    await rig.apply(wanted('1'));
    const port = rig.backend.of('db.1').request?.launch.ports['sql'];
    expect(port).toBeGreaterThan(0);
    expect(rig.backend.of('api.1').request?.launch.env['DB']).toBe(`tcp://127.0.0.1:${port}`);
    await rig.apply(wanted('2'));
    await settled();
    expect(rig.backend.of('db.1').request?.launch.ports['sql']).toBe(port);
    expect(rig.backend.startsOf('api.1')).toBe(1);
  });

  test('keeps the state directory free of environment values', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api', { launch: { env: { DB_PASSWORD: 'hunter2-secret' } } })]));
    expect(JSON.stringify([rig.store.readRuns(), rig.store.readProject(), rig.store.told])).not.toContain(
      'hunter2',
    );
  });
});

describe('a failing service', () => {
  test('is retried with growing delays, and says why', async () => {
    const rig = new EngineRig();
    rig.logs.lastLines.set('worker.1', ["Error: Cannot find module './queue'"]);
    rig.backend.onStart = (proc) => queueMicrotask(() => proc.end({ kind: 'code', code: 1 }));
    await rig.apply(project([spec('worker')]));
    expect(rig.engine.services()[0]?.instances[0]).toMatchObject({
      state: { kind: 'backoff', attempt: 1, delayMs: 500 },
      lastCause: "Cannot find module './queue'",
    });
    await rig.clock.pass(500);
    await rig.clock.pass(1_000);
    expect(rig.backend.startsOf('worker.1')).toBe(3);
    expect(rig.engine.services()[0]?.instances[0]?.restarts).toBe(2);
  });

  test('that cannot be started is retried like one that exits', async () => {
    const rig = new EngineRig();
    rig.backend.failures.set('worker.1', { code: 'missing-program', message: 'worker: not found on PATH' });
    await rig.apply(project([spec('worker')]));
    expect(rig.states).toEqual(['worker.1 backoff']);
    rig.backend.failures.clear();
    await rig.clock.pass(500);
    expect(rig.states).toEqual(['worker.1 running']);
  });

  test('is not restarted while something of its unit lives', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([
        spec('worker', {
          restart: 'always',
          backoff: { initialMs: 0, maxMs: 0, multiplier: 1, jitter: 0, resetAfterMs: 1 },
        }),
      ]),
    );
    const first = rig.backend.of('worker.1');
    first.ignores = ['SIGTERM'];
    first.end({ kind: 'code', code: 0 }, [{ pid: 7, command: 'child' }]);
    await settled();
    expect(rig.states).toEqual(['worker.1 stopping']);
    const children = () => rig.engine.services()[0]?.instances[0]?.children;
    expect(children()).toBeUndefined();
    await rig.clock.pass(1_001);
    expect(children()).toBe(1);
    await rig.clock.pass(8_998);
    expect(rig.backend.startsOf('worker.1')).toBe(1);
    await rig.clock.pass(2);
    expect(children()).toBeUndefined();
    expect(first.signals).toEqual(['SIGTERM', 'SIGKILL']);
    expect(rig.backend.startsOf('worker.1')).toBe(2);
  });

  test('is stopped when it runs longer than its timeout', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('job', { restart: 'never', timeoutMs: 5_000 })]));
    await rig.clock.pass(5_000);
    expect(rig.engine.services()[0]?.instances[0]?.state).toMatchObject({
      kind: 'failed',
      exit: { kind: 'timeout' },
    });
    expect(rig.backend.alive).toEqual([]);
  });
});

describe('hooks', () => {
  const hook = (argv: string) => ({ command: { kind: 'exec' as const, argv: [argv] }, timeoutMs: 1_000 });

  test('run in their order around a run', async () => {
    const rig = new EngineRig();
    const hooks = { preStart: hook('a'), postStart: hook('b'), preStop: hook('c'), postStop: hook('d') };
    await rig.apply(project([spec('api', { hooks })]));
    await rig.engine.down(down);
    expect(rig.commands.map((c) => c.argv[0])).toEqual(['a', 'b', 'c', 'd']);
  });

  test('a failing pre_start keeps the service from starting, with what the hook said', async () => {
    const rig = new EngineRig();
    rig.commandResult = { kind: 'exited', code: 2, output: 'no database\n' };
    await rig.apply(project([spec('api', { restart: 'never', hooks: { preStart: hook('a') } })]));
    expect(rig.backend.procs).toHaveLength(0);
    expect(rig.engine.services()[0]?.instances[0]).toMatchObject({
      state: { kind: 'failed' },
      lastCause: 'pre_start failed: exit 2: no database',
    });
  });

  test('a stop command that succeeds is given the grace period before anything is killed', async () => {
    const rig = new EngineRig();
    const stop = { signal: 'SIGTERM', graceMs: 1_000, killTree: true, command: hook('bye').command };
    await rig.apply(project([spec('api', { stop })]));
    const ending = rig.engine.down(down);
    await settled();
    expect(rig.backend.of('api.1').signals).toEqual([]);
    await rig.clock.pass(1_000);
    expect(rig.backend.of('api.1').signals).toEqual(['SIGKILL']);
    expect((await ending).leftovers).toEqual([]);
  });
});

describe('what a person asks', () => {
  test('a stopped service stays stopped, and is remembered so', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api', { restart: 'always' }), spec('db')]));
    rig.engine.act({ action: 'stop', select: { names: ['api'], labels: [] } });
    await rig.clock.pass(60_000);
    expect(rig.states).toEqual(['api.1 stopped', 'db.1 running']);
    expect(rig.store.readProject()?.stopped).toEqual(['api']);
  });

  test('start brings a service up with what it depends on', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([spec('api', { dependsOn: [{ service: 'db', condition: 'started' }] }), spec('db')]),
    );
    rig.engine.act({ action: 'stop', select: { names: [], labels: [] } });
    await settled();
    expect(rig.states).toEqual(['api.1 stopped', 'db.1 stopped']);
    rig.engine.act({ action: 'start', select: { names: ['api'], labels: [] }, withDependencies: true });
    await settled();
    expect(rig.states).toEqual(['api.1 running', 'db.1 running']);
  });

  test('labels and instance names select', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api', { replicas: 2, labels: { tier: 'front' } }), spec('db')]));
    rig.engine.act({ action: 'stop', select: { names: ['api.2'], labels: [] } });
    await settled();
    expect(rig.states).toEqual(['api.1 running', 'api.2 stopped', 'db.1 running']);
    rig.engine.act({ action: 'stop', select: { names: [], labels: ['tier=front'] } });
    await settled();
    expect(rig.states).toEqual(['api.1 stopped', 'api.2 stopped', 'db.1 running']);
  });

  test('an unknown name is refused with what there is', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api')]));
    const result = rig.engine.act({ action: 'stop', select: { names: ['ap'], labels: [] } });
    expect(result).toEqual({ ok: false, error: { name: 'ap', known: ['api'] } });
  });

  test('scale adds instances and takes the highest away first', async () => {
    const rig = new EngineRig();
    const wanted = project([spec('web')]);
    await rig.apply(wanted);
    await rig.engine.scale('web', 3);
    await settled();
    expect(rig.backend.alive).toEqual(['web.1', 'web.2', 'web.3']);
    await rig.engine.scale('web', 1);
    await settled();
    expect(rig.backend.alive).toEqual(['web.1']);
    expect(rig.states).toEqual(['web.1 running']);
    await rig.engine.scale('web', 0);
    await settled();
    expect(rig.backend.alive).toEqual([]);
  });
});

describe('down', () => {
  const chain = project([
    spec('web', { dependsOn: [{ service: 'api', condition: 'started' }] }),
    spec('api', { dependsOn: [{ service: 'db', condition: 'started' }] }),
    spec('db'),
  ]);

  test('stops dependents before what they depend on', async () => {
    const rig = new EngineRig();
    await rig.apply(chain);
    for (const proc of rig.backend.procs) proc.ignores = ['SIGTERM'];
    const ending = rig.engine.down(down);
    await settled();
    for (const id of ['web.1', 'api.1', 'db.1']) {
      expect(rig.states.filter((s) => s.endsWith('stopping'))).toEqual([`${id} stopping`]);
      rig.backend.of(id).end({ kind: 'code', code: 0 });
      await settled();
    }
    expect(await ending).toEqual({ stopped: 3, leftovers: [] });
    expect(rig.store.readProject()?.phase).toBe('down');
    expect(rig.store.readRuns().runs).toEqual([]);
  });

  test('asked a second time it skips the grace periods and keeps the order', async () => {
    const rig = new EngineRig();
    await rig.apply(chain);
    for (const proc of rig.backend.procs) proc.ignores = ['SIGTERM'];
    const ending = rig.engine.down(down);
    await settled();
    void rig.engine.down({ reason: 'again', level: 1 });
    await rig.clock.pass(2_000);
    expect((await ending).leftovers).toEqual([]);
    const kills = rig.store.told.filter((h) => h.type === 'instance-escalated').map((h) => h.instance);
    expect(kills).toEqual(['web.1', 'api.1', 'db.1']);
  });

  test('asked a third time it kills everything at once', async () => {
    const rig = new EngineRig();
    await rig.apply(chain);
    for (const proc of rig.backend.procs) proc.ignores = ['SIGTERM'];
    const ending = rig.engine.down({ reason: 'now', level: 2 });
    await settled();
    expect(rig.backend.alive).toEqual([]);
    expect((await ending).stopped).toBe(3);
  });

  test('kills what is left when the project-wide timeout is over', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([spec('api', { stop: { signal: 'SIGTERM', graceMs: 600_000, killTree: true } })]),
    );
    rig.backend.of('api.1').ignores = ['SIGTERM'];
    const ending = rig.engine.down({ ...down, timeoutMs: 5_000 });
    await rig.clock.pass(5_000);
    expect((await ending).leftovers).toEqual([]);
    expect(rig.backend.of('api.1').signals).toEqual(['SIGTERM', 'SIGKILL']);
  });

  test('names what cannot be killed, and keeps its record', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api'), spec('db')]));
    rig.backend.of('api.1').signal = () => Promise.resolve(1);
    const ending = rig.engine.down({ ...down, timeoutMs: 1_000 });
    await rig.clock.pass(10_000);
    const result = await ending;
    expect(result.leftovers).toEqual([
      { instance: 'api.1', pid: rig.backend.of('api.1').pid(), command: 'api.1' },
    ]);
    expect(rig.store.readProject()?.phase).toBe('up');
    expect(rig.store.readRuns().runs.map((r) => r.instance)).toContain('api.1');
  });

  test('starts nothing any more while it is under way', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api', { restart: 'always' })]));
    rig.backend.of('api.1').ignores = ['SIGTERM'];
    const ending = rig.engine.down(down);
    await settled();
    rig.backend.of('api.1').end({ kind: 'code', code: 1 });
    await ending;
    await rig.clock.pass(60_000);
    expect(rig.backend.startsOf('api.1')).toBe(1);
    expect(rig.clock.armed).toBe(0);
  });
});

describe('resume after the daemon was killed', () => {
  test('takes over what runs, without a restart, and applies the policy to what ended in between', async () => {
    const first = new EngineRig();
    const wanted = project([
      spec('api'),
      spec('worker'),
      spec('late', { dependsOn: [{ service: 'job', condition: 'completed' }] }),
      spec('job', { restart: 'never' }),
    ]);
    await first.apply(wanted);
    const { backend, store } = first;
    backend.of('worker.1').end({ kind: 'code', code: 3 });
    // No `settled` here: the first engine never gets to see that end.
    const second = new EngineRig(backend, store);
    const procs = await backend.adopt(store.readRuns().runs.map((record) => ({ record, instanceDir: '' })));
    const found = store.readRuns().runs.map((record) => ({
      record,
      orphanSpec: spec(record.service),
      proc: procs.find((p) => p.run === record.run)!,
    }));
    second.engine.resume(loaded(wanted), found);
    await settled();
    expect(second.states).toEqual(['api.1 running', 'job.1 running', 'late.1 waiting', 'worker.1 backoff']);
    expect(backend.startsOf('api.1')).toBe(1);
    await second.clock.pass(500);
    expect(backend.startsOf('worker.1')).toBe(2);
    backend.of('job.1').end({ kind: 'code', code: 0 });
    await settled();
    expect(second.states).toContain('late.1 running');
  });

  test('judges what was stopped for a reason of its own by that reason, not by how its process took the signal', async () => {
    const first = new EngineRig();
    const { backend, store } = first;
    backend.onStart = (proc) => (proc.ignores = ['SIGTERM']);
    const wanted = project([spec('api', { timeoutMs: 1_000, restart: 'on-failure' })]);
    await first.apply(wanted);
    await first.clock.pass(1_000);
    backend.of('api.1').end({ kind: 'code', code: 0 });
    await settled();
    expect(first.states).toEqual(['api.1 backoff']);
    const [record] = store.readRuns().runs;
    expect(record).toMatchObject({ ended: { exit: { kind: 'timeout', afterMs: 1_000 } } });
    const second = new EngineRig(backend, store);
    second.engine.resume(loaded(wanted), [{ record: record!, orphanSpec: spec('api') }]);
    await settled();
    expect(second.states).toEqual(['api.1 backoff']);
  });

  test.each(['never', 'on-failure'] as const)(
    'starts what was noted down and never begun, as if nothing had been (restart: %s)',
    async (restart) => {
      const first = new EngineRig();
      const wanted = project([spec('api', { restart })]);
      await first.apply(wanted);
      const { store } = first;
      const [record] = store.readRuns().runs;
      const lastExit = { kind: 'code', code: 3 } as const;
      const second = new EngineRig(undefined, store);
      second.engine.resume(loaded(wanted), [
        { record: { ...record!, restarts: 4, lastExit }, orphanSpec: spec('api') },
      ]);
      await settled();
      expect(second.states).toEqual(['api.1 running']);
      expect(second.backend.startsOf('api.1')).toBe(1);
      expect(second.engine.services()[0]?.instances[0]).toMatchObject({ restarts: 4, lastExit });
      expect(store.typesOf('api.1')).not.toContain('instance-exited');
    },
  );

  test('still knows how the run before the present one ended', async () => {
    const first = new EngineRig();
    const wanted = project([spec('api')]);
    await first.apply(wanted);
    first.backend.of('api.1').end({ kind: 'code', code: 3 });
    await first.clock.pass(1_000);
    const { backend, store } = first;
    const second = new EngineRig(backend, store);
    const [record] = store.readRuns().runs;
    const [proc] = await backend.adopt([{ record: record!, instanceDir: '' }]);
    second.engine.resume(loaded(wanted), [{ record: record!, orphanSpec: spec('api'), proc: proc! }]);
    await settled();
    expect(second.engine.services()[0]?.instances[0]).toMatchObject({
      restarts: 1,
      lastExit: { kind: 'code', code: 3 },
    });
  });
});
