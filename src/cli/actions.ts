import type { DaemonClient } from '../client/types.ts';
import type { ActionRequest, ActionResponse, ProjectSnapshot, Selector } from '../core/api.ts';
import { isLive } from '../core/state.ts';
import { withDaemon, type Common, type Format } from './common.ts';
import { fail, writeJson, type CliContext } from './context.ts';
import { reportCulprits } from './culprit.ts';
import { Display, FRAME_MS } from './display.ts';
import { allStopped, beginDown, downRows, hearStop, seeDown } from '../words/down.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { monitor, type MonitorEnd } from './monitor.ts';
import { daemonGone } from './up-detached.ts';
import { judgeUp, notUp, upRows, type UpVerdict } from './up-progress.ts';
import { displayNames } from '../words/instances.ts';

function howShown({ plain, format }: ActionOptions): 'live' | 'plain' | 'silent' {
  if (format === 'json') return 'silent';
  return plain ? 'plain' : 'live';
}

export interface ActionOptions {
  /** Only of `scale`. */
  readonly format?: Format;
  readonly label: readonly string[];
  readonly plain: boolean;
  /** Ms. */
  readonly timeout: number;
}

/** `start`, `restart`: returns once everything concerned that can start at once has been started. */
export function startOrRestart(
  common: Common,
  action: 'start' | 'restart',
  names: readonly string[],
  options: ActionOptions,
): Promise<ExitStatus> {
  const select = selector(names, options);
  return withDaemon(common, async (client) => {
    const request: ActionRequest =
      action === 'start' ? { action, select, withDependencies: true } : { action, select };
    const response = await client.act(request);
    if (nothingDone(common.context, response, 'was running already')) return EXIT.ok;
    return showStart(common.context, client, response, options);
  });
}

/** `stop`: returns once everything concerned has stopped. */
export function stop(common: Common, names: readonly string[], options: ActionOptions): Promise<ExitStatus> {
  return withDaemon(common, async (client) => {
    const before = await client.snapshot();
    const response = await client.act({ action: 'stop', select: selector(names, options) });
    if (nothingDone(common.context, response, 'was not running')) return EXIT.ok;
    return showStop(common.context, client, before, response, options);
  });
}

export function scale(
  common: Common,
  targets: readonly { readonly service: string; readonly replicas: number }[],
  options: ActionOptions,
): Promise<ExitStatus> {
  const { context } = common;
  const say = (text: string): void => {
    if (options.format !== 'json') context.stdout.write(text);
  };
  const scaled: unknown[] = [];
  const through = (status: ExitStatus): ExitStatus => {
    if (options.format === 'json') writeJson(context, { scaled });
    return status;
  };
  return withDaemon(common, async (client) => {
    for (const { service, replicas } of targets) {
      const before = await client.snapshot();
      const from = before.services.find(({ id }) => id === service)?.replicas;
      const response = await client.act({ action: 'scale', service, replicas });
      const { affected, unchanged } = response;
      scaled.push({ service, ...(from === undefined ? {} : { from }), to: replicas, affected, unchanged });
      if (response.affected.length === 0) {
        say(`${service}: ${replicas} as before\n`);
        continue;
      }
      say(`${service}: ${from === undefined ? '' : `${from} -> `}${replicas}\n`);
      const gone = new Set(
        response.snapshot.services.find(({ id }) => id === service)?.instances.map(({ id }) => id),
      );
      const stopped = affected.filter((id) => wantedDown(response.snapshot, id) || !gone.has(id));
      const status =
        stopped.length > 0
          ? await showStop(common.context, client, before, { ...response, affected: stopped }, options)
          : await showStart(common.context, client, response, options);
      if (status !== EXIT.ok) return through(status);
    }
    return through(EXIT.ok);
  });
}

export function kill(
  common: Common,
  names: readonly string[],
  options: { readonly label: readonly string[]; readonly signal: string },
): Promise<ExitStatus> {
  return withDaemon(common, async (client) => {
    const response = await client.act({
      action: 'kill',
      select: selector(names, options),
      signal: options.signal,
    });
    for (const name of response.affected) common.context.stdout.write(`${name}: sent ${options.signal}\n`);
    for (const name of response.unchanged) common.context.stdout.write(`${name}: was not running\n`);
    if (response.affected.length + response.unchanged.length > 0) return EXIT.ok;
    return nobody(common.context);
  });
}

