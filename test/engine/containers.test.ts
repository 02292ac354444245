import { describeChangeFailure } from '../../src/words/cause.ts';
import { describe, expect, test } from 'vitest';
import type { InstanceSnapshot } from '../../src/core/event.ts';
import type { Command, LaunchSpec, Probe, ServiceSpec } from '../../src/core/service.ts';
import { describeState, verdict } from '../../src/words/status.ts';
import type { ResourceState } from '../../src/core/resource-plan.ts';
import type { HealthState } from '../../src/ports/backend.ts';
import { FakeBackend } from '../rig/fake-backend.ts';
import { settled } from '../rig/fake-clock.ts';
import { dockerSpec } from '../rig/launch.ts';
import { project, spec } from '../rig/spec.ts';
import { EngineRig, loaded } from './rig.ts';

const down = { reason: 'test', level: 0 } as const;

function container(
  id: string,
  change: Parameters<typeof spec>[1] = {},
  launch: Partial<LaunchSpec> = {},
): ServiceSpec {
  return spec(id, { ...change, launch: { backend: 'docker', container: dockerSpec(), ...launch } });
}

function probe(check: Probe['check'], change: Partial<Probe> = {}): Probe {
  return { check, intervalMs: 2_000, timeoutMs: 1_000, retries: 3, startPeriodMs: 0, success: 1, ...change };
}

const HEALTH = probe({ kind: 'health' });

function shown(rig: EngineRig, id: string): InstanceSnapshot {
  const found = rig.engine
    .services()
    .flatMap(({ instances }) => instances)
    .find((instance) => instance.id === id);
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
}

const says = (rig: EngineRig, id: string): string => describeState(shown(rig, id), rig.clock.wall());

function holding(): EngineRig {
  const backend = new FakeBackend();
  backend.holdsMaterial = true;
  return new EngineRig(backend);
}

describe('bringing about what a start needs', () => {
  test('shows how far it is, a few times a second, and starts once it is through', async () => {
    const rig = holding();
    let changes = 0;
    await rig.apply(project([container('db')]));
    rig.engine.subscribe(() => (changes += 1));
    const [material] = rig.backend.materials;
    for (let n = 0; n <= 40; n += 1) material?.progress(`pulling postgres:16 ${n} %`);
    await rig.clock.pass(0);
    expect(says(rig, 'db.1')).toBe('starting: pulling postgres:16 40 %');
    await rig.clock.pass(1_000);
    expect(changes).toBeLessThan(4);
    expect(rig.backend.procs).toEqual([]);
    material?.finish({ ok: true, value: undefined });
    await settled();
    expect(says(rig, 'db.1')).toBe('running');
  });

  test('is no part of the run: its timeout begins with the process', async () => {
    const rig = holding();
    await rig.apply(project([container('job', { timeoutMs: 5_000 })]));
    await rig.clock.pass(60_000);
    rig.backend.materials[0]?.finish({ ok: true, value: undefined });
    await settled();
    await rig.clock.pass(4_000);
    expect(rig.states).toEqual(['job.1 running']);
    await rig.clock.pass(1_500);
    expect(rig.store.typesOf('job.1')).toContain('instance-stopping');
  });

  test('is given up by a stop at once, whoever does not answer', async () => {
    const rig = holding();
    await rig.apply(project([container('db')]));
    rig.engine.act({ action: 'stop', select: { names: ['db'], labels: [] } });
    await settled();
    expect(rig.states).toEqual(['db.1 stopped']);
    expect(rig.backend.materials[0]?.signal.aborted).toBe(true);
    rig.backend.materials[0]?.progress('too late');
    rig.backend.materials[0]?.finish({ ok: true, value: undefined });
    await settled();
    expect(rig.states).toEqual(['db.1 stopped']);
    expect(rig.backend.procs).toEqual([]);
  });

  test('holds no shutdown up', async () => {
    const rig = holding();
    await rig.apply(project([container('db'), spec('web')]));
    rig.backend.materials
      .find(({ launch }) => launch.service === 'web')
      ?.finish({ ok: true, value: undefined });
    await settled();
    expect(await rig.engine.down(down)).toMatchObject({ leftovers: [] });
  });

  test('failing follows the policy; an engine that is away is tried again without end and without counting', async () => {
    const rig = holding();
    const policy = { policy: 'never', maxRestarts: 1 } as const;
    await rig.apply(project([container('db', { restart: policy }), container('cache', { restart: policy })]));
    const finish = (service: string, code: 'pull-failed' | 'engine-unavailable'): void => {
      const of = rig.backend.materials.findLast(({ launch }) => launch.service === service);
      of?.finish({ ok: false, error: { code, message: 'no way' } });
    };
    finish('db', 'pull-failed');
    finish('cache', 'engine-unavailable');
    await settled();
    expect(rig.states).toEqual(['cache.1 backoff', 'db.1 failed']);
    for (let n = 0; n < 5; n += 1) {
      await rig.clock.pass(30_000);
      finish('cache', 'engine-unavailable');
      await settled();
    }
    expect(rig.states).toEqual(['cache.1 backoff', 'db.1 failed']);
    expect(shown(rig, 'cache.1')).toMatchObject({ restarts: 0, recentRestarts: { count: 0, max: 1 } });
    rig.backend.holdsMaterial = false;
    await rig.clock.pass(30_000);
    expect(rig.states).toEqual(['cache.1 running', 'db.1 failed']);
  });
});

