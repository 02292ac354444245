/** What the commands say of containers, of what an engine keeps, and of changes that could not be taken up. */
import { describe, expect, test } from 'vitest';
import { judgeApplied, notUp } from '../../src/cli/up-progress.ts';
import type { CleanupReport, FailedChange, ProjectSnapshot } from '../../src/core/api.ts';
import type { PlanView } from '../../src/core/plan-view.ts';
import { FakeDaemon, instance, NOW, on, project, run, running, service, Session, until } from './fake.ts';

const SHOP = project([service('db', [running()], { backend: 'docker' })]);

function removing(report: Partial<CleanupReport>, stopped = 1): FakeDaemon {
  const daemon = new FakeDaemon(SHOP);
  const removed = { containers: [], networks: [], volumes: [], failed: [], ...report };
  daemon.downed = () => Promise.resolve({ stopped, leftovers: [], removed });
  return daemon;
}

describe('down', () => {
  test('names what was removed besides, volumes where they were asked for', async () => {
    const daemon = removing({
      containers: ['shop-db-1', 'shop-old-1'],
      networks: ['shop_default'],
      volumes: ['shop_data'],
    });
    const { status, out, err } = await run(['down', '--volumes'], { daemon });
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(
      /\nremoved container shop-db-1, shop-old-1\nremoved network shop_default\nremoved volume shop_data\nshop is down, and nothing of it is left\n$/,
    );
    expect(daemon.requests.down).toEqual([{ reason: 'setpoint down', level: 0, volumes: true }]);
  });

  test('asks for no volumes unless told to, and says nothing of what there never was', async () => {
    const daemon = removing({});
    const { out } = await run(['down'], { daemon });
    expect(out).not.toContain('removed');
    expect(daemon.requests.down).toEqual([{ reason: 'setpoint down', level: 0 }]);
  });

  test('fails, naming what could not be removed and why, beside what was', async () => {
    const daemon = removing({
      containers: ['shop-db-1'],
      failed: [
        { what: 'network shop_default', why: 'it has active endpoints' },
        { what: 'volume shop_data', why: 'in use\nby \u001b[31mothers' },
      ],
    });
    const { status, out, err } = await run(['down', '--volumes'], { daemon });
    expect(status).toBe(1);
    expect(out).toContain('removed container shop-db-1\n');
    expect(out).not.toContain('is down');
    expect(err).toBe(`error: not all of shop could be removed
  network shop_default: it has active endpoints
  volume shop_data: in use by \\x1b[31mothers
  next: \`setpoint down\` tries again
`);
  });

  test('a leftover that is no process goes by its name', async () => {
    const daemon = new FakeDaemon(SHOP);
    const leftover = {
      instance: 'db.1',
      command: 'container shop-db-1',
      reason: 'the engine does not answer',
    };
    daemon.downed = () => Promise.resolve({ stopped: 0, leftovers: [leftover] });
    const { status, err } = await run(['down'], { daemon });
    expect(status).toBe(1);
    expect(err).toContain(
      'something of shop could not be stopped\n  db.1: container shop-db-1, the engine does not answer\n',
    );
  });

  test('--volumes removes what a project that is down has kept', async () => {
    const daemon = removing({ volumes: ['shop_data'] }, 0);
    const { status, out } = await run(['down', '--volumes'], { daemon, running: false, keepsVolumes: true });
    expect(status).toBe(0);
    expect(out).toBe('removed volume shop_data\nshop was not running, and nothing of it is left\n');
    expect(daemon.requests.down).toMatchObject([{ volumes: true }]);
  });

  test('without --volumes, or where nothing was kept, no daemon is started for it', async () => {
    for (const options of [
      { argv: ['down'], keepsVolumes: true },
      { argv: ['down', '--volumes'], keepsVolumes: false },
    ]) {
      const daemon = removing({});
      const { out } = await run(options.argv, { daemon, running: false, keepsVolumes: options.keepsVolumes });
      expect([out, daemon.asked]).toEqual(['shop is not running\n', []]);
    }
  });
});

const VIEW: PlanView = {
  project: 'shop',
  manifest: 'setpoint.yaml',
  serviceCount: 1,
  steps: [],
  order: [],
  drift: true,
};

describe('plan', () => {
  test('--format docker prints the lines as a script, and asks the daemon for them', async () => {
    const daemon = new FakeDaemon(SHOP);
    const asked: unknown[] = [];
    const client = {
      ...daemon.client,
      plan: (request: Parameters<typeof daemon.client.plan>[0]) => {
        asked.push(request.commandLines);
        return daemon.client.plan(request);
      },
    };
    daemon.planned = {
      diagnostics: [],
      plan: VIEW,
      commandLines: [
        { instance: 'db.1', line: 'docker run --name shop-db-1 -e PASSWORD=*** postgres:16' },
        { instance: 'web.1', line: 'docker run --name shop-web-1 nginx' },
      ],
    };
    const services = { connect: () => Promise.resolve(client) };
    const { status, out } = await run(['plan', '--format', 'docker'], { daemon, services });
    expect(status).toBe(2);
    expect(out).toBe(`# db.1
docker run --name shop-db-1 -e PASSWORD=*** postgres:16

# web.1
docker run --name shop-web-1 nginx
`);
    expect(asked).toEqual([true]);
  });

  test('--format docker starts a daemon where there is none, since only that can tell', async () => {
    const daemon = new FakeDaemon(SHOP);
    daemon.planned = { diagnostics: [], plan: { ...VIEW, drift: false }, commandLines: [] };
    expect(await run(['plan', '--format', 'docker'], { daemon, running: false })).toMatchObject({
      status: 0,
      out: '',
    });
  });

  test('names orphans, and says so where it cannot be told whether there are any', async () => {
    const daemon = new FakeDaemon(SHOP);
    const orphan = { id: 'c1', name: 'shop-old-1', service: 'old', running: true };
    daemon.planned = { diagnostics: [], plan: { ...VIEW, orphans: [orphan] } };
    const { status, out } = await run(['plan'], { daemon });
    expect(status).toBe(2);
    expect(out).toContain('  - orphan container shop-old-1  (from an earlier manifest): remove\n');
    expect(out).toContain('1 orphan to remove.');

    const orphansUnknown = 'the engine does not answer';
    daemon.planned = { diagnostics: [], plan: { ...VIEW, drift: false, orphansUnknown } };
    const other = await run(['plan'], { daemon });
    expect(other.status).toBe(0);
    expect(other.out).toContain('  ? whether there are orphans is not known: the engine does not answer\n');
  });
});