function selector(names: readonly string[], options: { readonly label: readonly string[] }): Selector {
  return { names, labels: options.label };
}

/** Says so of those that were already as wanted; true where there is nothing to wait for. */
function nothingDone(context: CliContext, response: ActionResponse, as: string): boolean {
  for (const name of response.unchanged) context.stdout.write(`${name}: ${as}\n`);
  return response.affected.length === 0;
}

function nobody(context: CliContext): ExitStatus {
  return fail(
    context,
    {
      message: 'no service matches',
      next: '`setpoint status` lists the services and `setpoint status --format json` their labels',
    },
    EXIT.usage,
  );
}

function wantedDown(snapshot: ProjectSnapshot, id: string): boolean {
  return snapshot.services.some(({ instances }) =>
    instances.some((instance) => instance.id === id && instance.wanted === 'down'),
  );
}

async function showStart(
  context: CliContext,
  client: DaemonClient,
  response: ActionResponse,
  options: ActionOptions,
): Promise<ExitStatus> {
  const display = new Display(context, howShown(options));
  const begun = response.snapshot.now;
  const affected = new Set(response.affected);
  const only = new Set(
    response.snapshot.services
      .filter(({ instances }) => instances.some(({ id }) => affected.has(id)))
      .map(({ id }) => id),
  );
  let last = response.snapshot;
  let clock = begun;
  const names = displayNames(last);
  const told = new Set(response.affected.map((id) => names.get(id) ?? id));
  // Other instances of the same services are shown beside them, but are no news.
  display.assume(upRows(last, begun, begun, only).filter(({ name }) => !told.has(name)));
  const end = await monitor<Exclude<UpVerdict, { kind: 'pending' }>>({
    context,
    client,
    tickMs: FRAME_MS,
    timeoutMs: options.timeout,
    interrupt: 'end',
    look: ({ snapshot, now }) => {
      last = snapshot;
      clock = now;
      display.show(upRows(snapshot, now, begun, only));
      const verdict = judgeUp(snapshot, now, 'begin', only);
      return verdict.kind === 'pending' ? undefined : verdict;
    },
  });
  display.leave();
  if (end.kind === 'done' && end.value.kind === 'up') return EXIT.ok;
  const culprits = end.kind === 'done' && end.value.kind === 'failed' ? end.value.culprits : [];
  if (culprits.length > 0) {
    await reportCulprits(context, client, culprits);
    return EXIT.failure;
  }
  if (end.kind === 'timed-out') await reportCulprits(context, client, notUp(last, clock, only));
  return unfinished(context, end, last);
}

async function showStop(
  context: CliContext,
  client: DaemonClient,
  before: ProjectSnapshot,
  response: ActionResponse,
  options: ActionOptions,
): Promise<ExitStatus> {
  const display = new Display(context, howShown(options));
  let memory = beginDown(before, before.now, new Set(response.affected));
  let last = response.snapshot;
  const end = await monitor<true>({
    context,
    client,
    tickMs: FRAME_MS,
    timeoutMs: options.timeout,
    interrupt: 'end',
    hear: (happening) => (memory = hearStop(memory, happening)),
    look: ({ snapshot, now }) => {
      last = snapshot;
      memory = seeDown(memory, snapshot, now);
      display.show(downRows(memory, snapshot, now));
      return allStopped(memory) || !response.affected.some((id) => mayLive(snapshot, id)) ? true : undefined;
    },
  });
  display.leave();
  return end.kind === 'done' ? EXIT.ok : unfinished(context, end, last);
}

function mayLive(snapshot: ProjectSnapshot, id: string): boolean {
  return snapshot.services.some(({ instances }) =>
    instances.some((instance) => instance.id === id && isLive(instance.state)),
  );
}

/** What is said, and the status, when a wait ended before what it waited for. */
export function unfinished<T>(context: CliContext, end: MonitorEnd<T>, last: ProjectSnapshot): ExitStatus {
  switch (end.kind) {
    case 'interrupted':
      return end.signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
    case 'timed-out':
      return fail(
        context,
        {
          message: 'the time given with --timeout ran out',
          next: '`setpoint status` shows how things stand',
        },
        EXIT.timedOut,
      );
    case 'gone':
      return daemonGone(context, last);
    case 'done':
      return EXIT.failure;
  }
}
