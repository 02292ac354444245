import { expect, test } from 'vitest';
import type { LogLine } from '../../src/core/api.ts';
import { type Chance, eachRound, patienceMs } from '../rig/chance.ts';
import { rounds } from '../rig/faults.ts';
import { isRunning, killIfThere } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** Writes numbered lines, one write a line: 600 of them without a pause and then a short one, or a few now and then. */
const WRITER = `
import { writeSync } from 'node:fs';
const [lines, everyMs] = process.argv.slice(2).map(Number);
let next = 0;
const timer = setInterval(() => {
  for (let i = 0; i < lines; i += 1) writeSync(1, 'line ' + next++ + '\\n');
}, everyMs);
process.on('SIGTERM', () => clearInterval(timer));
`;

const FLOODS = ['flood-1', 'flood-2', 'flood-3'];
const DRIPS = ['drip-1', 'drip-2', 'drip-3', 'drip-4', 'drip-5', 'drip-6', 'drip-7'];
const ALL = [...FLOODS, ...DRIPS];

const TEN = `services:\n${[
  ...FLOODS.map((id) => `  ${id}: { command: [node, writer.mjs, '600', '40'] }`),
  ...DRIPS.map((id) => `  ${id}: { command: [node, writer.mjs, '3', '5'] }`),
].join('\n')}\n`;

/** Kills whatever daemon of the project there is, at whatever point of its life. */
async function killDaemons(project: TestProject): Promise<void> {
  const found = project.daemons();
  for (const { pid } of found) killIfThere(pid);
  await eventually('the daemons to be gone', () => !found.some(({ pid }) => isRunning(pid)));
}

/** The lines that each instance wrote, out of what `logs --format json` printed. */
function byInstance(printed: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const text of printed.split('\n')) {
    if (text === '') continue;
    const { instance, text: line, skipped } = JSON.parse(text) as LogLine;
    if (skipped !== undefined) throw new Error(`${skipped} bytes of ${instance} were left out`);
    const lines = found.get(instance);
    if (lines === undefined) found.set(instance, [line]);
    else lines.push(line);
  }
  return found;
}

/** Every number once and in order, or the first place where that is not so. */
function expectWhole(lines: readonly string[] | undefined, count: number, of: string): void {
  const wrong = lines?.findIndex((line, n) => line !== `line ${n}`) ?? 0;
  const around = lines?.slice(Math.max(0, wrong - 2), wrong + 3);
  expect({ of, wrong, around: wrong < 0 ? [] : around, count: lines?.length }).toEqual({
    of,
    wrong: -1,
    around: [],
    count,
  });
}

async function expectUndisturbed(project: TestProject, pids: readonly number[]): Promise<void> {
  const instances = await eventually('a daemon to answer', () => project.instances().catch(() => undefined));
  expect(instances.map(({ restarts }) => restarts)).toEqual(ALL.map(() => 0));
  expect(await Promise.all(ALL.map((id) => project.pidOf(`${id}.1`)))).toEqual(pids);
}

async function killSeveralTimes(project: TestProject, chance: Chance): Promise<void> {
  for (let kill = 1; kill <= 3; kill += 1) {
    await chance.pause(150, 'kill');
    await killDaemons(project);
    await chance.pause(60, 'look');
    const status = project.start(['status']);
    if (chance.upTo(2, 'again while it starts') === 0) {
      await chance.pause(200, 'killed starting');
      await killDaemons(project);
      await status.ended;
    } else {
      expect(await status.ended).toMatchObject({ status: 0 });
    }
  }
}

