import type { ScheduleSpec } from '../core/service.ts';

/** Knows cron expressions and time zones. */
export interface Calendar {
  /** The first time after `afterWall` (epoch ms) at which the expression is due; undefined where there is none any more. */
  next(when: Extract<ScheduleSpec['when'], { kind: 'cron' }>, afterWall: number): number | undefined;
}
