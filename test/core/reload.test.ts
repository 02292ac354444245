import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Cause } from '../../src/core/event.ts';
import type { ActionKind, PlanStep, ResourceStep } from '../../src/core/plan-view.ts';
import {
  beginTrial,
  countSteps,
  judge,
  keptScale,
  serviceChanges,
  type Trial,
  type TrialView,
} from '../../src/core/reload.ts';
import { describeChangeFailure } from '../../src/words/cause.ts';
import { changeLines, describeCounts } from '../../src/words/counts.ts';
import type { InstanceState } from '../../src/core/state.ts';

function step(
  action: ActionKind,
  instance: string,
  causes: readonly Cause[] = [{ kind: 'added' }],
): PlanStep {
  const service = instance.replace(/\.\d+$/, '');
  return { id: `${action}:${instance}`, action, service, instance, causes, after: [], backend: 'native' };
}

const PORT: Cause = { kind: 'changed', fields: [{ field: 'env.PORT', from: '"8080"', to: '"8081"' }] };

describe('what a reload does, in words', () => {
  test('a line for each service and what is done to it', () => {
    const steps = [
      step('replace', 'api.1', [PORT]),
      ...[1, 2, 3].map((n) => step('replace', `web.${n}`, [PORT])),
      step('update', 'db.1', [PORT]),
      step('none', 'idle.1'),
      step('stop', 'old.1', [{ kind: 'removed' }]),
      step('forget', 'old.1', [{ kind: 'removed' }]),
      step('forget', 'gone.1', [{ kind: 'removed' }]),
      step('start', 'new.1'),
      step('start', 'new.2'),
    ];
    expect(changeLines(serviceChanges({ steps }))).toEqual([
      'api: env.PORT "8080" -> "8081": replace',
      'web: env.PORT "8080" -> "8081": replace 3, one after another',
      'db: env.PORT "8080" -> "8081": in place',
      'old: removed from the manifest: stop',
      'gone: removed from the manifest: forget',
      'new: added: start (2)',
    ]);
    expect(countSteps({ steps })).toEqual({ start: 2, replace: 4, update: 1, stop: 2 });
    expect(describeCounts(countSteps({ steps }))).toBe('2 to start, 4 to replace, 1 in place, 2 to stop');
  });

  test('nothing is nothing, and much is bounded', () => {
    expect(describeCounts(countSteps({ steps: [step('none', 'a.1')] }))).toBe('nothing to do');
  });

  test('also of resources, of which what is kept is nothing to do', () => {
    const resource = (action: ResourceStep['action'], name: string): ResourceStep => ({
      id: `${action}:network:${name}`,
      action,
      kind: 'network',
      name,
      causes: [],
      after: [],
      services: [],
      backend: 'docker',
    });
    const resources = [resource('remove', 'a'), resource('keep', 'b')];
    expect(describeCounts(countSteps({ steps: [], resources }))).toBe('1 resource to make or remove');
    const lines = changeLines(
      serviceChanges({ steps: Array.from({ length: 80 }, (_, n) => step('start', `s${n}.1`)) }),
    );
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe('and 30 more');
  });
});

test('a number that was scaled to is kept until the manifest says another, or nothing, of the service', () => {
  const scale = { same: 3, changed: 3, gone: 3, unknown: 3 };
  const before = new Map([
    ['same', 1],
    ['changed', 1],
    ['gone', 1],
  ]);
  const now = new Map([
    ['same', 1],
    ['changed', 2],
    ['unknown', 1],
  ]);
  expect(keptScale(scale, before, now)).toEqual({ same: 3, unknown: 3 });
  expect(keptScale(scale, undefined, now)).toEqual({ same: 3, changed: 3, unknown: 3 });
});

const EXIT = { kind: 'code', code: 1 } as const;
const running: InstanceState = { kind: 'running', run: 'r', since: 0 };
const pending: InstanceState = { kind: 'running', run: 'r', since: 0, readiness: { kind: 'pending' } };
const backoff = (attempt: number): InstanceState => ({
  kind: 'backoff',
  attempt,
  since: 0,
  until: 1,
  delayMs: 1,
  exit: EXIT,
  reason: { kind: 'text', text: 'r' },
});

