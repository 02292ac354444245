import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, type TestContext } from 'vitest';
import { bwrapFacts } from '../../../src/backends/sandbox/bwrap-facts.ts';
import type { Mount, SandboxSpec } from '../../../src/core/service.ts';
import { lacks, lacksRoot } from '../../rig/needs.ts';
import { eventually } from '../../rig/wait.ts';
import { kill, runs } from '../native/rig.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import { bwrapAbove, enclosingBackend, SANDBOX, SandboxRig, STRICT } from './rig.ts';

/** Where nothing may lack the tests run and fail. */
const MAY_LACK = process.env['SETPOINT_TEST_REQUIRE_ALL'] === undefined;
const LACK = lacks('bwrap') ?? (MAY_LACK ? await hindrance() : undefined);

async function hindrance(): Promise<string | undefined> {
  const facts = await bwrapFacts({ env: process.env });
  return facts.kind === 'usable' ? undefined : facts.reason;
}

let rig: SandboxRig;
beforeEach((ctx) => {
  skipFor(ctx, LACK);
  rig = new SandboxRig();
});
afterEach(() => (rig as SandboxRig | undefined)?.close());

function skipFor(ctx: TestContext, lack: string | undefined): void {
  if (lack !== undefined) ctx.skip(lack);
}

function bind(source: string, target: string, readOnly = false): Mount {
  return { type: 'bind', source, target, readOnly, optional: false };
}

const PROFILES: readonly (readonly [string, Partial<ConcreteLaunch>])[] = [
  ['mounts alone', { mounts: [{ type: 'tmpfs', target: '/var/tmp' }] }],
  ['the default sandbox', { sandbox: SANDBOX }],
  ['the strict sandbox', { sandbox: STRICT }],
];

describe.each(PROFILES)('a run within %s', (_name, launch) => {
  test.each([0, 7, 143])('ends with exit code %i', async (code) => {
    expect(await (await rig.enclosed(`exit ${code}`, launch)).exited).toEqual({ kind: 'code', code });
    expect(rig.stderr()).toBe('');
  });

  test.each(['SIGTERM', 'SIGKILL', 'SIGSEGV'])(
    'ends by a %s of its own, told from the exit code',
    async (signal) => {
      const proc = await rig.enclosed(`exec sh -c 'kill -${signal.slice(3)} $$; sleep 1000'`, {
        ...launch,
        limits: { core_size: 0 },
      });
      // The first process of a namespace is the launcher, so the service has the defaults of any other.
      expect(await proc.exited).toEqual({ kind: 'signal', signal });
    },
  );

  test('ends of a signal that it does not handle', async () => {
    const proc = await rig.enclosed('echo up; exec sleep 1000', launch);
    await eventually('it runs', () => rig.stdout() === 'up\n');
    expect(await proc.signal('SIGTERM', 'unit')).toBe(1);
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  });

  test.each(['unit', 'main'] as const)(
    'gets a signal to the %s once, and its own end is waited for',
    async (scope) => {
      const proc = await rig.enclosed(
        'trap "echo got" TERM; trap "exit 3" USR1; echo up; while :; do sleep 0.02; done',
        launch,
      );
      await eventually('it runs', () => rig.stdout() === 'up\n');
      await proc.signal('SIGTERM', scope);
      await eventually('it got the signal', () => rig.stdout().includes('got'));
      expect(await proc.members()).not.toEqual([]);
      await proc.signal('SIGUSR1', scope);
      expect(await proc.exited).toEqual({ kind: 'code', code: 3 });
      expect(rig.stdout()).toBe('up\ngot\n');
      await proc.gone;
    },
  );

  test('tells the pids that the machine has, and counts neither bwrap nor the launcher among its own', async () => {
    const proc = await rig.enclosed('echo up; sleep 1000 & wait', launch);
    await eventually('it runs', () => rig.stdout() === 'up\n');
    const pid = proc.pid() ?? 0;
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('sleep 1000 & wait');
    const members = await eventually('both are there', async () => {
      const found = await proc.members();
      return found.length === 2 ? found : undefined;
    });
    expect(members.map((member) => member.command)).toEqual([expect.stringContaining('wait'), 'sleep 1000']);
    expect(await proc.stats()).toMatchObject({ processes: 2 });
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await proc.gone;
  });

  test('has standard input, and a terminal, where it asks for them', async () => {
    const piped = await rig.enclosed('read line; echo "got $line"', { ...launch, stdin: 'pipe' });
    await piped.input?.write(Buffer.from('hello\n'));
    expect(await piped.exited).toEqual({ kind: 'code', code: 0 });
    expect(rig.stdout()).toBe('got hello\n');
  });

  test('has a terminal where it asks for one', async (ctx) => {
    skipFor(ctx, lacks('script', 'stty'));
    const proc = await rig.enclosed('test -t 0 && test -t 1 && stty size; exit 4', { ...launch, tty: true });
    expect(await proc.exited).toEqual({ kind: 'code', code: 4 });
    expect(rig.stdout()).toBe('24 80\r\n');
  });

  test('runs on when bwrap outside is killed, and its end is still learned', async () => {
    const proc = await rig.enclosed('trap "exit 6" USR1; echo up; while :; do sleep 0.02; done', launch);
    await eventually('it runs', () => rig.stdout() === 'up\n');
    const pid = proc.pid() ?? 0;
    const outside = bwrapAbove(pid);
    expect(outside).toBeGreaterThan(1);
    kill(outside, 'SIGKILL');
    await eventually('bwrap is gone', () => !runs(outside));
    expect(runs(pid)).toBe(true);
    await proc.signal('SIGUSR1', 'main');
    expect(await proc.exited).toEqual({ kind: 'code', code: 6 });
  });

  test('is adopted by a later daemon', async () => {
    const request = rig.request(
      ['/bin/sh', '-c', 'trap "exit 5" TERM; echo up; while :; do sleep 0.02; done'],
      launch,
    );
    const started = await rig.backend.start(request);
    if (!started.ok) throw new Error(JSON.stringify(started.error));
    await eventually('it runs', () => rig.stdout() === 'up\n');
    const [adopted] = await enclosingBackend().adopt([rig.adoptRequest(request)]);
    const pid = started.value.proc.pid();
    expect(adopted?.pid()).toBe(pid);
    expect(await adopted?.signal('SIGTERM', 'unit')).toBeGreaterThan(0);
    const exits = await Promise.all([started.value.proc.exited, adopted?.exited]);
    expect(exits).toEqual([1, 2].map(() => ({ kind: 'code', code: 5 })));
  });

  test('leaves its logs, limits, umask, environment and arguments as they are outside', async () => {
    const proc = await rig.start(
      ['/bin/sh', '-c', 'umask; ulimit -n; printf "%s|" "$ODD" "$@"; echo oops >&2', 'sh', 'a b', '', '$x'],
      { ...launch, umask: '0027', limits: { open_files: 77 }, env: { ...rig.env(), ODD: 'x\ny' } },
    );
    await proc.exited;
    expect(rig.stdout()).toBe('0027\n77\nx\ny|a b||$x|');
    expect(rig.stderr()).toBe('oops\n');
  });
});

