import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, type TestContext } from 'vitest';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { bwrapFacts } from '../../../src/backends/sandbox/bwrap-facts.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { Proc, StartRequest } from '../../../src/ports/backend.ts';
import { launchOf } from '../../rig/launch.ts';
import { lacks, lacksRoot } from '../../rig/needs.ts';
import { isRunning, processesWith } from '../../rig/processes.ts';
import { eventually } from '../../rig/wait.ts';
import { AnotherDaemon } from '../native/another-daemon.ts';
import { lacksCgroups } from '../native/cgroup-rig.ts';
import { kill, runs } from '../native/rig.ts';
import { bwrapAbove, enclosingBackend, SANDBOX, SandboxRig, STRICT } from './rig.ts';

/** Where nothing may lack the tests run and fail. */
const MAY_LACK = process.env['SETPOINT_TEST_REQUIRE_ALL'] === undefined;
const LACK = lacks('bwrap') ?? (MAY_LACK ? await hindrance() : undefined);

async function hindrance(): Promise<string | undefined> {
  const facts = await bwrapFacts({ env: process.env });
  return facts.kind === 'usable' ? undefined : facts.reason;
}

let rig: SandboxRig;
let another: AnotherDaemon;
beforeAll(async () => {
  another = await AnotherDaemon.build();
});
afterAll(() => another.close());
beforeEach((ctx) => {
  skipFor(ctx, LACK);
  rig = new SandboxRig();
});
afterEach(async () => {
  if (LACK !== undefined) return;
  await rig.close();
  // Nor is bwrap left, or script(1), which carry no cookie.
  await eventually('all that names the folder has ended', () => processesWith(rig.dir).length === 0);
});

function skipFor(ctx: TestContext, lack: string | undefined): void {
  if (lack !== undefined) ctx.skip(lack);
}

async function adopt(
  request: StartRequest,
  more: Parameters<SandboxRig['adoptRequest']>[1] = {},
): Promise<Proc> {
  const [proc] = await enclosingBackend().adopt([rig.adoptRequest(request, more)]);
  if (proc === undefined) throw new Error('nothing adopted');
  return proc;
}

function seen(text: string): Promise<boolean> {
  return eventually(`${text} in the output`, () => rig.stdout().includes(text));
}

function shell(script: string, launch: Partial<ConcreteLaunch>): StartRequest {
  return rig.request(['/bin/sh', '-c', script], launch);
}

const PROFILES: readonly (readonly [string, Partial<ConcreteLaunch>])[] = [
  ['mounts alone', { mounts: [{ type: 'tmpfs', target: '/var/tmp' }] }],
  ['the default sandbox', { sandbox: SANDBOX }],
  ['the strict sandbox', { sandbox: STRICT }],
];

