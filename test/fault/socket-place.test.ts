import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { descriptorsAreBack, descriptorsOf } from '../rig/faults.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';

const TWO = `
services:
  a: { command: echo a >> started; exec sleep 1000 }
  b: { command: echo b >> started; exec sleep 1000, depends_on: [a] }
`;

function sleepers(project: TestProject): number {
  return project.processes().filter(({ command }) => command === 'sleep 1000').length;
}

/** A listener of the test's own at this path; closed when the test ends, or before. */
async function listenInPlace(
  ctx: TestContext,
  path: string,
  answer: (socket: Socket) => void,
): Promise<() => Promise<void>> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.on('error', () => undefined));
    answer(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  ctx.onTestFinished(close);
  return close;
}

/** What is put in the place of the socket of a daemon that runs, and goes away by itself or is replaced. */
const AWAY: Readonly<Record<string, (project: TestProject, socket: string) => void>> = {
  'was removed': (_, socket) => unlinkSync(socket),
  'was replaced by a dangling link': (_, socket) => {
    unlinkSync(socket);
    symlinkSync('/nonexistent', socket);
  },
  'lost its folder': (project) => rmSync(join(project.runtimeHome, 'setpoint'), { recursive: true }),
};

for (const [what, put] of Object.entries(AWAY)) {
  test(`a daemon whose socket ${what} makes it again, and is found by the next command`, async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': TWO });
    await project.ok('up', '-d', '--wait');
    const [daemon] = project.daemons();
    const base = descriptorsOf(daemon?.pid ?? 0);
    put(project, project.socket() ?? '');
    await project.ok('up', '-d');
    expect(project.daemons()).toEqual([daemon]);
    expect([...project.lines('started')].sort()).toEqual(['a', 'b']);
    // The old socket cannot be closed while somebody may still be connected to it: one more for each new one.
    await descriptorsAreBack(project, [...base, 'socket']);
    await project.ok('down');
    await project.nothingIsLeft();
  });
}

test('a socket that is a link to that of another project is not followed there, with a daemon or without', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  const other = newProject(ctx, { 'setpoint.yaml': TWO });
  await other.ok('up', '-d', '--wait');
  await project.ok('up', '-d', '--wait');
  const socket = project.socket() ?? '';
  unlinkSync(socket);
  symlinkSync(other.socket() ?? '', socket);
  await project.ok('up', '-d');
  expect(lstatSync(socket).isSocket()).toBe(true);
  await project.killDaemon();
  unlinkSync(socket);
  symlinkSync(other.socket() ?? '', socket);
  await project.ok('up', '-d');
  expect((await project.snapshot()).dir).toBe(project.dir);
  expect((await other.snapshot()).dir).toBe(other.dir);
  for (const one of [project, other]) {
    expect([...one.lines('started')].sort()).toEqual(['a', 'b']);
    await one.ok('down');
    await one.nothingIsLeft();
  }
});

test("a folder in the place of a running daemon's socket is named, and left once it is away", async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  await project.ok('up', '-d', '--wait');
  const socket = project.socket() ?? '';
  unlinkSync(socket);
  mkdirSync(socket);
  const { status, stderr } = await project.run(['status']);
  expect(status).toBe(1);
  expect(stderr).toContain(`${socket} is not a socket`);
  expect(stderr).not.toMatch(/^ +at /m);
  rmdirSync(socket);
  await project.ok('up', '-d', '--wait');
  expect(project.daemons()).toHaveLength(1);
  expect([...project.lines('started')].sort()).toEqual(['a', 'b']);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a runtime folder that is gone with all there is in it costs no more than its time', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TWO });
  await project.ok('up', '-d', '--wait');
  const [daemon] = project.daemons();
  rmSync(project.runtimeHome, { recursive: true });
  const { status, stderr } = await project.run(['up', '-d']);
  expect(status).toBe(1);
  expect(stderr).toContain('another daemon of this project runs');
  mkdirSync(project.runtimeHome, { mode: 0o700 });
  await project.ok('up', '-d', '--wait');
  expect(project.daemons()).toEqual([daemon]);
  expect([...project.lines('started')].sort()).toEqual(['a', 'b']);
  await project.ok('down');
  await project.nothingIsLeft();
});

const FOREIGN: Readonly<Record<string, (socket: Socket) => void>> = {
  'hangs up': (socket) => socket.destroy(),
  'speaks of something else': (socket) => socket.end('220 mail.example ESMTP\r\n'),
};

for (const [what, answer] of Object.entries(FOREIGN)) {
  test(`a foreign listener that ${what} in the place of the socket is an error, until it is gone`, async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': TWO });
    await project.ok('up', '-d', '--wait');
    const socket = project.socket() ?? '';
    for (const withDaemon of [true, false]) {
      if (!withDaemon) await project.killDaemon();
      if (existsSync(socket)) unlinkSync(socket);
      const close = await listenInPlace(ctx, socket, answer);
      const { status, stdout, stderr } = await project.run(['up', '-d']);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toMatch(/^error: .*daemon|^error: .*HTTP/);
      expect(stderr).not.toMatch(/^ +at /m);
      await close();
      await project.ok('up', '-d', '--wait');
      expect(project.daemons()).toHaveLength(1);
    }
    expect([...project.lines('started')].sort()).toEqual(['a', 'b']);
    await project.ok('down');
    await project.nothingIsLeft();
  });
}

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
