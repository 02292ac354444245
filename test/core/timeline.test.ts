import type { DependencyCondition } from '../../src/core/event.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ServiceSnapshot, TimelineResponse } from '../../src/core/api.ts';
import type { Cause, ProjectEvent, ProjectEventBody, InstanceSnapshot } from '../../src/core/event.ts';
import type { Exit } from '../../src/core/exit.ts';
import type { InstanceState } from '../../src/core/state.ts';
import { timeline } from '../../src/core/timeline.ts';

const ADDED: Cause = { kind: 'added' };
const BY_HAND: Cause = { kind: 'user', request: 'start' };
const RETRY: Cause = {
  kind: 'policy',
  reason: { kind: 'retry', attempt: 1, exit: { kind: 'code', code: 1 } },
};
const OK: Exit = { kind: 'code', code: 0 };
const BAD: Exit = { kind: 'code', code: 3 };
const NO_PROGRAM: Exit = { kind: 'spawn-error', failure: { code: 'missing-program', message: 'm' } };

const DAILY = { kind: 'every', everyMs: 86_400_000 } as const;
const APPLIED: ProjectEventBody = { type: 'manifest-applied', counts: {} };
const DAEMON: ProjectEventBody = { type: 'daemon-started', pid: 1, version: 'v' };
const WAITING: ProjectEventBody = { type: 'instance-waiting', on: [] };
const READY: ProjectEventBody = { type: 'instance-ready', run: 'r', tookMs: 1 };
const COMPLETED: ProjectEventBody = { type: 'instance-completed', exit: OK };
const started = (cause: Cause = ADDED, run = 'r'): ProjectEventBody => ({
  type: 'instance-started',
  run,
  cause,
});
const exited = (exit: Exit): ProjectEventBody => ({ type: 'instance-exited', run: 'r', exit, ranMs: 1 });
const failed = (exit: Exit): ProjectEventBody => ({
  type: 'instance-failed',
  exit,
  reason: { kind: 'text', text: 'r' },
});
const stopping = (cause: Cause): ProjectEventBody => ({
  type: 'instance-stopping',
  run: 'q',
  cause,
  signal: 's',
});

type Line = readonly [time: number, body: ProjectEventBody, service?: string];

/** A journal; each service has one instance, `NAME.1`, but `NAME.2` is told of as it is. */
function journal(...lines: readonly Line[]): readonly ProjectEvent[] {
  return lines.map(([time, body, name], index) => {
    const at =
      name === undefined
        ? {}
        : { service: name.split('.')[0] ?? '', instance: name.includes('.') ? name : `${name}.1` };
    return { ...body, seq: index + 1, time, ...at };
  });
}

const running: InstanceState = { kind: 'running', run: 'later', since: 0 };
const ready: InstanceState = { ...running, readiness: { kind: 'ready', since: 0, tookMs: 1 } };
const pending: InstanceState = { ...running, readiness: { kind: 'pending' } };
const done: InstanceState = { kind: 'completed', exit: OK, at: 0 };

function instance(service: string, number: number, state: InstanceState): InstanceSnapshot {
  return { id: `${service}.${number}`, service, number, wanted: 'up', state, restarts: 0, ports: {} };
}

function service(
  id: string,
  states: InstanceState | readonly InstanceState[],
  dependsOn: Readonly<Record<string, DependencyCondition>> = {},
): ServiceSnapshot {
  const all = Array.isArray(states) ? (states as readonly InstanceState[]) : [states as InstanceState];
  return {
    id,
    labels: {},
    backend: 'native',
    backendReason: 'r',
    replicas: all.length,
    dependsOn: Object.entries(dependsOn).map(([name, condition]) => ({
      service: name,
      condition,
      required: true,
      onFailure: 'ignore',
    })),
    inManifest: true,
    instances: all.map((state, index) => instance(id, index + 1, state)),
    restart: 'always',
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 60_000 },
  };
}

