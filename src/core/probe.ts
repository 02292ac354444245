/** What a probe's results mean. A look is one asking; its result counts by the rules below. */

/** `ready`: whether dependents may start. `live`: whether the run goes on at all. */
export type ProbeRole = 'ready' | 'live';

export interface ProbeLimits {
  readonly role: ProbeRole;
  /** Failures in a row that take a success back, or make unhealthy; at least 1. */
  readonly retries: number;
  /** Successes in a row until they count; at least 1. */
  readonly success: number;
  readonly startPeriodMs: number;
}

export interface ProbeState {
  /**
   * Of `ready`: never ready yet, ready, or no longer. Of `live`: healthy (`good`, from the beginning, for a run is not
   * presumed ill) or unhealthy.
   */
  readonly standing: 'pending' | 'good' | 'bad';
  readonly last?: 'ok' | 'failed';
  /** Results like the last one, in a row; those that do not count included. */
  readonly inARow: number;
  /** Failures in a row that count. */
  readonly failures: number;
  /** Whether there ever was a success. */
  readonly proven: boolean;
}

export interface Look {
  /** `inconclusive`: it says more about who looked than about what was looked at. */
  readonly result: 'ok' | 'failed' | 'inconclusive';
  /** From the start of the run to the beginning of the look. */
  readonly sinceStartMs: number;
}

/** What a result leads to, beyond being remembered. */
export type ProbeVerdict = 'nothing' | 'ready' | 'lost' | 'unhealthy';

export interface Judgement {
  readonly state: ProbeState;
  readonly verdict: ProbeVerdict;
}

/** The state at the beginning. `wasReady` counts for `ready` alone: it is ready until `retries` failures say otherwise. */
export function newProbeState(role: ProbeRole, wasReady: boolean): ProbeState {
  const standing = role === 'live' || wasReady ? 'good' : 'pending';
  return { standing, inARow: 0, failures: 0, proven: false };
}

/**
 * Takes one result in. `success` successes in a row make good; then `retries` failures in a row make bad, which is told
 * once, and again only after it was good in between. A failure of a look that began within the start period is
 * remembered but not counted; the first success of `live` ends that period, as in Docker's HEALTHCHECK. What is
 * inconclusive changes nothing.
 */
export function judge(limits: ProbeLimits, state: ProbeState, look: Look): Judgement {
  if (look.result === 'inconclusive') return { state, verdict: 'nothing' };
  const inARow = state.last === look.result ? state.inARow + 1 : 1;
  const next: ProbeState = { ...state, last: look.result, inARow };
  return look.result === 'ok' ? succeeded(limits, next) : failed(limits, next, look.sinceStartMs);
}

/** Takes in what needs no counting: the service itself said how it is. */
export function declare(role: ProbeRole, state: ProbeState, good: boolean): Judgement {
  const last = good ? 'ok' : 'failed';
  const inARow = state.last === last ? state.inARow + 1 : 1;
  return settle(role, { ...state, last, inARow, failures: 0, proven: state.proven || good }, good);
}

function succeeded({ role, success }: ProbeLimits, state: ProbeState): Judgement {
  const next: ProbeState = { ...state, failures: 0, proven: true };
  return state.inARow >= success ? settle(role, next, true) : { state: next, verdict: 'nothing' };
}

function failed(limits: ProbeLimits, state: ProbeState, sinceStartMs: number): Judgement {
  const grace = sinceStartMs < limits.startPeriodMs && !(limits.role === 'live' && state.proven);
  if (grace) return { state, verdict: 'nothing' };
  const next: ProbeState = { ...state, failures: state.failures + 1 };
  return next.failures >= limits.retries
    ? settle(limits.role, next, false)
    : { state: next, verdict: 'nothing' };
}

/** What was never ready cannot be lost: it stays pending. */
function settle(role: ProbeRole, state: ProbeState, good: boolean): Judgement {
  const standing = good ? 'good' : state.standing === 'pending' ? 'pending' : 'bad';
  if (standing === state.standing) return { state, verdict: 'nothing' };
  return { state: { ...state, standing }, verdict: verdictOf(role, good) };
}

function verdictOf(role: ProbeRole, good: boolean): ProbeVerdict {
  if (role === 'ready') return good ? 'ready' : 'lost';
  return good ? 'nothing' : 'unhealthy';
}

/** The first wait of a run that starts up, and by how much each further one is longer. */
const FIRST_GAP_MS = 25;
const GAP_GROWTH = 1.5;

/**
 * How long after the beginning of one look the next one is due. `interval`, except while a run has never been ready and
 * its last look failed: then 25 ms, and half as much again each time, up to `interval`. So readiness is noticed within
 * half of the time it took, and the failures on the way cost nothing, since there is nothing yet that they could take
 * back. Successes are `interval` apart: several are asked for to see that it stays up. `previousMs`: the last such wait.
 */
export function gapMs(
  role: ProbeRole,
  state: ProbeState,
  intervalMs: number,
  previousMs: number | undefined,
): number {
  if (role === 'live' || state.standing !== 'pending' || state.last === 'ok') return intervalMs;
  return Math.min(intervalMs, previousMs === undefined ? FIRST_GAP_MS : previousMs * GAP_GROWTH);
}

/** At most this late a timer says nothing about the machine it runs on. */
const LATE_MS = 1_000;
const LEAST_TOLERANCE_MS = 50;

/**
 * By how much a timer may be late before failures that fall in with it are put down to whoever looked: stopped,
 * suspended, or on a machine that was too busy. As long as the allowed time itself, but within 50 ms and 1 s.
 */
export function toleranceMs(allowedMs: number): number {
  return Math.min(LATE_MS, Math.max(LEAST_TOLERANCE_MS, allowedMs));
}
