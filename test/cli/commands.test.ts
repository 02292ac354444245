import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClientError } from '../../src/client/client-error.ts';
import type { LoadedManifest } from '../../src/cli/services.ts';
import type { ActionResponse, CleanupReport, ExplainResponse, LogLine } from '../../src/core/api.ts';
import type { PlanView } from '../../src/core/plan-view.ts';
import type { ReapReport } from '../../src/core/reap.ts';
import type { InstanceState } from '../../src/core/state.ts';
import {
  FakeDaemon,
  happening,
  instance,
  NOW,
  on,
  project,
  run,
  running,
  service,
  Session,
  until,
} from './fake.ts';

const up = project([
  service('db', [running()]),
  service('api', [running(), running()], { dependsOn: [on('db')] }),
]);
const stopping: InstanceState = {
  kind: 'stopping',
  run: 'r',
  pid: 4711,
  since: NOW,
  deadline: NOW + 7000,
  then: 'stopped',
  escalated: false,
  cause: { kind: 'text', of: 'user', text: 'setpoint down' },
};
const stopped: InstanceState = { kind: 'stopped' };

describe('down', () => {
  test('shows who is stopped, who blocks, and that nothing is left', async () => {
    const daemon = new FakeDaemon(up);
    let finish = (): void => undefined;
    daemon.downed = () => new Promise((resolve) => (finish = () => resolve({ stopped: 3, leftovers: [] })));
    const session = new Session(['down', '--reason', 'tidy', '--timeout', '3s'], { daemon });
    await until(() => daemon.watchers > 0);
    daemon.tell(
      happening(
        { type: 'instance-stopping', run: 'r', signal: 'SIGTERM', cause: { kind: 'shutdown', reason: 'x' } },
        { instance: 'api.2' },
      ),
    );
    const phase = {
      phase: 'shutting-down',
      shutdown: { reason: 'tidy', deadline: NOW + 9000, level: 0 },
    } as const;
    const api = service('api', [stopped, instance('api', 2, stopping)], {
      dependsOn: [on('db')],
    });
    daemon.show(project([service('db', [running()]), api], { ...phase, now: NOW + 100 }));
    await until(() => session.out.includes('SIGTERM'));
    finish();
    const { status, out } = await session.done;
    expect(status).toBe(0);
    expect(out).toBe(`Stopping 2 services
api.2: is about to be stopped
api.1: is about to be stopped
db: waits for api
api.2: SIGTERM sent, 7 s left  pid 4711
api.1: stopped (0.1 s)
api.2: stopped (0.1 s)
db: stopped (0.1 s)
shop is down, and nothing of it is left
`);
    expect(daemon.requests.down).toEqual([{ reason: 'tidy', timeoutMs: 3000, level: 0 }]);
  });

  test('says so where nothing runs, with 0', async () => {
    expect(await run(['down'], { phase: 'down' })).toEqual({
      status: 0,
      out: 'shop is not running\n',
      err: '',
    });
  });

  test('starts the daemon of a project whose daemon crashed, to stop what it left', async () => {
    const daemon = new FakeDaemon(up);
    daemon.downed = () => Promise.resolve({ stopped: 3, leftovers: [] });
    const { status, out } = await run(['down'], { daemon, running: false, phase: 'up' });
    expect([status, daemon.asked]).toEqual([0, ['down 0']]);
    expect(out).toContain('nothing of it is left');
  });

  test('fails, naming the process, where something could not be stopped', async () => {
    const daemon = new FakeDaemon(up);
    daemon.downed = () =>
      Promise.resolve({ stopped: 2, leftovers: [{ instance: 'db.1', pid: 9, command: 'postgres' }] });
    const { status, out, err } = await run(['down'], { daemon });
    expect(status).toBe(1);
    expect(err).toContain('error: 1 process of shop could not be stopped\n  db.1: pid 9  postgres\n');
    expect(out).not.toContain('is down');
    expect(out).not.toContain('db: stopped');
  });
});

