import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createApiServer } from '../../../src/daemon/api/server.ts';
import { FakeControl } from './fake-control.ts';
import { ask, tempDir } from './rig.ts';

function newServer() {
  const server = createApiServer(new FakeControl(), {});
  onTestFinished(() => server.close());
  return server;
}

test('the socket is for its owner alone, and nothing else is left beside it', async () => {
  const dir = tempDir();
  const before = process.umask(0o022);
  onTestFinished(() => void process.umask(before));
  expect(await newServer().listen(join(dir, 'a.sock'))).toEqual({ ok: true, value: undefined });
  expect(lstatSync(join(dir, 'a.sock')).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(['a.sock']);
  expect(process.umask(before)).toBe(0o022);
});

test('closing removes the socket', async () => {
  const path = join(tempDir(), 'a.sock');
  const server = newServer();
  await server.listen(path);
  await server.close();
  expect(existsSync(path)).toBe(false);
});

test('a socket that a killed process left over is replaced', async () => {
  const path = join(tempDir(), 'a.sock');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
  expect(lstatSync(path).isSocket()).toBe(true);
  expect((await newServer().listen(path)).ok).toBe(true);
  expect((await ask(path, '/v1/info')).status).toBe(200);
});

test('a socket that somebody serves is left alone', async () => {
  const path = join(tempDir(), 'a.sock');
  const other = createServer((socket) => socket.end()).listen(path);
  onTestFinished(() => void other.close());
  const { ino } = lstatSync(path);
  expect(await newServer().listen(path)).toMatchObject({ ok: false, error: { code: 'socket-in-use' } });
  expect(lstatSync(path).ino).toBe(ino);
});

test('a file that is no socket is left alone', async () => {
  const path = join(tempDir(), 'a.sock');
  writeFileSync(path, 'mine');
  expect(await newServer().listen(path)).toMatchObject({ ok: false, error: { code: 'socket-blocked' } });
  expect(readFileSync(path, 'utf8')).toBe('mine');
});

test('closing leaves the socket of another daemon that came in between', async () => {
  const dir = tempDir();
  const path = join(dir, 'a.sock');
  const first = newServer();
  await first.listen(path);
  renameSync(path, join(dir, 'moved.sock'));
  const second = newServer();
  await second.listen(path);
  await first.close();
  expect((await ask(path, '/v1/info')).status).toBe(200);
});

test('a path that the system would cut off is refused', async () => {
  const path = join(tempDir(), `${'x'.repeat(110)}.sock`);
  expect(await newServer().listen(path)).toMatchObject({
    ok: false,
    error: { code: 'socket-path-too-long' },
  });
});

test('a folder that is missing is an expected failure', async () => {
  const path = join(tempDir(), 'no', 'a.sock');
  const listening = await newServer().listen(path);
  expect(listening).toMatchObject({ ok: false, error: { code: 'socket-refused' } });
});
