import { describe, expect, test } from 'vitest';
import { judgeUp, notUp, SETTLE_MS, upRows } from '../../src/cli/up-progress.ts';
import { judgeGoal, type WaitGoal } from '../../src/cli/wait.ts';
import type { ServiceSnapshot } from '../../src/core/api.ts';
import type { Exit } from '../../src/core/exit.ts';
import type { InstanceState, Readiness, WaitingOn } from '../../src/core/state.ts';
import { withDependencies } from '../../src/cli/view.ts';
import { instance, NOW, on, project, running, service } from './fake.ts';

const exit1: Exit = { kind: 'code', code: 1 };
const starting: InstanceState = { kind: 'starting', run: 'r', since: NOW };
const completed: InstanceState = { kind: 'completed', exit: { kind: 'code', code: 0 }, at: NOW };
const failed: InstanceState = {
  kind: 'failed',
  exit: exit1,
  reason: { kind: 'text', text: 'exit 1, never: not retried' },
  at: NOW,
};
const skipped: InstanceState = { kind: 'skipped', reason: { kind: 'text', text: 'db failed (exit 1)' } };
const backoff: InstanceState = {
  kind: 'backoff',
  attempt: 3,
  since: NOW,
  until: NOW + 1000,
  delayMs: 1000,
  exit: exit1,
  reason: { kind: 'text', text: '' },
};
const stopping: InstanceState = {
  kind: 'stopping',
  run: 'r',
  since: NOW,
  deadline: NOW + 1000,
  then: 'start-again',
  escalated: false,
  cause: { kind: 'text', of: 'user', text: 'changed' },
};
function waiting(on: string, condition: WaitingOn['condition'] = 'started'): InstanceState {
  return { kind: 'waiting', since: NOW, on: [{ service: on, condition, now: { kind: 'starting' } }] };
}
function probed(readiness: Readiness): InstanceState {
  return { kind: 'running', run: 'r', since: NOW - 10_000, readiness };
}
const stoppedByHand = instance('x', 1, { kind: 'stopped' });
const aboutToStart = instance('x', 1, { kind: 'stopped' }, { wanted: 'up' });

