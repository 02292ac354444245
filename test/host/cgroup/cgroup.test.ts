import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kernelFiles } from '../../../src/host/cgroup/files.ts';
import { parseHierarchies, upTo } from '../../../src/host/cgroup/hierarchies.ts';
import { type Cgroup, createCgroups } from '../../../src/host/cgroup/cgroup.ts';
import type { Limits } from '../../../src/core/service.ts';
import { eventually } from '../../rig/wait.ts';
import { lacksCgroups, removedGroups } from '../../backends/native/cgroup-rig.ts';
import { FakeCgroups } from '../../backends/native/fake-cgroups.ts';

const MIB = 1024 * 1024;

describe('the places of this process', () => {
  const v1 = (root: string): string =>
    [
      `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755`,
      `32 31 0:29 ${root} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct`,
      `35 31 0:32 ${root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`,
      `40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd`,
      `41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`,
    ].join('\n');

  test('are found in each hierarchy, named ones aside', () => {
    const membership = '12:cpu,cpuacct:/a\n4:memory:/a/b\n1:name=systemd:/\n0::/\n';
    expect(parseHierarchies(v1('/'), membership)).toEqual([
      {
        version: 1,
        controllers: ['cpu', 'cpuacct'],
        mount: '/sys/fs/cgroup/cpu,cpuacct',
        own: '/sys/fs/cgroup/cpu,cpuacct/a',
      },
      {
        version: 1,
        controllers: ['memory'],
        mount: '/sys/fs/cgroup/memory',
        own: '/sys/fs/cgroup/memory/a/b',
      },
      { version: 2, controllers: [], mount: '/sys/fs/cgroup/unified', own: '/sys/fs/cgroup/unified' },
    ]);
  });

  test('are told from what a mount shows as its top, as in a container', () => {
    const own = (root: string, group: string): string[] =>
      parseHierarchies(v1(root), `4:memory:${group}`).map((each) => each.own);
    expect(own('/docker/x', '/docker/x')).toEqual(['/sys/fs/cgroup/memory']);
    expect(own('/docker/x', '/docker/x/y')).toEqual(['/sys/fs/cgroup/memory/y']);
    expect(own('/docker/x', '/docker/xy')).toEqual([]);
    expect(own('/', '/../other')).toEqual([]);
  });

  test('may have blanks in their paths', () => {
    const line = '41 31 0:38 / /mnt/my\\040groups rw - cgroup2 none rw';
    expect(parseHierarchies(line, '0::/x')).toMatchObject([{ own: '/mnt/my groups/x' }]);
  });

  test('are none where the texts are none', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(parseHierarchies(a, b)).toEqual([]);
      }),
    );
  });

  test('are followed upwards as far as the mount', () => {
    expect(upTo('/m', '/m/a/b')).toEqual(['/m/a/b', '/m/a', '/m']);
    expect(upTo('/m', '/m')).toEqual(['/m']);
  });
});

function made(files: FakeCgroups, limits: Limits, run = 'r1'): Cgroup {
  const result = createCgroups({ files, uid: 1000 }).make(run, limits);
  if (!result.ok) throw new Error(result.error.message);
  if (result.value === undefined) throw new Error('no group');
  return result.value;
}

function refused(files: FakeCgroups, limits: Limits): string {
  const result = createCgroups({ files, uid: 1000 }).make('r1', limits);
  if (result.ok) throw new Error('it was made');
  expect(result.error).toMatchObject({ code: 'limit-refused', help: expect.stringMatching(/./) as string });
  return result.error.message;
}

