import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ReapReport } from '../../src/core/reap.ts';
import { reap } from '../../src/daemon/reap.ts';
import type { RunRecord } from '../../src/ports/backend.ts';
import { socketPathFor } from '../../src/store/runtime-dir.ts';
import { acquireLock } from '../../src/store/lock.ts';
import { openStore } from '../../src/store/store.ts';
import { eventually } from '../rig/wait.ts';

const KEY = '0123456789abcdef';
/** As a daemon would name them; nobody else's begin like this. */
const DAEMON = `${'5e7'.repeat(5)}${process.pid.toString(16).padStart(8, '0')}`;
const LATEST = `${DAEMON}-2`;
const EARLIER = `${DAEMON}-1`;

let dir = '';
let children: ChildProcess[] = [];
const env = (): Record<string, string> => ({
  XDG_STATE_HOME: join(dir, 'state'),
  XDG_RUNTIME_DIR: join(dir, 'run'),
});
const stateDir = (): string => join(dir, 'state', 'setpoint', `shop-${KEY}`);
const manifest = (): string => join(dir, 'setpoint.yaml');

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'setpoint-reap-'));
  mkdirSync(join(dir, 'run', 'setpoint'), { recursive: true, mode: 0o700 });
  writeFileSync(manifest(), 'services: {}\n');
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map(ended));
  children = [];
  rmSync(dir, { recursive: true });
});

/** A project that has left its records, as a daemon does. */
function project(phase: 'up' | 'down', run: Partial<RunRecord> = {}): void {
  const store = openStore({ stateDir: stateDir() });
  if (!store.ok) throw new Error(store.error.message);
  const load = { files: [manifest()], profiles: [], set: {}, envFiles: [], named: [] };
  store.value.writeProject({
    version: 1,
    name: 'shop',
    dir,
    load,
    phase,
    stopped: [],
    scale: {},
    ports: {},
    salt: 'x',
  });
  store.value.writeRun({
    version: 1,
    run: LATEST,
    service: 'web',
    instance: 'web.1',
    number: 1,
    startedAt: 1,
    backend: 'native',
    fingerprint: '',
    fields: {},
    ports: {},
    stop: { signal: 'SIGTERM', graceMs: 1, killTree: true },
    restarts: 0,
    ...run,
  });
  store.value.close();
}

