import { describeChangeFailure } from '../../src/words/cause.ts';
import { changeLines, describeCounts } from '../../src/words/counts.ts';
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  appendFileSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReloadResponse } from '../../src/core/api.ts';
import type { ProjectEvent } from '../../src/core/event.ts';
import { isRunning } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** `web` writes what it was started with; `db` is there to be left alone. */
function manifest(value: string, more = ''): string {
  return `services:
  web: { command: 'echo "$V" >> out; exec sleep 1000', env: { V: "${value}" } }
  db: { command: exec sleep 1000 }
${more}`;
}

function happenings(project: TestProject): readonly ProjectEvent[] {
  return readFileSync(join(project.stateDir(), 'events.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ProjectEvent);
}

function told<T extends ProjectEvent['type']>(
  project: TestProject,
  type: T,
): readonly Extract<ProjectEvent, { type: T }>[] {
  return happenings(project).filter((h): h is Extract<ProjectEvent, { type: T }> => h.type === type);
}

function runsWith(project: TestProject, value: string): Promise<true> {
  return eventually(`web to run with ${value}`, () => project.lines('out').at(-1) === value || undefined);
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

type Save = (path: string, text: string) => void | Promise<void>;

/** How programs write a file. Pauses are part of what they do. */
const WAYS: Readonly<Record<string, Save>> = {
  'in place': (path, text) => writeFileSync(path, text),
  'another file renamed over it': (path, text) => {
    writeFileSync(`${path}.tmp`, text);
    renameSync(`${path}.tmp`, path);
  },
  'as vim does': (path, text) => {
    const probe = join(path, '../4913');
    writeFileSync(probe, '');
    unlinkSync(probe);
    renameSync(path, `${path}~`);
    writeFileSync(path, text);
    unlinkSync(`${path}~`);
  },
  'removed and made again': (path, text) => {
    unlinkSync(path);
    writeFileSync(path, text);
  },
  'removed, and made again after a while': async (path, text) => {
    unlinkSync(path);
    await pause(200);
    writeFileSync(path, text);
  },
  'emptied, and written after a while': async (path, text) => {
    writeFileSync(path, '');
    await pause(200);
    writeFileSync(path, text);
  },
  'a link to another file': (path, text) => {
    const target = `${path}.${Date.now()}`;
    writeFileSync(target, text);
    symlinkSync(target, `${path}.link`);
    renameSync(`${path}.link`, path);
  },
  'through the link': (path, text) => writeFileSync(path, text),
  'twice within 20 ms': async (path, text) => {
    writeFileSync(path, text.replace(/V: "[^"]*"/, 'V: "not the last"'));
    await pause(15);
    writeFileSync(path, text);
  },
  'in many small writes': async (path, text) => {
    writeFileSync(path, '');
    for (let at = 0; at < text.length; at += 20) {
      appendFileSync(path, text.slice(at, at + 20));
      await pause(5);
    }
  },
};

test('however the manifest is saved, it is taken up once, with its last content', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('first') });
  const path = join(project.dir, 'setpoint.yaml');
  await project.ok('up', '-d', '--wait');
  const db = await project.pidOf('db.1');
  const values = ['first'];
  for (const [way, save] of Object.entries(WAYS)) {
    values.push(way);
    await save(path, manifest(way));
    await runsWith(project, way);
    // One too many of the way before would be seen here at the latest.
    expect(
      told(project, 'manifest-reloaded').map(({ counts }) => describeCounts(counts)),
      way,
    ).toEqual(values.slice(1).map(() => '1 to replace'));
  }
  expect(project.lines('out')).toEqual(values);
  expect(told(project, 'manifest-rejected')).toEqual([]);
  expect(await project.pidOf('db.1')).toBe(db);
  // A link would make this another project.
  rmSync(path);
  writeFileSync(path, manifest('last'));
  await runsWith(project, 'last');
  expect(told(project, 'manifest-reloaded')).toHaveLength(values.length);
  expect((await project.snapshot()).manifest).toEqual({ state: 'in-sync', watched: true, errors: 0 });
});

test('env files, what is included and a `.env` that comes later count; a touch and other files do not', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `include: more/part.yaml
services:
  web: { command: 'echo "$A \${B:-none}" >> out; exec sleep 1000', env_file: web.env }
`,
    'more/part.yaml': 'services: { db: { command: exec sleep 1000 } }\n',
    'web.env': 'A=one\n',
  });
  await project.ok('up', '-d', '--wait');
  await runsWith(project, 'one none');
  const db = await project.pidOf('db.1');
  project.write('web.env', 'A=two\n');
  await runsWith(project, 'two none');
  project.write('.env', 'B=new\n');
  await runsWith(project, 'two new');
  expect(await project.pidOf('db.1')).toBe(db);
  utimesSync(join(project.dir, 'setpoint.yaml'), 1, 1);
  project.write('notes.txt', 'nothing to do with it');
  project.write('more/part.yaml', 'services: { db: { command: exec sleep 2000 } }\n');
  await eventually('db to be replaced', async () => (await project.pidOf('db.1')) !== db);
  expect(told(project, 'manifest-reloaded').map(changeLines)).toEqual([
    ['web: env.A "one" -> "two": replace'],
    [expect.stringMatching(/^web: command .*: replace$/)],
    ['db: command "exec sleep 1000" -> "exec sleep 2000": replace'],
  ]);
});