describe('the health that an engine tells', () => {
  async function healthy(state: HealthState, change: Parameters<typeof spec>[1] = {}): Promise<EngineRig> {
    const rig = new EngineRig();
    rig.backend.health = state;
    const web = spec('web', { dependsOn: [{ service: 'db', condition: 'ready' }] });
    await rig.apply(project([container('db', { ready: HEALTH, ...change }), web]));
    return rig;
  }

  test('none: the container is running, and that is as far as it gets', async () => {
    const rig = await healthy('none');
    expect(rig.states).toEqual(['db.1 running', 'web.1 running']);
    expect(says(rig, 'db.1')).toBe('running');
    expect(shown(rig, 'db.1').ready).toBeUndefined();
  });

  test('starting, healthy, unhealthy and healthy again: pending, ready, lost and ready', async () => {
    const rig = await healthy('starting');
    expect(rig.states).toEqual(['db.1 running', 'web.1 waiting']);
    const { health } = rig.backend.of('db.1');
    if (health === undefined) throw new Error('no container');
    health.said = 'connection refused';
    health.set('starting');
    expect(shown(rig, 'db.1').ready?.last).toMatchObject({ ok: false, output: 'connection refused' });
    expect(says(rig, 'db.1')).toBe('running (not ready)');
    health.said = undefined;
    health.set('healthy');
    await settled();
    expect([says(rig, 'db.1'), says(rig, 'web.1')]).toEqual(['ready', 'running']);
    health.said = 'too many clients';
    health.set('unhealthy');
    expect(says(rig, 'db.1')).toBe('running (not ready: too many clients)');
    health.set('healthy');
    expect(says(rig, 'db.1')).toBe('ready');
    expect(rig.backend.startsOf('db.1')).toBe(1);
  });

  test('unhealthy, as `live`: the run is ended and the policy asked', async () => {
    const rig = await healthy('healthy', { live: HEALTH });
    const { health } = rig.backend.of('db.1');
    if (health !== undefined) health.said = 'stuck';
    health?.set('unhealthy');
    await settled();
    expect(shown(rig, 'db.1').lastExit).toMatchObject({ kind: 'unhealthy' });
    expect(shown(rig, 'db.1').state).toMatchObject({ kind: 'backoff', exit: { kind: 'unhealthy' } });
  });

  test('is not listened to once the run is over', async () => {
    const rig = await healthy('healthy');
    const { health, knowledge } = rig.backend.of('db.1');
    rig.backend.of('db.1').end({ kind: 'code', code: 0 });
    await settled();
    expect([health?.listeners, knowledge?.listeners]).toEqual([0, 0]);
  });

  test('a probe of another kind that takes its place counts at once', async () => {
    const rig = await healthy('none');
    rig.lookResult = () => ({ ok: false, output: 'no' });
    const tcp = probe({ kind: 'tcp', host: '127.0.0.1', port: '80' });
    await rig.apply(project([container('db', { ready: tcp })]));
    expect(says(rig, 'db.1')).toBe('running (not ready)');
  });
});

