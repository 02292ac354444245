import { describe, expect, it } from 'vitest';
import type { InstanceSnapshot } from '../../src/core/event.ts';
import type { InstanceState } from '../../src/core/state.ts';
import fc from 'fast-check';
import type { ProbeView } from '../../src/core/event.ts';
import type { Exit } from '../../src/core/exit.ts';
import {
  describeProbe,
  describeRestartLimit,
  describeState,
  instanceWord,
  stateWord,
  unnested,
  verdict,
  type VerdictService,
} from '../../src/words/status.ts';

const NOW = 1_000_000;
const SERVICE: VerdictService = {
  restart: 'on-failure',
  backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 60_000 },
  replicas: 1,
};

function instance(state: InstanceState, rest: Partial<InstanceSnapshot> = {}): InstanceSnapshot {
  return {
    id: 'worker.1',
    service: 'worker',
    number: 1,
    wanted: 'up',
    state,
    restarts: 0,
    ports: {},
    ...rest,
  };
}

const exit = { kind: 'code', code: 1 } as const;
const stopping = {
  kind: 'stopping',
  run: 'r',
  since: NOW - 3_000,
  deadline: NOW + 7_000,
  then: 'stopped',
  escalated: false,
  cause: { kind: 'user', request: 'stop' },
} as const;

const table: [InstanceState, string, string][] = [
  [{ kind: 'stopped' }, 'about to start', 'worker is about to start'],
  [
    {
      kind: 'waiting',
      since: NOW - 4_000,
      on: [{ service: 'db', condition: 'started', now: { kind: 'starting' } }],
    },
    'waiting for db',
    'worker waits for db (starting) to be started, since 4s',
  ],
  [{ kind: 'waiting', since: NOW, on: [] }, 'waiting', 'worker waits to be started'],
  [{ kind: 'starting', run: 'r', since: NOW - 1_000 }, 'starting', 'worker is being started, since 1s'],
  [
    { kind: 'running', run: 'r', pid: 7, since: NOW - 720_000 },
    'running',
    'worker has been running for 12m (pid 7); restart is on-failure',
  ],
  [
    {
      kind: 'backoff',
      attempt: 3,
      since: NOW,
      until: NOW + 1_900,
      delayMs: 1_900,
      exit,
      reason: { kind: 'text', text: '' },
    },
    'backoff 1.9 s (3)',
    'worker is waiting to restart: attempt 3 in 1.9 s after exit 1 (backoff 500ms x2, jitter 0.2, max 30s)',
  ],
  [stopping, 'stopping, SIGKILL in 7s', 'worker is being stopped (stopped by hand): SIGKILL follows in 7s'],
  [
    { ...stopping, escalated: true, then: 'start-again' },
    'stopping, SIGKILL sent',
    'worker is being stopped (stopped by hand): SIGKILL was sent, and what is left of it is awaited, then it is started again',
  ],
  [
    { kind: 'completed', exit: { kind: 'code', code: 0 }, at: NOW },
    'completed',
    'worker has completed (exit 0); restart is on-failure, so it is not run again',
  ],
  [
    { kind: 'failed', exit, reason: { kind: 'text', text: 'exit 1, restart is never' }, at: NOW },
    'failed',
    'worker has failed: exit 1, restart is never',
  ],
  [
    { kind: 'skipped', reason: { kind: 'text', text: 'db failed (exit 1)' } },
    'skipped',
    'worker is not started: db failed (exit 1)',
  ],
];

