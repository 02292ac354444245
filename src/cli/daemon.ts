import type { DaemonClient } from '../client/types.ts';
import type { DaemonInfo, ProjectSnapshot } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import { isLive } from '../core/state.ts';
import { closing, locate, type Common, type Format } from './common.ts';
import { fail, writeJson, type CliContext } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { count } from '../words/text.ts';
import { sizeText } from '../words/figures.ts';
import { statsIfAny } from './stats.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { shownInstances } from '../words/instances.ts';

export type DaemonAction = 'status' | 'restart' | 'stop';

export interface DaemonCommandOptions {
  readonly format: Format;
}

/** A daemon that hands over ends at once; longer than this it is not waited for. */
const GONE_WITHIN_MS = 10_000;
const LOOK_MS = 20;

/** About the daemon alone: services run on, whatever is done to it. */
export async function daemon(
  common: Common,
  action: DaemonAction,
  options: DaemonCommandOptions,
): Promise<ExitStatus> {
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const location = located.value;
  // It must not come back because it is asked after, so it is not reached but looked for.
  const client = await common.services.connect(location);
  if (client === undefined) return noDaemon(common, location, action, options);
  return closing(client, () => {
    switch (action) {
      case 'status':
        return showStatus(common, location, client, options);
      case 'restart':
        return restart(common, location, client, options);
      case 'stop':
        return stop(common, location, client, options);
    }
  });
}

async function noDaemon(
  common: Common,
  location: ProjectLocation,
  action: DaemonAction,
  { format }: DaemonCommandOptions,
): Promise<ExitStatus> {
  const { context, services } = common;
  const wasUp = (await services.recordedPhase(location)) === 'up';
  if (action === 'restart' && wasUp) {
    const { client } = await services.ensureDaemon(location);
    return closing(client, async () => {
      const snapshot = await client.snapshot();
      const { pid, version } = snapshot.daemon;
      if (format === 'json')
        writeJson(context, { before: null, after: { pid, version }, kept: liveRuns(snapshot).size });
      else {
        context.stdout.write(
          `The daemon of ${location.name} was not running; ${version} (pid ${pid}) took over ${instances(liveRuns(snapshot).size)}.\n`,
        );
      }
      return EXIT.ok;
    });
  }
  if (format === 'json')
    writeJson(context, { running: false, phase: wasUp ? 'up' : 'down', stateDir: location.stateDir });
  const next = wasUp
    ? 'its services may run on; `setpoint daemon restart`, `setpoint status` and most others bring it back'
    : '`setpoint up` starts it';
  return fail(
    context,
    { message: `the daemon of ${location.name} is not running`, where: location.manifest, next },
    EXIT.notRunning,
  );
}

async function showStatus(
  { context }: Common,
  location: ProjectLocation,
  client: DaemonClient,
  { format }: DaemonCommandOptions,
): Promise<ExitStatus> {
  const [snapshot, stats] = await Promise.all([client.snapshot(), statsIfAny(client)]);
  const { daemon: info } = snapshot;
  const log = `${info.stateDir}/daemon.log`;
  const uptimeMs = Math.max(0, snapshot.now - info.startedAt);
  if (format === 'json') {
    const { socketPath: socket } = location;
    const facts = { running: true, ...info, uptimeMs, socket, log, phase: snapshot.phase };
    writeJson(context, { ...facts, ...(stats === undefined ? {} : { stats: stats.daemon }) });
    return EXIT.ok;
  }
  const facts: readonly (readonly [string, string])[] = [
    ['project', `${snapshot.name} (${snapshot.phase})`],
    ['manifest', info.manifest],
    ['pid', String(info.pid)],
    ['version', `${info.version} (api ${info.api})`],
    ['up', formatSpan(uptimeMs, 'whole')],
    ...(stats === undefined ? [] : [['memory', sizeText(stats.daemon.memoryBytes)] as const]),
    ['services', instances(liveRuns(snapshot).size)],
    ['socket', location.socketPath],
    ['state', info.stateDir],
    ['log', log],
  ];
  context.stdout.write(facts.map(([key, value]) => `${key.padEnd(9)} ${value}\n`).join(''));
  return EXIT.ok;
}

