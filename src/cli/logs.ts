import type { DaemonClient } from '../client/types.ts';
import type { LogLine, LogQuery } from '../core/api.ts';
import { closing, keptOutput, locate, type Common, type Format } from './common.ts';
import { fail } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { LogCursor } from '../client/log-cursor.ts';
import { isGone } from './monitor.ts';
import { LogPrinter } from './output/log-printer.ts';
import { notRunning, reach } from './common.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { displayNames } from '../words/instances.ts';

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
    await print({ common, options }, services.offlineLogs(location, query), new Map());
    return EXIT.ok;
  }
  const abort = new AbortController();
  const stop = context.signals.on('SIGINT', () => abort.abort());
  try {
    const run = { common, options, cursor: new LogCursor(), signal: abort.signal };
    if (query.follow) await follow(run, location, client, query);
    else await closing(client, () => show(run, client, query));
  } catch (error) {
    // A project that goes down takes its daemon along; the lines so far were all there is.
    if (!isGone(error) && !abort.signal.aborted) throw error;
  } finally {
    stop();
  }
  return EXIT.ok;
}

interface LogPrintRequest {
  readonly common: Common;
  readonly options: LogsOptions;
  /** Told of each line that was printed. */
  readonly cursor?: LogCursor;
  readonly signal?: AbortSignal;
}

/** How long a daemon that has handed over is waited for to have a successor. */
const SUCCESSOR_WITHIN_MS = 10_000;
const LOOK_MS = 50;

/** Prints until the project is down, from one daemon after the other where that takes several: each line once. */
async function follow(
  run: LogPrintRequest & { readonly cursor: LogCursor; readonly signal: AbortSignal },
  location: ProjectLocation,
  first: DaemonClient,
  query: LogQuery,
): Promise<void> {
  const { common, cursor, signal } = run;
  let begunAt: number | undefined;
  let names: ReadonlyMap<string, string> = new Map();
  let client: DaemonClient | undefined = first;
  while (client !== undefined) {
    const present: DaemonClient = client;
    let vanished = false;
    try {
      await closing(present, async () => {
        const snapshot = await present.snapshot();
        begunAt ??= snapshot.now;
        names = displayNames(snapshot);
        await print(run, present.logs(cursor.goOn(query, begunAt), signal), names);
      });
    } catch (error) {
      if (!isGone(error)) throw error;
      vanished = true;
    }
    if (signal.aborted) return;
    client = vanished ? await reach(common, location) : await successor(common, location);
  }
  if (signal.aborted || query.select.labels.length > 0 || begunAt === undefined) return;
  // What was written last may not have got here before the daemon ended.
  const rest = { ...cursor.goOn(query, begunAt), follow: false };
  if (rest.after !== undefined) await print(run, common.services.offlineLogs(location, rest), names);
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

/** The daemon that follows one which ended in an orderly way; undefined where the project is down, or has none now. */
async function successor(
  { context, services }: Common,
  location: ProjectLocation,
): Promise<DaemonClient | undefined> {
  if ((await services.recordedPhase(location)) !== 'up') return undefined;
  const giveUpAt = context.now() + SUCCESSOR_WITHIN_MS;
  for (;;) {
    const client = await services.connect(location);
    if (client !== undefined || context.now() >= giveUpAt) return client;
    await new Promise<void>((resolve) => void context.after(LOOK_MS, resolve));
  }
}

async function show(run: LogPrintRequest, client: DaemonClient, query: LogQuery): Promise<void> {
  const names = displayNames(await client.snapshot());
  await print(run, client.logs(query, run.signal), names);
}

async function print(
  { common, options, cursor }: LogPrintRequest,
  lines: AsyncIterable<LogLine>,
  names: ReadonlyMap<string, string>,
): Promise<void> {
  const { context } = common;
  const printer = new LogPrinter({
    color: context.color,
    keep: keptOutput(common),
    timestamps: options.timestamps,
    prefix: options.prefix,
    names,
  });
  for await (const line of lines) {
    const text = options.format === 'json' ? `${JSON.stringify(line)}\n` : printer.line(line);
    cursor?.note(line);
    if (!context.stdout.write(text)) await context.stdout.drained();
  }
}
