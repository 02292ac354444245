import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { quote } from '../../../src/core/util/quote.ts';
import type { Proc, ProcInput, StartRequest } from '../../../src/ports/backend.ts';
import { lacks, lacksRoot } from '../../rig/needs.ts';
import { processesWith } from '../../rig/processes.ts';
import { eventually } from '../../rig/wait.ts';
import { AnotherDaemon } from './another-daemon.ts';
import { kill, Rig, runs, until } from './rig.ts';

const lack = lacks('script', 'stty');

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
  // Nor is script(1) left, which carries no cookie.
  await eventually('all that names the folder has ended', () => processesWith(rig.dir).length === 0);
});

const tty = { tty: true } as const;

function inputOf(proc: Proc): ProcInput {
  if (proc.input === undefined) throw new Error('it has no input');
  return proc.input;
}

async function type(proc: Proc, text: string): Promise<void> {
  await inputOf(proc).write(Buffer.from(text));
}

function seen(text: string): Promise<boolean> {
  return eventually(`${text} in the output`, () => rig.stdout().includes(text));
}

async function adopt(request: StartRequest): Promise<Proc> {
  const [proc] = await createNativeBackend({}).adopt([rig.adoptRequest(request, tty)]);
  if (proc === undefined) throw new Error('nothing adopted');
  return proc;
}