describe('commands for a container', () => {
  const command: Command = { kind: 'exec', argv: ['pg_isready', ['-h', { ref: 'host', service: 'db' }]] };

  test('a probe runs within it, with nothing of the machine but its own mark', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db', { ready: probe({ kind: 'exec', command }) })]));
    await rig.clock.pass(1);
    const [look] = rig.looks;
    expect(look).toMatchObject({
      kind: 'exec',
      argv: ['pg_isready', '-hdb'],
      env: { SETPOINT_PROBE: 'ready' },
    });
    if (look?.kind !== 'exec' || look.within === undefined) throw new Error('not within');
    await look.within.run({ argv: look.argv, cwd: look.cwd, env: look.env, timeoutMs: 500 });
    expect(rig.backend.of('db.1').execs).toEqual([
      { argv: ['pg_isready', '-hdb'], options: { env: { SETPOINT_PROBE: 'ready' }, timeoutMs: 500 } },
    ]);
  });

  test('hooks run within it while it runs, and on the machine before and after', async () => {
    const rig = new EngineRig();
    const hook = (name: string) =>
      ({
        command: { kind: 'exec', argv: [name, ['', { ref: 'host', service: 'db' }]] },
        timeoutMs: 1_000,
      }) as const;
    const hooks = {
      preStart: hook('pre_start'),
      postStart: hook('post_start'),
      preStop: hook('pre_stop'),
      postStop: hook('post_stop'),
    };
    const stop = { signal: 'SIGTERM', graceMs: 10_000, killTree: true, command: hook('stop').command };
    await rig.apply(project([container('db', { hooks, stop })]));
    const db = rig.backend.of('db.1');
    rig.engine.act({ action: 'stop', select: { names: ['db'], labels: [] } });
    await settled();
    db.end({ kind: 'code', code: 0 });
    await settled();
    expect(db.execs.map(({ argv }) => argv)).toEqual([
      ['post_start', 'db'],
      ['pre_stop', 'db'],
      ['stop', 'db'],
    ]);
    expect(db.execs[1]?.options.env).toEqual({ SETPOINT_HOOK: 'pre_stop', SETPOINT_RUN: db.run });
    expect(rig.commands.map(({ argv }) => argv)).toEqual([
      ['pre_start', '127.0.0.1'],
      ['post_stop', '127.0.0.1'],
    ]);
    expect(rig.states).toEqual(['db.1 stopped']);
  });
});