describe('start, stop, restart, scale, kill', () => {
  const answer = (more: Partial<ActionResponse>): ActionResponse => ({
    affected: [],
    unchanged: [],
    snapshot: up,
    ...more,
  });

  test('stop waits until what it concerns has stopped', async () => {
    const daemon = new FakeDaemon(up);
    daemon.acted = () => answer({ affected: ['api.1', 'api.2'] });
    const session = new Session(['stop', 'api'], { daemon });
    await until(() => daemon.watchers > 0);
    daemon.show(project([service('db', [running()]), service('api', [stopping, stopped])]));
    await until(() => session.out.includes('api.2: stopped'));
    daemon.show(project([service('db', [running()]), service('api', [stopped, stopped])]));
    const { status, out } = await session.done;
    expect(status).toBe(0);
    expect(out).toMatch(/api\.1: stopped \(0s\)\n$/);
    expect(out).not.toContain('db');
  });

  test('say which were already as wanted', async () => {
    const daemon = new FakeDaemon(up);
    daemon.acted = () => answer({ unchanged: ['db.1'] });
    expect((await run(['start', 'db'], { daemon })).out).toBe('db.1: was running already\n');
    expect((await run(['stop', 'db'], { daemon })).out).toBe('db.1: was not running\n');
  });

  test('restart shows what it restarts, and fails where that fails', async () => {
    const failed: InstanceState = {
      kind: 'failed',
      exit: { kind: 'code', code: 1 },
      reason: { kind: 'text', text: 'exit 1' },
      at: NOW,
    };
    const daemon = new FakeDaemon(up);
    daemon.acted = (request) => {
      expect(request).toEqual({ action: 'restart', select: { names: ['db'], labels: ['tier=data'] } });
      daemon.show(project([service('db', [failed]), service('api', [running()])]));
      return answer({ affected: ['db.1'] });
    };
    const { status, out, err } = await run(['restart', 'db', '-l', 'tier=data'], { daemon });
    expect([status, out]).toEqual([1, 'db: failed (0s)\n']);
    expect(err).toContain('error: db: exit 1\n');
  });

  test('scale tells from and to', async () => {
    const daemon = new FakeDaemon(up);
    daemon.acted = (request) => {
      expect(request).toEqual({ action: 'scale', service: 'api', replicas: 3 });
      const more = project([service('db', [running()]), service('api', [running(), running(), running(0)])]);
      daemon.show(more);
      return { affected: ['api.3'], unchanged: [], snapshot: more };
    };
    const { status, out } = await run(['scale', 'api=3'], { daemon });
    expect(status).toBe(0);
    expect(out).toBe('api: 2 -> 3\napi.3: running (0s)\n');
  });

  test('scale as JSON tells once it is through, and nothing else', async () => {
    const daemon = new FakeDaemon(up);
    daemon.acted = () => {
      const more = project([service('db', [running()]), service('api', [running(), running(), running(0)])]);
      daemon.show(more);
      return { affected: ['api.3'], unchanged: ['api.1'], snapshot: more };
    };
    const { status, out } = await run(['scale', 'api=3', '--format', 'json'], { daemon });
    expect([status, JSON.parse(out)]).toEqual([
      0,
      { scaled: [{ service: 'api', from: 2, to: 3, affected: ['api.3'], unchanged: ['api.1'] }] },
    ]);
  });

  test('kill sends the signal named, with or without SIG', async () => {
    const daemon = new FakeDaemon(up);
    daemon.acted = (request) => {
      expect(request).toEqual({ action: 'kill', select: { names: ['api'], labels: [] }, signal: 'SIGHUP' });
      return answer({ affected: ['api.1'], unchanged: ['api.2'] });
    };
    const { status, out } = await run(['kill', '-s', 'hup', 'api'], { daemon });
    expect([status, out]).toEqual([0, 'api.1: sent SIGHUP\napi.2: was not running\n']);
  });

  test('need a project that runs', async () => {
    for (const argv of [
      ['start'],
      ['stop'],
      ['restart'],
      ['scale', 'a=1'],
      ['kill'],
      ['wait'],
      ['logs', '-f'],
      ['events', '-f'],
    ]) {
      const { status, err } = await run(argv, { phase: 'down' });
      expect([argv, status, err]).toEqual([
        argv,
        3,
        'error: shop is not running\n  /home/ada/shop/setpoint.yaml\n  next: `setpoint up` starts it\n',
      ]);
    }
    expect((await run(['wait', '--for', 'stopped'], { phase: 'down' })).status).toBe(0);
  });

  test('pass on what the daemon refuses', async () => {
    const daemon = new FakeDaemon(up);
    daemon.acted = () => {
      throw new ClientError('conflict', 'the project is shutting down');
    };
    expect(await run(['start'], { daemon })).toEqual({
      status: 1,
      out: '',
      err: 'error: the project is shutting down\n',
    });
  });
});

