import { expect, test } from 'vitest';
import { eachRound, patienceMs } from '../rig/chance.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const COUNT = 5;
const IDS = Array.from({ length: COUNT }, (_, n) => `s${n}`);

/** Each notes its start; the second half waits for the first one. */
function five(policy: string): string {
  const services = IDS.map((id, n) => {
    const after = n < 2 ? '' : ', depends_on: [s0]';
    return `  ${id}: { command: "echo started >> started.${id}; exec sleep 1000", restart: ${policy}, backoff: { initial: 20ms, jitter: 0 }${after} }`;
  });
  return `services:\n${services.join('\n')}\n`;
}

function sleepers(project: TestProject): number {
  return project.processes().filter(({ command }) => command === 'sleep 1000').length;
}

function launchers(project: TestProject): number {
  return project.processes().filter(({ command }) => command.includes('launcher.sh')).length;
}

/** Runs `up` with a daemon that is killed at this point; resolves once that has happened. */
async function upUntil(project: TestProject, failpoint: string): Promise<void> {
  const { status, stderr } = await project.run(['up', '-d', '--wait'], {
    env: { SETPOINT_FAILPOINT: failpoint },
  });
  expect(status, stderr).not.toBe(0);
  await eventually('the daemon to be gone', () => project.daemons().length === 0);
}

async function expectOneEach(project: TestProject): Promise<void> {
  await eventually('each to have come to its sleep', () => sleepers(project) >= COUNT);
  expect(sleepers(project)).toBe(COUNT);
  expect(launchers(project)).toBe(COUNT);
  expect(project.daemons()).toHaveLength(1);
  for (const id of IDS) expect(project.lines(`started.${id}`), id).toEqual(['started']);
  const instances = await project.instances();
  expect(instances.map(({ id, state }) => `${id} ${state.kind}`)).toEqual(IDS.map((id) => `${id}.1 running`));
}

for (const point of ['before-spawn', 'after-spawn', 'after-record'] as const) {
  for (const policy of ['on-failure', 'never'] as const) {
    test(
      `a daemon killed ${point} (restart: ${policy}) leaves what the next up makes whole: one unit for each instance`,
      async (ctx) => {
        await eachRound(2, async (chance) => {
          const project = newProject(ctx, { 'setpoint.yaml': five(policy) });
          await upUntil(project, `${point}:${1 + chance.upTo(COUNT - 1, 'time')}`);
          await chance.pause(30, 'up again');
          await project.ok('up', '-d', '--wait');
          await expectOneEach(project);
          await project.ok('down');
          await project.nothingIsLeft();
        });
      },
      patienceMs(),
    );
  }
}

test(
  'a daemon killed again and again while it starts services starts none of them twice',
  async (ctx) => {
    await eachRound(2, async (chance) => {
      const project = newProject(ctx, { 'setpoint.yaml': five('on-failure') });
      for (let kill = 1; kill <= 3; kill += 1) {
        const point = ['before-spawn', 'after-spawn', 'after-record'][chance.upTo(2, 'point')] ?? '';
        await project.run(['up', '-d', '--wait'], {
          env: { SETPOINT_FAILPOINT: `${point}:${1 + chance.upTo(1, 'time')}` },
        });
      }
      await project.ok('up', '-d', '--wait');
      await expectOneEach(project);
      await project.ok('down');
      await project.nothingIsLeft();
    });
  },
  patienceMs(60_000),
);

for (const point of ['before-spawn', 'after-record'] as const) {
  test(`what was about to be started when the daemon was killed ${point} starts with the next daemon, whatever its policy`, async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': five('never') });
    await upUntil(project, point);
    await project.ok('status');
    await eventually('all to run', () => sleepers(project) === COUNT);
    await expectOneEach(project);
    expect((await project.instances()).map(({ restarts }) => restarts)).toEqual(IDS.map(() => 0));
    await project.ok('down');
    await project.nothingIsLeft();
  });
}

/** Fails twice with 3, then stays; `starts` counts its runs. */
function failing(policy: string): string {
  return `
services:
  api:
    command: |
      echo run >> starts
      if [ $(wc -l < starts) -gt 2 ]; then exec sleep 1000; fi
      exit 3
    restart: ${policy}
    backoff: { initial: 20ms, jitter: 0 }
`;
}

test(
  'a daemon killed before it notes the end of a run applies the policy to that end once',
  async (ctx) => {
    await eachRound(2, async (chance) => {
      const project = newProject(ctx, { 'setpoint.yaml': failing('on-failure') });
      const time = 1 + chance.upTo(1, 'time');
      await project.run(['up', '-d'], { env: { SETPOINT_FAILPOINT: `before-ended-record:${time}` } });
      await eventually('the daemon to be gone', () => project.daemons().length === 0);
      expect(project.lines('starts')).toHaveLength(time);
      await project.ok('status');
      await eventually('the third run', () => project.lines('starts').length >= 3);
      const api = await project.becomes('api.1', 'running');
      expect(api).toMatchObject({ restarts: 2, lastExit: { kind: 'code', code: 3 } });
      expect(project.lines('starts')).toHaveLength(3);
      await eventually('it to have come to its sleep', () => sleepers(project) >= 1);
      expect(sleepers(project)).toBe(1);
      expect(launchers(project)).toBe(1);
      await project.ok('down');
      await project.nothingIsLeft();
    });
  },
  patienceMs(60_000),
);

test('a run that is not to be restarted is not, when the daemon was killed before it noted its end', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': failing('never') });
  await project.run(['up', '-d'], { env: { SETPOINT_FAILPOINT: 'before-ended-record' } });
  await eventually('the daemon to be gone', () => project.daemons().length === 0);
  expect(await project.ok('status')).toMatch(/^api +failed .*exit 3/m);
  expect(project.lines('starts')).toHaveLength(1);
  await project.ok('down');
  await project.nothingIsLeft();
});
