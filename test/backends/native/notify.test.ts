import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { FileNotifyFeed, parseNotifyFile } from '../../../src/backends/native/notify.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { Backend, NotifyFeed, NotifyState, Proc, StartRequest } from '../../../src/ports/backend.ts';
import { lacks, lacksRoot } from '../../rig/needs.ts';
import { processesWith } from '../../rig/processes.ts';
import { eventually } from '../../rig/wait.ts';
import { AnotherDaemon } from './another-daemon.ts';
import { kill, readFile, Rig } from './rig.ts';

const noPython = lacks('python3');

let rig: Rig;
let another: AnotherDaemon;
beforeAll(async () => {
  another = await AnotherDaemon.build();
});
afterAll(() => another.close());
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.close();
  // Receivers carry no cookie, but their command lines name the folder.
  await eventually('no receiver is left', () => processesWith(rig.dir).length === 0);
});

/** Said by a program that does as the protocol has it: one datagram for each argument. */
const SENDER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ['NOTIFY_SOCKET'])
for message in sys.argv[1:]: s.send(os.fsencode(message))
`;

function python(): string {
  return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
}

/** A service that sends these and stays. */
function sending(...messages: readonly string[]): string[] {
  return [python(), '-c', `${SENDER}\nimport time\ntime.sleep(1000)`, ...messages];
}

function feedOf(proc: Proc): NotifyFeed {
  if (proc.notify === undefined) throw new Error('it has no feed');
  return proc.notify;
}

function saying(proc: Proc, wanted: Partial<NotifyState>): Promise<NotifyState> {
  return eventually(JSON.stringify(wanted), () => {
    const state = feedOf(proc).current();
    const same = Object.entries(wanted).every(([key, value]) => state[key as keyof NotifyState] === value);
    return same && state;
  });
}

async function started(backend: Backend, request: StartRequest): Promise<Proc> {
  const result = await backend.start(request);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value.proc;
}

async function end(proc: Proc): Promise<void> {
  await proc.signal('SIGKILL', 'unit');
  await proc.exited;
  await proc.gone;
}

const notify: Partial<ConcreteLaunch> = { notify: {} };

/** A folder with links to just these programs, as a PATH. */
function onlyPath(...programs: readonly string[]): string {
  const bin = join(rig.dir, 'bin');
  mkdirSync(bin);
  for (const name of programs) {
    const found = name === 'python3' ? python() : execFileSync('which', [name], { encoding: 'utf8' }).trim();
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${found} "$@"\n`, { mode: 0o755 });
  }
  return bin;
}