describe('an instance', () => {
  it.each(table)('that is %j', (state, short, long) => {
    expect(describeState(instance(state), NOW)).toBe(short);
    expect(verdict(instance(state), SERVICE, NOW)).toBe(long);
  });

  it('that is stopped and not wanted stays so', () => {
    const down = instance({ kind: 'stopped', exit }, { wanted: 'down' });
    expect(describeState(down, NOW)).toBe('stopped');
    expect(verdict(down, SERVICE, NOW)).toBe(
      'worker is stopped and stays so until it is started (its last run: exit 1)',
    );
  });

  it('tells of its restarts and of what its last run said, and goes by its number among several', () => {
    const failed = instance(
      { kind: 'failed', exit, reason: { kind: 'text', text: 'exit 1' }, at: NOW },
      { lastCause: 'no queue', number: 2, id: 'worker.2' },
    );
    expect(verdict(failed, { ...SERVICE, replicas: 2 }, NOW)).toBe('worker.2 has failed: exit 1 (no queue)');
    const running = instance({ kind: 'running', run: 'r', since: NOW }, { restarts: 2 });
    expect(verdict(running, SERVICE, NOW)).toBe(
      'worker has been running for 0s; 2 restarts so far; restart is on-failure',
    );
  });

  it('never counts below nothing where the clocks differ', () => {
    expect(describeState(instance({ ...stopping, deadline: NOW - 5_000 }), NOW)).toBe(
      'stopping, SIGKILL in 0s',
    );
  });
});

describe('readiness', () => {
  const running = { kind: 'running', run: 'r', since: NOW - 10_000 } as const;
  const failing: ProbeView = {
    what: 'http http://127.0.0.1:80/',
    last: { ok: false, at: NOW - 2_000, tookMs: 12, output: 'HTTP 503' },
    inARow: 3,
    retries: 3,
  };
  const cases: [InstanceState, Partial<InstanceSnapshot>, string, string, string][] = [
    [
      { ...running, readiness: { kind: 'pending' } },
      {},
      'not ready',
      'running (not ready)',
      'worker has been running for 10s and is not ready yet; restart is on-failure',
    ],
    [
      { ...running, readiness: { kind: 'pending' } },
      { ready: failing },
      'not ready',
      'running (not ready)',
      'worker has been running for 10s and is not ready yet (http http://127.0.0.1:80/: failed 3 times in a row, 2s ago, took 12 ms: HTTP 503); restart is on-failure',
    ],
    [
      { ...running, pid: 7, readiness: { kind: 'ready', since: NOW - 9_000, tookMs: 1_000 } },
      {},
      'ready',
      'ready',
      'worker has been ready for 9s, 1s after its start (pid 7); restart is on-failure',
    ],
    [
      {
        ...running,
        readiness: {
          kind: 'lost',
          since: NOW - 1_000,
          reason: { kind: 'text', text: 'http failed: HTTP 503' },
        },
      },
      { ready: failing },
      'not ready',
      'running (not ready: HTTP 503)',
      'worker has been running for 10s and lost its readiness 1s ago: http failed: HTTP 503; restart is on-failure',
    ],
    [
      {
        ...running,
        readiness: {
          kind: 'lost',
          since: NOW - 1_000,
          reason: { kind: 'text', text: `says ${'x'.repeat(60)}` },
        },
      },
      {},
      'not ready',
      `running (not ready: says ${'x'.repeat(26)}…)`,
      `worker has been running for 10s and lost its readiness 1s ago: says ${'x'.repeat(60)}; restart is on-failure`,
    ],
  ];
  it.each(cases)('%j %j', (state, more, word, short, long) => {
    expect(stateWord(state)).toBe(word);
    expect(describeState(instance(state, more), NOW)).toBe(short);
    expect(verdict(instance(state, more), SERVICE, NOW)).toBe(long);
  });

  it('tells a probe that has not looked, that succeeds, and the last lines of what it said', () => {
    expect(describeProbe({ what: 'tcp', inARow: 0, retries: 3 }, NOW)).toBe('not looked yet');
    const last = { ok: true, at: NOW - 3_000, tookMs: 1_200, output: ' fine\n\n and\u001b[2J \n' };
    expect(describeProbe({ what: 'exec', inARow: 14, retries: 3, last }, NOW)).toBe(
      'succeeded 14 times in a row, 3s ago, took 1.2 s: fine and\\x1b[2J',
    );
    expect(describeProbe({ what: 'exec', inARow: 1, retries: 3, last: { ...last, output: '' } }, NOW)).toBe(
      'succeeded, 3s ago, took 1.2 s',
    );
  });
});

