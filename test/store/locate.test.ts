import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProjectRecord } from '../../src/ports/store.ts';
import type { LocateFailure, ProjectLocation } from '../../src/store/locate.ts';
import { findByName, listProjects, locateProject } from '../../src/store/locate.ts';
import { acquireLock } from '../../src/store/lock.ts';
import { openStore } from '../../src/store/store.ts';

let root: string;
let env: { HOME: string; XDG_STATE_HOME: string; XDG_RUNTIME_DIR: string };

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'locate-')));
  env = { HOME: join(root, 'home'), XDG_STATE_HOME: join(root, 'state'), XDG_RUNTIME_DIR: join(root, 'run') };
  mkdirSync(join(root, 'run'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function manifestIn(folder: string, name = 'setpoint.yaml'): string {
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, folder, name), 'services: {}\n');
  return join(root, folder, name);
}

function found(request: { cwd?: string; files?: string[]; projectName?: string }): ProjectLocation {
  const result = locateProject({ cwd: root, files: [], env, ...request });
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

function failure(request: { cwd?: string; files?: string[]; projectName?: string }): LocateFailure {
  const result = locateProject({ cwd: root, files: [], env, ...request });
  if (result.ok) throw new Error(`found ${result.value.manifest}`);
  return result.error;
}

function record(location: ProjectLocation, more: Partial<ProjectRecord> = {}): void {
  const opened = openStore(location);
  if (!opened.ok) throw new Error(opened.error.message);
  opened.value.writeProject({
    version: 1,
    name: location.name,
    dir: root,
    load: { files: location.files, profiles: [], set: {}, envFiles: [], named: [] },
    phase: 'up',
    stopped: [],
    scale: {},
    ports: {},
    salt: 'x',
    ...more,
  });
  opened.value.close();
}

describe('locating a project', () => {
  it('finds the manifest in the folder or the nearest parent', () => {
    manifestIn('shop');
    const inner = manifestIn('shop/api', 'setpoint.yml');
    mkdirSync(join(root, 'shop/api/src/deep'), { recursive: true });
    mkdirSync(join(root, 'shop/web'));
    expect(found({ cwd: join(root, 'shop/api/src/deep') }).manifest).toBe(inner);
    expect(found({ cwd: join(root, 'shop/web') }).manifest).toBe(join(root, 'shop/setpoint.yaml'));
  });

  it('derives every path from the key', () => {
    manifestIn('My Shop');
    const location = found({ cwd: join(root, 'My Shop') });
    expect(location.key).toMatch(/^[0-9a-f]{16}$/);
    expect(location.name).toBe('My Shop');
    expect(location.stateDir).toBe(join(root, 'state/setpoint', `my-shop-${location.key}`));
    expect(location.socketPath).toBe(join(root, 'run/setpoint', `${location.key}.sock`));
    expect(location.lockPath).toBe(join(location.stateDir, 'daemon.lock'));
  });

  it('refuses a folder that has both names', () => {
    manifestIn('shop');
    manifestIn('shop', 'setpoint.yml');
    expect(failure({ cwd: join(root, 'shop') })).toMatchObject({ code: 'two-manifests' });
  });

  it('says where it looked when there is no manifest', () => {
    const { code, message, help } = failure({});
    expect(code).toBe('no-manifest');
    expect(message).toContain(root);
    expect(help).toContain('setpoint init');
  });

  it('names a given manifest that is missing', () => {
    expect(failure({ files: ['gone.yaml'] })).toMatchObject({
      code: 'missing-manifest',
      message: `there is no manifest ${join(root, 'gone.yaml')}`,
    });
  });

  it('takes a project for the same one whichever way its first manifest is reached', () => {
    const manifest = manifestIn('shop');
    symlinkSync(join(root, 'shop'), join(root, 'alias'));
    const plain = found({ cwd: join(root, 'shop') });
    expect(found({ files: ['alias/setpoint.yaml', 'other.yaml'] })).toMatchObject({
      key: plain.key,
      stateDir: plain.stateDir,
      files: [join(root, 'alias/setpoint.yaml'), join(root, 'other.yaml')],
    });
    expect(found({ files: [manifest] }).key).toBe(plain.key);
  });

  it('takes another project name, and another copy, for another project', () => {
    manifestIn('a');
    manifestIn('b');
    const keys = [
      found({ cwd: join(root, 'a') }).key,
      found({ cwd: join(root, 'b') }).key,
      found({ cwd: join(root, 'a'), projectName: 'x' }).key,
    ];
    expect(new Set(keys).size).toBe(3);
  });

  it('keeps state under ~/.local/state, and ignores a relative XDG_STATE_HOME', () => {
    manifestIn('shop');
    const result = locateProject({
      cwd: join(root, 'shop'),
      files: [],
      env: { HOME: env.HOME, XDG_STATE_HOME: 'relative' },
    });
    expect(result).toMatchObject({ ok: true });
    expect(result.ok && result.value.stateDir.startsWith(join(env.HOME, '.local/state/setpoint/'))).toBe(
      true,
    );
  });

  it('says what to set where there is no home', () => {
    manifestIn('shop');
    const result = locateProject({ cwd: join(root, 'shop'), files: [], env: { HOME: 'nowhere' } });
    expect(result).toMatchObject({ ok: false, error: { code: 'no-home' } });
  });
});

describe('a manifest that was deleted while its project is up', () => {
  it('is still located from its folder and below, before a manifest further up', () => {
    manifestIn('shop');
    const manifest = manifestIn('shop/api');
    const before = found({ cwd: join(root, 'shop/api') });
    record(before);
    rmSync(manifest);
    mkdirSync(join(root, 'shop/api/src'));
    expect(found({ cwd: join(root, 'shop/api/src') })).toEqual(before);
    expect(found({ files: [manifest] }).stateDir).toBe(before.stateDir);
  });

  it('is located even if it was reached through a symbolic link', () => {
    const target = manifestIn('real');
    mkdirSync(join(root, 'shop'));
    symlinkSync(target, join(root, 'shop/setpoint.yaml'));
    const before = found({ cwd: join(root, 'shop') });
    record(before);
    rmSync(join(root, 'shop/setpoint.yaml'));
    expect(found({ cwd: join(root, 'shop') }).key).toBe(before.key);
  });

  it('no longer counts once the project is down', () => {
    manifestIn('shop');
    const manifest = manifestIn('shop/api');
    record(found({ cwd: join(root, 'shop/api') }), { phase: 'down' });
    rmSync(manifest);
    expect(found({ cwd: join(root, 'shop/api') }).manifest).toBe(join(root, 'shop/setpoint.yaml'));
  });

  it('is not mistaken for the same manifest under another project name', () => {
    const manifest = manifestIn('shop');
    const named = found({ cwd: join(root, 'shop'), projectName: 'blue' });
    const load = { files: named.files, profiles: [], set: {}, envFiles: [], named: [], projectName: 'blue' };
    record(named, { load });
    rmSync(manifest);
    expect(failure({ cwd: join(root, 'shop') }).code).toBe('no-manifest');
    expect(found({ cwd: join(root, 'shop'), projectName: 'blue' }).key).toBe(named.key);
  });
});

describe('finding a project by its name', () => {
  it('answers the one that has the name, wherever the caller is', () => {
    manifestIn('shop');
    const location = found({ cwd: join(root, 'shop') });
    record(location, { name: 'webshop' });
    expect(findByName('webshop', env)).toEqual({ ok: true, value: { ...location, name: 'webshop' } });
    expect(findByName('other', env)).toMatchObject({ ok: false, error: { code: 'unknown-project' } });
  });

  it('prefers the only one that is up, and else names all that have the name', () => {
    const manifests = ['a', 'b'].map((folder) => manifestIn(folder));
    const [a, b] = ['a', 'b'].map((folder) => found({ cwd: join(root, folder) }));
    record(a!, { name: 'same', phase: 'down' });
    record(b!, { name: 'same' });
    expect(findByName('same', env)).toMatchObject({ ok: true, value: { key: b!.key } });
    record(a!, { name: 'same' });
    const result = findByName('same', env);
    expect(result).toMatchObject({ ok: false, error: { code: 'ambiguous-project' } });
    for (const manifest of manifests) expect(!result.ok && result.error.message).toContain(manifest);
  });

  it('lists all projects but those whose record cannot be read', () => {
    manifestIn('a');
    manifestIn('b');
    const a = found({ cwd: join(root, 'a') });
    const b = found({ cwd: join(root, 'b') });
    record(a);
    record(b);
    writeFileSync(join(b.stateDir, 'project.json'), '{"version":1,');
    expect(listProjects(env).map(({ location }) => location)).toEqual([a]);
  });

  it('knows nothing where nothing was ever started', () => {
    expect(listProjects(env)).toEqual([]);
  });
});

it('finds the socket a daemon of another session serves', async () => {
  manifestIn('shop');
  const ours = found({ cwd: join(root, 'shop') });
  const elsewhere = join(root, `${basename(ours.key)}.s`);
  const lock = await acquireLock(ours.lockPath, elsewhere);
  expect(lock.ok).toBe(true);
  // Only noted, not there: nobody can be reached that way.
  expect(found({ cwd: join(root, 'shop') }).socketPath).toBe(ours.socketPath);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(elsewhere, resolve));
  expect(found({ cwd: join(root, 'shop') }).socketPath).toBe(elsewhere);
  await new Promise((resolve) => server.close(resolve));
  if (lock.ok) lock.value.release();
});
