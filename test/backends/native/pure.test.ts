import { closeSync, openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  isAlive,
  parsePsLine,
  parseStat,
  type ProcessEntry,
  readIdentity,
} from '../../../src/host/identity.ts';
import { hardLimit, hasSysResource } from '../../../src/backends/native/limits.ts';
import { parseListeners, parseUnixSockets } from '../../../src/host/ports.ts';
import { findCookie, ProcessScanner, ProcessTable, viewUnit } from '../../../src/host/unit-scan.ts';
import { parsePasswd, planUser } from '../../../src/backends/native/users.ts';
import { Rig, until } from './rig.ts';

describe('a line of /proc/PID/stat', () => {
  const rest = 'S 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 6 7';

  test('is read past whatever the process calls itself', () => {
    const expected = { pid: 42, ppid: 1, pgid: 42, startTime: 12345, zombie: false, stopped: false };
    for (const name of ['sh', 'a b', ') R 9 9 9', '((', '']) {
      expect(parseStat(`42 (${name}) ${rest}`)).toMatchObject(expected);
    }
    expect(parseStat('nonsense')).toBeUndefined();
    expect(parseStat('42 (sh) S 1')).toBeUndefined();
  });

  test('of a process whose first thread has ended, but not its others, is no zombie', () => {
    expect(parseStat(`42 (sh) ${rest.replace('S', 'Z')}`)?.zombie).toBe(true);
    expect(parseStat(`42 (sh) ${rest.replace('S', 'Z').replace('20 0 1 0', '20 0 3 0')}`)?.zombie).toBe(
      false,
    );
  });
});

test('a line of ps is read where there is no /proc', () => {
  expect(parsePsLine('  812     1   800 Ts   Mon Jan  6 10:00:00 2025')).toEqual([
    {
      pid: 812,
      ppid: 1,
      pgid: 800,
      startTime: 1736157600,
      zombie: false,
      stopped: true,
      kernel: false,
      image: '',
    },
  ]);
  expect(parsePsLine('')).toEqual([]);
});

describe('an identity', () => {
  test('is alive as long as it is that very process, in this very boot', () => {
    const self = readIdentity(process.pid);
    expect(self).toBeDefined();
    if (self === undefined) return;
    expect(isAlive(self)).toBe(true);
    expect(isAlive({ ...self, startTime: self.startTime + 1 })).toBe(false);
    expect(isAlive({ ...self, bootId: 'other' })).toBe(false);
    expect(isAlive({ ...self, pid: 2 ** 30 })).toBe(false);
  });
});

test('the cookie is found only where a variable of that name begins', () => {
  const find = (...vars: string[]): string | undefined => findCookie(Buffer.from(`${vars.join('\0')}\0`));
  expect(find('A=1', 'SETPOINT_RUN=r1', 'B=2')).toBe('r1');
  expect(find('SETPOINT_RUN=r1')).toBe('r1');
  expect(find('MY_SETPOINT_RUN=no', 'X=SETPOINT_RUN=no', 'SETPOINT_RUN=yes')).toBe('yes');
  expect(find('MY_SETPOINT_RUN=no')).toBeUndefined();
});

describe('the view of a unit', () => {
  const entry = (pid: number, ppid: number, more: Partial<ProcessEntry> = {}): ProcessEntry => ({
    pid,
    ppid,
    pgid: pid,
    startTime: pid,
    zombie: false,
    stopped: false,
    kernel: false,
    image: '',
    ...more,
  });
  const pids = (
    entries: readonly ProcessEntry[],
    runs: [number, string][] = [],
    known: [number, number][] = [],
  ): number[] =>
    viewUnit(new ProcessTable(entries, new Map(runs)), {
      run: 'r',
      launcher: { pid: 1000, startTime: 1000 },
      known: new Map(known),
    }).members.map((member) => member.pid);

  test('holds the group, descendants, carriers and old acquaintances, but not the launcher', () => {
    const entries = [
      entry(1000, 1),
      entry(1001, 1000, { pgid: 1000 }),
      entry(1002, 1),
      entry(1003, 1002),
      entry(1004, 1),
      entry(1005, 1, { pgid: 1000 }),
      entry(1006, 1),
    ];
    expect(
      pids(
        entries,
        [
          [1000, 'r'],
          [1002, 'r'],
          [1006, 'q'],
        ],
        [[1004, 1004]],
      ),
    ).toEqual([1001, 1002, 1003, 1004, 1005]);
  });

  test('leaves zombies out', () => {
    expect(pids([entry(1000, 1), entry(1001, 1000, { pgid: 1000, zombie: true })])).toEqual([]);
  });

  test('does not take a reused pid for an old acquaintance, nor a reused number for the group', () => {
    expect(pids([entry(1004, 1, { startTime: 9999 })], [], [[1004, 1004]])).toEqual([]);
    const strangers = [entry(1000, 1, { startTime: 5000 }), entry(5001, 1000, { pgid: 1000 })];
    expect(pids(strangers)).toEqual([]);
  });

  test('takes the group of a launcher that is gone for the unit if a member proves it', () => {
    const entries = [entry(1001, 1, { pgid: 1000 }), entry(1002, 1, { pgid: 1000 })];
    expect(pids(entries, [[1001, 'r']])).toEqual([1001, 1002]);
    expect(pids(entries)).toEqual([]);
  });

  test('never holds this very process', () => {
    expect(
      pids([entry(1000, 1), entry(process.pid, 1000, { startTime: 2000 })], [[process.pid, 'r']]),
    ).toEqual([]);
  });
});