describe('an engine that does not answer', () => {
  test('makes its instances unknown, and nothing is restarted for it', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db'), spec('web')]));
    const { knowledge } = rig.backend.of('db.1');
    knowledge?.set('unknown');
    await rig.clock.pass(600_000);
    expect(rig.states).toEqual(['db.1 running', 'web.1 running']);
    expect(says(rig, 'db.1')).toBe('running (unknown: the engine does not answer)');
    const [db] = rig.engine.services();
    if (db === undefined) throw new Error('no service');
    expect(verdict(shown(rig, 'db.1'), db, rig.clock.wall())).toMatch(
      /as far as is known: the engine does not answer$/,
    );
    knowledge?.set('known');
    expect(says(rig, 'db.1')).toBe('running');
    expect([rig.backend.startsOf('db.1'), rig.backend.startsOf('web.1')]).toEqual([1, 1]);
  });

  test('keeps new dependents waiting, and leaves those that run alone', async () => {
    const rig = new EngineRig();
    const on = { dependsOn: [{ service: 'db', condition: 'started' as const }] };
    await rig.apply(project([container('db'), spec('web', on)]));
    rig.backend.of('db.1').knowledge?.set('unknown');
    await rig.apply(project([container('db'), spec('web', on), spec('late', on)]));
    expect(rig.states).toEqual(['db.1 running', 'late.1 waiting', 'web.1 running']);
    expect(shown(rig, 'late.1').state).toMatchObject({
      on: [{ now: { kind: 'unknown', why: 'the engine does not answer' } }],
    });
    rig.backend.of('db.1').knowledge?.set('known');
    await settled();
    expect(rig.states).toEqual(['db.1 running', 'late.1 running', 'web.1 running']);
  });

  test('fails no probe', async () => {
    const rig = new EngineRig();
    rig.lookResult = () => ({ ok: true, output: '' });
    const live = probe({ kind: 'exec', command: { kind: 'exec', argv: ['check'] } }, { retries: 1 });
    await rig.apply(project([container('db', { live })]));
    rig.backend.of('db.1').knowledge?.set('unknown');
    rig.lookResult = () => ({ ok: false, output: 'no engine' });
    await rig.clock.pass(60_000);
    expect(rig.states).toEqual(['db.1 running']);
    rig.backend.of('db.1').knowledge?.set('known');
    await rig.clock.pass(5_000);
    expect(shown(rig, 'db.1').lastExit).toMatchObject({ kind: 'unhealthy' });
  });

  test('keeps a stop waiting, which goes on once it answers again', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db')]));
    const db = rig.backend.of('db.1');
    db.knowledge?.set('unknown');
    rig.engine.act({ action: 'stop', select: { names: ['db'], labels: [] } });
    await rig.clock.pass(5_000);
    expect(says(rig, 'db.1')).toBe('stopping, SIGKILL in 5s (unknown: the engine does not answer)');
    db.knowledge?.set('known');
    await settled();
    expect(db.signals).toEqual(['SIGTERM']);
    expect(rig.states).toEqual(['db.1 stopped']);
  });

  test('is named as the reason for what a shutdown leaves; native services go down all the same', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db'), spec('web')]));
    rig.backend.of('db.1').knowledge?.set('unknown');
    const ending = rig.engine.down({ ...down, timeoutMs: 20_000 });
    await rig.clock.pass(1_000);
    expect(rig.states).toEqual(['db.1 stopping', 'web.1 stopped']);
    await rig.clock.pass(60_000);
    expect(await ending).toMatchObject({
      stopped: 1,
      leftovers: [{ instance: 'db.1', reason: 'the engine does not answer' }],
    });
    expect(rig.backend.of('db.1').signals).toEqual([]);
  });
});

describe('what a project has besides processes', () => {
  test('is removed after a shutdown, volumes only on request', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db')]));
    expect(await rig.engine.down(down)).toMatchObject({
      stopped: 1,
      leftovers: [],
      removed: { networks: ['shop_default'], volumes: [], failed: [] },
    });
    expect(rig.backend.cleanups).toEqual([{ project: 'shop', volumes: false }]);
    expect(rig.store.readProject()).toMatchObject({ phase: 'down', backends: ['docker'] });
    const later = new EngineRig(rig.backend, rig.store);
    expect(await later.engine.down({ ...down, volumes: true })).toMatchObject({
      stopped: 0,
      removed: { volumes: ['shop_data'] },
    });
    expect(rig.store.readProject()).toMatchObject({ phase: 'down', backends: [] });
  });

  test('is not asked for where the project never ran a container', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('web')]));
    expect(await rig.engine.down({ ...down, volumes: true })).toEqual({ stopped: 1, leftovers: [] });
    expect(rig.backend.cleanups).toEqual([]);
    expect(rig.store.readProject()?.backends).toBeUndefined();
  });

  test('that could not be removed is told, and remembered for the next time', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db')]));
    rig.backend.leftBehind = [{ what: 'network shop_default', why: 'it has active endpoints' }];
    expect((await rig.engine.down(down)).removed?.failed).toEqual(rig.backend.leftBehind);
    expect(rig.store.readProject()).toMatchObject({ phase: 'down', leavings: true });
    const later = new EngineRig(rig.backend, rig.store);
    rig.backend.leftBehind = [];
    await later.engine.down(down);
    expect(rig.store.readProject()?.leavings).toBeUndefined();
  });

  test('is removed with its volumes by the daemon after one that died over it', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db')]));
    rig.backend.of('db.1').ignores = ['SIGTERM'];
    void rig.engine.down({ ...down, volumes: true });
    await settled();
    expect(rig.store.readProject()?.shutdown).toEqual({ reason: 'test', volumes: true });
  });
});

