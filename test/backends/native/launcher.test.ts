import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decideExit, parseRecord } from '../../../src/backends/native/exit-record.ts';
import { FILES, launcherArgs, launcherScript, ulimitWords } from '../../../src/backends/native/launcher.ts';
import type { Exit } from '../../../src/core/exit.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'launcher-test-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Every shell that a system's /bin/sh may be, by its path and what it must be called as. */
const shells = [
  ['dash', '/bin/dash', 'dash'],
  ['bash', '/bin/bash', 'sh'],
  ['busybox', '/bin/busybox', 'sh'],
].filter(([, path = '']) => existsSync(path)) as [string, string, string][];

async function launch(
  [, path, as]: readonly [string, string, string],
  command: string,
  { script = launcherScript(), limits = '', umask = '', joins = [] as string[] } = {},
): Promise<{ exit: Exit; pid: number | undefined; stdout: string; stderr: string }> {
  const shell = join(dir, as);
  symlinkSync(path, shell);
  const scriptPath = join(dir, FILES.script);
  writeFileSync(scriptPath, script);
  const fds = ['stdout', FILES.exit, FILES.alive, 'stderr'].map((name) => openSync(join(dir, name), 'a'));
  const argv = ['/bin/sh', '-c', command];
  const child = spawn(
    shell,
    launcherArgs({ scriptPath, run: 'r1', bootId: 'b', umask, limits, joins, argv }),
    {
      stdio: ['ignore', ...fds],
      env: { PATH: process.env['PATH'], LC_ALL: 'xx_XX' },
      detached: true,
    },
  );
  for (const fd of fds) closeSync(fd);
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  const record = parseRecord(readFileSync(join(dir, FILES.exit), 'utf8'), 'r1');
  return {
    exit: decideExit({ record, launcher: { code, signal }, sent: new Set(), otherwise: '' }),
    pid: record.begun?.servicePid,
    stdout: readFileSync(join(dir, 'stdout'), 'utf8'),
    stderr: readFileSync(join(dir, 'stderr'), 'utf8'),
  };
}

describe.each(shells)('under %s', (...shell) => {
  test.each([
    ['exit 0', { kind: 'code', code: 0 }],
    ['exit 125', { kind: 'code', code: 125 }],
    ['exit 137', { kind: 'code', code: 137 }],
    ['exit 143', { kind: 'code', code: 143 }],
    ['kill -KILL $$', { kind: 'signal', signal: 'SIGKILL' }],
    ['kill -TERM $$', { kind: 'signal', signal: 'SIGTERM' }],
    ['ulimit -c 0; kill -SEGV $$', { kind: 'signal', signal: 'SIGSEGV' }],
    ['kill -HUP $$', { kind: 'signal', signal: 'SIGHUP' }],
    // Shells say nothing of these two, so without anything else they are codes.
    ['kill -INT $$', { kind: 'code', code: 130 }],
    ['kill -PIPE $$', { kind: 'code', code: 141 }],
  ])('%s is told for what it is', async (command, exit) => {
    const run = await launch(shell, `echo out; echo err >&2; ${command}`);
    expect(run).toMatchObject({ exit, stdout: 'out\n', stderr: 'err\n' });
  });

  test('the service is the process that was recorded, with default signals, and nothing else open', async () => {
    const run = await launch(
      shell,
      'echo $$; grep -E "^Sig(Blk|Ign)" /proc/self/status; [ -e /proc/$$/fd/3 ] || [ -e /proc/$$/fd/4 ] || echo closed',
    );
    const zeros = '0'.repeat(16);
    expect(run.stdout).toBe(`${run.pid ?? 0}\nSigBlk:\t${zeros}\nSigIgn:\t${zeros}\nclosed\n`);
  });

  test('umask and limits are set', async () => {
    const limits = 'n=64 u=5000 c=4 f=2048';
    const run = await launch(shell, 'umask; cat /proc/self/limits', { umask: '0027', limits });
    expect(run.stdout).toMatch(/^0027\n/);
    for (const row of ['open files +64', 'processes +5000', 'core file size +2048', 'file size +1048576']) {
      expect(run.stdout).toMatch(new RegExp(`^Max ${row} +`, 'm'));
    }
  });

  test('each control group is entered by the process that becomes the service', async () => {
    const joins = [join(dir, 'a group'), join(dir, 'another')];
    const run = await launch(shell, 'echo in', { joins, umask: '0777' });
    expect(run).toMatchObject({ exit: { kind: 'code', code: 0 }, stdout: 'in\n', stderr: '' });
    expect(joins.map((path) => readFileSync(path, 'utf8'))).toEqual(['0', '0']);
  });

  test('a control group that cannot be entered ends the run before the service begins, and says so', async () => {
    const run = await launch(shell, 'echo never', { joins: [join(dir, 'none', 'cgroup.procs')] });
    expect(run.exit).toMatchObject({ kind: 'spawn-error', failure: { code: 'limit-refused' } });
    expect(run.stdout + run.stderr).toBe('');
  });

  test('a limit that the system refuses ends the run before the service begins, and says so', async () => {
    const run = await launch(shell, 'echo never', { limits: `n=${2 ** 40}` });
    expect(run.exit).toMatchObject({ kind: 'spawn-error', failure: { code: 'limit-refused' } });
    expect(run.stdout + run.stderr).toBe('');
  });

  test('without /proc the pids are recorded all the same', async () => {
    const script = launcherScript().replaceAll('/proc/self/status', '/proc/none');
    const run = await launch(shell, 'echo $$', { script });
    expect(run.stdout).toBe(`${run.pid ?? 0}\n`);
    expect(run.exit).toEqual({ kind: 'code', code: 0 });
  });
});