describe('judgeUp', () => {
  test.each<[string, readonly ServiceSnapshot[], string, string]>([
    ['nothing at all', [], 'up', 'up'],
    ['one that has run long enough', [service('a', [running(SETTLE_MS)])], 'up', 'up'],
    ['one that has only just started', [service('a', [running(SETTLE_MS - 1)])], 'pending', 'up'],
    ['a finished one-shot', [service('a', [completed])], 'up', 'up'],
    ['one that is starting', [service('a', [starting])], 'pending', 'pending'],
    ['one that is about to start', [service('a', [aboutToStart])], 'pending', 'pending'],
    ['one that a person stopped', [service('a', [stoppedByHand]), service('b', [running()])], 'up', 'up'],
    ['one that is being replaced', [service('a', [stopping])], 'pending', 'pending'],
    ['one in backoff', [service('a', [backoff])], 'pending', 'up'],
    ['one that is ready', [service('a', [probed({ kind: 'ready', since: NOW, tookMs: 1 })])], 'up', 'up'],
    ['one that is not ready yet', [service('a', [probed({ kind: 'pending' })])], 'pending', 'up'],
    [
      'one that is not ready any more',
      [service('a', [probed({ kind: 'lost', since: NOW, reason: { kind: 'text', text: 'x' } })])],
      'pending',
      'up',
    ],
    ['one that waits for its schedule', [service('a', [{ kind: 'scheduled', since: NOW }])], 'up', 'up'],
    [
      'one that waits for a service that is not ready yet',
      [service('a', [waiting('b', 'ready')]), service('b', [probed({ kind: 'pending' })])],
      'pending',
      'up',
    ],
    [
      'one that waits for a service that is ready: its gate is about to open',
      [
        service('a', [waiting('b', 'ready')]),
        service('b', [probed({ kind: 'ready', since: NOW, tookMs: 1 })]),
      ],
      'pending',
      'pending',
    ],
    ['a failure', [service('a', [failed])], 'failed', 'failed'],
    [
      'a failure while another starts',
      [service('a', [failed]), service('b', [starting])],
      'failed',
      'pending',
    ],
    ['a skipped one alone', [service('a', [skipped])], 'failed', 'failed'],
    ['a service without instances', [service('a', [])], 'up', 'up'],
    [
      'one that waits for a start under way',
      [service('a', [waiting('b')]), service('b', [starting])],
      'pending',
      'pending',
    ],
    [
      'one that waits for a start that is through: its gate is about to open',
      [service('a', [waiting('b')]), service('b', [running()])],
      'pending',
      'pending',
    ],
    [
      'one that waits for a long one-shot',
      [service('a', [waiting('b', 'completed-successfully')]), service('b', [running()])],
      'pending',
      'up',
    ],
    [
      'one behind another that waits for a long one-shot',
      [service('a', [waiting('b')]), service('b', [waiting('c', 'completed')]), service('c', [running()])],
      'pending',
      'up',
    ],
    [
      'one that waits for one in backoff',
      [service('a', [waiting('b')]), service('b', [backoff])],
      'pending',
      'up',
    ],
    [
      'one that waits for one that a person stopped',
      [service('a', [waiting('b')]), service('b', [stoppedByHand])],
      'pending',
      'up',
    ],
    [
      'a circle of waits, which ends the search',
      [service('a', [waiting('b')]), service('b', [waiting('a')])],
      'pending',
      'pending',
    ],
  ])('%s', (_, services, wait, begin) => {
    const snapshot = project(services);
    expect(judgeUp(snapshot, NOW, 'wait').kind).toBe(wait);
    expect(judgeUp(snapshot, NOW, 'begin').kind).toBe(begin);
  });

  test('only what was named and its dependencies counts', () => {
    const snapshot = project([
      service('a', [running()], { dependsOn: [on('b')] }),
      service('b', [running()]),
      service('c', [failed]),
    ]);
    expect(judgeUp(snapshot, NOW, 'wait', withDependencies(snapshot, ['a'])).kind).toBe('up');
    expect(judgeUp(snapshot, NOW, 'wait', withDependencies(snapshot, ['c'])).kind).toBe('failed');
  });

  test('the culprit is the one that failed, not those that were skipped for it', () => {
    const snapshot = project([service('api', [skipped]), service('db', [failed])]);
    const verdict = judgeUp(snapshot, NOW, 'wait');
    expect(verdict.kind === 'failed' && verdict.culprits.map(({ name, reason }) => [name, reason])).toEqual([
      ['db', 'exit 1, never: not retried'],
    ]);
  });
});

test('when the time ran out, those in backoff are to blame, not those that wait for them', () => {
  const snapshot = project([
    service('api', [waiting('db')]),
    service('db', [backoff]),
    service('web', [running()]),
  ]);
  expect(notUp(snapshot, NOW).map(({ name, reason }) => [name, reason])).toEqual([
    ['db', 'exit 1; it is waiting to be restarted (attempt 3)'],
  ]);
  const onlyWaiting = project([service('api', [waiting('db')])]);
  expect(notUp(onlyWaiting, NOW).map(({ reason }) => reason)).toEqual(['still waits for db (starting)']);
});

test('rows say what each instance does, and since when it is settled', () => {
  const snapshot = project([
    service('db', [instance('db', 1, running(0), { ports: { main: 5432 } })]),
    service('api', [starting, waiting('db')]),
    service('migrate', [{ ...completed, at: NOW - 1300 }]),
    service('old', [running(60_000)]),
    service('worker', [instance('worker', 1, failed, { lastCause: 'boom\nat x' })]),
  ]);
  const rows = upRows(snapshot, NOW, NOW - 2100).map(({ icon, name, text, time, note }) => [
    icon,
    name,
    text,
    time,
    note,
  ]);
  expect(rows).toEqual([
    ['ok', 'db', 'running', '2.1 s', ':5432'],
    ['busy', 'api.1', 'starting', undefined, undefined],
    ['busy', 'api.2', 'waiting for db (starting)', undefined, undefined],
    ['ok', 'migrate', 'completed', '0.8 s', undefined],
    ['ok', 'old', 'running', undefined, undefined],
    ['bad', 'worker', 'failed', '2.1 s', 'boom at x'],
  ]);
});

