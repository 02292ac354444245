import { describe, expect, test } from 'vitest';
import type { PlanStep } from '../../src/core/plan-view.ts';
import type { TuiEnd, TuiOptions } from '../../src/tui/tui.ts';
import { EXIT } from '../../src/cli/exit-status.ts';
import { FakeDaemon, Feed, NOW, project, run, running, service, type Ran } from './fake.ts';

type Asked = Omit<TuiOptions, 'stdin' | 'stdout' | 'env' | 'settingsPath'>;

const UP = project([service('web', [running()]), service('db', [running()])]);

interface Shown {
  readonly ran: Ran;
  readonly asked: readonly Asked[];
  readonly daemon: FakeDaemon;
}

const STEP: PlanStep = {
  id: 'replace:web.1',
  action: 'replace',
  service: 'web',
  instance: 'web.1',
  causes: [{ kind: 'changed', fields: [{ field: 'env.PORT', from: '"1"', to: '"2"' }] }],
  after: [],
  backend: 'native',
};

/** `up` on a terminal, on a project that is `before`; the TUI ends like that. */
async function up(
  end: TuiEnd,
  options: {
    readonly before?: 'idle' | 'up';
    readonly args?: readonly string[];
    readonly keyboard?: false;
    readonly changed?: true;
  } = {},
): Promise<Shown> {
  const daemon = new FakeDaemon(options.before === 'up' ? UP : project([], { phase: 'idle' }));
  daemon.applied = () => {
    daemon.show(UP);
    const plan = {
      project: 'shop',
      manifest: 'setpoint.yaml',
      serviceCount: 2,
      steps: options.changed === true ? [STEP] : [],
      order: [],
      drift: false,
    };
    return { diagnostics: [], plan, snapshot: UP };
  };
  const asked: Asked[] = [];
  const ran = await run(['up', ...(options.args ?? [])], {
    daemon,
    running: options.before === 'up',
    terminal: { columns: 80, rows: 24 },
    ...(options.keyboard === false ? {} : { keyboard: new Feed<Uint8Array>() }),
    services: {
      tui: (given) => {
        asked.push(given);
        return Promise.resolve(end);
      },
    },
  });
  return { ran, asked, daemon };
}

const FAILED = project([
  service('web', [running()]),
  service('bad', [
    {
      id: 'bad.1',
      service: 'bad',
      number: 1,
      wanted: 'up',
      state: {
        kind: 'failed',
        exit: { kind: 'code', code: 3 },
        reason: { kind: 'text', text: 'restart is never' },
        at: NOW,
      },
      restarts: 0,
      ports: {},
      lastCause: 'no such file',
    },
  ]),
]);

describe('up on a terminal', () => {
  test('shows the TUI with the lease, and says what runs on when it was left', async () => {
    const { ran, asked, daemon } = await up({ kind: 'detached', last: UP });
    expect(asked).toMatchObject([{ manifest: UP.daemon.manifest, request: { services: [] } }]);
    expect(asked[0]?.lease).toBeDefined();
    expect(daemon.asked).toEqual(['lease', 'apply']);
    expect(ran).toMatchObject({ status: EXIT.ok, err: '' });
    expect(ran.out).toContain('shop keeps running: 2 running');
    expect(ran.out).toContain('`setpoint tui` comes back to it, `setpoint down` stops it');
  });

  test('has no lease where the project was running before', async () => {
    const { asked, daemon } = await up({ kind: 'detached', last: UP }, { before: 'up' });
    expect(asked[0]).not.toHaveProperty('lease');
    expect(daemon.asked).toEqual(['apply']);
  });

  test('opens with what the apply has done, and why', async () => {
    const { asked, ran } = await up({ kind: 'detached', last: UP }, { before: 'up', changed: true });
    expect(asked[0]?.opening).toBe('web: replaced: env.PORT "1" -> "2"');
    expect(ran.out).toContain('web: replaced: env.PORT "1" -> "2"');
  });

  test('says what was stopped and what had failed', async () => {
    const response = { stopped: 1, leftovers: [] };
    const { ran } = await up({ kind: 'quit', response, before: FAILED, tookMs: 400, last: UP });
    expect(ran).toMatchObject({ status: EXIT.ok });
    expect(ran.out).toBe('bad had failed: exit 3: no such file\nStopped shop: 1 instance in 0.4 s\n');
  });

  test('fails where something could not be stopped, and names it', async () => {
    const response = { stopped: 1, leftovers: [{ instance: 'db.1', pid: 77, command: 'postgres' }] };
    const { ran } = await up({ kind: 'quit', response, last: UP });
    expect(ran.status).toBe(EXIT.failure);
    expect(ran.err).toContain('db.1: pid 77  postgres');
  });

  test('brings down what it holds when it is told to end, and waits for that', async () => {
    const { ran, daemon } = await up({ kind: 'signal', signal: 'SIGTERM', last: UP });
    expect(daemon.requests.down).toMatchObject([{ reason: 'SIGTERM', level: 0 }]);
    expect(ran.status).toBe(EXIT.ok);
  });

  test('leaves the rest to the end of the lease when its terminal is gone', async () => {
    const { ran, daemon } = await up({ kind: 'signal', signal: 'SIGHUP', last: UP });
    expect(daemon.requests.down).toEqual([]);
    expect(ran).toMatchObject({ status: EXIT.terminated, out: '', err: '' });
  });

  test('says why where somebody else brought the project down', async () => {
    const shutdown = { reason: 'going home', deadline: NOW, level: 0 };
    const { ran } = await up({ kind: 'daemon-ended', last: { ...UP, phase: 'shutting-down', shutdown } });
    expect(ran.status).toBe(EXIT.failure);
    expect(ran.err).toContain('shop was brought down: going home');
  });

  test.each([[['-d']], [['--wait']]])('does not open it with %s', async (args) => {
    const { asked } = await up({ kind: 'detached', last: UP }, { args: [...args, '--timeout', '0'] });
    expect(asked).toEqual([]);
  });
});
