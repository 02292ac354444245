import type { MissedReason, Schedule } from '../core/event.ts';
import { formatDuration } from '../core/util/duration.ts';
import { unreachable } from '../core/util/result.ts';
import { describeCause } from './cause.ts';

/** "every 5m", "0 3 * * * (Europe/Berlin)". */
export function describeSchedule(schedule: Schedule): string {
  if (schedule.kind === 'every') return `every ${formatDuration(schedule.everyMs)}`;
  const { expression, timezone } = schedule;
  return timezone === undefined ? expression : `${expression} (${timezone})`;
}

/** Why nothing was started at a time of a schedule. */
export function describeMissed(reason: MissedReason): string {
  switch (reason.kind) {
    case 'unseen':
      return `${times(reason.count)} of schedule ${describeSchedule(reason.schedule)} passed unseen`;
    case 'overlap':
      return `${describeCause(reason.cause)}: it was ${reason.state} since the last time, and overlap is skip`;
    case 'text':
      return reason.text;
    default:
      return unreachable(reason);
  }
}

/** "a time", "3 times". */
export function times(count: number): string {
  return count === 1 ? 'a time' : `${count} times`;
}
