import { describe, expect, test } from 'vitest';
import type { ApplyResponse, LogLine, ProjectSnapshot } from '../../src/core/api.ts';
import type { Cause } from '../../src/core/event.ts';
import type { PlanStep, PlanView } from '../../src/core/plan-view.ts';
import type { InstanceState, Readiness } from '../../src/core/state.ts';
import { causeLines } from '../../src/cli/up.ts';
import {
  FakeDaemon,
  happening,
  instance,
  NOW,
  project,
  run,
  running,
  service,
  Session,
  until,
} from './fake.ts';

const starting: InstanceState = { kind: 'starting', run: 'r', since: NOW };
const idle = project([], { phase: 'idle' });

function step(action: PlanStep['action'], id: string, ...causes: Cause[]): PlanStep {
  const [service = ''] = id.split('.');
  return { id: `${action}:${id}`, action, service, instance: id, causes, after: [], backend: 'native' };
}

function planOf(...steps: PlanStep[]): PlanView {
  return {
    project: 'shop',
    manifest: 'setpoint.yaml',
    serviceCount: 2,
    steps,
    order: [],
    drift: steps.length > 0,
  };
}

/** A daemon that, when the manifest is applied, shows `then`. */
function daemonThat(then: ProjectSnapshot, more: Partial<ApplyResponse> = {}, before = idle): FakeDaemon {
  const daemon = new FakeDaemon(before);
  daemon.applied = () => {
    daemon.show(then);
    return {
      diagnostics: [],
      plan: planOf(step('start', 'web.1', { kind: 'added' })),
      snapshot: then,
      ...more,
    };
  };
  return daemon;
}

function line(text: string, more: Partial<LogLine> = {}): LogLine {
  return { service: 'web', instance: 'web.1', stream: 'stdout', time: NOW, at: 0, text, ...more };
}

const error = {
  severity: 'error',
  code: 'unknown-key',
  message: 'unknown key `comand`',
  labels: [],
} as const;

