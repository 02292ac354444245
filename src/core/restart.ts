import type { FailureReason, RetryReason } from './event.ts';
import type { Exit } from './exit.ts';
import { unreachable } from './util/result.ts';
import type { Backoff, RestartPolicy, RestartSpec } from './service.ts';
import type { Wanted } from './state.ts';

export interface RunEnd {
  readonly restart: RestartSpec;
  /** Restarts by policy that its window still holds. */
  readonly recentRestarts: number;
  readonly exit: Exit;
  readonly wanted: Wanted;
  /** Failures in a row before this end. */
  readonly consecutiveFailures: number;
  /** How long the run that ended had lasted; 0 where it never began. */
  readonly ranMs: number;
  readonly backoff: Backoff;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What follows from the end of a run, and why. */
export type Verdict =
  /** It is not wanted. */
  | { readonly kind: 'stay-stopped' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'fail'; readonly reason: FailureReason; readonly code?: 'E_MAX_RESTARTS' }
  /** `attempt` counts retries in a row from 1. */
  | {
      readonly kind: 'retry';
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: RetryReason;
    };

/**
 * Applies the restart policy to the end of a run or to a start that failed:
 *
 * - `never`: success completes, everything else fails.
 * - `on-failure`: success completes, everything else is retried.
 * - `always` and `unless-stopped`: every end is retried, success too. They differ in `restoreWanted` only.
 *
 * A start that failed for what says nothing about the service is retried under every policy, and is none of those that
 * `max_restarts` allows. Where `max_restarts` restarts lie within the window, the next failure is the last.
 */
export function decide(ended: RunEnd): Verdict {
  const { restart, exit } = ended;
  const { policy } = restart;
  if (ended.wanted === 'down') return { kind: 'stay-stopped' };
  if (saysNothing(exit)) return retry(ended, { kind: 'no-fault' });
  const success = isSuccess(exit, restart);
  if (!success && !isOnList(exit, restart)) {
    return { kind: 'fail', reason: { kind: 'other-code' } };
  }
  switch (policy) {
    case 'never':
      return success ? { kind: 'complete' } : { kind: 'fail', reason: { kind: 'policy', policy } };
    case 'on-failure':
      return success ? { kind: 'complete' } : retryWithin(ended);
    case 'always':
    case 'unless-stopped':
      return retryWithin(ended);
    default:
      return unreachable(policy);
  }
}

/** Whether a start failed because of the machine or an engine: what the service is made of had no part in it. */
export function saysNothing(exit: Exit): boolean {
  if (exit.kind !== 'spawn-error') return false;
  const { code } = exit.failure;
  return code === 'resource-shortage' || code === 'engine-unavailable';
}

/** Whether an end is what the service's `success_exit_codes` call a success. */
export function isSuccess(exit: Exit, { successExitCodes }: Pick<RestartSpec, 'successExitCodes'>): boolean {
  return exit.kind === 'code' && successExitCodes.includes(exit.code);
}

/** 128 + n stands for signal n, as in a shell; ends without a status (a start that failed, unknown) are always on it. */
function isOnList(exit: Exit, { onCodes }: RestartSpec): boolean {
  if (onCodes === undefined) return true;
  if (exit.kind === 'code') return onCodes.includes(exit.code);
  if (exit.kind === 'signal') return onCodes.includes(128 + (SIGNAL_NUMBERS[exit.signal] ?? -128));
  return true;
}

/** Of POSIX, the same on every system; those that differ between systems are not listed. */
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** The window's count is of restarts done; this one would come on top of them. */
function retryWithin(ended: RunEnd): Verdict {
  const { policy, maxRestarts, windowMs } = ended.restart;
  if (maxRestarts > 0 && ended.recentRestarts >= maxRestarts) {
    const reason: FailureReason = { kind: 'gave-up', restarts: maxRestarts, windowMs };
    return { kind: 'fail', reason, code: 'E_MAX_RESTARTS' };
  }
  return retry(ended, { kind: 'policy', policy, ...(maxRestarts > 0 ? { of: maxRestarts } : {}) });
}

function retry(ended: RunEnd, reason: RetryReason): Verdict {
  const before = ended.ranMs >= ended.backoff.resetAfterMs ? 0 : ended.consecutiveFailures;
  const attempt = before + 1;
  const delayMs = backoffDelayMs(ended.backoff, attempt, ended.random);
  return { kind: 'retry', attempt, delayMs, reason };
}

/** `initial * multiplier^(attempt - 1)`, varied by the jitter either way; whole ms, never negative, never above `max`. */
export function backoffDelayMs(backoff: Backoff, attempt: number, random: () => number): number {
  const { initialMs, maxMs, multiplier, jitter } = backoff;
  // 0 times an infinite power would be no number.
  const grown = initialMs === 0 ? 0 : initialMs * multiplier ** (attempt - 1);
  // Clamped before the jitter too, so that at the cap the retries of many services still spread.
  const varied = Math.min(grown, maxMs) * (1 + jitter * (2 * random() - 1));
  return Math.min(maxMs, Math.max(0, Math.round(varied)));
}

/**
 * Whether a service is wanted when a new daemon takes the project over. `always` means always: a stop by a person
 * lasts until the daemon ends. Under every other policy it lasts until a person starts the service again.
 */
export function restoreWanted(policy: RestartPolicy, personStopped: boolean): Wanted {
  return personStopped && policy !== 'always' ? 'down' : 'up';
}