describe.skipIf(noPython !== undefined).each([['perl'], ['python3']])(
  'messages received by %s',
  (interpreter) => {
    let backend: Backend;
    beforeEach(() => {
      backend = createNativeBackend({ env: { PATH: onlyPath('mkfifo', 'setpriv', interpreter) } });
    });

    test('are the state, each kind of them', async () => {
      const proc = await started(
        backend,
        rig.request(
          sending(
            'STATUS=loading\nX_OTHER=1\nnonsense',
            'READY=1\nMAINPID=4711\nSTATUS=serving é\u001b[1m',
            'WATCHDOG=1',
            'WATCHDOG=1\nWATCHDOG_USEC=1500',
            'WATCHDOG=trigger',
            'ERRNO=2\nERRNO=x',
            'EXTEND_TIMEOUT_USEC=2000000',
            'EXTEND_TIMEOUT_USEC=3000000',
          ),
          notify,
        ),
      );
      expect(await saying(proc, { extensions: 2 })).toEqual({
        ready: true,
        reloading: false,
        stopping: false,
        status: 'serving é\\x1b[1m',
        pings: 2,
        triggers: 1,
        watchdogMs: 2,
        extendMs: 3000,
        extensions: 2,
      });
      await end(proc);
    });

    test.each([
      [['READY=1', 'RELOADING=1'], { ready: false, reloading: true, stopping: false }],
      [['READY=1', 'RELOADING=1', 'READY=1'], { ready: true, reloading: false, stopping: false }],
      [['READY=1', 'STOPPING=1'], { ready: false, reloading: false, stopping: true }],
      [['RELOADING=1\nREADY=1'], { ready: true, reloading: false, stopping: false }],
      [['READY=1\nSTOPPING=1'], { ready: false, reloading: false, stopping: true }],
      [['READY=0'], { ready: false, reloading: false, stopping: false }],
    ])('%j leave it at %j', async (messages, wanted) => {
      const proc = await started(backend, rig.request(sending(...messages, 'WATCHDOG=1'), notify));
      expect(await saying(proc, { pings: 1 })).toMatchObject(wanted);
      await end(proc);
    });

    test('are all counted in a flood, and the last ones are there when the end is told', async () => {
      const flood = `${SENDER}
for n in range(5000): s.send(b'WATCHDOG=1\\nSTATUS=%d' % n)
s.send(b'ERRNO=5\\nSTATUS=bye')`;
      const proc = await started(backend, rig.request([python(), '-c', flood], notify));
      expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
      expect(feedOf(proc).current()).toMatchObject({ pings: 5000, status: 'bye' });
    });

    test('that are empty, huge or not text do no harm', async () => {
      const odd = `${SENDER}
import time
for message in (b'', b'\\n\\n', b'=', b'\\xff\\xfe=\\x00', b'STATUS=' + b'x' * 60000, b'MAINPID=' + b'9' * 50,
                b'WATCHDOG=1\\n' + b'y' * 100000): s.send(message)
s.send(b'READY=1')
time.sleep(1000)`;
      const proc = await started(backend, rig.request([python(), '-c', odd], notify));
      const state = await saying(proc, { ready: true });
      expect(state).toMatchObject({ pings: 1, status: 'x'.repeat(4096) });
      await end(proc);
    });

    test('that bring descriptors have them closed: a barrier opens', async () => {
      const barrier = `${SENDER}
import array, select
r, w = os.pipe()
s.sendmsg([b'BARRIER=1'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [w]))])
os.close(w)
poll = select.poll()
poll.register(r, 0)
sys.exit(0 if poll.poll(10000) else 1)`;
      const proc = await started(backend, rig.request([python(), '-c', barrier], notify));
      expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    });

    test('wake whoever listens, and nobody who has stopped', async () => {
      const script = `${SENDER}
for line in sys.stdin: s.send(line.strip().encode())`;
      const proc = await started(
        backend,
        rig.request([python(), '-c', script], { ...notify, stdin: 'pipe' }),
      );
      const heard: string[] = [];
      const stop = feedOf(proc).subscribe(() => heard.push(feedOf(proc).current().status ?? ''));
      const quiet = feedOf(proc).subscribe(() => heard.push('never'));
      quiet();
      for (const word of ['one', 'two', 'three']) {
        await proc.input?.write(Buffer.from(`STATUS=${word}\n`));
        await eventually(`${word} was heard`, () => heard.at(-1) === word);
      }
      stop();
      await proc.input?.write(Buffer.from('STATUS=four\n'));
      await saying(proc, { status: 'four' });
      expect(new Set(heard)).toEqual(new Set(['one', 'two', 'three']));
      await end(proc);
    });

    test('come to a socket that only its own user may use, by a process that is no part of the unit', async () => {
      const proc = await started(
        backend,
        rig.request(sending('READY=1'), { notify: { watchdogMs: 1500.5 } }),
      );
      await saying(proc, { ready: true });
      const pid = proc.pid() ?? 0;
      const environ = (readFile(`/proc/${pid}/environ`) ?? '').split('\0');
      const socket = join(rig.dir, 'web.1', 'notify.sock');
      expect(environ).toContain(`NOTIFY_SOCKET=${socket}`);
      expect(environ).toContain('WATCHDOG_USEC=1500500');
      expect(execFileSync('stat', ['-c', '%F %a', socket], { encoding: 'utf8' })).toBe('socket 600\n');
      expect((await proc.members()).map((member) => member.pid)).toEqual([pid]);
      const receiver = processesWith('setpoint-notify').find(({ command }) => command.includes(rig.dir));
      expect(readFile(`/proc/${receiver?.pid ?? 0}/environ`)).not.toContain('SETPOINT_RUN');
      await end(proc);
      await eventually('the socket is gone', () => !existsSync(socket));
      expect(readdirSync(dirname(socket)).sort()).toEqual(
        ['alive', 'exit', 'launcher.sh', 'notify', 'stderr.log', 'stdout.log'].sort(),
      );
      // What was said last can still be read.
      expect(feedOf(proc).current().ready).toBe(true);
    });

    test('come to a short path where the folder has a long one', async () => {
      const request = rig.request(sending('READY=1'), notify, { instance: `web${'x'.repeat(100)}.1` });
      const proc = await started(backend, request);
      await saying(proc, { ready: true });
      const socket = parseNotifyFile(readFile(join(request.instanceDir, 'notify')) ?? '')?.socket ?? '';
      expect(socket.length).toBeLessThan(104);
      await end(proc);
      await eventually('the folder is gone', () => !existsSync(dirname(socket)));
    });

    const root = lacksRoot();
    test.skipIf(root !== undefined)("may come from the service's own user", async () => {
      const script =
        'use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0); send(S, "READY=1", 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die "$!"; sleep 1000';
      const request = rig.request(['/usr/bin/perl', '-e', script], { ...notify, user: 'nobody', cwd: '/' });
      const proc = await started(backend, request);
      await saying(proc, { ready: true });
      const socket = parseNotifyFile(readFile(join(request.instanceDir, 'notify')) ?? '')?.socket ?? '';
      expect(execFileSync('stat', ['-c', '%U %a', socket], { encoding: 'utf8' })).toBe('nobody 600\n');
      await end(proc);
      await eventually('the folder is gone', () => !existsSync(dirname(socket)));
    });
  },
);