describe('in the unified hierarchy', () => {
  const userSession = (): FakeCgroups =>
    new FakeCgroups(
      {
        '/': { handsOn: ['cpu', 'memory', 'pids'] },
        '/user.slice': { handsOn: ['cpu', 'memory', 'pids'] },
        '/user.slice/app.slice': { handsOn: ['memory'] },
        '/user.slice/app.slice/term.scope': { procs: [1, process.pid] },
      },
      { own: '/user.slice/app.slice/term.scope', allowed: ['/user.slice/app.slice'] },
    );

  test('no group is made for limits that need none', () => {
    const files = userSession();
    expect(createCgroups({ files }).make('r1', { open_files: 5 })).toEqual({ ok: true, value: undefined });
    expect(files.written).toEqual([]);
  });

  test('a group is made beside the one that holds other processes, and nobody is moved', () => {
    const files = userSession();
    const group = made(files, { memory: 64 * MIB, cpus: 0.5 });
    expect(group.path).toBe('/sys/fs/cgroup/user.slice/app.slice/setpoint.1000/run-r1');
    expect(group.joins).toEqual([`${group.path}/cgroup.procs`]);
    const dir = '/user.slice/app.slice/setpoint.1000';
    expect(files.written).toEqual([
      '/user.slice/app.slice/cgroup.subtree_control +cpu',
      `${dir}/cgroup.subtree_control +memory +cpu`,
      `${dir}/run-r1/memory.max ${64 * MIB}`,
      `${dir}/run-r1/memory.swap.max 0`,
      `${dir}/run-r1/memory.oom.group 1`,
      `${dir}/run-r1/cpu.max 50000 100000`,
    ]);
  });

  test('a delegated group that holds only this process is split into a leaf for it and the runs', () => {
    const files = new FakeCgroups(
      {
        '/': { handsOn: ['cpu', 'memory'] },
        '/setpoint.service': { procs: [process.pid] },
      },
      { own: '/setpoint.service', allowed: ['/setpoint.service'] },
    );
    const group = made(files, { memory: MIB });
    expect(group.path).toBe('/sys/fs/cgroup/setpoint.service/setpoint.1000/run-r1');
    expect([...(files.group('/setpoint.service/setpoint.self')?.procs ?? [])]).toEqual([process.pid]);
  });

  test('a daemon that has moved into its leaf makes further groups beside it', () => {
    const files = new FakeCgroups(
      {
        '/': { handsOn: ['cpu', 'memory'] },
        '/s': { handsOn: ['memory'] },
        '/s/setpoint.self': { procs: [process.pid] },
      },
      { own: '/s/setpoint.self', allowed: ['/s'] },
    );
    expect(made(files, { cpus: 2 }).path).toBe('/sys/fs/cgroup/s/setpoint.1000/run-r1');
    expect(files.group('/s/setpoint.self/setpoint.self')).toBeUndefined();
  });

  test('the limits are refused, and nothing is left behind, where they cannot be held', () => {
    const tree = {
      '/': { handsOn: ['memory'] },
      '/a': { procs: [1, process.pid] },
    };
    const nobody = new FakeCgroups(tree, { own: '/a', allowed: [] });
    expect(refused(nobody, { memory: MIB })).toMatch(/memory.*\/sys\/fs\/cgroup\/a .*writable/);
    const shared = new FakeCgroups(tree, { own: '/a', allowed: ['/a'] });
    expect(refused(shared, { memory: MIB })).toMatch(/other processes/);
    expect(refused(shared, { memory: MIB, cpus: 1 })).toMatch(/not been given the controller cpu/);
    for (const files of [nobody, shared]) expect([...files.groups.keys()]).toHaveLength(2);
  });

  test('a share of the CPUs too small for the usual period gets a longer one, down to what the kernel takes', () => {
    const files = userSession();
    made(files, { cpus: 0.005 });
    expect(files.written.at(-1)).toMatch(/cpu\.max 5000 1000000$/);
    expect(refused(userSession(), { cpus: 0.0001 })).toMatch(/below what the kernel can hold/);
  });

  test('the counters are read as the kernel writes them', () => {
    const files = userSession();
    const group = made(files, { memory: MIB });
    const values = files.groups.get(group.path)?.values;
    expect(group.usage()).toEqual({});
    values?.set('memory.events', 'low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n');
    values?.set('memory.stat', 'anon 1000\nfile 5000\nfile_mapped 200\n');
    values?.set('cpu.stat', 'usage_usec 2500\nuser_usec 2000\n');
    expect(group.oomKills()).toBe(3);
    expect(group.usage()).toEqual({ cpuMs: 2.5, memoryBytes: 1200 });
    expect(group.kill()).toBe(true);
    expect(values?.get('cgroup.kill')).toBe('1');
  });

  test('a group is opened again by its path, and by no other', () => {
    const files = userSession();
    const cgroups = createCgroups({ files, uid: 1000 });
    const group = made(files, { memory: MIB });
    expect(cgroups.open(group.path)).toMatchObject({ path: group.path, joins: group.joins });
    expect(cgroups.openFor('r1')).toMatchObject({ path: group.path, joins: group.joins });
    expect(cgroups.openFor('r2')).toBeUndefined();
    expect(createCgroups({ files, uid: 0 }).openFor('r1')).toBeUndefined();
    const app = '/sys/fs/cgroup/user.slice/app.slice';
    for (const path of [
      app,
      `${app}/term.scope`,
      `${app}/setpoint.1000`,
      `${group.path}2`,
      '/etc/passwd',
      '',
    ]) {
      expect(cgroups.open(path)).toBeUndefined();
    }
  });

  test('a group is removed with what the service made in it, once it is empty, and the folder of all runs after the last', async () => {
    const files = userSession();
    const [first, second] = [made(files, { memory: MIB }), made(files, { memory: MIB }, 'r2')];
    files.make(`${first.path}/below`);
    files.groups.get(`${first.path}/below`)?.procs.add(77);
    expect(first.members()).toEqual([77]);
    first.remove();
    expect(files.groups.has(first.path)).toBe(true);
    files.groups.get(`${first.path}/below`)?.procs.clear();
    await eventually('the group to be removed', () => !files.groups.has(first.path));
    expect(files.groups.has(dirname(first.path))).toBe(true);
    second.remove();
    second.remove();
    expect(files.groups.has(dirname(first.path))).toBe(false);
  });
});