test('what is wrong with the manifest is kept and told once, and nothing that runs is touched', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  await project.ok('up', '-d', '--wait');
  const pids = [await project.pidOf('web.1'), await project.pidOf('db.1')];
  const standing = async () => (await project.snapshot()).manifest;
  project.write('setpoint.yaml', manifest('two', '  bad: { comand: x }\n'));
  const seen = await eventually('errors', async () => {
    const now = await standing();
    return now?.state === 'invalid' && now;
  });
  expect(seen.errors).toBeGreaterThan(0);
  const [first] = seen.diagnostics ?? [];
  expect(first).toMatchObject({ code: 'unknown-key', message: expect.stringContaining('comand') as string });
  expect(first?.labels[0]?.place).toMatchObject({ line: 4, source: '  bad: { comand: x }' });
  expect(await project.ok('status')).toMatch(/✖ \d errors? \(setpoint check\)/);

  project.write('setpoint.yaml', 'services: [\n');
  await eventually('other errors', async () => {
    const now = await standing();
    return now?.state === 'invalid' && now.diagnostics?.[0]?.code !== 'unknown-key';
  });
  rmSync(join(project.dir, 'setpoint.yaml'));
  await eventually('it to be gone', async () =>
    (await standing())?.diagnostics?.[0]?.message.includes('setpoint.yaml is gone'),
  );
  expect([await project.pidOf('web.1'), await project.pidOf('db.1')]).toEqual(pids);
  expect(told(project, 'manifest-rejected')).toHaveLength(1);

  project.write('setpoint.yaml', manifest('one'));
  await eventually('it to be mended', async () => (await standing())?.state === 'in-sync');
  expect(await project.ok('status')).toMatch(/setpoint\.yaml {2}in sync/);
  expect([await project.pidOf('web.1'), await project.pidOf('db.1')]).toEqual(pids);
  rmSync(join(project.dir, 'setpoint.yaml'));
  await eventually('it to be gone again', () => told(project, 'manifest-rejected').length === 2);
  expect(told(project, 'manifest-rejected')[1]).toMatchObject({ errors: 1, first: 'setpoint.yaml is gone' });
  project.write('setpoint.yaml', manifest('one'));
});

