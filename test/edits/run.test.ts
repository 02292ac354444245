import { expect, test } from 'vitest';
import type { PlanResponse } from '../../src/core/api.ts';
import { newProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';
import { EDITS, FILES, manifestOf } from './rows.ts';

/** Every edit that processes of any machine can be tried by, each of a service of its own. */
const edits = EDITS.filter(({ top, notReal }) => top === undefined && notReal === undefined).map((edit) => ({
  ...edit,
  id: edit.key.replaceAll('.', '-'),
}));

function manifest(at: 'before' | 'after'): string {
  const services = edits.map((edit) => {
    const { x } = (manifestOf(edit, edit[at]) as { services: { x: object } }).services;
    return [edit.id, x] as const;
  });
  return JSON.stringify({
    services: { ...Object.fromEntries(services), other: { command: ['sleep', '1000'] } },
  });
}

test('what the plan says of an edit of any key is what comes to pass, and then nothing is left to do', async (ctx) => {
  const project = newProject(ctx, { ...FILES, 'setpoint.yaml': manifest('before') });
  // Each edit is applied by the command below, and not before it.
  await project.ok('up', '-d', '--no-watch', '--profile', 'on');
  const steady = async () => {
    const instances = await project.instances();
    const isSteady = instances.every(
      ({ state }) => state.kind === 'scheduled' || (state.kind === 'running' && state.pid !== undefined),
    );
    return isSteady ? instances : undefined;
  };
  const pids = (instances: NonNullable<Awaited<ReturnType<typeof steady>>>) =>
    new Map(
      instances.map(({ id, state }) => [id, state.kind === 'running' ? state.pid : undefined] as const),
    );
  const before = pids(await eventually('all to run', steady, 20_000));
  expect(before.size).toBe(edits.length + 1);

  project.write('setpoint.yaml', manifest('after'));
  const planned = await project.run(['plan', '--profile', 'on', '--format', 'json']);
  expect([planned.status, planned.stderr]).toEqual([2, '']);
  const { plan } = JSON.parse(planned.stdout) as PlanResponse;
  const said = edits.map(({ key, id }) => {
    const steps = (plan?.steps ?? []).filter(({ service }) => service === id);
    return [key, steps.map(({ action }) => action).filter((action) => action !== 'none')];
  });
  expect(said).toEqual(edits.map(({ key, effect }) => [key, effect === 'none' ? [] : [effect]]));

  await project.ok('up', '-d', '--no-watch', '--profile', 'on');
  const after = await eventually(
    'all that is replaced to run anew',
    async () => {
      const instances = await steady();
      const now = instances === undefined ? undefined : pids(instances);
      const done = edits.every(
        ({ id, effect }) => effect !== 'replace' || now?.get(`${id}.1`) !== before.get(`${id}.1`),
      );
      return done ? now : undefined;
    },
    20_000,
  );
  const came = edits.map(({ key, id }) => {
    const isSame = before.get(`${id}.1`) === after.get(`${id}.1`);
    return [key, isSame ? 'the same process' : 'another process', after.has(`${id}.2`) ? 2 : 1];
  });
  expect(came).toEqual(
    edits.map(({ key, effect }) => [
      key,
      effect === 'replace' ? 'another process' : 'the same process',
      effect === 'start' ? 2 : 1,
    ]),
  );
  const again = await project.run(['plan', '--profile', 'on']);
  expect([again.status, again.stdout.trim().split('\n').at(-1)]).toEqual([0, 'Nothing to do.']);
}, 90_000);
