import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCommandRunner } from '../../src/host/commands.ts';
import type { ProbeResult } from '../../src/ports/probes.ts';
import { createProber } from '../../src/probes/prober.ts';
import { isRunning } from '../rig/processes.ts';
import { eventually } from '../rig/wait.ts';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'probe-exec-'))));
afterEach(() => rmSync(dir, { recursive: true }));

const prober = createProber(createCommandRunner(0o022));
const AMPLE_MS = 20_000;

interface Change {
  readonly cwd?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function look(argv: readonly string[], change: Change = {}): Promise<ProbeResult> {
  const { cwd = dir, timeoutMs = AMPLE_MS, signal = new AbortController().signal } = change;
  const env = { PATH: process.env['PATH'] ?? '', SETPOINT_PROBE: 'ready', GREETING: 'good day' };
  return prober.look({ kind: 'exec', argv, cwd, env }, timeoutMs, signal);
}

function shell(script: string, change?: Change): Promise<ProbeResult> {
  return look(['/bin/sh', '-c', script], change);
}

/** The pid that a script wrote to a file. */
function pidIn(file: string): Promise<number> {
  return eventually(`${file} holds a pid`, () => {
    try {
      const text = readFileSync(join(dir, file), 'utf8');
      return text.endsWith('\n') && Number(text);
    } catch {
      return undefined;
    }
  });
}

describe('a look by command', () => {
  test('succeeds with exit status 0, and shows what was said', async () => {
    expect(await shell('echo "$GREETING, $SETPOINT_PROBE"; pwd')).toEqual({
      ok: true,
      output: `good day, ready\n${dir}\n`,
    });
    expect(await shell('echo err >&2')).toEqual({ ok: true, output: 'err\n' });
    expect(await look(['true'])).toEqual({ ok: true, end: 'exit 0', output: '' });
  });

  test('fails with any other end', async () => {
    expect(await shell('echo no; exit 3')).toEqual({ ok: false, end: 'exit 3', output: 'no\n' });
    expect(await shell('kill -9 $$')).toEqual({ ok: false, end: 'killed by SIGKILL', output: '' });
  });

  test('keeps whole lines of the last 4 KiB', async () => {
    const { output } = await shell('i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done');
    expect(output.length).toBeLessThanOrEqual(4096);
    expect(output).toMatch(/^line \d+\n/);
    expect(output).toMatch(/\nline 1999\n$/);
  });

  test('says what could not be started', async () => {
    const missing = await look(['no-such-program-here']);
    expect(missing.ok).toBe(false);
    expect(missing.output).toMatch(/^it could not be started: .*no-such-program-here/);
    expect(await look(['true'], { cwd: join(dir, 'gone') })).toEqual({
      ok: false,
      output: `the folder ${join(dir, 'gone')} does not exist`,
    });
    expect((await look(['bad\0argument'])).ok).toBe(false);
  });

  test('is killed with all it started when it takes too long', async () => {
    // The child ignores SIGTERM and holds none of the command's output open: only the group leads to it.
    const stubborn = `(trap '' TERM; while :; do sleep 1; done) >/dev/null 2>&1 & echo $! > pid; echo waiting; wait`;
    const result = shell(stubborn, { timeoutMs: 300 });
    const pid = await pidIn('pid');
    expect(await result).toEqual({ ok: false, end: 'no end within 300ms', output: 'waiting\n' });
    await eventually('its child is gone', () => !isRunning(pid));
  });

  test('is killed with all it started when it is given up', async () => {
    const abort = new AbortController();
    const result = shell(`trap '' TERM; sleep 100 & echo $! > child; echo $$ > self; wait`, {
      signal: abort.signal,
    });
    const pids = [await pidIn('child'), await pidIn('self')];
    abort.abort();
    expect((await result).ok).toBe(false);
    await eventually('both are gone', () => !pids.some(isRunning));
  });

  test('starts nothing once it is given up', async () => {
    const result = await shell('echo $$ > self', { signal: AbortSignal.abort() });
    expect(result).toEqual({ ok: false, output: 'it could not be started: it was given up' });
    expect(() => readFileSync(join(dir, 'self'))).toThrow('ENOENT');
  });
});
