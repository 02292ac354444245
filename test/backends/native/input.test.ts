import { createHash } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createFifoInput } from '../../../src/backends/native/input.ts';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import type { Proc, ProcInput, StartRequest } from '../../../src/ports/backend.ts';
import { eventually } from '../../rig/wait.ts';
import { AnotherDaemon } from './another-daemon.ts';
import { readFile, Rig } from './rig.ts';

let rig: Rig;
let another: AnotherDaemon;
beforeAll(async () => {
  another = await AnotherDaemon.build();
});
afterAll(() => another.close());
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const piped = { stdin: 'pipe' } as const;

function inputOf(proc: Proc): ProcInput {
  if (proc.input === undefined) throw new Error('it has no input');
  return proc.input;
}

async function end(proc: Proc): Promise<void> {
  await proc.signal('SIGKILL', 'unit');
  await proc.exited;
}

async function adopt(request: StartRequest): Promise<Proc> {
  const [proc] = await createNativeBackend({}).adopt([rig.adoptRequest(request, piped)]);
  if (proc === undefined) throw new Error('nothing adopted');
  return proc;
}

describe('a service whose standard input is a pipe', () => {
  test('reads what is written, in order, and never sees its end while it runs', async () => {
    const proc = await rig.sh('while read -r line; do echo "got $line"; done; echo over', piped);
    const input = inputOf(proc);
    await Promise.all(Array.from({ length: 50 }, (_, n) => input.write(Buffer.from(`${n}\n`))));
    await eventually('all of it', () => rig.stdout().endsWith('got 49\n'));
    expect(rig.stdout()).toBe(Array.from({ length: 50 }, (_, n) => `got ${n}\n`).join(''));
    expect(proc.input).not.toHaveProperty('resize');
    await end(proc);
    expect(rig.stdout()).not.toContain('over');
  });

  test('can be written to at once, before it has begun', async () => {
    const proc = await rig.sh('read -r line; echo "got $line"', piped);
    await inputOf(proc).write(Buffer.from('early\n'));
    expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(rig.stdout()).toBe('got early\n');
  });

  test('gets more than a pipe holds as it reads on, every byte of it', async () => {
    const size = 1_000_000;
    const data = Buffer.from(Array.from({ length: size }, (_, n) => (n * 7 + (n >> 8)) & 255));
    const proc = await rig.sh(`read -r go; head -c ${size} | sha256sum`, piped);
    const input = inputOf(proc);
    await input.write(Buffer.from('go\n'));
    await input.write(data);
    await proc.exited;
    expect(rig.stdout()).toContain(createHash('sha256').update(data).digest('hex'));
  });

  test('that takes nothing has the write refused in the end, and the daemon waits for nothing meanwhile', async () => {
    const proc = await rig.sh('echo up; exec sleep 1000', piped);
    const path = join(rig.dir, 'web.1', 'stdin');
    const input = createFifoInput({ path, isOurs: () => true, stallMs: 50 });
    await expect(input.write(Buffer.alloc(200_000))).rejects.toThrow(
      /takes no input: \d+ of 200000 bytes are left/,
    );
    const waiting = inputOf(proc).write(Buffer.alloc(4 * 1024 * 1024));
    await expect(inputOf(proc).write(Buffer.alloc(1))).rejects.toThrow('has not taken 4194304 bytes');
    await end(proc);
    await expect(waiting).rejects.toThrow('ended');
  });

  test('that has ended is not written to, nor is the run after it in its place', async () => {
    const first = await rig.sh('true', piped);
    await first.exited;
    await expect(inputOf(first).write(Buffer.from('x'))).rejects.toThrow('ended');
    const second = await rig.sh('read -r line; echo "got $line"', piped);
    await expect(inputOf(first).write(Buffer.from('stale\n'))).rejects.toThrow('ended');
    await inputOf(second).write(Buffer.from('fresh\n'));
    await second.exited;
    expect(rig.stdout()).toBe('got fresh\n');
  });

  test('is not written to where somebody has put a file', async () => {
    const proc = await rig.sh('exec sleep 1000', piped);
    const path = join(rig.dir, 'web.1', 'stdin');
    rmSync(path);
    writeFileSync(path, 'precious');
    await expect(inputOf(proc).write(Buffer.from('x'))).rejects.toThrow('ended');
    expect(readFile(path)).toBe('precious');
    await end(proc);
  });

  test('has it for reading alone, blocking, and no other end of it', async () => {
    const proc = await rig.start(
      [
        'sh',
        '-c',
        'grep flags /proc/self/fdinfo/0; ls -l /proc/self/fd | grep -c stdin; [ -e /proc/self/fd/5 ] || echo closed',
      ],
      piped,
    );
    await proc.exited;
    // O_LARGEFILE alone: neither O_RDWR nor O_NONBLOCK.
    expect(rig.stdout()).toMatch(/^flags:\t0100000\n1\nclosed\n$/);
  });

  test('is written to by a later daemon just as well', async () => {
    const request = rig.request(['/bin/sh', '-c', 'read -r a; read -r b; echo "$a $b"; exit 3'], piped);
    await another.startAndDie([request]);
    const one = await adopt(request);
    await inputOf(one).write(Buffer.from('one\n'));
    const two = await adopt(request);
    await inputOf(two).write(Buffer.from('two\n'));
    expect(await two.exited).toEqual({ kind: 'code', code: 3 });
    expect(rig.stdout()).toBe('one two\n');
  });
});

test('a service that asks for none has /dev/null, and no FIFO is made', async () => {
  const proc = await rig.sh('readlink /proc/self/fd/0; read -r line || echo over');
  await proc.exited;
  expect(rig.stdout()).toBe('/dev/null\nover\n');
  expect(proc.input).toBeUndefined();
  expect(proc.notify).toBeUndefined();
  expect(readdirSync(join(rig.dir, 'web.1'))).not.toContain('stdin');
});

test('standard error that goes where standard output goes keeps the order, whatever file it is', async () => {
  const request = rig.request(['/bin/sh', '-c', 'for n in 1 2 3; do echo o$n; echo e$n >&2; done'], {
    mergeStderr: true,
  });
  const started = await rig.backend.start({ ...request, stderrPath: request.stdoutPath });
  if (!started.ok) throw new Error('not started');
  await started.value.proc.exited;
  expect(rig.stdout()).toBe('o1\ne1\no2\ne2\no3\ne3\n');
  expect(readdirSync(request.instanceDir)).not.toContain('stderr.log');
});

test('two outputs that share a file do not overwrite each other, and what was there stays', async () => {
  const request = rig.request(['/bin/sh', '-c', 'echo out; echo err >&2; grep flags /proc/self/fdinfo/2'], {
    mergeStderr: true,
  });
  writeFileSync(request.stdoutPath, 'before\n');
  const started = await rig.backend.start({ ...request, stderrPath: request.stdoutPath });
  if (!started.ok) throw new Error('not started');
  await started.value.proc.exited;
  // O_WRONLY | O_APPEND | O_LARGEFILE.
  expect(rig.stdout()).toBe('before\nout\nerr\nflags:\t0102001\n');
});
