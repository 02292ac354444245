import { changeLines, describeCounts } from '../words/counts.ts';
import type { DaemonClient, Lease } from '../client/types.ts';
import type { ProjectSnapshot } from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import { keptOutput, type Common } from './common.ts';
import { reportCulprits } from './culprit.ts';
import { Display } from './display.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { LogCursor } from '../client/log-cursor.ts';
import { isGone, monitor } from './monitor.ts';
import { briefEventText } from '../words/events.ts';
import { LogPrinter } from './output/log-printer.ts';
import { bringDown, downToTheEnd, reportDown } from './bring-down.ts';
import { judgeUp, type Culprit } from './up-progress.ts';
import { displayNames, shownInstances } from '../words/instances.ts';

interface AttachedRun {
  readonly common: Common;
  readonly client: DaemonClient;
  readonly names: readonly string[];
  /** Before the manifest was applied. */
  readonly before: ProjectSnapshot;
  readonly snapshot: ProjectSnapshot;
  readonly plain: boolean;
  /** Undefined where the project was running before: then it outlives this command. */
  readonly lease: Lease | undefined;
  /** What was printed so far; an earlier daemon's part included. */
  readonly printed: { readonly logs: LogCursor; happenings: number };
}

/** How it ended: with a status, or because the daemon went away; `last` is what was last seen of the project. */
export type AttachedEnd =
  | { readonly kind: 'ended'; readonly status: ExitStatus }
  | { readonly kind: 'gone'; readonly last: ProjectSnapshot };

/** How often it is looked whether all has ended; snapshots come by themselves, so this is a net. */
const LOOK_MS = 1000;

/**
 * Streams the merged output until the project ends or Ctrl-C. With the lease, Ctrl-C brings the project down; without
 * it, it just leaves.
 */
export async function attached(run: AttachedRun): Promise<AttachedEnd> {
  const { common, client, lease, snapshot } = run;
  const { context } = common;
  const display = new Display(context, run.plain ? 'plain' : 'live');
  const printer = new LogPrinter({
    color: context.color,
    keep: keptOutput(common),
    timestamps: false,
    prefix: true,
    names: displayNames(snapshot),
  });
  const streams = new AbortController();
  const notices = new AbortController();
  const output = Promise.all([
    streamLogs(run, printer, display, streams.signal),
    streamNotices(run, printer, display, AbortSignal.any([streams.signal, notices.signal])),
  ]);
  display.print(
    lease === undefined
      ? `Attached to ${snapshot.name}, which was running already: Ctrl-C leaves it running\n`
      : `Attached to ${snapshot.name}: Ctrl-C stops it\n`,
  );
  let last = snapshot;
  const end = await monitor<readonly Culprit[]>({
    context,
    client,
    tickMs: LOOK_MS,
    interrupt: 'end',
    look: (seen) => {
      last = seen.snapshot;
      return hasEnded(last) ? culpritsOf(last, seen.now) : undefined;
    },
  });
  try {
    switch (end.kind) {
      case 'done':
        if (lease !== undefined && last.phase === 'up') {
          await downToTheEnd(client, { reason: 'all services have ended', level: 0 });
        }
        streams.abort();
        await output;
        return over(await ended(run, end.value, display));
      case 'interrupted': {
        if (lease === undefined) {
          display.print(`Detached; ${snapshot.name} keeps running. \`setpoint down\` stops it.\n`);
          return over(EXIT.ok);
        }
        // From here on the display of the shutdown tells what happens.
        notices.abort();
        const reason = end.signal === 'SIGINT' ? 'Ctrl-C' : end.signal;
        const response = await bringDown(context, client, display, { reason, again: true });
        return over(reportDown(context, snapshot, response));
      }
      case 'gone':
        return { kind: 'gone', last };
      case 'timed-out':
        throw new Error('there is no time limit here');
    }
  } finally {
    streams.abort();
    await output;
  }
}

function over(status: ExitStatus): AttachedEnd {
  return { kind: 'ended', status };
}

async function ended(run: AttachedRun, culprits: readonly Culprit[], display: Display): Promise<ExitStatus> {
  if (culprits.length === 0) {
    display.print(`All services of ${run.snapshot.name} have ended\n`);
    return EXIT.ok;
  }
  await reportCulprits(run.common.context, run.client, culprits);
  return EXIT.failure;
}

/** Prints what the services write until `signal` aborts or the daemon goes away. */
async function streamLogs(
  run: AttachedRun,
  printer: LogPrinter,
  display: Display,
  signal: AbortSignal,
): Promise<void> {
  const { context } = run.common;
  const { now } = run.before;
  const { logs } = run.printed;
  const query = { select: { names: run.names, labels: [] }, follow: true, since: now };
  try {
    for await (const line of run.client.logs(logs.goOn(query, now), signal)) {
      logs.note(line);
      display.print(printer.line(line));
      await context.stdout.drained();
    }
  } catch (error) {
    if (!signal.aborted && !isGone(error)) throw error;
  }
}

/** How many happenings of the beginning are looked back for: those from before the watch stood. */
const BEGINNING = 500;

/** Prints what happens, from when the manifest was applied, until `signal` aborts or the daemon goes away. */
async function streamNotices(
  run: AttachedRun,
  printer: LogPrinter,
  display: Display,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const happening of run.client.events({ limit: BEGINNING, follow: true }, signal)) {
      if (happening.seq <= run.printed.happenings) continue;
      run.printed.happenings = happening.seq;
      if (concerns(happening, run.before)) {
        const said = printer.notice(briefEventText(happening), happening.instance ?? instanceOf(happening));
        display.print(said);
      } else if (happening.time >= run.before.now) {
        for (const line of aboutTheManifest(happening)) display.print(printer.notice(line));
      }
    }
  } catch (error) {
    if (!signal.aborted && !isGone(error)) throw error;
  }
}

/** A service that is meant as a whole is named by its first instance. */
function instanceOf({ service }: ProjectEvent): string | undefined {
  return service === undefined ? undefined : `${service}.1`;
}

/** What has come of a manifest that was edited, line by line; nothing of any other happening. */
function aboutTheManifest(happening: ProjectEvent): readonly string[] {
  const { type } = happening;
  if (type === 'manifest-reloaded')
    return [`manifest reloaded, ${describeCounts(happening.counts)}`, ...changeLines(happening)];
  if (type === 'manifest-held') return [briefEventText(happening), ...changeLines(happening)];
  if (type !== 'manifest-rejected') return [];
  return [`${briefEventText(happening)}; nothing was changed, \`setpoint check\` shows where`];
}

/** Whether every instance has come to its end, or the project was brought down from elsewhere. */
function hasEnded(snapshot: ProjectSnapshot): boolean {
  const all = shownInstances(snapshot);
  if (snapshot.phase === 'idle') return true;
  if (snapshot.phase !== 'up' || all.length === 0) return false;
  return all.every(({ instance: { state, wanted } }) => {
    if (state.kind === 'stopped') return wanted === 'down';
    return state.kind === 'completed' || state.kind === 'failed' || state.kind === 'skipped';
  });
}

function culpritsOf(snapshot: ProjectSnapshot, now: number): readonly Culprit[] {
  const verdict = judgeUp(snapshot, now, 'begin');
  return verdict.kind === 'failed' ? verdict.culprits : [];
}

/** Of instances, since the manifest was applied. */
function concerns(happening: ProjectEvent, before: ProjectSnapshot): boolean {
  if (happening.time < before.now) return false;
  return (
    happening.instance !== undefined ||
    happening.type === 'warning' ||
    happening.type === 'change-failed' ||
    happening.type === 'shutdown-began'
  );
}
