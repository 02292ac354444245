import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext, vi } from 'vitest';
import { parseProjectRecord, parseRunRecord } from '../../src/store/records.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { lacks, lacksRoot } from '../rig/needs.ts';
import { isRunning } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

// More rounds take longer.
vi.setConfig({ testTimeout: rounds(30_000) });

/** `talker` writes a numbered line again and again, as far as it can; `crasher` ends when it is told to. */
const SERVICES = `services:
  talker: { command: "n=0; while :; do n=$((n+1)); echo line $n 2>/dev/null; sleep 0.02; done" }
  still: { command: exec sleep 1000 }
  crasher: { command: "echo run >> runs; while [ ! -e quit ]; do sleep 0.02; done; rm quit; exit 3", backoff: { initial: 100ms, max: 100ms, jitter: 0 } }
`;

/** A project whose state is on a disk of 1 MiB, which is filled up with `fill` and made room on with `empty`. */
class OnSmallDisk {
  readonly project: TestProject;
  readonly #filler: string;

  constructor(ctx: TestContext) {
    this.project = newProject(ctx, { 'setpoint.yaml': SERVICES });
    const disk = this.project.stateHome;
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'setpoint-test', disk]);
    this.#filler = join(disk, 'filler');
    ctx.onTestFinished(() => {
      execFileSync('umount', ['--lazy', disk]);
    });
  }

  /** Writes until the disk takes not a byte more. */
  fill(): void {
    for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (;;) writeFileSync(this.#filler, Buffer.alloc(size, 0x78), { flag: 'a' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
    const { bfree } = statfsSync(this.project.stateHome);
    expect(bfree).toBe(0);
  }

  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  /** Reads every record as it is on the disk: each is there as a whole, of before or of after, or not at all. */
  recordsAreWhole(): void {
    const dir = this.project.stateDir();
    expect(parseProjectRecord(readFileSync(join(dir, 'project.json'), 'utf8'))).toMatchObject({ ok: true });
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => name.endsWith('run.json')))
      expect(parseRunRecord(readFileSync(join(dir, file), 'utf8')), file).toMatchObject({ ok: true });
    expect(files.filter((name) => name.endsWith('.damaged'))).toEqual([]);
    const journal = readFileSync(join(dir, 'events.ndjson'), 'utf8').split('\n');
    expect(journal.pop()).toBe('');
    for (const line of journal) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
  }
}

function onSmallDisk(ctx: TestContext): OnSmallDisk {
  const lack = lacksRoot() ?? lacks('mount', 'umount');
  if (lack !== undefined) ctx.skip(lack);
  return new OnSmallDisk(ctx);
}

function linesOf(project: TestProject): number {
  return project.log('talker.1').split('\n').length;
}

test('on a full disk services live on and are answered for, records stay whole, and all goes on once there is room', async (ctx) => {
  const disk = onSmallDisk(ctx);
  const { project } = disk;
  await project.ok('up', '-d', '--wait');
  const pids = [await project.pidOf('talker.1'), await project.pidOf('still.1')];
  const base = descriptorsOf(await project.daemonPid());
  for (let round = 1; round <= rounds(2); round += 1) {
    const where = `round ${round}`;
    disk.fill();
    expect(pids.filter(isRunning), where).toEqual(pids);
    expect(await project.ok('status'), where).toMatch(/^talker +running/m);
    expect(await project.ok('explain', 'crasher'), where).toContain('crasher');
    const runs = project.lines('runs').length;

    // What would be started now is refused, and says why; it is no service's fault.
    project.write('quit', '');
    const refused = await eventually(`${where}: the start to be refused`, async () => {
      const one = await project.instance('crasher.1');
      return one?.state.kind === 'backoff' && one.state.exit.kind === 'spawn-error'
        ? one.state.exit
        : undefined;
    });
    expect(refused.failure.code, JSON.stringify(refused)).toBe('state-unwritable');
    expect(refused.failure.help, where).toMatch(/free space/);
    expect(await project.ok('status'), where).toMatch(/^crasher +backoff.*no space left on the disk/m);
    expect(project.lines('runs'), where).toHaveLength(runs);
    // To stop something takes no room.
    await project.ok('stop', 'still');
    expect(isRunning(pids[1] ?? 0), where).toBe(false);
    await project.run(['start', 'still', '--timeout', '1s']);
    disk.recordsAreWhole();

    const written = linesOf(project);
    disk.empty();
    await eventually(`${where}: the log to go on`, () => linesOf(project) > written + 5);
    await eventually(`${where}: the refused ones to run`, async () => {
      const kinds = (await project.instances()).map(({ state }) => state.kind);
      return kinds.every((kind) => kind === 'running');
    });
    expect(project.lines('runs'), where).toHaveLength(runs + 1);
    expect(await project.pidOf('talker.1'), where).toBe(pids[0]);
    pids[1] = await project.pidOf('still.1');
    await project.ok('restart', 'still');
    pids[1] = await project.pidOf('still.1');
    disk.recordsAreWhole();
    expect(await project.ok('events', '-n', '200'), where).toMatch(/could not be written to the journal/);
  }
  await descriptorsAreBack(project, base);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a daemon that was killed on a full disk comes back on it, takes over what runs, and loses no wish', async (ctx) => {
  const disk = onSmallDisk(ctx);
  const { project } = disk;
  await project.ok('up', '-d', '--wait');
  const pids = [await project.pidOf('talker.1'), await project.pidOf('still.1')];
  await project.killDaemon();
  await project.ok('status');
  const base = descriptorsOf(await project.daemonPid());
  for (let round = 1; round <= rounds(2); round += 1) {
    const where = `round ${round}`;
    disk.fill();
    await project.killDaemon();
    const status = await project.run(['status']);
    expect(status, where).toMatchObject({ status: 0 });
    expect(await project.pidOf('talker.1'), where).toBe(pids[0]);
    expect(await project.pidOf('still.1'), where).toBe(pids[1]);
    disk.recordsAreWhole();
    const runs = project.lines('runs').length;
    // What ends now has its end seen, and what is killed now is found ended by the daemon after this one.
    project.write('quit', '');
    await eventually(`${where}: its end to be seen`, async () => {
      const one = await project.instance('crasher.1');
      return one?.state.kind === 'backoff';
    });
    await project.killDaemon();
    await project.ok('status');
    expect(project.lines('runs'), where).toHaveLength(runs);
    disk.empty();
    await project.becomes('crasher.1', 'running');
    await eventually(`${where}: its run`, () => project.lines('runs').length > runs);
    expect(project.lines('runs'), where).toHaveLength(runs + 1);
    disk.recordsAreWhole();
  }
  await descriptorsAreBack(project, base);
  disk.fill();
  expect(await project.ok('down')).toContain('nothing of it is left');
  await project.nothingIsLeft();
  disk.empty();
  await project.ok('up', '-d', '--wait');
  await project.ok('down');
  await project.nothingIsLeft();
});

test('up on a full disk starts nothing and says why', async (ctx) => {
  const disk = onSmallDisk(ctx);
  const { project } = disk;
  disk.fill();
  const up = await project.run(['up', '-d', '--wait', '--timeout', '2s']);
  expect(up.status).toBe(124);
  expect(up.stderr + up.stdout).toMatch(/no space left on the disk/);
  expect(up.stderr).not.toMatch(/^ +at /m);
  expect(project.lines('runs')).toEqual([]);
  disk.empty();
  await project.ok('up', '-d', '--wait');
  await project.ok('down');
  await project.nothingIsLeft();
});
