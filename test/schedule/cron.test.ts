import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendar, checkCron } from '../../src/schedule/cron.ts';

const BERLIN = 'Europe/Berlin';

/** The next times after `from`, as the clock on Berlin's walls shows them: "29 03:00 CEST". */
function timesInBerlin(expression: string, from: string, count: number): string[] {
  const when = { kind: 'cron', expression, timezone: BERLIN } as const;
  const show = new Intl.DateTimeFormat('en-GB', {
    timeZone: BERLIN,
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const shown: string[] = [];
  let time: number | undefined = Date.parse(from);
  while (shown.length < count) {
    time = calendar.next(when, time);
    if (time === undefined) break;
    const zone = Math.round((wallOf(time) - time) / 3_600_000) === 2 ? 'CEST' : 'CET';
    const parts = Object.fromEntries(show.formatToParts(time).map(({ type, value }) => [type, value]));
    shown.push(`${parts['day']} ${parts['hour']}:${parts['minute']} ${zone}`);
  }
  return shown;
}

/** What Berlin's clock shows at that moment, as if it were UTC. */
function wallOf(time: number): number {
  return Date.parse(`${new Date(time).toLocaleString('sv-SE', { timeZone: BERLIN })}Z`);
}

describe('calendar', () => {
  const spring = '2026-03-28T21:59:59Z';
  const autumn = '2026-10-24T20:59:59Z';
  const table: [string, string, string, string[]][] = [
    ['what is skipped comes once, after the gap', '30 2 * * *', spring, ['29 03:00 CEST', '30 02:30 CEST']],
    [
      'two skipped times become one',
      '15,45 2 * * *',
      spring,
      ['29 03:00 CEST', '30 02:15 CEST', '30 02:45 CEST'],
    ],
    [
      'a skipped time that meets another becomes one with it',
      '0 2,3 * * *',
      spring,
      ['29 03:00 CEST', '30 02:00 CEST', '30 03:00 CEST'],
    ],
    ['what comes twice is told the first time', '30 2 * * *', autumn, ['25 02:30 CEST', '26 02:30 CET']],
    ['a list as well', '30 2,14 * * *', autumn, ['25 02:30 CEST', '25 14:30 CET', '26 02:30 CET']],
    ['a range as well', '30 1-3 * * *', autumn, ['25 01:30 CEST', '25 02:30 CEST', '25 03:30 CET']],
    [
      'a rhythm leaves the gap out',
      '*/30 1-4 * * *',
      spring,
      ['29 01:00 CET', '29 01:30 CET', '29 03:00 CEST'],
    ],
    [
      'a rhythm goes on through an hour that comes twice',
      '*/30 2 * * *',
      autumn,
      ['25 02:00 CEST', '25 02:30 CEST', '25 02:00 CET', '25 02:30 CET', '26 02:00 CET'],
    ],
    [
      'every hour means every hour',
      '0 * * * *',
      '2026-10-24T23:30:00Z',
      ['25 02:00 CEST', '25 02:00 CET', '25 03:00 CET'],
    ],
    ['other days are as ever', '0 3 * * *', '2026-06-01T12:00:00Z', ['02 03:00 CEST', '03 03:00 CEST']],
  ];
  for (const [name, expression, from, expected] of table) {
    it(`in Berlin, ${name}: ${expression}`, () => {
      expect(timesInBerlin(expression, from, expected.length)).toEqual(expected);
    });
  }

  it('tells a time of day exactly once for each day of a year with both changes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), (hour, minute) => {
        const when = { kind: 'cron', expression: `${minute} ${hour} * * *`, timezone: BERLIN } as const;
        const days: string[] = [];
        let time = Date.parse('2025-12-31T23:00:00Z') - 1;
        for (let day = 0; day < 365; day += 1) {
          time = calendar.next(when, time) ?? Infinity;
          days.push(new Date(wallOf(time)).toISOString().slice(0, 10));
        }
        expect(new Set(days).size).toBe(365);
        expect(days.at(-1)).toBe('2026-12-31');
      }),
      { numRuns: 20 },
    );
  });

  it('always tells a later time, and none that was between', () => {
    const expressions = ['* * * * * *', '*/7 * * * *', '30 2 * * *', '0 0 * * mon', '15 1,2,3 * * *'];
    fc.assert(
      fc.property(
        fc.constantFrom(...expressions),
        fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2027-01-01') }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (expression, after, share) => {
          const when = { kind: 'cron', expression, timezone: BERLIN } as const;
          const next = calendar.next(when, after)!;
          expect(next).toBeGreaterThan(after);
          expect(calendar.next(when, after + Math.floor((next - after - 1) * share))).toBe(next);
        },
      ),
    );
  });

  it('goes by the time zone it is given', () => {
    const at = (timezone: string): string =>
      new Date(
        calendar.next({ kind: 'cron', expression: '0 9 * * *', timezone }, Date.parse('2026-01-01'))!,
      ).toISOString();
    expect(at('UTC')).toBe('2026-01-01T09:00:00.000Z');
    expect(at('Asia/Tokyo')).toBe('2026-01-02T00:00:00.000Z');
    expect(at('America/New_York')).toBe('2026-01-01T14:00:00.000Z');
  });

  it('goes by the time zone of the machine where none is given', () => {
    const next = calendar.next({ kind: 'cron', expression: '0 9 * * *' }, Date.parse('2026-05-01'));
    expect(new Date(next!).getHours()).toBe(9);
  });

  it('knows no time after the last, and none of what is no expression', () => {
    const after = Date.parse('2026-06-01');
    expect(calendar.next({ kind: 'cron', expression: '0 0 0 1 1 * 2026' }, after)).toBeUndefined();
    expect(calendar.next({ kind: 'cron', expression: 'nonsense' }, after)).toBeUndefined();
    expect(
      calendar.next({ kind: 'cron', expression: '* * * * *', timezone: 'No/Where' }, after),
    ).toBeUndefined();
  });
});