/** "web.1 0 10 20 ready < db ready 10 *": name, wanted, started, done, as what, what it waited for, critical. */
function short({ rows }: TimelineResponse): readonly string[] {
  return rows.map((row) =>
    [
      row.instance,
      row.wantedAt,
      row.startedAt ?? '-',
      row.doneAt ?? '-',
      row.doneAs ?? '-',
      ...row.waitedFor.map((w) => `< ${w.service} ${w.condition} ${w.until}`),
      ...(row.critical ? ['*'] : []),
    ].join(' '),
  );
}

describe('the rows', () => {
  const cases: readonly (readonly [
    string,
    readonly ProjectEvent[],
    readonly ServiceSnapshot[],
    readonly string[],
  ])[] = [
    [
      'a project that was never started has none',
      journal([0, DAEMON]),
      [service('web', { kind: 'stopped' })],
      [],
    ],
    [
      'one that waits for another that gets ready',
      journal(
        [0, APPLIED],
        [1, WAITING, 'web'],
        [5, started(), 'db'],
        [50, READY, 'db'],
        [52, started(), 'web'],
        [90, READY, 'web'],
      ),
      [service('web', ready, { db: 'ready' }), service('db', ready)],
      ['db.1 0 5 50 ready *', 'web.1 0 52 90 ready < db ready 50 *'],
    ],
    [
      'the one that held it up last is the critical one',
      journal(
        [0, APPLIED],
        [1, started(), 'db'],
        [1, started(), 'cache'],
        [1, started(), 'aside'],
        [20, READY, 'cache'],
        [30, READY, 'aside'],
        [50, READY, 'db'],
        [51, started(), 'web'],
      ),
      [
        service('web', running, { db: 'ready', cache: 'ready' }),
        service('db', ready),
        service('cache', ready),
        service('aside', ready),
      ],
      [
        'aside.1 0 1 30 ready',
        'cache.1 0 1 20 ready',
        'db.1 0 1 50 ready *',
        'web.1 0 51 51 running < cache ready 20 < db ready 50 *',
      ],
    ],
    [
      'one that another awaits the end of is done at its end, not by running',
      journal([0, APPLIED], [1, started(), 'migrate'], [1, WAITING, 'web']),
      [
        service('migrate', running),
        service('web', { kind: 'waiting', since: 1, on: [] }, { migrate: 'completed-successfully' }),
      ],
      ['migrate.1 0 1 - -', 'web.1 0 - - -'],
    ],
    [
      'a job, and what waited for it',
      journal(
        [0, APPLIED],
        [1, started(), 'migrate'],
        [1, WAITING, 'web'],
        [40, COMPLETED, 'migrate'],
        [42, started(), 'web'],
      ),
      [service('migrate', done), service('web', running, { migrate: 'completed-successfully' })],
      ['migrate.1 0 1 40 completed *', 'web.1 0 42 42 running < migrate completed-successfully 40 *'],
    ],
    [
      'a failed job lets those start that await its end alone',
      journal(
        [0, APPLIED],
        [1, started(), 'job'],
        [30, exited(BAD), 'job'],
        [30, failed(BAD), 'job'],
        [31, started(), 'web'],
      ),
      [
        service('job', { kind: 'failed', exit: BAD, reason: { kind: 'text', text: 'r' }, at: 30 }),
        service('web', running, { job: 'completed' }),
      ],
      ['job.1 0 1 30 failed *', 'web.1 0 31 31 running < job completed 30 *'],
    ],
    [
      'one whose probe has not succeeded yet is not done',
      journal([0, APPLIED], [1, started(), 'web']),
      [service('web', pending)],
      ['web.1 0 1 - -'],
    ],
    [
      'one that cannot be started has failed, and its dependents were skipped',
      journal(
        [0, APPLIED],
        [3, exited(NO_PROGRAM), 'db'],
        [3, failed(NO_PROGRAM), 'db'],
        [4, { type: 'instance-skipped', reason: { kind: 'text', text: 'r' } }, 'web'],
        [9, started(), 'x'],
      ),
      [
        service('db', { kind: 'failed', exit: NO_PROGRAM, reason: { kind: 'text', text: 'r' }, at: 3 }),
        service('web', { kind: 'skipped', reason: { kind: 'text', text: 'r' } }, { db: 'ready' }),
        service('x', running),
      ],
      ['x.1 0 9 9 running *', 'db.1 0 - 3 failed', 'web.1 0 - 4 skipped'],
    ],
    [
      'retries at the beginning belong to it',
      journal(
        [0, APPLIED],
        [1, started(), 'web'],
        [5, exited(BAD), 'web'],
        [9, started(RETRY), 'web'],
        [20, READY, 'web'],
      ),
      [service('web', ready)],
      ['web.1 0 1 20 ready *'],
    ],
    [
      'a retry of a start that had no process belongs to it',
      journal([0, APPLIED], [0, started(), 'x'], [1, exited(NO_PROGRAM), 'web'], [9, started(RETRY), 'web']),
      [service('web', running), service('x', running)],
      ['x.1 0 0 0 running', 'web.1 0 9 9 running *'],
    ],
    [
      'what happens to one later changes nothing',
      journal(
        [0, APPLIED],
        [1, started(), 'web'],
        [20, READY, 'web'],
        [500, exited(BAD), 'web'],
        [600, started(RETRY), 'web'],
        [650, READY, 'web'],
      ),
      [service('web', ready)],
      ['web.1 0 1 20 ready *'],
    ],
    [
      'what a person starts later is not of that start',
      journal([0, APPLIED], [1, started(), 'web'], [900, started(BY_HAND), 'debug']),
      [service('web', running), service('debug', running)],
      ['web.1 0 1 1 running *'],
    ],
    [
      'what ran already, and what restarts by itself, is not of a later start',
      journal(
        [0, APPLIED],
        [1, started(), 'old'],
        [100, APPLIED],
        [101, started(), 'new'],
        [200, exited(BAD), 'old'],
        [210, started(RETRY), 'old'],
      ),
      [service('old', running), service('new', running)],
      ['new.1 100 101 101 running *'],
    ],
    [
      'a replacement is part of the start that made it',
      journal(
        [0, APPLIED],
        [1, started(), 'web'],
        [100, APPLIED],
        [101, stopping({ kind: 'changed', fields: [] }), 'web'],
        [110, exited(OK), 'web'],
        [111, started({ kind: 'changed', fields: [] }), 'web'],
      ),
      [service('web', running)],
      ['web.1 100 111 111 running *'],
    ],
    [
      'a manifest that was applied again, unchanged, is no start',
      journal(
        [0, APPLIED],
        [1, started(), 'web'],
        [500, APPLIED],
        [600, exited(BAD), 'web'],
        [610, started(RETRY), 'web'],
      ),
      [service('web', running)],
      ['web.1 0 1 1 running *'],
    ],
    [
      'a daemon that adopts everything is none, and one that has to start everything is one',
      journal(
        [0, APPLIED],
        [1, started(), 'web'],
        [50, DAEMON],
        [51, { type: 'instance-adopted', run: 'r', startedAt: 1 }, 'web'],
      ),
      [service('web', running)],
      ['web.1 0 1 1 running *'],
    ],
    [
      'after the machine was started, the daemon begins it',
      journal(
        [0, APPLIED],
        [1, started(), 'web'],
        [50, DAEMON],
        [52, started({ kind: 'not-running', was: 'stopped' }), 'web'],
      ),
      [service('web', running)],
      ['web.1 50 52 52 running *'],
    ],
    [
      'a journal that no longer holds the beginning: from its earliest start on',
      journal(
        [7, READY, 'gone'],
        [10, started(BY_HAND), 'db'],
        [12, WAITING, 'web'],
        [20, READY, 'db'],
        [21, started(BY_HAND), 'web'],
      ),
      [service('db', ready), service('web', running, { db: 'ready' })],
      ['db.1 10 10 20 ready *', 'web.1 12 21 21 running < db ready 20 *'],
    ],
    [
      'all instances of a dependency count, and the slowest is the critical one',
      journal(
        [0, APPLIED],
        [1, started(), 'db'],
        [1, started(), 'db.2'],
        [20, READY, 'db.2'],
        [30, READY, 'db'],
        [31, started(), 'web'],
      ),
      [service('db', [ready, ready]), service('web', running, { db: 'ready' })],
      ['db.1 0 1 30 ready *', 'db.2 0 1 20 ready', 'web.1 0 31 31 running < db ready 30 *'],
    ],
    [
      'a line that was waited for held it up until it started, at the latest',
      journal([0, APPLIED], [1, started(), 'db'], [2, WAITING, 'web'], [80, started(), 'web']),
      [service('db', running), service('web', running, { db: 'log' })],
      ['db.1 0 1 1 running *', 'web.1 0 80 80 running < db log 80 *'],
    ],
    [
      'one of which the journal tells nothing yet, as while its hook runs, is wanted for all that',
      journal([0, APPLIED], [1, started(), 'db']),
      [service('db', running), service('web', { kind: 'starting', run: 'r', since: 1 })],
      ['db.1 0 1 1 running *', 'web.1 0 - - -'],
    ],
    [
      'what its schedule starts is not of that start, and what is also run at once is',
      journal(
        [0, APPLIED],
        [1, started(), 'db'],
        [1, started(), 'hourly'],
        [9, COMPLETED, 'hourly'],
        [50, exited(NO_PROGRAM), 'nightly'],
        [60, started({ kind: 'schedule', schedule: DAILY }), 'backup'],
      ),
      [
        service('db', running),
        {
          ...service('hourly', { kind: 'scheduled', since: 9 }),
          schedule: { kind: 'every', everyMs: 3_600_000 },
        },
        { ...service('nightly', { kind: 'scheduled', since: 50 }), schedule: DAILY },
        { ...service('backup', { kind: 'running', run: 'r', since: 60 }), schedule: DAILY },
        { ...service('soon', { kind: 'starting', run: 'r', since: 70 }), schedule: DAILY },
      ],
      ['db.1 0 1 1 running', 'hourly.1 0 1 9 completed *'],
    ],
    [
      'what is no longer there has no row',
      journal([0, APPLIED], [1, started(), 'db'], [1, started(), 'gone']),
      [service('db', running)],
      ['db.1 0 1 1 running *'],
    ],
  ];

  test.each(cases)('%s', (_, happenings, services, rows) => {
    expect(short(timeline(happenings, services, 1000))).toEqual(rows);
  });

  test('a run that is still there knows when it was started better than the journal', () => {
    const now: InstanceState = { kind: 'running', run: 'r', since: 3 };
    const result = timeline(journal([0, APPLIED], [12, started(), 'web']), [service('web', now)], 1000);
    expect(short(result)).toEqual(['web.1 0 3 3 running *']);
  });

  test('the whole is done with the last of them, and not before', () => {
    const lines = journal([5, APPLIED], [6, started(), 'a'], [7, started(), 'b'], [30, READY, 'a']);
    const half = timeline(lines, [service('a', ready), service('b', pending)], 99);
    expect([half.beganAt, half.doneAt, half.now]).toEqual([5, undefined, 99]);
    expect(timeline(lines, [service('a', ready), service('b', running)], 99).doneAt).toBe(30);
    expect(timeline([], [], 99)).toEqual({ beganAt: 99, rows: [], now: 99 });
  });

  test('dependencies in a circle, which no manifest has, end the chain', () => {
    const lines = journal([0, APPLIED], [5, started(), 'a'], [5, started(), 'b']);
    const result = timeline(
      lines,
      [service('a', running, { b: 'started' }), service('b', running, { a: 'started' })],
      9,
    );
    expect(result.rows.every((row) => row.critical)).toBe(true);
  });
});

