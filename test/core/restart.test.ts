import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exit } from '../../src/core/exit.ts';
import { backoffDelayMs, decide, type RunEnd, restoreWanted, type Verdict } from '../../src/core/restart.ts';
import { describeBackoff, describeFailure, describeRetry } from '../../src/words/restart.ts';
import type { RestartPolicy } from '../../src/core/service.ts';
import { restartSpec } from '../rig/spec.ts';

const BACKOFF = { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 30_000 };
/** The verdict on an end with status 3, in words. */
function said(verdict: Verdict): string {
  const exit: Exit = { kind: 'code', code: 3 };
  if (verdict.kind === 'retry') return describeRetry({ ...verdict, exit });
  return verdict.kind === 'fail' ? describeFailure(verdict.reason, exit) : verdict.kind;
}

const OK: Exit = { kind: 'code', code: 0 };
const BAD: Exit = { kind: 'code', code: 3 };
const SHORTAGE: Exit = {
  kind: 'spawn-error',
  failure: { code: 'resource-shortage', message: 'no more processes' },
};

function ended(change: Partial<RunEnd>): RunEnd {
  return {
    restart: restartSpec(),
    recentRestarts: 0,
    exit: BAD,
    wanted: 'up',
    consecutiveFailures: 0,
    ranMs: 10,
    backoff: BACKOFF,
    random: () => 0.5,
    ...change,
  };
}

describe('decide', () => {
  const ends: Record<string, Exit> = {
    'exit 0': OK,
    'exit 3': BAD,
    signal: { kind: 'signal', signal: 'SIGKILL' },
    'missing program': {
      kind: 'spawn-error',
      failure: { code: 'missing-program', message: 'no such program' },
    },
    shortage: SHORTAGE,
    timeout: { kind: 'timeout', afterMs: 5 },
    unknown: { kind: 'unknown', why: 'the launcher was killed' },
    oom: { kind: 'oom', evidence: 'memory.events' },
    unhealthy: { kind: 'unhealthy', reason: { kind: 'text', text: 'HTTP 500' } },
  };
  const table: [RestartPolicy, Record<string, string>][] = [
    ['never', { 'exit 0': 'complete', shortage: 'retry', else: 'fail' }],
    ['on-failure', { 'exit 0': 'complete', else: 'retry' }],
    ['always', { else: 'retry' }],
    ['unless-stopped', { else: 'retry' }],
  ];
  for (const [policy, expected] of table) {
    for (const [name, exit] of Object.entries(ends)) {
      it(`under ${policy} makes of ${name}: ${expected[name] ?? expected['else'] ?? ''}`, () => {
        expect(decide(ended({ restart: restartSpec(policy), exit })).kind).toBe(
          expected[name] ?? expected['else'],
        );
      });
    }
  }

  it('leaves alone what is not wanted, whatever the policy and the end', () => {
    for (const exit of Object.values(ends)) {
      expect(decide(ended({ restart: restartSpec('always'), exit, wanted: 'down' })).kind).toBe(
        'stay-stopped',
      );
    }
  });

  it('gives the reason in words', () => {
    const verdict = decide(ended({ consecutiveFailures: 1, backoff: { ...BACKOFF, initialMs: 950 } }));
    expect(verdict).toEqual({
      kind: 'retry',
      attempt: 2,
      delayMs: 1_900,
      reason: { kind: 'policy', policy: 'on-failure' },
    });
    expect(said(verdict)).toBe('exit 3, on-failure: retry 2 in 1.9 s');
    expect(said(decide(ended({ restart: restartSpec('never') })))).toBe('exit 3, restart is never');
  });

  it('takes the codes that are declared a success for one', () => {
    const restart = restartSpec({ policy: 'on-failure', successExitCodes: [0, 3] });
    expect(decide(ended({ restart })).kind).toBe('complete');
    expect(decide(ended({ restart, exit: { kind: 'code', code: 4 } })).kind).toBe('retry');
    expect(decide(ended({ restart: restartSpec({ successExitCodes: [7] }), exit: OK })).kind).toBe('retry');
  });

  it.each<[string, Exit, string]>([
    ['a listed code', BAD, 'retry'],
    ['a code that is not listed', { kind: 'code', code: 4 }, 'fail'],
    ['a listed signal', { kind: 'signal', signal: 'SIGKILL' }, 'retry'],
    ['a signal that is not listed', { kind: 'signal', signal: 'SIGSEGV' }, 'fail'],
    ['an end that nobody saw', { kind: 'unknown', why: 'x' }, 'retry'],
    ['success', OK, 'complete'],
  ])('with on_codes makes of %s', (_name, exit, kind) => {
    const restart = restartSpec({ onCodes: [3, 128 + 9] });
    expect(decide(ended({ restart, exit })).kind).toBe(kind);
  });

  it('gives up once the window holds as many restarts as are allowed, and keeps the last cause', () => {
    const restart = restartSpec({ maxRestarts: 5, windowMs: 60_000 });
    expect(said(decide(ended({ restart, recentRestarts: 4 })))).toMatch(/retry 1 of 5 in/);
    const last = decide(ended({ restart, recentRestarts: 5 }));
    expect(said(last)).toBe('5 restarts in 1m: giving up (last: exit 3)');
    expect(last).toEqual({
      kind: 'fail',
      code: 'E_MAX_RESTARTS',
      reason: { kind: 'gave-up', restarts: 5, windowMs: 60_000 },
    });
    expect(decide(ended({ restart, recentRestarts: 5, exit: SHORTAGE })).kind).toBe('retry');
    expect(decide(ended({ recentRestarts: 1_000 })).kind).toBe('retry');
  });

  it('counts from the first again after a run of at least reset_after', () => {
    expect(decide(ended({ consecutiveFailures: 7, ranMs: 29_999 }))).toMatchObject({ attempt: 8 });
    expect(decide(ended({ consecutiveFailures: 7, ranMs: 30_000 }))).toMatchObject({
      attempt: 1,
      delayMs: 500,
    });
  });
});

describe('backoffDelayMs', () => {
  it('grows by the multiplier up to the cap', () => {
    const delays = [1, 2, 3, 7, 8, 1e9].map((n) => backoffDelayMs(BACKOFF, n, () => 0.5));
    expect(delays).toEqual([500, 1_000, 2_000, 30_000, 30_000, 30_000]);
  });

  it('varies by the jitter either way', () => {
    expect(backoffDelayMs(BACKOFF, 2, () => 0)).toBe(800);
    expect(backoffDelayMs(BACKOFF, 2, () => 0.999_999)).toBe(1_200);
  });

  it('is a whole number from 0 to max for every input, jitter included', () => {
    const backoff = fc.record({
      initialMs: fc.nat(100_000),
      maxMs: fc.nat(100_000),
      multiplier: fc.double({ min: 0.1, max: 1_000, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      resetAfterMs: fc.nat(),
    });
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(backoff, fc.integer({ min: 1, max: 1_000_000_000 }), chance, (b, attempt, r) => {
        const delay = backoffDelayMs(b, attempt, () => r);
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(b.maxMs);
      }),
    );
  });
});

it('restoreWanted brings back what a person stopped under always only', () => {
  expect(restoreWanted('always', true)).toBe('up');
  for (const policy of ['never', 'on-failure', 'unless-stopped'] as const) {
    expect(restoreWanted(policy, true)).toBe('down');
    expect(restoreWanted(policy, false)).toBe('up');
  }
});

it('describeBackoff says it as the manifest does', () => {
  expect(describeBackoff(BACKOFF)).toBe('500ms x2, jitter 0.2, max 30s');
});
