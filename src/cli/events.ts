import type { ProjectEvent } from '../core/event.ts';
import { closing, locate, notRunning, reach, type Common, type Format } from './common.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { isGone } from './monitor.ts';
import { palette } from '../words/colour.ts';
import { eventText } from '../words/events.ts';
import { dayAndTime } from '../words/text.ts';
import { padEnd } from '../words/width.ts';

export interface EventsOptions {
  readonly follow: boolean;
  /** How many of those that are already there. */
  readonly number: number;
  readonly format: Format;
}

/** Prints what has happened, and with `follow` what happens. JSON is one object a line. */
export async function events(
  common: Common,
  service: string | undefined,
  options: EventsOptions,
): Promise<ExitStatus> {
  const { context, services } = common;
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const client = await reach(common, located.value);
  if (client === undefined) {
    if (options.follow) return notRunning(context, located.value);
    for (const happening of await services.journal(located.value, options.number, service)) {
      context.stdout.write(eventLine(happening, context, options.format));
    }
    return EXIT.ok;
  }
  return closing(client, async () => {
    const abort = new AbortController();
    const stop = context.signals.on('SIGINT', () => abort.abort());
    const query = {
      limit: options.number,
      follow: options.follow,
      ...(service === undefined ? {} : { service }),
    };
    try {
      for await (const happening of client.events(query, abort.signal)) {
        if (!context.stdout.write(eventLine(happening, context, options.format)))
          await context.stdout.drained();
      }
    } catch (error) {
      if (!abort.signal.aborted && !isGone(error)) throw error;
    } finally {
      stop();
    }
    return EXIT.ok;
  });
}

/** Columns wide enough for most, so that a stream lines up without knowing what comes. */
function eventLine(happening: ProjectEvent, context: CliContext, format: Format): string {
  if (format === 'json') return `${JSON.stringify(happening)}\n`;
  const colours = palette(context.color);
  const { verb, detail, why } = eventText(happening);
  const who = happening.instance ?? happening.service ?? '-';
  const text = [padEnd(who, 14), padEnd(verb, 12), detail === '' ? '' : `${detail}  `].join('  ') + why;
  return `${colours.dim(dayAndTime(happening.time))}  ${text.trimEnd()}\n`;
}