/** A start as it could go: service n may depend on those before it, and starts when they are as far as it needs. */
const starts = fc
  .array(
    fc.record({
      conditions: fc.array(fc.constantFrom('none', 'started', 'ready', 'completed-successfully'), {
        maxLength: 5,
      }),
      delay: fc.nat(5),
      until: fc.integer({ min: 1, max: 100 }),
      kind: fc.constantFrom('probed', 'bare', 'job'),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((plan) => {
    const name = (n: number): string => `s${n}`;
    const startedAt: number[] = [];
    const doneAt: number[] = [];
    const lines: Line[] = [[1000, APPLIED]];
    const services = plan.map(({ conditions, delay, until, kind }, n) => {
      const dependsOn: Record<string, DependencyCondition> = {};
      let begin = 1000;
      conditions.slice(0, n).forEach((condition, d) => {
        const isJob = plan[d]?.kind === 'job';
        if (condition === 'none' || isJob !== (condition === 'completed-successfully')) return;
        dependsOn[name(d)] = condition;
        begin = Math.max(begin, (condition === 'started' ? startedAt[d] : doneAt[d]) ?? 0);
      });
      startedAt[n] = begin + delay;
      doneAt[n] = kind === 'bare' ? begin + delay : begin + delay + until;
      if (begin > 1000) lines.push([1000, WAITING, name(n)]);
      lines.push([startedAt[n] ?? 0, started(), name(n)]);
      if (kind !== 'bare') lines.push([doneAt[n] ?? 0, kind === 'job' ? COMPLETED : READY, name(n)]);
      return service(name(n), kind === 'job' ? done : kind === 'bare' ? running : ready, dependsOn);
    });
    return { happenings: journal(...lines.sort((a, b) => a[0] - b[0])), services, startedAt, doneAt };
  });

describe('any start', () => {
  test('is told as it went, in order, and nothing outside of it', () => {
    fc.assert(
      fc.property(starts, ({ happenings, services, startedAt, doneAt }) => {
        const { rows, beganAt, doneAt: allDone } = timeline(happenings, services, 100_000);
        expect(rows).toHaveLength(services.length);
        expect([beganAt, allDone]).toEqual([1000, Math.max(...doneAt)]);
        for (const row of rows) {
          const n = Number(row.service.slice(1));
          expect([row.wantedAt, row.startedAt, row.doneAt]).toEqual([1000, startedAt[n], doneAt[n]]);
          for (const { until } of row.waitedFor) {
            expect(until).toBeGreaterThan(row.wantedAt);
            expect(until).toBeLessThanOrEqual(row.startedAt ?? 0);
          }
        }
        const order = rows.map((row) => row.startedAt ?? 0);
        expect(order).toEqual([...order].sort((a, b) => a - b));
      }),
    );
  });

  test('has a critical path without a gap: each begins when the one before it let it', () => {
    fc.assert(
      fc.property(starts, ({ happenings, services, startedAt, doneAt }) => {
        const { rows } = timeline(happenings, services, 100_000);
        const path = rows.filter((row) => row.critical);
        expect(path.at(-1) === undefined).toBe(false);
        expect(Math.max(...path.map((row) => row.doneAt ?? 0))).toBe(Math.max(...doneAt));
        for (const row of path) {
          const last = row.waitedFor.at(-1);
          if (last === undefined) continue;
          const before = path.find((other) => other.service === last.service);
          const n = Number(last.service.slice(1));
          expect(before).toBeDefined();
          expect(last.until).toBe(last.condition === 'started' ? startedAt[n] : doneAt[n]);
          expect(row.waitedFor.every((other) => other.until <= last.until)).toBe(true);
        }
        // One of them waited for nothing: the path begins where the start does.
        expect(path.filter((row) => row.waitedFor.length === 0)).toHaveLength(1);
      }),
    );
  });

  test('does not depend on the order in which services are listed', () => {
    fc.assert(
      fc.property(starts, ({ happenings, services }) => {
        const forwards = timeline(happenings, services, 100_000);
        expect(timeline(happenings, [...services].reverse(), 100_000)).toEqual(forwards);
      }),
    );
  });

  test('cut off at any point, the journal still gives times in order', () => {
    fc.assert(
      fc.property(starts, fc.nat(30), fc.nat(30), ({ happenings, services }, from, length) => {
        const part = happenings.slice(from, from + length);
        const { rows, beganAt } = timeline(part, services, 100_000);
        for (const { wantedAt, startedAt, doneAt } of rows) {
          expect(beganAt).toBeLessThanOrEqual(wantedAt);
          if (startedAt !== undefined) expect(wantedAt).toBeLessThanOrEqual(startedAt);
          if (doneAt !== undefined) expect(startedAt ?? wantedAt).toBeLessThanOrEqual(doneAt);
        }
      }),
    );
  });
});
