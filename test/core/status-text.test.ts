import { describe, expect, it } from 'vitest';
import type { InstanceSnapshot } from '../../src/core/event.ts';
import type { InstanceState } from '../../src/core/state.ts';
import { describeState, verdict } from '../../src/core/status-text.ts';

const NOW = 1_000_000;
const SERVICE = { restart: 'on-failure', backoff: '500ms x2, jitter 0.2, max 30s', replicas: 1 };

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
  reason: 'stopped by hand',
} as const;

const table: [InstanceState, string, string][] = [
  [{ kind: 'stopped' }, 'about to start', 'worker is about to start'],
  [
    { kind: 'waiting', since: NOW - 4_000, on: [{ service: 'db', condition: 'started', now: 'starting' }] },
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
    { kind: 'backoff', attempt: 3, since: NOW, until: NOW + 1_900, delayMs: 1_900, exit, reason: '' },
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
    { kind: 'failed', exit, reason: 'exit 1, restart is never', at: NOW },
    'failed',
    'worker has failed: exit 1, restart is never',
  ],
  [{ kind: 'skipped', reason: 'db failed (exit 1)' }, 'skipped', 'worker is not started: db failed (exit 1)'],
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
      { kind: 'failed', exit, reason: 'exit 1', at: NOW },
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
