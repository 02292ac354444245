import { expect, test } from 'vitest';
import { eachRound, patienceMs } from '../rig/chance.ts';
import { rounds } from '../rig/faults.ts';
import { isRunning, killIfThere } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** Numbered lines, one write a line. */
const WRITER = `
import { writeSync } from 'node:fs';
const [lines, everyMs] = process.argv.slice(2).map(Number);
let next = 0;
const timer = setInterval(() => {
  for (let i = 0; i < lines; i += 1) writeSync(1, 'line ' + next++ + '\\n');
}, everyMs);
process.on('SIGTERM', () => clearInterval(timer));
`;

const SERVICES = `
services:
  flood: { command: [node, writer.mjs, '500', '20'] }
  drip: { command: [node, writer.mjs, '2', '5'] }
  quiet: { command: exec sleep 1000 }
`;

const IDS = ['drip.1', 'flood.1', 'quiet.1'];

async function pidsOf(project: TestProject): Promise<readonly number[]> {
  return Promise.all(IDS.map((id) => project.pidOf(id)));
}

/** The numbers of the lines of one service among what `up` printed, in order. */
function numbersOf(service: string, printed: string): readonly number[] {
  const line = new RegExp(`^${service} +\\| line (\\d+)$`, 'gm');
  return [...printed.matchAll(line)].map(([, number]) => Number(number));
}

/** The same of what it wrote. */
function writtenBy(project: TestProject, service: string): readonly number[] {
  const lines = project.log(`${service}.1`).trimEnd().split('\n');
  return lines.map((line) => Number(line.slice('line '.length)));
}

/** From 0 on without a gap or a repetition; otherwise the first place where that is not so. */
function expectCounted(numbers: readonly number[], of: string): void {
  const wrong = numbers.findIndex((number, n) => number !== n);
  expect({ of, wrong, around: wrong < 0 ? [] : numbers.slice(Math.max(0, wrong - 2), wrong + 3) }).toEqual({
    of,
    wrong: -1,
    around: [],
  });
}

test(
  'an attached up goes on through one daemon restart after the other: same pids, each line once',
  async (ctx) => {
    let lines = 0;
    await eachRound(1, async (chance) => {
      const project = newProject(ctx, { 'setpoint.yaml': SERVICES, 'writer.mjs': WRITER });
      const up = project.start(['up', '--plain']);
      await up.says(/^flood +\| line 0$/m);
      const pids = await pidsOf(project);
      for (let restart = 1; restart <= 10; restart += 1) {
        await chance.pause(100, 'restart');
        const old = await project.daemonPid();
        const said = await project.ok('daemon', 'restart');
        const expected = new RegExp(`\\(pid ${old}\\) -> .*\\(pid \\d+\\)\\n3 instances run on\\n$`);
        expect(said, said).toMatch(expected);
        // The attached up may have been a moment late to start one, which is about to notice.
        await eventually('one daemon to be left', () => project.daemons().length === 1);
        expect(await pidsOf(project)).toEqual(pids);
        expect((await project.instances()).map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
      }
      await eventually('up to hold the lease again', async () => (await project.snapshot()).leased);
      const floods = (): number => numbersOf('flood', up.stdout).length;
      const before = floods();
      await eventually('up to print on', () => floods() > before + 1_000);
      up.signal('SIGINT');
      expect(await up.ended).toMatchObject({ status: 0 });
      await project.nothingIsLeft();
      for (const service of ['flood', 'drip']) {
        expectCounted(numbersOf(service, up.stdout), `${service}, by up`);
        expectCounted(writtenBy(project, service), `${service}, as written`);
      }
      expect(up.stdout.match(/^quiet +\* started/gm) ?? []).toHaveLength(1);
      lines += floods();
    });
    console.info(`${10 * rounds(1)} restarts; ${lines} lines of the flood, each once`);
  },
  patienceMs(60_000),
);

test(
  'a daemon killed while it hands over, or its successor killed while it takes over, loses nothing',
  async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': SERVICES, 'writer.mjs': WRITER });
    await project.ok('up', '-d', '--wait');
    const pids = await pidsOf(project);
    await eachRound(6, async (chance) => {
      const restart = project.start(['daemon', 'restart']);
      await chance.pause(600, 'kill');
      const found = project.daemons();
      for (const { pid } of found) killIfThere(pid);
      const { status, stderr } = await restart.ended;
      expect([0, 1], stderr).toContain(status);
      expect(stderr).not.toMatch(/^ +at /m);
      await eventually('the killed to be gone', () => !found.some(({ pid }) => isRunning(pid)));
      await project.ok('status');
      expect(project.daemons()).toHaveLength(1);
      expect(await pidsOf(project)).toEqual(pids);
      expect((await project.instances()).map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
    });
    await project.ok('down');
    await project.nothingIsLeft();
    for (const service of ['flood', 'drip'])
      expectCounted(writtenBy(project, service), `${service}, as written`);
  },
  patienceMs(60_000),
);
