import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import type { RunRecord } from '../../src/ports/backend.ts';
import { eachRound, patienceMs } from '../rig/chance.ts';
import { isRunning, killIfThere } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const OTHER_BOOT = '01234567-89ab-4cde-8f01-23456789abcd';

/** Each notes its starts; what they are told to do after a failure differs. */
const SERVICES = `
services:
  always: { command: "echo run >> always.starts; exec sleep 1000", restart: always, backoff: &soon { initial: 20ms, jitter: 0 } }
  retried: { command: "echo run >> retried.starts; exec sleep 1000", restart: on-failure, backoff: *soon }
  never: { command: "echo run >> never.starts; exec sleep 1000", restart: never }
  stopped: { command: "echo run >> stopped.starts; exec sleep 1000", restart: unless-stopped }
`;
const IDS = ['always', 'never', 'retried', 'stopped'];

/** A process of nobody's, leader of a group of its own as a launcher is; it notes the signals it gets. */
async function foreigner(ctx: TestContext, project: TestProject, name: string): Promise<ChildProcess> {
  const program = `for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGCONT'])
    process.on(signal, () => require('fs').appendFileSync(process.argv[1], signal + '\\n'));
  setInterval(() => {}, 1000);
  require('fs').writeFileSync(process.argv[2], '')`;
  const env = { PATH: process.env['PATH'] };
  const [signals, ready] = [`${name}.signals`, `${name}.ready`].map((file) => join(project.temporary, file));
  const child = spawn(process.execPath, ['-e', program, signals ?? '', ready ?? ''], {
    detached: true,
    stdio: 'ignore',
    env,
  });
  ctx.onTestFinished(async () => {
    killIfThere(child.pid ?? 0);
    await eventually('the foreign process to be gone', () => !isRunning(child.pid ?? 0));
  });
  await eventually('the foreign process to be ready', () => {
    try {
      return readFileSync(ready ?? '', 'utf8') === '';
    } catch {
      return false;
    }
  });
  return child;
}

function startTimeOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

/**
 * Leaves things as a restart of the machine does: no process of the project, records of another boot, and, where a
 * foreign process is given, its pid in the records of the instance, with its start time even.
 */
async function reboot(project: TestProject, foreign: ReadonlyMap<string, number>): Promise<void> {
  await project.killDaemon();
  await eventually('all to be gone', () => {
    const left = project.processes();
    for (const { pid } of left) killIfThere(pid);
    return left.length === 0;
  });
  for (const id of IDS) {
    const dir = join(project.stateDir(), 'instances', `${id}.1`);
    const pid = foreign.get(id);
    const exit = join(dir, 'exit');
    const begun = readFileSync(exit, 'utf8')
      .split('\n')
      .find((line) => line.startsWith('begun '));
    const [, run = '', , launcher = '', service = ''] = begun?.split(' ') ?? [];
    writeFileSync(exit, `begun ${run} ${OTHER_BOOT} ${pid ?? launcher} ${pid ?? service}\n`);
    if (pid === undefined) continue;
    const path = join(dir, 'run.json');
    const record = JSON.parse(readFileSync(path, 'utf8')) as RunRecord;
    const identity = { pid, startTime: startTimeOf(pid), bootId: OTHER_BOOT };
    writeFileSync(path, JSON.stringify({ ...record, launcher: identity }));
  }
}

async function prepared(ctx: TestContext): Promise<{
  readonly project: TestProject;
  readonly foreign: ReadonlyMap<string, number>;
  /** Fails where a foreign process is gone, or has been signalled. */
  readonly expectUntouched: () => void;
}> {
  const project = newProject(ctx, { 'setpoint.yaml': SERVICES });
  await project.ok('up', '-d', '--wait');
  await project.ok('stop', 'stopped');
  const foreign = new Map<string, number>();
  for (const id of ['always', 'never', 'stopped'])
    foreign.set(id, (await foreigner(ctx, project, id)).pid ?? 0);
  await reboot(project, foreign);
  return {
    project,
    foreign,
    expectUntouched: () => {
      for (const [id, pid] of foreign) {
        expect(isRunning(pid), `the foreign process in the place of ${id}`).toBe(true);
        expect(() => readFileSync(join(project.temporary, `${id}.signals`)), id).toThrow('ENOENT');
      }
    },
  };
}

test(
  'after a restart of the machine nothing is adopted or signalled, and services start by their policies',
  async (ctx) => {
    await eachRound(2, async () => {
      const { project, foreign, expectUntouched } = await prepared(ctx);
      await project.ok('status');
      for (const id of ['always.1', 'retried.1']) {
        const { state, lastExit } = await project.becomes(id, 'running');
        expect([...foreign.values()]).not.toContain(state.kind === 'running' ? state.pid : undefined);
        expect(lastExit).toEqual({ kind: 'unknown', why: 'the machine was restarted' });
      }
      expect((await project.becomes('never.1', 'failed')).state).toMatchObject({ exit: { kind: 'unknown' } });
      expect((await project.instance('stopped.1'))?.state.kind).toBe('stopped');
      expect(IDS.map((id) => project.lines(`${id}.starts`).length)).toEqual([2, 1, 2, 1]);
      expectUntouched();
      await project.ok('restart');
      await project.ok('up', '-d', '--wait');
      expectUntouched();
      await project.ok('down');
      await project.nothingIsLeft();
      expectUntouched();
    });
  },
  patienceMs(60_000),
);

for (const command of [['up', '-d', '--wait'], ['down'], ['reap'], ['stop'], ['daemon', 'restart']]) {
  test(`the first \`setpoint ${command.join(' ')}\` after a restart of the machine signals nothing`, async (ctx) => {
    const { project, expectUntouched } = await prepared(ctx);
    await project.ok(...command);
    expectUntouched();
    expect(project.lines('never.starts').length).toBe(command[0] === 'up' ? 2 : 1);
    await project.run(['down']);
    await project.nothingIsLeft();
    expectUntouched();
  });
}