describe('a replacement', () => {
  const api = (image: string, change: Parameters<typeof container>[1] = {}): ServiceSpec =>
    container('api', change, { container: dockerSpec({ image }) });

  async function replacing(change: Parameters<typeof container>[1] = {}): Promise<EngineRig> {
    const rig = new EngineRig();
    await rig.apply(project([api('one', change)]));
    rig.backend.holdsMaterial = true;
    await rig.apply(project([api('two', change)]));
    return rig;
  }

  const finish = async (rig: EngineRig, ok: boolean): Promise<void> => {
    rig.backend.holdsMaterial = false;
    const error = { code: 'pull-failed', message: 'no such image: two' } as const;
    rig.backend.materials.at(-1)?.finish(ok ? { ok, value: undefined } : { ok, error });
    await settled();
  };

  test('brings about what it needs before the former run is stopped', async () => {
    const rig = await replacing();
    rig.backend.materials.at(-1)?.progress('pulling two 10 %');
    expect(rig.backend.materials.at(-1)?.launch.container?.image).toBe('two');
    await rig.clock.pass(60_000);
    expect([rig.states, rig.backend.of('api.1').signals]).toEqual([['api.1 running'], []]);
    expect(shown(rig, 'api.1')).toMatchObject({ progress: 'pulling two 10 %', replacing: true });
    await finish(rig, true);
    expect(rig.states).toEqual(['api.1 running']);
    expect(rig.backend.of('api.1').request?.launch.container?.image).toBe('two');
    expect(rig.backend.startsOf('api.1')).toBe(2);
    expect(await rig.drift(project([api('two')]))).toEqual([]);
  });

  test('that cannot be begun leaves the former run alone, says so, and is tried by the next plan', async () => {
    const rig = await replacing();
    await finish(rig, false);
    expect(rig.backend.alive).toEqual(['api.1']);
    expect(rig.backend.startsOf('api.1')).toBe(1);
    const reason = 'what it needs could not be brought about: no such image: two';
    const told = rig.store.told.find(({ type }) => type === 'change-failed');
    if (told?.type !== 'change-failed') throw new Error('the failure was not told');
    expect([describeChangeFailure(told.reason), told.kept]).toEqual([reason, true]);
    expect(rig.engine.notReplaced).toEqual([
      {
        service: 'api',
        reason: { kind: 'preparation', failure: { code: 'pull-failed', message: 'no such image: two' } },
        rolledBack: false,
        kept: true,
      },
    ]);
    await rig.clock.pass(600_000);
    expect(rig.backend.startsOf('api.1')).toBe(1);
    await rig.apply(project([api('two')]));
    expect([rig.backend.startsOf('api.1'), rig.engine.notReplaced]).toEqual([2, []]);
  });

  test('rolls: the next instance is not begun before the one before is through', async () => {
    const rig = await replacing({ replicas: 2 });
    expect(rig.backend.materials.filter(({ launch }) => launch.container?.image === 'two')).toHaveLength(1);
    await finish(rig, true);
    expect([rig.backend.startsOf('api.1'), rig.backend.startsOf('api.2')]).toEqual([2, 2]);
  });

  test('goes from backend to backend', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api')]));
    const plan = await rig.apply(project([api('one')]));
    expect(plan.steps.map(({ action, backend }) => [action, backend])).toEqual([['replace', 'docker']]);
    expect(plan.steps[0]?.causes[0]).toMatchObject({
      fields: expect.arrayContaining([{ field: 'backend', from: 'native', to: 'docker' }]) as unknown,
    });
    expect(rig.engine.services()[0]?.backend).toBe('docker');
    expect(rig.store.readRuns().runs.map(({ backend }) => backend)).toEqual(['docker']);
    await rig.apply(project([spec('api')]));
    expect(rig.store.readRuns().runs.map(({ backend }) => backend)).toEqual(['native']);
    expect(rig.backend.alive).toEqual(['api.1']);
  });

  test.each(['stop', 'restart'] as const)('is given up by a %s', async (action) => {
    const rig = await replacing();
    const held = rig.backend.materials.at(-1);
    rig.backend.holdsMaterial = false;
    rig.engine.act({ action, select: { names: ['api'], labels: [] } });
    await settled();
    expect(held?.signal.aborted).toBe(true);
    held?.finish({ ok: true, value: undefined });
    await settled();
    expect(rig.states).toEqual([action === 'stop' ? 'api.1 stopped' : 'api.1 running']);
    expect(rig.backend.startsOf('api.1')).toBe(action === 'stop' ? 1 : 2);
  });

  test('is given up by a shutdown', async () => {
    const rig = await replacing();
    const ending = rig.engine.down(down);
    await settled();
    expect(rig.backend.materials.at(-1)?.signal.aborted).toBe(true);
    expect(await ending).toMatchObject({ leftovers: [] });
  });
});

