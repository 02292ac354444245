import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { PlanResponse } from '../../src/core/api.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';

// More rounds take longer.
vi.setConfig({ testTimeout: rounds(30_000) });

const GOOD = `services:
  db: { command: echo db >> started; exec sleep 1000 }
  api: { command: echo api >> started; exec sleep 1000, depends_on: [db] }
  once: { command: echo once >> started, restart: never }
`;
const GOOD_IN_FLOW = JSON.stringify({ services: { db: { command: 'exec sleep 1000' } } });

const FILE = 'setpoint.yaml';

function put(content: string | Buffer): (path: string) => void {
  return (path) => writeFileSync(path, content);
}

/** What may stand in the place of a manifest. Each begins where there is nothing. */
const BROKEN: Readonly<Record<string, (path: string) => void>> = {
  'no YAML': put('services: [}'),
  'an unknown key': put('services: { db: { comand: x } }'),
  'cut off in a value': put(GOOD.slice(0, GOOD.indexOf('command: echo api') + 4)),
  'cut off in a flow': put(GOOD_IN_FLOW.slice(0, -4)),
  'nothing at all': () => undefined,
  empty: put(''),
  'white space': put('\n\n  \n'),
  'a folder': (path) => mkdirSync(path),
  'a dangling link': (path) => symlinkSync('nowhere', path),
  'a pipe': (path) => execFileSync('mkfifo', [path]),
  'binary garbage': put(Buffer.from(Array.from({ length: 8_192 }, (_, n) => (n * 7_919 + 13) % 256))),
  'zeros, as a crash of the machine leaves them': put(Buffer.alloc(4_096)),
  'one byte more than 1 MiB': put(`${GOOD}#${'x'.repeat(1024 * 1024 - GOOD.length)}`),
  'deep nesting': put(`services: ${'['.repeat(100_000)}`),
  'deep blocks': put(Array.from({ length: 300 }, (_, n) => `${' '.repeat(n)}a:`).join('\n')),
};

interface Untouched {
  readonly pids: readonly number[];
  readonly daemon: number;
  readonly started: readonly string[];
}

async function untouched(project: TestProject): Promise<Untouched> {
  const pids = [await project.pidOf('db.1'), await project.pidOf('api.1')];
  await project.becomes('once.1', 'completed');
  return { pids, daemon: await project.daemonPid(), started: project.lines('started') };
}

function replace(project: TestProject, make: (path: string) => void): void {
  const path = join(project.dir, FILE);
  rmSync(path, { recursive: true, force: true });
  make(path);
}

async function isRefused(project: TestProject, name: string): Promise<void> {
  // Where the manifest is gone altogether, the commands that need one cannot even find the project.
  const inPlace = (args: readonly string[]): Promise<Awaited<ReturnType<TestProject['run']>>> =>
    project.run([...args, '-f', FILE]);
  const up = await inPlace(['up', '-d']);
  expect(up, name).toMatchObject({ status: 2, signal: null });
  expect(up.stderr, name).toMatch(/setpoint\.yaml/);
  expect(up.stderr, name).not.toMatch(/^ +at /m);
  // The statuses of `plan` are its own: 2 means that there is something to do.
  const plan = await inPlace(['plan']);
  expect(plan.status, `${name}: ${plan.stdout}${plan.stderr}`).toBe(1);
  expect(plan.stdout, name).toBe('');
  expect(plan.stderr, name).toMatch(/setpoint\.yaml/);
  const check = await inPlace(['check']);
  expect(check.status, name).toBe(2);
}

test('whatever is in the place of the manifest, nothing that runs is touched, and it is told', async (ctx) => {
  const project = newProject(ctx, { [FILE]: GOOD });
  await project.ok('up', '-d', '--wait');
  const before = await untouched(project);
  const base = descriptorsOf(before.daemon);
  for (const [name, make] of Object.entries(BROKEN)) {
    replace(project, make);
    await isRefused(project, name);
    expect(await untouched(project), name).toEqual(before);
    expect(await project.ok('status', '-f', FILE), name).toMatch(/^db +running/m);
  }
  rmSync(join(project.dir, FILE), { recursive: true });
  project.write(FILE, GOOD);
  expect(await project.ok('plan')).toContain('Nothing to do.');
  await project.ok('up', '-d', '--wait');
  expect(await untouched(project)).toEqual(before);
  await descriptorsAreBack(project, base);
  await project.ok('down');
  await project.nothingIsLeft();
});

/** Each ends in its own way, so that a daemon without their manifest has to know how from elsewhere. */
const STOPS = `services:
  db: { command: "trap 'echo db >> ended; exit' INT; echo db >> started; while :; do sleep 0.02; done", stop: { signal: SIGINT } }
  api: { command: "trap 'echo api >> ended; exit' TERM; echo api >> started; while :; do sleep 0.02; done", depends_on: [db] }
`;

