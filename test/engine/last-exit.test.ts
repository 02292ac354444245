import { expect, test } from 'vitest';
import type { Exit } from '../../src/core/exit.ts';
import { project, spec } from '../rig/spec.ts';
import { EngineRig } from './rig.ts';

const backoff = { initialMs: 100, maxMs: 100, multiplier: 1, jitter: 0, resetAfterMs: 1_000_000 };

function lastExit(rig: EngineRig): Exit | undefined {
  return rig.engine.services()[0]?.instances[0]?.lastExit;
}

test('the last end of a run that was stopped for its timeout is that, not how its process took it', async () => {
  const rig = new EngineRig();
  await rig.apply(project([spec('job', { timeoutMs: 5_000, backoff })]));
  await rig.clock.pass(5_100);
  expect(rig.states).toEqual(['job.1 running']);
  expect(rig.backend.startsOf('job.1')).toBe(2);
  expect(lastExit(rig)).toEqual({ kind: 'timeout', afterMs: 5_000 });
});

test('a start that failed is a last end, too, until there is another one', async () => {
  const rig = new EngineRig();
  const failure = {
    code: 'resource-shortage',
    message: 'the system is short of a resource (EMFILE)',
  } as const;
  rig.backend.failures.set('web.1', failure);
  await rig.apply(project([spec('web', { backoff })]));
  expect(rig.states).toEqual(['web.1 backoff']);
  expect(lastExit(rig)).toEqual({ kind: 'spawn-error', failure });
  rig.backend.failures.clear();
  await rig.clock.pass(100);
  rig.backend.of('web.1').end({ kind: 'code', code: 3 });
  await rig.clock.pass(50);
  expect(lastExit(rig)).toEqual({ kind: 'code', code: 3 });
});