describe('what an image is built from', () => {
  const build = { context: '/srv/app', args: {}, labels: {}, tags: [], noCache: false };
  const built = (): ServiceSpec => container('api', {}, { container: dockerSpec({ build }) });

  test('replaces what runs when it has changed, and only then', async () => {
    const rig = new EngineRig();
    rig.backend.inputDigests.set('/srv/app', 'one');
    await rig.apply(project([built()]));
    expect(await rig.drift(project([built()]))).toEqual([]);
    rig.backend.inputDigests.set('/srv/app', 'two');
    const plan = await rig.apply(project([built()]));
    expect(plan.steps[0]?.causes).toEqual([
      { kind: 'changed', fields: [{ field: 'docker.build', from: 'content', to: '(content changed)' }] },
    ]);
    expect(rig.backend.startsOf('api.1')).toBe(2);
    expect(await rig.drift(project([built()]))).toEqual([]);
  });

  test('is no reason for anything while it cannot be told, nor for the next daemon', async () => {
    const rig = new EngineRig();
    rig.backend.inputDigests.set('/srv/app', 'one');
    await rig.apply(project([built()]));
    rig.backend.inputDigests.clear();
    expect(await rig.drift(project([built()]))).toEqual([]);
    const later = new EngineRig(rig.backend, rig.store);
    const [record] = rig.store.readRuns().runs;
    if (record === undefined) throw new Error('no record');
    later.engine.resume(loaded(project([built()])), [
      { record, proc: rig.backend.of('api.1'), orphanSpec: built() },
    ]);
    await settled();
    expect(await later.drift(project([built()]))).toEqual([]);
  });

  test('holds no plan up for ever', async () => {
    const rig = new EngineRig();
    rig.backend.inputs = () => new Promise(() => {});
    const planned = rig.engine.plan(loaded(project([built()])), []);
    await rig.clock.pass(5_000);
    expect((await planned).steps.map(({ action }) => action)).toEqual(['start']);
  });
});

describe('containers that no run on record made', () => {
  const stray = {
    id: '1',
    name: 'shop-legacy-1',
    service: 'legacy',
    instance: 'legacy.1',
    run: 'gone',
    running: true,
  };

  test('count as drift, are shown, and are removed by the next apply', async () => {
    const rig = new EngineRig();
    const wanted = project([container('db')]);
    await rig.apply(wanted);
    rig.backend.strays.push(stray, { ...stray, id: '2', name: 'shop-db-1', run: rig.backend.of('db.1').run });
    const plan = await rig.engine.plan(loaded(wanted), []);
    expect([plan.drift, plan.orphans?.map(({ name }) => name)]).toEqual([true, ['shop-legacy-1']]);
    await rig.apply(wanted);
    expect(rig.backend.removed).toEqual(['shop-legacy-1']);
    expect(rig.store.told.filter(({ type }) => type === 'orphan-removed')).toHaveLength(1);
    expect((await rig.engine.plan(loaded(wanted), [])).drift).toBe(false);
  });

  test('are not looked for where the project never ran a container', async () => {
    const rig = new EngineRig();
    rig.backend.strays.push(stray);
    await rig.apply(project([spec('web')]));
    expect((await rig.engine.plan(loaded(project([spec('web')])), [])).orphans).toBeUndefined();
    expect(rig.backend.removed).toEqual([]);
  });

  test('of an engine that cannot be asked hold nothing up', async () => {
    const rig = new EngineRig();
    await rig.apply(project([container('db')]));
    rig.backend.unreachable = 'there is no engine';
    const wanted = project([container('db'), spec('web')]);
    expect(await rig.apply(wanted)).toMatchObject({ orphansUnknown: 'there is no engine' });
    expect(rig.states).toEqual(['db.1 running', 'web.1 running']);
    rig.backend.orphans = () => new Promise(() => {});
    const planned = rig.engine.plan(loaded(wanted), []);
    await rig.clock.pass(3_000);
    expect(await planned).toMatchObject({
      drift: false,
      orphansUnknown: 'the engine has not answered in time',
    });
  });
});

