import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildSync } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { acquireLock } from '../../src/store/lock.ts';

/** Takes the lock named by its argument, starts a child of its own, says how it went, and stays. */
const HOLDER = `
  import { spawn } from 'node:child_process';
  import { acquireLock } from './lock.ts';
  const result = await acquireLock(process.argv[2]);
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  console.log(result.ok ? 'taken' : result.error.code, child.pid);
  setInterval(() => {}, 1000);
`;

let bundled: string;
let dir: string;
let path: string;
const toKill: number[] = [];

beforeAll(() => {
  bundled = mkdtempSync(join(tmpdir(), 'holder-'));
  buildSync({
    stdin: {
      contents: HOLDER,
      resolveDir: new URL('../../src/store', import.meta.url).pathname,
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(bundled, 'holder.mjs'),
  });
});

afterAll(() => {
  rmSync(bundled, { recursive: true, force: true });
});

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lock-'));
  path = join(dir, 'state', 'daemon.lock');
});

afterEach(() => {
  for (const pid of toKill.splice(0)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

async function holder(): Promise<{ child: ChildProcess; answer: string; grandchild: number }> {
  const child = spawn(process.execPath, [join(bundled, 'holder.mjs'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  toKill.push(child.pid!);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const [answer = '', pid = ''] = line.split(' ');
  toKill.push(Number(pid));
  return { child, answer, grandchild: Number(pid) };
}

it('is held by one process and names it to the others', async () => {
  const { child, answer } = await holder();
  expect(answer).toBe('taken');
  expect(await acquireLock(path)).toEqual({
    ok: false,
    error: { code: 'held', message: `the process ${child.pid!} holds the lock ${path}` },
  });
});

it('is freed when its holder is killed, although a child of the holder lives on', async () => {
  const { child, grandchild } = await holder();
  child.kill('SIGKILL');
  await once(child, 'exit');
  process.kill(grandchild, 0);
  const taken = await acquireLock(path);
  expect(taken.ok).toBe(true);
  expect((await holder()).answer).toBe('held');
  if (taken.ok) taken.value.release();
});

it('is won by exactly one of fifty who want it at once', async () => {
  const results = await Promise.all(Array.from({ length: 50 }, () => acquireLock(path)));
  expect(results.filter((result) => result.ok)).toHaveLength(1);
  expect(results.filter((result) => !result.ok && result.error.code === 'held')).toHaveLength(49);
  for (const result of results) if (result.ok) result.value.release();
});

it('can be taken again after its release, and releasing twice frees no lock of others', async () => {
  const first = await acquireLock(path);
  if (!first.ok) throw new Error(first.error.message);
  first.value.release();
  const second = await acquireLock(path);
  expect(second.ok).toBe(true);
  first.value.release();
  expect(await acquireLock(path)).toMatchObject({ ok: false, error: { code: 'held' } });
  if (second.ok) second.value.release();
});

it('notes the pid and the socket of its holder', async () => {
  const lock = await acquireLock(path, '/run/user/1/setpoint/x.sock');
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n/run/user/1/setpoint/x.sock\n`);
  if (lock.ok) lock.value.release();
});

it('says which package is missing where there is no flock', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  vi.resetModules();
  vi.doMock('node:child_process', async (original) => {
    const real = await original<{ spawn: typeof spawn }>();
    return { ...real, spawn: () => real.spawn('/nonexistent/flock') };
  });
  const { acquireLock: acquire } = await import('../../src/store/lock.ts');
  const result = await acquire(path);
  vi.doUnmock('node:child_process');
  expect(result).toMatchObject({ ok: false, error: { code: 'unsupported' } });
  expect(!result.ok && result.error.help).toContain('util-linux');
});
