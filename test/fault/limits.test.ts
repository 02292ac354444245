import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { patienceMs } from '../rig/chance.ts';
import { lacksCgroups } from '../backends/native/cgroup-rig.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { isRunning } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

vi.setConfig({ testTimeout: patienceMs() });

/** Two processes that spin are held together; `glutton` doubles what it has when it is told to. */
const MANIFEST = `
services:
  glutton:
    command: |
      echo run >> runs
      while [ ! -e eat ]; do sleep 0.02; done
      x=0123456789abcdef
      while :; do x=$x$x; done
    limits: { memory: 32MiB }
    restart: { policy: on-failure, max_restarts: 1 }
    backoff: { initial: 20ms, jitter: 0 }
  limited: { command: exec sleep 100000, limits: { memory: 32MiB } }
  other: { command: exec sleep 100000 }
`;

/** The control group of the present run as it is on record. */
function groupOf(project: TestProject, instance: string): string {
  const path = join(project.stateDir(), 'instances', instance, 'run.json');
  const { cgroup } = JSON.parse(readFileSync(path, 'utf8')) as { readonly cgroup?: string };
  if (cgroup === undefined) throw new Error(`${instance} has no control group`);
  return cgroup;
}

test('a service that eats more than its memory ends by oom with what tells so, under its policy, alone', async (ctx) => {
  const lack = lacksCgroups();
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, { 'setpoint.yaml': MANIFEST });
  await project.ok('up', '-d', '--wait');
  const pids = [await project.pidOf('limited.1'), await project.pidOf('other.1')];
  const base = descriptorsOf(await project.daemonPid());
  const groups = new Set<string>();
  for (let round = 1; round <= rounds(2); round += 1) {
    groups.add(await eventually('its group', () => groupOf(project, 'glutton.1')));
    expect([...groups].filter((group) => existsSync(group))).toHaveLength(1);
    project.write('eat', '');
    const failed = await project.becomes('glutton.1', 'failed');
    groups.add(groupOf(project, 'glutton.1'));
    expect(failed.state).toMatchObject({
      code: 'E_MAX_RESTARTS',
      exit: { kind: 'oom', evidence: expect.stringMatching(/control group counts \d+ kill/) as string },
    });
    expect(project.lines('runs')).toHaveLength(2);
    expect(await project.ok('status')).toMatch(/^glutton +failed .*lack of memory/m);
    expect(await project.ok('explain', 'glutton')).toMatch(
      /killed for lack of memory \(its control group counts/,
    );
    await eventually('its groups to be removed', () => [...groups].every((group) => !existsSync(group)));
    expect([await project.pidOf('limited.1'), await project.pidOf('other.1')]).toEqual(pids);
    rmSync(join(project.dir, 'eat'));
    project.write('runs', '');
    await project.ok('restart', 'glutton');
  }
  await descriptorsAreBack(project, base);
  const last = [groupOf(project, 'glutton.1'), groupOf(project, 'limited.1')];
  await project.ok('down');
  await project.nothingIsLeft();
  await eventually('the last groups to be removed', () => last.every((group) => !existsSync(group)));
});

test('an oom while there is no daemon is told by the next one, which removes the group', async (ctx) => {
  const lack = lacksCgroups();
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, { 'setpoint.yaml': MANIFEST.replace(/restart: \{.*\}/, 'restart: never') });
  await project.ok('up', '-d', '--wait');
  const group = groupOf(project, 'glutton.1');
  const limited = groupOf(project, 'limited.1');
  const pid = await project.pidOf('glutton.1');
  await project.killDaemon();
  project.write('eat', '');
  await eventually('it to be gone', () => !isRunning(pid));
  await project.ok('status');
  expect(await project.becomes('glutton.1', 'failed')).toMatchObject({ state: { exit: { kind: 'oom' } } });
  await eventually('its group to be removed', () => !existsSync(group));
  await project.ok('down');
  await project.nothingIsLeft();
  await eventually('the adopted group to be removed', () => !existsSync(limited));
});

const SPINNING = `
services:
  busy:
    command: while :; do :; done & while :; do :; done
    limits: { cpus: 0.2 }
    stop: { grace: 200ms }
`;

/** CPU time that processes have used, in clock ticks; see proc(5). */
function ticksOf(pids: readonly number[]): number {
  return pids
    .map((pid) => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[11]) + Number(fields[12]);
    })
    .reduce((sum, ticks) => sum + ticks, 0);
}

const TICKS_A_SECOND = 100;

test('limits.cpus holds what spins to about its share, all of its processes together', async (ctx) => {
  const lack = lacksCgroups();
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, { 'setpoint.yaml': SPINNING });
  await project.ok('up', '-d', '--wait');
  const main = await project.pidOf('busy.1');
  const child = await eventually('its child', () => {
    const list = readFileSync(`/proc/${main}/task/${main}/children`, 'latin1').trim();
    return list === '' ? undefined : Number(list);
  });
  const [before, began] = [ticksOf([main, child]), performance.now()];
  // Long enough for the ticks to say something; the time is measured, and nothing is waited for.
  await eventually('some CPU time to be used', () => ticksOf([main, child]) - before >= 40, 60_000);
  const seconds = (performance.now() - began) / 1000;
  const share = (ticksOf([main, child]) - before) / TICKS_A_SECOND / seconds;
  process.stdout.write(`limits.cpus 0.2: used ${share.toFixed(3)} over ${seconds.toFixed(1)} s\n`);
  expect(share).toBeLessThan(0.3);
  expect(share).toBeGreaterThan(0);
  await project.ok('down');
  await project.nothingIsLeft();
});
