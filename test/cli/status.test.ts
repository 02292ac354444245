import { describe, expect, test } from 'vitest';
import {
  FakeDaemon,
  LOCATION,
  NOW,
  happening,
  instance,
  nowhere,
  project,
  run,
  running,
  service,
  Session,
  until,
  used,
} from './fake.ts';

const shop = project(
  [
    service('db', [instance('db', 1, running(76 * 3_600_000), { ports: { main: 5432 } })]),
    service('api', [
      instance('api', 1, running(720_000), { restarts: 1, ports: { http: 8081 } }),
      instance('api', 2, running(720_000), { ports: { http: 8082, admin: 9090 } }),
    ]),
    service('worker', [
      instance(
        'worker',
        1,
        {
          kind: 'backoff',
          attempt: 2,
          since: NOW - 100,
          until: NOW + 1900,
          delayMs: 2000,
          exit: { kind: 'code', code: 1 },
          reason: { kind: 'text', text: 'exit 1, on-failure: retry 2 in 2s' },
        },
        { restarts: 2, lastCause: "Cannot find module './queue'\n\u001b[31mat load" },
      ),
    ]),
    service('migrate', [{ kind: 'completed', exit: { kind: 'code', code: 0 }, at: NOW - 5000 }]),
  ],
  { inactive: ['debug'] },
);

