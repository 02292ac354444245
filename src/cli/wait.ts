import type { ProjectSnapshot } from '../core/api.ts';
import { describeExit } from '../core/exit.ts';
import { closing, locate, notRunning, reach, type Common } from './common.ts';
import { fail } from './context.ts';
import { reportCulprits } from './culprit.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { monitor, type Seen } from './monitor.ts';
import { unfinished } from './actions.ts';
import { judgeUp, type Culprit, type UpVerdict } from './up-progress.ts';
import { shownInstances } from './view.ts';

export type WaitGoal = 'running' | 'completed' | 'stopped';

export interface WaitOptions {
  readonly for: WaitGoal;
  /** Ms; absent: as long as it takes. */
  readonly timeout?: number;
}

/** How often it is looked whether a run has lasted long enough. */
const LOOK_MS = 50;

/** Waits until the named services (or all) have reached a state; fails as soon as they cannot any more. */
export async function wait(
  common: Common,
  names: readonly string[],
  options: WaitOptions,
): Promise<ExitStatus> {
  const { context } = common;
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const client = await reach(common, located.value);
  if (client === undefined) return options.for === 'stopped' ? EXIT.ok : notRunning(context, located.value);
  return closing(client, async () => {
    const now = await client.snapshot();
    let last = now;
    const unknown = names.find((name) => !isKnown(now, name));
    if (unknown !== undefined) {
      return fail(
        context,
        {
          message: `there is no service \`${unknown}\` in ${now.name}`,
          next: '`setpoint status` lists them',
        },
        EXIT.usage,
      );
    }
    const end = await monitor<Exclude<UpVerdict, { kind: 'pending' }>>({
      context,
      client,
      tickMs: LOOK_MS,
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
      interrupt: 'end',
      look: (seen) => {
        last = seen.snapshot;
        const verdict = judgeGoal(seen, options.for, names);
        return verdict.kind === 'pending' ? undefined : verdict;
      },
    });
    if (end.kind === 'gone' && options.for === 'stopped' && last.phase !== 'up') return EXIT.ok;
    if (end.kind !== 'done') return unfinished(context, end, last);
    if (end.value.kind === 'up') return EXIT.ok;
    await reportCulprits(context, client, end.value.culprits);
    return EXIT.failure;
  });
}

function isKnown(snapshot: ProjectSnapshot, name: string): boolean {
  return snapshot.services.some(
    ({ id, instances }) => id === name || instances.some((one) => one.id === name),
  );
}

/** `up` stands for "the goal is reached". */
export function judgeGoal({ snapshot, now }: Seen, goal: WaitGoal, names: readonly string[]): UpVerdict {
  const narrowed = narrow(snapshot, names);
  if (goal === 'running') return judgeUp(narrowed, now, 'wait');
  const instances = shownInstances(narrowed);
  if (goal === 'stopped') {
    const still = instances.some(
      ({ instance: { state, wanted } }) =>
        !(state.kind === 'completed' || state.kind === 'failed' || state.kind === 'skipped') &&
        !(state.kind === 'stopped' && wanted === 'down'),
    );
    return still ? { kind: 'pending' } : { kind: 'up' };
  }
  const culprits = instances.flatMap(({ name, instance }): Culprit[] => {
    const { state, wanted } = instance;
    if (state.kind === 'failed') return [{ name, instance, reason: describeExit(state.exit) }];
    if (state.kind === 'skipped') return [{ name, instance, reason: `was skipped: ${state.reason}` }];
    if (state.kind === 'stopped' && wanted === 'down') return [{ name, instance, reason: 'was stopped' }];
    return [];
  });
  if (culprits.length > 0) return { kind: 'failed', culprits };
  return instances.every(({ instance }) => instance.state.kind === 'completed')
    ? { kind: 'up' }
    : { kind: 'pending' };
}

/** The snapshot with nothing but what is named; with everything where nothing is. */
function narrow(snapshot: ProjectSnapshot, names: readonly string[]): ProjectSnapshot {
  if (names.length === 0) return snapshot;
  const services = snapshot.services.flatMap((service) => {
    if (names.includes(service.id)) return [service];
    const instances = service.instances.filter(({ id }) => names.includes(id));
    return instances.length === 0 ? [] : [{ ...service, instances }];
  });
  return { ...snapshot, services };
}
