import { expect, test } from 'vitest';
import { newProject } from '../rig/setpoint.ts';
import { Terminal } from '../rig/terminal.ts';
import { eventually } from '../rig/wait.ts';

const MANIFEST = `
services:
  web: { command: exec sleep 1000, cwd: sub, env: { GREETING: "hello there" } }
`;

test('a command gets the environment and the folder of the service, and its status is the one to end with', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': MANIFEST, 'sub/here': '' });
  await project.ok('up', '-d', '--wait');
  const script = 'echo "$GREETING $MORE $PWD run=$SETPOINT_RUN"; ls; echo oops >&2; exit 7';
  const ran = await project.run(['exec', '-e', 'MORE=and more', 'web', '--', 'sh', '-c', script]);
  expect(ran).toMatchObject({ status: 7, stderr: 'oops\n' });
  expect(ran.stdout).toBe(`hello there and more ${project.dir}/sub run=\nhere\n`);
  const word = await project.run(['exec', '-w', '/', 'web.1', 'pwd']);
  expect(word).toMatchObject({ status: 0, stdout: '/\n' });
  const missing = await project.run(['exec', 'web', 'no-such-program-anywhere']);
  expect(missing.status).toBe(127);
  expect(await project.run(['exec', '-u', 'nobody', 'web', 'true'])).toMatchObject({ status: 1 });
  expect(await project.run(['exec', 'nobody', 'true'])).toMatchObject({ status: 2 });
});

test('a command ends with the daemon that shows it, however that ends', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': MANIFEST, 'sub/here': '' });
  await project.ok('up', '-d', '--wait');
  const running = project.run(['exec', 'web', 'sh', '-c', 'echo $$ > pid; exec sleep 4321']);
  const sleeping = (): boolean => project.processes().some(({ command }) => command === 'sleep 4321');
  await eventually('the command to run', sleeping);
  process.kill(await project.daemonPid(), 'SIGKILL');
  expect((await running).status).not.toBe(0);
  await eventually('the command to be gone', () => !sleeping());
});

test('on a terminal the command has one of that size, and Ctrl-C and further sizes reach it', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': MANIFEST, 'sub/here': '' });
  await project.ok('up', '-d', '--wait');
  const terminal = new Terminal(ctx, project, 100, 30);
  const shown = await terminal.run('setpoint exec web sh -c "stty size; test -t 0 && echo terminal"');
  expect(shown).toMatch(/^30 100$/m);
  expect(shown).toMatch(/^terminal$/m);
  expect(shown).toMatch(/^status=0$/m);
  const trap = `trap "echo sized" WINCH; trap "echo caught; exit 9" INT; echo at it; while :; do sleep 0.1; done`;
  project.write('sub/waits.sh', trap);
  terminal.type('setpoint exec web sh waits.sh');
  await terminal.shows(/^at it$/m);
  terminal.resize(90, 28);
  await terminal.shows(/^sized$/m);
  terminal.press('C-c');
  const over = await terminal.shows(/^status=9$/m);
  expect(over).toMatch(/caught/);
});
