import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kill, readFile, Rig, runs, until } from './rig.ts';

const O_CLOEXEC = 0o2000000;

function isClosedOnExec(fdinfo: string): boolean {
  const flags = /^flags:\s*([0-7]+)/m.exec(fdinfo)?.[1];
  return flags === undefined || (Number.parseInt(flags, 8) & O_CLOEXEC) !== 0;
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

describe('a run', () => {
  test('leaves in the logs exactly what the service wrote, an unterminated last line included', async () => {
    const proc = await rig.sh(`printf 'one\\ntwo\\033[1m\\000end'; printf 'oops' >&2`);
    await proc.exited;
    expect(rig.stdout()).toBe('one\ntwo\u001b[1m\u0000end');
    expect(rig.stderr()).toBe('oops');
  });

  test('appends to the logs of the run before', async () => {
    await (
      await rig.sh('echo one')
    ).exited;
    await (
      await rig.sh('echo two')
    ).exited;
    expect(rig.stdout()).toBe('one\ntwo\n');
  });

  test.each([0, 3, 125, 126, 127, 128, 130, 137, 143, 255])('ends with exit code %i', async (code) => {
    const proc = await rig.sh(`exit ${code}`);
    expect(await proc.exited).toEqual({ kind: 'code', code });
    expect(rig.stderr()).toBe('');
  });

  test.each(['SIGKILL', 'SIGTERM', 'SIGSEGV', 'SIGHUP', 'SIGQUIT', 'SIGABRT', 'SIGUSR1'])(
    'ends by a %s that it gave itself, and no word of the shell is in its log',
    async (signal) => {
      const proc = await rig.sh(`kill -${signal.slice(3)} $$`, { limits: { core_size: 0 } });
      expect(await proc.exited).toEqual({ kind: 'signal', signal });
      expect(rig.stderr()).toBe('');
    },
  );

  test('ends by the SIGINT that was sent to it', async () => {
    const proc = await rig.sh('exec sleep 1000');
    expect(await proc.signal('SIGINT', 'unit')).toBe(1);
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGINT' });
  });

  test('begins with SIGINT and SIGQUIT, and every other signal, neither ignored nor blocked', async () => {
    await (
      await rig.sh('grep -E "^Sig(Blk|Ign)" /proc/self/status')
    ).exited;
    expect(rig.stdout()).toBe(`SigBlk:\t${'0'.repeat(16)}\nSigIgn:\t${'0'.repeat(16)}\n`);
  });

  test('has a handler called on SIGINT', async () => {
    const script = `process.on('SIGINT', () => { console.log('caught'); process.exit(4); }); console.log('up'); setInterval(() => {}, 1000)`;
    const proc = await rig.start([process.execPath, '-e', script]);
    await until(() => rig.stdout().includes('up'));
    await proc.signal('SIGINT', 'main');
    expect(await proc.exited).toEqual({ kind: 'code', code: 4 });
    expect(rig.stdout()).toBe('up\ncaught\n');
  });

  test('inherits no descriptor but its standard three, with nothing to read', async () => {
    const proc = await rig.start([
      process.execPath,
      '-e',
      `const fs = require('fs');
       const fds = fs.readdirSync('/proc/self/fd').map((fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd) } catch { return '' } });
       console.log(JSON.stringify(fds.filter((target) => target.startsWith('/') && !target.startsWith('/proc')).concat(fds.filter((t) => t.includes('alive')))));`,
    ]);
    await proc.exited;
    const dir = join(rig.dir, 'web.1');
    expect(JSON.parse(rig.stdout())).toEqual(['/dev/null', join(dir, 'stdout.log'), join(dir, 'stderr.log')]);
  });

  test('has 0, 1 and 2 open and nothing else, save what this process was itself started with', async () => {
    await (
      await rig.start(['ls', '/proc/self/fd'])
    ).exited;
    const strays = readdirSync('/proc/self/fd').filter(
      (fd) => Number(fd) > 15 && !isClosedOnExec(readFile(`/proc/self/fdinfo/${fd}`) ?? ''),
    );
    // ls itself has the folder open as 3.
    expect(rig.stdout().split('\n').sort()).toEqual(['', '0', '1', '2', '3', ...strays].sort());
  });

  test('tells its pid, and the identity of its launcher', async () => {
    const started = await rig.backend.start(rig.request(['/bin/sh', '-c', 'echo $$ $PPID; exec sleep 1000']));
    if (!started.ok) throw new Error('not started');
    const { proc, launcher } = started.value;
    await until(() => rig.stdout().endsWith('\n'));
    expect(`${proc.pid() ?? 0} ${launcher?.pid ?? 0}\n`).toBe(rig.stdout());
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  test('has the environment it was given, odd names and values included, and the cookie', async () => {
    const env = {
      ...rig.env(),
      'my.var': 'a b',
      EMPTY: '',
      TWO: 'x\ny',
      UNI: 'ä$(id)`',
      _setpoint_pid: 'mine',
    };
    const request = rig.request([process.execPath, '-p', 'JSON.stringify(process.env)'], { env });
    const started = await rig.backend.start(request);
    if (!started.ok) throw new Error('not started');
    await started.value.proc.exited;
    expect(JSON.parse(rig.stdout())).toMatchObject({
      ...env,
      _setpoint_pid: expect.any(String) as unknown,
      SETPOINT_RUN: request.run,
    });
  });

  test('passes arguments on untouched', async () => {
    const args = ['', 'a b', '$HOME', '`id`', "'", '"', '*', '-x', 'two\nlines', '\\'];
    await (
      await rig.start([
        process.execPath,
        '-e',
        'console.log(JSON.stringify(process.argv.slice(1)))',
        '--',
        ...args,
      ])
    ).exited;
    expect(JSON.parse(rig.stdout())).toEqual(args);
  });

  test('runs with the umask it asks for, and otherwise with the one it inherits', async () => {
    await (
      await rig.sh('umask', { umask: '0027' })
    ).exited;
    await (
      await rig.sh('umask')
    ).exited;
    const inherited = /^Umask:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
    expect(rig.stdout()).toBe(`0027\n${inherited}\n`);
  });

  test('runs a program named relative to its working directory', async () => {
    mkdirSync(join(rig.dir, 'bin'));
    writeFileSync(join(rig.dir, 'bin', 'hello'), '#!/bin/sh\necho "hello from $(pwd)"\n');
    chmodSync(join(rig.dir, 'bin', 'hello'), 0o755);
    await (
      await rig.start(['./hello'], { cwd: join(rig.dir, 'bin') })
    ).exited;
    expect(rig.stdout()).toBe(`hello from ${join(rig.dir, 'bin')}\n`);
  });

  test('runs a program without any PATH in its environment', async () => {
    expect(await (await rig.start(['true'], { env: {} })).exited).toEqual({ kind: 'code', code: 0 });
  });
});

describe('resource limits', () => {
  const rows: Readonly<Record<string, string>> = {
    open_files: 'Max open files',
    processes: 'Max processes',
    core_size: 'Max core file size',
    file_size: 'Max file size',
    stack_size: 'Max stack size',
    locked_memory: 'Max locked memory',
    address_space: 'Max address space',
    cpu_time: 'Max cpu time',
  };

  test('are what was asked for, each of them, soft and hard', async () => {
    const limits = {
      open_files: 77,
      processes: 5000,
      core_size: 512 * 3,
      file_size: 512 * 999,
      stack_size: 1024 * 1000,
      locked_memory: 1024 * 33,
      address_space: 1024 * 4_000_001,
      cpu_time: 61,
    };
    await (
      await rig.sh('exec cat /proc/self/limits', { limits })
    ).exited;
    for (const [name, value] of Object.entries(limits)) {
      expect(rig.stdout()).toMatch(new RegExp(`^${rows[name] ?? ''} +${value} +${value} `, 'm'));
    }
    expect(rig.stderr()).toBe('');
  });

  test('are exact to the byte where the shell only knows blocks', async () => {
    await (
      await rig.sh('exec cat /proc/self/limits', { limits: { file_size: 10_001, cpu_time: 5 } })
    ).exited;
    expect(rig.stdout()).toMatch(/^Max file size +10001 +10001 /m);
    expect(rig.stdout()).toMatch(/^Max cpu time +5 +5 /m);
  });

  test('above what anybody may have are refused before the start', async () => {
    expect(await rig.failure(['true'], { limits: { open_files: 2 ** 40 } })).toMatchObject({
      code: 'limit-refused',
      message: expect.stringMatching(/^limit open_files of \d+ is above the hard limit of \d+$/) as unknown,
    });
  });
});

describe.runIf(process.getuid?.() === 0)('another user', () => {
  test('is who the service runs as, with that home and no groups of ours', async () => {
    chmodSync(rig.dir, 0o755);
    const env = { ...rig.env(), HOME: process.env['HOME'] ?? '', LOGNAME: 'declared' };
    const proc = await rig.sh('id -u; id -G; echo "$HOME $USER $LOGNAME"; ulimit -n', {
      user: 'nobody',
      env,
      limits: { open_files: 99 },
    });
    expect(await proc.exited).toEqual({ kind: 'code', code: 0 });
    const [, , , , , home] =
      readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .find((line) => line.startsWith('nobody:'))
        ?.split(':') ?? [];
    expect(rig.stdout()).toBe(`65534\n65534\n${home ?? ''} nobody declared\n99\n`);
  });

  test('may be given by numbers, with a group', async () => {
    await (
      await rig.sh('id -u; id -G', { user: '12345:54321', cwd: '/' })
    ).exited;
    expect(rig.stdout()).toBe('12345\n54321\n');
  });

  test('is stopped like any other', async () => {
    const proc = await rig.sh('exec sleep 1000', { user: 'nobody', cwd: '/' });
    expect(await proc.signal('SIGTERM', 'unit')).toBe(1);
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  });

  test('that does not exist is refused', async () => {
    expect(await rig.failure(['true'], { user: 'nosuchuser' })).toMatchObject({ code: 'user-unavailable' });
    expect(await rig.failure(['true'], { user: 'nobody:nosuchgroup' })).toMatchObject({
      code: 'user-unavailable',
    });
  });
});

describe('a launcher that is killed', () => {
  test('leaves an unknown end, and the service is still found and ended', async () => {
    const started = await rig.backend.start(rig.request(['sleep', '1000']));
    if (!started.ok) throw new Error('not started');
    const { proc, launcher } = started.value;
    const pid = await until(() => proc.pid());
    // Its pid is known a moment before it is the program.
    await until(() => readFile(`/proc/${pid}/cmdline`)?.startsWith('sleep'));
    kill(launcher?.pid ?? 0, 'SIGKILL');
    expect(await proc.exited).toEqual({ kind: 'unknown', why: 'its launcher was killed by SIGKILL' });
    expect(await proc.members()).toEqual([{ pid, command: 'sleep 1000' }]);
    expect(await proc.signal('SIGKILL', 'unit')).toBe(1);
    await proc.gone;
    expect(runs(pid)).toBe(false);
  });

  test('does not die of signals to the group, and tells the status after all', async () => {
    const started = await rig.backend.start(
      rig.request(['/bin/sh', '-c', `trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done`]),
    );
    if (!started.ok) throw new Error('not started');
    const { proc, launcher } = started.value;
    await until(() => rig.stdout() === 'up\n');
    for (const signal of ['SIGUSR1', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGABRT', 'SIGSEGV'] as const)
      kill(launcher?.pid ?? 0, signal);
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'code', code: 9 });
  });
});

test('a batch of starts keeps its runs apart', async () => {
  const requests = Array.from({ length: 20 }, (_, n) =>
    rig.request(['/bin/sh', '-c', `echo ${n}; exit ${n}`], {}, { instance: `web.${n}` }),
  );
  await rig.backend.prepare(requests);
  const exits = await Promise.all(
    requests.map(async (request) => {
      const started = await rig.backend.start(request);
      return started.ok ? started.value.proc.exited : started.error;
    }),
  );
  expect(exits).toEqual(requests.map((_, n) => ({ kind: 'code', code: n })));
  expect(requests.map((_, n) => rig.stdout(`web.${n}`))).toEqual(requests.map((_, n) => `${n}\n`));
});

test('nothing but these five files is in an instance directory, and others may not read the logs', async () => {
  await (
    await rig.sh('true')
  ).exited;
  expect(readdirSync(join(rig.dir, 'web.1')).sort()).toEqual([
    'alive',
    'exit',
    'launcher.sh',
    'stderr.log',
    'stdout.log',
  ]);
  expect(readFile(join(rig.dir, 'web.1', 'exit'))).toMatch(/^begun (\S+) \S+ \d+ \d+\nended \1 0\n$/);
});

test('an instance directory that was cleared meanwhile is prepared anew', async () => {
  await (
    await rig.sh('true')
  ).exited;
  rmSync(join(rig.dir, 'web.1'), { recursive: true });
  expect(await (await rig.sh('exit 4')).exited).toEqual({ kind: 'code', code: 4 });
});
