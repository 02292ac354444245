import { describe, expect, test } from 'vitest';
import type { Probe } from '../../src/core/service.ts';
import { settled } from '../rig/fake-clock.ts';
import { project, spec } from '../rig/spec.ts';
import { EngineRig, loaded } from './rig.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

/** By how much a person or a time server sets the clock, ms. */
const JUMPS = [HOUR, -HOUR, YEAR, -YEAR];

const EXEC: Probe = {
  check: { kind: 'exec', command: { kind: 'exec', argv: ['true'] } },
  intervalMs: 2_000,
  timeoutMs: 1_000,
  retries: 1,
  startPeriodMs: 0,
  success: 1,
};

function jump(rig: EngineRig, ms: number): void {
  rig.clock.setWall(rig.clock.wall() + ms);
}

describe.each(JUMPS)('a wall clock that is set by %d ms', (ms) => {
  test('changes nothing about probes', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('db', { ready: EXEC, live: EXEC })]));
    await rig.clock.pass(20_000);
    const told = rig.store.told.length;
    const before = rig.looks.length;
    await rig.clock.pass(20_000);
    const usual = rig.looks.length - before;
    jump(rig, ms);
    await rig.clock.pass(20_000);
    expect(rig.looks.length - before).toBe(2 * usual);
    expect(rig.store.told.slice(told)).toEqual([]);
    expect(rig.states).toEqual(['db.1 running']);
  });

  test('neither brings a retry forward nor puts it off', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('api')]));
    rig.backend.of('api.1').end({ kind: 'code', code: 3 });
    await rig.clock.pass(499);
    jump(rig, ms);
    await settled();
    expect(rig.states).toEqual(['api.1 backoff']);
    await rig.clock.pass(1);
    expect(rig.states).toEqual(['api.1 running']);
    expect(rig.backend.startsOf('api.1')).toBe(2);
  });

  test('does not reset the count of failures, nor the window of restarts', async () => {
    const rig = new EngineRig();
    await rig.apply(
      project([spec('api', { restart: { policy: 'on-failure', maxRestarts: 2, windowMs: 60_000 } })]),
    );
    for (let restart = 1; restart <= 2; restart += 1) {
      rig.backend.of('api.1').end({ kind: 'code', code: 3 });
      jump(rig, ms);
      await rig.clock.pass(1_000);
      expect(rig.backend.startsOf('api.1')).toBe(1 + restart);
    }
    rig.backend.of('api.1').end({ kind: 'code', code: 3 });
    await settled();
    expect(rig.engine.services()[0]?.instances[0]?.state).toMatchObject({
      kind: 'failed',
      code: 'E_MAX_RESTARTS',
    });
  });

  test('neither ends a run before its timeout nor lets it go on', async () => {
    const rig = new EngineRig();
    await rig.apply(project([spec('job', { timeoutMs: 10_000, restart: 'never' })]));
    await rig.clock.pass(5_000);
    jump(rig, ms);
    await rig.clock.pass(4_999);
    expect(rig.states).toEqual(['job.1 running']);
    await rig.clock.pass(1);
    expect(rig.states).toEqual(['job.1 failed']);
  });

  test('leaves a grace period and a wait for a dependency as long as they are', async () => {
    const rig = new EngineRig();
    rig.backend.onStart = (proc) => (proc.ignores = ['SIGTERM']);
    await rig.apply(
      project([
        spec('db', { stop: { signal: 'SIGTERM', graceMs: 10_000, killTree: true } }),
        spec('api', { dependsOn: [{ service: 'db', condition: 'completed', timeoutMs: 20_000 }] }),
      ]),
    );
    const down = rig.engine.act({ action: 'stop', select: { names: ['db'], labels: [] } });
    expect(down.ok).toBe(true);
    await rig.clock.pass(5_000);
    jump(rig, ms);
    await rig.clock.pass(4_999);
    expect(rig.backend.of('db.1').signals).toEqual(['SIGTERM']);
    await rig.clock.pass(1);
    expect(rig.backend.of('db.1').signals).toEqual(['SIGTERM', 'SIGKILL']);
    await rig.clock.pass(9_999);
    expect(rig.states).toContain('api.1 waiting');
    await rig.clock.pass(1);
    expect(rig.states).toContain('api.1 skipped');
  });

  test('between two daemons costs no run its life, and lets the policy be applied once', async () => {
    const first = new EngineRig();
    const wanted = project([spec('api', { ready: EXEC }), spec('job')]);
    await first.apply(wanted);
    await first.clock.pass(10_000);
    const { backend, store } = first;
    backend.of('job.1').end({ kind: 'code', code: 3 });
    const second = new EngineRig(backend, store);
    second.clock.setWall(first.clock.wall() + ms);
    const { runs } = store.readRuns();
    const procs = await backend.adopt(runs.map((record) => ({ record, instanceDir: '' })));
    const found = runs.map((record) => ({
      record,
      orphanSpec: spec(record.service),
      proc: procs.find(({ run }) => run === record.run)!,
    }));
    second.engine.resume(loaded(wanted), found);
    await settled();
    expect(second.states).toEqual(['api.1 running', 'job.1 backoff']);
    expect(second.engine.services()[0]?.instances[0]?.state).toMatchObject({ readiness: { kind: 'ready' } });
    await second.clock.pass(10_000);
    expect([backend.startsOf('api.1'), backend.startsOf('job.1')]).toEqual([1, 2]);
  });
});
