import { expect, test } from 'vitest';
import { dockerAt, engineEnv, lacksEngine, provideImage } from '../backends/docker/engine.ts';
import { lacks } from '../rig/needs.ts';
import { newProject } from '../rig/setpoint.ts';
import { attempt } from './attempt.ts';
import { EDITS, FILES, IMAGES, IN_SANDBOX, ON_ENGINE } from './rows.ts';

const ofService = EDITS.filter(({ top }) => top === undefined);

test('what the plan says of an edit of any key is what comes to pass, and then nothing is left to do', async (ctx) => {
  const edits = ofService.filter(({ notReal }) => notReal === undefined);
  expect(edits.length).toBeGreaterThan(80);
  await attempt(newProject(ctx, FILES), edits, 20_000);
}, 90_000);

test('the same of mounts and sandboxes', async (ctx) => {
  const missing = lacks('bwrap');
  if (missing !== undefined) ctx.skip(missing);
  const edits = ofService.filter(({ notReal }) => notReal === IN_SANDBOX);
  expect(edits.length).toBe(6);
  await attempt(newProject(ctx, FILES), edits, 20_000);
}, 60_000);

test('the same of the keys of containers, on an engine', async (ctx) => {
  const missing = lacksEngine();
  if (missing !== undefined) ctx.skip(missing);
  const docker = dockerAt();
  await provideImage(docker);
  const [first, second] = IMAGES;
  const [repo = '', tag = ''] = second.split(':');
  await docker.getImage(first).tag({ repo, tag });
  const name = `edits-${process.pid}`;
  const project = newProject(ctx, FILES, {
    DOCKER_HOST: engineEnv()['DOCKER_HOST'],
    DOCKER_CONTEXT: undefined,
  });
  ctx.onTestFinished(async () => {
    await project.run(['down', '--volumes', '--timeout', '5s']);
    await docker.getImage(second).remove({ force: true });
    const label = [`dev.setpoint.project=${name}`];
    expect(await docker.listContainers({ all: true, filters: { label } })).toEqual([]);
    for (const { Id } of await docker.listImages({ filters: { label } }))
      await docker.getImage(Id).remove({ force: true });
  });
  const edits = ofService.filter(({ notReal }) => notReal === ON_ENGINE);
  expect(edits.length).toBeGreaterThan(50);
  await attempt(project, edits, 90_000, name);
}, 300_000);