describe('checkCron', () => {
  const right = [
    '* * * * *',
    '  0   3 * * * ',
    '*/15 9-17 * * mon-fri',
    '0 0 29 2 *',
    '0 0 29 2 +mon',
    '0 0 L * *',
    '0 0 15W * *',
    '0 0 * * fri#2',
    '30 0 3 * * *',
    '0 0 3 1 1 * 2099',
    '0 0 3 1 1 * 2001',
    '@daily',
    '@Weekly',
  ];
  for (const expression of right) {
    it(`finds nothing wrong with ${expression}`, () => {
      expect(checkCron(expression, BERLIN)).toBeUndefined();
    });
  }

  const wrong: [string, RegExp][] = [
    ['', /^expected 5 fields .*; there are none$/],
    ['daily', /; there is 1$/],
    ['* * * *', /; there are 4$/],
    ['* * * * * * * *', /; there are 8$/],
    ['2030-01-01T00:00:00', /^expected 5 fields/],
    ['60 * * * *', /^expected minutes from 0 to 59$/],
    ['0 24 * * *', /^expected hours from 0 to 23$/],
    ['0 0 32 * *', /^expected days of the month from 1 to 31$/],
    ['0 0 * 13 *', /^expected months from 1 to 12/],
    ['0 0 * * 8', /^expected days of the week from 0 to 7/],
    ['0 0 * * someday', /illegal characters/],
    ['*/0 * * * *', /stepping/],
    ['30-10 * * * *', /from value is larger/],
    ['0 0 30 2 *', /is never due: there is no such date$/],
    ['0 0 31 4,6,9,11 *', /is never due/],
    ['@reboot', /on_start/],
    ['@fortnightly', /^unknown nickname `@fortnightly`: expected one of @yearly/],
    ['1,'.repeat(400) + '1 * * * *', /^expected at most 500 characters$/],
  ];
  for (const [expression, message] of wrong) {
    it(`says what is wrong with ${JSON.stringify(expression.slice(0, 30))}`, () => {
      expect(checkCron(expression)).toMatch(message);
    });
  }

  it('says which time zone it does not know', () => {
    expect(checkCron('* * * * *', 'Europe/Berln')).toMatch(/^unknown time zone `Europe\/Berln`/);
    expect(checkCron('* * * * *', '')).toMatch(/^unknown time zone ``/);
  });

  it('never throws, and what it accepts has times', () => {
    const field = fc.oneof(
      fc.constantFrom('*', '?', '*/5', '1-5', '1,2', 'L', '5W', '1#2', '+1', 'mon', 'jan', '0', '31', '99'),
      fc.string({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
        const expression = fields.join(' ');
        if (checkCron(expression, 'UTC') !== undefined) return;
        expect(calendar.next({ kind: 'cron', expression, timezone: 'UTC' }, 0)).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});
