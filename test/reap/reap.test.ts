import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CleanupReport } from '../../src/core/api.ts';
import type { ReapReport } from '../../src/core/reap.ts';
import { reap, type ReapOptions } from '../../src/reap/reap.ts';
import type { LeavingProject, RemoveLeavings } from '../../src/reap/leavings.ts';
import type { RunRecord } from '../../src/ports/backend.ts';
import type { ProjectRecord } from '../../src/ports/store.ts';
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
function project(
  phase: 'up' | 'down',
  run: Partial<RunRecord> = {},
  more: Partial<ProjectRecord> = {},
): void {
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
    ...more,
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
async function reaping(more: Partial<ReapOptions> = {}): Promise<ReapReport> {
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

describe('what an engine has', () => {
  const USED = { backends: ['docker'] };

  /** Notes what it is asked for, and answers as the test says. */
  function remover(answer: Partial<CleanupReport>): { asked: (LeavingProject & { dryRun: boolean })[] } & {
    removeLeavings: RemoveLeavings;
  } {
    const asked: (LeavingProject & { dryRun: boolean })[] = [];
    const removeLeavings: RemoveLeavings = (about, { dryRun }) => {
      asked.push({ ...about, dryRun });
      return Promise.resolve({ containers: [], networks: [], volumes: [], failed: [], ...answer });
    };
    return { asked, removeLeavings };
  }

  function recorded(): ProjectRecord | undefined {
    const store = openStore({ stateDir: stateDir() });
    if (!store.ok) throw new Error(store.error.message);
    const record = store.value.readProject();
    store.value.close();
    return record;
  }

  test('of a project that is down is removed where its shutdown could not, and then forgotten', async () => {
    project('down', {}, { ...USED, leavings: true });
    const engine = remover({ containers: ['shop-db-1'], networks: ['shop_default'] });
    const about = { name: 'shop', stateDir: stateDir(), backends: ['docker'] };
    const dry = await reaping({ ...engine, dryRun: true });
    expect(engine.asked).toEqual([{ ...about, dryRun: true }]);
    expect(dry.leavings).toMatchObject([{ project: 'shop', removed: { containers: ['shop-db-1'] } }]);
    expect(recorded()?.leavings).toBe(true);
    const report = await reaping(engine);
    expect(report.leavings).toMatchObject([{ reason: 'its project is down' }]);
    expect(recorded()).toMatchObject({ phase: 'down', backends: ['docker'] });
    expect(recorded()?.leavings).toBeUndefined();
    await reaping(engine);
    expect(engine.asked).toHaveLength(2);
  });

  test('of a project whose manifest is gone is removed, after its processes', async () => {
    project('up', {}, USED);
    const child = await carrier(LATEST);
    rmSync(manifest());
    const engine = remover({ containers: ['shop-db-1'] });
    const removeLeavings: RemoveLeavings = (about, how) => {
      expect(isAlive(child)).toBe(false);
      return engine.removeLeavings(about, how);
    };
    const report = await reaping({ removeLeavings });
    expect(report.leavings).toMatchObject([{ reason: "its project's manifest is gone, and no daemon runs" }]);
    expect(recorded()).toMatchObject({ phase: 'down' });
    expect(recorded()?.leavings).toBeUndefined();
  });

  test('is looked for again where it could not be removed or was not found, and its project is not forgotten', async () => {
    project('up', {}, USED);
    rmSync(manifest());
    const failed = [{ what: 'containers of shop', why: 'the engine does not answer' }];
    const report = await reaping({ ...remover({ failed }), forget: true });
    expect(report.leavings).toMatchObject([{ removed: { failed } }]);
    expect(report.files).toMatchObject([{ kind: 'state-directory', outcome: 'refused' }]);
    expect(recorded()).toMatchObject({ phase: 'down', leavings: true });
    // Another engine may be the one that has it.
    const other = remover({});
    expect((await reaping(other)).leavings).toEqual([]);
    expect([other.asked.length, recorded()?.leavings]).toEqual([1, true]);
    expect((await reaping({ ...other, forget: true })).files).toMatchObject([{ outcome: 'removed' }]);
    expect(existsSync(stateDir())).toBe(false);
  });

  test('is left alone where there is a daemon, or may be one, or where nothing can be left', async () => {
    const engine = remover({ containers: ['shop-db-1'] });
    project('up', {}, USED);
    await reaping(engine);
    project('down', {}, USED);
    await reaping(engine);
    project('down', {}, { leavings: true });
    await reaping(engine);
    project('down', {}, { ...USED, leavings: true });
    const lock = await acquireLock(join(stateDir(), 'daemon.lock'));
    await reaping(engine);
    if (lock.ok) lock.value.release();
    expect(engine.asked).toEqual([]);
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
