import type { DaemonClient } from '../client/types.ts';
import type { CleanupReport, DownRequest, DownResponse, Leftover, ProjectSnapshot } from '../core/api.ts';
import { fail, type CliContext } from './context.ts';
import { FRAME_MS, type Display } from './display.ts';
import { beginDown, downRows, finishDown, hearStop, seeDown, servicesToStop } from '../words/down.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { monitor } from './monitor.ts';
import { count, oneLine } from '../words/text.ts';

export interface StopOptions {
  readonly reason: string;
  /** Overrides the manifest's `shutdown.timeout`. */
  readonly timeoutMs?: number;
  readonly volumes?: boolean;
  /** Whether a Ctrl-C began it. */
  readonly again: boolean;
}

/**
 * Brings the project down and shows who blocks. The first Ctrl-C from here on skips the grace periods, the second
 * kills. Resolves with the daemon's answer.
 */
export async function bringDown(
  context: CliContext,
  client: DaemonClient,
  display: Display,
  options: StopOptions,
): Promise<DownResponse> {
  let latest = await client.snapshot();
  let memory = beginDown(latest, latest.now);
  // How far the daemon's clock is ahead of ours.
  let ahead = latest.now - context.now();
  const total = servicesToStop(memory);
  const again = options.again ? 'Ctrl-C again' : 'Ctrl-C';
  let hint = `${again}: skip the grace periods`;
  const head = (): string => `Stopping ${count(total, 'service')}${hint === '' ? '' : ` (${hint})`}`;
  if (!display.isLive && total > 0)
    display.print(`${context.isTTY ? head() : `Stopping ${count(total, 'service')}`}\n`);
  const request = {
    reason: options.reason,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.volumes === true ? { volumes: true } : {}),
  };
  const end = await monitor<DownResponse>({
    context,
    client,
    tickMs: FRAME_MS,
    hear: (happening) => (memory = hearStop(memory, happening)),
    look: ({ snapshot, now }) => {
      latest = snapshot;
      ahead = now - context.now();
      memory = seeDown(memory, snapshot, now);
      display.show(downRows(memory, snapshot, now), head());
      return undefined;
    },
    interrupt: (times) => {
      if (times > 2) return;
      hint = times === 1 ? 'Ctrl-C again: kill what is left' : '';
      if (!display.isLive) {
        display.print(times === 1 ? 'Skipping the grace periods\n' : 'Killing what is left\n');
      }
      // Its answer is that of the first request; where the daemon is gone by now, that one says so.
      client.down({ ...request, level: times === 1 ? 1 : 2 }).catch(() => undefined);
    },
    until: () => downToTheEnd(client, { ...request, level: 0 }),
  });
  // Neither a timeout nor an interrupt ends this monitor, and with `until` the daemon's going away does not.
  if (end.kind !== 'done') throw new Error(`a shutdown cannot end as ${end.kind}`);
  memory = finishDown(memory, end.value, context.now() + ahead);
  display.show(downRows(memory, latest, latest.now), `Stopped ${count(total, 'service')}`);
  display.leave();
  return end.value;
}

/** A daemon that has brought its project down ends at once; longer than this it is not waited for. */
const LAST_MOMENT_MS = 2_000;

/** Resolves once the daemon, too, has taken its leave: whoever looks then finds the project not running. */
export async function downToTheEnd(client: DaemonClient, request: DownRequest): Promise<DownResponse> {
  const response = await client.down(request);
  try {
    const stream = client.watch(AbortSignal.timeout(LAST_MOMENT_MS));
    for await (const _ of stream);
  } catch {
    // It is gone already.
  }
  return response;
}

/** Names what was removed, and what could not be stopped or removed; the status says whether anything is left. */
export function reportDown(
  context: CliContext,
  snapshot: Pick<ProjectSnapshot, 'name'>,
  response: DownResponse,
): ExitStatus {
  const { leftovers, removed } = response;
  if (removed !== undefined) reportRemoved(context, removed);
  const stuck = leftovers.length === 0 ? EXIT.ok : reportLeftovers(context, snapshot.name, leftovers);
  const failed = removed?.failed ?? [];
  if (failed.length === 0) return stuck;
  return fail(
    context,
    {
      message: `not all of ${snapshot.name} could be removed`,
      where: failed
        .map(({ what, why }) => `  ${oneLine(what)}: ${oneLine(why)}`)
        .join('\n')
        .trimStart(),
      next: '`setpoint down` tries again',
    },
    EXIT.failure,
  );
}

function reportRemoved({ stdout }: CliContext, removed: CleanupReport): void {
  for (const [what, names] of [
    ['container', removed.containers],
    ['network', removed.networks],
    ['volume', removed.volumes],
  ] as const) {
    if (names.length > 0) stdout.write(`removed ${what} ${names.map((name) => oneLine(name)).join(', ')}\n`);
  }
}

function reportLeftovers(context: CliContext, project: string, leftovers: readonly Leftover[]): ExitStatus {
  const lines = leftovers.map(({ instance, pid, command, reason }) => {
    const what = [pid === undefined ? '' : `pid ${pid}`, oneLine(command)].filter((part) => part !== '');
    return `  ${instance}: ${what.join('  ')}${reason === undefined ? '' : `${what.length === 0 ? '' : ', '}${oneLine(reason)}`}`;
  });
  const pids = leftovers.flatMap(({ pid }) => pid ?? []);
  const look =
    pids.length === 0 ? '' : `\`ps -o pid,stat,wchan,cmd -p ${pids.join(',')}\` shows what holds them; `;
  const what =
    pids.length === leftovers.length ? count(leftovers.length, 'process', 'processes') : 'something';
  return fail(
    context,
    {
      message: `${what} of ${project} could not be stopped`,
      where: lines.join('\n').trimStart(),
      next: `${look}\`setpoint down\` tries again`,
    },
    EXIT.failure,
  );
}