test('a plan tells how its containers would be started by hand', async () => {
  const rig = new EngineRig();
  const wanted = loaded(project([container('db', { replicas: 2 }), spec('web')]));
  const plan = await rig.engine.plan(wanted, []);
  expect(await rig.engine.commandLines(wanted, plan)).toEqual([
    { instance: 'db.1', line: 'docker run db.1 db' },
    { instance: 'db.2', line: 'docker run db.2 db' },
  ]);
});

describe('what instances need of an engine', () => {
  const network: ResourceState = {
    kind: 'network',
    name: 'shop_default',
    backend: 'docker',
    neededBy: ['db'],
    usedBy: [],
    wanted: {},
  };

  /** An engine that has what it was asked to make. */
  function engineWith(states: ResourceState[]): { readonly rig: EngineRig; readonly finish: (() => void)[] } {
    const backend = new FakeBackend();
    const finish: (() => void)[] = [];
    Object.assign(backend, {
      resources: () => Promise.resolve({ ok: true, value: [...states] }),
      applyResource: ({ name }: { readonly name: string }) =>
        new Promise((resolve) => {
          finish.push(() => {
            const at = states.findIndex((state) => state.name === name);
            const [made] = states.splice(at, 1);
            if (made?.wanted !== undefined) states.push({ ...made, found: made.wanted });
            resolve({ ok: true, value: undefined });
          });
        }),
    });
    return { rig: new EngineRig(backend), finish };
  }

  test('is made before the first start, told with its cause, and stands in no later plan', async () => {
    const { rig, finish } = engineWith([network]);
    const wanted = project([container('db')]);
    const plan = await rig.apply(wanted);
    expect(plan.resources).toMatchObject([
      { id: 'create:network:shop_default', causes: [{ kind: 'added' }] },
    ]);
    expect(rig.states).toEqual(['db.1 starting']);
    expect(rig.backend.procs).toEqual([]);
    finish[0]?.();
    await settled();
    expect(rig.states).toEqual(['db.1 running']);
    expect(rig.store.told.find(({ type }) => type === 'resource-changed')).toMatchObject({
      action: 'create',
      name: 'shop_default',
      cause: { kind: 'added' },
    });
    expect(await rig.engine.plan(loaded(wanted), [])).toMatchObject({ drift: false });
  });

  test('can be given up by whoever stops the service meanwhile', async () => {
    const { rig, finish } = engineWith([network]);
    await rig.apply(project([container('db')]));
    const ended = rig.engine.down(down);
    finish[0]?.();
    await rig.clock.pass(20_000);
    expect(await ended).toMatchObject({ leftovers: [] });
    expect(rig.backend.procs).toEqual([]);
  });

  test('is unknown where the engine does not answer: the plan says so, and nothing is concluded', async () => {
    const { rig } = engineWith([]);
    const failure = { code: 'other' as const, message: 'there is no engine' };
    Object.assign(rig.backend, { resources: () => Promise.resolve({ ok: false, error: failure }) });
    const plan = await rig.apply(project([container('db')]));
    expect(plan).toMatchObject({ resourcesUnknown: 'there is no engine' });
    expect(plan.resources).toBeUndefined();
  });
});
