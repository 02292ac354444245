import { describe, expect, test } from 'vitest';
import type { Exit } from '../../src/core/exit.ts';
import { type DependencyInstance, gate } from '../../src/core/gate.ts';
import type { Dependency } from '../../src/core/service.ts';
import { describeSkip, describeStatus } from '../../src/words/dependency.ts';
import type { InstanceState } from '../../src/core/state.ts';

const EXIT: Exit = { kind: 'code', code: 0 };
const BAD: Exit = { kind: 'code', code: 3 };
const running = { kind: 'running', run: 'r', since: 0 } as const;

function on(change: Partial<Dependency> = {}): Dependency {
  return { service: 'db', condition: 'started', required: true, onFailure: 'ignore', ...change };
}

function ask(
  dependency: Dependency,
  states: readonly InstanceState[] | undefined,
  forMs = 0,
  seen: readonly string[] = [],
): string {
  const instances = states?.map((state): DependencyInstance => ({ state, wanted: 'up', seen }));
  const verdict = gate([dependency], () => instances, { forMs, wallNow: 1_000 });
  switch (verdict.kind) {
    case 'open':
      return 'open';
    case 'never':
      return `never: ${describeSkip(verdict.reason)}`;
    case 'blocked':
      return `blocked: ${verdict.on.map(({ now }) => describeStatus(now)).join()}`;
  }
}

describe('gate', () => {
  test.each<[Partial<Dependency>, InstanceState, string]>([
    [{ condition: 'started' }, running, 'open'],
    [{ condition: 'started' }, { ...running, readiness: { kind: 'pending' } }, 'open'],
    [{ condition: 'ready' }, running, 'open'],
    [{ condition: 'ready' }, { ...running, readiness: { kind: 'pending' } }, 'blocked: running, not ready'],
    [{ condition: 'ready' }, { ...running, readiness: { kind: 'ready', since: 1, tookMs: 1 } }, 'open'],
    [
      { condition: 'ready' },
      { ...running, readiness: { kind: 'lost', since: 1, reason: { kind: 'text', text: 'x' } } },
      'blocked: running, not ready',
    ],
    [{ condition: 'completed' }, running, 'blocked: running'],
    [{ condition: 'completed' }, { kind: 'completed', exit: EXIT, at: 1 }, 'open'],
    [
      { condition: 'completed' },
      { kind: 'failed', exit: BAD, reason: { kind: 'text', text: 'x' }, at: 1 },
      'open',
    ],
    [
      { condition: 'completed-successfully' },
      { kind: 'failed', exit: BAD, reason: { kind: 'text', text: 'x' }, at: 1 },
      'never: db failed (exit 3)',
    ],
    [
      { condition: 'log', pattern: 'up' },
      { kind: 'completed', exit: EXIT, at: 1 },
      'never: db completed without the line that is waited for',
    ],
    [
      { condition: 'started' },
      { kind: 'skipped', reason: { kind: 'text', text: 'x failed' } },
      'never: db was skipped: x failed',
    ],
    [{ condition: 'started' }, { kind: 'scheduled', since: 1 }, 'open'],
    [{ condition: 'completed' }, { kind: 'scheduled', since: 1 }, 'blocked: waiting for its schedule'],
    [{ condition: 'completed' }, { kind: 'scheduled', since: 1, exit: BAD }, 'open'],
    [
      { condition: 'completed-successfully' },
      { kind: 'scheduled', since: 1, exit: BAD },
      'blocked: waiting for its schedule after exit 3',
    ],
    [{ condition: 'completed-successfully' }, { kind: 'scheduled', since: 1, exit: EXIT }, 'open'],
  ])('%j of %j: %s', (change, state, expected) => {
    expect(ask(on(change), [state])).toBe(expected);
  });

  test('waits for the line of the log', () => {
    const dependency = on({ condition: 'log', pattern: 'listening' });
    expect(ask(dependency, [running])).toBe('blocked: running');
    expect(ask(dependency, [running], 0, ['other'])).toBe('blocked: running');
    expect(ask(dependency, [running], 0, ['listening'])).toBe('open');
  });

  test('waits for all instances, and a hopeless one decides', () => {
    const waiting: InstanceState = { kind: 'waiting', since: 0, on: [] };
    expect(ask(on(), [running, waiting])).toBe('blocked: waiting');
    expect(
      ask(on(), [waiting, { kind: 'failed', exit: BAD, reason: { kind: 'text', text: 'x' }, at: 1 }]),
    ).toBe('never: db failed (exit 3)');
    expect(ask(on(), [])).toBe('open');
  });

  test('gives up after the timeout, and opens for all that once the condition holds', () => {
    const dependency = on({ condition: 'ready', timeoutMs: 5_000 });
    const pending: InstanceState = { ...running, readiness: { kind: 'pending' } };
    expect(ask(dependency, [pending], 4_999)).toBe('blocked: running, not ready');
    expect(ask(dependency, [pending], 5_000)).toBe(
      'never: db was not ready within 5s, it is running, not ready',
    );
    expect(ask(dependency, [running], Infinity)).toBe('open');
  });

  test('says when the first of several waits is over', () => {
    const blocked: DependencyInstance = {
      state: { kind: 'waiting', since: 0, on: [] },
      wanted: 'up',
      seen: [],
    };
    const dependencies = [
      on({ timeoutMs: 900 }),
      on({ service: 'mq', timeoutMs: 500 }),
      on({ service: 'x' }),
    ];
    const verdict = gate(dependencies, () => [blocked], { forMs: 100, wallNow: 1_000 });
    expect(verdict).toMatchObject({ kind: 'blocked', askAgainInMs: 400 });
    expect(verdict.kind === 'blocked' && verdict.on.map((each) => each.until)).toEqual([
      1_800,
      1_400,
      undefined,
    ]);
  });

  test('is not held up by what is not required and missing, failed or late', () => {
    const dependency = on({ required: false, condition: 'ready', timeoutMs: 1_000 });
    const waiting: InstanceState = { kind: 'waiting', since: 0, on: [] };
    expect(ask(dependency, undefined)).toBe('open');
    expect(ask(dependency, [{ kind: 'failed', exit: BAD, reason: { kind: 'text', text: 'x' }, at: 1 }])).toBe(
      'open',
    );
    expect(ask(dependency, [waiting], 999)).toBe('blocked: waiting');
    expect(ask(dependency, [waiting], 1_000)).toBe('open');
  });
});
