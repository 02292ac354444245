import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  declare,
  gapMs,
  judge,
  type Look,
  newProbeState,
  type ProbeLimits,
  type ProbeState,
  type ProbeVerdict,
  toleranceMs,
} from '../../src/core/probe.ts';

const READY: ProbeLimits = { role: 'ready', retries: 3, success: 1, startPeriodMs: 0 };
const LIVE: ProbeLimits = { role: 'live', retries: 3, success: 1, startPeriodMs: 0 };

/** Feeds results, `+` for ok, `-` for failed, `?` for inconclusive, one each second; answers the verdicts. */
function run(limits: ProbeLimits, results: string, wasReady = false): readonly ProbeVerdict[] {
  let state = newProbeState(limits.role, wasReady);
  return Array.from(results, (mark, i) => {
    const result = mark === '+' ? 'ok' : mark === '-' ? 'failed' : 'inconclusive';
    const { state: next, verdict } = judge(limits, state, { result, sinceStartMs: i * 1_000 });
    state = next;
    return verdict;
  });
}

/** The verdicts that are something, with the place of the result that led to them. */
function told(limits: ProbeLimits, results: string, wasReady = false): string {
  return run(limits, results, wasReady)
    .flatMap((verdict, i) => (verdict === 'nothing' ? [] : [`${verdict}@${i}`]))
    .join(' ');
}

describe('a ready probe', () => {
  test.each([
    ['never succeeds', READY, '-----', ''],
    ['succeeds', READY, '--+', 'ready@2'],
    ['succeeds on', READY, '++++', 'ready@0'],
    ['fails too rarely to be lost', READY, '+--+--+', 'ready@0'],
    ['is lost and comes back', READY, '+---+', 'ready@0 lost@3 ready@4'],
    ['is lost once only', READY, '+-------', 'ready@0 lost@3'],
    ['needs its successes in a row', { ...READY, success: 3 }, '++-++-+++', 'ready@8'],
    [
      'needs them again after it was lost',
      { ...READY, retries: 1, success: 2 },
      '++-+-++',
      'ready@1 lost@2 ready@6',
    ],
    ['is not lost by what is inconclusive', READY, '+-?-??-', 'ready@0 lost@6'],
    ['is not lost within the start period', { ...READY, startPeriodMs: 5_000 }, '+-------', 'ready@0 lost@7'],
  ] as const)('that %s', (_, limits, results, expected) => {
    expect(told(limits, results)).toBe(expected);
  });

  test('that was ready before stays so until failures say otherwise', () => {
    expect(told(READY, '++', true)).toBe('');
    expect(told(READY, '---+', true)).toBe('lost@2 ready@3');
  });
});

describe('a live probe', () => {
  test.each([
    ['succeeds', LIVE, '++++', ''],
    ['fails from the beginning', LIVE, '----', 'unhealthy@2'],
    ['fails in a row', LIVE, '+--+---', 'unhealthy@6'],
    ['fails again after it was well', LIVE, '---+---', 'unhealthy@2 unhealthy@6'],
    ['fails within the start period', { ...LIVE, startPeriodMs: 10_000 }, '---------', ''],
    ['fails after the start period', { ...LIVE, startPeriodMs: 3_000 }, '------', 'unhealthy@5'],
    [
      'succeeds early, which ends the start period',
      { ...LIVE, startPeriodMs: 9_000 },
      '-+---',
      'unhealthy@4',
    ],
    ['looks in vain', LIVE, '--??????-', 'unhealthy@8'],
  ] as const)('that %s', (_, limits, results, expected) => {
    expect(told(limits, results)).toBe(expected);
  });
});

/** The rules once more, over the whole history instead of a state. */
class Model {
  good: boolean | undefined;
  readonly #limits: ProbeLimits;
  readonly #marks: ('ok' | 'counted' | 'uncounted')[] = [];
  #proven = false;

  constructor(limits: ProbeLimits) {
    this.#limits = limits;
    if (limits.role === 'live') this.good = true;
  }