const KEPT_REASON = 'what it needs could not be brought about: pull failed: no such tag';
const KEPT: FailedChange = {
  service: 'api',
  reason: { kind: 'text', text: KEPT_REASON },
  rolledBack: false,
  kept: true,
};

/** `api` and what it depends on, as they are after an apply. */
function shop(api: Parameters<typeof instance>[3], ...failed: FailedChange[]): ProjectSnapshot {
  const services = [
    service('db', [running()]),
    service('api', [instance('api', 1, running(), api)], { dependsOn: [on('db')], backend: 'docker' }),
  ];
  const manifest = { state: 'in-sync', watched: true, errors: 0 } as const;
  return project(services, { manifest: { ...manifest, ...(failed.length === 0 ? {} : { failed }) } });
}

describe('up', () => {
  test('--wait goes on while an instance is to be replaced, and fails where its change was not taken up', async () => {
    const pulling = shop({ replacing: true, progress: 'pulling api:2 45 %' });
    const daemon = new FakeDaemon(shop({}));
    daemon.applied = () => {
      daemon.show(pulling);
      return { diagnostics: [], plan: VIEW, snapshot: pulling };
    };
    const session = new Session(['up', '-d', '--wait'], { daemon });
    await until(() => session.timers > 0 && session.out.includes('running (to be replaced'));
    session.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(session.out).toContain('api: running (to be replaced: pulling api:2 45 %)');
    expect(session.out).not.toContain('is up');
    daemon.lines = [
      {
        service: 'api',
        instance: 'api.1',
        stream: 'stderr',
        time: NOW,
        at: 0,
        text: 'of the former version',
      },
    ];
    daemon.show(shop({ lastCause: 'long ago' }, KEPT));
    const { status, out, err } = await session.done;
    expect(status).toBe(1);
    expect(out).not.toContain('is up');
    expect(err).toBe(`error: api: the change was not taken up: ${KEPT_REASON}; its former version goes on
  next: \`setpoint explain api\`, \`setpoint up\` tries it again
`);
  });

  test('a change that was not taken up is a failure of those that were asked for alone', () => {
    const now = NOW;
    expect(judgeApplied(shop({}, KEPT), now, 'wait')).toMatchObject({
      kind: 'failed',
      culprits: [{ name: 'api', kept: true }],
    });
    expect(judgeApplied(shop({}, KEPT), now, 'begin').kind).toBe('failed');
    expect(judgeApplied(shop({}, KEPT), now, 'wait', new Set(['db'])).kind).toBe('up');
    // One that was begun, and did not come up or was put out again, is told by its state.
    const { kept: _kept, ...begun } = KEPT;
    expect(judgeApplied(shop({}, begun), now, 'wait').kind).toBe('up');
    expect(judgeApplied(shop({ replacing: true }), now, 'wait').kind).toBe('pending');
    expect(judgeApplied(shop({ replacing: true }), now, 'begin').kind).toBe('up');
  });

  test('when the time runs out, what is being brought about and what is not known is told', () => {
    expect(notUp(shop({ replacing: true, progress: 'pulling api:2 45 %' }), NOW)).toMatchObject([
      { name: 'api', reason: 'is still to be replaced: pulling api:2 45 %' },
    ]);
    const starting = { kind: 'starting', run: 'r', since: NOW } as const;
    expect(
      notUp(shop({ state: starting, progress: 'pulling api:2 45 %', unknown: 'no answer' }), NOW),
    ).toMatchObject([
      { name: 'api', reason: 'is still starting: pulling api:2 45 %, as far as is known: no answer' },
    ]);
  });
});

describe('status', () => {
  test('names a change that was not taken up, what is to be replaced, and what is not known', async () => {
    const status = async (snapshot: ProjectSnapshot): Promise<string> =>
      (await run(['status'], { daemon: new FakeDaemon(snapshot) })).out;
    expect(await status(shop({}, KEPT))).toContain(
      `✖ api: the change was not taken up: ${KEPT_REASON}; its former version goes on\n`,
    );
    expect(await status(shop({ replacing: true }))).toContain('running (to be replaced)');
    const unknown = await status(shop({ unknown: 'the engine does not answer' }));
    expect(unknown).toContain('2 services: 1 running, 1 unknown');
    expect(unknown).toContain('running (unknown: the engine does not answer)');
  });
});
