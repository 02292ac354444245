import { dirname } from 'node:path';
import type { DaemonClient, Lease } from '../client/types.ts';
import type { ApplyRequest, ProjectSnapshot } from '../core/api.ts';
import { describeExit } from '../words/exit.ts';
import type { TuiEnd } from '../tui/tui.ts';
import { reach, type Common } from './common.ts';
import { Display } from './display.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { oneLine } from '../words/text.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { bringDown, reportDown } from './bring-down.ts';
import { daemonGone } from './up-detached.ts';
import { countStates, shownInstances, stoppedText } from '../words/instances.ts';

export interface TuiRun {
  readonly common: Common;
  readonly location: ProjectLocation;
  readonly client: DaemonClient;
  /** Undefined where the project was running before: then it outlives this command. */
  readonly lease: Lease | undefined;
  readonly request: ApplyRequest;
  /** Right after the manifest was applied. */
  readonly snapshot: ProjectSnapshot;
  /** What was done and why, line by line. */
  readonly changes: readonly string[];
}

/** Shows the project on the whole terminal, and then says on the normal screen what has become of it. */
export async function upOnTerminal(run: TuiRun): Promise<ExitStatus> {
  const { common, location, client, lease, request, snapshot, changes } = run;
  const end = await common.services.tui({
    client,
    ...(lease === undefined ? {} : { lease }),
    reconnect: () => reach(common, location, 'silent'),
    request,
    manifest: location.manifest,
    cwd: dirname(location.manifest),
    ...(changes.length === 0 ? {} : { opening: changes.join('; ') }),
  });
  return concluded(run, end, end.last ?? snapshot);
}

async function concluded(run: TuiRun, end: TuiEnd, last: ProjectSnapshot): Promise<ExitStatus> {
  const { common, client, lease } = run;
  const { context } = common;
  switch (end.kind) {
    case 'detached':
      context.stdout.write(`${keepsRunningText(last)}\n`);
      return EXIT.ok;
    case 'quit':
      for (const line of failures(end.before ?? last)) context.stdout.write(`${line}\n`);
      context.stdout.write(`${stoppedText(last.name, end.response, end.tookMs)}\n`);
      return reportDown(context, last, end.response);
    case 'daemon-ended':
      return daemonGone(context, { ...last, phase: last.phase === 'up' ? 'idle' : last.phase });
    case 'signal': {
      // With SIGHUP the terminal is gone: nobody is there to be told, and the end of the lease does the rest.
      if (lease === undefined || end.signal === 'SIGHUP') return EXIT.terminated;
      const display = new Display(context, 'plain');
      return reportDown(
        context,
        last,
        await bringDown(context, client, display, { reason: end.signal, again: true }),
      );
    }
  }
}

/** What to do with a project that was left running. */
export function keepsRunningText(snapshot: ProjectSnapshot): string {
  const states = countStates(snapshot);
  const counts = states === '' ? '' : `: ${states}`;
  return `${snapshot.name} keeps running${counts}\n\`setpoint tui\` comes back to it, \`setpoint down\` stops it`;
}

/** Of each instance that had failed or kept ending, how. */
function failures(snapshot: ProjectSnapshot): readonly string[] {
  return shownInstances(snapshot).flatMap(({ name, instance: { state, lastCause } }) => {
    if (state.kind !== 'failed' && state.kind !== 'backoff') return [];
    const cause = lastCause === undefined ? '' : `: ${lastCause}`;
    return [`${name} had failed: ${oneLine(`${describeExit(state.exit)}${cause}`)}`];
  });
}