test('looks that are asked for at once are one look', async () => {
  const scanner = new ProcessScanner();
  let looks = 0;
  scanner.listen(() => {
    looks += 1;
  });
  const first = await Promise.all([scanner.scan(), scanner.scan(), scanner.scan()]);
  expect(new Set(first).size).toBe(1);
  expect(looks).toBe(1);
  expect((await scanner.scan()).get(process.pid)?.pid).toBe(process.pid);
  expect(looks).toBe(2);
});

describe('without a file descriptor left', () => {
  let rig: Rig;
  const opened: number[] = [];
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(async () => {
    giveBack();
    await rig.close();
  });
  const useUp = (): void => {
    try {
      for (;;) opened.push(openSync('/dev/null', 'r'));
    } catch {
      // That was the last one.
    }
  };
  const giveBack = (): void => opened.splice(0).forEach((fd) => closeSync(fd));

  test('a start is refused as a shortage, and the end of a run is still seen for what it was', async () => {
    const proc = await rig.start(['sleep', '1000']);
    const pid = await until(() => proc.pid());
    // Of another instance: the start of a run takes what the one before it has left out of the folder.
    const request = rig.request(['true'], {}, { instance: 'web.2' });
    useUp();
    process.kill(pid, 'SIGTERM');
    const [exit, refused] = await Promise.all([proc.exited, rig.backend.start(request)]);
    giveBack();
    expect(exit).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    expect(refused).toMatchObject({ ok: false, error: { code: 'resource-shortage' } });
    await proc.gone;
  });
});

test('hard limits and the right to raise them are read from /proc', () => {
  const text =
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\nMax cpu time  unlimited unlimited seconds\n';
  expect([
    hardLimit(text, 'Max open files'),
    hardLimit(text, 'Max cpu time'),
    hardLimit(text, 'Max x'),
  ]).toEqual([4096, Infinity, Infinity]);
  expect(hasSysResource('CapEff:\t000001ffffffffff\n')).toBe(true);
  expect(hasSysResource('CapEff:\t00000000a80425fb\n')).toBe(false);
  expect(hasSysResource('')).toBe(false);
});

describe('a user', () => {
  const root = { uid: 0, gid: 0, path: process.env['PATH'] };

  test('other than ourselves needs root', async () => {
    expect(await planUser('root', { ...root, uid: 1234, gid: 1234 })).toMatchObject({
      ok: false,
      error: {
        code: 'user-unavailable',
        message: 'running as root needs root, and setpoint runs as uid 1234',
      },
    });
  });

  test('that we are already needs nothing', async () => {
    expect(await planUser('root', root)).toEqual({ ok: true, value: { prefix: [], env: {} } });
    expect(await planUser('1234', { ...root, uid: 1234 })).toEqual({
      ok: true,
      value: { prefix: [], env: {} },
    });
  });

  test('cannot be become without setpriv', async () => {
    expect(await planUser('12345', { ...root, path: '/nowhere' })).toMatchObject({
      ok: false,
      error: { code: 'user-unavailable', help: 'install util-linux' },
    });
  });

  test('is read from passwd, damaged lines passed over', () => {
    expect(parsePasswd('a:x:1:2:g:/home/a:/bin/zsh\nbroken\nb:x:no:2:g:/h:/s\nc:x:3:4::/home/c:\n')).toEqual([
      { name: 'a', uid: 1, gid: 2, home: '/home/a', shell: '/bin/zsh' },
      { name: 'c', uid: 3, gid: 4, home: '/home/c', shell: '/bin/sh' },
    ]);
  });
});

test('listeners are found in the tables of the kernel', () => {
  const tcp = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0',
    '   1: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0',
    '   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0',
  ].join('\n');
  expect(parseListeners(tcp, 8080)).toEqual(['111']);
  const unix =
    'Num RefCount Protocol Flags Type St Inode Path\n000: 00000002 00000000 00010000 0001 01 44 /run/a b.sock\n';
  expect(parseUnixSockets(unix, '/run/a b.sock')).toEqual(['44']);
  expect(parseUnixSockets(unix, '/run/a')).toEqual([]);
});
