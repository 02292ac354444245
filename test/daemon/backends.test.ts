import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { backendLoaders, removersOf } from '../../src/backends/registry.ts';
import { createBackends } from '../../src/daemon/backends.ts';
import type { AdoptRequest, Backend, Orphan, RunRecord, StartRequest } from '../../src/ports/backend.ts';
import { type BackendName, DEFAULT_BACKEND } from '../../src/core/service.ts';
import { dialects } from '../../src/manifest/backends/dialects.ts';
import { backendKeys } from '../../src/manifest/backends/keys.ts';
import { FakeBackend } from '../rig/fake-backend.ts';
import { launchOf } from '../rig/launch.ts';

/** The composite over three fakes, which counts how often each is loaded. */
class Rig {
  readonly native = new FakeBackend();
  readonly docker = new FakeBackend();
  readonly nix = new FakeBackend();
  readonly loads: string[] = [];
  /** What the next loads of docker fail with, one after another. */
  readonly failures: Error[] = [];
  used: readonly string[] = [];
  readonly all: Backend = createBackends({
    always: this.native,
    loaders: {
      docker: () => this.#load('docker', this.docker),
      nix: () => this.#load('nix', this.nix),
    },
    used: () => this.used,
  });

  async #load(name: string, backend: Backend): Promise<Backend> {
    this.loads.push(name);
    await Promise.resolve();
    const failure = name === 'docker' ? this.failures.shift() : undefined;
    if (failure !== undefined) throw failure;
    return backend;
  }

  start(instance: string, backend: BackendName): ReturnType<Backend['start']> {
    return this.all.start(request(instance, backend));
  }
}

function request(instance: string, backend: BackendName): StartRequest {
  return {
    run: `run-${instance}`,
    service: instance.replace(/\.\d+$/, ''),
    instance,
    launch: launchOf({ backend }),
    requires: [],
    instanceDir: `/state/${instance}`,
    stdoutPath: `/state/${instance}/stdout.log`,
    stderrPath: `/state/${instance}/stderr.log`,
    fingerprint: 'f',
  };
}

function recorded(instance: string, backend: string, more: Partial<RunRecord> = {}): AdoptRequest {
  const record: RunRecord = {
    version: 1,
    run: `run-${instance}`,
    service: instance.replace(/\.\d+$/, ''),
    instance,
    number: 1,
    startedAt: 1,
    backend,
    fingerprint: 'f',
    fields: {},
    ports: {},
    stop: { signal: 'SIGTERM', graceMs: 1, killTree: true },
    restarts: 0,
    ...more,
  };
  return { record, instanceDir: `/state/${instance}` };
}

function orphan(name: string): Orphan {
  return { id: name, name, service: 'old', instance: 'old.1', run: 'gone-1', running: true };
}

describe('the tables of backends', () => {
  const all = dialects.map(({ name }) => name).toSorted();

  test('have the same names: how they are written, how they are loaded, what the schema lets be named', () => {
    expect([DEFAULT_BACKEND, ...Object.keys(backendLoaders({} as never))].toSorted()).toEqual(all);
    const path = new URL('../../schema/setpoint.schema.json', import.meta.url);
    const { definitions } = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly definitions: Readonly<Record<string, { readonly enum?: readonly string[] }>>;
    };
    expect(definitions['concreteBackend']?.enum?.toSorted()).toEqual(all);
  });

  test('have each the keys of a service that are its own', () => {
    const own = dialects.flatMap(({ ownKeys }) => ownKeys).toSorted();
    expect(Object.keys(backendKeys).toSorted()).toEqual(own);
  });

  test('know of what outlives processes only where a project has used it', async () => {
    const given = { env: {}, stateDir: '/nowhere' };
    expect(await removersOf([DEFAULT_BACKEND, 'nix', 'unknown', '__proto__'], 'shop', given)).toEqual([]);
  });
});

