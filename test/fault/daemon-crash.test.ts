import { expect, test } from 'vitest';
import { isRunning, killIfThere } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** Writes a numbered line every few milliseconds, and says how far it came when it is told to end. */
const CHATTY = `
services:
  chatty:
    command: [node, -e, "let n = 0; setInterval(() => { for (let i = 0; i < 20; i++) process.stdout.write('line ' + (n++) + '\\\\n') }, 2); process.on('SIGTERM', () => process.exit(0))"]
  quiet:
    command: exec sleep 1000
`;

/** Ends with 3 when told to; `starts` counts its runs. */
const QUITTER = `
services:
  quitter:
    command: |
      echo run >> starts
      echo about to fail >&2
      while [ ! -e quit ]; do sleep 0.02; done
      rm quit
      exit 3
    restart: POLICY
    backoff: { initial: 20ms, jitter: 0 }
  other: { command: exec sleep 1000 }
`;

test('a service that ends while there is no daemon is reported with its status, and restarted once', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': QUITTER.replace('POLICY', 'on-failure') });
  await project.ok('up', '-d', '--wait');
  const pid = await project.pidOf('quitter.1');
  await project.killDaemon();
  project.write('quit', '');
  await eventually('it to be gone', () => !isRunning(pid));
  await project.ok('status');
  await eventually('the second run', () => project.lines('starts').length >= 2 || undefined);
  const back = await project.becomes('quitter.1', 'running');
  expect(back).toMatchObject({ restarts: 1, lastExit: { kind: 'code', code: 3 } });
  expect(await project.ok('events', 'quitter')).toMatch(/exited +(exit|code) 3 /);
  expect(await project.ok('explain', 'quitter')).toContain('about to fail');
  expect(project.lines('starts')).toHaveLength(2);
});

test('a service with restart never that ends while there is no daemon is failed with its status', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': QUITTER.replace('POLICY', 'never') });
  await project.ok('up', '-d', '--wait');
  const pid = await project.pidOf('quitter.1');
  await project.killDaemon();
  project.write('quit', '');
  await eventually('it to be gone', () => !isRunning(pid));
  expect(await project.ok('status')).toMatch(/^quitter +failed .*exit 3: about to fail$/m);
  expect(project.lines('starts')).toHaveLength(1);
});

test('a service killed by a signal while there is no daemon is reported with that signal', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml':
      'services: {a: {command: exec sleep 1000, restart: never}, b: {command: exec sleep 1000}}',
  });
  await project.ok('up', '-d', '--wait');
  const pid = await project.pidOf('a.1');
  await project.killDaemon();
  process.kill(pid, 'SIGKILL');
  await eventually('it to be gone', () => !isRunning(pid));
  expect(await project.ok('status')).toMatch(/^a +failed .*killed by SIGKILL/m);
});

test('a service whose launcher died as well has an unknown end, and the policy is applied', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': 'services: {a: {command: exec sleep 1000, backoff: {initial: 10ms}}}',
  });
  await project.ok('up', '-d', '--wait');
  const pid = await project.pidOf('a.1');
  const launchers = project.processes().filter(({ command }) => command.includes('launcher.sh'));
  expect(launchers).toHaveLength(1);
  await project.killDaemon();
  for (const { pid: launcher } of launchers) process.kill(launcher, 'SIGKILL');
  process.kill(pid, 'SIGKILL');
  await eventually('both to be gone', () => project.processes().length === 0);
  await project.ok('status');
  expect(await project.becomes('a.1', 'running')).toMatchObject({ lastExit: { kind: 'unknown' } });
});

test('down works right after the daemon was killed', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': CHATTY });
  await project.ok('up', '-d', '--wait');
  await project.killDaemon();
  expect(await project.ok('down')).toContain('nothing of it is left');
  await project.nothingIsLeft();
});

const TWENTY = `services:\n${Array.from({ length: 20 }, (_, n) => `  s${n}: { command: "echo started >> started.${n}; exec sleep 1000"${n % 4 === 0 ? '' : `, depends_on: [s${n - 1}]`} }\n`).join('')}`;

/** One main process for each of the twenty, found by what it runs. */
function sleepers(project: TestProject): number {
  return project.processes().filter(({ command }) => command === 'sleep 1000').length;
}

test('whenever the daemon is killed during up, up again ends with one process per instance', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWENTY });
  for (let round = 0; round < 4; round += 1) {
    const up = project.start(['up', '-d', '--wait']);
    const target = Math.floor(Math.random() * 18);
    await eventually(`${target} to run`, () => sleepers(project) >= target || undefined);
    for (const { pid } of project.daemons()) killIfThere(pid);
    const { status } = await up.ended;
    if (status !== 0) await project.ok('up', '-d', '--wait');
    expect(sleepers(project), `round ${round}, killed after ${target}`).toBe(20);
    expect(project.daemons()).toHaveLength(1);
    const running = (await project.instances()).filter(({ state }) => state.kind === 'running');
    expect(running).toHaveLength(20);
    await project.ok('down');
    await project.nothingIsLeft();
  }
});

test('whenever the daemon is killed during down, down again leaves nothing', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWENTY });
  for (let round = 0; round < 4; round += 1) {
    await project.ok('up', '-d', '--wait');
    const down = project.start(['down']);
    const target = 19 - Math.floor(Math.random() * 18);
    await eventually(`at most ${target} to run`, () => sleepers(project) <= target || undefined);
    for (const { pid } of project.daemons()) killIfThere(pid);
    await down.ended;
    const again = await project.run(['down']);
    expect([0, 3], again.stderr).toContain(again.status);
    await project.nothingIsLeft();
    expect(await project.ok('status')).toContain('is not running');
  }
});
