import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { FailedChange } from '../../src/core/api.ts';
import type { ProjectEvent } from '../../src/core/event.ts';
import { describeChangeFailure } from '../../src/words/cause.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';
import { TERMINAL_TEST_MS, TuiTerminal } from '../tui/rig.ts';

/** How long a version with a `ready` probe may take, and some more for a machine that is busy. */
const WINDOW_MS = 60_000;
const NEVER_READY_TEST_MS = WINDOW_MS + 60_000;

/** `web` writes what it was started with, and is ready once that is `good`; `bad` crashes, `mute` is never ready. */
function manifest(value: string, more = 'rollback: true'): string {
  return `services:
  web:
    command: 'echo "$V $$" >> out; test "$V" != bad || { echo no such table >&2; exit 7; }; exec sleep 1000'
    env: { V: "${value}" }
    backoff: { initial: 50ms, max: 50ms }
    ready: { exec: 'test "$V" != mute', interval: 200ms }
    ${more}
  db: { command: exec sleep 1000 }
`;
}

/** The values that web was started with, one after another. */
function starts(project: TestProject): readonly string[] {
  return project.lines('out').map((line) => line.split(' ')[0] ?? '');
}

async function failed(project: TestProject): Promise<readonly FailedChange[]> {
  return (await project.snapshot()).manifest?.failed ?? [];
}

function rolledBack(project: TestProject, withinMs?: number): Promise<FailedChange> {
  const look = async (): Promise<FailedChange | undefined> => (await failed(project))[0];
  return eventually('web to be rolled back', look, withinMs);
}

function told(project: TestProject): readonly Extract<ProjectEvent, { type: 'change-failed' }>[] {
  return readFileSync(join(project.stateDir(), 'events.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ProjectEvent)
    .filter((one) => one.type === 'change-failed');
}

/** Until web is ready again as it was. */
function isBack(project: TestProject): Promise<true> {
  return eventually('the former web to be ready', async () => {
    const state = (await project.instance('web.1'))?.state;
    const isReady = state?.kind === 'running' && state.readiness?.kind === 'ready';
    return (isReady && starts(project).at(-1) === 'good') || undefined;
  });
}

test(
  'a version that crashes is put out, and the former one comes back by itself',
  async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': manifest('good') });
    await project.ok('up', '-d', '--wait');
    const db = await project.pidOf('db.1');
    project.write('setpoint.yaml', manifest('bad'));
    const failure = await rolledBack(project);
    expect(failure).toEqual({
      service: 'web',
      reason: { kind: 'failing', instance: 'web.1', attempts: 3, exit: { kind: 'code', code: 7 } },
      rolledBack: true,
    });
    await isBack(project);
    expect(starts(project)).toEqual(['good', 'bad', 'bad', 'bad', 'good']);
    expect(await project.pidOf('db.1')).toBe(db);
    expect(await project.ok('status')).toMatch(
      /^✖ web did not come up as changed: web\.1 failed 3 times in a row, .*; its former version runs again$/m,
    );
    expect(told(project)).toMatchObject([{ service: 'web', rolledBack: true, reason: failure.reason }]);
    expect(await project.ok('events')).toMatch(/change failed +rolled back .*3 times in a row/);
    expect(await project.ok('explain', 'web')).toContain(
      `rolled back: ${describeChangeFailure(failure.reason)}`,
    );

    const terminal = new TuiTerminal(ctx, project, 120, 40);
    terminal.run('setpoint tui');
    await terminal.shows(/✖ web rolled back/);
    terminal.press('m');
    await terminal.shows(/✖ web did not come up as changed .*\n.* its former version runs again /);

    // Saved again, with nothing about web that is another, it is not tried again.
    project.write('setpoint.yaml', `${manifest('bad')}  cache: { command: exec sleep 1000 }\n`);
    await project.pidOf('cache.1');
    expect(starts(project)).toHaveLength(5);
    expect(await failed(project)).toEqual([failure]);
    // One that is mended is taken up, and nothing is held against it.
    project.write('setpoint.yaml', manifest('mended'));
    await eventually('the mended version to run', () => starts(project).at(-1) === 'mended');
    await terminal.hides(/✖ web/);
    expect(starts(project).slice(5)).toEqual(['mended']);
    expect(await failed(project)).toEqual([]);
    terminal.press('q');
    await terminal.ended();
  },
  TERMINAL_TEST_MS,
);

test(
  'a version whose readiness never comes is put out after its time, and the former one comes back by itself',
  async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': manifest('good') });
    await project.ok('up', '-d', '--wait');
    project.write('setpoint.yaml', manifest('mute'));
    const failure = await rolledBack(project, WINDOW_MS + 30_000);
    expect(failure).toEqual({
      service: 'web',
      reason: { kind: 'not-ready', instance: 'web.1', withinMs: 60_000 },
      rolledBack: true,
    });
    await isBack(project);
    expect(starts(project)).toEqual(['good', 'mute', 'good']);
    expect(await project.ok('status')).toContain('✖ web did not come up as changed: web.1 was not ready');
    expect(told(project)).toMatchObject([{ service: 'web', rolledBack: true, reason: failure.reason }]);
  },
  NEVER_READY_TEST_MS,
);

test('without `rollback` the version that crashes is told, and stays', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('good', '') });
  await project.ok('up', '-d', '--wait');
  project.write('setpoint.yaml', manifest('bad', ''));
  expect(await rolledBack(project)).toMatchObject({ service: 'web', rolledBack: false });
  await eventually('one more start', () => starts(project).length > 4 || undefined);
  expect(
    starts(project)
      .slice(1)
      .every((value) => value === 'bad'),
  ).toBe(true);
  expect(await project.ok('status')).toMatch(/✖ web did not come up as changed: .*`setpoint explain web`/);
});