describe('schedules and limits', () => {
  it('tells when a scheduled instance is due, and how its last run ended', () => {
    const state = { kind: 'scheduled', since: NOW } as const;
    const due = { nextRun: NOW + 180_000 };
    expect(describeState(instance(state, due), NOW)).toBe('scheduled, next in 3m');
    expect(describeState(instance(state), NOW)).toBe('scheduled');
    const service = { ...SERVICE, schedule: { kind: 'every', everyMs: 300_000 } } as const;
    expect(verdict(instance({ ...state, exit }, due), service, NOW)).toBe(
      'worker waits for its schedule, every 5m, due in 3m; its last run: exit 1',
    );
    expect(verdict(instance({ kind: 'running', run: 'r', since: NOW }), service, NOW)).toBe(
      'worker has been running for 0s; it runs by its schedule, every 5m',
    );
  });

  it('counts retries by the limit where there is one', () => {
    const backoff = {
      kind: 'backoff',
      attempt: 3,
      since: NOW,
      until: NOW + 1_900,
      delayMs: 1_900,
      exit,
      reason: { kind: 'text', text: '' },
    } as const;
    const counted = { restarts: 9, recentRestarts: { count: 2, max: 5, windowMs: 60_000 } };
    expect(describeState(instance(backoff, counted), NOW)).toBe('backoff 1.9 s (3/5)');
    expect(verdict(instance(backoff, counted), SERVICE, NOW)).toBe(
      'worker is waiting to restart: attempt 3 of 5 in 1.9 s after exit 1 (backoff 500ms x2, jitter 0.2, max 30s; 2 of 5 restarts in the last 1m)',
    );
    expect(describeRestartLimit(instance(backoff))).toBeUndefined();
  });

  it('says how long a wait lasts at most, and what for', () => {
    const on = [{ service: 'db', condition: 'log', now: { kind: 'running' }, until: NOW + 30_000 }] as const;
    expect(verdict(instance({ kind: 'waiting', since: NOW, on }), SERVICE, NOW)).toBe(
      'worker waits for db (running) to be far enough by its log, for 30s at most, since 0s',
    );
  });
});

describe('parentheses', () => {
  it('do not nest where one reason stands in another', () => {
    const oom: Exit = { kind: 'oom', evidence: 'memory.events of its cgroup (oom_kill 1)' };
    expect(unnested('db failed (killed for lack of memory (cgroup (v2)))')).toBe(
      'db failed (killed for lack of memory, cgroup, v2)',
    );
    expect(verdict(instance({ kind: 'stopped', exit: oom }, { wanted: 'down' }), SERVICE, NOW)).toBe(
      'worker is stopped and stays so until it is started (its last run: killed for lack of memory, memory.events of its cgroup, oom_kill 1)',
    );
  });

  it('stay as they are where they do not match, and nothing else is lost', () => {
    for (const text of ['a (b', 'b) (a', '', 'plain', 'f(x) and g (y)']) expect(unnested(text)).toBe(text);
    fc.assert(
      fc.property(fc.string(), (text) => {
        const letters = (of: string): string => of.replace(/[(), ]/g, '');
        expect(letters(unnested(text))).toBe(letters(text));
      }),
    );
  });
});

describe('what is not as the state says', () => {
  const running: InstanceState = { kind: 'running', run: 'r', since: NOW - 720_000 };

  it('a run that is to be replaced says so, and how far that is', () => {
    const waits = instance(running, { replacing: true });
    expect(describeState(waits, NOW)).toBe('running (to be replaced)');
    expect(verdict(waits, SERVICE, NOW)).toMatch(/; to be replaced$/);
    const pulling = instance(running, { replacing: true, progress: 'pulling db:2 45 %' });
    expect(describeState(pulling, NOW)).toBe('running (to be replaced: pulling db:2 45 %)');
    expect(verdict(pulling, SERVICE, NOW)).toMatch(/; to be replaced, once through: pulling db:2 45 %$/);
    const lost = { ...running, readiness: { kind: 'pending' } } as const;
    expect(describeState(instance(lost, { replacing: true }), NOW)).toBe(
      'running (not ready) (to be replaced)',
    );
  });

  it('one that may be another by now is unknown, with what was known last', () => {
    const silent = instance(running, { unknown: 'the engine does not answer', replacing: true });
    expect([instanceWord(silent), instanceWord(instance(running))]).toEqual(['unknown', 'running']);
    expect(describeState(silent, NOW)).toBe('running (to be replaced) (unknown: the engine does not answer)');
  });
});
