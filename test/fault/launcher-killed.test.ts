import { expect, test, type TestContext, vi } from 'vitest';
import { patienceMs } from '../rig/chance.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { lacks } from '../rig/needs.ts';
import { isRunning, killIfThere } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

vi.setConfig({ testTimeout: patienceMs() });

const COUNT = 20;

/** Each holds a lock as long as it lives, and says so where it finds another one that does: never are there two of one. */
function lockedServices(count: number, restart: string): string {
  const lines = Array.from(
    { length: count },
    (_, n) =>
      `  s${n}: { command: "exec 9>lock.${n}; flock -n 9 || { echo s${n} >> doubles; exit 9; }; echo run >> runs.${n}; exec sleep 100000", restart: ${restart}, backoff: { initial: 20ms, max: 100ms, jitter: 0 } }\n`,
  );
  return `services:\n${lines.join('')}`;
}

/** The launchers of an instance; until it has become the service, a launcher's child looks the same. */
function launchersOf(project: TestProject, instance: string): readonly number[] {
  return project
    .processes()
    .filter(({ command }) => command.includes(`/instances/${instance}/launcher.sh `))
    .map(({ pid }) => pid);
}

function locked(ctx: TestContext, count: number, restart = 'on-failure'): TestProject {
  const lack = lacks('flock');
  if (lack !== undefined) ctx.skip(lack);
  return newProject(ctx, { 'setpoint.yaml': lockedServices(count, restart) });
}

test('a service whose launcher is killed ends with an unknown status, and never are there two of it', async (ctx) => {
  const project = locked(ctx, 2);
  await project.ok('up', '-d', '--wait');
  const other = await project.pidOf('s1.1');
  await eventually(
    'both to have begun',
    () => project.lines('runs.0').length + project.lines('runs.1').length === 2,
  );
  const base = descriptorsOf(await project.daemonPid());
  for (let round = 1; round <= rounds(3); round += 1) {
    const pid = await project.pidOf('s0.1');
    for (const launcher of launchersOf(project, 's0.1')) killIfThere(launcher);
    await eventually('the next run', () => project.lines('runs.0').length === round + 1);
    expect(isRunning(pid), `round ${round}`).toBe(false);
    expect(await project.becomes('s0.1', 'running')).toMatchObject({
      restarts: round,
      lastExit: { kind: 'unknown', why: expect.stringContaining('launcher') as string },
    });
  }
  expect(project.read('doubles')).toBe('');
  expect(await project.pidOf('s1.1')).toBe(other);
  await descriptorsAreBack(project, base);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('with restart never it is failed for good, and nothing of it lives on', async (ctx) => {
  const project = locked(ctx, 1, 'never');
  await project.ok('up', '-d', '--wait');
  const pid = await project.pidOf('s0.1');
  for (const launcher of launchersOf(project, 's0.1')) killIfThere(launcher);
  expect(await project.becomes('s0.1', 'failed')).toMatchObject({ state: { exit: { kind: 'unknown' } } });
  expect(isRunning(pid)).toBe(false);
  expect(await project.ok('status')).toMatch(/^s0 +failed .*launcher was killed/m);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a service without its launcher can be stopped, killed and restarted', async (ctx) => {
  const project = locked(ctx, 1);
  await project.ok('up', '-d', '--wait');
  for (let round = 0; round < rounds(2); round += 1) {
    for (const command of ['stop', 'kill', 'restart']) {
      const pid = await project.pidOf('s0.1');
      for (const launcher of launchersOf(project, 's0.1')) killIfThere(launcher);
      // The daemon hears of the launcher's end before, while or after it is asked for this.
      const { status, stderr } = await project.run([command, 's0']);
      expect([0, 1], `${command}: ${stderr}`).toContain(status);
      await eventually(`${pid} to have ended`, () => !isRunning(pid));
      if (command === 'stop') {
        expect(await project.instance('s0.1')).toMatchObject({ wanted: 'down', state: { kind: 'stopped' } });
        await project.ok('start', 's0');
      }
      await project.becomes('s0.1', 'running');
    }
  }
  expect(project.read('doubles')).toBe('');
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a launcher killed while there is no daemon leaves a service that the next daemon finds, ends and starts once', async (ctx) => {
  const project = locked(ctx, 3);
  await project.ok('up', '-d', '--wait');
  for (let round = 1; round <= rounds(2); round += 1) {
    const bystander = await project.pidOf('s2.1');
    await eventually('all to have begun', () => project.lines('runs.1').length === round);
    const launchers = [...launchersOf(project, 's0.1'), ...launchersOf(project, 's1.1')];
    await project.killDaemon();
    launchers.forEach((pid) => killIfThere(pid));
    await project.ok('status');
    for (const n of [0, 1]) {
      await eventually(`run ${round + 1} of s${n}`, () => project.lines(`runs.${n}`).length === round + 1);
      expect(await project.becomes(`s${n}.1`, 'running')).toMatchObject({ lastExit: { kind: 'unknown' } });
    }
    expect(await project.pidOf('s2.1')).toBe(bystander);
  }
  expect(project.read('doubles')).toBe('');
  await project.ok('down');
  await project.nothingIsLeft();
});

test('launchers killed at random moments in twenty services never make two of one, and all come back', async (ctx) => {
  const project = locked(ctx, COUNT);
  await project.ok('up', '-d', '--wait');
  const base = descriptorsOf(await project.daemonPid());
  await project.ok('down');
  let killed = 0;
  for (let round = 0; round < rounds(1); round += 1) {
    const up = project.start(['up', '-d']);
    const moments: string[] = [];
    // From the very beginning on, while the others are still being started.
    for (let kill = 0; kill < 2 * COUNT; kill += 1) {
      const [waitMs, n] = [Math.random() * 40, Math.floor(Math.random() * COUNT)];
      moments.push(`s${n} after ${waitMs.toFixed(1)} ms`);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      const launchers = launchersOf(project, `s${n}.1`);
      const pid = launchers[Math.floor(Math.random() * launchers.length)];
      if (pid === undefined) continue;
      killIfThere(pid);
      killed += 1;
    }
    const { status, stderr } = await up.ended;
    expect(status, stderr).toBe(0);
    const about = `round ${round}, killed: ${moments.join(', ')}`;
    for (let n = 0; n < COUNT; n += 1) await project.becomes(`s${n}.1`, 'running');
    expect(project.read('doubles'), about).toBe('');
    const sleepers = project.processes().filter(({ command }) => command === 'sleep 100000');
    expect(sleepers.length, about).toBe(COUNT);
    await descriptorsAreBack(project, base);
    await project.ok('down');
    await project.nothingIsLeft();
  }
  process.stdout.write(`${killed} launchers were killed\n`);
});
