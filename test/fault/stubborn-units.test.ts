import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext, vi } from 'vitest';
import { patienceMs } from '../rig/chance.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { lacks } from '../rig/needs.ts';
import { PidNamespace } from '../rig/pid-namespace.ts';
import { isRunning, killIfThere } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

vi.setConfig({ testTimeout: patienceMs() });

/** The main process ends when it is told to; the one that it has started does not. */
const MEMBER_IGNORES = `
services:
  pair:
    command: |
      sh -c 'trap "" TERM HUP INT; echo $$ >> members; exec sleep 100000' &
      trap 'exit 0' TERM
      while :; do sleep 0.05; done
    stop: { grace: 300ms }
  other: { command: exec sleep 100000 }
`;

test('a member of the group that ignores SIGTERM is killed after the grace period, and that is told', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': MEMBER_IGNORES });
  await project.ok('up', '-d', '--wait');
  await eventually('the first member', () => project.lines('members').length === 1);
  const other = await project.pidOf('other.1');
  const base = descriptorsOf(await project.daemonPid());
  for (let round = 1; round <= rounds(3); round += 1) {
    const member = Number(project.lines('members').at(-1));
    expect(isRunning(member)).toBe(true);
    const told = await project.ok('stop', 'pair');
    expect(isRunning(member), `round ${round}`).toBe(false);
    expect(told).toContain('pair');
    expect(await project.instance('pair.1')).toMatchObject({
      state: { kind: 'stopped', exit: { kind: 'code', code: 0 } },
    });
    const killed = (await project.ok('events', 'pair', '-n', '1000')).match(/killed +SIGKILL/g);
    expect(killed).toHaveLength(round);
    await project.ok('start', 'pair');
    await eventually('the next member', () => project.lines('members').length === round + 1);
  }
  expect(await project.pidOf('other.1')).toBe(other);
  await descriptorsAreBack(project, base);
  const down = await project.ok('down');
  expect(down).toMatch(/pair: SIGKILL sent/);
  await project.nothingIsLeft();
});

/** Records its pid under its name and stays, whatever it is told. */
const HOLD = `trap '' TERM HUP INT\necho "$1 $$" >> "$2"\nexec sleep 100000\n`;

/**
 * Starts processes that leave the service in every combination of ways: into a session of their own, orphaned, and with
 * an empty environment; those that keep their environment give up the service's output instead. `$1` names when.
 */
const ESCAPE = `
for clear in 'env -i' ''; do
  if [ -z "$clear" ]; then exec >/dev/null 2>&1; fi
  for session in '' setsid; do
    for orphan in '' orphan; do
      name="$1/$session/$orphan/$clear"
      if [ -n "$orphan" ]; then ( $clear $session sh hold.sh "$name" "$PWD/escaped" & )
      else $clear $session sh hold.sh "$name" "$PWD/escaped" &
      fi
    done
  done
done
`;

const ESCAPES = `
services:
  runaway:
    command: |
      sh escape.sh first
      trap 'sh escape.sh last; exit 0' TERM
      while [ ! -e go ]; do sleep 0.02; done
      sh escape.sh second
      while :; do sleep 0.02; done
    stop: { grace: 1s }
`;

const EACH_TIME = 8;

function escaped(project: TestProject): readonly { readonly name: string; readonly pid: number }[] {
  return project.lines('escaped').map((line) => {
    const at = line.lastIndexOf(' ');
    return { name: line.slice(0, at), pid: Number(line.slice(at + 1)) };
  });
}

/** All three times have come but the last, which is when it is told to stop. */
function runaway(ctx: TestContext): TestProject {
  const lack = lacks('setsid', 'env');
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, {
    'setpoint.yaml': ESCAPES,
    'escape.sh': ESCAPE,
    'hold.sh': HOLD,
  });
  ctx.onTestFinished(() => escaped(project).forEach(({ pid }) => killIfThere(pid)));
  return project;
}

