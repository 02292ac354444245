import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const PROGRAM = resolve(import.meta.dirname, '../dist/setpoint.cjs');

describe('the kept compiled code', () => {
  let cache: string;
  beforeEach(() => (cache = mkdtempSync(join(tmpdir(), 'boot-'))));
  afterEach(() => rmSync(cache, { recursive: true, force: true }));

  const run = (env: Record<string, string> = {}): string =>
    execFileSync(process.execPath, [PROGRAM, '--version'], {
      encoding: 'utf8',
      env: { ...process.env, XDG_CACHE_HOME: cache, ...env },
    });

  const kept = (): string => {
    const [build = ''] = readdirSync(join(cache, 'setpoint'));
    return join(cache, 'setpoint', build, 'main.cjs.v8');
  };

  test('is written by the first start, for the owner alone, and used by the next', () => {
    const first = run();
    const { mode, mtimeMs, size } = statSync(kept());
    expect([mode & 0o777, size > 10_000]).toEqual([0o600, true]);
    expect(run()).toBe(first);
    expect(statSync(kept()).mtimeMs).toBe(mtimeMs);
  });

  test('does no harm when it is damaged, and is replaced', () => {
    const first = run();
    const whole = readFileSync(kept());
    writeFileSync(kept(), whole.subarray(0, 100));
    expect(run()).toBe(first);
    expect(statSync(kept()).size).toBeGreaterThan(10_000);
  });

  test('is not used where others may write to it', () => {
    run();
    const before = statSync(kept()).mtimeMs;
    chmodSync(kept(), 0o622);
    run();
    expect(statSync(kept()).mtimeMs).toBeGreaterThan(before);
    expect(statSync(kept()).mode & 0o777).toBe(0o600);
  });

  test('is neither read nor written when Node is told to keep none', () => {
    run({ NODE_DISABLE_COMPILE_CACHE: '1' });
    expect(readdirSync(cache)).toEqual([]);
  });
});