describe.each(PROFILES)('a run within %s', (_name, launch) => {
  test('outlives a daemon that is killed, and tells a later one how it ended', async () => {
    const request = shell('trap "exit 137" USR1; echo up; while :; do sleep 0.02; done', launch);
    const [pid = 0] = await another.startAndDie([request]);
    await seen('up');
    const proc = await adopt(request);
    expect(proc.over).toBeUndefined();
    expect(proc.pid()).toBe(pid);
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('exit 137');
    await proc.signal('SIGUSR1', 'main');
    expect(await proc.exited).toEqual({ kind: 'code', code: 137 });
    await proc.gone;
  });

  test('that ended while there was no daemon is told truly: a signal as a signal, a code as a code', async () => {
    const coded = shell('trap "exit 143" USR1; echo up; while :; do sleep 0.02; done', launch);
    const [codedPid = 0] = await another.startAndDie([coded]);
    await seen('up');
    kill(codedPid, 'SIGUSR1');
    await eventually('it has ended', () => !runs(codedPid));
    expect(await (await adopt(coded)).exited).toEqual({ kind: 'code', code: 143 });

    const killed = shell('exec sleep 1000', launch);
    const [killedPid = 0] = await another.startAndDie([killed]);
    kill(killedPid, 'SIGKILL');
    await eventually('it has ended', () => !runs(killedPid));
    expect(await (await adopt(killed)).exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  test('outlives the daemon and what encloses it from outside, both killed', async () => {
    const request = shell('trap "exit 6" TERM; echo up; while :; do sleep 0.02; done', launch);
    const [pid = 0] = await another.startAndDie([request]);
    await seen('up');
    const outside = bwrapAbove(pid);
    kill(outside, 'SIGKILL');
    await eventually('bwrap is gone', () => !runs(outside));
    const proc = await adopt(request);
    expect(proc.pid()).toBe(pid);
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'code', code: 6 });
  });

  test('is found by a later daemon even where its own died before it had begun', async () => {
    const request = shell('echo up; exec sleep 1000', launch);
    await another.dieAt('after-spawn', request);
    const proc = await adopt(request);
    expect(proc.over).toBeUndefined();
    await seen('up');
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('that was never made is none', async () => {
    const request = shell('echo up', launch);
    await another.dieAt('before-spawn', request);
    expect(await enclosingBackend().adopt([rig.adoptRequest(request)])).toEqual([]);
  });

  test('whose launcher is killed is over, and the end of the service not invented', async () => {
    const started = await rig.backend.start(shell('echo up; exec sleep 1000', launch));
    if (!started.ok || started.value.launcher === undefined) throw new Error('not started');
    await seen('up');
    kill(started.value.launcher.pid, 'SIGKILL');
    expect(await started.value.proc.exited).toMatchObject({ kind: 'unknown' });
    await started.value.proc.signal('SIGKILL', 'unit');
    await started.value.proc.gone;
  });

  test('that ignores SIGTERM is killed, and what it has started with it', async () => {
    const script = `trap '' TERM; sleep 1000 & setsid sleep 1001 & env -i setsid sleep 1002 & echo up; while :; do sleep 0.02; done`;
    const proc = await rig.enclosed(script, launch);
    await seen('up');
    const members = await eventually('all are there', async () => {
      const found = await proc.members();
      return (
        ['1000', '1001', '1002'].every((n) => found.some(({ command }) => command === `sleep ${n}`)) && found
      );
    });
    await proc.signal('SIGTERM', 'unit');
    // Some of its children took the signal; the main process did not.
    expect(await eventually('it lives', () => proc.pid())).toBeGreaterThan(1);
    expect(runs(proc.pid() ?? 0)).toBe(true);
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await proc.gone;
    for (const { pid } of members) expect(isRunning(pid)).toBe(false);
  });

  test('leaves its grandchildren to nobody', async () => {
    const proc = await rig.enclosed('setsid sleep 1000 & sleep 1000 & echo up; exit 3', launch);
    expect(await proc.exited).toEqual({ kind: 'code', code: 3 });
    if (launch.sandbox === undefined) {
      // Without a pid namespace they live on, and are the unit's, as anywhere.
      expect((await proc.members()).map(({ command }) => command)).toContain('sleep 1000');
      await proc.signal('SIGKILL', 'unit');
    }
    await proc.gone;
    expect(rig.carriers()).toEqual([]);
  });

  test('has all of its output in the log to the byte', async () => {
    const script = `const bytes = Buffer.alloc(3 * 1024 * 1024 + 7, Uint8Array.from({ length: 256 }, (_, i) => i));
      require('fs').writeSync(1, bytes.subarray(0, 1000)); process.stdout.write(bytes.subarray(1000)); process.stderr.write('no end');`;
    const cwd = '/usr';
    const proc = await rig.start([process.execPath, '-e', script], { ...launch, cwd });
    expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    const bytes = Buffer.alloc(
      3 * 1024 * 1024 + 7,
      Uint8Array.from({ length: 256 }, (_, i) => i),
    );
    const log = readFileSync(join(rig.dir, 'web.1', 'stdout.log'));
    expect(log.length).toBe(bytes.length);
    expect(log.equals(bytes)).toBe(true);
    expect(rig.stderr()).toBe('no end');
  });

  test('keeps its standard input open, and its end can be told by nobody else', async () => {
    const request = rig.request(
      ['/bin/sh', '-c', 'while read -r line; do echo "got $line"; done; echo end'],
      {
        ...launch,
        stdin: 'pipe',
      },
    );
    await another.startAndDie([request]);
    const proc = await adopt(request, { stdin: 'pipe' });
    await proc.input?.write(Buffer.from('one\n'));
    await seen('got one');
    await proc.input?.write(Buffer.from('two\n'));
    await seen('got two');
    expect(rig.stdout()).not.toContain('end');
    await proc.signal('SIGKILL', 'unit');
    await proc.exited;
  });

  test('is in the control group that its limits ask for, and told apart when the kernel kills it', async (ctx) => {
    skipFor(ctx, lacksCgroups());
    const script = 'const held = []; for (;;) held.push(Buffer.alloc(8 * 1024 * 1024, 1));';
    const proc = await rig.start([process.execPath, '-e', script], {
      ...launch,
      cwd: '/usr',
      limits: { memory: 96 * 1024 * 1024 },
    });
    expect(await proc.exited).toMatchObject({
      kind: 'oom',
      evidence: expect.stringContaining('its control group') as unknown,
    });
    await proc.gone;
  });

  test('sees its secrets, and they are gone when its end is told', async () => {
    const secrets = [{ name: 'token', content: 's3cret\n' }];
    const request = shell('cat "$SETPOINT_SECRETS_DIR/token"; stat -c %a "$SETPOINT_SECRETS_DIR/token"', {
      ...launch,
      secrets,
    });
    const started = await rig.backend.start(request);
    if (!started.ok) throw new Error(JSON.stringify(started.error));
    expect(await started.value.proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(rig.stdout()).toBe('s3cret\n400\n');
    expect(existsSync(join(rig.dir, 'web.1', 'secrets'))).toBe(false);
  });

  test('of another user reads its secrets, too', async (ctx) => {
    skipFor(ctx, lacksRoot() ?? lacks('setpriv'));
    const proc = await rig.enclosed(
      'id -u; cat "$SETPOINT_SECRETS_DIR/token"; ls -ld "$SETPOINT_SECRETS_DIR"',
      {
        ...launch,
        cwd: '/usr',
        user: 'nobody',
        secrets: [{ name: 'token', content: 's3cret\n' }],
      },
    );
    expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(rig.stdout()).toMatch(/^65534\ns3cret\ndrwx------ /);
    const folder = /\S+$/.exec(rig.stdout().trim())?.[0] ?? '';
    expect([folder.startsWith('/'), existsSync(folder)]).toEqual([true, false]);
  });

  test('has the niceness that it asks for', async () => {
    const proc = await rig.enclosed('nice', { ...launch, nice: 7 });
    await proc.exited;
    expect(rig.stdout()).toBe('7\n');
  });
});

describe.each(PROFILES)('a terminal within %s', (_name, launch) => {
  beforeEach((ctx) => skipFor(ctx, lacks('script', 'stty')));
  const tty = { ...launch, tty: true } as const;

  test('is the controlling one: ^C interrupts, a new size is told', async () => {
    const proc = await rig.enclosed(
      `trap 'stty size' WINCH; trap 'echo interrupted; exit 4' INT; tty </dev/tty; echo up; while :; do sleep 0.02; done`,
      tty,
    );
    await seen('up');
    expect(await proc.input?.resize?.(132, 50)).toBe(true);
    await seen('50 132');
    await proc.input?.write(Buffer.from('\u0003'));
    expect(await proc.exited).toEqual({ kind: 'code', code: 4 });
    expect(rig.stdout()).toContain('interrupted');
    expect(rig.stdout()).toMatch(/^\/dev\/tty\r\n/);
  });

  test('is there until its grace period is over, and killed whole after it', async () => {
    const proc = await rig.enclosed(
      `trap '' TERM; sleep 1000 & setsid sleep 1000 & echo up; wait; wait`,
      tty,
    );
    await seen('up');
    const pid = await eventually('it has a pid', () => proc.pid());
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('setsid sleep 1000');
    await eventually('all three', async () => (await proc.members()).length === 3);
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await proc.gone;
  });

  test('outlives the daemon and bwrap outside, and its end is told', async () => {
    const request = shell('trap "exit 9" USR1; echo up; while :; do sleep 0.02; done', tty);
    const [pid = 0] = await another.startAndDie([request]);
    await seen('up');
    const proc = await adopt(request, { tty: true });
    expect(proc.pid()).toBe(pid);
    const outside = bwrapAbove(pid);
    kill(outside, 'SIGKILL');
    await eventually('bwrap is gone', () => !runs(outside));
    await proc.signal('SIGUSR1', 'main');
    expect(await proc.exited).toEqual({ kind: 'code', code: 9 });
  });

  test('runs on when bwrap outside alone is killed', async () => {
    const proc = await rig.enclosed('trap "exit 5" USR1; echo up; while :; do sleep 0.02; done', tty);
    await seen('up');
    const pid = proc.pid() ?? 0;
    kill(bwrapAbove(pid), 'SIGKILL');
    await eventually('it is gone', () => bwrapAbove(pid) === 0 || !runs(bwrapAbove(pid)));
    await proc.input?.write(Buffer.from('echoed'));
    await seen('echoed');
    await proc.signal('SIGUSR1', 'main');
    expect(await proc.exited).toEqual({ kind: 'code', code: 5 });
  });

  test('is found by a later daemon where its own died before it had begun', async () => {
    const request = shell('echo up; exec sleep 1000', tty);
    await another.dieAt('after-spawn', request);
    const proc = await adopt(request, { tty: true });
    await seen('up');
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('loses no output at its end', async () => {
    const proc = await rig.enclosed(
      'n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo "line $n of many"; done',
      tty,
    );
    await proc.exited;
    expect(rig.stdout().split('\r\n').length).toBe(2001);
  });
});

describe('programs and folders that only an enclosure has', () => {
  test('are found there: the program, the working directory, and what is required', async () => {
    const bin = rig.folder('bin');
    writeFileSync(join(bin, 'only-here'), '#!/bin/sh\npwd\nexit 8\n', { mode: 0o755 });
    const mounts = [
      { type: 'bind', source: bin, target: '/setpoint-only', readOnly: true, optional: false },
    ] as const;
    const request = rig.request(
      ['only-here'],
      { mounts, cwd: '/setpoint-only', env: { PATH: '/setpoint-only:/usr/bin:/bin' } },
      { requires: ['only-here'] },
    );
    const started = await rig.backend.start(request);
    if (!started.ok) throw new Error(JSON.stringify(started.error));
    expect(await started.value.proc.exited).toEqual({ kind: 'code', code: 8 });
    expect(rig.stdout()).toBe('/setpoint-only\n');
  });

  test('are missed where a sandbox hides them, and the start says so', async () => {
    const bin = rig.folder('bin');
    writeFileSync(join(bin, 'hidden-here'), '#!/bin/sh\n', { mode: 0o755 });
    const env = { PATH: `${bin}:/usr/bin:/bin` };
    const hidden = rig.request(
      ['/bin/sh', '-c', ':'],
      { sandbox: SANDBOX, cwd: '/', env },
      { requires: ['hidden-here'] },
    );
    expect(await rig.backend.start(hidden)).toMatchObject({
      ok: false,
      error: { code: 'missing-requirement' },
    });
    expect(await rig.failure(['hidden-here'], { sandbox: SANDBOX, cwd: '/', env })).toMatchObject({
      code: 'missing-program',
    });
  });
});

test('a native backend that nobody gave an encloser refuses mounts and sandboxes', async () => {
  const backend = createNativeBackend({});
  for (const launch of [{ sandbox: SANDBOX }, { mounts: [{ type: 'tmpfs', target: '/tmp' } as const] }]) {
    const request = rig.request(['/bin/true'], launch);
    expect(await backend.start(request)).toMatchObject({ ok: false, error: { code: 'sandbox-unavailable' } });
  }
});

describe('another user than root', () => {
  let dir: string;
  beforeEach((ctx) => {
    skipFor(ctx, lacksRoot() ?? lacks('setpriv'));
    // The tests' own folders are root's alone.
    dir = realpathSync(mkdtempSync('/tmp/setpoint-nobody-'));
    chownSync(dir, 65_534, 65_534);
    chmodSync(dir, 0o755);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--'];

  test.each([
    ['mounts', { mounts: [{ type: 'tmpfs', target: '/var/tmp' }] }],
    ['the default sandbox', { sandbox: { ...SANDBOX, network: false } }],
    ['the strict sandbox', { sandbox: { ...STRICT, network: false } }],
  ] as const)('has services within %s', async (_name, launch) => {
    const instanceDir = join(dir, 'web.1');
    mkdirSync(instanceDir, { mode: 0o700 });
    chownSync(instanceDir, 65_534, 65_534);
    const script = `id -u; touch ${dir}/touched 2>/dev/null; ls /proc | grep -c '^[0-9]'; exit 3`;
    const request: StartRequest = {
      ...rig.request([]),
      launch: launchOf({ argv: ['/bin/sh', '-c', script], cwd: '/usr', env: rig.env(), ...launch }),
      instanceDir,
      stdoutPath: join(instanceDir, 'stdout.log'),
      stderrPath: join(instanceDir, 'stderr.log'),
    };
    expect(await another.failureUnder(AS_NOBODY, request, 'report', another.copyTo(dir))).toBeUndefined();
    const [uid, ...rest] = readFileSync(request.stdoutPath, 'utf8').split('\n');
    expect(uid).toBe('65534');
    const sandboxed = 'sandbox' in launch;
    expect(existsSync(join(dir, 'touched'))).toBe(!sandboxed);
    if (sandboxed) expect(Number(rest[0])).toBeLessThan(8);
    expect(readFileSync(join(instanceDir, 'exit'), 'utf8')).toMatch(/\nended \S+ 3\n$/);
  });
});