describe('the record of a run', () => {
  const begun = { bootId: 'boot', ownPids: false, launcherPid: 10, servicePid: 11 };

  test('counts only as far as it is complete', () => {
    const text = 'begun r boot 10 11\nended r 37\n';
    expect(parseRecord(text, 'r')).toEqual({ begun, status: 37, noise: '' });
    for (let end = 0; end < text.length; end += 1) {
      const whole = end >= text.indexOf('\n') + 1;
      expect(parseRecord(text.slice(0, end), 'r')).toEqual({ noise: '', ...(whole ? { begun } : {}) });
    }
  });

  test('says whether its pids are those of a namespace of its own', () => {
    const args = launcherArgs({
      scriptPath: 's',
      run: 'r',
      bootId: 'boot',
      ownPids: true,
      umask: '',
      limits: '',
      argv: [],
    });
    const text = `begun r ${args[2] ?? ''} 1 2\n`;
    expect(parseRecord(text, 'r').begun).toEqual({
      bootId: 'boot',
      ownPids: true,
      launcherPid: 1,
      servicePid: 2,
    });
  });

  test('of another run, or damaged, says nothing', () => {
    expect(parseRecord('begun q boot 10 11\nended q 3\n', 'r')).toEqual({ noise: '' });
    expect(parseRecord('begun r boot\n\0\0\0\n\xff\n', 'r')).not.toHaveProperty('begun');
    expect(parseRecord('', 'r')).toEqual({ noise: '' });
  });

  test('keeps what the shell says after the beginning apart from what it said before', () => {
    const text = 'sh: warning\nbegun r boot 10 11\nKilled\nended r 137\n';
    expect(parseRecord(text, 'r')).toEqual({ begun, noise: 'Killed', status: 137 });
  });
});

describe('an end without a record', () => {
  const otherwise = 'nothing is known';
  const none = { noise: '' };

  test('is unknown, for what is known of it', () => {
    expect(decideExit({ record: none, sent: new Set(), otherwise })).toEqual({
      kind: 'unknown',
      why: otherwise,
    });
    expect(
      decideExit({ record: none, sent: new Set(), otherwise, launcher: { code: null, signal: 'SIGKILL' } }),
    ).toEqual({
      kind: 'unknown',
      why: 'its launcher was killed by SIGKILL',
    });
  });

  test('is the signal that was sent, where it was', () => {
    const launcher = { code: null, signal: 'SIGTERM' };
    expect(decideExit({ record: none, sent: new Set(['SIGTERM']), otherwise, launcher })).toEqual({
      kind: 'signal',
      signal: 'SIGTERM',
    });
    expect(decideExit({ record: none, sent: new Set(['SIGKILL']), otherwise })).toEqual({
      kind: 'signal',
      signal: 'SIGKILL',
    });
  });

  test('on a full disk is told by the status of the launcher, as far as that goes', () => {
    const ended = (code: number): Exit =>
      decideExit({ record: none, sent: new Set(), otherwise, launcher: { code, signal: null } });
    expect(ended(3)).toEqual({ kind: 'code', code: 3 });
    expect(ended(143)).toMatchObject({ kind: 'unknown' });
  });

  test('of an enclosure that could not be made says what bubblewrap said', () => {
    const record = { noise: "bwrap: Can't mount proc on /newroot/proc: Operation not permitted" };
    const facts = { record, sent: new Set<string>(), otherwise, launcher: { code: 1, signal: null } };
    expect(decideExit(facts)).toMatchObject({
      kind: 'spawn-error',
      failure: { code: 'sandbox-unavailable', message: expect.stringContaining(record.noise) as unknown },
    });
  });

  test('of a launcher that could not fork is a shortage', () => {
    const record = { noise: 'launcher.sh: 1: Cannot fork' };
    expect(
      decideExit({ record, sent: new Set(), otherwise, launcher: { code: 2, signal: null } }),
    ).toMatchObject({
      kind: 'spawn-error',
      failure: { code: 'resource-shortage' },
    });
  });
});

test('limits are put in the shell unit of each, and those that do not fit are named', () => {
  expect(ulimitWords({ file_size: 1024, open_files: 7, stack_size: 4096, address_space: 1025 })).toEqual({
    words: 'n=7 s=4 f=2',
    inexact: ['address_space'],
  });
});