describe('status', () => {
  test('shows every instance with its state, ports and last words', async () => {
    const { status, out, err } = await run(['status'], { daemon: new FakeDaemon(shop) });
    expect(err).toBe('');
    expect(out).toBe(
      `shop  4 services: 3 running, 1 backoff, 1 completed      setpoint.yaml

SERVICE  STATE              UP     RESTARTS  PORTS                  BACKEND
db       running            3d 4h  0         5432                   native
api.1    running            12m    1         8081                   native
api.2    running            12m    0         http 8082, admin 9090  native
worker   backoff 1.9 s (2)  -      2         -                      native   exit 1: Cannot find module './queue' \\x1b[31mat load
migrate  completed          -      0         -                      native   exit 0
`,
    );
    expect(status).toBe(0);
  });

  test('shows readiness, schedules and limits, and what probes and services say', async () => {
    const failing = { what: 'http', inARow: 3, retries: 3 };
    const since = NOW - 12_000;
    const daemon = new FakeDaemon(
      project([
        service('db', [
          instance(
            'db',
            1,
            { kind: 'running', run: 'r', since, readiness: { kind: 'ready', since, tookMs: 300 } },
            { statusText: 'serving 3\nclients' },
          ),
        ]),
        service('web', [
          instance(
            'web',
            1,
            { kind: 'running', run: 'r', since, readiness: { kind: 'pending' } },
            { ready: { ...failing, last: { ok: false, at: NOW, tookMs: 3, output: 'ECONNREFUSED' } } },
          ),
          instance(
            'web',
            2,
            {
              kind: 'running',
              run: 'r',
              since,
              readiness: { kind: 'lost', since: NOW, reason: { kind: 'text', text: 'http failed' } },
            },
            { ready: { ...failing, last: { ok: false, at: NOW, tookMs: 3, output: 'HTTP 503' } } },
          ),
        ]),
        service('job', [
          instance(
            'job',
            1,
            { kind: 'scheduled', since, exit: { kind: 'code', code: 3 } },
            { nextRun: NOW + 180_000 },
          ),
        ]),
        service('old', [
          {
            kind: 'skipped',
            reason: { kind: 'text', text: 'db failed (killed for lack of memory (cgroup))' },
          },
        ]),
      ]),
    );
    const { out } = await run(['status'], { daemon });
    expect(out).toBe(`shop  4 services: 1 ready, 2 not ready, 1 skipped, 1 scheduled      setpoint.yaml

SERVICE  STATE                          UP   RESTARTS  PORTS  BACKEND
db       ready                          12s  0         -      native   serving 3 clients
web.1    running (not ready)            12s  0         -      native   ECONNREFUSED
web.2    running (not ready: HTTP 503)  12s  0         -      native   HTTP 503
job      scheduled, next in 3m          -    0         -      native   last: exit 3
old      skipped                        -    0         -      native   db failed (killed for lack of memory, cgroup)
`);
  });

  test('shows what instances use where the daemon can tell at once', async () => {
    const daemon = new FakeDaemon(shop);
    daemon.stats = used({
      'db.1': { cpuPercent: 0.44, memoryBytes: 61 * 2 ** 20 },
      'api.1': { memoryBytes: 9 },
    });
    const { out } = await run(['status', 'db', 'api.1', 'worker'], { daemon });
    expect(out).toMatch(/^SERVICE +STATE +UP +RESTARTS +CPU +MEM +PORTS +BACKEND$/m);
    expect(out).toMatch(/^db +running +3d 4h +0 +0\.4 % +61 MiB +5432 +native$/m);
    expect(out).toMatch(/^api\.1 +running +12m +1 +- +9 B +8081 +native$/m);
    expect(out).toMatch(/^worker +backoff 1\.9 s \(2\) +- +2 +- +- +- +native +exit 1/m);
    expect(out).not.toContain('api.2');
  });

  test('does not wait for figures that take longer than a moment', async () => {
    const daemon = new FakeDaemon(shop);
    daemon.stats = new Promise(() => undefined);
    const session = new Session(['status'], { daemon });
    await until(() => session.timers > 0);
    session.advance(1000);
    const { status, out } = await session.done;
    expect([status, out.includes('api.2'), out.includes('MEM')]).toEqual([0, true, false]);
    expect(daemon.asked).toEqual(['stats at once']);
  });

  test('takes names and labels, and says which name is not there', async () => {
    const labelled = project([
      service('db', [running()], { labels: { tier: 'data', constructor: 'x' } }),
      service('web', [running()], { labels: { tier: 'front', note: 'a=b' } }),
    ]);
    const names = async (...argv: string[]): Promise<string[]> => {
      const { out } = await run(['status', '--format', 'json', ...argv], {
        daemon: new FakeDaemon(labelled),
      });
      return (JSON.parse(out) as { services: { id: string }[] }).services.map(({ id }) => id);
    };
    expect(await names('-l', 'tier')).toEqual(['db', 'web']);
    expect(await names('-l', 'tier=data')).toEqual(['db']);
    expect(await names('-l', 'tier', '-l', 'note=a=b')).toEqual(['web']);
    expect(await names('-l', 'toString')).toEqual([]);
    expect(await names('web.1')).toEqual(['web']);
    expect(await names('web', '-l', 'tier=data')).toEqual([]);
    const unknown = await run(['status', 'bd'], { daemon: new FakeDaemon(labelled) });
    expect([unknown.status, unknown.err]).toEqual([
      2,
      'error: there is no service `bd` in shop\n  next: did you mean `db`?\n',
    ]);
  });

  test('drops columns on a narrow terminal, the least important first, and never passes its width', async () => {
    const narrow = await run(['ps', '--no-color'], {
      daemon: new FakeDaemon(shop),
      terminal: { columns: 44, rows: 24 },
    });
    expect(narrow.out).toBe(
      `shop  4 services: 3 running, 1 backoff, 1 c…

SERVICE  STATE              UP     RESTARTS
db       running            3d 4h  0
api.1    running            12m    1
api.2    running            12m    0
worker   backoff 1.9 s (2)  -      2
migrate  completed          -      0
`,
    );
  });

  test('names inactive services with --all', async () => {
    const { out } = await run(['status', '-a'], { daemon: new FakeDaemon(shop) });
    expect(out.split('\n').at(-2)).toBe('inactive (no profile of theirs is active): debug');
  });

  test('prints the snapshot as JSON, without colours even where they are forced', async () => {
    const { out } = await run(['ls', '--format', 'json', '--color', 'always'], {
      daemon: new FakeDaemon(shop),
    });
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(shop)));
    expect(out).not.toContain('\u001b[');
    const daemon = new FakeDaemon(shop);
    daemon.stats = used({ 'db.1': { memoryBytes: 7 } });
    const withStats = await run(['status', '--format', 'json'], { daemon });
    expect(JSON.parse(withStats.out)).toMatchObject({ name: 'shop', stats: daemon.stats });
  });

  test('colours on a terminal, unless NO_COLOR is set; FORCE_COLOR and --color win over what is found out', async () => {
    const terminal = { columns: 200, rows: 24 };
    const colours = async (argv: string[], env: Record<string, string>, tty: boolean): Promise<boolean> => {
      const daemon = new FakeDaemon(shop);
      const { out } = await run(['status', ...argv], { daemon, env, ...(tty ? { terminal } : {}) });
      return out.includes('\u001b[');
    };
    expect(await colours([], {}, true)).toBe(true);
    expect(await colours([], {}, false)).toBe(false);
    expect(await colours([], { NO_COLOR: '1' }, true)).toBe(false);
    expect(await colours([], { NO_COLOR: '' }, true)).toBe(true);
    expect(await colours([], { FORCE_COLOR: '1' }, false)).toBe(true);
    expect(await colours([], { FORCE_COLOR: '0' }, true)).toBe(false);
    expect(await colours(['--no-color'], { FORCE_COLOR: '1' }, true)).toBe(false);
    expect(await colours(['--color', 'always'], { NO_COLOR: '1' }, false)).toBe(true);
    expect(await colours(['--color=never'], {}, true)).toBe(false);
  });

  test('says that nothing runs, with how each instance stood last', async () => {
    const journal = [
      happening(
        { type: 'instance-started', run: 'a', pid: 7, cause: { kind: 'added' } },
        { instance: 'web.1' },
      ),
      happening(
        { type: 'instance-stopped', run: 'a', exit: { kind: 'signal', signal: 'SIGTERM' } },
        { instance: 'web.1' },
      ),
    ];
    const options = { phase: 'down', services: { journal: () => Promise.resolve(journal) } } as const;
    const { status, out } = await run(['status'], options);
    expect(status).toBe(0);
    const [first, , head, row] = out.split('\n');
    expect([first, head]).toEqual(['shop is not running', 'SERVICE  WHEN                 LAST']);
    expect(row).toMatch(/^web\.1 {4}2026-03-01 \d\d:02:11 {2}stopped, killed by SIGTERM$/);
    const json = await run(['status', '--format', 'json'], options);
    expect(JSON.parse(json.out)).toEqual({ name: 'shop', phase: 'down', last: [journal[1]] });
  });

  test('brings the daemon back where the project was up, and says so on stderr', async () => {
    const daemon = new FakeDaemon(shop);
    const { status, out, err } = await run(['status'], { daemon, running: false, phase: 'up' });
    expect(status).toBe(0);
    expect(out).toContain('api.2');
    expect(err).toBe('The daemon of shop was gone; it is back and took over what still runs.\n');
    expect(daemon.closed).toBe(true);
  });

  test('ends with 3 where there is no project', async () => {
    const { status, out, err } = await run(['status'], { services: { locate: nowhere } });
    expect([status, out]).toEqual([3, '']);
    expect(err).toBe('error: no setpoint.yaml here\n  next: write one with `setpoint init`\n');
  });

  test('finds the project of the location that the options name', async () => {
    const seen: unknown[] = [];
    const services = {
      locate: (request: unknown) => {
        seen.push(request);
        return Promise.resolve({ ok: true as const, value: LOCATION });
      },
    };
    await run(['-f', 'a.yaml', '--project-name=x', 'status', '-f', 'b.yaml', '-C', '/'], {
      daemon: new FakeDaemon(shop),
      services,
    });
    expect(seen).toEqual([{ cwd: '/', files: ['a.yaml', 'b.yaml'], projectName: 'x', manifestFirst: false }]);
  });
});