test('a reload adds, removes and changes in place, and leaves alone what was stopped or scaled by hand', async (ctx) => {
  const text = (web: string, more: string): string => `services:
  web: { command: exec sleep 1000, env: { A: "${web}" } }
  pool: { command: exec sleep 1000, replicas: 1 }
  gone: { command: exec sleep 1000 }
${more}`;
  const project = newProject(ctx, { 'setpoint.yaml': text('1', '') });
  await project.ok('up', '-d', '--wait');
  await project.ok('stop', 'web');
  await project.ok('scale', 'pool=2');
  const pool = [await project.pidOf('pool.1'), await project.pidOf('pool.2')];
  const gone = await project.pidOf('gone.1');
  const next = text('2', '  fresh: { command: exec sleep 1000 }\n')
    .replace('replicas: 1', 'replicas: 1, restart: always')
    .replace(/ {2}gone.*\n/, '');
  project.write('setpoint.yaml', next);
  await project.becomes('fresh.1', 'running');
  await eventually('the removed one to end', () => !isRunning(gone));
  expect((await project.instance('web.1'))?.state.kind).toBe('stopped');
  expect([await project.pidOf('pool.1'), await project.pidOf('pool.2')]).toEqual(pool);
  const [reloaded] = told(project, 'manifest-reloaded');
  expect(reloaded && changeLines(reloaded).toSorted()).toEqual([
    'fresh: added: start',
    'gone: removed from the manifest: stop',
    'pool: restart on-failure -> always: in place (2)',
  ]);
  // Who writes another number wants that one.
  project.write('setpoint.yaml', next.replace('replicas: 1', 'replicas: 3'));
  await project.becomes('pool.3', 'running');
  await project.ok('up', '-d', '--wait');
  await project.becomes('web.1', 'running');
});

test('what `up` was limited to stays in force, also for a new daemon', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  await project.ok('up', '-d', '--wait', 'web');
  project.write('setpoint.yaml', manifest('two', '  third: { command: exec sleep 1000 }\n'));
  await runsWith(project, 'two');
  await project.killDaemon();
  await project.ok('status');
  project.write('setpoint.yaml', manifest('three', '  fourth: { command: exec sleep 1000 }\n'));
  await runsWith(project, 'three');
  const states = (await project.instances()).map(({ id, state }) => `${id} ${state.kind}`);
  expect(states).toContain('db.1 stopped');
  expect(states.filter((one) => / running/.test(one))).toEqual(['web.1 running']);
});

test('with --no-watch only a reload that is asked for counts, and a new daemon knows', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  await project.ok('up', '-d', '--wait', '--no-watch');
  expect(await project.ok('status')).toContain('not watched');
  await project.killDaemon();
  expect(await project.ok('status')).toContain('not watched');
  project.write('setpoint.yaml', manifest('two'));
  const plan = await project.run(['plan']);
  expect(plan.stdout).toContain('env.V "one" -> "two"');
  expect(await project.ok('reload')).toBe('web: env.V "one" -> "two": replace\n');
  await runsWith(project, 'two');
  expect(await project.ok('reload')).toBe('Nothing to do.\n');
  project.write('setpoint.yaml', manifest('three'));
  process.kill(await project.daemonPid(), 'SIGHUP');
  await runsWith(project, 'three');
  expect(project.lines('out')).toEqual(['one', 'two', 'three']);
  project.write('setpoint.yaml', 'services: [\n');
  const broken = await project.run(['reload']);
  expect(broken.status).toBe(2);
  expect(broken.stderr).toMatch(/setpoint\.yaml:\d+:\d+[^]*Nothing was changed; 2 services keep running\./);
});

