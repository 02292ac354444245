import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ScheduleSpec } from '../../src/core/service.ts';
import { describeCause } from '../../src/words/cause.ts';
import { describeSchedule } from '../../src/words/schedule.ts';
import { ScheduleTimer } from '../../src/engine/instance/schedule-timer.ts';
import { calendar } from '../../src/schedule/cron.ts';
import { FakeClock } from '../rig/fake-clock.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ZONE = 'Europe/Berlin';

const START = Date.parse('2026-01-10T10:00:30Z');

function spec(when: ScheduleSpec['when'], missed: ScheduleSpec['missed'] = 'skip'): ScheduleSpec {
  return { when, overlap: 'skip', onStart: false, missed };
}

function cron(expression: string, missed?: ScheduleSpec['missed']): ScheduleSpec {
  return spec({ kind: 'cron', expression, timezone: ZONE }, missed);
}

function every(everyMs: number, missed?: ScheduleSpec['missed']): ScheduleSpec {
  return spec({ kind: 'every', everyMs }, missed);
}

let clock: FakeClock;
let timer: ScheduleTimer;
/** What was told and when: "2026-01-10T10:05:00.000Z due schedule every 5m". */
let told: string[];

function begin(): void {
  timer = new ScheduleTimer(
    { clock, calendar },
    (schedule, unseen) =>
      told.push(
        `${time()} due ${describeCause({ kind: 'schedule', schedule, ...(unseen === undefined ? {} : { unseen }) })}`,
      ),
    (count, schedule) => told.push(`${time()} missed ${count} schedule ${describeSchedule(schedule)}`),
  );
}

function time(epochMs = clock.wall()): string {
  return new Date(epochMs).toISOString().slice(0, 19);
}

beforeEach(() => {
  clock = new FakeClock();
  clock.setWall(START);
  told = [];
  begin();
});

describe('a cron schedule', () => {
  it('is due at its times and tells the next one', async () => {
    timer.set(cron('*/5 * * * *'));
    expect(time(timer.next)).toBe('2026-01-10T10:05:00');
    await clock.pass(10 * MINUTE);
    expect(told).toEqual([
      '2026-01-10T10:05:00 due schedule */5 * * * * (Europe/Berlin)',
      '2026-01-10T10:10:00 due schedule */5 * * * * (Europe/Berlin)',
    ]);
    expect(time(timer.next)).toBe('2026-01-10T10:15:00');
  });

  it('never arms a timer for longer than a minute, and only one', async () => {
    timer.set(cron('0 0 1 1 *'));
    for (let i = 0; i < 20; i += 1) {
      expect(clock.armed).toBe(1);
      expect(clock.nearest).toBeLessThanOrEqual(MINUTE);
      await clock.pass(37 * SECOND);
    }
    expect(told).toEqual([]);
  });

  it('is told once on a day when its hour is skipped, after the gap', async () => {
    clock.setWall(Date.parse('2026-03-28T12:00:00Z'));
    timer.set(cron('30 2 * * *'));
    await clock.pass(2 * DAY);
    expect(told.map((line) => line.slice(0, 19))).toEqual(['2026-03-29T01:00:00', '2026-03-30T00:30:00']);
  });

  it('is told once on a day when its hour comes twice', async () => {
    clock.setWall(Date.parse('2026-10-24T12:00:00Z'));
    timer.set(cron('30 2 * * *'));
    await clock.pass(2 * DAY);
    expect(told.map((line) => line.slice(0, 19))).toEqual(['2026-10-25T00:30:00', '2026-10-26T01:30:00']);
  });

  it('is told nothing where its times are over', async () => {
    timer.set(cron('0 0 0 1 1 * 2025'));
    expect(timer.next).toBeUndefined();
    expect(clock.armed).toBe(0);
    await clock.pass(DAY);
    expect(told).toEqual([]);
  });

  it('notices within a minute that the clock was set forwards', async () => {
    timer.set(cron('0 12 * * *'));
    await clock.pass(10 * SECOND);
    clock.setWall(Date.parse('2026-01-10T12:30:00Z'));
    await clock.pass(MINUTE);
    expect(told).toEqual([expect.stringContaining('missed 1 schedule 0 12 * * * (Europe/Berlin)')]);
    expect(time(timer.next)).toBe('2026-01-11T11:00:00');
  });

  it('is due at the right time when the clock is set forwards to just before it', async () => {
    timer.set(cron('0 12 * * *'));
    clock.setWall(Date.parse('2026-01-10T10:58:59Z'));
    await clock.pass(2 * MINUTE);
    expect(told).toEqual(['2026-01-10T11:00:00 due schedule 0 12 * * * (Europe/Berlin)']);
  });

  it('is not due twice at one time when the clock is set back', async () => {
    timer.set(cron('0 * * * *'));
    await clock.pass(HOUR);
    expect(told).toHaveLength(1);
    clock.setWall(Date.parse('2026-01-10T10:30:00Z'));
    await clock.pass(HOUR);
    expect(told).toHaveLength(1);
    await clock.pass(HOUR);
    expect(told.map((line) => line.slice(0, 23))).toEqual([
      '2026-01-10T11:00:00 due',
      '2026-01-10T12:00:00 due',
    ]);
  });

  it('does not wait for a clock that was years ahead', async () => {
    clock.setWall(Date.parse('2031-01-01T00:00:30Z'));
    timer.set(cron('0 * * * *'));
    await clock.pass(HOUR);
    clock.setWall(START);
    await clock.pass(HOUR);
    expect(told.map((line) => line.slice(0, 23))).toEqual([
      '2031-01-01T01:00:00 due',
      '2026-01-10T11:00:00 due',
    ]);
  });

  it('counts a look that is two seconds late as in time, and a later one not', async () => {
    timer.set(cron('* * * * *'));
    await clock.pass(29 * SECOND);
    await clock.hang(3 * SECOND);
    expect(told).toEqual(['2026-01-10T10:01:02 due schedule * * * * * (Europe/Berlin)']);
    await clock.pass(57 * SECOND);
    await clock.hang(4 * SECOND);
    expect(told.slice(1)).toEqual(['2026-01-10T10:02:03 missed 1 schedule * * * * * (Europe/Berlin)']);
  });

  it('is due once where several times came within two seconds', async () => {
    timer.set(cron('* * * * * *'));
    await clock.hang(2 * SECOND);
    expect(told).toEqual(['2026-01-10T10:00:32 due schedule * * * * * * (Europe/Berlin)']);
    await clock.pass(2 * SECOND);
    expect(told).toHaveLength(3);
  });

  it('tells the missed ones first where one is due besides', async () => {
    timer.set(cron('* * * * *'));
    await clock.hang(9 * MINUTE + 31 * SECOND);
    expect(told).toEqual([
      '2026-01-10T10:10:01 missed 9 schedule * * * * * (Europe/Berlin)',
      '2026-01-10T10:10:01 due schedule * * * * * (Europe/Berlin)',
    ]);
  });

  it('counts a bounded number of missed times', async () => {
    timer.set(cron('* * * * * *'));
    await clock.hang(30 * DAY);
    expect(told).toEqual([
      expect.stringContaining('missed 1000 '),
      expect.stringContaining('due schedule * * * * * *'),
    ]);
  });

  it('runs once for all that was missed, if so asked', async () => {
    timer.set(cron('*/10 * * * *', 'run'));
    await clock.hang(35 * MINUTE);
    await clock.hang(MINUTE);
    expect(told).toEqual([
      '2026-01-10T10:35:30 due schedule */10 * * * * (Europe/Berlin), of which 3 times passed unseen',
    ]);
  });
});

