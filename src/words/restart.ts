import type { Backoff, EscalationReason, FailureReason, RetryReason } from '../core/event.ts';
import type { Exit } from '../core/exit.ts';
import { formatDuration, formatSpan } from '../core/util/duration.ts';
import { unreachable } from '../core/util/result.ts';
import { describeExit } from './exit.ts';
import { count } from './text.ts';

/** A retry that is to come. */
export interface Retry {
  readonly reason: RetryReason;
  /** How the run before ended; only a record of an earlier version does not tell. */
  readonly exit?: Exit;
  /** Which one in a row. */
  readonly attempt: number;
  readonly delayMs: number;
}

/** "exit 1, on-failure: retry 2 of 5 in 1.9 s". */
export function describeRetry({ reason, exit, attempt, delayMs }: Retry): string {
  const end = exit === undefined ? '' : `${describeExit(exit)}, `;
  switch (reason.kind) {
    case 'policy': {
      const of = reason.of === undefined ? '' : ` of ${reason.of}`;
      return `${end}${reason.policy}: retry ${attempt}${of} in ${formatSpan(delayMs)}`;
    }
    case 'no-fault':
      return `${end}which says nothing about it: retry ${attempt} in ${formatSpan(delayMs)}`;
    case 'text':
      return reason.text;
    default:
      return unreachable(reason);
  }
}

/** Why a run that ended like this is not followed by another one. */
export function describeFailure(reason: FailureReason, exit: Exit): string {
  const end = describeExit(exit);
  switch (reason.kind) {
    case 'policy':
      return `${end}, restart is ${reason.policy}`;
    case 'other-code':
      return `${end}, which \`on_codes\` does not hold`;
    case 'gave-up': {
      const restarts = count(reason.restarts, 'restart');
      return `${restarts} in ${formatSpan(reason.windowMs)}: giving up (last: ${end})`;
    }
    case 'text':
      return reason.text;
    default:
      return unreachable(reason);
  }
}

export function describeEscalation(reason: EscalationReason): string {
  switch (reason.kind) {
    case 'grace-over':
      return 'the grace period is over';
    case 'impatient':
      return 'the grace periods are skipped';
    case 'kill':
      return 'everything is killed';
    case 'text':
      return reason.text;
    default:
      return unreachable(reason);
  }
}

/** "500ms x2, jitter 0.2, max 30s". */
export function describeBackoff({ initialMs, maxMs, multiplier, jitter }: Backoff): string {
  return `${formatDuration(initialMs)} x${multiplier}, jitter ${jitter}, max ${formatDuration(maxMs)}`;
}
