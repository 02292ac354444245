import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eachRound, patienceMs } from '../rig/chance.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const TWO = `
services:
  a: { command: echo a >> started; exec sleep 1000 }
  b: { command: echo b >> started; exec sleep 1000, depends_on: [a] }
`;

function sleepers(project: TestProject): number {
  return project.processes().filter(({ command }) => command === 'sleep 1000').length;
}

test(
  'two ups at once end with 0 both, with one daemon and one process for each instance',
  async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': TWO });
    await eachRound(20, async (chance) => {
      const second = async () => {
        await chance.pause(chance.upTo(1, 'apart') * 150, 'second');
        return project.run(['up', '-d']);
      };
      const both = await Promise.all([project.run(['up', '-d']), second()]);
      expect(both.map(({ status, stderr }) => ({ status, stderr }))).toEqual([
        { status: 0, stderr: '' },
        { status: 0, stderr: '' },
      ]);
      expect(project.daemons()).toHaveLength(1);
      await eventually('both to run', () => sleepers(project) === 2);
      expect([...project.lines('started')].sort()).toEqual(['a', 'b']);
      await project.ok('down');
      await project.nothingIsLeft();
      rmSync(join(project.dir, 'started'));
    });
  },
  patienceMs(60_000),
);

test('up and down at once end with all of it up or all of it down', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  for (let round = 1; round <= 5; round += 1) {
    await project.ok('up', '-d', '--wait');
    await Promise.all([project.run(['down']), project.run(['up', '-d'])]);
    const status = await project.ok('status');
    if (status.includes('is not running')) {
      expect(sleepers(project)).toBe(0);
      await project.nothingIsLeft();
    } else {
      await project.ok('up', '-d', '--wait');
      expect(project.daemons()).toHaveLength(1);
      expect(sleepers(project)).toBe(2);
    }
  }
});

test('a stale socket file and a stale lock file never have to be removed by hand', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  await project.ok('up', '-d', '--wait');
  const socket = project.socket();
  await project.killDaemon();
  expect(project.socket()).toBe(socket);
  writeFileSync(join(project.stateDir(), 'daemon.lock'), '999999 not a lock note {{{');
  await project.ok('up', '-d', '--wait');
  expect(project.daemons()).toHaveLength(1);
  expect(sleepers(project)).toBe(2);
  expect([...project.lines('started')].sort()).toEqual(['a', 'b']);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a lock file with the pid of a process that is gone, or of one that is foreign, holds nobody up', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  await project.ok('up', '-d', '--wait');
  const dead = await project.killDaemon();
  for (const pid of [dead, process.pid]) {
    writeFileSync(join(project.stateDir(), 'daemon.lock'), `${pid}\n${project.socket() ?? ''}\n`);
    await project.ok('up', '-d', '--wait');
    expect(project.daemons()).toHaveLength(1);
    expect([...project.lines('started')].sort()).toEqual(['a', 'b']);
    await project.killDaemon();
  }
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a state folder that cannot be written to is a clear error', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  rmSync(project.stateHome, { recursive: true });
  writeFileSync(project.stateHome, 'a file where a folder should be');
  const up = await project.run(['up', '-d']);
  expect(up.status).toBe(1);
  expect(up.stderr).toContain(project.stateHome);
  expect(up.stderr).toContain('XDG_STATE_HOME');
  expect(up.stderr).not.toMatch(/^ +at /m);
  expect(project.processes()).toEqual([]);
});

test('a runtime folder that cannot be used is replaced by one under the temporary folder, or is a clear error', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  renameSync(project.runtimeHome, `${project.runtimeHome}.away`);
  writeFileSync(project.runtimeHome, 'a file where a folder should be');
  const up = await project.run(['up', '-d', '--wait']);
  if (up.status === 0) await project.ok('status');
  else expect(up.stderr).toContain(project.runtimeHome);
  expect(up.stderr).not.toMatch(/^ +at /m);
});
