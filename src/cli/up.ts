import type { DaemonClient } from '../client/types.ts';
import type { ProjectSnapshot } from '../core/api.ts';
import type { PlanStep, PlanView } from '../core/plan-view.ts';
import { describeCause } from '../words/cause.ts';
import { applyRequest, closing, locate, type Common, type LoadOptions } from './common.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { LogCursor } from '../client/log-cursor.ts';
import { diagnosticsText, hasErrors, tally } from '../words/diagnostics.ts';
import { isGone } from './monitor.ts';
import { downToTheEnd } from './bring-down.ts';
import { attached } from './up-attached.ts';
import { daemonGone, detached } from './up-detached.ts';
import { upOnTerminal } from './up-tui.ts';
import { whatKeepsRunning } from '../words/instances.ts';

export interface UpOptions extends LoadOptions {
  readonly detach: boolean;
  readonly wait: boolean;
  /** Ms. */
  readonly timeout: number;
  /** On a terminal, stream what services write instead of showing the TUI. */
  readonly plain: boolean;
  readonly foreground: boolean;
  /** False: later changes of the manifest count only for `reload`. Default true. */
  readonly watch?: boolean;
  /** Later changes of the manifest are held until `reload --yes`. Default false. */
  readonly review?: boolean;
}

/** Applies the manifest, starting the daemon where none runs. */
export async function up(common: Common, names: readonly string[], options: UpOptions): Promise<ExitStatus> {
  const located = await locate(common, true);
  if (!located.ok) return located.error;
  const location = located.value;
  const request = {
    ...applyRequest(common, location, options, names),
    ...(options.watch === false ? { watch: false } : {}),
    ...(options.review === true ? { review: true } : {}),
  };
  if (options.foreground) {
    const { client, ended } = await common.services.foreground(location);
    const status = await closing(client, () => apply(common, client, true));
    await ended;
    return status;
  }
  const { client, started } = await common.services.ensureDaemon(location);
  return closing(client, () => apply(common, client, started));

  async function apply({ context }: Common, daemon: DaemonClient, fresh: boolean): Promise<ExitStatus> {
    const stays = options.detach || options.wait;
    const before = await daemon.snapshot();
    // What was running before is not this command's to end. A daemon that is idle may have been started by another one.
    const holds = !stays && before.phase === 'idle';
    // The lease comes before the apply, so that an end of this process in between leaves nothing running.
    const lease = holds ? await daemon.lease() : undefined;
    const { diagnostics, plan, snapshot } = await daemon.apply(request);
    if (diagnostics.length > 0) {
      context.stderr.write(diagnosticsText(diagnostics, context));
      context.stderr.write(`\n${verdict(diagnostics, snapshot)}\n`);
    }
    if (hasErrors(diagnostics) || plan === undefined) {
      // Nothing was applied, so a daemon that was started for it has nothing to do.
      if (fresh && before.phase === 'idle')
        await downToTheEnd(daemon, { reason: 'the manifest has errors', level: 0 });
      return EXIT.usage;
    }
    const changes = causeLines(plan);
    for (const line of changes) context.stdout.write(`${line}\n`);
    if (!stays && !options.foreground && !options.plain && context.isTTY && context.stdin.isTTY)
      return upOnTerminal({ common, location, client: daemon, lease, request, snapshot, changes });
    const run = { common, context, client: daemon, names, before, snapshot };
    if (stays) {
      const changed = plan.steps.some(({ action }) => action !== 'none');
      return detached({ ...run, ...options, changed });
    }
    const printed = { logs: new LogCursor(), happenings: 0 };
    const end = await attached({ ...run, plain: options.plain, lease, printed });
    return end.kind === 'ended'
      ? end.status
      : attachAgain(end.last, { before, printed, held: lease !== undefined });
  }

  /** The daemon was killed under an attached `up`: a new one takes its services over, and this goes on with that. */
  async function attachAgain(last: ProjectSnapshot, earlier: Earlier): Promise<ExitStatus> {
    const { context } = common;
    if (last.phase !== 'up' || options.foreground) return daemonGone(context, last);
    const again = await common.services.ensureDaemon(location);
    return closing(again.client, async () => {
      const snapshot = await unlessGone(again.client.snapshot());
      // Killed again, already.
      if (snapshot === undefined) return attachAgain(last, earlier);
      if (snapshot.phase !== 'up') return daemonGone(context, snapshot);
      context.stderr.write(
        `The daemon of ${last.name} was gone; it is back and took over what still runs.\n`,
      );
      const lease = earlier.held ? await unlessGone(again.client.lease()) : undefined;
      const end = await attached({
        common,
        client: again.client,
        names,
        before: earlier.before,
        snapshot,
        plain: options.plain,
        lease,
        printed: earlier.printed,
      });
      return end.kind === 'ended' ? end.status : attachAgain(end.last, earlier);
    });
  }
}

/** What the daemon answers; undefined where it is gone before it can. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** What an attached `up` takes along from one daemon to the next. */
interface Earlier {
  /** Before the manifest was applied. */
  readonly before: ProjectSnapshot;
  readonly printed: Parameters<typeof attached>[0]['printed'];
  readonly held: boolean;
}

function verdict(diagnostics: Parameters<typeof tally>[0], snapshot: ProjectSnapshot): string {
  const head = tally(diagnostics) ?? '';
  if (!hasErrors(diagnostics)) return `${head}.`;
  const keeps = whatKeepsRunning(snapshot);
  return `${head}. Nothing was changed${keeps === undefined ? '' : `; ${keeps}`}.`;
}

const DONE: Readonly<Record<Exclude<PlanStep['action'], 'none'>, string>> = {
  start: 'started',
  replace: 'replaced',
  update: 'updated in place',
  stop: 'stopped',
  forget: 'forgotten',
};

/** What is done and why, line by line; nothing where everything is simply started for the first time. */
export function causeLines(plan: PlanView): string[] {
  const stopped = new Set(
    plan.steps.filter(({ action }) => action === 'stop').map(({ instance }) => instance),
  );
  const steps = plan.steps.filter(
    ({ action, instance }) => action !== 'none' && !(action === 'forget' && stopped.has(instance)),
  );
  const isFirst = plan.steps.every(
    ({ action, causes }) => action === 'start' && causes.every(({ kind }) => kind === 'added'),
  );
  if (isFirst) return [];
  const lines = new Map<
    string,
    { readonly service: string; readonly instances: string[]; readonly said: string }
  >();
  for (const { service, instance, action, causes } of steps) {
    if (action === 'none') continue;
    const said = `${DONE[action]}: ${causes.map(describeCause).join(', ')}`;
    const key = `${service}\n${said}`;
    const entry = lines.get(key) ?? { service, instances: [], said };
    entry.instances.push(instance);
    lines.set(key, entry);
  }
  return [...lines.values()].map(({ service, instances, said }) => {
    const all = new Set(plan.steps.filter((step) => step.service === service).map((step) => step.instance));
    return `${all.size === instances.length ? service : instances.join(', ')}: ${said}`;
  });
}