describe.skipIf(noPython !== undefined)('the receiver of messages', () => {
  test('goes on without a daemon: a later one reads what was sent meanwhile, and hears what comes', async () => {
    const script = `${SENDER}
print('up', flush=True)
for line in sys.stdin: s.send(line.strip().encode())`;
    const request = rig.request([python(), '-c', script], { ...notify, stdin: 'pipe' });
    await another.startAndDie([request]);
    await eventually('it is up', () => rig.stdout() === 'up\n');
    // By a plain writer, for there is no daemon.
    writeFileSync(join(request.instanceDir, 'stdin'), 'READY=1\nSTATUS=alone\n');
    await eventually('it was received', () =>
      (readFile(join(request.instanceDir, 'notify')) ?? '').includes('STATUS=alone\n'),
    );
    const backend = createNativeBackend({});
    const [proc] = await backend.adopt([rig.adoptRequest(request, { notify: true, stdin: 'pipe' })]);
    if (proc === undefined) throw new Error('nothing adopted');
    expect(feedOf(proc).current()).toMatchObject({ ready: true, status: 'alone' });
    let heard = 0;
    const stop = feedOf(proc).subscribe(() => (heard += 1));
    await proc.input?.write(Buffer.from('STOPPING=1\n'));
    await eventually('it was heard', () => heard > 0 && feedOf(proc).current().stopping);
    stop();
    await end(proc);
    await eventually('the socket is gone', () => !existsSync(join(request.instanceDir, 'notify.sock')));
  });

  test('ends by itself when the daemon died before there was a launcher', async () => {
    const request = rig.request(sending('READY=1'), notify);
    await another.dieAt('before-spawn', request);
    await eventually('it has ended', () => processesWith(rig.dir).length === 0);
    expect(existsSync(join(request.instanceDir, 'notify.sock'))).toBe(false);
  });

  test('ends by itself where the launcher could not be made', async () => {
    expect(await rig.failure(['true', 'x'.repeat(200_000)], notify)).toMatchObject({
      code: 'arguments-too-long',
    });
    await eventually('it has ended', () => processesWith(rig.dir).length === 0);
  });

  test('of the run before is not in the way, be it killed', async () => {
    const first = await started(rig.backend, rig.request(sending('READY=1', 'STATUS=first'), notify));
    await saying(first, { status: 'first' });
    const receiver = processesWith(rig.dir).find(({ command }) => command.includes('setpoint-notify'));
    kill(receiver?.pid ?? 0, 'SIGKILL');
    await end(first);
    const second = await started(rig.backend, rig.request(sending('STATUS=second'), notify));
    expect((await saying(second, { status: 'second' })).ready).toBe(false);
    expect(feedOf(first).current()).toMatchObject({ ready: true, status: 'first' });
    await end(second);
  });

  test('is python where perl cannot do it', async () => {
    const bin = onlyPath('mkfifo', 'python3');
    writeFileSync(join(bin, 'perl'), '#!/bin/sh\necho "no Socket.pm" >&2\nexit 2\n', { mode: 0o755 });
    const proc = await started(
      createNativeBackend({ env: { PATH: bin } }),
      rig.request(sending('READY=1'), notify),
    );
    await saying(proc, { ready: true });
    await end(proc);
  });

  test('works beside a terminal and typed input', async () => {
    const proc = await started(rig.backend, rig.request(sending('READY=1'), { ...notify, tty: true }));
    await saying(proc, { ready: true });
    await end(proc);
  });
});