describe('wait', () => {
  test('waits, fails at its timeout, and knows a name that is not there', async () => {
    const daemon = new FakeDaemon(project([service('job', [running()])]));
    const waiting = new Session(['wait', 'job', '--for', 'completed'], { daemon });
    await until(() => daemon.watchers > 0);
    daemon.show(project([service('job', [{ kind: 'completed', exit: { kind: 'code', code: 0 }, at: NOW }])]));
    expect(await waiting.done).toEqual({ status: 0, out: '', err: '' });

    daemon.show(project([service('job', [running()])]));
    const timed = new Session(['wait', '--for', 'completed', '--timeout', '1s'], { daemon });
    await until(() => timed.timers === 2);
    timed.advance(1000);
    expect((await timed.done).status).toBe(124);

    daemon.show(project([service('job', [running()])]));
    const told = new Session(['wait', '--for', 'completed', '--timeout', '1s', '--format', 'json'], {
      daemon,
    });
    await until(() => told.timers === 2);
    told.advance(1000);
    const { status, out } = await told.done;
    expect([status, JSON.parse(out)]).toMatchObject([
      124,
      { for: 'completed', outcome: 'timed-out', culprits: [], instances: [{ id: 'job.1' }] },
    ]);

    const unknown = await run(['wait', 'jbo'], { daemon });
    expect([unknown.status, unknown.err]).toEqual([
      2,
      'error: there is no service `jbo` in shop\n  next: did you mean `job`?\n',
    ]);
  });
});

