import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test, type TestContext, vi } from 'vitest';
import { patienceMs } from '../rig/chance.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { lacks } from '../rig/needs.ts';
import { isRunning } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

vi.setConfig({ testTimeout: patienceMs() });

const FAST = 'backoff: { initial: 50ms, max: 100ms, jitter: 0 }';

const THREE = `
services:
  a: { command: exec sleep 100000 }
  b: { command: exec sleep 100000, ${FAST} }
  starved: { command: echo run >> runs; exec sleep 100000, restart: never, ${FAST} }
`;

interface Running {
  readonly project: TestProject;
  readonly daemon: number;
  readonly base: readonly string[];
  /** Of the two that have nothing to do with it. */
  readonly pids: readonly number[];
}

/** All three have run; the third one was stopped. */
async function running(ctx: TestContext): Promise<Running> {
  const project = newProject(ctx, { 'setpoint.yaml': THREE });
  await project.ok('up', '-d', '--wait');
  const daemon = await project.daemonPid();
  const base = descriptorsOf(daemon);
  await project.ok('stop', 'starved');
  return { project, daemon, base, pids: await pidsOf(project) };
}

async function pidsOf(project: TestProject): Promise<readonly number[]> {
  return [await project.pidOf('a.1'), await project.pidOf('b.1')];
}

/** The third one is asked to start, cannot for this reason, and the others and the daemon do not care. */
async function starves({ project, daemon, pids }: Running, reason: RegExp): Promise<void> {
  const starting = project.start(['start', 'starved', '--timeout', '20s']);
  try {
    await eventually('a start that failed', async () => {
      const state = (await patiently(() => project.instance('starved.1')))?.state;
      if (state?.kind !== 'backoff' || state.exit.kind !== 'spawn-error') return undefined;
      expect(state.exit.failure.code).toBe('resource-shortage');
      expect(state.exit.failure.message).toMatch(reason);
      return true;
    });
    expect(journal(project, 'starved.1')).toMatch(reason);
    expect(await patiently(() => project.daemonPid())).toBe(daemon);
    expect(await patiently(() => pidsOf(project))).toEqual(pids);
  } finally {
    starting.signal('SIGKILL');
    await starting.ended;
  }
}

/** It starts by itself once there is enough again. */
async function recovers({ project, daemon, pids, base }: Running, runs: number): Promise<void> {
  await project.becomes('starved.1', 'running');
  await eventually('it to have begun', () => project.lines('runs').length === runs);
  expect(await pidsOf(project)).toEqual(pids);
  expect(await project.daemonPid()).toBe(daemon);
  await descriptorsAreBack(project, base);
}

/** Some descriptors of the daemon are held by clients that say nothing; `free` are left. */
class Squeeze {
  readonly #daemon: number;
  readonly #usual: number;
  readonly #clients: Socket[] = [];

  private constructor(daemon: number) {
    this.#daemon = daemon;
    this.#usual = softLimit(daemon);
  }

  /** The limit stays above what is open, as it does in life; numbers below that nobody has are taken up by clients. */
  static async on({ project, daemon, base }: Running, free: number): Promise<Squeeze> {
    await descriptorsAreBack(project, base);
    const squeeze = new Squeeze(daemon);
    const open = readdirSync(`/proc/${daemon}/fd`).map(Number);
    const highest = Math.max(...open);
    const limit = highest + 1 + Math.max(0, free - (highest + 1 - open.length));
    squeeze.#limit(limit);
    try {
      let calm = 0;
      await eventually('so many descriptors to be left', () => {
        const left = limit - descriptorsOf(daemon).length;
        if (left > free) squeeze.#clients.push(silentClient(project));
        if (left < free) squeeze.#clients.pop()?.destroy();
        calm = left === free ? calm + 1 : 0;
        return calm === 3;
      });
    } catch (error) {
      squeeze.end();
      throw error;
    }
    return squeeze;
  }