describe('loading', () => {
  test('a project of native services loads nothing else', async () => {
    const it = new Rig();
    expect((await it.start('web.1', 'native')).ok).toBe(true);
    await it.all.prepare([{ instanceDir: '/state/web.1' }]);
    await it.all.adopt([recorded('web.1', 'native')]);
    expect(await it.all.orphans?.('shop', new Set())).toEqual({ ok: true, value: [] });
    await it.all.removeProject?.('shop', { volumes: true });
    it.all.close?.();
    expect(it.loads).toEqual([]);
    expect(it.native.startsOf('web.1')).toBe(1);
  });

  test('each is loaded once, when it is first needed, however many need it at once', async () => {
    const it = new Rig();
    await Promise.all([it.start('db.1', 'docker'), it.start('db.2', 'docker'), it.start('job.1', 'nix')]);
    await it.start('db.3', 'docker');
    await it.all.prepare([{ backend: 'docker', instanceDir: '/state/db.1' }]);
    expect(it.loads.toSorted()).toEqual(['docker', 'nix']);
    expect(it.docker.procs.map(({ instance }) => instance)).toEqual(['db.1', 'db.2', 'db.3']);
    expect(it.nix.procs.map(({ instance }) => instance)).toEqual(['job.1']);
    expect(it.native.procs).toEqual([]);
  });

  test('one that cannot be loaded fails the start that needs it, and is tried again by the next', async () => {
    const it = new Rig();
    it.failures.push(new Error('no such file'));
    const error = { code: 'other', message: 'the backend docker could not be loaded: no such file' };
    expect(await it.start('db.1', 'docker')).toEqual({ ok: false, error });
    expect(it.docker.procs).toEqual([]);
    expect((await it.start('db.1', 'docker')).ok).toBe(true);
    expect(it.loads).toEqual(['docker', 'docker']);
  });

  test('of several that fail together none throws away what another has begun since', async () => {
    const it = new Rig();
    it.failures.push(new Error('no such file'));
    const again = async (instance: string): Promise<boolean> => {
      const first = await it.start(instance, 'docker');
      return first.ok || (await it.start(instance, 'docker')).ok;
    };
    expect(await Promise.all(['db.1', 'db.2', 'db.3'].map(again))).toEqual([true, true, true]);
    expect(it.loads).toEqual(['docker', 'docker']);
  });

  test('what it fails for besides starts says so, or answers as if there were none', async () => {
    const it = new Rig();
    const why = 'the backend docker could not be loaded: broken';
    const fails = (): void => void it.failures.push(new Error('broken'));
    const launch = launchOf({ backend: 'docker' });
    fails();
    expect(await it.all.materialise?.(launch, () => {}, new AbortController().signal)).toMatchObject({
      ok: false,
      error: { message: why },
    });
    fails();
    expect(await it.all.inputs?.(launch as never)).toBeUndefined();
    fails();
    expect(await it.all.commandLine?.(request('db.1', 'docker'))).toBeUndefined();
    fails();
    await it.all.prepare([{ backend: 'docker', instanceDir: '/state/db.1' }]);
    fails();
    expect(await it.all.adopt([recorded('db.1', 'docker')])).toEqual([]);
    it.used = ['docker'];
    fails();
    expect(await it.all.orphans?.('shop', new Set())).toMatchObject({ ok: false, error: { message: why } });
    fails();
    expect(await it.all.removeProject?.('shop', { volumes: false })).toEqual({
      containers: [],
      networks: [],
      volumes: [],
      failed: [{ what: 'what docker has of shop', why }],
    });
    expect(it.failures).toEqual([]);
  });

  test('closing lets go of what was loaded, and of one that is only being loaded once it is there', async () => {
    const it = new Rig();
    const closed: string[] = [];
    for (const name of ['native', 'docker', 'nix'] as const) {
      Object.assign(it[name], { close: () => closed.push(name) });
    }
    await it.start('db.1', 'docker');
    const late = it.start('job.1', 'nix');
    it.all.close?.();
    expect(closed).toEqual(['native', 'docker']);
    await late;
    expect(closed).toEqual(['native', 'docker', 'nix']);
  });
});