describe('logs and events', () => {
  const line: LogLine = {
    service: 'db',
    instance: 'db.1',
    stream: 'stdout',
    time: NOW,
    at: 0,
    text: 'ready \u001b[1mnow',
  };

  test('print lines behind the names of their services, as they were written', async () => {
    const daemon = new FakeDaemon(up);
    daemon.lines = [line, { ...line, service: 'api', instance: 'api.2', text: 'x' }];
    const { status, out } = await run(['logs'], { daemon });
    expect([status, out]).toEqual([0, 'db    | ready \u001b[1mnow\napi.2 | x\n']);
    expect(daemon.requests.logs).toEqual([{ select: { names: [], labels: [] }, follow: false }]);
    expect((await run(['logs', '--no-color', '--no-prefix'], { daemon })).out).toBe('ready now\nx\n');
    expect((await run(['logs'], { daemon, env: { NO_COLOR: '1' } })).out).toContain('| ready now\n');
    const json = await run(['logs', '--format', 'json'], { daemon });
    expect(
      json.out
        .trimEnd()
        .split('\n')
        .map((text) => JSON.parse(text) as unknown),
    ).toEqual(daemon.lines);
  });

  test('pass on what is asked for', async () => {
    const daemon = new FakeDaemon(up);
    await run('logs db -n 5 --since 10m --stream stderr --previous -l a=b'.split(' '), { daemon });
    await run('logs -n all --since 2026-01-01T00:00:00Z'.split(' '), { daemon });
    expect(daemon.requests.logs).toEqual([
      {
        select: { names: ['db'], labels: ['a=b'] },
        follow: false,
        tail: 5,
        since: NOW - 600_000,
        stream: 'stderr',
        previous: true,
      },
      { select: { names: [], labels: [] }, follow: false, since: Date.UTC(2026, 0, 1) },
    ]);
  });

  test('are read from the files where no daemon runs', async () => {
    const services = {
      offlineLogs: async function* () {
        await Promise.resolve();
        yield line;
      },
      journal: () => Promise.resolve([happening({ type: 'shutdown-began', reason: 'Ctrl-C' })]),
    };
    expect((await run(['logs', 'db'], { services, phase: 'down' })).out).toBe('db.1 | ready \u001b[1mnow\n');
    expect((await run(['events'], { services, phase: 'down' })).out).toMatch(/shutdown began {2}Ctrl-C\n$/);
    expect((await run(['logs', '-l', 'x'], { services, phase: 'down' })).status).toBe(3);
  });

  test('events are lines of columns, or JSON', async () => {
    const daemon = new FakeDaemon(up);
    daemon.happenings = [
      happening(
        { type: 'instance-started', run: 'r', pid: 7, cause: { kind: 'added' } },
        { instance: 'db.1' },
      ),
      happening(
        { type: 'instance-exited', run: 'r', exit: { kind: 'code', code: 1 }, ranMs: 186, cause: 'no\nluck' },
        { instance: 'db.1' },
      ),
    ];
    const { out } = await run(['events', '-n', '10'], { daemon });
    expect(out.split('\n').map((text) => text.slice(25))).toEqual([
      'db.1            started       pid 7  because it was added',
      'db.1            exited        exit 1 after 0.2 s  no luck',
      '',
    ]);
    const json = await run(['events', '-n', '1', '--format', 'json'], { daemon });
    expect(JSON.parse(json.out)).toEqual(daemon.happenings[1]);
  });
});

test('explain tells the verdict, the history, and what comes next', async () => {
  const daemon = new FakeDaemon(up);
  const worker = service('worker', [
    {
      kind: 'backoff',
      attempt: 3,
      since: NOW,
      until: NOW + 1_900,
      delayMs: 1_900,
      exit: { kind: 'code', code: 1 },
      reason: { kind: 'policy', policy: 'on-failure' },
    },
  ]);
  const explained: ExplainResponse = {
    service: worker,
    asked: ['worker.1'],
    now: NOW,
    history: [
      happening(
        { type: 'instance-started', run: 'r', pid: 4711, cause: { kind: 'added' } },
        { instance: 'worker.1' },
      ),
      happening(
        {
          type: 'instance-exited',
          run: 'r',
          exit: { kind: 'code', code: 1 },
          ranMs: 186,
          cause: 'Cannot find',
        },
        { instance: 'worker.1' },
      ),
    ],
    dependencies: [
      { service: 'db', condition: 'started', required: true, onFailure: 'ignore', now: ['running'] },
      { service: 'mq', condition: 'started', required: true, onFailure: 'ignore', now: ['failed'] },
    ],
    dependents: ['web'],
  };
  daemon.explained = explained;
  const { status, out } = await run(['explain', 'worker'], { daemon });
  expect(status).toBe(0);
  expect(out.replaceAll(/\d\d:\d\d:\d\d\.\d{3}/g, 'TIME'))
    .toBe(`worker is waiting to restart: attempt 3 in 1.9 s after exit 1 (backoff 500ms x2, jitter 0.2, max 30s)

  TIME  started  pid 4711            because it was added
  TIME  exited   exit 1 after 0.2 s  Cannot find

  depends on    db (started; running)
                mq (started; failed)
  needed by     web
  restart       on-failure, backoff 500ms x2, jitter 0.2, max 30s
  backend       native: the only backend that fits
  next          \`setpoint restart worker\` acts now; \`setpoint logs worker\` shows what it wrote
`);
  const json = await run(['explain', 'worker', '--format', 'json'], { daemon });
  expect(JSON.parse(json.out)).toEqual({
    ...(JSON.parse(JSON.stringify(explained)) as object),
    verdicts: [
      {
        instance: 'worker.1',
        text: 'worker is waiting to restart: attempt 3 in 1.9 s after exit 1 (backoff 500ms x2, jitter 0.2, max 30s)',
      },
    ],
    next: ['`setpoint restart worker` acts now', '`setpoint logs worker` shows what it wrote'],
  });
});