  end(): void {
    this.#limit(this.#usual);
    for (const client of this.#clients) client.destroy();
  }

  #limit(soft: number): void {
    execFileSync('prlimit', ['--pid', String(this.#daemon), `--nofile=${soft}:`]);
  }
}

function silentClient(project: TestProject): Socket {
  return connect(project.socket() ?? '').on('error', () => undefined);
}

/** Clients are turned away at moments when there is no descriptor for them. */
function patiently<T>(ask: () => Promise<T>): Promise<T> {
  return eventually('an answer', async () => {
    try {
      return { answer: await ask() };
    } catch {
      return undefined;
    }
  }).then(({ answer }) => answer);
}

function softLimit(pid: number): number {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1'))?.[1];
  return Number(soft);
}

test('without descriptors left for one more start, that one waits for better times and nothing else notices', async (ctx) => {
  const lack = lacks('prlimit');
  if (lack !== undefined) ctx.skip(lack);
  const all = await running(ctx);
  for (let round = 1; round <= rounds(3); round += 1) {
    // Enough for a few clients and for looking at processes, too few for a start's files.
    const squeeze = await Squeeze.on(all, 4);
    try {
      await starves(all, /EMFILE|descriptor/);
    } finally {
      squeeze.end();
    }
    await recovers(all, round + 1);
    await all.project.ok('stop', 'starved');
  }
  await all.project.ok('down');
  await all.project.nothingIsLeft();
});

test('without any descriptor left the daemon lives on, sees a service end, and answers when it can again', async (ctx) => {
  const lack = lacks('prlimit');
  if (lack !== undefined) ctx.skip(lack);
  const all = await running(ctx);
  const { project, daemon } = all;
  const a = await project.pidOf('a.1');
  for (let round = 1; round <= rounds(3); round += 1) {
    const squeeze = await Squeeze.on(all, 0);
    // It waits to be let in, and its answer takes a look at all processes.
    const asking = silentClient(project);
    asking.write('GET /v1/stats HTTP/1.1\r\nhost: setpoint\r\n\r\n');
    await once(asking, 'connect');
    const b = lastPid(project, 'b.1');
    try {
      process.kill(b, 'SIGKILL');
      await eventually('b to have ended', () => !isRunning(b));
      await eventually('the daemon to have noted that', () => killsOf(project, 'b.1') === round);
    } finally {
      squeeze.end();
    }
    asking.destroy();
    // Its start may have failed for the same shortage meanwhile.
    expect(await project.pidOf('b.1')).not.toBe(b);
    expect(await project.pidOf('a.1')).toBe(a);
    expect(await project.daemonPid()).toBe(daemon);
  }
  await project.ok('start', 'starved');
  await descriptorsAreBack(project, all.base);
  await project.ok('down');
  await project.nothingIsLeft();
});

/** What the journal has of an instance; the daemon may be unable to read it out. */
function journal(project: TestProject, instance: string): string {
  const lines = readFileSync(join(project.stateDir(), 'events.ndjson'), 'utf8').split('\n');
  return lines.filter((line) => line.includes(`"${instance}"`)).join('\n');
}

function killsOf(project: TestProject, instance: string): number {
  return journal(project, instance).match(/"instance-exited".*SIGKILL/g)?.length ?? 0;
}

/** As the launcher has noted it: the daemon may be unable to answer. */
function lastPid(project: TestProject, instance: string): number {
  const text = readFileSync(join(project.stateDir(), 'instances', instance, 'exit'), 'latin1');
  return Number(/^begun \S+ \S+ \d+ (\d+)$/m.exec(text)?.[1]);
}

/** A control group that bounds the number of processes and threads; undefined where none can be made. */
class PidsGroup {
  readonly #dir: string;
  readonly #home: string;

  private constructor(dir: string, home: string) {
    this.#dir = dir;
    this.#home = home;
  }

  static make(ctx: TestContext): PidsGroup {
    for (const home of ['/sys/fs/cgroup/pids', '/sys/fs/cgroup']) {
      const dir = `${home}/setpoint-test-${process.pid}`;
      try {
        mkdirSync(dir);
      } catch {
        continue;
      }
      try {
        accessSync(`${dir}/pids.max`, constants.W_OK);
        const group = new PidsGroup(dir, home);
        ctx.onTestFinished(() => group.remove());
        return group;
      } catch {
        rmdirSync(dir);
      }
    }
    ctx.skip('no control group that bounds the number of processes can be made');
    throw new Error('skipped');
  }

  add(pid: number): void {
    writeFileSync(`${this.#dir}/cgroup.procs`, String(pid));
  }

  /** No more than there are, and so many besides. */
  close(besides = 0): void {
    const now = Number(readFileSync(`${this.#dir}/pids.current`, 'latin1'));
    writeFileSync(`${this.#dir}/pids.max`, String(now + besides));
  }

  open(): void {
    writeFileSync(`${this.#dir}/pids.max`, 'max');
  }

  async remove(): Promise<void> {
    this.open();
    for (const pid of readFileSync(`${this.#dir}/cgroup.procs`, 'latin1').split('\n'))
      if (pid !== '') writeFileSync(`${this.#home}/cgroup.procs`, pid);
    await eventually('the control group to be empty', () => {
      try {
        rmdirSync(this.#dir);
        return true;
      } catch {
        return false;
      }
    });
  }
}

test('where no more processes may be made, a start waits for better times and nothing else notices', async (ctx) => {
  const group = PidsGroup.make(ctx);
  const all = await running(ctx);
  group.add(all.daemon);
  for (let round = 1; round <= rounds(3); round += 1) {
    group.close();
    await starves(all, /EAGAIN|process/);
    group.open();
    await recovers(all, round + 1);
    await all.project.ok('stop', 'starved');
  }
  await all.project.ok('down');
  await all.project.nothingIsLeft();
});

test('a launcher that cannot make its process is a shortage as well', async (ctx) => {
  const group = PidsGroup.make(ctx);
  const all = await running(ctx);
  const { project } = all;
  group.add(all.daemon);
  for (let round = 1; round <= rounds(2); round += 1) {
    // Enough for the launcher, but not for the service.
    group.close(1);
    await starves(all, /fork/i);
    group.open();
    await recovers(all, round + 1);
    await project.ok('stop', 'starved');
  }
  await project.ok('down');
  await project.nothingIsLeft();
});

test('an environment longer than the system takes fails that service alone, with a text that says so', async (ctx) => {
  const huge = 'x'.repeat(150_000);
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  a: { command: exec sleep 100000 }
  single: { command: exec sleep 100000, restart: never, env: { HUGE: "${huge}" } }
  retried: { command: exec sleep 100000, ${FAST}, env: { HUGE: "${'z'.repeat(140_000)}" } }
`,
  });
  const up = await project.run(['up', '-d', '--wait', '--timeout', '20s']);
  expect(up.status).toBe(1);
  const text = /longer than the system allows/;
  expect(up.stdout + up.stderr).toMatch(text);
  expect(up.stdout + up.stderr).not.toContain('xxxx');
  const base = descriptorsOf(await project.daemonPid());
  const a = await project.pidOf('a.1');
  expect(await project.becomes('single.1', 'failed')).toMatchObject({
    state: { exit: { kind: 'spawn-error', failure: { code: 'arguments-too-long' } } },
  });
  expect(await project.ok('status')).toMatch(/^single +failed .*longer than the system allows/m);
  await eventually('retries', async () => ((await project.instance('retried.1'))?.restarts ?? 0) >= 2);
  expect(await project.ok('explain', 'retried')).toMatch(text);
  expect(await project.pidOf('a.1')).toBe(a);
  expect(await project.ok('events', '-n', '100')).not.toContain('xxxx');
  await descriptorsAreBack(project, base);
  await project.ok('down');
  await project.nothingIsLeft();
});