test('the culprit that is not ready is named with what its probe saw', () => {
  const last = { ok: false, at: NOW - 1000, tookMs: 4, output: 'HTTP 503' };
  const ready = { what: 'http http://127.0.0.1/', last, inARow: 6, retries: 3 };
  const snapshot = project([
    service('web', [instance('web', 1, probed({ kind: 'pending' }), { ready })]),
    service('api', [waiting('web', 'ready')]),
  ]);
  expect(notUp(snapshot, NOW).map(({ name, reason }) => [name, reason])).toEqual([
    ['web', 'is not ready: http http://127.0.0.1/: failed 6 times in a row, 1s ago, took 4 ms: HTTP 503'],
  ]);
});

test('rows tell readiness, how long it took, and how far those are that are waited for', () => {
  const snapshot = project([
    service('db', [
      instance('db', 1, probed({ kind: 'ready', since: NOW - 100, tookMs: 9_900 }), {
        ports: { main: 5432 },
      }),
    ]),
    service('web', [
      instance('web', 1, probed({ kind: 'pending' }), {
        ready: {
          what: 'tcp',
          last: { ok: false, at: NOW, tookMs: 1, output: 'refused' },
          inARow: 1,
          retries: 3,
        },
      }),
    ]),
    service('api', [
      {
        kind: 'waiting',
        since: NOW,
        on: [{ service: 'web', condition: 'ready', now: { kind: 'not-ready' }, until: NOW + 30_000 }],
      },
    ]),
    service('job', [instance('job', 1, { kind: 'scheduled', since: NOW }, { nextRun: NOW + 60_000 })]),
  ]);
  const rows = upRows(snapshot, NOW, NOW - 2100).map(({ icon, text, time, note }) => [
    icon,
    text,
    time,
    note,
  ]);
  expect(rows).toEqual([
    ['ok', 'ready', '2s', ':5432'],
    ['busy', 'running (not ready)', undefined, 'refused'],
    ['busy', 'waiting for web (running, not ready)', undefined, 'for 30s at most'],
    ['ok', 'scheduled, next in 1m', undefined, undefined],
  ]);
});

describe('judgeGoal', () => {
  test.each<[string, WaitGoal, readonly ServiceSnapshot[], string]>([
    ['completed: all have', 'completed', [service('a', [completed])], 'up'],
    [
      'completed: one still runs',
      'completed',
      [service('a', [completed]), service('b', [running()])],
      'pending',
    ],
    ['completed: one failed', 'completed', [service('a', [failed]), service('b', [running()])], 'failed'],
    ['completed: one was stopped', 'completed', [service('a', [stoppedByHand])], 'failed'],
    ['completed: one is in backoff', 'completed', [service('a', [backoff])], 'pending'],
    ['ready: one is not', 'ready', [service('a', [probed({ kind: 'pending' })])], 'pending'],
    ['running: a probe does not matter', 'running', [service('a', [probed({ kind: 'pending' })])], 'up'],
    ['running: one is in backoff', 'running', [service('a', [backoff])], 'pending'],
    ['running: one failed', 'running', [service('a', [failed])], 'failed'],
    [
      'completed: one has not run by its schedule yet',
      'completed',
      [service('a', [{ kind: 'scheduled', since: NOW }])],
      'pending',
    ],
    [
      'completed: one has, and waits for the next time',
      'completed',
      [service('a', [{ kind: 'scheduled', since: NOW, exit: { kind: 'code', code: 0 } }])],
      'up',
    ],
    [
      'completed: one has failed by its schedule',
      'completed',
      [service('a', [{ kind: 'scheduled', since: NOW, exit: exit1 }])],
      'failed',
    ],
    [
      'stopped: one will run by its schedule',
      'stopped',
      [service('a', [{ kind: 'scheduled', since: NOW }])],
      'pending',
    ],
    ['stopped: one still runs', 'stopped', [service('a', [running()])], 'pending'],
    ['stopped: one is in backoff', 'stopped', [service('a', [backoff])], 'pending'],
    [
      'stopped: all ended one way or another',
      'stopped',
      [service('a', [failed]), service('b', [stoppedByHand])],
      'up',
    ],
  ])('%s', (_, goal, services, kind) => {
    expect(judgeGoal({ snapshot: project(services), now: NOW }, goal, []).kind).toBe(kind);
  });

  test('names narrow it, down to one instance', () => {
    const snapshot = project([service('a', [completed, running()])]);
    expect(judgeGoal({ snapshot, now: NOW }, 'completed', ['a']).kind).toBe('pending');
    expect(judgeGoal({ snapshot, now: NOW }, 'completed', ['a.1']).kind).toBe('up');
  });
});
