import { beforeEach, expect, test } from 'vitest';
import type { Hooks } from '../../src/core/service.ts';
import type { CommandRequest } from '../../src/ports/commands.ts';
import { settled } from '../rig/fake-clock.ts';
import { project, spec } from '../rig/spec.ts';
import { EngineRig } from './rig.ts';

let rig: EngineRig;
beforeEach(() => {
  rig = new EngineRig();
});

const hook = (name: string) => ({ command: { kind: 'exec' as const, argv: [name] }, timeoutMs: 600_000 });
const stop = { signal: 'SIGTERM', graceMs: 1_000, killTree: true };

/** From now on commands end only by being given up. */
function hang(): void {
  rig.commandResult = (request) =>
    new Promise((resolve) =>
      request.signal?.addEventListener('abort', () =>
        resolve({ kind: 'signalled', signal: 'SIGKILL', output: '' }),
      ),
    );
}

function asked(name: string): CommandRequest | undefined {
  return rig.commands.find(({ argv }) => argv[0] === name);
}

async function up(
  hooks: Hooks,
  change: { command?: ReturnType<typeof hook>['command'] } = {},
): Promise<void> {
  await rig.apply(project([spec('api', { hooks, stop: { ...stop, ...change } })]));
}

async function stopping(): Promise<void> {
  rig.engine.act({ action: 'stop', select: { names: ['api'], labels: [] } });
  await settled();
}

test('a pre_stop hook that hangs is given up with the unit when the grace period is over, and nothing is asked after it', async () => {
  await up({ preStop: hook('drain') }, { command: hook('bye').command });
  hang();
  await stopping();
  await rig.clock.pass(999);
  expect(asked('drain')?.signal?.aborted).toBe(false);
  await rig.clock.pass(1);
  expect(asked('drain')?.signal?.aborted).toBe(true);
  expect(rig.backend.of('api.1').signals).toEqual(['SIGKILL']);
  expect(asked('bye')).toBeUndefined();
  expect(rig.states).toEqual(['api.1 stopped']);
});

test('a stop command that hangs is given up in the same way, and no signal follows', async () => {
  await up({}, { command: hook('bye').command });
  hang();
  await stopping();
  await rig.clock.pass(1_000);
  expect(asked('bye')?.signal?.aborted).toBe(true);
  expect(rig.backend.of('api.1').signals).toEqual(['SIGKILL']);
  expect(rig.states).toEqual(['api.1 stopped']);
});

test('what asks a service to end is waited for, within the grace period, even if the service is gone before', async () => {
  await up({ preStop: hook('drain') });
  hang();
  await stopping();
  rig.backend.of('api.1').end({ kind: 'code', code: 0 });
  await rig.clock.pass(999);
  expect(rig.states).toEqual(['api.1 stopping']);
  await rig.clock.pass(1);
  expect(asked('drain')?.signal?.aborted).toBe(true);
  expect(rig.states).toEqual(['api.1 stopped']);
});

test('a stop before the start is through gives a pre_start hook the grace period, and no more', async () => {
  hang();
  await up({ preStart: hook('migrate') });
  await stopping();
  await rig.clock.pass(999);
  expect(rig.states).toEqual(['api.1 stopping']);
  await rig.clock.pass(1);
  expect(asked('migrate')?.signal?.aborted).toBe(true);
  expect(rig.states).toEqual(['api.1 stopped']);
  expect(rig.backend.procs).toEqual([]);
});

test('to kill everything includes a post_stop hook that is under way', async () => {
  await up({ postStop: hook('clean') });
  hang();
  const down = rig.engine.down({ reason: 'test', level: 0 });
  await rig.clock.pass(30_000);
  expect(rig.states).toEqual(['api.1 stopping']);
  const killed = rig.engine.down({ reason: 'test', level: 2 });
  await settled();
  expect(asked('clean')?.signal?.aborted).toBe(true);
  expect(await Promise.all([down, killed])).toMatchObject([{ leftovers: [] }, { leftovers: [] }]);
  expect(rig.engine.record.phase).toBe('down');
});

test('once everything is being killed no post_stop hook begins any more', async () => {
  await up({ postStop: hook('clean') });
  await rig.engine.down({ reason: 'test', level: 2 });
  expect(asked('clean')).toBeUndefined();
});

test('the end of the daemon is the end of its hooks', async () => {
  hang();
  await up({ postStart: hook('warm') });
  rig.engine.dispose();
  expect(asked('warm')?.signal?.aborted).toBe(true);
});

test('only what asks a service to end carries the mark of its run', async () => {
  await up(
    { preStart: hook('a'), postStart: hook('b'), preStop: hook('c'), postStop: hook('d') },
    { command: hook('bye').command },
  );
  const { run } = rig.backend.of('api.1');
  rig.backend.of('api.1').ignores = [];
  await stopping();
  await rig.clock.pass(1_000);
  const marks = rig.commands.map(({ argv, env }) => [argv[0], env['SETPOINT_RUN']]);
  expect(marks).toEqual([
    ['a', undefined],
    ['b', undefined],
    ['c', run],
    ['bye', run],
    ['d', undefined],
  ]);
});
