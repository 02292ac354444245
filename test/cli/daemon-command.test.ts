import { describe, expect, test } from 'vitest';
import type { CliServices } from '../../src/cli/services.ts';
import type { ProjectSnapshot } from '../../src/core/api.ts';
import { FakeDaemon, LOCATION, project, run, running, service, Session, until, used } from './fake.ts';

const shop = project([service('web', [running(), running()]), service('job', [{ kind: 'stopped' }])]);

function successor(snapshot: ProjectSnapshot = shop): FakeDaemon {
  return new FakeDaemon({ ...snapshot, daemon: { ...snapshot.daemon, pid: 5000, version: '0.2.0' } });
}

/** The old daemon, and what `ensureDaemon` finds from the moment it has gone. */
function handingOver(old: FakeDaemon, next: FakeDaemon | undefined): Partial<CliServices> {
  let gone = false;
  old.handedOver = () => {
    gone = next !== undefined;
    old.vanish();
  };
  return {
    connect: () => Promise.resolve(gone ? undefined : old.client),
    ensureDaemon: () =>
      Promise.resolve(
        gone && next !== undefined
          ? { client: next.client, started: true }
          : { client: old.client, started: false },
      ),
  };
}

describe('daemon', () => {
  test('status tells where it is and what it uses, also as JSON', async () => {
    const daemon = new FakeDaemon(shop);
    daemon.stats = used({});
    const { status, out } = await run(['daemon', 'status'], { daemon });
    expect([status, out]).toEqual([
      0,
      `project   shop (up)
manifest  /home/ada/shop/setpoint.yaml
pid       4000
version   0.1.0 (api 1)
up        1m
memory    50 MiB
services  2 instances
socket    /run/0123456789abcdef.sock
state     /state/shop-0123456789abcdef
log       /state/shop-0123456789abcdef/daemon.log
`,
    ]);
    const json = await run(['daemon', 'status', '--format', 'json'], { daemon });
    expect(JSON.parse(json.out)).toMatchObject({
      running: true,
      pid: 4000,
      uptimeMs: 60_000,
      socket: LOCATION.socketPath,
      stats: { memoryBytes: 50 * 2 ** 20 },
    });
  });

  test('asking after it does not bring it back', async () => {
    const services = { ensureDaemon: () => Promise.reject(new Error('nobody asked for that')) };
    for (const action of ['status', 'stop']) {
      const { status, err } = await run(['daemon', action], { phase: 'up', services });
      expect(status).toBe(3);
      expect(err).toContain('the daemon of shop is not running');
      expect(err).toContain('its services may run on');
    }
    expect((await run(['daemon', 'restart'], { phase: 'down', services })).status).toBe(3);
  });

  test('restart hands over, waits for another one, and counts what runs on', async () => {
    const old = new FakeDaemon(shop);
    const { status, out } = await run(['daemon', 'restart'], { services: handingOver(old, successor()) });
    expect([status, out]).toEqual([
      0,
      'Daemon of shop: 0.1.0 (pid 4000) -> 0.2.0 (pid 5000)\n2 instances run on\n',
    ]);
    expect(old.asked).toEqual(['hand over: setpoint daemon restart']);
  });

  test('restart names what did not run on, and fails', async () => {
    const after = successor(project([service('web', [running(), { kind: 'stopped' }])]));
    const { status, out, err } = await run(['daemon', 'restart', '--format', 'json'], {
      services: handingOver(new FakeDaemon(shop), after),
    });
    expect([status, JSON.parse(out)]).toEqual([
      1,
      {
        before: { pid: 4000, version: '0.1.0' },
        after: { pid: 5000, version: '0.2.0' },
        kept: 1,
        lost: ['web.2'],
      },
    ]);
    expect(err).toContain('web.2 did not run on');
  });

  test('restart brings back one that was gone', async () => {
    const { status, out } = await run(['daemon', 'restart'], {
      daemon: successor(),
      running: false,
      phase: 'up',
    });
    expect([status, out]).toEqual([
      0,
      'The daemon of shop was not running; 0.2.0 (pid 5000) took over 2 instances.\n',
    ]);
  });

  test('one that does not go is named, after a while', async () => {
    const session = new Session(['daemon', 'restart'], {
      services: handingOver(new FakeDaemon(shop), undefined),
    });
    let over = false;
    const ran = session.done.finally(() => (over = true));
    await until(() => {
      if (!over) session.advance(1000);
      return over;
    });
    const { status, err } = await ran;
    expect(status).toBe(1);
    expect(err).toContain(
      'the daemon of shop (pid 4000) was asked to hand over and has not ended within 10s',
    );
    expect(err).toContain('`kill -9 4000`');
  });

  test('stop says that nobody looks after what runs on', async () => {
    const old = new FakeDaemon(shop);
    const { status, out } = await run(['daemon', 'stop'], { services: handingOver(old, successor()) });
    expect(status).toBe(0);
    expect(out).toContain('The daemon of shop (pid 4000) has ended. 2 instances run on unsupervised');
    expect(old.asked).toEqual(['hand over: setpoint daemon stop']);
  });
});