describe('a start with notify is refused', () => {
  test('where there is neither perl nor python, with what to do', async () => {
    const backend = createNativeBackend({ env: { PATH: onlyPath('mkfifo') } });
    expect(await backend.start(rig.request(['/bin/true'], notify))).toMatchObject({
      ok: false,
      error: {
        code: 'missing-requirement',
        message: expect.stringContaining('perl or python3') as unknown,
        help: expect.stringContaining('install one of them') as unknown,
      },
    });
  });

  test('where none of them works, with what each has said', async () => {
    const bin = onlyPath('mkfifo');
    for (const name of ['perl', 'python3'])
      writeFileSync(join(bin, name), `#!/bin/sh\necho "no ${name} today" >&2\nexit 2\n`, { mode: 0o755 });
    const backend = createNativeBackend({ env: { PATH: bin } });
    expect(await backend.start(rig.request(['/bin/true'], notify))).toMatchObject({
      ok: false,
      error: {
        code: 'other',
        message: expect.stringMatching(/perl: no perl today; python3: no python3 today/) as unknown,
      },
    });
  });

  test('where something else is at the place of its socket, which stays', async () => {
    const request = rig.request(['/bin/true'], notify);
    const path = join(request.instanceDir, 'notify.sock');
    writeFileSync(path, 'precious');
    expect(await rig.backend.start(request)).toMatchObject({ ok: false, error: { code: 'other' } });
    expect(readFileSync(path, 'utf8')).toBe('precious');
    chmodSync(path, 0o600);
  });
});

describe('the file of a receiver', () => {
  test('of another run, or of none, says nothing', () => {
    expect(parseNotifyFile('RUN=a\nREADY=1\n', 'b')).toBeUndefined();
    expect(parseNotifyFile('', 'b')).toBeUndefined();
    expect(parseNotifyFile('READY=1\nRUN=b\n', 'b')).toBeUndefined();
    expect(new FileNotifyFeed('/nowhere', 'r').current()).toMatchObject({ ready: false, pings: 0 });
  });

  test('whatever is in it gives a state without control characters, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const state = parseNotifyFile(`RUN=r\nSTATUS=${text}\nPINGS=${text}\n`, 'r')?.state;
        expect(state?.status ?? '').not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        expect(Number.isSafeInteger(state?.pings)).toBe(true);
      }),
    );
  });
});
