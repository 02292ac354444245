import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseStat } from '../../../src/host/identity.ts';
import { parseAuxv, systemUnits, UnitMeter } from '../../../src/backends/native/stats.ts';
import { ProcessScanner } from '../../../src/host/unit-scan.ts';
import type { UnitStats } from '../../../src/ports/backend.ts';
import { eventually } from '../../rig/wait.ts';
import { lacksCgroups, removedGroups, startWired } from './cgroup-rig.ts';
import { readFile, Rig, until } from './rig.ts';

const MIB = 1024 * 1024;

test('what a process uses is read from its line of /proc/PID/stat', () => {
  const line =
    '42 (a b) S 1 42 42 0 -1 4194304 1 2 3 4 50 6 700 8 20 0 3 0 12345 6000 77 18446744073709551615 1 1';
  expect(parseStat(line)?.usage).toEqual({ ticks: 56, reapedTicks: 708, threads: 3, pages: 77 });
});

test('the units come from the auxiliary vector, whatever its words are like, or are the usual ones', () => {
  const long = Buffer.alloc(48);
  const short = Buffer.alloc(24);
  for (const [i, value] of [6, 16_384, 17, 250, 0, 0].entries()) {
    long.writeBigUInt64LE(BigInt(value), i * 8);
    short.writeUInt32LE(value, i * 4);
  }
  const expected = { pageBytes: 16_384, ticksPerSecond: 250 };
  expect(parseAuxv(long, 8)).toEqual(expected);
  expect(parseAuxv(short, 4)).toEqual(expected);
  expect(parseAuxv(Buffer.alloc(0), 8)).toEqual({ pageBytes: 4096, ticksPerSecond: 100 });
  expect(Math.log2(systemUnits().pageBytes) % 1).toBe(0);
});

test('CPU time never falls, and of a unit that is gone nothing is said', () => {
  const entry = (pid: number, ticks: number) => ({
    pid,
    ppid: 1,
    pgid: pid,
    startTime: 1,
    zombie: false,
    stopped: false,
    kernel: false,
    image: '',
    usage: { ticks, reapedTicks: 0, threads: 1, pages: 2 },
  });
  const meter = new UnitMeter(undefined);
  const read = (...members: ReturnType<typeof entry>[]): UnitStats | undefined =>
    meter.read({ members, zombies: [], ownsGroup: true });
  const { ticksPerSecond, pageBytes } = systemUnits();
  const [first, second] = [
    read(entry(2 ** 30, ticksPerSecond), entry(2 ** 30 + 1, 0)),
    read(entry(2 ** 30, 0)),
  ];
  expect(first).toMatchObject({ cpuMs: 1000, memoryBytes: 4 * pageBytes, processes: 2, threads: 2 });
  expect(second).toMatchObject({ cpuMs: 1000, processes: 1 });
  expect(read()).toBeUndefined();
});

describe.skipIf(process.platform !== 'linux')('of a running unit', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.close());

  const BUSY = 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done';

  test('its processes, threads, memory and open files count, those of all members', async () => {
    const { proc } = startWired(rig, 'exec 7</dev/null; sleep 1000 & sleep 1000 & echo x >ready; wait');
    await until(() => readFile(join(rig.dir, 'ready')));
    const stats = await eventually('both children', async () => {
      const now = await proc.stats();
      return now?.processes === 3 && now;
    });
    expect(stats).toMatchObject({ processes: 3, threads: 3 });
    expect(stats.memoryBytes).toBeGreaterThan(3 * 100 * 1024);
    expect(stats.memoryBytes).toBeLessThan(64 * MIB);
    const members = await proc.members();
    const files = members.flatMap(({ pid }) => readdirSync(`/proc/${pid}/fd`));
    expect(files.filter((name) => name === '7')).toHaveLength(3);
    expect(stats.openFiles).toBe(files.length);
    await proc.signal('SIGKILL', 'unit');
    await proc.exited;
    await proc.gone;
    expect(await proc.stats()).toBeUndefined();
  });

  test('the CPU time of children that have ended is kept', async () => {
    const { proc } = startWired(rig, `sh -c '${BUSY}'; echo x >ready; exec sleep 1000`);
    const during = await eventually('CPU time', async () => {
      const now = await proc.stats();
      return now !== undefined && now.cpuMs > 0 && now;
    });
    await until(() => readFile(join(rig.dir, 'ready')));
    const after = await proc.stats();
    expect(after?.cpuMs).toBeGreaterThanOrEqual(during.cpuMs);
    await proc.signal('SIGKILL', 'unit');
    await proc.gone;
  });

  test('units that are asked at once share a look', async () => {
    const scanner = new ProcessScanner();
    let looks = 0;
    scanner.listen(() => {
      looks += 1;
    });
    const procs = [1, 2, 3].map(
      (n) => startWired(rig, 'exec sleep 1000', { scanner, instance: `web.${n}` }).proc,
    );
    for (const proc of procs) await proc.signal('SIGCONT', 'main');
    const before = looks;
    const all = await Promise.all(procs.map((proc) => proc.stats()));
    expect(looks).toBe(before + 1);
    expect(all.map((stats) => stats?.processes)).toEqual([1, 1, 1]);
    for (const proc of procs) await proc.signal('SIGKILL', 'unit');
    await Promise.all(procs.map((proc) => proc.gone));
  });

  const lack = lacksCgroups();

  test.skipIf(lack !== undefined)(
    `a control group's counters are preferred${lack === undefined ? '' : ` (${lack})`}`,
    async () => {
      const { proc, cgroup } = startWired(rig, `exec sleep 1000`, { limits: { memory: 64 * MIB } });
      await until(() => proc.pid());
      await until(() => (cgroup?.members() ?? []).length > 0);
      const stats = await proc.stats();
      expect(stats?.memoryBytes).toBe(cgroup?.usage().memoryBytes);
      await proc.signal('SIGKILL', 'unit');
      await proc.gone;
      if (cgroup !== undefined) await removedGroups(cgroup);
    },
  );
});
