import type { LogLine, LogQuery } from '../core/api.ts';
import { closing, keptOutput, locate, type Common, type Format } from './common.ts';
import { fail } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { isGone } from './monitor.ts';
import { LogPrinter } from './output/log-printer.ts';
import { notRunning, reach } from './common.ts';
import { displayNames } from './view.ts';

export interface LogsOptions {
  readonly follow: boolean;
  readonly tail?: number | 'all';
  /** Epoch ms. */
  readonly since?: number;
  readonly stream?: 'stdout' | 'stderr';
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly prefix: boolean;
  readonly label: readonly string[];
  readonly format: Format;
}

/** A follower begins with this many lines of each instance, unless told otherwise. */
const FOLLOW_TAIL = 100;

/** Prints what services wrote; without a daemon, from the files it left. */
export async function logs(
  common: Common,
  names: readonly string[],
  options: LogsOptions,
): Promise<ExitStatus> {
  const { context, services } = common;
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const location = located.value;
  const client = await reach(common, location);
  if (client === undefined && options.follow) return notRunning(context, location);
  const query = queryOf(names, options);
  if (client === undefined) {
    if (options.label.length > 0) {
      return fail(
        context,
        { message: `labels are known only while ${location.name} runs`, next: 'name the services' },
        EXIT.notRunning,
      );
    }
    return print(common, services.offlineLogs(location, query), new Map(), options, undefined);
  }
  return closing(client, async () => {
    const abort = new AbortController();
    const stop = context.signals.on('SIGINT', () => abort.abort());
    try {
      const shown = displayNames(await client.snapshot());
      return await print(common, client.logs(query, abort.signal), shown, options, abort.signal);
    } finally {
      stop();
    }
  });
}

function queryOf(names: readonly string[], options: LogsOptions): LogQuery {
  const tail = options.tail ?? (options.follow && options.since === undefined ? FOLLOW_TAIL : 'all');
  return {
    select: { names, labels: options.label },
    follow: options.follow,
    ...(tail === 'all' ? {} : { tail }),
    ...(options.since === undefined ? {} : { since: options.since }),
    ...(options.stream === undefined ? {} : { stream: options.stream }),
    ...(options.previous ? { previous: true } : {}),
  };
}

async function print(
  common: Common,
  lines: AsyncIterable<LogLine>,
  names: ReadonlyMap<string, string>,
  options: LogsOptions,
  signal: AbortSignal | undefined,
): Promise<ExitStatus> {
  const { context } = common;
  const printer = new LogPrinter({
    color: context.color,
    keep: keptOutput(common),
    timestamps: options.timestamps,
    prefix: options.prefix,
    names,
  });
  try {
    for await (const line of lines) {
      const text = options.format === 'json' ? `${JSON.stringify(line)}\n` : printer.line(line);
      if (!context.stdout.write(text)) await context.stdout.drained();
    }
  } catch (error) {
    if (signal?.aborted === true) return EXIT.ok;
    if (!isGone(error)) throw error;
    // A project that goes down takes its daemon along; the lines so far were all there is.
  }
  return EXIT.ok;
}
