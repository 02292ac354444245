import { parseDuration } from '../core/util/duration.ts';
import { err, ok, type Result } from '../core/util/result.ts';

/**
 * The moment that `14:02`, `14:02:11` (today, or yesterday where that would be ahead), `2026-03-01 14:02` or `5m` (ago)
 * means, epoch ms, by the machine's time zone.
 */
export function parseMoment(text: string, nowMs: number): Result<number, string> {
  const source = text.trim();
  const clock = /^(?:(\d{4})-(\d\d)-(\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(source);
  if (clock === null) {
    const ago = parseDuration(source);
    return ago.ok
      ? ok(nowMs - ago.value)
      : err('write a time such as 14:02, 2026-03-01 14:02, or 5m for five minutes ago');
  }
  const [, year, month, day, hours, minutes, seconds = '0'] = clock;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59)
    return err(`there is no time ${source}`);
  const at = new Date(nowMs);
  if (year !== undefined) {
    at.setFullYear(Number(year), Number(month) - 1, Number(day));
    if (at.getMonth() !== Number(month) - 1 || at.getDate() !== Number(day))
      return err(`there is no day ${source}`);
  }
  at.setHours(Number(hours), Number(minutes), Number(seconds), 0);
  if (year === undefined && at.getTime() > nowMs) at.setDate(at.getDate() - 1);
  return ok(at.getTime());
}