const IN_THE_WAY: readonly (readonly [string, (path: string) => void])[] = [
  ['deleted', () => undefined],
  ['cut off', put(STOPS.slice(0, -40))],
  ['binary garbage', put(Buffer.from([0, 255, 1, 254, 2]))],
  ['a folder', (path) => mkdirSync(path)],
];

async function pidsOf(project: TestProject, ...ids: readonly string[]): Promise<readonly number[]> {
  return Promise.all(ids.map((id) => project.pidOf(id)));
}

test.for(IN_THE_WAY)(
  'with the manifest %s a killed daemon comes back, takes over what runs, and is of use',
  async ([name, make], ctx) => {
    const project = newProject(ctx, { [FILE]: STOPS });
    // It is this test that says when the manifest is taken up.
    await project.ok('up', '-d', '--wait', '--no-watch');
    const pids = await pidsOf(project, 'db.1', 'api.1');
    replace(project, make);
    for (let round = 0; round < rounds(2); round += 1) {
      await project.killDaemon();
      const status = await project.run(['status']);
      expect(status, `${name}, round ${round}`).toMatchObject({ status: 0 });
      expect(await pidsOf(project, 'db.1', 'api.1'), `${name}, round ${round}`).toEqual(pids);
    }
    await isRefused(project, name);
    // What comes back with the manifest is the same project; of what it says, all but the launch may be news.
    replace(project, put(STOPS));
    const { plan } = JSON.parse((await project.run(['plan', '--format', 'json'])).stdout) as PlanResponse;
    expect(plan?.steps.map(({ action }) => action)).toEqual(['update', 'update']);
    await project.ok('up', '-d', '--wait');
    expect(await pidsOf(project, 'db.1', 'api.1')).toEqual(pids);
    expect(project.lines('started')).toHaveLength(2);
    const base = descriptorsOf(await project.daemonPid());
    await project.killDaemon();
    replace(project, make);
    await project.ok('status');
    await descriptorsAreBack(project, base);
    expect(await project.ok('down')).toContain('nothing of it is left');
    expect([...project.lines('ended')].sort()).toEqual(['api', 'db']);
    await project.nothingIsLeft();
  },
);

/** As an editor that writes in place leaves it at any moment: a beginning of the file, then more of it. */
test('a manifest that is being written changes nothing until it is whole', async (ctx) => {
  const project = newProject(ctx, { [FILE]: GOOD });
  await project.ok('up', '-d', '--wait');
  const before = await untouched(project);
  const base = descriptorsOf(before.daemon);
  const wider = GOOD.replace('once:', 'more: { command: exec sleep 1000 }\n  once:');
  for (let round = 0; round < rounds(8); round += 1) {
    // Cut within a service, so that no beginning is a whole manifest with less in it.
    const from = wider.indexOf('{', wider.indexOf('db:')) + 1;
    const cut = from + Math.floor(Math.random() * (wider.indexOf('}') - from));
    project.write(FILE, wider.slice(0, cut));
    const up = await project.run(['up', '-d']);
    expect(up.status, `cut at ${cut}: ${up.stdout}${up.stderr}`).toBe(2);
    expect(up.stderr).toMatch(/2 services keep running/);
    expect(await untouched(project), `cut at ${cut}`).toEqual(before);
  }
  expect(await project.ok('events', '-n', '100')).toMatch(/manifest.*rejected|rejected/);

  // Written again and again while it is applied again and again: each time all of the one or all of the other.
  const name = join(project.dir, FILE);
  for (let round = 0; round < rounds(6); round += 1) {
    const text = round % 2 === 0 ? wider : GOOD;
    const up = project.start(['up', '-d', '--wait']);
    const half = Math.floor(Math.random() * text.length);
    writeFileSync(`${name}.new`, text.slice(0, half));
    writeFileSync(`${name}.new`, text);
    renameSync(`${name}.new`, name);
    expect((await up.ended).status, `round ${round}`).toBe(0);
    await project.ok('up', '-d', '--wait');
    expect((await project.instances()).map(({ id }) => id)).toEqual(
      round % 2 === 0 ? ['api.1', 'db.1', 'more.1', 'once.1'] : ['api.1', 'db.1', 'once.1'],
    );
    expect(await pidsOf(project, 'db.1', 'api.1')).toEqual(before.pids);
  }
  project.write(FILE, GOOD);
  await project.ok('up', '-d', '--wait');
  expect(await untouched(project)).toEqual(before);
  await descriptorsAreBack(project, base);
  await project.ok('down');
  await project.nothingIsLeft();
});
