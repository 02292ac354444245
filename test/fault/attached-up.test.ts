import { execFileSync } from 'node:child_process';
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { expect, test, type TestContext } from 'vitest';
import { lacks } from '../rig/needs.ts';
import { isRunning } from '../rig/processes.ts';
import { CLI, newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** `api` depends on `db`; each notes in `order` when it is told to end. */
const TWO = `
services:
  db:
    command: &note |
      trap 'echo "$NAME ends" >> order; exit 0' TERM
      echo "$NAME begins" >> order
      while :; do sleep 0.05; done
    env: { NAME: db }
  api:
    command: *note
    env: { NAME: api }
    depends_on: [db]
`;

/** Ignores every polite signal. */
const STUBBORN = `
services:
  mule:
    command: [node, -e, "for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(s, () => require('fs').appendFileSync('order', s + '\\\\n')); require('fs').appendFileSync('order', 'ready\\\\n'); setInterval(() => {}, 1000)"]
    stop: { grace: 10m }
`;

async function attachedTwo(
  ctx: TestContext,
): Promise<{ project: TestProject; up: ReturnType<TestProject['start']> }> {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  const up = project.start(['up']);
  await eventually('both to have begun', () => project.lines('order').length === 2 || undefined);
  return { project, up };
}

/** Which of the two noted their end, in that order. */
function ends(project: TestProject): readonly string[] {
  return project.lines('order').filter((line) => line.endsWith(' ends'));
}

test('kill -9 of an attached up brings the project down in order', async (ctx) => {
  const { project, up } = await attachedTwo(ctx);
  up.signal('SIGKILL');
  await up.ended;
  await project.nothingIsLeft();
  expect(ends(project)).toEqual(['api ends', 'db ends']);
  expect(await project.ok('events', '-n', '100')).toMatch(/shutdown began/);
});

test('one Ctrl-C stops an attached up in order and ends it with 0', async (ctx) => {
  const { project, up } = await attachedTwo(ctx);
  up.signal('SIGINT');
  expect(await up.ended).toMatchObject({ status: 0, signal: null });
  expect(up.stdout).toMatch(/^Stopping 2 services/m);
  await project.nothingIsLeft();
  expect(ends(project)).toEqual(['api ends', 'db ends']);
});

test('SIGTERM and SIGHUP of an attached up bring the project down in order, too', async (ctx) => {
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    const { project, up } = await attachedTwo(ctx);
    up.signal(signal);
    await up.ended;
    await project.nothingIsLeft();
    expect(ends(project)).toEqual(['api ends', 'db ends']);
  }
});

test('a second Ctrl-C skips the grace period of a service that does not end', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': STUBBORN });
  const up = project.start(['up']);
  await eventually('it to be ready', () => project.read('order').includes('ready') || undefined);
  const pid = await project.pidOf('mule.1');
  up.signal('SIGINT');
  await eventually('SIGTERM to arrive', () => project.read('order').includes('SIGTERM') || undefined);
  expect(isRunning(pid)).toBe(true);
  up.signal('SIGINT');
  await up.ended;
  expect(isRunning(pid)).toBe(false);
  await project.nothingIsLeft();
});

test('three Ctrl-C at once kill everything', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': STUBBORN });
  const up = project.start(['up']);
  await eventually('it to be ready', () => project.read('order').includes('ready') || undefined);
  for (const text of ['Stopping', 'Skipping', 'Killing']) {
    up.signal('SIGINT');
    await Promise.race([up.says(text), up.ended]);
  }
  await up.ended;
  await project.nothingIsLeft();
});

test('closing the terminal of an attached up brings the project down in order', async (ctx) => {
  const lack = lacks('tmux');
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  const name = `setpoint-${process.pid}-closing`;
  const tmux = (...args: string[]): void =>
    void execFileSync('tmux', ['-L', name, '-f', '/dev/null', ...args], {
      env: project.env,
      cwd: project.dir,
    });
  tmux('new-session', '-d', '-x', '80', '-y', '24', `exec '${CLI}' up`);
  try {
    await eventually('both to have begun', () => project.lines('order').length === 2 || undefined);
  } finally {
    tmux('kill-server');
  }
  await project.nothingIsLeft();
  expect(ends(project)).toEqual(['api ends', 'db ends']);
});

test('a second up attaches without a lease: its end, even by SIGKILL, changes nothing', async (ctx) => {
  const { project, up } = await attachedTwo(ctx);
  const pids = [await project.pidOf('db.1'), await project.pidOf('api.1')];
  for (const signal of ['SIGKILL', 'SIGINT'] as const) {
    const second = project.start(['up']);
    await second.says('running already');
    second.signal(signal);
    const { status } = await second.ended;
    if (signal === 'SIGINT') expect(status).toBe(0);
  }
  expect([await project.pidOf('db.1'), await project.pidOf('api.1')]).toEqual(pids);
  expect(await project.snapshot()).toMatchObject({ phase: 'up', leased: true });
  up.signal('SIGKILL');
  await up.ended;
  await project.nothingIsLeft();
});

test('an up that is killed before its project has come up leaves nothing', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  for (let afterMs = 60; afterMs <= 360; afterMs += 25) {
    const up = project.start(['up']);
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    up.signal('SIGKILL');
    await up.ended;
  }
  // A daemon that was started and then asked for nothing waits a moment for somebody who might still ask.
  await eventually('all to be gone', () => project.processes().length === 0);
  await project.nothingIsLeft();
});

test('a client killed in the middle of a request changes nothing', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  await project.ok('up', '-d', '--wait');
  const before = await project.snapshot();
  const pids = [await project.pidOf('db.1'), await project.pidOf('api.1')];
  const follower = project.start(['logs', '-f']);
  const waiter = project.start(['wait', 'db', '--for', 'stopped']);
  const watcher = project.start(['events', '-f']);
  await watcher.says('started');
  for (const command of [follower, waiter, watcher]) command.signal('SIGKILL');
  await Promise.all([follower.ended, waiter.ended, watcher.ended]);

  const half = '{"load":{"files":["';
  for (const path of ['/v1/apply', '/v1/down', '/v1/actions']) {
    const socket = connectSocket(project.socket() ?? '');
    await once(socket, 'connect');
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: setpoint\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n${half}`,
    );
    socket.destroy();
    await once(socket, 'close');
  }
  const after = await project.snapshot();
  expect(after).toMatchObject({ phase: 'up', daemon: { pid: before.daemon.pid } });
  expect([await project.pidOf('db.1'), await project.pidOf('api.1')]).toEqual(pids);
  expect(project.lines('order')).toHaveLength(2);
});
