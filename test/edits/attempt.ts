import { expect } from 'vitest';
import type { PlanResponse } from '../../src/core/api.ts';
import type { TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';
import { type Edit, type EditEffect, manifestOf } from './rows.ts';

type Services = Readonly<Record<string, unknown>>;

/** A manifest in which every edit has a service of its own. Ports differ by service, so that all can run at once. */
export function manifestFor(edits: readonly Edit[], at: 'before' | 'after', name?: string): string {
  const services = edits.map((edit, i) => {
    const { x } = (manifestOf(edit, edit[at]) as { readonly services: Services }).services;
    return [
      idOf(edit),
      JSON.parse(JSON.stringify(x).replaceAll(/1808(?=\d)/g, `${2_000 + i}`)) as unknown,
    ] as const;
  });
  const other = { command: ['sleep', '1000'] };
  return JSON.stringify({
    ...(name === undefined ? {} : { name }),
    services: { ...Object.fromEntries(services), other },
  });
}

function idOf({ key }: Edit): string {
  return key.replaceAll('.', '-');
}

/**
 * Edits all services of a project that runs at once, and compares for each what its row says, what the plan says, and what
 * comes to pass: another process, the same one, one more. Then nothing must be left to do.
 */
export async function attempt(
  project: TestProject,
  edits: readonly Edit[],
  withinMs: number,
  name?: string,
): Promise<void> {
  // Each edit is applied by the command below, and not before it.
  const up = ['up', '-d', '--no-watch', '--profile', 'on'];
  project.write('setpoint.yaml', manifestFor(edits, 'before', name));
  await project.ok(...up);
  const before = await eventually('all to run', () => processesOf(project), withinMs).catch(async () => {
    throw new Error(`do not run:\n${(await notRunning(project)).join('\n')}`);
  });
  expect(before.size).toBe(edits.length + 1);

  project.write('setpoint.yaml', manifestFor(edits, 'after', name));
  const planned = await project.run(['plan', '--profile', 'on', '--format', 'json']);
  expect(planned.status).toBe(2);
  const { plan } = JSON.parse(planned.stdout) as PlanResponse;
  const said = edits.map((edit) => {
    const steps = (plan?.steps ?? []).filter(({ service }) => service === idOf(edit));
    return [edit.key, steps.map(({ action }) => action).filter((action) => action !== 'none')];
  });
  expect(said).toEqual(edits.map(({ key, effect }) => [key, effect === 'none' ? [] : [effect]]));

  await project.ok(...up);
  const isDone = (edit: Edit, now: Processes): boolean => sawOf(edit, before, now) === wantedOf(edit.effect);
  const after = await eventually(
    'all that is edited to have come to pass',
    async () => {
      const now = await processesOf(project);
      return now !== undefined && edits.every((edit) => edit.effect !== 'replace' || isDone(edit, now))
        ? now
        : undefined;
    },
    withinMs,
  ).catch(async () => {
    const now = await processesOf(project);
    const late = edits.filter((edit) => now !== undefined && !isDone(edit, now)).map(({ key }) => key);
    throw new Error(`not as it was said:\n${[...late, ...(await notRunning(project))].join('\n')}`);
  });
  const saw = edits.map((edit) => [edit.key, sawOf(edit, before, after)]);
  expect(saw).toEqual(edits.map(({ key, effect }) => [key, wantedOf(effect)]));
  await eventually(
    'nothing to be left to do',
    async () => (await project.run(['plan', '--profile', 'on'])).status === 0 || undefined,
    withinMs,
  );
}

/** What identifies the present run of each instance. */
type Processes = ReadonlyMap<string, number | undefined>;

/** Undefined while some instance is neither running nor waiting for its schedule. */
async function processesOf(project: TestProject): Promise<Processes | undefined> {
  const instances = await project.instances();
  const isSteady = instances.every(
    ({ state }) => state.kind === 'scheduled' || (state.kind === 'running' && state.pid !== undefined),
  );
  if (!isSteady) return undefined;
  return new Map(instances.map(({ id, state }) => [id, state.kind === 'running' ? state.pid : undefined]));
}

async function notRunning(project: TestProject): Promise<readonly string[]> {
  return (await project.instances())
    .filter(({ state }) => state.kind !== 'scheduled' && state.kind !== 'running')
    .map(({ id, state }) => `${id} ${JSON.stringify(state)}`);
}

function sawOf(edit: Edit, before: Processes, after: Processes): string {
  const id = idOf(edit);
  const process = before.get(`${id}.1`) === after.get(`${id}.1`) ? 'the same process' : 'another process';
  return after.has(`${id}.2`) ? `${process} and one more` : process;
}

function wantedOf(effect: EditEffect): string {
  switch (effect) {
    case 'replace':
      return 'another process';
    case 'start':
      return 'the same process and one more';
    case 'update':
    case 'none':
      return 'the same process';
  }
}
