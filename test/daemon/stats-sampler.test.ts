import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { StatsResponse } from '../../src/core/api.ts';
import { createStatsSampler, type OwnUsage, type SampledInstance } from '../../src/daemon/stats-sampler.ts';
import { systemClock } from '../../src/daemon/system-clock.ts';
import type { Proc, UnitStats } from '../../src/ports/backend.ts';
import { FakeClock, settled } from '../rig/fake-clock.ts';

/** A unit that keeps part of a CPU busy as time passes. */
class BusyUnit {
  readonly run: string;
  readonly #clock: FakeClock;
  looks = 0;
  cpus = 0.5;
  spent = 1000;
  #since: number;
  gone = false;
  /** Awaited by every look. */
  gate: Promise<void> = Promise.resolve();

  constructor(run: string, clock: FakeClock) {
    this.run = run;
    this.#clock = clock;
    this.#since = clock.now();
  }

  async stats(): Promise<UnitStats | undefined> {
    this.looks += 1;
    await this.gate;
    if (this.gone) return undefined;
    this.spent += (this.#clock.now() - this.#since) * this.cpus;
    this.#since = this.#clock.now();
    return { cpuMs: this.spent, memoryBytes: 4096, processes: 2, threads: 3, openFiles: 7 };
  }
}

interface Rig {
  readonly clock: FakeClock;
  readonly units: Map<string, BusyUnit>;
  readonly add: (run: string) => BusyUnit;
  readonly sample: () => Promise<StatsResponse>;
  /** A sample, with the time that it takes. */
  readonly sampled: () => Promise<StatsResponse>;
}

function rig(): Rig {
  const clock = new FakeClock();
  const units = new Map<string, BusyUnit>();
  const startedAt = clock.wall() - 5000;
  const procs = (): SampledInstance[] =>
    [...units.values()].map((unit) => ({
      service: 'web',
      instance: unit.run,
      startedAt,
      proc: unit as unknown as Proc,
    }));
  const own = (): Promise<OwnUsage> =>
    Promise.resolve({ cpuMs: clock.now() / 10, memoryBytes: 1, openFiles: 2 });
  const sampler = createStatsSampler({ clock, procs, own });
  return {
    clock,
    units,
    add: (run) => {
      const unit = new BusyUnit(run, clock);
      units.set(run, unit);
      return unit;
    },
    sample: () => sampler.sample(),
    sampled: async () => {
      const answer = sampler.sample();
      await clock.pass(250);
      return answer;
    },
  };
}

describe('a sample', () => {
  test('the first one has a share of the CPU already, from two looks 250 ms apart', async () => {
    const { clock, add, sample } = rig();
    const unit = add('web.1');
    const asked = sample();
    await clock.pass(249);
    expect(unit.looks).toBe(1);
    await clock.pass(1);
    expect(await asked).toEqual({
      at: clock.wall(),
      instances: [
        {
          service: 'web',
          instance: 'web.1',
          cpuPercent: 50,
          cpuMs: 1125,
          memoryBytes: 4096,
          processes: 2,
          threads: 3,
          openFiles: 7,
          uptimeMs: 5250,
        },
      ],
      daemon: { cpuPercent: 10, cpuMs: 25, memoryBytes: 1, openFiles: 2 },
    });
  });

  test('the next one tells the share since the one before, from one look, at once', async () => {
    const { clock, add, sample, sampled } = rig();
    const unit = add('web.1');
    await sampled();
    unit.cpus = 2;
    await clock.pass(1000);
    const answer = await sample();
    expect(answer.instances[0]?.cpuPercent).toBe(200);
    expect(unit.looks).toBe(3);
  });

  test('one from over a minute ago says nothing of now', async () => {
    const { clock, add, sampled } = rig();
    const unit = add('web.1');
    await sampled();
    await clock.pass(60_001);
    unit.cpus = 0.1;
    const [first] = (await sampled()).instances;
    expect(first?.cpuPercent).toBeCloseTo(10);
    expect(unit.looks).toBe(4);
  });

  test('only what is new is looked at twice', async () => {
    const { clock, add, sampled } = rig();
    const old = add('web.1');
    await sampled();
    await clock.pass(1000);
    const fresh = add('web.2');
    fresh.cpus = 1;
    const { instances } = await sampled();
    expect(instances.map((i) => i.cpuPercent)).toEqual([50, 100]);
    expect([old.looks, fresh.looks]).toEqual([3, 2]);
  });

  test('requests at the same time, and shortly after, share one', async () => {
    const { clock, add, sample } = rig();
    const unit = add('web.1');
    const both = Promise.all([sample(), sample()]);
    await clock.pass(250);
    const [a, b] = await both;
    expect(a).toBe(b);
    await clock.pass(199);
    expect(await sample()).toBe(a);
    expect(unit.looks).toBe(2);
    await clock.pass(1);
    expect(await sample()).not.toBe(a);
    expect(unit.looks).toBe(3);
  });

  test('nothing runs when nobody asks', async () => {
    const { clock, add, sampled } = rig();
    const unit = add('web.1');
    expect(clock.armed).toBe(0);
    await sampled();
    expect(clock.armed).toBe(0);
    await clock.pass(600_000);
    expect(unit.looks).toBe(2);
  });

  test('what has not been started, or has ended, is left out', async () => {
    const clock = new FakeClock();
    const gone = new BusyUnit('web.2', clock);
    gone.gone = true;
    const sampler = createStatsSampler({
      clock,
      procs: () => [
        { service: 'web', instance: 'web.1', startedAt: 0 },
        { service: 'web', instance: 'web.2', startedAt: 0, proc: gone as unknown as Proc },
      ],
      own: () => Promise.resolve({ cpuMs: 0, memoryBytes: 1 }),
    });
    const asked = sampler.sample();
    await clock.pass(250);
    expect((await asked).instances).toEqual([]);
  });

  test('one that ends between the two looks is told without a share', async () => {
    const { clock, add, sample } = rig();
    const unit = add('web.1');
    const asked = sample();
    await clock.pass(100);
    unit.gone = true;
    await clock.pass(150);
    const [only] = (await asked).instances;
    expect(only).toMatchObject({ cpuMs: 1000 });
    expect(only).not.toHaveProperty('cpuPercent');
  });

  test('a run is not compared with the one before it, and CPU time that got less counts as none', async () => {
    const { clock, units, add, sample, sampled } = rig();
    add('first run').spent = 90_000;
    await sampled();
    await clock.pass(500);
    units.clear();
    const second = add('second run');
    const { instances } = await sampled();
    expect(instances.map((i) => i.cpuPercent)).toEqual([50]);
    await clock.pass(500);
    second.spent = 0;
    expect((await sample()).instances[0]?.cpuPercent).toBe(0);
  });

  test('a unit that does not tell in time holds nobody up', async () => {
    const { clock, add, sample } = rig();
    add('web.1');
    add('web.2').gate = new Promise(() => undefined);
    const asked = sample();
    await clock.pass(2000);
    await clock.pass(2000);
    expect((await asked).instances.map((i) => i.instance)).toEqual(['web.1']);
    expect(clock.armed).toBe(0);
  });

  test('a failure is told, and the next request begins anew', async () => {
    const clock = new FakeClock();
    let broken = true;
    const sampler = createStatsSampler({
      clock,
      procs: () => {
        if (broken) throw new Error('no list');
        return [];
      },
      own: () => Promise.resolve({ cpuMs: 0, memoryBytes: 1 }),
    });
    await expect(sampler.sample()).rejects.toThrow('no list');
    broken = false;
    const asked = sampler.sample();
    await clock.pass(250);
    expect((await asked).instances).toEqual([]);
    await settled();
  });
});

test('a real process that keeps a CPU busy, and the daemon itself, are measured', async ({ skip }) => {
  skip(process.platform !== 'linux', 'reads /proc');
  const busy = spawn(process.execPath, ['-e', 'for (;;);']);
  onTestFinished(() => void busy.kill('SIGKILL'));
  const proc = {
    run: 'r',
    stats: () => {
      const fields = readFileSync(`/proc/${busy.pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
      const cpuMs = (Number(fields[11]) + Number(fields[12])) * 10;
      return Promise.resolve({ cpuMs, memoryBytes: 1, processes: 1, threads: 1 });
    },
  } as unknown as Proc;
  const sampler = createStatsSampler({
    clock: systemClock,
    procs: () => [{ service: 'busy', instance: 'busy.1', startedAt: Date.now(), proc }],
  });
  const { instances, daemon } = await sampler.sample();
  expect(instances[0]?.cpuPercent).toBeGreaterThan(0);
  expect(daemon.memoryBytes).toBeGreaterThan(1_000_000);
  expect(daemon.openFiles).toBeGreaterThan(2);
  expect(daemon.cpuMs).toBeGreaterThan(0);
  expect(daemon.cpuPercent).toBeGreaterThanOrEqual(0);
});