async function runAway(project: TestProject): Promise<void> {
  await eventually('all to have escaped at first', () => escaped(project).length === EACH_TIME);
  // A look at the processes; who escapes after it has never been seen as anybody's child.
  await project.api('/v1/stats');
  project.write('go', '');
  await eventually('all to have escaped', () => escaped(project).length === 2 * EACH_TIME);
  expect(escaped(project).filter(({ pid }) => !isRunning(pid))).toEqual([]);
}

test('stop finds and ends whatever has escaped by setsid, double fork and an empty environment, at any time', async (ctx) => {
  const project = runaway(ctx);
  await project.ok('up', '-d', '--wait');
  await runAway(project);
  const base = descriptorsOf(await project.daemonPid());
  await project.ok('stop', 'runaway');
  expect(escaped(project)).toHaveLength(3 * EACH_TIME);
  expect(escaped(project).filter(({ pid }) => isRunning(pid))).toEqual([]);
  await descriptorsAreBack(project, base);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('down finds and ends them too, also after the daemon that saw them escape was killed', async (ctx) => {
  const project = runaway(ctx);
  for (let round = 0; round < rounds(2); round += 1) {
    project.write('escaped', '');
    await project.ok('up', '-d', '--wait');
    await runAway(project);
    if (round % 2 === 1) await project.killDaemon();
    await project.ok('down');
    expect(escaped(project)).toHaveLength(3 * EACH_TIME);
    expect(
      escaped(project).filter(({ pid }) => isRunning(pid)),
      `round ${round}`,
    ).toEqual([]);
    await project.nothingIsLeft();
    rmSync(join(project.dir, 'go'));
  }
});

/** Children that end at once without anybody who asks for their status: where process 1 does not, they stay zombies. */
const ZOMBIES = `
services:
  maker:
    command: |
      ( sh -c 'echo $$ >> zombies' & )
      ( setsid sh -c 'echo $$ >> zombies' & )
      trap 'exit 0' TERM
      while :; do sleep 0.05; done
    stop: { grace: 10m }
  parent:
    command: |
      sh -c 'trap "" TERM; echo $$ >> zombies' & exec sleep 100000
    stop: { grace: 10m }
`;

test('zombies that nobody ever reaps do not keep a unit from being gone, nor a stop from ending', async (ctx) => {
  const space = await PidNamespace.open(ctx, { reaps: false });
  const project = newProject(ctx, { 'setpoint.yaml': ZOMBIES });
  for (let round = 0; round < rounds(1); round += 1) {
    await space.ok(project, 'up', '-d', '--wait');
    await eventually('all of them', () => project.lines('zombies').length === 3);
    const zombies = project.lines('zombies').map(Number);
    for (const pid of zombies)
      await eventually(`${pid} to be a zombie`, () => space.stat(pid)?.state === 'Z');
    await space.ok(project, 'stop', 'maker');
    await space.ok(project, 'stop', 'parent');
    expect((await project.instances()).map(({ state }) => state.kind)).toEqual(['stopped', 'stopped']);
    await space.ok(project, 'start');
    await eventually('all of them again', () => project.lines('zombies').length === 6);

    // The daemon and, with nobody to ask for them, the launchers become zombies as well.
    const daemon = await project.daemonPid();
    const main = await project.pidOf('maker.1');
    space.kill(daemon, 'SIGKILL');
    await space.gone(daemon);
    space.kill(main, 'SIGKILL');
    await space.gone(main);
    expect(space.stat(daemon)?.state).toBe('Z');
    await space.ok(project, 'status');
    await eventually('the killed one to run again', () => project.lines('zombies').length === 8);
    expect(await project.becomes('maker.1', 'running')).toMatchObject({
      lastExit: { kind: 'signal', signal: 'SIGKILL' },
    });
    expect(await space.ok(project, 'down')).toContain('nothing of it is left');
    await project.nothingIsLeft();
    project.write('zombies', '');
  }
});
