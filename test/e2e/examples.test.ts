import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { dockerAt, engineEnv, lacksEngine } from '../backends/docker/engine.ts';
import { FlakeRig, lacksNix } from '../backends/nix/flake.ts';
import { freePort } from '../rig/free-port.ts';
import { lacks } from '../rig/needs.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples');
const IMAGE = 'setpoint-example/busybox:1';

const noEngine = lacksEngine();
const noNix = lacksNix();
const noBwrap = lacks('bwrap');

/** A copy of an example, under a name of its own where it has something on an engine. */
function exampleProject(
  ctx: TestContext,
  example: string,
  env: Readonly<Record<string, string | undefined>>,
): TestProject {
  const rig = new FlakeRig();
  ctx.onTestFinished(() => rig.close());
  const { PATH: _path, HOME: _home, ...nix } = rig.env;
  const project = newProject(ctx, {}, { ...nix, XDG_CACHE_HOME: join(rig.dir, 'cache'), ...env });
  cpSync(join(EXAMPLES, example), project.dir, { recursive: true });
  const manifest = readFileSync(join(project.dir, 'setpoint.yaml'), 'utf8');
  const name = `example-${example}-${process.pid}`;
  project.write('setpoint.yaml', manifest.replace(/^name: .*$/m, `name: ${name}`));
  return project;
}

/** The image that the examples build goes as it came. */
async function sparingTheImage(ctx: TestContext): Promise<void> {
  const image = dockerAt().getImage(IMAGE);
  const there = await image.inspect().catch(() => undefined);
  if (there === undefined) ctx.onTestFinished(() => image.remove().then(() => undefined));
}

async function pageOf(port: number, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
}

const engine = { DOCKER_HOST: engineEnv()['DOCKER_HOST'], DOCKER_CONTEXT: undefined };

test('examples/docker comes up with one command and goes with one, and leaves nothing', async (ctx) => {
  if (noEngine !== undefined) ctx.skip(noEngine);
  await sparingTheImage(ctx);
  const port = await freePort();
  const project = exampleProject(ctx, 'docker', { ...engine, DOCKER_EXAMPLE_PORT: String(port) });
  expect(await project.ok('up', '-d', '--wait')).toMatch(/is up: 2 ready, 1 running$/m);
  const counted = await eventually('the counter to count', async () => {
    const page = await pageOf(port, '/');
    return /counted: [1-9]/.test(page) ? page : undefined;
  });
  expect(counted).toContain('the secret has 18 bytes');
  expect(await project.ok('plan')).toContain('Nothing to do.');
  expect(await project.ok('down', '--volumes')).toContain('nothing of it is left');
});

test('examples/mixed: a container, a process and a Nix shell up with one command, down with one', async (ctx) => {
  if (noEngine !== undefined) ctx.skip(noEngine);
  if (noNix !== undefined) ctx.skip(noNix);
  await sparingTheImage(ctx);
  const port = await freePort();
  const project = exampleProject(ctx, 'mixed', { ...engine, MIXED_PORT: String(port) });
  expect(await project.ok('up', '-d', '--wait')).toMatch(/is up: 2 ready, 1 running$/m);
  const status = await project.ok('status');
  for (const line of [/^db +ready .* docker$/m, /^api +ready .* native$/m, /^worker +running .* nix$/m]) {
    expect(status).toMatch(line);
  }
  const visits = async (): Promise<number> => Number(await pageOf(port, '/visits'));
  await eventually('the worker to have visited', async () => ((await visits()) > 0 ? true : undefined));
  const api = await project.pidOf('api.1');
  await project.killDaemon();
  const before = await visits();
  await eventually('it to go on without a daemon', async () =>
    (await visits()) > before ? true : undefined,
  );
  expect((await project.run(['status'])).stderr).toContain('took over what still runs');
  expect(await project.pidOf('api.1')).toBe(api);
  expect(await project.ok('plan')).toContain('Nothing to do.');
  expect(await project.ok('down', '--volumes')).toContain('nothing of it is left');
});

test('examples/nix finds its programs in the shell of the flake', async (ctx) => {
  if (noNix !== undefined) ctx.skip(noNix);
  const project = exampleProject(ctx, 'nix', {});
  expect(await project.ok('up', '-d', '--wait')).toMatch(/is up: /);
  await eventually(
    'both to have spoken',
    () => (project.log('worker.1').includes('/nix/store/') && project.log('outside.1') !== '') || undefined,
  );
  expect(project.log('outside.1')).toContain('nowhere');
  expect(await project.ok('down')).toContain('nothing of it is left');
});

test('examples/sandbox shows what a sandbox keeps a service from', async (ctx) => {
  if (noBwrap !== undefined) ctx.skip(noBwrap);
  const project = exampleProject(ctx, 'sandbox', {});
  expect(await project.ok('up', '-d', '--wait')).toMatch(/is up: 3 ready$/m);
  const careful = project.log('careful.1');
  expect(careful).toContain('can write to ./data');
  expect(careful).toContain('cannot write to /usr');
  expect(careful).toMatch(/^network: lo$/m);
  expect(await project.ok('down')).toContain('nothing of it is left');
});
