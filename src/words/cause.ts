import type { Cause, ChangeFailure, FieldChange, PolicyReason, Unfinished } from '../core/event.ts';
import { CHANGED_FURTHER_ON, CONTENT_CHANGED, SECRET_CHANGED } from '../core/field-values.ts';
import { unreachable } from '../core/util/result.ts';
import { describeExit } from './exit.ts';
import { describeProbeFailure } from './probe.ts';
import { describeFailure } from './restart.ts';
import { formatDuration } from '../core/util/duration.ts';
import { describeSchedule, times } from './schedule.ts';

/** A cause in a few words, for states and logs. */
export function describeCause(cause: Cause): string {
  switch (cause.kind) {
    case 'added':
      return 'added';
    case 'removed':
      return 'removed from the manifest';
    case 'changed':
      return cause.fields.map(describeChange).join(', ');
    case 'dependency':
      return `${cause.service} failed: ${describeExit(cause.exit)}`;
    case 'user':
      return REQUESTS[cause.request];
    case 'scaled':
      return `scaled ${cause.from} -> ${cause.to}`;
    case 'policy':
      return describePolicy(cause.reason);
    case 'shutdown':
      return cause.reason;
    case 'schedule':
      return `schedule ${describeSchedule(cause.schedule)}${unseen(cause.unseen)}`;
    case 'files':
      return `${cause.paths.join(', ')}${cause.more === 0 ? '' : ` and ${cause.more} more`} changed`;
    case 'not-running':
      return `was ${NOT_RUNNING[cause.was] ?? cause.was}`;
    case 'text':
      return cause.text;
    default:
      return unreachable(cause);
  }
}

/** "env.PORT "8080" -> "8081"". */
export function describeChange({ field, from, to }: FieldChange): string {
  if (from === undefined) return `${field} added: ${to ?? ''}`;
  if (to === undefined) return `${field} removed, was ${from}`;
  if (to === SECRET_CHANGED || to === CHANGED_FURTHER_ON || to === CONTENT_CHANGED) return `${field} ${to}`;
  return `${field} ${from} -> ${to}`;
}

const REQUESTS: Readonly<Record<Extract<Cause, { kind: 'user' }>['request'], string>> = {
  start: 'started by hand',
  stop: 'stopped by hand',
  restart: 'restarted by hand',
  'earlier-stop': 'stopped by a person',
};

/** What an instance was that did not run, where that is not simply its state. */
const NOT_RUNNING: Readonly<Record<string, string>> = {
  'not-started': 'not started',
  unbegun: 'not yet started when the daemon ended',
};

function unseen(count: number | undefined): string {
  return count === undefined ? '' : `, of which ${times(count)} passed unseen`;
}

function describePolicy(reason: PolicyReason): string {
  switch (reason.kind) {
    case 'retry':
      return `retry ${reason.attempt} after ${describeExit(reason.exit)}`;
    case 'unhealthy':
      return `its live probe failed: ${describeProbeFailure(reason.probe)}`;
    case 'timeout':
      return `ran longer than its timeout of ${reason.afterMs} ms`;
    case 'unfinished':
      return `${describeExit(reason.exit)}, but ${describeRest(reason.rest)}`;
    case 'refresh':
      return 'wanted anew with every start';
    case 'profiles':
      return 'none of its profiles is active';
    case 'rolled-back':
      return `rolled back: ${describeChangeFailure(reason.failure)}`;
    default:
      return unreachable(reason);
  }
}

function describeRest(rest: Unfinished): string {
  return rest.kind === 'processes' ? `${rest.count} of its processes live on` : 'its post_stop hook runs';
}

/** Why a service did not come up with a change, as the end of a sentence. */
export function describeChangeFailure(failure: ChangeFailure): string {
  switch (failure.kind) {
    case 'failed':
      return `${failure.instance} ${describeExit(failure.exit)}: ${describeFailure(failure.reason, failure.exit)}`;
    case 'failing':
      return `${failure.instance} failed ${failure.attempts} times in a row, the last time with ${describeExit(failure.exit)}`;
    case 'not-ready':
      return `${failure.instance} was not ready within ${formatDuration(failure.withinMs)}`;
    case 'preparation':
      return `what it needs could not be brought about: ${failure.failure.message}`;
    case 'text':
      return failure.text;
    default:
      return unreachable(failure);
  }
}

/** The same beside what says already that a change was not taken up. */
export function describeFailedChange(failure: ChangeFailure): string {
  return failure.kind === 'preparation' ? failure.failure.message : describeChangeFailure(failure);
}
