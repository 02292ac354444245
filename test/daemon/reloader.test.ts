import { describe, expect, test } from 'vitest';
import type { ApplyRequest } from '../../src/core/api.ts';
import type { Diagnostic } from '../../src/core/diagnostic.ts';
import type { ProjectEvent } from '../../src/core/event.ts';
import type { Project, ServiceSpec } from '../../src/core/service.ts';
import { type LoadedManifests, Reloader } from '../../src/daemon/reloader.ts';
import { EngineRig, loaded } from '../engine/rig.ts';
import { changeLines, describeCounts } from '../../src/words/counts.ts';
import { settled } from '../rig/fake-clock.ts';
import { project, spec } from '../rig/spec.ts';

const FILE = '/srv/setpoint.yaml';

const BROKEN: Diagnostic = {
  severity: 'error',
  code: 'unknown-key',
  message: 'unknown key `comand`',
  labels: [{ place: { file: FILE, line: 1, column: 1 } }],
};

const GONE: Diagnostic = { ...BROKEN, code: 'missing-file', message: `${FILE} does not exist` };

/** A reloader around a real engine; the manifest is what the test says. */
class Rig {
  readonly engines = new EngineRig();
  readonly clock = this.engines.clock;
  readonly backend = this.engines.backend;
  manifest: Project | readonly Diagnostic[] = project([]);
  /** Stands for the content of the file. */
  content = 0;
  loads = 0;
  #turns: Promise<unknown> = Promise.resolve();
  #changed: () => void = () => {};
  readonly reloader = new Reloader({
    engine: this.engines.engine,
    store: this.engines.store,
    clock: this.clock,
    watcher: {
      watch: (_, changed) => {
        this.#changed = () => changed([FILE]);
        return () => (this.#changed = () => {});
      },
    },
    look: () => Promise.resolve({ mark: `${this.content}`, blank: false }),
    load: () => {
      this.loads += 1;
      return this.loaded();
    },
    inTurn: (act) => {
      const turn = this.#turns.then(act);
      this.#turns = turn.catch(() => undefined);
      return turn;
    },
  });

  loaded(): LoadedManifests {
    const isProject = 'services' in this.manifest;
    return {
      result: {
        diagnostics: isProject ? [] : [...(this.manifest as readonly Diagnostic[])],
        secrets: [],
        looked: [FILE],
        ...(isProject ? { project: this.manifest as Project } : {}),
      },
      marks: new Map([[FILE, `${this.content}`]]),
    };
  }

  request(more: Partial<ApplyRequest> = {}): ApplyRequest {
    const load = { files: [FILE], profiles: [], set: {}, envFiles: [], named: [] };
    return { load, hostEnv: {}, services: [], ...more };
  }

  /** As `up` does it. */
  async up(services: readonly ServiceSpec[], more: Partial<ApplyRequest> = {}): Promise<void> {
    this.manifest = project(services);
    this.content += 1;
    const request = this.request(more);
    const how = this.reloader.recordOf(request, this.loaded());
    await this.engines.engine.apply(loaded(this.manifest), request.services, request.load, how);
    this.reloader.applied(request, this.manifest, this.loaded());
    await settled();
  }

  edit(manifest: readonly ServiceSpec[] | readonly Diagnostic[]): void {
    const isDiagnostics = manifest.some((one) => 'severity' in one);
    this.manifest = isDiagnostics
      ? (manifest as readonly Diagnostic[])
      : project(manifest as readonly ServiceSpec[]);
    this.content += 1;
    this.#changed();
  }

  /** Edits, and lets it be taken up. */
  async save(manifest: readonly ServiceSpec[] | readonly Diagnostic[]): Promise<void> {
    this.edit(manifest);
    await this.clock.pass(60);
  }

  told(type: string): readonly object[] {
    return this.engines.store.told.filter((h) => h.type === type);
  }

  get standing(): string | undefined {
    return this.reloader.status?.state;
  }
}

function web(env: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  return spec('web', { ...more, launch: { env: { A: env } } });
}

function envOf(rig: Rig, instance = 'web.1'): unknown {
  return rig.backend.of(instance).request?.launch.env['A'];
}

async function rig(...services: readonly ServiceSpec[]): Promise<Rig> {
  const made = new Rig();
  await made.up(services);
  await made.clock.pass(10_000);
  return made;
}

describe('a manifest that was edited', () => {
  test('is taken up: only what changed is replaced', async () => {
    const it = await rig(web('1'), spec('db'));
    await it.save([web('2'), spec('db')]);
    expect(envOf(it)).toBe('2');
    expect(it.backend.startsOf('db.1')).toBe(1);
    const [reloaded] = it.told('manifest-reloaded');
    expect(reloaded).toMatchObject({ counts: { start: 0, replace: 1, update: 0, stop: 0 } });
    expect(wordsOf(reloaded)).toEqual(['1 to replace', 'web: env.A "1" -> "2": replace']);
    expect(it.standing).toBe('in-sync');
    expect(it.engines.engine.record.reload).toMatchObject({ watch: true, review: false });
  });

  test('is told as invalid once until it is mended, and nothing is touched', async () => {
    const it = await rig(web('1'));
    await it.save([BROKEN]);
    await it.save([BROKEN, BROKEN]);
    expect(it.reloader.status).toMatchObject({ state: 'invalid', errors: 2, diagnostics: [BROKEN, BROKEN] });
    expect(it.told('manifest-rejected')).toHaveLength(1);
    expect(it.backend.startsOf('web.1')).toBe(1);
    await it.save([web('2')]);
    expect(it.standing).toBe('in-sync');
    expect(envOf(it)).toBe('2');
    await it.save([GONE]);
    expect(it.told('manifest-rejected')).toMatchObject([{}, { errors: 1, first: 'setpoint.yaml is gone' }]);
    expect(it.engines.states).toEqual(['web.1 running']);
  });

  test('is not reloaded where an `up` has taken it up first', async () => {
    const it = await rig(web('1'));
    it.edit([web('2')]);
    await it.clock.pass(30);
    await it.up([web('2')]);
    await it.clock.pass(10_000);
    expect(it.loads).toBe(0);
    expect(it.told('manifest-reloaded')).toEqual([]);
  });

  test('reloads do not overlap, and many changes are one', async () => {
    const it = await rig(web('1'));
    for (let n = 0; n < 5; n += 1) it.edit([web(`${n}`)]);
    await it.clock.pass(60);
    expect(it.told('manifest-reloaded')).toHaveLength(1);
    expect(it.loads).toBe(1);
  });

  test('does not matter once the project goes down, or was told to be left alone', async () => {
    const it = await rig(web('1'));
    void it.engines.engine.down({ reason: 'test', level: 0 });
    await it.save([web('2')]);
    expect(it.loads).toBe(0);
    expect(await it.reloader.reload(true)).toMatchObject({ ok: false, error: { code: 'shutting-down' } });

    const other = new Rig();
    expect(await other.reloader.reload(true)).toMatchObject({ ok: false, error: { code: 'not-up' } });
    expect(other.reloader.status).toBeUndefined();
    await other.up([web('1')], { watch: false });
    await other.save([web('2')]);
    expect(other.loads).toBe(0);
    expect(other.reloader.status).toEqual({ state: 'in-sync', watched: false, errors: 0 });
    expect(await other.reloader.reload(false)).toMatchObject({ ok: true, value: { outcome: 'applied' } });
  });

  test('is held for review until confirmed', async () => {
    const it = new Rig();
    await it.up([web('1')], { review: true });
    await it.save([web('2')]);
    expect(it.reloader.status).toMatchObject({
      state: 'pending',
      pending: { start: 0, replace: 1, update: 0, stop: 0 },
    });
    await it.save([web('2'), spec('db')]);
    expect(it.reloader.status).toMatchObject({ pending: { start: 1, replace: 1 } });
    expect(it.told('manifest-held')).toHaveLength(2);
    expect(envOf(it)).toBe('1');
    await it.save([BROKEN]);
    expect(it.standing).toBe('invalid');
    await it.save([web('1')]);
    expect(it.standing).toBe('in-sync');
    await it.save([web('3')]);
    expect(await it.reloader.reload(true)).toMatchObject({ ok: true, value: { outcome: 'applied' } });
    await settled();
    expect(envOf(it)).toBe('3');
    expect(it.standing).toBe('in-sync');
  });
});

describe('what people asked for since the last `up`', () => {
  test('stays: services and single instances that were stopped, and numbers that were scaled', async () => {
    const it = await rig(web('1', { replicas: 2 }), spec('db'), spec('pool'));
    const { engine } = it.engines;
    engine.act({ action: 'stop', select: { names: ['db', 'web.2'], labels: [] } });
    await engine.scale('pool', 3);
    await it.clock.pass(1_000);
    await it.save([
      web('2', { replicas: 2 }),
      spec('db', { launch: { cwd: '/x' } }),
      spec('pool'),
      spec('new'),
    ]);
    expect(it.engines.states.toSorted()).toEqual([
      'db.1 stopped',
      'new.1 running',
      'pool.1 running',
      'pool.2 running',
      'pool.3 running',
      'web.1 running',
      'web.2 stopped',
    ]);
    expect(engine.record).toMatchObject({ stopped: ['db'], scale: { pool: 3 } });
    await it.save([web('2', { replicas: 2 }), spec('db'), spec('pool', { replicas: 2 })]);
    expect(it.engines.states.filter((one) => one.startsWith('pool'))).toEqual([
      'pool.1 running',
      'pool.2 running',
    ]);
    expect(engine.record.scale).toEqual({});
  });

  test('a service that was given up is tried again only where it has changed', async () => {
    const it = await rig(web('1', { restart: spec('x', { restart: 'never' }).restart }), spec('db'));
    it.backend.of('web.1').end({ kind: 'code', code: 1 });
    await it.clock.pass(1_000);
    expect(it.engines.states).toContain('web.1 failed');
    await it.save([web('1', { restart: spec('x', { restart: 'never' }).restart }), spec('db'), spec('new')]);
    expect(it.engines.states).toContain('web.1 failed');
    await it.save([web('2', { restart: spec('x', { restart: 'never' }).restart }), spec('db'), spec('new')]);
    expect(it.engines.states).toContain('web.1 running');
  });

  test('a service that was removed and comes back is started', async () => {
    const it = await rig(web('1'), spec('db'));
    const db = it.backend.of('db.1');
    db.ignores = ['SIGTERM'];
    await it.save([web('1')]);
    expect(it.engines.states).toContain('db.1 stopping');
    await it.save([web('1'), spec('db')]);
    db.end({ kind: 'signal', signal: 'SIGTERM' });
    await it.clock.pass(1_000);
    expect(it.engines.states).toContain('db.1 running');
  });

  test('what the plan before has not come to yet is not taken for stopped', async () => {
    const it = await rig(
      web('1', { replicas: 1 }),
      spec('old', { launch: { ports: [{ name: 'p', port: 80 }] } }),
    );
    it.backend.of('old.1').ignores = ['SIGTERM'];
    // `new` takes over the port of `old`, and waits for its end.
    const next = spec('new', { launch: { ports: [{ name: 'p', port: 80 }] } });
    await it.save([web('1'), next]);
    expect(it.engines.states).toContain('new.1 stopped');
    await it.save([web('2'), next]);
    it.backend.of('old.1').end({ kind: 'signal', signal: 'SIGTERM' });
    await it.clock.pass(1_000);
    expect(it.engines.states).toContain('new.1 running');
  });

  test('services beside those that `up` was limited to stay down', async () => {
    const it = new Rig();
    await it.up([web('1'), spec('db')], { services: ['web'] });
    await it.save([web('2'), spec('db'), spec('new'), spec('dep')]);
    expect(it.engines.states.filter((one) => one.endsWith('running'))).toEqual(['web.1 running']);
    await it.save([
      {
        ...web('2'),
        dependsOn: spec('x', { dependsOn: [{ service: 'late', condition: 'started' }] }).dependsOn,
      },
      spec('late'),
    ]);
    expect(it.engines.states.filter((one) => one.endsWith('running')).toSorted()).toEqual([
      'late.1 running',
      'web.1 running',
    ]);
  });
});

describe('a change that does not come up', () => {
  const failing = (it: Rig, env: string): void => {
    it.backend.onStart = (proc) => {
      if (proc.instance.startsWith('web') && proc.request?.launch.env['A'] === env) {
        proc.end({ kind: 'code', code: 1 });
      }
    };
  };

  test('is told, and forgotten once the service runs', async () => {
    const it = await rig(web('1'));
    failing(it, '2');
    await it.save([web('2')]);
    await it.clock.pass(3_000);
    expect(it.told('change-failed')).toMatchObject([{ service: 'web', rolledBack: false }]);
    expect(it.reloader.status?.failed).toMatchObject([{ service: 'web', rolledBack: false }]);
    it.backend.onStart = () => {};
    await it.clock.pass(60_000);
    expect(it.reloader.status).toEqual({ state: 'in-sync', watched: true, errors: 0 });
    expect(it.told('change-failed')).toHaveLength(1);
  });

  test('is rolled back where the service asks for it, and not tried again until it is another', async () => {
    const rollback = { rollback: true };
    const it = await rig(web('1', rollback), spec('db'));
    failing(it, 'bad');
    await it.save([web('bad', rollback), spec('db')]);
    await it.clock.pass(5_000);
    expect(envOf(it)).toBe('1');
    expect(it.engines.states).toEqual(['db.1 running', 'web.1 running']);
    expect(it.told('change-failed')).toMatchObject([{ service: 'web', rolledBack: true }]);
    const starts = it.backend.startsOf('web.1');
    // An edit elsewhere is no reason to try it again, nor is it one to forget what happened.
    await it.save([
      web('bad', { ...rollback, origin: 'setpoint.yaml:9' }),
      spec('db', { launch: { cwd: '/x' } }),
    ]);
    await it.clock.pass(60_000);
    expect(it.backend.startsOf('web.1')).toBe(starts);
    expect(it.backend.startsOf('db.1')).toBe(2);
    expect(it.reloader.status?.failed).toMatchObject([{ service: 'web', rolledBack: true }]);
    await it.save([web('good', rollback), spec('db')]);
    await it.clock.pass(60_000);
    expect(envOf(it)).toBe('good');
    expect(it.reloader.status).toEqual({ state: 'in-sync', watched: true, errors: 0 });
  });

  test('a reload that a person asks for tries it again', async () => {
    const it = await rig(web('1', { rollback: true }));
    failing(it, 'bad');
    await it.save([web('bad', { rollback: true })]);
    await it.clock.pass(5_000);
    expect(envOf(it)).toBe('1');
    it.backend.onStart = () => {};
    await it.reloader.reload(false);
    await it.clock.pass(5_000);
    expect(envOf(it)).toBe('bad');
    expect(it.reloader.status?.failed).toBeUndefined();
  });

  test('replicas behind the first that fails keep running as they were', async () => {
    const probe = {
      check: { kind: 'tcp' as const, host: 'localhost', port: '80' },
      intervalMs: 1_000,
      timeoutMs: 1_000,
      retries: 3,
      startPeriodMs: 0,
      success: 1,
    };
    const more = { replicas: 3, ready: probe, rollback: true };
    const it = await rig(web('1', more));
    it.engines.lookResult = () => ({ ok: false, output: 'refused' });
    // Those that are ready stay so: only new runs are looked at until their first success.
    const before = [2, 3].map((n) => it.backend.of(`web.${n}`).run);
    await it.save([web('2', more)]);
    expect(envOf(it, 'web.1')).toBe('2');
    await it.clock.pass(59_000);
    expect(envOf(it, 'web.1')).toBe('2');
    await it.clock.pass(2_000);
    expect(it.told('change-failed')).toMatchObject([
      { rolledBack: true, reason: { kind: 'not-ready', instance: 'web.1', withinMs: 60_000 } },
    ]);
    expect(envOf(it, 'web.1')).toBe('1');
    expect([2, 3].map((n) => it.backend.of(`web.${n}`).run)).toEqual(before);
  });

  test('an `up` in between has the last word', async () => {
    const it = await rig(web('1', { rollback: true }));
    failing(it, 'bad');
    await it.save([web('bad', { rollback: true })]);
    await it.clock.pass(700);
    it.backend.onStart = () => {};
    await it.up([web('mine', { rollback: true })]);
    await it.clock.pass(120_000);
    expect(envOf(it)).toBe('mine');
    expect(it.told('change-failed')).toEqual([]);
  });

  test('nothing comes back of a version that was no good itself', async () => {
    const it = new Rig();
    failing(it, '1');
    await it.up([web('1', { rollback: true })]);
    await it.clock.pass(100);
    it.backend.onStart = (proc) => proc.end({ kind: 'code', code: 1 });
    await it.save([web('2', { rollback: true })]);
    await it.clock.pass(10_000);
    expect(it.told('change-failed')).toMatchObject([{ rolledBack: false }]);
    expect(envOf(it)).toBe('2');
  });
});

describe('a daemon that takes over', () => {
  test('reloads what was edited while there was none, and only that', async () => {
    const it = await rig(web('1'));
    const { record } = it.engines.engine;
    expect(record.reload).toBeDefined();
    await it.reloader.resumed(it.request(), it.loaded());
    await settled();
    expect(it.told('manifest-reloaded')).toEqual([]);
    it.manifest = project([web('2')]);
    it.content += 1;
    await it.reloader.resumed(it.request(), it.loaded());
    await settled();
    expect(it.told('manifest-reloaded')).toMatchObject([
      { counts: { start: 0, replace: 1, update: 0, stop: 0 } },
    ]);
  });

  test('says what is wrong with a manifest that was broken meanwhile', async () => {
    const it = await rig(web('1'));
    it.manifest = [BROKEN];
    it.content += 1;
    await it.reloader.resumed(it.request(), it.loaded());
    expect(it.reloader.status).toMatchObject({ state: 'invalid', errors: 1 });
    expect(it.told('manifest-rejected')).toEqual([]);
  });

  test('that is not to watch tells of changes without making them', async () => {
    const it = new Rig();
    await it.up([web('1')], { watch: false });
    it.manifest = project([web('2')]);
    it.content += 1;
    await it.reloader.resumed(it.request(), it.loaded());
    expect(it.reloader.status).toMatchObject({ state: 'pending', watched: false, pending: { replace: 1 } });
    expect(envOf(it)).toBe('1');
  });
});

describe('review', () => {
  test('turned on holds edits, turned off leaves what is held until it is confirmed', async () => {
    const it = await rig(web('1'));
    expect(it.reloader.setReview(true).ok).toBe(true);
    expect(it.reloader.status).toMatchObject({ state: 'in-sync', review: true });
    expect(it.engines.engine.record.reload).toMatchObject({ watch: true, review: true });
    await it.save([web('2')]);
    expect([it.standing, envOf(it)]).toEqual(['pending', '1']);
    it.reloader.setReview(false);
    await it.clock.pass(1_000);
    expect([it.standing, envOf(it)]).toEqual(['pending', '1']);
    expect(it.reloader.status).not.toHaveProperty('review');
    await it.reloader.reload(true);
    await it.clock.pass(1_000);
    expect([it.standing, envOf(it)]).toEqual(['in-sync', '2']);
    await it.save([web('3')]);
    await it.clock.pass(1_000);
    expect(envOf(it)).toBe('3');
  });

  test('outlives the daemon', async () => {
    const it = await rig(web('1'));
    it.reloader.setReview(true);
    it.manifest = project([web('2')]);
    it.content += 1;
    await it.reloader.resumed(it.request(), it.loaded());
    await settled();
    expect([it.standing, envOf(it)]).toEqual(['pending', '1']);
  });

  test('is refused where nothing is up', () => {
    expect(new Rig().reloader.setReview(true)).toMatchObject({ ok: false, error: { code: 'not-up' } });
  });
});

/** What an event about the manifest says, line by line. */
function wordsOf(event: object | undefined): readonly string[] {
  const { counts, ...what } = event as Extract<ProjectEvent, { type: 'manifest-reloaded' }>;
  return [describeCounts(counts), ...changeLines(what)];
}
