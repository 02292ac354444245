import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/client/client-error.ts';
import type { InstanceState } from '../../src/core/state.ts';
import {
  FakeDaemon,
  Feed,
  instance,
  NOW,
  project,
  type Ran,
  running,
  service,
  Session,
  until,
} from './fake.ts';

const terminal = { columns: 100, rows: 40 };
const ended: InstanceState = {
  kind: 'failed',
  exit: { kind: 'code', code: 7 },
  reason: { kind: 'text', text: 'exit 7' },
  at: NOW,
};

function shell(state: InstanceState = running(), input: 'tty' | 'pipe' | 'none' = 'tty') {
  return project([service('shell', [state], input === 'none' ? {} : { input })]);
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

interface Begun {
  readonly daemon: FakeDaemon;
  readonly keyboard: Feed<Uint8Array>;
  readonly session: Session;
}

async function begin(
  argv: readonly string[] = [],
  tty = true,
  input: 'tty' | 'pipe' = 'tty',
): Promise<Begun> {
  const daemon = new FakeDaemon(shell(running(), input));
  const keyboard = new Feed<Uint8Array>();
  const options = { daemon, keyboard, ...(tty ? { terminal } : {}) };
  const session = new Session(['attach', 'shell', ...argv], options);
  await until(() => daemon.watchers > 0 && daemon.asked.includes('output shell.1'));
  return { daemon, keyboard, session };
}

/** Ends the run, and lets the moment pass in which its last output may come. */
async function finish({ daemon, session }: Begun, state = ended): Promise<Ran> {
  daemon.show(shell(state));
  let done = false;
  const ran = session.done.finally(() => (done = true));
  await until(() => {
    if (!done) session.advance(200);
    return done;
  });
  return ran;
}

describe('attach', () => {
  test('passes on what is typed and what is written, byte by byte, and ends with the status of the run', async () => {
    const begun = await begin();
    const { daemon, keyboard, session } = begun;
    expect([session.raw, daemon.sizes, daemon.backlog]).toEqual([true, ['shell.1 100x40'], 4096]);
    keyboard.push(bytes('ls\u0003\r'));
    daemon.outputs.push(bytes('\u001b[?25lone\r\n\u00e9'));
    await until(() => daemon.typed === 'ls\u0003\r' && session.out.includes('\u00e9'));
    session.signal('SIGWINCH');
    await until(() => daemon.sizes.length === 2);
    const { status, out, err } = await finish(begun);
    expect([status, out]).toEqual([7, '\u001b[?25lone\r\n\u00e9\u001b[?25h\u001b[0m']);
    expect(err).toBe('\nshell has ended: exit 7\n');
    expect([session.raw, session.listens('SIGTERM'), session.listens('SIGWINCH')]).toEqual([
      false,
      false,
      false,
    ]);
  });

  test.each([
    [{ kind: 'code', code: 0 } as const, 0],
    [{ kind: 'signal', signal: 'SIGKILL' } as const, 137],
    [{ kind: 'oom', evidence: 'its cgroup' } as const, 1],
  ])('%j becomes status %i', async (exit, status) => {
    const begun = await begin();
    expect((await finish(begun, { ...ended, exit })).status).toBe(status);
  });

  test('the detach keys leave it running', async () => {
    const { keyboard, session, daemon } = await begin(['--detach-keys', 'ctrl-a,d', '--no-backlog']);
    keyboard.push(bytes('x\u0001'));
    keyboard.push(bytes('d'));
    const { status, err } = await session.done;
    expect([status, err, daemon.typed, daemon.backlog]).toEqual([
      0,
      '\nDetached from shell; it runs on.\n',
      'x',
      0,
    ]);
    expect(session.raw).toBe(false);
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 143],
    ['SIGINT', 0],
  ] as const)('%s leaves it running, with status %i, and the terminal as it was', async (signal, status) => {
    const { session } = await begin();
    session.signal(signal);
    expect((await session.done).status).toBe(status);
    expect(session.raw).toBe(false);
  });

  test('the daemon going away, and any other failure, put the terminal back, too', async () => {
    const gone = await begin();
    gone.daemon.vanish();
    const ran = await gone.session.done;
    expect([ran.status, gone.session.raw]).toEqual([1, false]);
    expect(ran.err).toContain('the daemon of shop ended; its services run on');

    const refused = await begin();
    refused.daemon.takeInput = () => Promise.reject(new ClientError('input-closed', 'nobody reads it'));
    refused.keyboard.push(bytes('x'));
    await until(() => refused.session.timers > 0);
    refused.session.advance(200);
    const failed = await refused.session.done;
    expect([failed.status, failed.err, refused.session.raw]).toEqual([
      1,
      '\nerror: nobody reads it\n',
      false,
    ]);
  });

  test('what is typed at the very end is no failure: the end of the run is', async () => {
    const begun = await begin();
    begun.daemon.takeInput = () => Promise.reject(new ClientError('not-running', 'shell.1 does not run'));
    begun.keyboard.push(bytes('x'));
    await until(() => begun.session.timers > 0);
    begun.daemon.show(shell(ended));
    await until(() => begun.session.timers === 2);
    expect((await finish(begun)).status).toBe(7);
  });

  test('a pipe is copied until its end, and that is the end', async () => {
    const { keyboard, session, daemon } = await begin([], false, 'pipe');
    keyboard.push(bytes('one\n'));
    keyboard.push(bytes('two\n'));
    keyboard.end();
    const { status, err } = await session.done;
    expect([status, daemon.typed, err]).toEqual([0, 'one\ntwo\n', 'Detached from shell; it runs on.\n']);
    expect(daemon.sizes).toEqual([]);
  });

  test('at a terminal, a service with a pipe leaves the editing of lines, and Ctrl-C, to that terminal', async () => {
    const { session, daemon } = await begin([], true, 'pipe');
    expect([session.raw, daemon.sizes]).toEqual([false, []]);
    session.signal('SIGINT');
    expect((await session.done).status).toBe(0);
  });

  test('--read-only types nothing and changes nothing, and works without a standard input', async () => {
    const daemon = new FakeDaemon(shell(running(), 'none'));
    const keyboard = new Feed<Uint8Array>();
    keyboard.push(bytes('rm\r'));
    const session = new Session(['attach', 'shell', '--read-only'], { daemon, keyboard, terminal });
    daemon.outputs.push(bytes('seen'));
    await until(() => session.out.includes('seen'));
    expect([session.raw, daemon.sizes, daemon.typed]).toEqual([false, [], '']);
    session.signal('SIGINT');
    expect((await session.done).status).toBe(0);
  });

  test.each([
    [
      shell(running(), 'none'),
      'shell',
      2,
      'shell has no standard input to type into\n  next: give the service',
    ],
    [shell(ended), 'shell', 1, 'shell does not run: failed\n  next: `setpoint start shell`'],
    [shell(), 'shel', 2, 'there is no service `shel` in shop\n  next: did you mean `shell`?'],
    [
      project([service('shell', [running(), running()], { input: 'tty' })]),
      'shell',
      2,
      'shell has several instances: shell.1, shell.2\n  next: name one of them',
    ],
    [project([service('shell', [])]), 'shell', 2, 'shell has no instances'],
  ])('says why it cannot be attached to', async (snapshot, name, status, said) => {
    const ran = await new Session(['attach', name], { daemon: new FakeDaemon(snapshot) }).done;
    expect(ran.status).toBe(status);
    expect(ran.err).toContain(`error: ${said}`);
  });

  test('one of several instances is meant by its own name', async () => {
    const several = service('shell', [instance('shell', 1, running()), instance('shell', 2, running())], {
      input: 'pipe',
    });
    const daemon = new FakeDaemon(project([several]));
    const keyboard = new Feed<Uint8Array>();
    keyboard.push(bytes('hi'));
    keyboard.end();
    await new Session(['attach', 'shell.2'], { daemon, keyboard }).done;
    expect(daemon.asked).toContain('input shell.2');
  });
});
