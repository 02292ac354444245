import { mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newProject, type TestProject } from '../rig/setpoint.ts';

const TWO = `
services:
  a: { command: echo a >> started; exec sleep 1000 }
  b: { command: echo b >> started; exec sleep 1000, depends_on: [a] }
`;

function sleepers(project: TestProject): number {
  return project.processes().filter(({ command }) => command === 'sleep 1000').length;
}

test('two ups at once, twenty times: one daemon, one process per instance', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  for (let round = 1; round <= 20; round += 1) {
    const both = await Promise.all([project.run(['up', '-d']), project.run(['up', '-d'])]);
    expect(
      both.map(({ status, stderr }) => ({ status, stderr })),
      `round ${round}`,
    ).toEqual([
      { status: 0, stderr: '' },
      { status: 0, stderr: '' },
    ]);
    expect(project.daemons()).toHaveLength(1);
    expect(sleepers(project)).toBe(2);
    expect(project.lines('started')).toEqual(['a', 'b']);
    await project.ok('down');
    await project.nothingIsLeft();
    rmSync(join(project.dir, 'started'));
  }
});

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
  expect(project.lines('started')).toEqual(['a', 'b']);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a daemon whose socket was removed makes it again, and is found by the next command', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  await project.ok('up', '-d', '--wait');
  const [daemon] = project.daemons();
  unlinkSync(project.socket() ?? '');
  await project.ok('status');
  expect(project.daemons()).toEqual([daemon]);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('something else in the place of the socket is left alone, and said', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  await project.ok('up', '-d');
  const socket = project.socket() ?? '';
  await project.ok('down');
  await project.nothingIsLeft();
  for (const put of [(): unknown => writeFileSync(socket, 'precious'), (): unknown => mkdirSync(socket)]) {
    put();
    const { status, stderr, stdout } = await project.run(['up', '-d']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(socket);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(sleepers(project)).toBe(0);
    rmSync(socket, { recursive: true });
  }
  await project.ok('up', '-d', '--wait');
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