describe('a schedule after the daemon was away', () => {
  const lastRun = Date.parse('2026-01-07T11:00:00.012Z');

  it('says how many times were missed', async () => {
    timer.set(cron('0 12 * * *'), lastRun);
    expect(told).toEqual([]);
    await clock.pass(0);
    expect(told).toEqual(['2026-01-10T10:00:30 missed 2 schedule 0 12 * * * (Europe/Berlin)']);
    expect(time(timer.next)).toBe('2026-01-10T11:00:00');
  });

  it('runs once for them, if so asked', async () => {
    timer.set(cron('0 12 * * *', 'run'), lastRun);
    await clock.pass(MINUTE);
    expect(told).toEqual([
      '2026-01-10T10:00:30 due schedule 0 12 * * * (Europe/Berlin), of which 2 times passed unseen',
    ]);
  });

  it('misses nothing where nothing was due', async () => {
    timer.set(cron('0 12 * * *'), START - HOUR);
    await clock.pass(MINUTE);
    expect(told).toEqual([]);
  });

  it('does not repeat a time when the clock was set back meanwhile', async () => {
    timer.set(cron('0 * * * *'), Date.parse('2026-01-10T11:00:00Z'));
    await clock.pass(90 * MINUTE);
    expect(told).toEqual([]);
    expect(time(timer.next)).toBe('2026-01-10T12:00:00');
  });

  it('goes on with `every` from the last begin', async () => {
    timer.set(every(HOUR), START - 45 * MINUTE);
    expect(time(timer.next)).toBe('2026-01-10T10:15:30');
    await clock.pass(15 * MINUTE);
    expect(told).toEqual(['2026-01-10T10:15:30 due schedule every 1h']);
  });

  it('keeps the rhythm of `every` over what was missed', async () => {
    timer.set(every(HOUR), START - 3 * HOUR - 45 * MINUTE);
    await clock.pass(15 * MINUTE);
    expect(told).toEqual([
      '2026-01-10T10:00:30 missed 3 schedule every 1h',
      '2026-01-10T10:15:30 due schedule every 1h',
    ]);
  });

  it('takes a last run in the future for one just now', () => {
    timer.set(every(HOUR), START + DAY);
    expect(timer.next).toBe(START + HOUR);
  });

  it('misses nothing of the time in which nobody wanted it', async () => {
    timer.set(cron('0 12 * * *', 'run'));
    timer.set(undefined);
    await clock.pass(3 * DAY);
    timer.set(cron('0 12 * * *', 'run'), START);
    await clock.pass(MINUTE);
    timer.set(every(HOUR, 'run'), START);
    await clock.pass(MINUTE);
    expect(told).toEqual([]);
  });
});

