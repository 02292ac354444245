import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findOnPath } from '../../../src/host/programs.ts';
import { flakeState } from '../../../src/backends/nix/flake-files.ts';
import { lacks } from '../../rig/needs.ts';
import { FlakeRig } from './flake.ts';

const NO_GIT = lacks('git');
const GIT = findOnPath('git', process.env['PATH']);
const PLAIN = '{ outputs = { self }: { }; }';

let rig: FlakeRig;
beforeEach(() => {
  rig = new FlakeRig();
});
afterEach(() => rig.close());

async function state(): Promise<{ hash: string; scope: string }> {
  const found = await flakeState({ kind: 'local', dir: rig.flake, asPath: false }, GIT);
  if (found.kind !== 'known') throw new Error(found.reason);
  return found;
}

/** Whether what `change` does makes another state of the flake. */
async function notices(change: () => void): Promise<boolean> {
  const before = await state();
  change();
  return (await state()).hash !== before.hash;
}

describe('the state of a flake', () => {
  test('changes with flake.nix and flake.lock, and not with a program beside them', async () => {
    rig.write('flake.nix', PLAIN);
    expect(await notices(() => rig.write('main.js', '1'))).toBe(false);
    expect(await notices(() => rig.write('flake.nix', `${PLAIN}\n`))).toBe(true);
    expect(await notices(() => rig.write('flake.lock', '{"nodes": {}}'))).toBe(true);
  });

  test('changes with a file that an imported file reads', async () => {
    rig.write('flake.nix', '{ outputs = { self }: import ./nix/shell.nix; }');
    rig.write('nix/shell.nix', 'builtins.readFile ../versions/node');
    rig.write('versions/node', '20');
    expect(await notices(() => rig.write('versions/node', '22'))).toBe(true);
    expect(await notices(() => rig.write('versions/other', '22'))).toBe(false);
  });

  test('changes with any file of a folder that is referred to', async () => {
    rig.write('flake.nix', '{ outputs = { self }: builtins.readDir ./shells; }');
    rig.write('shells/a.nix', '1');
    expect(await notices(() => rig.write('shells/deep/b.txt', '1'))).toBe(true);
    expect(await notices(() => rmSync(join(rig.flake, 'shells/a.nix')))).toBe(true);
  });

  test('changes when a file appears that is asked for', async () => {
    rig.write('flake.nix', '{ outputs = { self }: if builtins.pathExists ./nix/local.nix then 1 else 2; }');
    mkdirSync(join(rig.flake, 'nix'));
    expect(await notices(() => rig.write('nix/local.nix', '1'))).toBe(true);
  });

  test('changes with where a link leads, with what is there, and with the right to execute', async () => {
    rig.write('flake.nix', '{ outputs = { self }: import ./current.nix; }');
    const [a, b] = [rig.write('nix/a.nix', '1'), rig.write('nix/b.nix', '1')];
    symlinkSync('nix/a.nix', join(rig.flake, 'current.nix'));
    expect(await notices(() => writeFileSync(a, '2'))).toBe(true);
    expect(await notices(() => chmodSync(a, 0o755))).toBe(true);
    const relink = (): void => {
      rmSync(join(rig.flake, 'current.nix'));
      symlinkSync('nix/b.nix', join(rig.flake, 'current.nix'));
    };
    expect(await notices(relink)).toBe(true);
    expect(await notices(() => writeFileSync(b, '3'))).toBe(true);
  });

  test.each(['src = ./.;', 'src = self;', 'x = ./${name};'])(
    'changes with any file where the flake has %s',
    async (text) => {
      rig.write('flake.nix', `{ outputs = { self }: { ${text} }; }`);
      expect((await state()).scope).toMatch(/^all of its files: /);
      expect(await notices(() => rig.write('main.js', '1'))).toBe(true);
    },
  );

  test('changes with a folder that the lock names as an input', async () => {
    rig.write('flake.nix', PLAIN);
    const input = join(rig.dir, 'input');
    mkdirSync(input);
    rig.write('flake.lock', JSON.stringify({ nodes: { a: { locked: { type: 'path', path: input } } } }));
    expect(await notices(() => writeFileSync(join(input, 'x'), '1'))).toBe(true);
    rig.write('flake.lock', JSON.stringify({ nodes: { a: { locked: { type: 'path', path: '../input' } } } }));
    expect(await notices(() => writeFileSync(join(input, 'x'), '2'))).toBe(true);
  });

  test('is that of what git tracks, and of its commit, where it may read anything', async (ctx) => {
    if (NO_GIT !== undefined) ctx.skip(NO_GIT);
    rig.write('flake.nix', '{ outputs = { self }: { rev = self.rev; }; }');
    rig.write('tracked', '1');
    rig.git('init', '-q');
    rig.git('add', '.');
    rig.git('commit', '-qm', 'one');
    expect(await notices(() => rig.write('node_modules/x', '1'))).toBe(false);
    expect(await notices(() => rig.write('tracked', '2'))).toBe(true);
    expect(await notices(() => rig.git('commit', '-qam', 'two'))).toBe(true);
    expect(await notices(() => rig.git('add', 'node_modules'))).toBe(true);
  });

  test('of a folder within a repository reaches to the whole repository', async (ctx) => {
    if (NO_GIT !== undefined) ctx.skip(NO_GIT);
    rig.write('sub/flake.nix', '{ outputs = { self }: import ../shell.nix; }');
    rig.write('shell.nix', '1');
    rig.git('init', '-q');
    const read = (): ReturnType<typeof flakeState> =>
      flakeState({ kind: 'local', dir: join(rig.flake, 'sub'), asPath: false }, GIT);
    const before = await read();
    rig.write('shell.nix', '2');
    expect(await read()).not.toEqual(before);
  });

  test('of a reference elsewhere is known only where it is locked', async () => {
    expect(await flakeState({ kind: 'locked' }, GIT)).toMatchObject({ kind: 'known' });
    expect(await flakeState({ kind: 'moving' }, GIT)).toMatchObject({ kind: 'unknown' });
  });

  test('with a lock that cannot be read is not known', async () => {
    rig.write('flake.nix', PLAIN);
    rig.write('flake.lock', 'oops');
    await expect(state()).rejects.toThrow('flake.lock cannot be read');
  });
});
