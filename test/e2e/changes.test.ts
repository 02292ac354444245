import { expect, test } from 'vitest';
import { isRunning } from '../rig/processes.ts';
import { newProject } from '../rig/setpoint.ts';

const BASE = `
services:
  web: { command: exec sleep 1000, env: { A: one }, env_file: web.env }
  db: { command: exec sleep 1000 }
  old: { command: exec sleep 1000 }
`;

test('only what changed is replaced, policies are changed in place, and what is gone from the manifest is stopped', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': BASE, 'web.env': 'B=two\n' });
  await project.ok('up', '-d', '--wait', '--no-watch');
  const web = await project.pidOf('web.1');
  const db = await project.pidOf('db.1');
  const old = await project.pidOf('old.1');

  project.write('setpoint.yaml', `# a comment\n${BASE.replace('{ A: one }', '{"A": "one"}')}`);
  expect(await project.ok('plan')).toContain('Nothing to do.');

  project.write('setpoint.yaml', BASE.replace('db: { ', 'db: { restart: always, backoff: { max: 1m }, '));
  const inPlace = await project.run(['plan']);
  expect(inPlace.status).toBe(2);
  expect(inPlace.stdout).toMatch(
    /^ {2}~ db +in place +backoff\.max 30s -> 1m\n +restart on-failure -> always$/m,
  );
  await project.ok('up', '-d', '--wait', '--no-watch');
  expect(await project.pidOf('db.1')).toBe(db);
  expect(await project.ok('explain', 'db')).toMatch(/restart is always/);
  expect(await project.ok('plan')).toContain('Nothing to do.');

  project.write('web.env', 'B=three\n');
  const drift = await project.run(['plan']);
  expect(drift.stdout).toMatch(/^ {2}~ web +replace +env\.B "two" -> "three"/m);
  await project.ok('up', '-d', '--wait', '--no-watch');
  const replaced = await project.pidOf('web.1');
  expect(replaced).not.toBe(web);
  expect(await project.pidOf('db.1')).toBe(db);

  const shown = project
    .read('setpoint.yaml')
    .split('\n')
    .filter((line) => !line.includes('old:'));
  project.write('setpoint.yaml', `${shown.join('\n')}  fresh: { command: exec sleep 1000 }\n`);
  const plan = await project.run(['plan']);
  expect(plan.stdout).toMatch(/^ {2}- old +stop +removed from the manifest/m);
  expect(plan.stdout).toMatch(/^ {2}\+ fresh +start +added/m);
  expect(isRunning(old)).toBe(true);
  await project.ok('up', '-d', '--wait', '--no-watch');
  expect(isRunning(old)).toBe(false);
  expect((await project.snapshot()).services.map(({ id }) => id).sort()).toEqual(['db', 'fresh', 'web']);
  expect(await project.pidOf('web.1')).toBe(replaced);
  expect(await project.pidOf('db.1')).toBe(db);
});

test('a plan that is asked for as data says the same, and changes nothing', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': BASE, 'web.env': '' });
  const fresh = await project.run(['plan', '--format', 'json']);
  expect(fresh.status).toBe(2);
  expect(JSON.parse(fresh.stdout)).toBeTypeOf('object');
  expect(project.processes()).toEqual([]);
  await project.ok('up', '-d', '--wait');
  expect((await project.run(['plan', '--format', 'json'])).status).toBe(0);
});

test('what was stopped by hand stays stopped, also for a new daemon, until it is asked for', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {a: {command: exec sleep 1000, restart: unless-stopped}, b: {command: exec sleep 1000}}`,
  });
  await project.ok('up', '-d', '--wait');
  await project.ok('stop', 'a');
  await project.killDaemon();
  expect(await project.ok('status')).toMatch(/^a +stopped/m);
  await project.ok('start', 'a');
  await project.becomes('a.1', 'running');
});

test('naming services on the command line brings up these and what they need, and no others', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  db: { command: exec sleep 1000 }
  api: { command: exec sleep 1000, depends_on: [db] }
  web: { command: exec sleep 1000, depends_on: [api] }
  tool: { command: exec sleep 1000, profiles: [tools] }
`,
  });
  await project.ok('up', '-d', '--wait', 'api');
  const states = new Map((await project.instances()).map(({ service, state }) => [service, state.kind]));
  expect([states.get('db'), states.get('api'), states.get('web') ?? 'stopped']).toEqual([
    'running',
    'running',
    'stopped',
  ]);
  expect(states.has('tool')).toBe(false);
  await project.ok('up', '-d', '--wait', 'tool');
  await project.becomes('tool.1', 'running');
  await project.ok('restart', 'db');
  await project.becomes('api.1', 'running');
});

test('services start in the order of their dependencies and stop in the reverse', async (ctx) => {
  const noting = (name: string, depends: string): string =>
    `  ${name}: { command: 'echo ${name} >> order; trap "echo ${name} >> order; exit 0" TERM; while :; do sleep 0.02; done'${depends} }\n`;
  const oneShot = "  first: { command: 'sleep 0.2; echo first >> order', restart: never }\n";
  const second = noting('second', ', depends_on: { first: completed-successfully }');
  const third = noting(
    'third',
    ', depends_on: { second: started }, hooks: { pre_start: "while ! grep -q second order; do sleep 0.02; done" }',
  );
  const project = newProject(ctx, { 'setpoint.yaml': `services:\n${third}${second}${oneShot}` });
  await project.ok('up', '-d', '--wait');
  await project.ok('down');
  expect(project.lines('order')).toEqual(['first', 'second', 'third', 'third', 'second']);
});