describe('mounts', () => {
  test('bring folders and files to other places, to be written or not', async () => {
    const data = rig.folder('data');
    writeFileSync(join(data, 'in'), 'here\n');
    const mounts = [bind(data, '/setpoint-data'), bind(data, '/setpoint-read', true)];
    const script = 'cat /setpoint-data/in; echo new >/setpoint-data/out; echo no >/setpoint-read/no; exit 2';
    const proc = await rig.enclosed(script, { mounts });
    expect(await proc.exited).toEqual({ kind: 'code', code: 2 });
    expect(rig.stdout()).toBe('here\n');
    expect(rig.stderr()).toMatch(/Read-only file system/);
    expect(readFileSync(join(data, 'out'), 'utf8')).toBe('new\n');
    expect(readdirSync('/').filter((name) => name.startsWith('setpoint-'))).toEqual([]);
  });

  test('without their source, or below a folder that lacks their place, keep the service from starting', async () => {
    const data = rig.folder('data');
    expect(await rig.refused({ mounts: [bind(join(data, 'none'), '/x')] })).toMatchObject({
      code: 'mount-missing',
    });
    expect(await rig.refused({ mounts: [bind(data, '/usr/setpoint-none')] })).toMatchObject({
      code: 'mount-missing',
    });
  });

  test('may cover the folder that the run itself is in', async () => {
    const mounts = [{ type: 'tmpfs', target: '/tmp' } as const];
    expect(await rig.output('echo ok >/tmp/x; cat /tmp/x', { mounts, cwd: '/' })).toBe('ok\n');
  });
});