async function restart(
  common: Common,
  location: ProjectLocation,
  client: DaemonClient,
  { format }: DaemonCommandOptions,
): Promise<ExitStatus> {
  const { context } = common;
  const before = await handOver(common, client, 'setpoint daemon restart');
  const successor = await nextDaemon(common, location, before.daemon);
  if (successor === undefined) return stuck(context, before);
  return closing(successor, async () => {
    const after = await successor.snapshot();
    const runs = liveRuns(after);
    const kept = [...liveRuns(before)].filter(([id, run]) => runs.get(id) === run).length;
    const lost = [...liveRuns(before)].filter(([id, run]) => runs.get(id) !== run).map(([id]) => id);
    const [old, now] = [named(before.daemon), named(after.daemon)];
    if (format === 'json') writeJson(context, { before: old, after: now, kept, lost });
    else {
      context.stdout.write(
        `Daemon of ${before.name}: ${old.version} (pid ${old.pid}) -> ${now.version} (pid ${now.pid})\n` +
          `${instances(kept)} ${kept === 1 ? 'runs' : 'run'} on\n`,
      );
    }
    if (lost.length === 0) return EXIT.ok;
    // One may have ended by itself in just that moment; whoever asked wants to know all the same.
    const message = `${lost.join(', ')} did not run on`;
    return fail(context, { message, next: '`setpoint events` tells what happened' }, EXIT.failure);
  });
}

async function stop(
  common: Common,
  location: ProjectLocation,
  client: DaemonClient,
  { format }: DaemonCommandOptions,
): Promise<ExitStatus> {
  const { context, services } = common;
  const before = await handOver(common, client, 'setpoint daemon stop');
  const gone = await until(context, async () => {
    const again = await services.connect(location);
    again?.close();
    return again === undefined ? true : undefined;
  });
  if (gone === undefined) return stuck(context, before);
  const left = liveRuns(before).size;
  if (format === 'json') writeJson(context, { before: named(before.daemon), left });
  else {
    const rest =
      left === 0
        ? 'Nothing of the project runs.'
        : `${instances(left)} ${left === 1 ? 'runs' : 'run'} on unsupervised: what ends is not restarted, until \`setpoint daemon restart\` or almost any other command brings the daemon back. \`setpoint down\` stops ${left === 1 ? 'it' : 'them'}.`;
    context.stdout.write(`The daemon of ${before.name} (pid ${before.daemon.pid}) has ended. ${rest}\n`);
  }
  return EXIT.ok;
}

/** Resolves, with what the daemon had to say last, once it has ended its connections. */
async function handOver({ context }: Common, client: DaemonClient, reason: string): Promise<ProjectSnapshot> {
  const abort = new AbortController();
  const cancel = context.after(GONE_WITHIN_MS, () => abort.abort());
  let last = await client.snapshot();
  const watch = (async (): Promise<void> => {
    for await (const item of client.watch(abort.signal)) if (item.type === 'snapshot') last = item.snapshot;
  })().catch(() => undefined);
  try {
    await client.handOver(reason);
    await watch;
  } finally {
    cancel();
    abort.abort();
  }
  return last;
}

/** A daemon other than the old one, started if need be; undefined where the old one does not go. */
function nextDaemon(
  { context, services }: Common,
  location: ProjectLocation,
  old: DaemonInfo,
): Promise<DaemonClient | undefined> {
  return until(context, async () => {
    const { client } = await services.ensureDaemon(location);
    const info = await client.info().catch(() => undefined);
    if (info !== undefined && info.pid !== old.pid) return client;
    client.close();
    return undefined;
  });
}

async function until<T>(context: CliContext, look: () => Promise<T | undefined>): Promise<T | undefined> {
  const giveUpAt = context.now() + GONE_WITHIN_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined || context.now() >= giveUpAt) return found;
    await new Promise<void>((resolve) => void context.after(LOOK_MS, resolve));
  }
}

function stuck(context: CliContext, { name, daemon: { pid, stateDir } }: ProjectSnapshot): ExitStatus {
  return fail(
    context,
    {
      message: `the daemon of ${name} (pid ${pid}) was asked to hand over and has not ended within ${formatSpan(GONE_WITHIN_MS)}`,
      where: `${stateDir}/daemon.log`,
      next: `\`kill -9 ${pid}\` ends it; services run on, and \`setpoint status\` starts another one that takes them over`,
    },
    EXIT.failure,
  );
}

function named({ pid, version }: DaemonInfo): { readonly pid: number; readonly version: string } {
  return { pid, version };
}

/** Runs that live, by instance. */
function liveRuns(snapshot: ProjectSnapshot): ReadonlyMap<string, string> {
  return new Map(
    shownInstances(snapshot).flatMap(({ instance: { id, state } }) =>
      isLive(state) && 'run' in state ? [[id, state.run] as const] : [],
    ),
  );
}

function instances(n: number): string {
  return count(n, 'instance');
}