test('explain tells probes, schedules, terms of dependencies and limits', async () => {
  const daemon = new FakeDaemon(up);
  const worker = service(
    'worker',
    [
      instance(
        'worker',
        1,
        {
          kind: 'running',
          run: 'r',
          since: NOW - 60_000,
          readiness: { kind: 'ready', since: NOW - 59_000, tookMs: 1000 },
        },
        {
          ready: {
            what: 'http http://127.0.0.1:80/',
            last: { ok: true, at: NOW - 1000, tookMs: 12, output: 'HTTP 200' },
            inARow: 30,
            retries: 3,
          },
          live: { what: 'tcp 127.0.0.1:80', inARow: 0, retries: 1 },
          statusText: 'serving 3 clients',
          nextRun: NOW + 180_000,
          recentRestarts: { count: 2, max: 5, windowMs: 60_000 },
          lastExit: { kind: 'oom', evidence: 'its cgroup' },
        },
      ),
    ],
    {
      schedule: { kind: 'every', everyMs: 300_000 },
      watch: ['/home/ada/shop/src'],
      input: 'tty',
      dependsOn: [
        { service: 'db', condition: 'ready', required: false, onFailure: 'restart', timeoutMs: 30_000 },
      ],
    },
  );
  daemon.explained = {
    service: worker,
    asked: ['worker.1'],
    now: NOW,
    history: [],
    dependencies: [
      { service: 'db', condition: 'ready', required: true, onFailure: 'ignore', now: ['running'] },
    ],
    dependents: [],
  };
  const { out } = await run(['explain', 'worker'], { daemon });
  expect(out.replaceAll(/(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(\.\d{3})?/g, 'TIME'))
    .toBe(`worker has been ready for 59s, 1s after its start; it runs by its schedule, every 5m

  readiness     ready since TIME, took 1s
  ready         http http://127.0.0.1:80/: succeeded 30 times in a row, 1s ago, took 12 ms: HTTP 200; 3 failures in a row would take it back
  live          tcp 127.0.0.1:80: not looked yet; 1 failure in a row would end the run
  status        serving 3 clients
  restarts      2 of 5 restarts in the last 1m
  last run      killed for lack of memory (its cgroup)
  depends on    db (ready; running), waits 30s at most, not required, restarts when it fails
  schedule      every 5m; next at TIME, in 3m
  watches       /home/ada/shop/src
  restart       on-failure, backoff 500ms x2, jitter 0.2, max 30s
  backend       native: the only backend that fits
  input         a terminal: \`setpoint attach worker\` types into it
`);
});

test('explain --timeline shows how everything came up, or what one service waited for, also as JSON', async () => {
  const daemon = new FakeDaemon(up);
  const db = { service: 'db', instance: 'db.1', wantedAt: NOW, waitedFor: [], critical: true };
  const api = { ...db, service: 'api', instance: 'api.1', critical: false };
  daemon.timeline = {
    beganAt: NOW,
    now: NOW + 5000,
    rows: [
      { ...db, startedAt: NOW, doneAt: NOW + 2000, doneAs: 'ready' },
      { ...api, startedAt: NOW + 100 },
    ],
  };
  const { status, out } = await run(['explain', '--timeline'], { daemon });
  expect([status, out.split('\n')[0]]).toEqual([0, '1 of 2 instances settled within 2s']);
  expect(out).toMatch(/^\* db +█+ +ready after 2s$/m);
  const json = await run(['explain', 'db', '--timeline', '--format', 'json'], { daemon });
  expect(JSON.parse(json.out)).toMatchObject({ doneAt: NOW + 2000, rows: [{ instance: 'db.1' }] });
  expect((await run(['explain', 'bd', '--timeline'], { daemon })).status).toBe(2);
  expect((await run(['explain', '--timeline'], { phase: 'down' })).status).toBe(3);
});

describe('reap', () => {
  const process = { pid: 77, startTime: 1, run: 'a-1', command: 'sleep 9\u001b[2J' };
  const report: ReapReport = {
    dryRun: false,
    reap: [
      { run: 'a-1', project: 'shop', instance: 'web.1', reason: 'its project is down', processes: [process] },
    ],
    listed: [
      { run: 'b-1', reason: 'no state directory knows this run', processes: [{ ...process, pid: 78 }] },
    ],
    kept: [{ run: 'c-1', project: 'blog', reason: 'x', processes: [{ ...process, pid: 79 }] }],
    left: [],
    files: [
      {
        path: '/run/x.sock',
        kind: 'socket',
        project: 'shop',
        reason: 'no daemon serves it',
        outcome: 'removed',
      },
      { path: '/state/x', kind: 'state-directory', project: 'old', reason: 'gone', outcome: 'listed' },
    ],
    leavings: [],
  };
  const reaping = (told: ReapReport, asked: unknown[] = []) => ({
    reap: (request: unknown) => (asked.push(request), Promise.resolve(told)),
  });

  test('tells what it ended, removed and left alone', async () => {
    const asked: unknown[] = [];
    const { status, out } = await run(['reap', '--forget'], { services: reaping(report, asked) });
    expect(asked).toEqual([{ dryRun: false, unknown: false, forget: true }]);
    expect([status, out]).toEqual([
      0,
      `ended  web.1 of shop: its project is down
    pid 77  sleep 9\\x1b[2J
left alone  run b-1: no state directory knows this run
    pid 78  sleep 9\\x1b[2J
removed  socket of shop: no daemon serves it
    /run/x.sock
left alone  state directory of old: gone
    /state/x

Cleared 1 process and 1 file.
1 process of projects that are up: not touched
What no state directory knows may belong to another XDG_STATE_HOME; --unknown ends it, too.
--forget removes the state directories of projects whose manifest is gone, logs and all.
`,
    ]);
  });

  test('fails, naming them, where processes live on; and is the same as JSON', async () => {
    const stuck = { ...report, left: [process] };
    const { status, err } = await run(['reap'], { services: reaping(stuck) });
    expect([status, err]).toEqual([1, 'error: 1 process could not be ended\n  pid 77  sleep 9\\x1b[2J\n']);
    const json = await run(['reap', '--dry-run', '--format', 'json'], { services: reaping(report) });
    expect(JSON.parse(json.out)).toEqual(JSON.parse(JSON.stringify(report)));
    expect((await run(['reap'])).out).toBe('Nothing to reap.\n');
  });

  test('tells what an engine had, and fails, naming it, where that could not be removed', async () => {
    const nothing = { containers: [], networks: [], volumes: [], failed: [] };
    const of = (removed: Partial<CleanupReport>): ReapReport['leavings'][number] => ({
      project: 'shop',
      stateDir: '/state/shop',
      reason: 'its project is down',
      removed: { ...nothing, ...removed },
    });
    const only = { ...report, reap: [], listed: [], kept: [], files: [] };
    const gone = of({ containers: ['shop-db-1'], networks: ['shop_default'] });
    const done = await run(['reap'], { services: reaping({ ...only, leavings: [gone] }) });
    expect([done.status, done.out]).toEqual([
      0,
      `removed  what an engine has of shop: its project is down
    container shop-db-1
    network shop_default

Cleared 2 things of an engine.
`,
    ]);
    const dry = await run(['reap', '--dry-run'], {
      services: reaping({ ...only, dryRun: true, leavings: [gone] }),
    });
    expect(dry.out).toMatch(/^would remove {2}what an engine has of shop/);
    expect(dry.out).toContain('Would clear 2 things of an engine.');
    const failed = of({ failed: [{ what: 'containers of shop', why: 'no engine\nanswers' }] });
    const stuck = await run(['reap'], { services: reaping({ ...only, leavings: [failed] }) });
    expect([stuck.status, stuck.out]).toEqual([1, 'Nothing to reap.\n']);
    expect(stuck.err).toBe(
      'error: not all that is left could be removed\n  containers of shop: no engine answers\n',
    );
  });
});

describe('plan', () => {
  const step = { service: 'api', instance: 'api.1', after: [], backend: 'native' };
  const view: PlanView = {
    project: 'shop',
    manifest: 'setpoint.yaml',
    serviceCount: 1,
    steps: [
      {
        ...step,
        id: 'replace:api.1',
        action: 'replace',
        causes: [{ kind: 'changed', fields: [{ field: 'env.PORT', from: '"8080"', to: '"8081"' }] }],
      },
    ],
    order: [['replace:api.1']],
    drift: true,
  };
  const none: PlanView = {
    ...view,
    steps: [{ ...step, id: 'none:api.1', action: 'none', causes: [], note: 'running' }],
    order: [],
    drift: false,
  };
  const error = { severity: 'error', code: 'x', message: 'broken', labels: [] } as const;

  test('ends with 2 for drift, 0 for none, 1 for errors', async () => {
    const daemon = new FakeDaemon(up);
    daemon.planned = { diagnostics: [], plan: view };
    const drift = await run(['plan'], { daemon });
    expect(drift.status).toBe(2);
    expect(drift.out).toContain('~ api  replace');
    expect(drift.out).toContain('env.PORT "8080" -> "8081"');
    daemon.planned = { diagnostics: [], plan: none };
    expect((await run(['plan'], { daemon })).status).toBe(0);
    daemon.planned = { diagnostics: [error] };
    const broken = await run(['plan'], { daemon });
    expect([broken.status, broken.out, broken.err]).toEqual([1, '', 'error[x]: broken\n\n1 error.\n']);
    expect(daemon.asked).toEqual([]);
  });

  test('is computed here where nothing runs, and the same as JSON', async () => {
    const loaded: LoadedManifest = { diagnostics: [], services: ['api'], planAgainstNothing: () => view };
    const services = { loadManifest: () => Promise.resolve(loaded) };
    const { status, out } = await run(['plan', '--format', 'json'], { services });
    expect([status, JSON.parse(out)]).toEqual([2, { diagnostics: [], plan: view }]);
    const unknown = await run(['plan', 'apj'], { services });
    expect(unknown.status).toBe(1);
    expect(unknown.err).toContain('next: did you mean `api`?');
  });
});

describe('check and config', () => {
  const error = { severity: 'error', code: 'x', message: 'broken', labels: [] } as const;
  const warning = { ...error, severity: 'warning', message: 'odd' } as const;
  const loading = (loaded: LoadedManifest): { loadManifest: () => Promise<LoadedManifest> } => ({
    loadManifest: () => Promise.resolve(loaded),
  });

  test('check ends with 2 on errors, and says that nothing was changed where something runs', async () => {
    const services = loading({ diagnostics: [error, warning] });
    const daemon = new FakeDaemon(up);
    const live = await run(['check'], { services, daemon });
    expect([live.status, live.out]).toEqual([
      2,
      'error[x]: broken\n\nwarning[x]: odd\n\n1 error, 1 warning. Nothing was changed; 2 services keep running.\n',
    ]);
    expect((await run(['check'], { services })).out).toMatch(/\n1 error, 1 warning\.\n$/);
    const json = await run(['check', '--format', 'json'], { services });
    expect([json.status, JSON.parse(json.out)]).toEqual([
      2,
      { diagnostics: [error, warning], errors: 1, warnings: 1 },
    ]);
  });

  test('check ends with 0 without errors', async () => {
    const fine = await run(['check'], { services: loading({ diagnostics: [], services: ['a', 'b'] }) });
    expect(fine).toEqual({ status: 0, out: 'setpoint.yaml: 2 services, no problems\n', err: '' });
    const odd = await run(['check'], { services: loading({ diagnostics: [warning], services: ['a'] }) });
    expect([odd.status, odd.out]).toEqual([0, 'warning[x]: odd\n\nsetpoint.yaml: 1 service, 1 warning\n']);
  });

  test('config prints what the loader renders', async () => {
    const asked: unknown[] = [];
    const render = (format: string, origin: boolean): string => (
      asked.push([format, origin]),
      'services: {}\n'
    );
    const services = loading({ diagnostics: [], services: [], render });
    expect(await run(['config'], { services })).toEqual({ status: 0, out: 'services: {}\n', err: '' });
    await run(['config', '--origin', '--format', 'json'], { services });
    expect(asked).toEqual([
      ['yaml', false],
      ['json', true],
    ]);
    expect((await run(['config'], { services: loading({ diagnostics: [error], render }) })).status).toBe(2);
  });
});

test('doctor fails where something essential is missing', async () => {
  const facts = [
    { name: 'sh', state: 'good', found: '/bin/sh' },
    { name: 'setpriv', state: 'weak', found: 'not on PATH', hint: 'install util-linux' },
  ] as const;
  const good = await run(['doctor'], { services: { doctorFacts: () => Promise.resolve(facts) } });
  expect([good.status, good.out]).toEqual([
    0,
    ' ✔ sh       /bin/sh\n ! setpriv  not on PATH\n            install util-linux\n',
  ]);
  const bad = [{ name: 'sh', state: 'missing', found: 'not on PATH' }] as const;
  const services = { doctorFacts: () => Promise.resolve(bad) };
  expect((await run(['doctor'], { services })).status).toBe(1);
  const json = await run(['doctor', '--format', 'json'], { services });
  expect([json.status, JSON.parse(json.out)]).toEqual([1, { ok: false, checks: bad }]);
});

describe('init', () => {
  let dir = '';
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'setpoint-init-'))));
  afterEach(() => rmSync(dir, { recursive: true }));
  const written = (name = 'setpoint.yaml'): string => readFileSync(join(dir, name), 'utf8');

  test('writes a manifest that editors and the loader understand, and does not overwrite one', async () => {
    const { status, out } = await run(['init'], { cwd: dir });
    expect([status, out]).toEqual([
      0,
      'Wrote setpoint.yaml with an example service\nnext: edit it, `setpoint check`, then `setpoint up`\n',
    ]);
    expect(written().split('\n')[0]).toMatch(/^# yaml-language-server: \$schema=.*setpoint\.schema\.json$/);
    const { loadProject, nodeManifestIo } = await import('../../src/manifest/load.ts');
    const request = { files: [join(dir, 'setpoint.yaml')], profiles: [], set: {}, envFiles: [], named: [] };
    const loaded = loadProject(request, nodeManifestIo({}));
    expect([loaded.diagnostics, loaded.project?.services.map(({ id }) => id)]).toEqual([[], ['hello']]);
    const again = await run(['init'], { cwd: dir });
    expect([again.status, again.err]).toEqual([
      1,
      `error: there is a manifest already\n  ${dir}/setpoint.yaml\n  next: --force overwrites it\n`,
    ]);
    expect((await run(['init', '--force'], { cwd: dir })).status).toBe(0);
  });

  test('takes services from a Procfile, or from package.json', async () => {
    writeFileSync(join(dir, 'package.json'), '{"scripts": {"dev": "vite"}}');
    await run(['init', '-f', 'a.yaml'], { cwd: dir });
    expect(written('a.yaml')).toContain('  app:\n    command: "npm run dev"\n');
    writeFileSync(join(dir, 'Procfile'), '# x\nWeb: node "a b".js\nweb: twice\nworker_1: sleep 1\n');
    await run(['init'], { cwd: dir });
    expect(written()).toContain(
      '  web:\n    command: "node \\"a b\\".js"\n  worker_1:\n    command: "sleep 1"\n',
    );
  });
});