function view(state: InstanceState, more: Partial<TrialView> = {}): TrialView {
  return { id: 'web.1', state, wanted: 'up', fingerprint: 'new', ...more };
}

/** Shows the states one after another, each at its time. */
function shown(...looks: readonly (readonly [atMs: number, TrialView])[]): string {
  let trial: Trial = beginTrial('web', undefined, new Map([['web.1', 'old']]));
  for (const [at, seen] of looks) {
    const verdict = judge(trial, [seen], at);
    if (verdict.kind === 'good') return 'good';
    if (verdict.kind === 'bad') return describeChangeFailure(verdict.reason);
    trial = verdict.trial;
  }
  return 'open';
}

describe('the trial of a change', () => {
  test.each<[string, readonly (readonly [number, TrialView])[], string]>([
    [
      'up for five seconds',
      [
        [0, view(running)],
        [5_000, view(running)],
      ],
      'good',
    ],
    [
      'up for less',
      [
        [0, view(running)],
        [4_999, view(running)],
      ],
      'open',
    ],
    [
      'up, down, and up for less',
      [
        [0, view(running)],
        [4_000, view(backoff(1))],
        [6_000, view(running)],
      ],
      'open',
    ],
    [
      'still the former launch',
      [
        [0, view(running, { fingerprint: 'old' })],
        [99_000, view(running, { fingerprint: 'old' })],
      ],
      'open',
    ],
    ['ran to its end', [[0, view({ kind: 'completed', exit: EXIT, at: 0 })]], 'good'],
    [
      'waits for as long as it likes',
      [
        [0, view({ kind: 'waiting', since: 0, on: [] })],
        [999_000, view({ kind: 'waiting', since: 0, on: [] })],
      ],
      'open',
    ],
    [
      'not ready within a minute',
      [
        [0, view(pending)],
        [60_000, view(pending)],
      ],
      'web.1 was not ready within 1m',
    ],
    [
      'crashed twice',
      [
        [0, view(backoff(1))],
        [1_000, view(backoff(2))],
      ],
      'open',
    ],
    [
      'crashed three times',
      [[0, view(backoff(3))]],
      'web.1 failed 3 times in a row, the last time with exit 1',
    ],
    [
      'failed for good',
      [[0, view({ kind: 'failed', exit: EXIT, reason: { kind: 'text', text: 'no restart' }, at: 0 })]],
      'web.1 exit 1: no restart',
    ],
    [
      'nobody wants it any more',
      [
        [
          0,
          view(
            { kind: 'failed', exit: EXIT, reason: { kind: 'text', text: 'r' }, at: 0 },
            { wanted: 'down' },
          ),
        ],
      ],
      'good',
    ],
    ['not one of those', [[0, view(backoff(9), { id: 'web.2' })]], 'good'],
  ])('%s', (_, looks, verdict) => {
    expect(shown(...looks)).toBe(verdict);
  });

  test('a probe that is to be patient makes the trial so', () => {
    const probe = {
      check: { kind: 'notify' as const },
      intervalMs: 10_000,
      timeoutMs: 5_000,
      retries: 4,
      startPeriodMs: 30_000,
      success: 1,
    };
    expect(beginTrial('web', probe, new Map()).windowMs).toBe(90_000);
    expect(beginTrial('web', { ...probe, startPeriodMs: 0, retries: 1 }, new Map()).windowMs).toBe(60_000);
  });

  test('it is decided, or looked at again at a time to come', () => {
    const states = fc.constantFrom<InstanceState>(running, pending, backoff(1), {
      kind: 'starting',
      run: 'r',
      since: 0,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3_000), states), { minLength: 1, maxLength: 60 }), (looks) => {
        let trial = beginTrial('web', undefined, new Map([['web.1', 'old']]));
        let now = 0;
        for (const [passes, state] of looks) {
          now += passes;
          const verdict = judge(trial, [view(state)], now);
          if (verdict.kind !== 'open') return;
          expect(verdict.lookAgainInMs).toBeGreaterThan(0);
          trial = verdict.trial;
        }
        expect(now).toBeLessThan(60_000 + 5_000 + 3_000);
      }),
    );
  });
});