const lack = lacksCgroups();

describe.skipIf(lack !== undefined)(
  `with this machine's kernel${lack === undefined ? '' : ` (${lack})`}`,
  () => {
    test('a group with both limits is made, opened again and removed', async () => {
      const cgroups = createCgroups();
      const run = `test:${process.pid}/x`;
      const result = cgroups.make(run, { memory: 64 * MIB, cpus: 0.5 });
      if (!result.ok || result.value === undefined) throw new Error(JSON.stringify(result));
      const group = result.value;
      const limitFiles = group.joins.flatMap((join) =>
        ['memory.max', 'memory.limit_in_bytes'].map((name) => `${dirname(join)}/${name}`),
      );
      const limits = limitFiles.filter(existsSync).map((path) => readFileSync(path, 'utf8').trim());
      expect(limits).toEqual([String(64 * MIB)]);
      expect(group.oomKills()).toBe(0);
      const again = cgroups.open(group.path);
      for (const found of [again, cgroups.openFor(run)]) {
        expect(found).toMatchObject({ path: group.path, joins: group.joins });
      }
      again?.remove();
      await removedGroups(group);
      expect(cgroups.open(group.path)).toBeUndefined();
    });
  },
);

/** A group of version 2 below this process's own, without controllers, which every writable group allows. */
function bareGroup(): string | undefined {
  const texts = ['/proc/self/mountinfo', '/proc/self/cgroup'].map((path) => kernelFiles.read(path) ?? '');
  const own = parseHierarchies(texts[0] ?? '', texts[1] ?? '').find(({ version }) => version === 2)?.own;
  return own !== undefined && kernelFiles.writable(own) && kernelFiles.writable(`${own}/cgroup.procs`)
    ? `${own}/setpoint.${process.getuid?.() ?? 0}/run-test-${process.pid}`
    : undefined;
}

const bare = bareGroup();

test.skipIf(bare === undefined)(
  `all in a group of version 2 are killed at once, below it too, and it is removed${bare === undefined ? ' (none can be made here)' : ''}`,
  async () => {
    if (bare === undefined) return;
    mkdirSync(`${bare}/below`, { recursive: true });
    const join = (dir: string): ChildProcess =>
      spawn('/bin/sh', ['-c', 'echo 0 >"$1/cgroup.procs"; exec sleep 1000', 'sh', dir], { stdio: 'ignore' });
    const children = [join(bare), join(`${bare}/below`)];
    const ends = children.map((child) => once(child, 'exit'));
    const group = createCgroups().open(bare);
    await eventually('both to be in it', () => group?.members().length === 2);
    expect(group?.usage().cpuMs).toBeGreaterThanOrEqual(0);
    group?.remove();
    expect(group?.kill()).toBe(true);
    for (const end of ends) expect(await end).toEqual([null, 'SIGKILL']);
    group?.remove();
    if (group !== undefined) await removedGroups(group);
  },
);