  take({ result, sinceStartMs }: Look): ProbeVerdict {
    const { role, retries, success, startPeriodMs } = this.#limits;
    if (result === 'inconclusive') return 'nothing';
    if (result === 'ok') {
      this.#proven = true;
      this.#marks.push('ok');
      const row = this.#marks.length - 1 - this.#marks.findLastIndex((mark) => mark !== 'ok');
      if (row < success || this.good === true) return 'nothing';
      this.good = true;
      return role === 'ready' ? 'ready' : 'nothing';
    }
    const grace = sinceStartMs < startPeriodMs && (role === 'ready' || !this.#proven);
    this.#marks.push(grace ? 'uncounted' : 'counted');
    const sinceOk = this.#marks.slice(this.#marks.lastIndexOf('ok') + 1);
    if (grace || this.good !== true || sinceOk.filter((mark) => mark === 'counted').length < retries)
      return 'nothing';
    this.good = false;
    return role === 'ready' ? 'lost' : 'unhealthy';
  }
}

const limitsOf = fc.record({
  role: fc.constantFrom('ready' as const, 'live' as const),
  retries: fc.integer({ min: 1, max: 5 }),
  success: fc.integer({ min: 1, max: 4 }),
  startPeriodMs: fc.constantFrom(0, 5_000, 20_000),
});
const resultOf = fc.constantFrom(
  'ok' as const,
  'ok' as const,
  'failed' as const,
  'failed' as const,
  'inconclusive' as const,
);

test('any 10,000 results are judged as by the whole history', () => {
  fc.assert(
    fc.property(limitsOf, fc.array(resultOf, { minLength: 100, maxLength: 100 }), (limits, results) => {
      const model = new Model(limits);
      let state = newProbeState(limits.role, false);
      results.forEach((result, i) => {
        const look: Look = { result, sinceStartMs: i * 700 };
        const judgement = judge(limits, state, look);
        state = judgement.state;
        expect(judgement.verdict).toBe(model.take(look));
        expect(state.standing === 'good').toBe(model.good === true);
      });
    }),
    { numRuns: 200 },
  );
});

test('verdicts of one kind never follow each other without the other state in between', () => {
  fc.assert(
    fc.property(limitsOf, fc.array(resultOf, { maxLength: 200 }), (limits, results) => {
      const marks = results.map((r) => (r === 'ok' ? '+' : r === 'failed' ? '-' : '?')).join('');
      const verdicts = run(limits, marks).filter((verdict) => verdict !== 'nothing');
      if (limits.role === 'live') return;
      verdicts.forEach((verdict, i) => expect(verdict).toBe(i % 2 === 0 ? 'ready' : 'lost'));
    }),
  );
});

test('what the service says of itself needs no counting', () => {
  const strict = { ...READY, success: 5, retries: 5 };
  const said = declare('ready', newProbeState('ready', false), true);
  expect(said).toMatchObject({ verdict: 'ready', state: { standing: 'good', last: 'ok', inARow: 1 } });
  expect(declare('ready', said.state, true).verdict).toBe('nothing');
  expect(declare('ready', said.state, false).verdict).toBe('lost');
  expect(declare('ready', newProbeState('ready', false), false)).toMatchObject({
    verdict: 'nothing',
    state: { standing: 'pending' },
  });
  const ill = declare('live', newProbeState('live', false), false);
  expect(ill.verdict).toBe('unhealthy');
  expect(declare('live', ill.state, false).verdict).toBe('nothing');
  expect(judge(strict, said.state, { result: 'failed', sinceStartMs: 0 }).verdict).toBe('nothing');
});

test('looks of a service that starts up follow each other fast at first, and at most at its interval', () => {
  const failing: ProbeState = { ...newProbeState('ready', false), last: 'failed', inARow: 1 };
  const gaps: number[] = [];
  for (let gap: number | undefined; gap !== 2_000;) gaps.push((gap = gapMs('ready', failing, 2_000, gap)));
  expect(gaps.slice(0, 4)).toEqual([25, 37.5, 56.25, 84.375]);
  expect(gaps.at(-2)).toBeGreaterThan(1_300);
  expect(gaps).toHaveLength(12);
  expect(gapMs('ready', failing, 10, undefined)).toBe(10);
  expect(gapMs('ready', { ...failing, last: 'ok' }, 2_000, 25)).toBe(2_000);
  expect(gapMs('ready', { ...failing, standing: 'bad' }, 2_000, 25)).toBe(2_000);
  expect(gapMs('live', newProbeState('live', false), 2_000, undefined)).toBe(2_000);
});

test.each([
  [1, 50],
  [200, 200],
  [1_000, 1_000],
  [30_000, 1_000],
])('with %i ms allowed a timer may be %i ms late', (allowedMs, expected) => {
  expect(toleranceMs(allowedMs)).toBe(expected);
});
