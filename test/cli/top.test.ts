import { describe, expect, test } from 'vitest';
import { FakeDaemon, Feed, instance, project, run, running, service, Session, until, used } from './fake.ts';

const shop = project([
  service('db', [instance('db', 1, running(720_000), { restarts: 2 })]),
  service('api', [running(), running()]),
  service('old', [{ kind: 'stopped' }]),
]);
const stats = used({
  'db.1': { cpuPercent: 0.44, memoryBytes: 61 * 2 ** 20 },
  'api.1': { cpuPercent: 120.6, memoryBytes: 5 * 2 ** 20 },
  'api.2': { memoryBytes: 90 * 2 ** 20 },
});

function daemonOf(): FakeDaemon {
  const daemon = new FakeDaemon(shop);
  daemon.stats = stats;
  return daemon;
}

describe('top', () => {
  test('is one table without a terminal, with the daemon below what it looks after', async () => {
    const { status, out } = await run(['top'], { daemon: daemonOf() });
    expect([status, out]).toEqual([
      0,
      `shop  3 running, 1 stopped   CPU 121 %  MEM 156 MiB

SERVICE  CPU    MEM     PROCS  THREADS  FILES  UP   RESTARTS  STATE
api.1    121 %  5 MiB   2      3        4      12m  0         running
db       0.4 %  61 MiB  2      3        4      12m  2         running
api.2    -      90 MiB  2      3        4      12m  0         running
daemon   0.5 %  50 MiB  -      -        30     1m   -         -
`,
    ]);
  });

  test.each([
    ['mem', ['api.2', 'db', 'api.1']],
    ['name', ['api.1', 'api.2', 'db']],
  ])('sorts by %s', async (sort, names) => {
    const { out } = await run(['top', '--sort', sort, '--once'], { daemon: daemonOf() });
    expect(
      out
        .split('\n')
        .slice(3, 6)
        .map((line) => line.split(' ')[0]),
    ).toEqual(names);
  });

  test('shows only what is named, also as JSON', async () => {
    const { out } = await run(['top', 'api.2', '--format', 'json'], { daemon: daemonOf() });
    expect(JSON.parse(out)).toMatchObject({
      at: stats.at,
      instances: [{ instance: 'api.2', memoryBytes: 90 * 2 ** 20, restarts: 0, state: 'running' }],
      daemon: { pid: 4000, memoryBytes: 50 * 2 ** 20 },
    });
    expect((await run(['top', 'wbe'], { daemon: daemonOf() })).status).toBe(2);
  });

  test('fails where the daemon cannot tell, and where there is none', async () => {
    const { status, err } = await run(['top'], { daemon: new FakeDaemon(shop) });
    expect([status, err]).toEqual([2, 'error: there is no such route\n']);
    expect((await run(['top'], { phase: 'down' })).status).toBe(3);
  });

  test('on a terminal it goes on, takes keys, and leaves the screen as it was', async () => {
    const daemon = daemonOf();
    const keyboard = new Feed<Uint8Array>();
    const session = new Session(['top', '--interval', '2s'], {
      daemon,
      keyboard,
      terminal: { columns: 60, rows: 12 },
    });
    await until(() => session.out.includes('q: quit'));
    expect(session.raw).toBe(true);
    expect(session.out).toContain('sorted by [cpu]  m: mem  n: name');
    keyboard.push(Buffer.from('m'));
    await until(() => session.out.includes('[mem]'));
    daemon.stats = used({ 'db.1': { cpuPercent: 33, memoryBytes: 61 * 2 ** 20 } });
    await until(() => session.timers > 0);
    session.advance(2000);
    await until(() => session.out.includes('33 %'));
    keyboard.push(Buffer.from('q'));
    const { status, out } = await session.done;
    expect(status).toBe(0);
    expect(out.startsWith('\u001b[?1049h\u001b[?25l')).toBe(true);
    expect(out.endsWith('\u001b[?25h\u001b[?1049l')).toBe(true);
    expect([session.raw, session.listens('SIGINT'), session.timers]).toEqual([false, false, 0]);
  });

  test('a signal ends it with 0, and so does the end of what can be typed', async () => {
    for (const end of ['signal', 'input'] as const) {
      const keyboard = new Feed<Uint8Array>();
      const session = new Session(['top'], {
        daemon: daemonOf(),
        keyboard,
        terminal: { columns: 80, rows: 24 },
      });
      await until(() => session.out.includes('q: quit') && session.timers > 0);
      if (end === 'signal') session.signal('SIGTERM');
      else keyboard.end();
      expect((await session.done).status).toBe(0);
      expect(session.raw).toBe(false);
    }
  });
});
