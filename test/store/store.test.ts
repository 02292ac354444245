import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Exit } from '../../src/core/exit.ts';
import type { RunRecord } from '../../src/ports/backend.ts';
import type { ProjectRecord } from '../../src/ports/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import type { OpenStore } from '../../src/store/store.ts';
import { openStore, readRunRecords } from '../../src/store/store.ts';

const PROJECT: ProjectRecord = {
  version: 1,
  name: 'shop',
  dir: '/srv/shop',
  load: { files: ['/srv/shop/setpoint.yaml'], profiles: ['dev'], set: { A: '1' }, envFiles: [], named: [] },
  phase: 'up',
  shutdown: { reason: 'asked to' },
  stopped: ['worker'],
  scale: { web: 3 },
  ports: { 'web.1/http': 8080 },
  salt: 'pepper',
};

const RUN: RunRecord = {
  version: 1,
  run: 'r1',
  service: 'web',
  instance: 'web.1',
  number: 1,
  startedAt: 1_700_000_000_000,
  backend: 'native',
  fingerprint: 'f',
  fields: { 'env.PORT': '"8080"' },
  ports: { http: 8080 },
  stop: { signal: 'SIGTERM', graceMs: 10_000, killTree: true },
  restarts: 2,
};

let root: string;
let stateDir: string;
let store: OpenStore;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'store-'));
  stateDir = join(root, 'a', 'state');
  store = open();
});

afterEach(() => {
  store.close();
  rmSync(root, { recursive: true, force: true });
});