test('what is to be reviewed is held until it is confirmed', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  await project.ok('up', '-d', '--wait', '--review');
  project.write('setpoint.yaml', manifest('two'));
  const held = await eventually('it to be held', async () => {
    const { manifest: now } = await project.snapshot();
    return now?.state === 'pending' && now;
  });
  expect(held.pending).toEqual({ start: 0, replace: 1, update: 0, stop: 0 });
  expect(await project.ok('status')).toContain('~ 1 change held (setpoint plan)');
  expect((await project.run(['plan'])).stdout).toContain('env.V "one" -> "two"');
  const asked = await project.run(['reload']);
  expect(asked.status).toBe(2);
  expect(asked.stdout).toContain('Held for review: 1 to replace. `setpoint reload --yes` confirms it.');
  // A new daemon holds it as well.
  await project.killDaemon();
  expect(await project.ok('status')).toContain('~ 1 change held');
  expect(project.lines('out')).toEqual(['one']);
  const confirmed = await project.run(['reload', '--yes', '--format', 'json']);
  expect(confirmed.status).toBe(0);
  const { outcome, snapshot } = JSON.parse(confirmed.stdout) as ReloadResponse;
  expect([outcome, snapshot.manifest?.state]).toEqual(['applied', 'in-sync']);
  await runsWith(project, 'two');

  project.write('setpoint.yaml', manifest('three'));
  await eventually('it to be held', async () => (await project.snapshot()).manifest?.state === 'pending');
  await project.ok('up', '-d', '--wait');
  await runsWith(project, 'three');
  expect((await project.snapshot()).manifest?.state).toBe('in-sync');
  expect(told(project, 'manifest-held').map(({ counts }) => describeCounts(counts))).toContain(
    '1 to replace',
  );
});

test('what was edited while there was no daemon is taken up by the next one', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  await project.ok('up', '-d', '--wait');
  const db = await project.pidOf('db.1');
  await project.killDaemon();
  project.write('setpoint.yaml', manifest('two'));
  await project.ok('status');
  await runsWith(project, 'two');
  expect(await project.pidOf('db.1')).toBe(db);
});

test('an attached `up` says what changed, and why', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  const up = project.start(['up', '--plain']);
  await runsWith(project, 'one');
  project.write('setpoint.yaml', manifest('two'));
  await up.says('web: env.V "one" -> "two": replace');
  await runsWith(project, 'two');
  project.write('setpoint.yaml', 'services: [\n');
  await up.says(/manifest rejected, .*nothing was changed/);
  project.write('setpoint.yaml', manifest('two'));
  await up.says('manifest reloaded, nothing to do');
  up.signal('SIGINT');
  expect((await up.ended).status).toBe(0);
});

test('a hundred saves in a second are few reloads, and the last one wins', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('0') });
  await project.ok('up', '-d', '--wait');
  for (let n = 1; n <= 100; n += 1) {
    project.write('setpoint.yaml', manifest(`${n}`));
    await pause(10);
  }
  await runsWith(project, '100');
  expect(told(project, 'manifest-reloaded').length).toBeLessThan(8);
});

test('a change that does not come up is told', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest('one') });
  await project.ok('up', '-d', '--wait');
  project.write('setpoint.yaml', manifest('two').replace("exec sleep 1000', env", "exit 7', env"));
  await eventually('the failure to be told', () => told(project, 'change-failed').length === 1);
  const [failed] = told(project, 'change-failed');
  expect(failed).toMatchObject({ service: 'web', rolledBack: false, reason: { instance: 'web.1' } });
  expect(failed && describeChangeFailure(failed.reason)).toContain('exit 7');
  expect(await project.ok('status')).toMatch(/✖ web did not come up as changed: web\.1 failed 3 times/);
  project.write('setpoint.yaml', manifest('three'));
  await runsWith(project, 'three');
  expect((await project.snapshot()).manifest).toEqual({ state: 'in-sync', watched: true, errors: 0 });
});

test('a folder of manifests that is swapped as a whole is seen', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': 'include: current/part.yaml\n' });
  for (const name of ['a', 'b']) {
    mkdirSync(join(project.dir, name));
    project.write(`${name}/part.yaml`, manifest(name));
  }
  symlinkSync('a', join(project.dir, 'current'));
  await project.ok('up', '-d', '--wait');
  await eventually('a to run', () => project.read('current/out') === 'a\n');
  symlinkSync('b', join(project.dir, 'next'));
  renameSync(join(project.dir, 'next'), join(project.dir, 'current'));
  await eventually('b to run', () => project.read('b/out') === 'b\n');
  expect(told(project, 'manifest-reloaded')).toHaveLength(1);
});