describe('calls', () => {
  test('what is asked of a launch goes to the backend that runs it', async () => {
    const it = new Rig();
    const docker = launchOf({ backend: 'docker', argv: ['serve'], container: {} as never });
    await it.all.materialise?.(docker, () => {}, new AbortController().signal);
    expect(it.docker.materials.map(({ launch }) => launch)).toEqual([docker]);
    it.nix.inputDigests.set('.#dev', 'digest');
    expect(await it.all.inputs?.({ backend: 'nix', settings: { values: { flake: '.#dev' } } } as never)).toBe(
      'digest',
    );
    expect(await it.all.commandLine?.({ ...request('db.1', 'docker'), launch: docker })).toBe(
      'docker run db.1 serve',
    );
    expect(it.native.materials).toEqual([]);
  });

  test('records are taken up by the backend that they name, but not those of runs that are over', async () => {
    const it = new Rig();
    await Promise.all([it.start('web.1', 'native'), it.start('db.1', 'docker'), it.start('db.2', 'docker')]);
    const over = { at: 1, exit: { kind: 'code', code: 0 } } as const;
    const found = await it.all.adopt([
      recorded('web.1', 'native'),
      recorded('db.1', 'docker'),
      recorded('db.2', 'docker', { ended: over }),
      recorded('job.1', 'nix', { ended: over }),
    ]);
    expect(found.map(({ run }) => run).toSorted()).toEqual(['run-db.1', 'run-web.1']);
    expect(it.loads).toEqual(['docker']);
  });

  test('a record of a backend that this version does not know is left out, and a start by it fails', async () => {
    const it = new Rig();
    await it.start('web.1', 'native');
    const found = await it.all.adopt([recorded('old.1', 'podman'), recorded('web.1', 'native')]);
    expect(found.map(({ run }) => run)).toEqual(['run-web.1']);
    expect(await it.start('old.1', 'constructor')).toEqual({
      ok: false,
      error: { code: 'other', message: 'this version of Setpoint has no backend `constructor`' },
    });
    it.used = ['podman'];
    expect(await it.all.removeProject?.('shop', { volumes: false })).toMatchObject({
      failed: [
        { what: 'what podman has of shop', why: expect.stringContaining('no backend `podman`') as string },
      ],
    });
  });

  test('orphans are asked of those that were used, and removed by whoever told of them', async () => {
    const it = new Rig();
    it.docker.strays.push(orphan('shop-old-1'));
    expect(await it.all.orphans?.('shop', new Set())).toEqual({ ok: true, value: [] });
    it.used = ['docker', 'nix'];
    const found = await it.all.orphans?.('shop', new Set());
    const stray = found?.ok === true ? found.value[0] : undefined;
    if (stray === undefined) throw new Error('no orphan was found');
    expect(await it.all.removeOrphan?.(stray)).toMatchObject({ ok: true });
    expect([it.docker.removed, it.nix.removed]).toEqual([['shop-old-1'], []]);
    expect(await it.all.removeOrphan?.(orphan('of nobody'))).toMatchObject({
      ok: false,
      error: { message: 'nobody knows how to remove of nobody' },
    });
    it.docker.unreachable = 'the engine does not answer';
    expect(await it.all.orphans?.('shop', new Set())).toMatchObject({
      ok: false,
      error: { code: 'engine-unavailable' },
    });
  });

  test('what a project has left is removed by all that were used, as one report', async () => {
    const it = new Rig();
    it.used = ['docker', 'nix'];
    it.nix.leftBehind = [{ what: 'environment', why: 'in use' }];
    expect(await it.all.removeProject?.('shop', { volumes: true })).toEqual({
      containers: [],
      networks: ['shop_default', 'shop_default'],
      volumes: ['shop_data', 'shop_data'],
      failed: [{ what: 'environment', why: 'in use' }],
    });
    expect([it.native.cleanups, it.docker.cleanups]).toEqual([[], [{ project: 'shop', volumes: true }]]);
  });
});
