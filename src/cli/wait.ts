import { describeSkip } from '../words/dependency.ts';
import type { ProjectSnapshot } from '../core/api.ts';
import { describeExit } from '../words/exit.ts';
import type { Exit } from '../core/exit.ts';
import { closing, locate, notRunning, reach, type Common, type Format } from './common.ts';
import { fail, writeJson, type CliContext } from './context.ts';
import { reportCulprits } from './culprit.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { monitor, type MonitorEnd, type LiveSnapshot } from './monitor.ts';
import { unfinished } from './actions.ts';
import { judgeUp, notUp, type Culprit, type UpVerdict } from './up-progress.ts';
import { narrow, unknownName } from './view.ts';
import { shownInstances } from '../words/instances.ts';

export type WaitGoal = 'ready' | 'running' | 'completed' | 'stopped';

export interface WaitOptions {
  readonly for: WaitGoal;
  /** Ms; absent: as long as it takes. */
  readonly timeout?: number;
  readonly format: Format;
}

/** How often it is looked whether a run has lasted long enough. */
const LOOK_MS = 50;

type FinalVerdict = Exclude<UpVerdict, { kind: 'pending' }>;

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
  if (client === undefined) {
    if (options.for !== 'stopped') return notRunning(context, located.value);
    if (options.format === 'json')
      writeJson(context, { for: options.for, outcome: 'reached', culprits: [], instances: [] });
    return EXIT.ok;
  }
  return closing(client, async () => {
    let last: LiveSnapshot = { snapshot: await client.snapshot(), now: context.now() };
    const problem = unknownName(last.snapshot, names);
    if (problem !== undefined) return fail(context, problem, EXIT.usage);
    const end = await monitor<FinalVerdict>({
      context,
      client,
      tickMs: LOOK_MS,
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
      interrupt: 'end',
      look: (seen) => {
        last = seen;
        const verdict = judgeGoal(seen, options.for, names);
        return verdict.kind === 'pending' ? undefined : verdict;
      },
    });
    const outcome = outcomeOf(end, options.for, last.snapshot);
    const culprits = culpritsOf(end, options.for, narrow(last.snapshot, names), last.now);
    if (options.format === 'json') {
      writeOutcome(context, options.for, outcome, narrow(last.snapshot, names), culprits);
    } else if (outcome === 'failed' || (outcome === 'timed-out' && culprits.length > 0)) {
      await reportCulprits(context, client, culprits);
    }
    if (outcome === 'reached') return EXIT.ok;
    return end.kind === 'done' ? EXIT.failure : unfinished(context, end, last.snapshot);
  });
}

type Outcome = 'reached' | 'failed' | 'timed-out' | 'interrupted' | 'gone';

function outcomeOf(end: MonitorEnd<FinalVerdict>, goal: WaitGoal, last: ProjectSnapshot): Outcome {
  if (end.kind === 'done') return end.value.kind === 'up' ? 'reached' : 'failed';
  return end.kind === 'gone' && goal === 'stopped' && last.phase !== 'up' ? 'reached' : end.kind;
}

/** Whom it is to blame on; where the time ran out, those that were on their way. */
function culpritsOf(
  end: MonitorEnd<FinalVerdict>,
  goal: WaitGoal,
  last: ProjectSnapshot,
  now: number,
): readonly Culprit[] {
  if (end.kind === 'done') return end.value.kind === 'failed' ? end.value.culprits : [];
  return end.kind === 'timed-out' && (goal === 'ready' || goal === 'running') ? notUp(last, now) : [];
}

function writeOutcome(
  context: CliContext,
  goal: WaitGoal,
  outcome: Outcome,
  last: ProjectSnapshot,
  culprits: readonly Culprit[],
): void {
  writeJson(context, {
    for: goal,
    outcome,
    culprits: culprits.map(({ instance, reason }) => ({
      instance: instance.id,
      reason,
      ...(instance.lastCause === undefined ? {} : { cause: instance.lastCause }),
    })),
    instances: shownInstances(last).map(({ instance: { id, service, state } }) => ({ id, service, state })),
  });
}

/** `up` stands for "the goal is reached". */
export function judgeGoal(
  { snapshot, now }: LiveSnapshot,
  goal: WaitGoal,
  names: readonly string[],
): UpVerdict {
  const narrowed = narrow(snapshot, names);
  switch (goal) {
    case 'ready':
      return judgeUp(narrowed, now, 'wait');
    case 'running':
      return judgeUp(narrowed, now, 'run');
    case 'stopped':
      return hasStopped(narrowed) ? { kind: 'up' } : { kind: 'pending' };
    case 'completed':
      return judgeCompleted(narrowed);
  }
}

function hasStopped(snapshot: ProjectSnapshot): boolean {
  return shownInstances(snapshot).every(
    ({ instance: { state, wanted } }) =>
      state.kind === 'completed' ||
      state.kind === 'failed' ||
      state.kind === 'skipped' ||
      (state.kind === 'stopped' && wanted === 'down'),
  );
}

function judgeCompleted(snapshot: ProjectSnapshot): UpVerdict {
  const instances = shownInstances(snapshot);
  const culprits = instances.flatMap(({ name, instance }): Culprit[] => {
    const { state, wanted } = instance;
    if (state.kind === 'failed') return [{ name, instance, reason: describeExit(state.exit) }];
    if (state.kind === 'skipped')
      return [{ name, instance, reason: `was skipped: ${describeSkip(state.reason)}` }];
    if (state.kind === 'stopped' && wanted === 'down') return [{ name, instance, reason: 'was stopped' }];
    if (state.kind === 'scheduled' && state.exit !== undefined && !isClean(state.exit))
      return [{ name, instance, reason: `its last run: ${describeExit(state.exit)}` }];
    return [];
  });
  if (culprits.length > 0) return { kind: 'failed', culprits };
  const done = instances.every(
    ({ instance: { state } }) =>
      state.kind === 'completed' || (state.kind === 'scheduled' && state.exit !== undefined),
  );
  return done ? { kind: 'up' } : { kind: 'pending' };
}

function isClean(exit: Exit): boolean {
  return exit.kind === 'code' && exit.code === 0;
}