describe('up --detach', () => {
  test('returns once what can start at once has been started, with a line for each change', async () => {
    const daemon = daemonThat(project([service('web', [starting])]));
    const session = new Session(['up', '-d'], { daemon, running: false });
    await until(() => session.out.includes('starting'));
    daemon.show(project([service('web', [instance('web', 1, running(0), { ports: { http: 8080 } })])]));
    expect(await session.done).toEqual({
      status: 0,
      out: 'web: starting\nweb: running (0s)  :8080\nshop: 1 running\n',
      err: '',
    });
    expect(daemon.asked).toEqual(['apply']);
    expect([daemon.closed, daemon.watchers, session.timers, session.listens('SIGINT')]).toEqual([
      true,
      0,
      0,
      false,
    ]);
  });

  test('passes on the environment, profiles, variables, and the services named', async () => {
    const daemon = daemonThat(project([service('web', [running()])]));
    const argv = [
      'up',
      'web',
      '-d',
      '--profile',
      'a',
      '--profile',
      'b',
      '--set',
      'K=V=W',
      '--env-file',
      'x.env',
    ];
    await run(argv, { daemon, env: { PATH: '/bin', SETPOINT_PROFILES: 'c, a' } });
    expect(daemon.requests.apply).toEqual({
      load: {
        files: ['/home/ada/shop/setpoint.yaml'],
        profiles: ['c', 'a', 'b'],
        set: { K: 'V=W' },
        envFiles: ['/home/ada/shop/x.env'],
        named: ['web'],
      },
      hostEnv: { PATH: '/bin', SETPOINT_PROFILES: 'c, a' },
      services: ['web'],
    });
  });

  test('says what is changed and why when the project was running', async () => {
    const was = project([service('web', [running()])]);
    const changed = { field: 'env.PORT', from: '"8080"', to: '"8081"' };
    const plan = planOf(
      step('replace', 'web.1', { kind: 'changed', fields: [changed] }),
      step('none', 'db.1'),
    );
    const daemon = daemonThat(was, { plan }, was);
    const { out } = await run(['up', '-d'], { daemon });
    expect(out).toBe('web: replaced: env.PORT "8080" -> "8081"\nshop: 1 running\n');
  });

  test('says so where there is nothing to do', async () => {
    const was = project([service('web', [running()])]);
    const nothing = { plan: planOf(step('none', 'web.1')) };
    const detached = await run(['up', '-d'], { daemon: daemonThat(was, nothing, was) });
    expect([detached.status, detached.out]).toEqual([0, 'shop: nothing to do; 1 running\n']);
    const waited = await run(['up', '--wait'], { daemon: daemonThat(was, nothing, was) });
    expect([waited.status, waited.out]).toEqual([0, 'shop is up, nothing to do: 1 running\n']);
  });

  test('--wait: one with a probe counts once that says so, however long it runs', async () => {
    const state = (readiness: Readiness): InstanceState => ({
      kind: 'running',
      run: 'r',
      since: NOW - 60_000,
      readiness,
    });
    const daemon = daemonThat(project([service('web', [state({ kind: 'pending' })])]));
    const session = new Session(['up', '--wait'], { daemon, running: false });
    await until(() => session.out.includes('web: running (not ready)'));
    session.advance(1000);
    daemon.show(project([service('web', [state({ kind: 'ready', since: NOW + 1500, tookMs: 1500 })])]));
    const { status, out } = await session.done;
    expect([status, out]).toEqual([0, 'web: running (not ready)\nweb: ready (1.5 s)\nshop is up: 1 ready\n']);
  });

  test('--wait: at --timeout the one that is not ready is the culprit, with what its probe saw', async () => {
    const last = { ok: false, at: NOW, tookMs: 3, output: 'HTTP 503' };
    const web = instance(
      'web',
      1,
      { kind: 'running', run: 'r', since: NOW, readiness: { kind: 'pending' } },
      { ready: { what: 'http http://127.0.0.1/', last, inARow: 2, retries: 3 } },
    );
    const daemon = daemonThat(project([service('web', [web])]));
    const session = new Session(['up', '--wait', '--timeout', '3s'], { daemon, running: false });
    await until(() => session.timers === 2 && session.out.includes('not ready'));
    session.advance(3000);
    const { status, err } = await session.done;
    expect(status).toBe(124);
    expect(err).toContain(
      'error: web: is not ready: http http://127.0.0.1/: failed 2 times in a row, 3s ago, took 3 ms: HTTP 503\n',
    );
  });

  test('--wait: a one that is running only counts once it has lasted, by the clock alone', async () => {
    const daemon = daemonThat(project([service('web', [running(0)])]));
    const session = new Session(['up', '--wait'], { daemon, running: false });
    await until(() => session.timers === 2);
    await until(() => session.out.includes('running'));
    session.advance(200);
    await new Promise((resolve) => setImmediate(resolve));
    expect(session.out).not.toContain('is up');
    session.advance(100);
    expect((await session.done).status).toBe(0);
    expect(session.out).toContain('shop is up: 1 running\n');
  });

  test('--wait: names the culprit with its cause and last lines, and fails', async () => {
    const failed: InstanceState = {
      kind: 'failed',
      exit: { kind: 'code', code: 3 },
      reason: { kind: 'text', text: 'exit 3, never: not retried' },
      at: NOW,
    };
    const daemon = daemonThat(
      project([service('web', [instance('web', 1, failed, { lastCause: "Cannot find './queue'" })])]),
    );
    daemon.lines = [line('noise'), line('\u001b[31mthrow\u001b[0m err', { stream: 'stderr' })];
    const { status, out, err } = await run(['up', '--wait'], { daemon });
    expect(status).toBe(1);
    expect(out).toBe("web: failed (0s)  Cannot find './queue'\n");
    expect(err).toBe(`error: web: exit 3, never: not retried
  Cannot find './queue'
  last lines of its stderr:
    | throw err
  next: \`setpoint explain web\`, \`setpoint logs web\`
`);
  });

  test('--wait: at --timeout the one in backoff is the culprit, and the status is 124', async () => {
    const backoff: InstanceState = {
      kind: 'backoff',
      attempt: 4,
      since: NOW,
      until: NOW + 9000,
      delayMs: 9000,
      exit: { kind: 'code', code: 1 },
      reason: { kind: 'text', text: '' },
    };
    const daemon = daemonThat(project([service('web', [backoff]), service('db', [running(0)])]));
    const session = new Session(['up', '--wait', '--timeout', '5s'], { daemon });
    await until(() => session.out.includes('backoff'));
    session.advance(5000);
    const { status, err } = await session.done;
    expect(status).toBe(124);
    expect(err).toBe(`error: shop was not up within 5s; it goes on in the background
error: web: exit 1; it is waiting to be restarted (attempt 4)
  next: \`setpoint explain web\`, \`setpoint logs web\`
`);
  });

  test('Ctrl-C leaves the project to itself, with 130', async () => {
    const daemon = daemonThat(project([service('web', [starting])]));
    const session = new Session(['up', '--wait'], { daemon });
    await until(() => session.out.includes('starting'));
    session.signal('SIGINT');
    const { status, err } = await session.done;
    expect([status, err]).toEqual([
      130,
      'Interrupted; shop goes on in the background. `setpoint down` stops it.\n',
    ]);
    expect(daemon.asked).not.toContain('down 0');
  });

  test('on a terminal the lines are redrawn in place', async () => {
    const daemon = daemonThat(project([service('web', [starting]), service('db', [running(0)])]));
    const terminal = { columns: 60, rows: 24 };
    const session = new Session(['up', '-d', '--no-color'], { daemon, terminal });
    await until(() => session.out.includes('starting'));
    expect(session.out).toBe('\r ⠙ web  starting\u001b[K\n\r ✔ db   running   0s\u001b[K\n');
    session.advance(100);
    expect(session.out.slice(-60)).toContain('\u001b[2A\r ⠹ web  starting');
    daemon.show(project([service('web', [running(0)]), service('db', [running(0)])]));
    expect((await session.done).out).toMatch(/✔ web {2}running {2}0s.*shop: 2 running\n$/s);
  });

  test('a manifest with errors changes nothing, says what keeps running, and ends with 2', async () => {
    const was = project([service('web', [running()])]);
    const daemon = new FakeDaemon(was);
    daemon.applied = () => ({ diagnostics: [error], snapshot: was });
    const { status, err, out } = await run(['up', '-d'], { daemon });
    expect([status, out]).toEqual([2, '']);
    expect(err).toBe(
      'error[unknown-key]: unknown key `comand`\n\n1 error. Nothing was changed; 1 service keeps running.\n',
    );
    expect(daemon.asked).toEqual(['apply']);
  });

  test('a daemon that was started for a manifest with errors is ended again', async () => {
    const daemon = new FakeDaemon(idle);
    daemon.applied = () => ({ diagnostics: [error], snapshot: idle });
    const { status } = await run(['up', '-d'], { daemon, running: false });
    expect([status, daemon.asked]).toEqual([2, ['apply', 'down 0']]);
  });
});

