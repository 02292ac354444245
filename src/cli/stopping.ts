import type { DaemonClient } from '../client/types.ts';
import type { DownRequest, DownResponse, ProjectSnapshot } from '../core/api.ts';
import { fail, type CliContext } from './context.ts';
import { FRAME_MS, type Display } from './display.ts';
import { beginDown, downRows, finishDown, hearStop, seeDown, servicesToStop } from './down-progress.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { monitor } from './monitor.ts';
import { count, oneLine } from './output/text.ts';

export interface StopOptions {
  readonly reason: string;
  /** Overrides the manifest's `shutdown.timeout`. */
  readonly timeoutMs?: number;
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

/** Names what could not be stopped; the status says whether anything is left. */
export function reportDown(
  context: CliContext,
  snapshot: Pick<ProjectSnapshot, 'name'>,
  response: DownResponse,
): ExitStatus {
  if (response.leftovers.length === 0) return EXIT.ok;
  const lines = response.leftovers.map(
    ({ instance, pid, command }) => `  ${instance}: pid ${pid}  ${oneLine(command)}`,
  );
  const pids = response.leftovers.map(({ pid }) => pid).join(' ');
  return fail(
    context,
    {
      message: `${count(response.leftovers.length, 'process', 'processes')} of ${snapshot.name} could not be stopped`,
      where: lines.join('\n').trimStart(),
      next: `\`ps -o pid,stat,wchan,cmd -p ${pids.replaceAll(' ', ',')}\` shows what holds them; \`setpoint down\` tries again`,
    },
    EXIT.failure,
  );
}
