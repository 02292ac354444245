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
          reason: 'exit 1, on-failure: retry 2 in 2s',
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
