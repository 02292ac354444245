import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

let dir = '';
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'setpoint-process-'));
  await build({
    entryPoints: [new URL('../../src/main.ts', import.meta.url).pathname],
    outfile: join(dir, 'setpoint.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    logLevel: 'silent',
    // It has addons, and no command of these tests loads it.
    external: ['dockerode'],
  });
  writeFileSync(join(dir, 'setpoint.yaml'), 'services:\n  web:\n    comand: x\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program as users do. `deaf`: whoever reads its output has gone before it writes any. */
function setpoint(argv: readonly string[], deaf = false): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(dir, 'setpoint.cjs'), ...argv], {
      cwd: dir,
      env: { PATH: process.env['PATH'] ?? '', HOME: dir, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    if (deaf) child.stdout.destroy();
    else child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

test('a reader that has left, as `| head` does, ends a command quietly with 0', async () => {
  expect(await setpoint(['completion', 'bash'], true)).toEqual({ code: 0, out: '', err: '' });
});

test('a long output arrives whole through a pipe', async () => {
  const { code, out } = await setpoint(['completion', 'zsh']);
  expect(code).toBe(0);
  expect(out.endsWith('compdef _setpoint setpoint; fi\n')).toBe(true);
});

test('the manifest of the working directory is checked, with the status that says so', async () => {
  const { code, out, err } = await setpoint(['check']);
  expect([code, err]).toEqual([2, '']);
  expect(out).toContain('--> setpoint.yaml:3:5\n');
  expect(out).toContain('did you mean `command`?');
});

test('what is not running is said so', async () => {
  expect(await setpoint(['status'])).toEqual({
    code: 0,
    out: expect.stringMatching(/^setpoint-process-\S+ is not running\n$/) as string,
    err: '',
  });
  expect((await setpoint(['restart'])).code).toBe(3);
  expect((await setpoint(['-C', '/', 'status'])).code).toBe(3);
});