function open(): OpenStore {
  const opened = openStore({ stateDir });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

function warnings(): string[] {
  return store.happenings(100).map((each) => (each.type === 'warning' ? each.message : each.type));
}

describe('records', () => {
  it('are read back as they were written', () => {
    expect(store.readProject()).toBeUndefined();
    expect(store.readRuns()).toEqual({ runs: [], damaged: [] });
    store.writeProject(PROJECT);
    const ended: RunRecord = { ...RUN, ended: { at: 5, exit: { kind: 'signal', signal: 'SIGKILL' } } };
    const other: RunRecord = {
      ...RUN,
      instance: 'api.2',
      service: 'api',
      socket: '/x.sock',
      stopping: { at: 1, cause: { kind: 'user', request: 'stop' } },
    };
    store.writeRun(RUN);
    store.writeRun(ended);
    store.writeRun(other);
    const reopened = open();
    expect(reopened.readProject()).toEqual(PROJECT);
    expect(reopened.readRuns()).toEqual({ runs: [other, ended], damaged: [] });
    expect(readRunRecords(stateDir)).toEqual([other, ended]);
    reopened.close();
  });

  it.each<Exit>([
    { kind: 'code', code: 3 },
    { kind: 'signal', signal: 'SIGKILL' },
    { kind: 'spawn-error', failure: { code: 'other', message: 'no' } },
    { kind: 'timeout', afterMs: 5 },
    { kind: 'oom', evidence: 'its control group says so' },
    { kind: 'unhealthy', reason: { kind: 'text', text: 'no answer' } },
    { kind: 'unknown', why: 'nobody saw it' },
  ])('are read back with every kind of end: $kind', (exit) => {
    const record: RunRecord = { ...RUN, lastExit: exit, ended: { at: 5, exit } };
    store.writeRun(record);
    expect(store.readRuns()).toEqual({ runs: [record], damaged: [] });
  });

  it('and their folders are for their owner alone, whatever the umask is', () => {
    const before = process.umask(0o000);
    try {
      store.writeRun(RUN);
      store.writeProject(PROJECT);
      store.append({ type: 'warning', message: 'x' }, {});
    } finally {
      process.umask(before);
    }
    const mode = (path: string): number => statSync(join(stateDir, path)).mode & 0o777;
    for (const folder of ['', 'instances', 'instances/web.1']) expect(mode(folder)).toBe(0o700);
    for (const file of ['project.json', 'events.ndjson', 'instances/web.1/run.json']) {
      expect(mode(file)).toBe(0o600);
    }
  });

  it('leave nothing else behind', () => {
    for (let i = 0; i < 20; i += 1) store.writeRun({ ...RUN, restarts: i });
    store.writeProject(PROJECT);
    expect(readdirSync(stateDir).sort()).toEqual(['instances', 'project.json']);
    expect(readdirSync(join(stateDir, 'instances/web.1'))).toEqual(['run.json']);
  });

  it('of a run can be forgotten, its logs not', () => {
    store.writeRun(RUN);
    writeFileSync(join(store.instanceDir('web.1'), 'stdout.log'), 'x');
    store.removeRun('web.1');
    store.removeRun('web.1');
    expect(store.readRuns()).toEqual({ runs: [], damaged: [] });
    expect(existsSync(join(stateDir, 'instances/web.1/stdout.log'))).toBe(true);
    expect(warnings()).toEqual([]);
  });

  it('of a run are whole wherever the daemon died while writing one', () => {
    store.writeRun(RUN);
    const path = join(stateDir, 'instances/web.1/run.json');
    const next = { ...RUN, restarts: 3 };
    // Before the old one was removed: half of the new one is beside it.
    writeFileSync(`${path}.tmp`, JSON.stringify(next).slice(0, 40));
    expect(open().readRuns()).toEqual({ runs: [RUN], damaged: [] });
    // After the old one was removed and before the new one has its name.
    writeFileSync(`${path}.tmp`, JSON.stringify(next));
    rmSync(path);
    expect(open().readRuns()).toEqual({ runs: [next], damaged: [] });
    expect(readRunRecords(stateDir)).toEqual([next]);
    // While writing the very first one.
    writeFileSync(`${path}.tmp`, JSON.stringify(next).slice(0, 40));
    expect(open().readRuns()).toEqual({ runs: [], damaged: [] });
    store.writeRun(next);
    expect(readdirSync(join(stateDir, 'instances/web.1'))).toEqual(['run.json']);
    expect(store.readRuns().runs).toEqual([next]);
  });

  it('are written again although somebody has removed the folder', () => {
    store.writeRun(RUN);
    rmSync(join(stateDir, 'instances'), { recursive: true });
    store.writeRun(RUN);
    expect(store.readRuns().runs).toEqual([RUN]);
  });
});

describe('an instance folder', () => {
  it('exists once it was asked for', () => {
    expect(statSync(store.instanceDir('api.12')).mode & 0o777).toBe(0o700);
  });

  it('never lies outside of the state directory', () => {
    for (const name of ['..', '.', '../x', 'a/b', '/etc', ''])
      expect(() => store.instanceDir(name)).toThrow();
  });
});

describe('a damaged record', () => {
  const whole = JSON.stringify(RUN);
  const damages: readonly (readonly [string, string | Buffer, string])[] = [
    ['empty', '', 'it is empty'],
    ['cut off', whole.slice(0, 50), 'it is not valid JSON'],
    ['binary', Buffer.from([0, 255, 254]), 'it is not valid JSON'],
    [
      'of a later version',
      whole.replace('"version":1', '"version":2'),
      'its version is 2, and only 1 is known',
    ],
    ['without a version', whole.replace('"version":1,', ''), 'its version is undefined, and only 1 is known'],
    ['an array', '[]', 'it does not hold an object'],
    ['lacking a field', whole.replace('"run":"r1",', ''), 'a field is missing or of the wrong type'],
    [
      'with a text for a grace period',
      whole.replace('"graceMs":10000', '"graceMs":"10000"'),
      'a field is missing or of the wrong type',
    ],
    [
      'with a negative number',
      whole.replace('"restarts":2', '"restarts":-2'),
      'a field is missing or of the wrong type',
    ],
    ['of another instance', whole.replace('web.1', 'web.2'), 'it is of web.2'],
  ];

  it.each(damages)('of a run is named and set aside: %s', (_, content, why) => {
    store.writeRun({ ...RUN, instance: 'web.3' });
    const path = join(store.instanceDir('web.1'), 'run.json');
    writeFileSync(path, content);
    expect(readRunRecords(stateDir).map(({ instance }) => instance)).not.toContain('web.1');
    const { runs, damaged } = store.readRuns();
    expect(runs.map(({ instance }) => instance)).toEqual(['web.3']);
    expect(damaged).toEqual([`${path} is damaged (${why}); set aside as ${path}.damaged`]);
    expect(readFileSync(`${path}.damaged`)).toEqual(Buffer.from(content));
    expect(store.readRuns().damaged).toEqual([]);
  });

  it('of the project is told in the journal, once', () => {
    const path = join(stateDir, 'project.json');
    writeFileSync(path, JSON.stringify({ ...PROJECT, phase: 'sideways' }));
    expect(store.readProject()).toBeUndefined();
    expect(store.readProject()).toBeUndefined();
    expect(warnings()).toEqual([
      `${path} is damaged (a field is missing or of the wrong type); set aside as ${path}.damaged`,
    ]);
  });

  it('that is a folder is named and left alone', () => {
    const path = join(store.instanceDir('web.1'), 'run.json');
    mkdirSync(path);
    expect(store.readRuns()).toEqual({
      runs: [],
      damaged: [`${path} cannot be read: it is a folder (EISDIR)`],
    });
    expect(existsSync(path)).toBe(true);
  });
});

describe('a disk that refuses', () => {
  it('makes a write fail with its errno, and the old record stays', () => {
    store.writeProject(PROJECT);
    mkdirSync(join(stateDir, 'project.json.tmp'));
    const write = (): void => store.writeProject({ ...PROJECT, name: 'other' });
    expect(write).toThrow(StoreError);
    expect(write).toThrow(/^cannot write .*project\.json: it is a folder \(EISDIR\)$/);
    expect(store.readProject()).toEqual(PROJECT);
  });

  it('lets a run be neither written nor half written where a file is in the way', () => {
    writeFileSync(join(stateDir, 'instances', 'web.1'), '');
    expect(store.instanceDir('web.1')).toBe(join(stateDir, 'instances', 'web.1'));
    expect(() => store.writeRun(RUN)).toThrow(StoreError);
    expect(store.readRuns()).toEqual({ runs: [], damaged: [] });
  });

  it('keeps a store from being opened, with a reason and help', () => {
    writeFileSync(join(root, 'file'), '');
    expect(openStore({ stateDir: join(root, 'file', 'state') })).toMatchObject({
      ok: false,
      error: { code: 'ENOTDIR', help: expect.stringContaining('XDG_STATE_HOME') as string },
    });
  });

  it('does not include a folder of ours that others can read: it is closed to them', () => {
    chmodSync(stateDir, 0o755);
    open().close();
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
  });
});
