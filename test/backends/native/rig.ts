import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { AdoptRequest, Backend, Proc, RunRecord, StartRequest } from '../../../src/ports/backend.ts';
import { launchOf } from '../../rig/launch.ts';

let counter = 0;

/** A folder and a backend for one test, and the assurance that nothing of it stays behind. */
export class Rig {
  readonly dir = mkdtempSync(join(tmpdir(), 'native-test-'));
  readonly backend: Backend = createNativeBackend({});
  readonly #prefix = `bt-${process.pid}-${(counter += 1)}`;
  #runs = 0;

  env(): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '/usr/bin:/bin' };
  }

  request(
    argv: readonly string[],
    launch: Partial<ConcreteLaunch> = {},
    more: Partial<StartRequest> = {},
  ): StartRequest {
    const instance = more.instance ?? 'web.1';
    const instanceDir = join(this.dir, instance);
    mkdirSync(instanceDir, { recursive: true, mode: 0o700 });
    this.#runs += 1;
    return {
      run: `${this.#prefix}-${this.#runs}`,
      service: 'web',
      instance,
      launch: launchOf({ argv, cwd: this.dir, env: this.env(), ...launch }),
      fingerprint: 'f',
      requires: [],
      instanceDir,
      stdoutPath: join(instanceDir, 'stdout.log'),
      stderrPath: join(instanceDir, 'stderr.log'),
      ...more,
    };
  }

  async start(...args: Parameters<Rig['request']>): Promise<Proc> {
    const started = await this.backend.start(this.request(...args));
    if (!started.ok) throw new Error(`not started: ${JSON.stringify(started.error)}`);
    return started.value.proc;
  }

  /** Runs a script in /bin/sh. */
  sh(script: string, launch: Partial<ConcreteLaunch> = {}, more: Partial<StartRequest> = {}): Promise<Proc> {
    return this.start(['/bin/sh', '-c', script], launch, more);
  }

  async failure(...args: Parameters<Rig['request']>): Promise<unknown> {
    const started = await this.backend.start(this.request(...args));
    if (started.ok) throw new Error('it started');
    return started.error;
  }

  stdout(instance = 'web.1'): string {
    return readFileSync(join(this.dir, instance, 'stdout.log'), 'utf8');
  }

  stderr(instance = 'web.1'): string {
    return readFileSync(join(this.dir, instance, 'stderr.log'), 'utf8');
  }

  adoptRequest(request: StartRequest, more: Partial<RunRecord> = {}): AdoptRequest {
    return {
      instanceDir: request.instanceDir,
      record: {
        version: 1,
        run: request.run,
        service: request.service,
        instance: request.instance,
        number: 1,
        startedAt: Date.now(),
        backend: 'native',
        fingerprint: 'f',
        fields: {},
        ports: {},
        stop: { signal: 'SIGTERM', graceMs: 1000, killTree: true },
        restarts: 0,
        ...more,
      },
    };
  }

  /** Pids of the processes that carry a cookie of this rig. */
  carriers(): number[] {
    return findCarriers(this.#prefix);
  }

  /** Ends the test's processes; says so if there were any, for a test has to see to that itself. */
  async close(): Promise<void> {
    const left = this.carriers();
    for (const pid of left) kill(pid, 'SIGKILL');
    await until(() => this.carriers().length === 0);
    rmSync(this.dir, { recursive: true, force: true });
    expect(left, 'processes left behind').toEqual([]);
  }
}

export function findCarriers(prefix: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => (readFile(`/proc/${name}/environ`) ?? '').includes(`SETPOINT_RUN=${prefix}`))
    .filter((name) => !/^\d+ \(.*\) [ZX] /s.test(readFile(`/proc/${name}/stat`) ?? 'x (x) Z '))
    .map(Number);
}

export function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone, which is what was wanted.
  }
}

/** True while a process with this pid runs; a zombie does not. */
export function runs(pid: number): boolean {
  const stat = readFile(`/proc/${pid}/stat`);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}

/** Waits for a fact; the test's own timeout bounds it. */
export async function until<T>(fact: () => T | undefined | false): Promise<T> {
  for (;;) {
    const value = fact();
    if (value !== undefined && value !== false) return value;
    await sleep(5);
  }
}
