import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { FlakeRig, lacksNix, realNix, shellFlake } from '../backends/nix/flake.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const LACK = lacksNix();
beforeEach((ctx) => {
  if (LACK !== undefined) ctx.skip(LACK);
});

const MANIFEST = `
services:
  worker:
    command: greet; exec sleep 1000
    nix: { flake: . }
    requires: [greet]
    ready: { exec: [greet] }
`;

function shell(greeting: string): string {
  return shellFlake(`PATH = "\${./bin}"; GREETING = "${greeting}"; `);
}

/** A project with a flake, and with a nix that counts its calls. */
function flakeProject(ctx: Parameters<typeof newProject>[0]): { project: TestProject; calls: () => number } {
  const rig = new FlakeRig();
  ctx.onTestFinished(() => rig.close());
  const { PATH: _path, ...settings } = rig.env;
  const counting = rig.program('counting', 'nix', `echo call >>'${rig.dir}/calls'\nexec '${realNix()}' "$@"`);
  const project = newProject(
    ctx,
    {
      'setpoint.yaml': MANIFEST,
      'flake.nix': shell('hello'),
      'bin/greet': '#!/bin/sh\n[ -n "$GREETING" ] && echo "$GREETING"\n',
    },
    { ...settings, PATH: `${counting}:${process.env['PATH'] ?? ''}`, XDG_CACHE_HOME: join(rig.dir, 'cache') },
  );
  chmodSync(join(project.dir, 'bin/greet'), 0o755);
  const log = join(rig.dir, 'calls');
  return { project, calls: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0) };
}

test('a service in a nix shell has its programs, in its probes, too, and nix is called once for it', async (ctx) => {
  const { project, calls } = flakeProject(ctx);
  await project.ok('up', '-d', '--wait');
  expect(project.log('worker.1')).toBe('hello\n');
  expect(calls()).toBe(1);
  // Another daemon, another start: the environment is there.
  const pid = await project.pidOf('worker.1');
  await project.killDaemon();
  await project.ok('up', '-d', '--wait');
  expect(await project.pidOf('worker.1')).toBe(pid);
  expect(await project.ok('plan')).toContain('Nothing to do');
  await project.ok('restart', 'worker');
  await project.becomes('worker.1', 'running');
  expect(await project.pidOf('worker.1')).not.toBe(pid);
  await project.ok('down');
  await project.ok('up', '-d', '--wait');
  expect(calls()).toBe(1);
  await project.ok('down');
});

test('a change of the flake replaces it, and one that does not evaluate leaves it running', async (ctx) => {
  const { project } = flakeProject(ctx);
  await project.ok('up', '-d', '--wait');
  const pid = await project.pidOf('worker.1');
  project.write('flake.nix', '{ outputs = { self }: { a = 3 } }');
  await eventually(
    'the failure to be told',
    async () => (await project.ok('events')).includes('syntax error') || undefined,
  );
  expect(await project.pidOf('worker.1')).toBe(pid);
  project.write('flake.nix', shell('good day'));
  await eventually('the new one to greet', () => project.log('worker.1').endsWith('good day\n') || undefined);
  expect(await project.ok('events')).toContain('nix.flake');
  await project.ok('down');
});
