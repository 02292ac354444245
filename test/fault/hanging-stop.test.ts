import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext, vi } from 'vitest';
import { patienceMs } from '../rig/chance.ts';
import { rounds } from '../rig/faults.ts';
import { isRunning } from '../rig/processes.ts';
import { type Command, newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

vi.setConfig({ testTimeout: patienceMs() });

/** `web` depends on `api`, which depends on `db`; `api` is the one that hangs. Each notes its beginning and its end. */
function chain(api: string): string {
  return `
services:
  db:
    command: &polite |
      trap 'echo "$SETPOINT_SERVICE ends" >> order; exit 0' TERM
      echo "$SETPOINT_SERVICE begins" >> order
      while :; do sleep 0.02; done
  api:
    depends_on: [db]
${api
  .trim()
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n')}
  web: { command: *polite, depends_on: [api] }
`;
}

const BEGINS = 'echo "$SETPOINT_SERVICE begins" >> order';

const IGNORES = `
command: |
  trap 'echo "api got TERM" >> order' TERM
  ${BEGINS}
  while :; do sleep 0.02; done
`;
const COMMAND_HANGS = `
command: ${BEGINS}; exec sleep 100000
`;

/** What hangs, and how it is configured; GRACE is put in. */
const HANGING = [
  ['a service that ignores SIGTERM', `${IGNORES}stop: { grace: GRACE }`],
  [
    'a stop command that hangs',
    `${COMMAND_HANGS}stop: { grace: GRACE, command: echo asked >> order; exec sleep 100000 }`,
  ],
  [
    'a pre_stop hook that hangs',
    `${COMMAND_HANGS}stop: { grace: GRACE }\nhooks: { pre_stop: echo asked >> order; exec sleep 100000 }`,
  ],
] as const;

function ends(project: TestProject): readonly string[] {
  return project.lines('order').filter((line) => line.endsWith(' ends'));
}

/** Where in the journal this happened last. */
function lastOf(project: TestProject, type: string, instance: string): number {
  const journal = readFileSync(join(project.stateDir(), 'events.ndjson'), 'utf8').trimEnd().split('\n');
  const at = journal
    .map((line) => JSON.parse(line) as { readonly type: string; readonly instance?: string })
    .findLastIndex((happening) => happening.type === type && happening.instance === instance);
  if (at < 0) throw new Error(`the journal has no ${type} of ${instance}`);
  return at;
}

async function allBegun(project: TestProject): Promise<void> {
  await eventually('all to have begun', () =>
    ['db', 'api', 'web'].every((name) => project.lines('order').includes(`${name} begins`)),
  );
}

/** Looks until the command has ended: at no time is `db` gone while `api` still runs. */
async function endsInOrder(api: number, db: number, ended: Promise<unknown>): Promise<void> {
  const command = { over: false };
  void ended.then(() => (command.over = true));
  await eventually('the end of the command', () => {
    if (!isRunning(db)) expect(isRunning(api), 'api after the end of db').toBe(false);
    return command.over;
  });
}

test.for(HANGING)(
  'down with %s shows who blocks, escalates, keeps the order and leaves nothing',
  async ([, api], ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': chain(api.replace('GRACE', '1s')) });
    for (let round = 0; round < rounds(1); round += 1) {
      project.write('order', '');
      await project.ok('up', '-d', '--wait');
      await allBegun(project);
      const [apiPid, dbPid] = [await project.pidOf('api.1'), await project.pidOf('db.1')];
      const down = project.start(['down']);
      await endsInOrder(apiPid, dbPid, down.ended);
      const { status, stdout, stderr } = await down.ended;
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(ends(project)).toEqual(['web ends', 'db ends']);
      expect(stdout).toMatch(new RegExp(`^api: .*, 1 s left .*pid ${apiPid}`, 'm'));
      expect(stdout).toMatch(/^db: waits for api/m);
      expect(stdout).toMatch(new RegExp(`^api: SIGKILL sent .*pid ${apiPid}`, 'm'));
      expect(stdout).toMatch(/^shop is down, and nothing of it is left$/m);
      expect(lastOf(project, 'instance-stopped', 'api.1')).toBeLessThan(
        lastOf(project, 'instance-stopping', 'db.1'),
      );
      await project.nothingIsLeft();
    }
  },
);

test.for(HANGING)('a second Ctrl-C with %s skips the grace period, in order', async ([, api], ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': chain(api.replace('GRACE', '10m')) });
  const { up, apiPid, dbPid } = await attached(project);
  await interrupted(project, up);
  up.signal('SIGINT');
  await endsInOrder(apiPid, dbPid, up.ended);
  expect(await up.ended).toMatchObject({ status: 0, signal: null });
  expect(up.stdout).toContain('Skipping the grace periods');
  expect(up.stdout).toMatch(/^db: waits for api/m);
  expect(ends(project)).toEqual(['web ends', 'db ends']);
  await project.nothingIsLeft();
});

test.for(HANGING)('a third Ctrl-C with %s kills what is left', async ([, api], ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': chain(api.replace('GRACE', '10m')) });
  const { up, apiPid, dbPid } = await attached(project);
  await interrupted(project, up);
  up.signal('SIGINT');
  await Promise.race([up.says('Skipping'), up.ended]);
  up.signal('SIGINT');
  expect(await up.ended).toMatchObject({ status: 0, signal: null });
  expect([apiPid, dbPid].filter(isRunning)).toEqual([]);
  await project.nothingIsLeft();
});

test('a post_stop hook that hangs is ended with the project by the time it has, and by a kill', async (ctx) => {
  const hook = 'hooks: { post_stop: { command: echo asked >> order; exec sleep 100000, timeout: TIMEOUT } }';
  const project = newProject(ctx, {
    'setpoint.yaml': chain(`${COMMAND_HANGS}${hook.replace('TIMEOUT', '500ms')}`),
  });
  await project.ok('up', '-d', '--wait');
  await allBegun(project);
  expect(await project.ok('down')).toContain('nothing of it is left');
  expect(ends(project)).toEqual(['web ends', 'db ends']);
  await project.nothingIsLeft();

  project.write('order', '');
  project.write('setpoint.yaml', chain(`${COMMAND_HANGS}${hook.replace('TIMEOUT', '10m')}`));
  const { up } = await attached(project);
  await interrupted(project, up);
  up.signal('SIGINT');
  await up.says('Skipping');
  up.signal('SIGINT');
  const { status } = await up.ended;
  expect(status).toBe(0);
  await project.nothingIsLeft();
});

test('when the daemon is killed while something hangs, the next down ends it all in order', async (ctx) => {
  for (const [, api] of HANGING) {
    const project = newProject(ctx, { 'setpoint.yaml': chain(api.replace('GRACE', '1s')) });
    for (let round = 0; round < rounds(1); round += 1) {
      project.write('order', '');
      await project.ok('up', '-d', '--wait');
      await allBegun(project);
      const down = project.start(['down']);
      await eventually('api to have been asked', () => /asked|got TERM/.test(project.read('order')));
      await project.killDaemon();
      await down.ended;
      await project.ok('down');
      expect(ends(project), api).toEqual(['web ends', 'db ends']);
      await project.nothingIsLeft();
    }
  }
});

/** A group in which nothing runs, be it killed or not: the freezer of version 1. Undefined where none can be made. */
function freezer(ctx: TestContext): { freeze(pid: number): void; thaw(): void } {
  const dir = `/sys/fs/cgroup/freezer/setpoint-test-${process.pid}`;
  try {
    mkdirSync(dir);
  } catch {
    ctx.skip('nothing that cannot be killed can be made: there is no freezer of control groups of version 1');
  }
  const thaw = (): void => writeFileSync(`${dir}/freezer.state`, 'THAWED');
  ctx.onTestFinished(async () => {
    thaw();
    await eventually('the frozen to have ended', () => {
      try {
        rmdirSync(dir);
        return true;
      } catch {
        return false;
      }
    });
  });
  return {
    freeze(pid) {
      writeFileSync(`${dir}/cgroup.procs`, String(pid));
      writeFileSync(`${dir}/freezer.state`, 'FROZEN');
    },
    thaw,
  };
}

test('what cannot be killed is named with its pid, with a status that says so, and the next down ends it', async (ctx) => {
  const cold = freezer(ctx);
  const project = newProject(ctx, { 'setpoint.yaml': chain(`${COMMAND_HANGS}stop: { grace: 100ms }`) });
  for (let round = 0; round < rounds(1); round += 1) {
    await project.ok('up', '-d', '--wait');
    await allBegun(project);
    const pid = await project.pidOf('api.1');
    cold.freeze(pid);
    const { status, stderr } = await project.run(['down', '--timeout', '500ms']);
    expect(status).toBe(1);
    expect(stderr).toContain('1 process of shop could not be stopped');
    expect(stderr).toContain(`api.1: pid ${pid}  sleep 100000`);
    expect(isRunning(pid)).toBe(true);
    cold.thaw();
    await eventually('it to have ended', () => !isRunning(pid));
    await project.ok('down');
    await project.nothingIsLeft();
    expect(await project.ok('status')).toContain('is not running');
  }
});

async function attached(
  project: TestProject,
): Promise<{ readonly up: Command; readonly apiPid: number; readonly dbPid: number }> {
  const up = project.start(['up']);
  await allBegun(project);
  return { up, apiPid: await project.pidOf('api.1'), dbPid: await project.pidOf('db.1') };
}

/** The first Ctrl-C, and `api` hangs. */
async function interrupted(project: TestProject, up: Command): Promise<void> {
  up.signal('SIGINT');
  await up.says('Stopping');
  await eventually('api to be what everything waits for', async () => {
    const api = await project.instance('api.1');
    return api?.state.kind === 'stopping' && ends(project).includes('web ends');
  });
}
