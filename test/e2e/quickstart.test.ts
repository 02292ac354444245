import { cpSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../rig/free-port.ts';
import { newProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const QUICKSTART = resolve(import.meta.dirname, '../../examples/quickstart');

test('the quickstart goes up, is looked at, changed in one place, and goes down leaving nothing', async (ctx) => {
  const project = newProject(ctx, {});
  cpSync(QUICKSTART, project.dir, { recursive: true, filter: (path) => !path.endsWith('/data') });
  const port = await freePort();
  project.write('.env', `QUICKSTART_PORT=${port}\n`);

  const up = await project.ok('up', '-d', '--wait', '--no-watch');
  expect(up).toMatch(/^quickstart is up: 2 running, 1 completed$/m);
  expect(await fetchText(port)).toMatch(/^visit \d+\nprepared by /);

  const status = await project.ok('status');
  expect(status).toMatch(/^prepare +completed .* exit 0$/m);
  expect(status).toMatch(new RegExp(`^web +running +\\d+s +0 +.* MiB +${port} +native$`, 'm'));
  expect(status).toMatch(/^worker +running /m);
  await eventually('a visit in the log', () => project.log('worker.1').includes('visit') || undefined);
  expect(await project.ok('logs', 'web', 'worker')).toMatch(/^worker +\| .* visit \d+$/m);
  expect(await project.ok('plan')).toContain('Nothing to do.');

  const web = await project.pidOf('web.1');
  const worker = await project.pidOf('worker.1');
  const manifest = readFileSync(join(QUICKSTART, 'setpoint.yaml'), 'utf8');
  project.write(
    'setpoint.yaml',
    manifest.replace('depends_on: [web]', 'depends_on: [web]\n    env:\n      GREETING: hello'),
  );
  const plan = await project.run(['plan']);
  expect(plan).toMatchObject({ status: 2, stderr: '' });
  expect(plan.stdout).toMatch(/^ {2}~ worker +replace +env\.GREETING .*"hello"/m);
  expect(await project.pidOf('worker.1')).toBe(worker);

  const again = await project.ok('up', '-d', '--wait');
  expect(again).toMatch(/^worker: replaced: env\.GREETING .*"hello"/m);
  expect(again).not.toMatch(/^(web|prepare): (started|replaced)/m);
  expect(await project.pidOf('web.1')).toBe(web);
  expect(await project.pidOf('worker.1')).not.toBe(worker);
  expect(await project.ok('explain', 'worker')).toMatch(/stopping +SIGTERM +because of env\.GREETING/);
  expect(await project.ok('plan')).toContain('Nothing to do.');

  expect(await project.ok('down')).toMatch(/^quickstart is down, and nothing of it is left$/m);
  expect(project.processes().filter(({ command }) => !command.includes(' __daemon '))).toEqual([]);
  expect(project.socket()).toBeUndefined();
  await project.nothingIsLeft();
  expect(await project.ok('status')).toContain('is not running');
  expect(await project.run(['stop'])).toMatchObject({ status: 3 });
});

test('a project can go up again at once after it went down, any number of times', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': 'services: {a: {command: exec sleep 1000}}' });
  for (let round = 1; round <= 5; round += 1) {
    await project.ok('up', '-d');
    await project.pidOf('a.1');
    await project.ok('down');
  }
  expect(await project.ok('status')).toContain('is not running');
});

function fetchText(port: number): Promise<string> {
  return new Promise((done, fail) => {
    get({ host: '127.0.0.1', port, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.once('end', () => done(text));
    }).once('error', fail);
  });
}
