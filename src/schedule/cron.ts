import { messageOf } from '../core/util/system-error.ts';
import { Cron } from 'croner';
import type { Calendar } from '../ports/calendar.ts';

/** Nobody writes one this long by hand. */
const MAX_LENGTH = 500;

const NICKNAMES = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

/** What each field may hold, by croner's name for it. */
const RANGES: Readonly<Record<string, string>> = {
  second: 'seconds from 0 to 59',
  minute: 'minutes from 0 to 59',
  hour: 'hours from 0 to 23',
  day: 'days of the month from 1 to 31',
  month: 'months from 1 to 12, or `jan` to `dec`',
  dayOfWeek: 'days of the week from 0 to 7 (0 and 7 are Sunday), or `sun` to `sat`',
  year: 'years from 1 to 9999',
};

type CronTime = Parameters<Calendar['next']>[0];

/** What was made of an expression; undefined where it is not one. Gone together with the spec it is kept for. */
const parsed = new WeakMap<CronTime, Cron | undefined>();

/**
 * Times of cron expressions: 5 fields, 6 with seconds before them, or 7 with a year behind those, or a nickname such as
 * `@daily`; of croner's extensions `L`, `W`, `#` and `+`. Day of the month and day of the week are alternatives, as in
 * cron(8).
 *
 * Times are those of the clock on the wall in the expression's time zone. Where the clock goes over a time on the day it
 * is set, it depends on whether the expression names times of day (no `*`, `?` or step in its seconds, minutes and hours):
 * - Named times come once: one that the clock leaves out comes at the first moment after the gap (together with others
 *   that do), one that it shows twice comes the first time.
 * - What repeats (every so many minutes, every hour) is meant as a rhythm: it leaves out what the clock leaves out, and
 *   goes on through an hour that comes twice.
 *
 * An expression or time zone that `checkCron` finds fault with has no times.
 */
export const calendar: Calendar = {
  next(when, afterWall) {
    if (!parsed.has(when)) parsed.set(when, parse(when));
    return parsed.get(when)?.nextRun(new Date(afterWall))?.getTime();
  },
};

/**
 * Undefined when right, else what is wrong in words (unknown time zone, bad field, never due). An expression with a year
 * that has passed is right: a manifest does not become wrong by lying there.
 */
export function checkCron(expression: string, timezone?: string): string | undefined {
  if (timezone !== undefined && !isTimezone(timezone)) {
    return `unknown time zone ${quoted(timezone)}: expected an IANA name such as \`Europe/Berlin\` or \`UTC\``;
  }
  const wrong = wrongForm(expression);
  if (wrong !== undefined) return wrong;
  try {
    const first = cron(expression, timezone).nextRun(new Date(0));
    return first === null ? `${quoted(expression)} is never due: there is no such date` : undefined;
  } catch (cause) {
    return inOurWords(cause);
  }
}

/** Beside expressions, croner takes dates, and looks for the number of fields only then. */
function wrongForm(expression: string): string | undefined {
  if (expression.length > MAX_LENGTH) return `expected at most ${MAX_LENGTH} characters`;
  const fields = expression.trim() === '' ? [] : expression.trim().split(/\s+/);
  const [first = ''] = fields;
  if (first.startsWith('@')) {
    if (first === '@reboot')
      return '`@reboot` is no time: to run once at the start as well, use `on_start: true`';
    if (fields.length === 1 && NICKNAMES.includes(first.toLowerCase())) return undefined;
    return `unknown nickname ${quoted(expression.trim())}: expected one of ${NICKNAMES.join(', ')}`;
  }
  if (fields.length >= 5 && fields.length <= 7) return undefined;
  return (
    'expected 5 fields (minute, hour, day of month, month, day of week), ' +
    `6 with seconds before them, or 7 with a year behind those; there ${fields.length === 1 ? 'is' : 'are'} ` +
    (fields.length === 0 ? 'none' : String(fields.length))
  );
}

function parse({ expression, timezone }: CronTime): Cron | undefined {
  return checkCron(expression, timezone) === undefined ? cron(expression, timezone) : undefined;
}

function cron(expression: string, timezone: string | undefined): Cron {
  return new Cron(expression, {
    fixedTimeRule: 'no-wildcard',
    ...(timezone === undefined ? {} : { timezone }),
  });
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Said by range, since croner counts days and months from 0 where it names the value. */
function inOurWords(cause: unknown): string {
  const message = messageOf(cause);
  const range = RANGES[/^CronPattern: Invalid value for (\w+)/.exec(message)?.[1] ?? ''];
  if (range !== undefined) return `expected ${range}`;
  const text = message.replace(/^Cron\w+: /, '').replace(/\.$/, '');
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

function quoted(text: string): string {
  return `\`${text}\``;
}
