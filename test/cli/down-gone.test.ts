import { expect, test } from 'vitest';
import { ClientError } from '../../src/client/client-error.ts';
import { FakeDaemon, instance, project, run, running, service } from './fake.ts';

/** A daemon that goes away the first `times` times it is asked to bring its project down. */
function leaving(times: number): FakeDaemon {
  const daemon = new FakeDaemon(project([service('db', [instance('db', 1, running())])]));
  let asked = 0;
  daemon.downed = () => {
    asked += 1;
    return asked <= times
      ? Promise.reject(new ClientError('daemon-gone', 'the daemon ended the connection'))
      : Promise.resolve({ stopped: 1, leftovers: [] });
  };
  return daemon;
}

test('down says that nothing runs where the daemon was through with an earlier shutdown before it heard of this one', async () => {
  const daemon = leaving(1);
  let looks = 0;
  const connect = () => Promise.resolve((looks += 1) === 1 ? daemon.client : undefined);
  const { status, out, err } = await run(['down'], { daemon, phase: 'down', services: { connect } });
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toMatch(/shop is not running\n$/);
  expect(daemon.asked).toEqual(['down 0']);
});

test('down goes on with the next daemon where one is killed meanwhile', async () => {
  const daemon = leaving(1);
  let looks = 0;
  const connect = () => Promise.resolve((looks += 1) === 1 ? daemon.client : undefined);
  const ensureDaemon = () => Promise.resolve({ client: daemon.client, started: true });
  const { status, out, err } = await run(['down'], {
    daemon,
    phase: 'up',
    services: { connect, ensureDaemon },
  });
  expect(status).toBe(0);
  expect(err).toContain('was gone; it is back');
  expect(out).toMatch(/shop is down, and nothing of it is left\n$/);
  expect(daemon.asked).toEqual(['down 0', 'down 0']);
});

test('down gives up where one daemon after the other goes away', async () => {
  const daemon = leaving(Infinity);
  const { status, err } = await run(['down'], { daemon });
  expect(status).toBe(1);
  expect(err).toContain('the daemon ended the connection');
  expect(daemon.asked).toHaveLength(3);
});