describe('up, attached', () => {
  test('streams output and happenings; Ctrl-C brings the project down in order, and ends with 0', async () => {
    const up = project([service('web', [running()]), service('api', [running(), running()])]);
    const daemon = daemonThat(up);
    daemon.lines = [line('hello'), line('over\u001b[2Jthere', { service: 'api', instance: 'api.2' })];
    let finish = (): void => undefined;
    daemon.downed = () => new Promise((resolve) => (finish = () => resolve({ stopped: 3, leftovers: [] })));
    const session = new Session(['up'], { daemon, running: false });
    await until(() => session.out.includes('there'));
    daemon.tell(
      happening(
        { type: 'instance-started', run: 'a', pid: 7, cause: { kind: 'added' } },
        { instance: 'web.1' },
      ),
    );
    await until(() => session.out.includes('pid 7'));
    expect(session.out).toBe(`Attached to shop: Ctrl-C stops it
web   | hello
api.2 | over\u001b[2Jthere
web   * started, pid 7 because it was added
`);
    expect(daemon.asked).toEqual(['lease', 'apply']);
    session.signal('SIGINT');
    await until(() => daemon.asked.includes('down 0'));
    finish();
    const { status, out } = await session.done;
    expect(status).toBe(0);
    expect(out).toContain('Stopping 2 services\n');
    expect(out).toContain('web: stopped');
    expect(daemon.requests.down).toEqual([{ reason: 'Ctrl-C', level: 0 }]);
    expect([daemon.watchers, session.timers, session.listens('SIGINT')]).toEqual([0, 0, false]);
  });

  test('Ctrl-C twice skips the grace periods, thrice kills, and no more after that', async () => {
    const daemon = daemonThat(project([service('web', [running()])]));
    let finish = (): void => undefined;
    daemon.downed = ({ level }) =>
      level === 0
        ? new Promise((resolve) => (finish = () => resolve({ stopped: 1, leftovers: [] })))
        : Promise.resolve({ stopped: 0, leftovers: [] });
    const session = new Session(['up'], { daemon, running: false });
    await until(() => session.out.includes('Attached') && session.listens('SIGINT'));
    session.signal('SIGINT');
    await until(() => daemon.asked.includes('down 0') && session.listens('SIGINT'));
    session.signal('SIGINT');
    session.signal('SIGINT');
    session.signal('SIGINT');
    expect(daemon.asked).toEqual(['lease', 'apply', 'down 0', 'down 1', 'down 2']);
    finish();
    expect((await session.done).status).toBe(0);
    expect(session.out).toContain('Skipping the grace periods\nKilling what is left\n');
  });

  test('what could not be stopped is named, and the status is 1', async () => {
    const daemon = daemonThat(project([service('web', [running()])]));
    daemon.downed = () =>
      Promise.resolve({
        stopped: 0,
        leftovers: [{ instance: 'web.1', pid: 4711, command: 'dd\u001b[0m if=x' }],
      });
    const session = new Session(['up'], { daemon, running: false });
    await until(() => session.listens('SIGTERM'));
    session.signal('SIGTERM');
    const { status, err } = await session.done;
    expect(status).toBe(1);
    expect(err).toBe(`error: 1 process of shop could not be stopped
  web.1: pid 4711  dd\\x1b[0m if=x
  next: \`ps -o pid,stat,wchan,cmd -p 4711\` shows what holds them; \`setpoint down\` tries again
`);
    expect(daemon.requests.down[0]?.reason).toBe('SIGTERM');
  });

  test('takes no lease where the project was running, and Ctrl-C leaves it running', async () => {
    const was = project([service('web', [running()])]);
    const daemon = daemonThat(was, { plan: planOf(step('none', 'web.1')) }, was);
    const session = new Session(['up'], { daemon });
    await until(() => session.listens('SIGINT'));
    session.signal('SIGINT');
    expect(await session.done).toEqual({
      status: 0,
      out: 'Attached to shop, which was running already: Ctrl-C leaves it running\nDetached; shop keeps running. `setpoint down` stops it.\n',
      err: '',
    });
    expect(daemon.asked).toEqual(['apply']);
  });

  test('ends with 0 once all have completed by themselves, and takes the daemon along', async () => {
    const done: InstanceState = { kind: 'completed', exit: { kind: 'code', code: 0 }, at: NOW };
    const daemon = daemonThat(project([service('web', [done])]));
    const { status, out } = await run(['up'], { daemon, running: false });
    expect([status, daemon.asked]).toEqual([0, ['lease', 'apply', 'down 0']]);
    expect(out).toContain('All services of shop have ended\n');
  });

  test('ends with 1 once all have ended and one failed', async () => {
    const done: InstanceState = { kind: 'completed', exit: { kind: 'code', code: 0 }, at: NOW };
    const failed: InstanceState = {
      kind: 'failed',
      exit: { kind: 'code', code: 1 },
      reason: { kind: 'text', text: 'exit 1' },
      at: NOW,
    };
    const daemon = daemonThat(project([service('web', [done]), service('job', [failed])]));
    const { status, err } = await run(['up'], { daemon, running: false });
    expect(status).toBe(1);
    expect(err).toContain('error: job: exit 1\n');
  });

  test('goes on with a new daemon, and with the lease, when the daemon is killed under it', async () => {
    const daemon = daemonThat(project([service('web', [running()])]));
    const session = new Session(['up'], { daemon, running: false });
    await until(() => daemon.watchers > 0);
    daemon.vanish();
    await until(() => daemon.watchers > 0 && session.err.includes('took over') && session.listens('SIGINT'));
    session.signal('SIGINT');
    const { status, err } = await session.done;
    expect([status, err]).toEqual([
      0,
      'The daemon of shop was gone; it is back and took over what still runs.\n',
    ]);
    expect(daemon.asked).toEqual(['lease', 'apply', 'lease', 'down 0']);
  });
});

test('causes are told once for all instances of a service that they are the same for', () => {
  const scaled: Cause = { kind: 'scaled', from: 3, to: 1 };
  const removed: Cause = { kind: 'removed' };
  const lines = causeLines(
    planOf(
      step('stop', 'api.2', scaled),
      step('forget', 'api.2', scaled),
      step('stop', 'api.3', scaled),
      step('forget', 'api.3', scaled),
      step('update', 'web.1', { kind: 'changed', fields: [{ field: 'backoff.max', from: '30s', to: '1m' }] }),
      step('start', 'web.2', { kind: 'added' }),
      step('forget', 'old.1', removed),
    ),
  );
  expect(lines).toEqual([
    'api: stopped: scaled 3 -> 1',
    'web.1: updated in place: backoff.max 30s -> 1m',
    'web.2: started: added',
    'old: forgotten: removed from the manifest',
  ]);
});
