import type { DaemonClient } from '../client/types.ts';
import type { ProjectSnapshot } from '../core/api.ts';
import { formatDuration } from '../core/util/duration.ts';
import type { CliContext } from './context.ts';
import { fail } from './context.ts';
import { reportCulprits } from './culprit.ts';
import { Display, FRAME_MS } from './display.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { monitor } from './monitor.ts';
import { judgeApplied, notUp, upRows, type UpMode, type UpVerdict } from './up-progress.ts';
import { countStates } from '../words/instances.ts';
import { withDependencies } from './view.ts';

interface DetachedRun {
  readonly context: CliContext;
  readonly client: DaemonClient;
  readonly names: readonly string[];
  /** Before the manifest was applied. */
  readonly before: ProjectSnapshot;
  /** Right after. */
  readonly snapshot: ProjectSnapshot;
  /** Whether the plan held anything to do. */
  readonly changed: boolean;
  readonly wait: boolean;
  readonly timeout: number;
  readonly plain: boolean;
}

/** Shows how the project comes up, and returns when it is up, or, without `wait`, when it has been set going. */
export async function detached(run: DetachedRun): Promise<ExitStatus> {
  const { context, client, names } = run;
  const display = new Display(context, run.plain ? 'plain' : 'live');
  const before = upRows(run.before, run.before.now, run.before.now);
  display.assume(before);
  let last = run.snapshot;
  let clock = last.now;
  const only = (): ReadonlySet<string> | undefined =>
    names.length === 0 ? undefined : withDependencies(last, names);
  const mode: UpMode = run.wait ? 'wait' : 'begin';
  const end = await monitor<Exclude<UpVerdict, { kind: 'pending' }>>({
    context,
    client,
    tickMs: FRAME_MS,
    timeoutMs: run.timeout,
    interrupt: 'end',
    look: ({ snapshot, now }) => {
      last = snapshot;
      clock = now;
      display.show(upRows(snapshot, now, run.before.now, only()));
      const verdict = judgeApplied(snapshot, now, mode, only());
      return verdict.kind === 'pending' ? undefined : verdict;
    },
  });
  display.leave();
  switch (end.kind) {
    case 'done':
      if (end.value.kind === 'failed') {
        await reportCulprits(context, client, end.value.culprits);
        return EXIT.failure;
      }
      context.stdout.write(`${headline(run)} ${countStates(last)}\n`);
      return EXIT.ok;
    case 'timed-out': {
      const goal = run.wait ? 'up' : 'started';
      fail(
        context,
        {
          message: `${last.name} was not ${goal} within ${formatDuration(run.timeout)}; it goes on in the background`,
        },
        EXIT.timedOut,
      );
      await reportCulprits(context, client, notUp(last, clock, only()));
      return EXIT.timedOut;
    }
    case 'interrupted':
      context.stderr.write(
        `Interrupted; ${last.name} goes on in the background. \`setpoint down\` stops it.\n`,
      );
      return end.signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
    case 'gone':
      return daemonGone(context, last);
  }
}

function headline({ wait, changed, snapshot: { name } }: DetachedRun): string {
  if (wait) return changed ? `${name} is up:` : `${name} is up, nothing to do:`;
  return changed ? `${name}:` : `${name}: nothing to do;`;
}

export function daemonGone(context: CliContext, snapshot: ProjectSnapshot): ExitStatus {
  if (snapshot.phase !== 'up') {
    return fail(
      context,
      { message: `${snapshot.name} was brought down: ${snapshot.shutdown?.reason ?? 'asked for elsewhere'}` },
      EXIT.failure,
    );
  }
  return fail(
    context,
    {
      message: `the daemon of ${snapshot.name} ended; its services run on`,
      where: `${snapshot.daemon.stateDir}/daemon.log`,
      next: '`setpoint up` starts it again and takes them over',
    },
    EXIT.failure,
  );
}