test(
  'ten services under load lose neither their lives nor a line, however often the daemon is killed',
  async (ctx) => {
    let lines = 0;
    await eachRound(1, async (chance) => {
      const project = newProject(ctx, { 'setpoint.yaml': TEN, 'writer.mjs': WRITER });
      await project.ok('up', '-d', '--wait');
      const pids = await Promise.all(ALL.map((id) => project.pidOf(`${id}.1`)));
      const follower = project.start(['logs', '-f', '--tail', 'all', '--format', 'json']);
      await eventually('the follower to print', () => follower.stdout.length > 0);
      await killSeveralTimes(project, chance);
      expect(pids.every(isRunning)).toBe(true);
      await project.ok('status');
      await expectUndisturbed(project, pids);
      expect(await project.ok('plan')).toContain('Nothing to do.');
      await project.ok('down');
      const { status, stderr } = await follower.ended;
      expect(status, stderr).toBe(0);
      await project.nothingIsLeft();
      const followed = byInstance(follower.stdout);
      const told = byInstance(await project.ok('logs', '--format', 'json'));
      for (const id of ALL) {
        const written = project.log(`${id}.1`).trimEnd().split('\n');
        expectWhole(written, written.length, `${id}, as written`);
        expectWhole(told.get(`${id}.1`), written.length, `${id}, by logs`);
        expectWhole(followed.get(`${id}.1`), written.length, `${id}, by logs -f`);
        lines += written.length;
      }
    });
    console.info(`${rounds(1) * 3} kills or more; ${lines} lines, each once`);
  },
  patienceMs(60_000),
);

test('a command tells that the daemon was gone and is back, and of what it took over', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TEN, 'writer.mjs': WRITER });
  await project.ok('up', '-d', '--wait');
  const old = await project.killDaemon();
  const written = project.log('flood-1.1').length;
  await eventually(
    'the writer to go on without a daemon',
    () => project.log('flood-1.1').length > written + 10_000 || undefined,
  );
  const status = await project.run(['status']);
  expect(status.status).toBe(0);
  expect(status.stderr).toContain('The daemon of shop was gone; it is back');
  expect(status.stdout).toMatch(/^flood-1 +running +\d+s +0 /m);
  expect(await project.daemonPid()).not.toBe(old);
  expect(await project.ok('events', 'flood-1')).toMatch(/adopted +pid/);
  await project.ok('down');
  await project.nothingIsLeft();
});

/** Ends with 3 when told to; `starts` counts its runs. */
const QUITTER = `
services:
  quitter:
    command: |
      echo run >> starts
      while [ ! -e quit ]; do sleep 0.01; done
      rm quit
      exit 3
    restart: { policy: on-failure, max_restarts: 0 }
    backoff: { initial: 20ms, max: 20ms, jitter: 0 }
  flood: { command: [node, writer.mjs, '600', '40'] }
`;

test(
  'a service that fails around the moment of a kill is told with its status and restarted once',
  async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': QUITTER, 'writer.mjs': WRITER });
    await project.ok('up', '-d', '--wait');
    const flood = await project.pidOf('flood.1');
    await eachRound(8, async (chance, round) => {
      const kill = async (): Promise<void> => {
        await chance.pause(60, 'kill');
        await killDaemons(project);
      };
      const quit = async (): Promise<void> => {
        await chance.pause(60, 'end');
        project.write('quit', '');
      };
      await Promise.all([kill(), quit()]);
      await chance.pause(80, 'look');
      await project.ok('status');
      const back = await eventually(`run ${round + 1}`, async () => {
        const one = await project.instance('quitter.1');
        return one?.state.kind === 'running' && project.lines('starts').length > round ? one : undefined;
      });
      const { restarts, lastExit } = back;
      expect({ restarts, lastExit }).toEqual({ restarts: round, lastExit: { kind: 'code', code: 3 } });
      expect(project.lines('starts')).toHaveLength(round + 1);
      expect(await project.pidOf('flood.1')).toBe(flood);
    });
    const happened = (await project.api('/v1/events?limit=10000&service=quitter'))
      .split('\n')
      .filter((line) => line.includes('"instance-exited"'))
      .map((line) => JSON.parse(line) as { run: string; exit: unknown });
    expect(happened.every(({ exit }) => JSON.stringify(exit) === '{"kind":"code","code":3}')).toBe(true);
    expect(new Set(happened.map(({ run }) => run)).size).toBe(rounds(8));
    await project.ok('down');
    await project.nothingIsLeft();
  },
  patienceMs(60_000),
);
