import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext, vi } from 'vitest';
import { patienceMs } from '../rig/chance.ts';
import { descriptorsOf, rounds } from '../rig/faults.ts';
import { PidNamespace } from '../rig/pid-namespace.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

vi.setConfig({ testTimeout: patienceMs() });

/** `told` is killed alone, so that its launcher tells how it ended; of `untold` nothing is left that could tell. */
const MANIFEST = `
services:
  told: { command: exec sleep 100000, restart: never }
  untold: { command: exec sleep 100000, restart: never }
  bystander: { command: exec sleep 100000 }
`;

interface Pids {
  readonly launcher: number;
  readonly service: number;
}

/** As the launcher of the present run has noted them. */
function pidsOf(project: TestProject, instance: string): Pids {
  const text = readFileSync(join(project.stateDir(), 'instances', instance, 'exit'), 'utf8');
  const begun = /^begun \S+ \S+ (\d+) (\d+)$/m.exec(text);
  if (begun === null) throw new Error(`no beginning is noted in: ${text}`);
  return { launcher: Number(begun[1]), service: Number(begun[2]) };
}

/** A project whose processes are all in a pid namespace of their own; `down` is done within, too. */
async function within(
  ctx: TestContext,
  manifest: string,
): Promise<{ readonly space: PidNamespace; readonly project: TestProject }> {
  const space = await PidNamespace.open(ctx, { reaps: true });
  const project = newProject(ctx, { 'setpoint.yaml': manifest });
  await space.ok(project, 'up', '-d', '--wait');
  return { space, project };
}

async function killDaemon(space: PidNamespace, project: TestProject): Promise<void> {
  const pid = await project.daemonPid();
  space.kill(pid, 'SIGKILL');
  await space.free(pid);
}

/** Whoever has been given a pid in place of its owner, with how it looked then. */
class Usurpers {
  readonly #space: PidNamespace;
  readonly #at = new Map<number, number>();

  constructor(space: PidNamespace) {
    this.#space = space;
  }

  /** The launcher's number is the process group's, too. */
  take({ launcher, service }: Pids): void {
    for (const pid of [launcher, service]) {
      this.#space.usurp(pid);
      this.#at.set(pid, this.#space.stat(pid)?.startTime ?? -1);
    }
  }

  /** None was ended, stopped, or replaced. */
  expectUntouched(when: string): void {
    for (const [pid, startTime] of this.#at)
      expect(this.#space.stat(pid), `${pid} ${when}`).toEqual({ state: 'S', pgid: pid, startTime });
  }

  end(): void {
    for (const pid of this.#at.keys()) this.#space.kill(pid, 'SIGKILL');
    this.#at.clear();
  }
}

/** Ends both services so that the one's end is noted and the other's is not, and gives their pids to others. */
async function endAndUsurp(space: PidNamespace, project: TestProject, usurpers: Usurpers): Promise<void> {
  const told = pidsOf(project, 'told.1');
  const untold = pidsOf(project, 'untold.1');
  space.kill(told.service, 'SIGTERM');
  space.kill(untold.launcher, 'SIGSTOP');
  space.kill(untold.service, 'SIGKILL');
  space.kill(untold.launcher, 'SIGKILL');
  for (const pid of [told.service, told.launcher, untold.service, untold.launcher]) await space.free(pid);
  usurpers.take(told);
  usurpers.take(untold);
}

test('who has got the pid of a service that ended without a daemon is never signalled', async (ctx) => {
  const { space, project } = await within(ctx, MANIFEST);
  const usurpers = new Usurpers(space);
  for (let round = 0; round < rounds(1); round += 1) {
    await killDaemon(space, project);
    const bystander = pidsOf(project, 'bystander.1').service;
    await endAndUsurp(space, project, usurpers);
    await space.ok(project, 'status');
    expect(await project.instance('told.1')).toMatchObject({
      state: { kind: 'failed', exit: { kind: 'signal', signal: 'SIGTERM' } },
    });
    expect(await project.instance('untold.1')).toMatchObject({
      state: { kind: 'failed', exit: { kind: 'unknown' } },
    });
    const base = descriptorsOf(outsidePid(project)).length;
    await project.api('/v1/stats');
    usurpers.expectUntouched('after the new daemon has looked');
    for (const command of [
      ['kill', '-s', 'TERM', 'told', 'untold'],
      ['stop', 'told', 'untold'],
      ['restart', 'told', 'untold'],
      ['restart', 'told', 'untold'],
      ['stop', 'told', 'untold'],
    ]) {
      await space.setpoint(project, command).ended;
      usurpers.expectUntouched(`after ${command.join(' ')}`);
    }
    expect(await project.pidOf('bystander.1')).toBe(bystander);
    await eventually('the descriptors to be back', () => descriptorsOf(outsidePid(project)).length <= base);
    await space.ok(project, 'restart', 'told', 'untold');
    usurpers.end();
  }
  await killDaemon(space, project);
  await endAndUsurp(space, project, usurpers);
  await space.ok(project, 'down');
  usurpers.expectUntouched('after down');
  expect(space.sh('cat /proc/[0-9]*/comm').match(/^sleep$/gm)).toHaveLength(1 + 4);
  usurpers.end();
  await project.nothingIsLeft();
});

test('who has got the pid of an adopted service that ends under the eyes of a daemon is never signalled', async (ctx) => {
  const { space, project } = await within(ctx, MANIFEST);
  const usurpers = new Usurpers(space);
  for (let round = 0; round < rounds(1); round += 1) {
    await killDaemon(space, project);
    await space.ok(project, 'status');
    await endAndUsurp(space, project, usurpers);
    await project.becomes('told.1', 'failed');
    await project.becomes('untold.1', 'failed');
    for (const command of [
      ['kill', 'told', 'untold'],
      ['stop', 'told', 'untold'],
      ['restart', 'told', 'untold'],
    ]) {
      await space.setpoint(project, command).ended;
      usurpers.expectUntouched(`after ${command.join(' ')}`);
    }
    await project.becomes('told.1', 'running');
    usurpers.end();
  }
  await space.ok(project, 'down');
  await project.nothingIsLeft();
});

test('reap does not touch who has got the pid of what it would have reaped', async (ctx) => {
  const { space, project } = await within(ctx, MANIFEST);
  const usurpers = new Usurpers(space);
  await killDaemon(space, project);
  await endAndUsurp(space, project, usurpers);
  const bystander = pidsOf(project, 'bystander.1').service;
  rmSync(join(project.dir, 'setpoint.yaml'));
  const listed = await space.ok(project, 'reap', '--dry-run');
  expect(listed).toContain(`${bystander}`);
  await space.ok(project, 'reap');
  usurpers.expectUntouched('after reap');
  expect(space.isRunning(bystander)).toBe(false);
  usurpers.end();
  await project.nothingIsLeft();
});

/** The daemon's pid as this process sees it. */
function outsidePid(project: TestProject): number {
  const [daemon] = project.daemons();
  if (daemon === undefined) throw new Error('there is no daemon');
  return daemon.pid;
}
