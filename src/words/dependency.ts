import type { DependencyCondition, DependencyStatus, SkipReason } from '../core/event.ts';
import type { WaitingOn } from '../core/state.ts';
import { formatDuration } from '../core/util/duration.ts';
import { unreachable } from '../core/util/result.ts';
import { describeExit } from './exit.ts';

/** A condition as part of a sentence: "db to be ready", "db was not ready". */
export function describeCondition(condition: DependencyCondition): string {
  switch (condition) {
    case 'started':
    case 'ready':
    case 'completed':
      return condition;
    case 'completed-successfully':
      return 'completed successfully';
    case 'log':
      return 'far enough by its log';
    default:
      return unreachable(condition);
  }
}

/** What keeps a dependency from being met: "running, not ready", "backing off after exit 1". */
export function describeStatus(status: DependencyStatus): string {
  switch (status.kind) {
    case 'stopped':
    case 'waiting':
    case 'starting':
    case 'running':
    case 'stopping':
      return status.kind;
    case 'about-to-start':
      return 'about to start';
    case 'not-ready':
      return 'running, not ready';
    case 'backoff':
      return `backing off after ${describeExit(status.exit)}`;
    case 'scheduled':
      return `waiting for its schedule${status.exit === undefined ? '' : ` after ${describeExit(status.exit)}`}`;
    case 'unknown':
      return `unknown: ${status.why}`;
    default:
      return unreachable(status);
  }
}

/** Why an instance is not started: "db failed (exit 1)". */
export function describeSkip(reason: SkipReason): string {
  switch (reason.kind) {
    case 'failed':
      return `${reason.service} failed (${describeExit(reason.exit)})`;
    case 'skipped':
      return `${reason.service} was skipped: ${describeSkip(reason.reason)}`;
    case 'line-missing':
      return `${reason.service} completed without the line that is waited for`;
    case 'late': {
      const { service, condition, timeoutMs, now } = reason;
      return `${service} was not ${describeCondition(condition)} within ${formatDuration(timeoutMs)}, it is ${describeStatus(now)}`;
    }
    case 'text':
      return reason.text;
    default:
      return unreachable(reason);
  }
}

/** "db (running, wanted: completed)". */
export function describeWaiting({ service, now, condition }: WaitingOn): string {
  return `${service} (${describeStatus(now)}, wanted: ${condition})`;
}
