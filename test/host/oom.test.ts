import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cgroup } from '../../src/host/cgroup/cgroup.ts';
import { decideExit, parseRecord } from '../../src/backends/native/exit-record.ts';
import { createOomCounter, OomJudge } from '../../src/host/oom.ts';
import { lacks } from '../rig/needs.ts';
import { lacksCgroups, removedGroups, startWired } from '../backends/native/cgroup-rig.ts';
import { kill, readFile, Rig, runs, until } from '../backends/native/rig.ts';

const MIB = 1024 * 1024;

/** The machine's counter as the test wants it. */
class Machine {
  nowMs = 0;
  kills = 0;
  readonly counter = createOomCounter({
    now: () => this.nowMs,
    files: { read: () => `pgfault 7\noom_kill ${this.kills}\nallocstall 3\n` },
  });

  sampleAt(ms: number): void {
    this.nowMs = ms;
    this.counter.sample();
  }
}

describe("the machine's counter", () => {
  test('tells the rise since the last sample before a time', () => {
    const machine = new Machine();
    machine.sampleAt(0);
    machine.kills = 2;
    machine.sampleAt(5000);
    machine.kills = 3;
    machine.nowMs = 6000;
    expect(machine.counter.roseSince(4999)).toBe(3);
    expect(machine.counter.roseSince(5000)).toBe(1);
    machine.kills = 2;
    expect(machine.counter.roseSince(5000)).toBe(0);
  });

  test('says nothing without a sample, or with none that is recent enough', () => {
    const machine = new Machine();
    expect(machine.counter.roseSince(0)).toBeUndefined();
    machine.sampleAt(1000);
    expect(machine.counter.roseSince(999)).toBeUndefined();
    machine.nowMs = 3_600_000;
    machine.kills = 50;
    expect(machine.counter.roseSince(3_599_000)).toBeUndefined();
  });

  test('is read at most once a second, however often it is asked to', () => {
    let reads = 0;
    let nowMs = 0;
    const counter = createOomCounter({
      now: () => nowMs,
      files: { read: () => `oom_kill ${(reads += 1)}\n` },
    });
    for (nowMs = 0; nowMs < 3000; nowMs += 10) counter.sample();
    expect(reads).toBe(3);
  });

  test('has no answer where the kernel keeps no such count', () => {
    const counter = createOomCounter({ now: () => 0, files: { read: () => undefined } });
    counter.sample();
    expect(counter.roseSince(0)).toBeUndefined();
  });

  test.skipIf(process.platform !== 'linux')('is the one of this kernel', () => {
    const counter = createOomCounter();
    counter.sample();
    expect(counter.roseSince(performance.now())).toBeGreaterThanOrEqual(0);
  });
});