describe('a schedule of every so often', () => {
  it('is first due after one interval, then after each', async () => {
    timer.set(every(7 * SECOND));
    await clock.pass(21 * SECOND);
    expect(told.map((line) => line.slice(14))).toEqual(
      ['00:37', '00:44', '00:51'].map((at) => `${at} due schedule every 7s`),
    );
  });

  it('does not heed the wall clock', async () => {
    timer.set(every(HOUR));
    await clock.pass(30 * MINUTE);
    clock.setWall(START + 400 * DAY);
    await clock.pass(29 * MINUTE);
    clock.setWall(START - 400 * DAY);
    expect(told).toEqual([]);
    expect(timer.next).toBe(clock.wall() + MINUTE);
    await clock.pass(MINUTE);
    expect(told).toHaveLength(1);
  });

  it('does not drift when looks are a little late', async () => {
    timer.set(every(10 * SECOND));
    await clock.hang(11 * SECOND);
    await clock.pass(9 * SECOND);
    expect(told.map((line) => line.slice(14, 19))).toEqual(['00:41', '00:50']);
  });

  it('does not begin twice almost together when a look is late by most of an interval', async () => {
    timer.set(every(2 * SECOND));
    await clock.hang(3_900);
    await clock.pass(SECOND);
    expect(told.map((line) => line.slice(14, 19))).toEqual(['00:33']);
    await clock.pass(1_100);
    expect(told.map((line) => line.slice(14, 19))).toEqual(['00:33', '00:36']);
  });

  it('runs once for what was missed while the daemon was held up', async () => {
    timer.set(every(10 * SECOND, 'run'));
    await clock.hang(45 * SECOND);
    expect(told).toEqual(['2026-01-10T10:01:15 due schedule every 10s, of which 4 times passed unseen']);
  });
});

describe('a schedule that is set again', () => {
  it('is not disturbed by the same one', async () => {
    timer.set(every(10 * SECOND));
    for (let i = 0; i < 3; i += 1) {
      await clock.pass(4 * SECOND);
      timer.set(every(10 * SECOND), START);
    }
    expect(told).toHaveLength(1);
    timer.set(cron('0 12 * * *'));
    await clock.pass(50 * MINUTE);
    timer.set(cron('0 12 * * *'));
    await clock.pass(10 * MINUTE);
    expect(told).toHaveLength(2);
  });

  it('goes by a changed policy on missed times', async () => {
    timer.set(every(10 * SECOND, 'skip'));
    timer.set(every(10 * SECOND, 'run'));
    await clock.hang(15 * SECOND);
    expect(told).toEqual([expect.stringContaining('due')]);
  });

  it('goes by the new times alone', async () => {
    timer.set(every(10 * SECOND));
    await clock.pass(4 * SECOND);
    timer.set(cron('1 * * * *'));
    await clock.pass(MINUTE);
    expect(told).toEqual(['2026-01-10T10:01:00 due schedule 1 * * * * (Europe/Berlin)']);
  });

  it('is over when it is stopped, even from within', async () => {
    timer = new ScheduleTimer(
      { clock, calendar },
      () => told.push('due'),
      () => {
        told.push('missed');
        timer.stop();
      },
    );
    timer.set(cron('* * * * *'));
    await clock.hang(9 * MINUTE + 31 * SECOND);
    await clock.pass(HOUR);
    expect(told).toEqual(['missed']);
    expect(clock.armed).toBe(0);
    expect(timer.next).toBeUndefined();
  });
});

describe('whatever happens to the clock', () => {
  it('no time is due twice, and only one timer is armed', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 3 * HOUR }) }),
      fc.record({ do: fc.constant('hang' as const), ms: fc.integer({ min: 0, max: 3 * HOUR }) }),
      fc.record({ do: fc.constant('set' as const), ms: fc.integer({ min: -HOUR, max: 3 * HOUR }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.constantFrom('skip' as const, 'run' as const),
        async (steps, missed) => {
          clock = new FakeClock();
          clock.setWall(START);
          const hours: number[] = [];
          timer = new ScheduleTimer(
            { clock, calendar },
            (_schedule, unseen) => {
              if (unseen === undefined) hours.push(Math.floor(clock.wall() / HOUR));
            },
            (count) => expect(count).toBeGreaterThan(0),
          );
          timer.set(cron('0 * * * *', missed));
          let furthest = START;
          for (const { do: what, ms } of steps) {
            // Set back in all by no more than is waited for.
            if (what === 'set') clock.setWall(Math.max(clock.wall() + ms, furthest - 3 * HOUR));
            else if (what === 'pass') await clock.pass(ms);
            else await clock.hang(ms);
            furthest = Math.max(furthest, clock.wall());
            expect(clock.armed).toBe(1);
            expect(timer.next).toBeDefined();
          }
          expect(new Set(hours).size).toBe(hours.length);
          timer.stop();
          expect(clock.armed).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});