describe('a sandbox', () => {
  test('has nothing written that was not named', async () => {
    const [yes, no] = [rig.folder('yes'), rig.folder('no')];
    const script = `for d in '${yes}' '${no}' "$PWD" /usr /etc /root /var /home; do touch $d/touched 2>/dev/null && echo $d; done`;
    expect(await rig.output(script, { sandbox: { ...SANDBOX, write: [yes] } })).toBe(`${yes}\n`);
    expect(readdirSync(yes)).toEqual(['touched']);
  });

  test('has temporary folders that nobody else sees, and none of what others have there', async () => {
    writeFileSync(join(rig.dir, 'secret'), 'x');
    const script = `echo mine >/tmp/mine; cat /tmp/mine; cat '${join(rig.dir, 'secret')}'; ls -A /run /var/tmp`;
    const cwd = '/';
    const printed = await rig.output(script, { sandbox: SANDBOX, cwd });
    expect(printed.split('\n')[0]).toBe('mine');
    expect(rig.stderr()).toMatch(/No such file/);
  });

  test('of one profile sees what there is to read, of the other nothing of the home', async () => {
    const home = rig.folder('home');
    writeFileSync(join(home, 'key'), 'secret\n');
    const env = { ...rig.env(), HOME: home };
    const script = `cat "$HOME/key"; touch "$HOME/own" && ls -A "$HOME"; ls /srv /var /root 2>&1 | head -c 300; hostname >/dev/null; exit 0`;
    await rig.output(script, { sandbox: { ...SANDBOX, read: [home] }, env });
    expect(rig.stdout()).toMatch(/^secret\n/);
    const strict = await rig.enclosed(script, { sandbox: STRICT, env, cwd: '/usr' });
    await strict.exited;
    expect(rig.stdout().slice('secret\n'.length)).not.toMatch(/secret/);
    expect(rig.stdout()).toMatch(/own\n/);
    expect(readdirSync(home)).toEqual(['key']);
  });

  test('shows no process of others', async () => {
    const printed = await rig.output('ls /proc | grep -c "^[0-9]"; kill -0 $PPID && echo parent $PPID', {
      sandbox: STRICT,
    });
    const [count, parent] = printed.split('\n');
    expect(Number(count)).toBeLessThan(8);
    expect(parent).toBe('parent 1');
  });

  test('without the network reaches nothing outside, and itself', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const script = `
      const net = require('net');
      const say = (what) => new Promise((done) => console.log(what) || done());
      const dial = (port) => new Promise((done) => net.connect(port, '127.0.0.1').on('connect', () => done('reached')).on('error', (e) => done(e.code)));
      const own = net.createServer((s) => s.end()).listen(0, '127.0.0.1', async () => {
        console.log(await dial(${port}), await dial(own.address().port));
        process.exit();
      });`;
    for (const [network, expected] of [
      [true, 'reached reached\n'],
      [false, 'ECONNREFUSED reached\n'],
    ] as const) {
      const before = network ? '' : rig.stdout();
      const proc = await rig.start([process.execPath, '-e', script], launchOf({ ...SANDBOX, network }));
      await proc.exited;
      expect(rig.stdout().slice(before.length)).toBe(expected);
    }
    await new Promise((resolve) => server.close(resolve));
  });

  test('serves its socket to the outside', async () => {
    const folder = rig.folder('sockets');
    const socket = join(folder, 'web.sock');
    const script = `require('net').createServer((s) => s.end('hi')).listen(process.argv[1], () => console.log('up'))`;
    const proc = await rig.start([process.execPath, '-e', script, socket], {
      ...launchOf({ ...STRICT, network: false, read: [process.execPath] }),
      socket,
    });
    await eventually('it listens', () => rig.stdout() === 'up\n');
    expect(readdirSync(folder)).toEqual(['web.sock']);
    await proc.signal('SIGTERM', 'unit');
    await proc.exited;
    expect(readdirSync(folder)).toEqual([]);
  });

  test('leaves root no way to undo it', async (ctx) => {
    skipFor(ctx, lacksRoot());
    const script =
      'mount -o remount,rw / 2>&1; mknod /tmp/disk b 8 0 2>&1; echo 1 >/proc/sys/kernel/panic; grep NoNewPrivs /proc/self/status';
    await rig.output(script, { sandbox: SANDBOX });
    expect(rig.stdout()).toMatch(/mount: .*(permission denied|must be superuser)/i);
    expect(rig.stdout()).toMatch(/mknod: .*not permitted/);
    expect(rig.stdout()).toMatch(/NoNewPrivs:\t1/);
    expect(rig.stderr()).toMatch(/Read-only file system|Permission denied/);
  });

  test('runs as the user that the service names', async (ctx) => {
    skipFor(ctx, lacksRoot() ?? lacks('setpriv'));
    for (const sandbox of [SANDBOX, STRICT]) {
      const proc = await rig.enclosed('id -u; grep CapEff /proc/self/status', {
        sandbox,
        user: 'nobody',
        cwd: '/usr',
      });
      expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    }
    const nobody = `65534\nCapEff:\t${'0'.repeat(16)}\n`;
    expect(rig.stdout()).toBe(nobody + nobody);
  });

  test('tells sd_notify messages to the outside', async () => {
    const request = rig.request(
      [
        '/bin/sh',
        '-c',
        'systemd-notify --ready 2>/dev/null || echo "$NOTIFY_SOCKET"; test -S "$NOTIFY_SOCKET" && echo there',
      ],
      {
        ...launchOf(SANDBOX),
        notify: {},
      },
    );
    const started = await rig.backend.start(request);
    if (!started.ok) throw new Error(JSON.stringify(started.error));
    await started.value.proc.exited;
    expect(rig.stdout()).toMatch(/there\n$/);
  });

  test('is refused, and the service not run, where bwrap is missing', async () => {
    const request = rig.request(['/bin/sh', '-c', 'echo it ran'], launchOf(SANDBOX));
    const started = await enclosingBackend([], { PATH: '/nowhere' }).start(request);
    expect(started).toMatchObject({ ok: false, error: { code: 'sandbox-unavailable' } });
  });
});

function launchOf(sandbox: SandboxSpec): Partial<ConcreteLaunch> {
  return { sandbox };
}