describe('a death by SIGKILL', () => {
  const groupWith = (kills: () => number | undefined): Cgroup => ({
    path: '/x',
    joins: [],
    oomKills: kills,
    usage: () => ({}),
    members: () => [],
    kill: () => false,
    remove: () => undefined,
  });
  const exitWith = (status: number, evidence: string | undefined, sent: string[] = []): unknown =>
    decideExit({
      record: parseRecord(`begun r b 1 2\n${status === 0 ? '' : 'Killed\n'}ended r ${status}\n`, 'r'),
      sent: new Set(sent),
      otherwise: '',
      oom: () => evidence,
    });

  test('is the lack of memory where something tells so, and nobody here has sent it', () => {
    expect(exitWith(137, 'e')).toEqual({ kind: 'oom', evidence: 'e' });
    expect(exitWith(137, undefined)).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    expect(exitWith(137, 'e', ['SIGKILL'])).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    expect(exitWith(137, 'e', ['SIGTERM'])).toEqual({ kind: 'oom', evidence: 'e' });
    expect(exitWith(143, 'e')).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    expect(exitWith(0, 'e')).toEqual({ kind: 'code', code: 0 });
  });

  test("is judged by the run's own group, and by the machine's counter only without one", () => {
    const machine = new Machine();
    machine.sampleAt(0);
    machine.kills = 1;
    machine.nowMs = 5000;
    const now = (): number => machine.nowMs;
    const { counter } = machine;
    expect(new OomJudge({ cgroup: groupWith(() => 0), counter, now }).evidence()).toBeUndefined();
    expect(new OomJudge({ cgroup: groupWith(() => 1), counter, now }).evidence()).toMatch(
      /^its control group/,
    );
    expect(new OomJudge({ cgroup: groupWith(() => undefined), counter, now }).evidence()).toMatch(/machine/);
    expect(new OomJudge({ counter, now }).evidence()).toMatch(/once.*machine's count/);
    expect(new OomJudge({ now }).evidence()).toBeUndefined();
  });

  test('is not the lack of memory that only another of its group has died of, long before', () => {
    let [kills, nowMs] = [1, 0];
    const judge = new OomJudge({ cgroup: groupWith(() => kills), now: () => nowMs });
    judge.mainLives();
    expect(judge.evidence()).toMatch(/1 kill /);
    nowMs = 20_000;
    judge.mainLives();
    expect(judge.evidence()).toBeUndefined();
    kills = 2;
    judge.mainLives();
    expect(judge.evidence()).toMatch(/1 kill /);
  });
});

const lack = lacksCgroups() ?? lacks('python3');

describe.skipIf(lack !== undefined)(
  `with this machine's kernel${lack === undefined ? '' : ` (${lack})`}`,
  () => {
    let rig: Rig;
    beforeEach(() => {
      rig = new Rig();
    });
    afterEach(() => rig.close());

    const eat = `exec python3 -c 'x = bytearray(200 * 1024 * 1024)'`;

    test('a service that takes more memory than its limit is killed, and the reason is known', async () => {
      const { proc, cgroup } = startWired(rig, eat, { limits: { memory: 48 * MIB } });
      expect(await proc.exited).toEqual({
        kind: 'oom',
        evidence: expect.stringMatching(/^its control group counts \d+ kills? by the kernel$/) as string,
      });
      await proc.gone;
      if (cgroup !== undefined) await removedGroups(cgroup);
      const record = readFileSync(join(rig.dir, 'web.1', 'exit'), 'utf8');
      expect(record).toMatch(/^ended \S+ 137$/m);
    });

    test('a kill by somebody else is no lack of memory', async () => {
      const { proc, cgroup } = startWired(rig, 'exec sleep 1000', { limits: { memory: 48 * MIB } });
      kill(await until(() => proc.pid()), 'SIGKILL');
      expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
      await proc.gone;
      if (cgroup !== undefined) await removedGroups(cgroup);
    });

    test('the end of a group is the end of what has left everything else behind', async () => {
      const script = `setsid env -i /bin/sh -c '(setsid sh -c "echo \\$\\$ >a; exec sleep 1000 >/dev/null 2>&1") & exit 0'; exec sleep 1000`;
      const { proc, cgroup } = startWired(rig, script, { limits: { memory: 48 * MIB, cpus: 1 } });
      const escapee = await until(() => Number(readFile(join(rig.dir, 'a')) ?? 0) || undefined);
      await until(() => / \(sleep\) /.test(readFile(`/proc/${escapee}/stat`) ?? ''));
      expect((await proc.members()).map(({ pid }) => pid)).toContain(escapee);
      await proc.signal('SIGKILL', 'unit');
      expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
      await proc.gone;
      expect(runs(escapee)).toBe(false);
      if (cgroup !== undefined) await removedGroups(cgroup);
    });

    test("the machine's counter tells it of a service without a group of its own", async () => {
      let nowMs = 0;
      const now = (): number => nowMs;
      const counter = createOomCounter({ now });
      counter.sample();
      nowMs = 5000;
      expect(new OomJudge({ counter, now }).evidence()).toBeUndefined();
      const { proc, cgroup } = startWired(rig, eat, { limits: { memory: 48 * MIB } });
      await proc.exited;
      expect(new OomJudge({ counter, now }).evidence()).toMatch(/machine's count/);
      await proc.gone;
      if (cgroup !== undefined) await removedGroups(cgroup);
    });
  },
);
