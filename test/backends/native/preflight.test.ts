import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findFreePort, findPortHolder } from '../../../src/host/ports.ts';
import { Rig, until } from './rig.ts';

let rig: Rig;
const servers: Server[] = [];
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  await rig.close();
});

function listen(where: { port: number; host: string } | { path: string }): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    servers.push(server);
    server.once('error', reject);
    server.listen(where, () => resolve(server));
  });
}

/** A socket file that nobody serves, left the way a killed process leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  await (
    await rig.start([process.execPath, '-e', script, path], {}, { instance: 'leaver.1' })
  ).exited;
  expect(existsSync(path)).toBe(true);
}

describe('a start is refused because of', () => {
  test('a working directory that is not there', async () => {
    expect(await rig.failure(['true'], { cwd: join(rig.dir, 'nowhere') })).toEqual({
      code: 'missing-cwd',
      message: `working directory ${join(rig.dir, 'nowhere')} does not exist`,
      help: 'create it, or correct `cwd`',
    });
  });

  test('a working directory that is a file', async () => {
    writeFileSync(join(rig.dir, 'file'), '');
    expect(await rig.failure(['true'], { cwd: join(rig.dir, 'file') })).toMatchObject({
      code: 'missing-cwd',
      message: expect.stringContaining('is not a directory') as unknown,
    });
  });

  test('a program that is not on the PATH of the service', async () => {
    expect(await rig.failure(['sleep', '1'], { env: { PATH: rig.dir } })).toEqual({
      code: 'missing-program',
      message: `program sleep is not on the service's PATH`,
      help: `install it, or add its folder to \`path\`; PATH is ${rig.dir}`,
    });
    expect(await rig.failure(['./nothing'])).toEqual({
      code: 'missing-program',
      message: 'program ./nothing does not exist',
    });
  });

  test('a program that may not be executed, a folder, or an interpreter that is not there', async () => {
    writeFileSync(join(rig.dir, 'plain'), 'echo\n', { mode: 0o644 });
    writeFileSync(join(rig.dir, 'odd'), '#!/no/such/interpreter -x\n', { mode: 0o755 });
    writeFileSync(join(rig.dir, 'dos'), '#!/bin/sh\r\necho\r\n', { mode: 0o755 });
    mkdirSync(join(rig.dir, 'folder'));
    const messages = await Promise.all(
      ['plain', 'odd', 'dos', 'folder'].map((name) => rig.failure([`./${name}`])),
    );
    expect(messages).toMatchObject([
      { code: 'not-executable', message: `${join(rig.dir, 'plain')} is not executable` },
      { code: 'not-executable', message: expect.stringContaining('/no/such/interpreter') as unknown },
      { code: 'not-executable', help: 'give the file Unix line ends' },
      { code: 'not-executable', message: `${join(rig.dir, 'folder')} is not a file` },
    ]);
  });

  test('required programs that are missing, all of them named', async () => {
    expect(await rig.failure(['true'], {}, { requires: ['sh', 'no-such-a', 'no-such-b'] })).toMatchObject({
      code: 'missing-requirement',
      message: `required programs are not on the service's PATH: no-such-a, no-such-b`,
    });
  });

  test('arguments or environment that are too long, or hold a NUL, without a word of their content', async () => {
    const secret = 'hunter2'.repeat(100_000);
    const long = [
      await rig.failure(['true', secret]),
      await rig.failure(['true'], { env: { ...rig.env(), S: secret } }),
    ];
    expect(long).toMatchObject([{ code: 'arguments-too-long' }, { code: 'arguments-too-long' }]);
    const nul = [
      await rig.failure(['true', 'hunter2\0']),
      await rig.failure(['true'], { env: { ...rig.env(), S: 'hunter2\0' } }),
    ];
    expect(nul).toMatchObject([{ code: 'other' }, { code: 'other' }]);
    expect(JSON.stringify([...long, ...nul])).not.toContain('hunter2');
  });

  test('logs that cannot be opened', async () => {
    expect(
      await rig.failure(['true'], {}, { stdoutPath: join(rig.dir, 'nowhere', 'stdout.log') }),
    ).toMatchObject({
      code: 'state-unwritable',
    });
  });
});

describe('a port', () => {
  test('that is taken, on whatever address, keeps the service from starting, and its holder is named', async () => {
    for (const host of ['127.0.0.1', '0.0.0.0', '::1', '::']) {
      const port = await findFreePort();
      await listen({ port, host });
      const name = readFileSync('/proc/self/comm', 'utf8').trim();
      expect(await findPortHolder(port)).toEqual({ pid: process.pid, name });
      expect(await rig.failure(['true'], { ports: { http: port } })).toMatchObject({
        code: 'port-taken',
        message: `port ${port} (http) is taken by ${name} (pid ${process.pid})`,
      });
    }
  });

  test('that is free is free again right after a service that listened on it was stopped', async () => {
    const port = await findFreePort();
    const script = `require('net').createServer((s) => s.end('hi')).listen(${port}, () => console.log('up'))`;
    for (const _ of [1, 2, 3]) {
      const proc = await rig.start([process.execPath, '-e', script], { ports: { http: port } });
      const before = rig.stdout().length;
      await until(() => rig.stdout().slice(before).includes('up') || rig.stdout().length > before);
      await proc.signal('SIGKILL', 'unit');
      await proc.gone;
    }
    expect(rig.stderr()).toBe('');
    expect(await findPortHolder(port)).toBeUndefined();
  });
});

describe('a socket', () => {
  test('that is stale is removed before the start, and after the end', async () => {
    const path = join(rig.dir, 's.sock');
    await leaveSocket(path);
    const script = `require('net').createServer().listen(process.argv[1], () => console.log('up'))`;
    const proc = await rig.start([process.execPath, '-e', script, path], { socket: path });
    await until(() => rig.stdout() === 'up\n');
    expect(existsSync(path)).toBe(true);
    await proc.signal('SIGKILL', 'unit');
    await proc.exited;
    expect(existsSync(path)).toBe(false);
    await proc.gone;
  });

  test('that is served by somebody is left alone, and that somebody is named', async () => {
    const path = join(rig.dir, 's.sock');
    await listen({ path });
    expect(await rig.failure(['true'], { socket: path })).toMatchObject({
      code: 'socket-blocked',
      message: expect.stringMatching(new RegExp(`is served by .* \\(pid ${process.pid}\\)`)) as unknown,
    });
    expect(existsSync(path)).toBe(true);
  });

  test('is no name for a file, which is left alone', async () => {
    const path = join(rig.dir, 'file');
    writeFileSync(path, 'precious');
    expect(await rig.failure(['true'], { socket: path })).toMatchObject({ code: 'socket-blocked' });
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  test('with a path that the system would cut short is refused', async () => {
    expect(await rig.failure(['true'], { socket: `/tmp/${'x'.repeat(103)}` })).toMatchObject({
      code: 'socket-blocked',
    });
  });

  test('of a run that has begun meanwhile is not taken for the one of the run before', async () => {
    const path = join(rig.dir, 's.sock');
    const first = await rig.sh('sleep 1000 & exit 0', { socket: path });
    await first.exited;
    const second = await rig.sh('exec sleep 1000', { socket: path });
    // Bound and not yet listened on, a socket looks just like a stale one.
    await leaveSocket(path);
    await first.signal('SIGKILL', 'unit');
    await first.gone;
    expect(existsSync(path)).toBe(true);
    await second.signal('SIGKILL', 'unit');
    await second.gone;
    expect(existsSync(path)).toBe(false);
  });
});