/** A process with the cookie of a run; resolves once it has become what it is to be. */
async function carrier(
  run: string,
  script = 'echo up; exec sleep 300',
  args: readonly string[] = [],
): Promise<ChildProcess> {
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...args], {
    env: { PATH: process.env['PATH'], SETPOINT_RUN: run },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function ended(child: ChildProcess): Promise<unknown> {
  return isAlive(child) ? new Promise((resolve) => child.once('exit', resolve)) : Promise.resolve();
}

/** What is there of other projects of this machine is left alone, and is no concern of the test. */
async function reaping(
  more: { dryRun?: boolean; unknown?: boolean; forget?: boolean } = {},
): Promise<ReapReport> {
  const options = {
    env: env(),
    dryRun: false,
    unknown: false,
    forget: false,
    daemonWord: '__daemon',
    ...more,
  };
  return reap({ ...options, graceMs: 300 });
}

function pidsOf(groups: ReapReport['reap']): (number | undefined)[] {
  return groups
    .filter(({ run }) => run.startsWith(DAEMON))
    .flatMap(({ processes }) => processes.map(({ pid }) => pid));
}

describe('reap', () => {
  test('ends what a project that is down left, after a dry run that only says so', async () => {
    project('down');
    const child = await carrier(LATEST);
    const dry = await reaping({ dryRun: true });
    expect([pidsOf(dry.reap), isAlive(child)]).toEqual([[child.pid], true]);
    const report = await reaping();
    await ended(child);
    expect(child.signalCode).toBe('SIGTERM');
    expect(pidsOf(report.reap)).toEqual([child.pid]);
    expect(report.reap[0]).toMatchObject({
      project: 'shop',
      instance: 'web.1',
      reason: 'its project is down',
    });
    expect(pidsOf((await reaping()).reap)).toEqual([]);
  });

  test('kills what does not listen, and ends what is started meanwhile, in one call', async () => {
    project('down');
    const deaf = 'trap "" TERM; echo up; while :; do sleep 0.05; done';
    const child = await carrier(LATEST, deaf);
    const stopped = await carrier(LATEST);
    stopped.kill('SIGSTOP');
    const report = await reaping();
    await Promise.all([ended(child), ended(stopped)]);
    expect([child.signalCode, stopped.signalCode, report.left]).toEqual(['SIGKILL', 'SIGTERM', []]);
  });

  test('of a project that is up, ends earlier runs and what is left of ended ones, and keeps the rest', async () => {
    project('up');
    const [latest, earlier] = await Promise.all([carrier(LATEST), carrier(EARLIER)]);
    const report = await reaping();
    expect([pidsOf(report.reap), pidsOf(report.kept)]).toEqual([[earlier.pid], [latest.pid]]);
    expect(isAlive(latest)).toBe(true);
    project('up', { ended: { at: 1, exit: { kind: 'code', code: 0 } } });
    expect(pidsOf((await reaping()).reap)).toEqual([latest.pid]);
  });

  test('never touches a project whose lock is held, whatever its records say', async () => {
    project('down');
    const child = await carrier(LATEST);
    const lock = await acquireLock(join(stateDir(), 'daemon.lock'));
    expect(lock.ok).toBe(true);
    const report = await reaping({ forget: true });
    expect([pidsOf(report.reap), pidsOf(report.kept), isAlive(child)]).toEqual([[], [child.pid], true]);
    expect(existsSync(stateDir())).toBe(true);
    if (lock.ok) lock.value.release();
  });

  test('spares a daemon that was started from within a service', async () => {
    project('down');
    const daemon = await carrier(LATEST, 'echo up; sleep 300 & wait', ['__daemon']);
    // Between fork and exec the child goes by its parent's command line.
    const below = await eventually('its child to be what it is to be', () => {
      const pids = childrenOf(daemon.pid);
      const isSleep = (pid: number): boolean => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n';
      return pids.length === 1 && pids.every(isSleep) ? pids : undefined;
    });
    const report = await reaping({ dryRun: true });
    // It carries the cookie itself, which the daemon's own services do not.
    expect(pidsOf(report.reap)).toEqual(below);
    for (const pid of below) process.kill(pid, 'SIGKILL');
  });

  test('only lists what no state directory knows', async () => {
    const child = await carrier(LATEST);
    const report = await reaping();
    expect([pidsOf(report.listed), pidsOf(report.reap), isAlive(child)]).toEqual([[child.pid], [], true]);
    // Not without --dry-run: other projects of this machine may look unknown from here, too.
    const dry = await reaping({ dryRun: true, unknown: true });
    expect(pidsOf(dry.reap)).toEqual([child.pid]);
  });

  test('finds out by what a process holds open that its state is kept elsewhere', async () => {
    project('up');
    const child = await carrier(
      LATEST,
      `exec 5>"${join(stateDir(), 'instances', 'web.1', 'stdout.log')}"; echo up; exec sleep 300`,
    );
    const elsewhere = { ...env(), XDG_STATE_HOME: join(dir, 'other') };
    const options = { env: elsewhere, dryRun: true, unknown: true, forget: false, daemonWord: '__daemon' };
    const report = await reap(options);
    expect([pidsOf(report.kept), pidsOf(report.reap)]).toEqual([[child.pid], []]);
  });

  test('a project whose manifest is gone is ended, marked as down, and forgotten when that is asked for', async () => {
    project('up');
    const socket = socketPathFor(KEY, env());
    await leaveSocket(socket);
    const child = await carrier(LATEST);
    rmSync(manifest());
    const report = await reaping();
    await ended(child);
    expect(report.files.map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ['socket', 'removed'],
      ['state-directory', 'listed'],
    ]);
    expect(existsSync(socket)).toBe(false);
    const store = openStore({ stateDir: stateDir() });
    expect(store.ok && store.value.readProject()?.phase).toBe('down');
    if (store.ok) store.value.close();
    const dry = await reaping({ forget: true, dryRun: true });
    expect([dry.files[0]?.outcome, existsSync(stateDir())]).toEqual(['would-be-removed', true]);
    expect((await reaping({ forget: true })).files[0]?.outcome).toBe('removed');
    expect(existsSync(stateDir())).toBe(false);
  });
});

/** A socket file that nobody serves any more, as a killed daemon leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  children.push(child);
  await ended(child);
  await eventually('the socket that was left', () => existsSync(path));
}

function childrenOf(pid: number | undefined): number[] {
  const text = readFileSync(`/proc/${pid ?? 0}/task/${pid ?? 0}/children`, 'utf8');
  return text
    .split(' ')
    .filter((one) => one.trim() !== '')
    .map(Number);
}