describe.skipIf(lack !== undefined)('a service with a terminal', () => {
  test('has it as its standard three, in cooked mode with echo, 80 by 24, and all it writes is in the log', async () => {
    const script = '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size && stty -a; echo err >&2; printf end';
    const proc = await rig.sh(script, tty);
    expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(rig.stdout()).toMatch(/^24 80\r\n/);
    expect(rig.stdout()).toMatch(/ icanon .* echo /s);
    expect(rig.stdout().endsWith('err\r\nend')).toBe(true);
  });

  test('loses no output at its end', async () => {
    const proc = await rig.sh('n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo "line $n of many"; done', tty);
    await proc.exited;
    const lines = rig.stdout().split('\r\n');
    expect(lines.length).toBe(3001);
    expect(lines[2999]).toBe('line 3000 of many');
  });

  test.each([0, 3, 125, 127, 130, 137, 143, 255])('ends with exit code %i', async (code) => {
    expect(await (await rig.sh(`exit ${code}`, tty)).exited).toEqual({ kind: 'code', code });
    expect(rig.stdout()).toBe('');
  });

  test.each(['SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGSEGV'])(
    'ends by a %s as by a signal, and no word of a shell or of script is in its log',
    async (signal) => {
      const limits = { core_size: 0 };
      const proc = await rig.sh(`kill -${signal.slice(3)} $$`, { ...tty, limits });
      expect(await proc.exited).toEqual({ kind: 'signal', signal });
      expect(rig.stdout()).toBe('');
    },
  );

  test('is the process that is told, with a launcher that can be told again, and script is no member', async () => {
    const started = await rig.backend.start(rig.request(['/bin/sh', '-c', 'echo $$ $PPID; sleep 1000'], tty));
    if (!started.ok) throw new Error('not started');
    const { proc, launcher } = started.value;
    await seen('\r\n');
    expect(rig.stdout()).toBe(`${proc.pid() ?? 0} ${launcher?.pid ?? 0}\r\n`);
    const commands = await eventually('both are there', async () => {
      const members = await proc.members();
      return members.length > 1 && members.map((member) => member.command);
    });
    expect(commands).toEqual(['/bin/sh -c echo $$ $PPID; sleep 1000', 'sleep 1000']);
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('has its grace period: a SIGTERM that it takes long to act upon kills nothing', async () => {
    const script = `trap 'echo asked; read -r line; echo "$line"; exit 6' TERM; echo up; while :; do sleep 0.01; done`;
    const proc = await rig.sh(script, tty);
    await seen('up');
    await proc.signal('SIGTERM', 'unit');
    await seen('asked');
    // script(1) alone would have killed all of it two seconds after the signal.
    const until = performance.now() + 2500;
    await eventually('it has run on for longer than that', () => performance.now() > until);
    await type(proc, 'bye\n');
    expect(await proc.exited).toEqual({ kind: 'code', code: 6 });
  });

  test('is killed whole, what it put in the background included', async () => {
    const proc = await rig.sh('setsid sleep 1000 & sleep 1000 & echo up; wait', tty);
    await seen('up');
    await until(() => processesWith(rig.dir).length > 0);
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await proc.gone;
    expect(rig.carriers()).toEqual([]);
  });

  test('reads what is typed, line by line, sees ^D as its end and ^C as an interrupt', async () => {
    const script = `process.on('SIGINT', () => console.log('interrupted'));
      require('readline').createInterface(process.stdin)
        .on('line', (line) => console.log('got', line)).on('close', () => { console.log('over'); process.exit(0); });
      console.log('up');`;
    const proc = await rig.start([process.execPath, '-e', script], tty);
    await seen('up');
    await type(proc, 'one\n');
    await type(proc, 'two\n');
    await seen('got two');
    await type(proc, '\u0003');
    await seen('interrupted');
    await type(proc, '\u0004');
    expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(rig.stdout()).toContain('got one\r\n');
    expect(rig.stdout()).toMatch(/over\r\n$/);
    await expect(type(proc, 'late\n')).rejects.toThrow('ended');
  });

  test('is told of a new size, and a size that is none is refused', async () => {
    const proc = await rig.sh(`trap 'stty size' WINCH; echo up; while :; do sleep 0.01; done`, tty);
    await seen('up');
    expect(await inputOf(proc).resize?.(132, 50)).toBe(true);
    await seen('50 132');
    for (const [columns, rows] of [
      [0, 24],
      [80.5, 24],
      [80, 70_000],
      [Number.NaN, 1],
    ] as const)
      expect(await inputOf(proc).resize?.(columns, rows)).toBe(false);
    await proc.signal('SIGKILL', 'unit');
    await proc.exited;
    expect(await inputOf(proc).resize?.(80, 24)).toBe(false);
  });

  test('has its own environment, with a TERM if there is none, and nothing of the way there', async () => {
    const show = 'console.log(JSON.stringify(process.env))';
    const env = { ...rig.env(), SHELL: "/o'dd/shell", 'my.var': 'a b', TWO: 'x\ny' };
    const own = rig.request([process.execPath, '-e', show], { ...tty, env });
    const first = await rig.backend.start(own);
    if (!first.ok) throw new Error('not started');
    await first.value.proc.exited;
    const told = JSON.parse(rig.stdout()) as Record<string, string>;
    expect(told).toMatchObject({ ...env, SETPOINT_RUN: own.run, TERM: 'xterm-256color' });
    expect(Object.keys(told).filter((name) => name.startsWith('SETPOINT_'))).toEqual(['SETPOINT_RUN']);
    const proc = await rig.sh('echo "${SHELL-none} $TERM"', {
      ...tty,
      env: { ...rig.env(), TERM: 'dumb' },
    });
    await proc.exited;
    expect(rig.stdout().endsWith('none dumb\r\n')).toBe(true);
  });

  test('gets its arguments untouched, and has nothing else open', async () => {
    const args = ['', 'a b', '$HOME', '`id`', "'", `'"'`, '*', '-x', 'two\nlines', '\\', '2>&1', '6'];
    const show = `const fs = require('fs');
      const own = [3, 4, 5, 6].filter((fd) => { try { return /log|exit|alive|stdin|ptmx/.test(fs.readlinkSync('/proc/self/fd/' + fd)) } catch { return false } });
      console.log(JSON.stringify([process.argv.slice(1), own]))`;
    await (
      await rig.start([process.execPath, '-e', show, '--', ...args], tty)
    ).exited;
    expect(JSON.parse(rig.stdout())).toEqual([args, []]);
  });

  test('has its limits and umask', async () => {
    await (
      await rig.sh('ulimit -n; umask', { ...tty, limits: { open_files: 77 }, umask: '0027' })
    ).exited;
    expect(rig.stdout()).toBe('77\r\n0027\r\n');
  });

  test('too long a command is told as such', async () => {
    expect(await rig.failure(['true', 'x'.repeat(200_000)], tty)).toMatchObject({
      code: 'arguments-too-long',
    });
  });

  test('outlives the daemon: a later one reads, types, resizes and stops it', async () => {
    const request = rig.request(
      [
        '/bin/sh',
        '-c',
        `trap 'stty size' WINCH; echo up; while :; do read -r line && echo "got $line"; done`,
      ],
      tty,
    );
    const [pid = 0] = await another.startAndDie([request]);
    const proc = await adopt(request);
    expect(proc.pid()).toBe(pid);
    expect((await proc.members()).map((member) => member.pid)).toEqual([pid]);
    await type(proc, 'hello\n');
    await seen('got hello');
    expect(await inputOf(proc).resize?.(100, 30)).toBe(true);
    await type(proc, 'again\n');
    await seen('30 100');
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('that ended without a daemon has left its status', async () => {
    const request = rig.request(['/bin/sh', '-c', 'read -r line; exit 143'], tty);
    const [pid = 0] = await another.startAndDie([request]);
    await type(await adopt(request), '\n');
    await eventually('it has ended', () => !runs(pid));
    expect(await (await adopt(request)).exited).toEqual({ kind: 'code', code: 143 });
  });

  test('is found when the daemon died right after it had made it, before there was a launcher', async () => {
    const request = rig.request(['sleep', '1000'], tty);
    await another.dieAt('after-spawn', request);
    const proc = await adopt(request);
    expect(await eventually('a living member', async () => (await proc.members())[0]?.command)).toBe(
      'sleep 1000',
    );
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('loses its terminal when script is killed, and its end is told for what it is', async () => {
    const proc = await rig.sh('echo up; exec sleep 1000', tty);
    await seen('up');
    const script = processesWith(rig.dir).find(({ command }) => /^\S*script /.test(command));
    kill(script?.pid ?? 0, 'SIGKILL');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGHUP' });
    await proc.gone;
  });

  test('whose launcher is killed has an unknown end', async () => {
    const started = await rig.backend.start(
      rig.request(['/bin/sh', '-c', 'trap "" HUP; echo up; sleep 1000'], tty),
    );
    if (!started.ok) throw new Error('not started');
    await seen('up');
    const { proc, launcher } = started.value;
    kill(launcher?.pid ?? 0, 'SIGKILL');
    expect(await proc.exited).toEqual({ kind: 'unknown', why: 'its launcher was killed' });
    await proc.signal('SIGKILL', 'unit');
    await proc.gone;
  });

  const root = lacksRoot();
  test.skipIf(root !== undefined)('may belong to another user, who can open it', async () => {
    chmodSync(rig.dir, 0o755);
    const proc = await rig.sh('id -u; echo mine >"$(tty)" && echo too >/dev/tty', {
      ...tty,
      user: 'nobody',
    });
    expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    expect(rig.stdout()).toBe('65534\r\nmine\r\ntoo\r\n');
  });
});

test('without script the start is refused, and says what to install', async () => {
  const bin = join(rig.dir, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'mkfifo'), '#!/bin/sh\n', { mode: 0o755 });
  const backend = createNativeBackend({ env: { PATH: bin } });
  const started = await backend.start(rig.request(['/bin/true'], tty));
  expect(started).toMatchObject({
    ok: false,
    error: {
      code: 'missing-requirement',
      message: '`tty` needs script(1), which is not on the PATH of setpoint',
      help: expect.stringContaining('util-linux') as unknown,
    },
  });
});

test('a word is quoted for the shell only where it must be', () => {
  expect(['/bin/sh', '-c', 'a b', "it's", ''].map(quote)).toEqual([
    '/bin/sh',
    '-c',
    `'a b'`,
    `'it'\\''s'`,
    `''`,
  ]);
});
