import type { PlanCounts } from './api.ts';
import { describeCause } from './cause.ts';
import { describeExit } from './exit.ts';
import type { ActionKind, PlanStep, PlanView } from './plan-view.ts';
import { formatDuration } from './util/duration.ts';
import type { InstanceId, Probe, ServiceId } from './service.ts';
import { type InstanceState, isReady, type Wanted } from './state.ts';

/** More lines about one reload are counted only. */
const MOST_LINES = 50;

/** How many steps do what. What is forgotten without having run counts as stopped. */
export function countSteps({ steps }: Pick<PlanView, 'steps'>): PlanCounts {
  const counts = { start: 0, replace: 0, update: 0, stop: 0 };
  for (const step of meaningful(steps)) counts[step.action === 'forget' ? 'stop' : step.action] += 1;
  return counts;
}

/** "1 to start, 2 to replace"; "nothing to do". */
export function describeCounts({ start, replace, update, stop }: PlanCounts): string {
  const parts: readonly (readonly [number, string])[] = [
    [start, 'to start'],
    [replace, 'to replace'],
    [update, 'in place'],
    [stop, 'to stop'],
  ];
  const said = parts.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`);
  return said.length === 0 ? 'nothing to do' : said.join(', ');
}

/** A line for each service and what is done to it: `api: env.PORT "8080" -> "8081": replace`. Bounded. */
export function changeLines({ steps }: Pick<PlanView, 'steps'>): readonly string[] {
  const groups = new Map<string, { head: string; action: Doing; instances: number }>();
  for (const { service, action, causes } of meaningful(steps)) {
    const head = `${service}: ${causes.map(describeCause).join(', ')}`;
    const key = `${head}\n${action}`;
    const group = groups.get(key) ?? { head, action, instances: 0 };
    group.instances += 1;
    groups.set(key, group);
  }
  const lines = [...groups.values()].map(
    ({ head, action, instances }) => `${head}: ${doing(action, instances)}`,
  );
  if (lines.length <= MOST_LINES) return lines;
  return [...lines.slice(0, MOST_LINES), `and ${lines.length - MOST_LINES} more`];
}

type Doing = Exclude<ActionKind, 'none'>;

const WORDS: Readonly<Record<Doing, string>> = {
  start: 'start',
  replace: 'replace',
  update: 'in place',
  stop: 'stop',
  forget: 'forget',
};

function doing(action: Doing, instances: number): string {
  if (instances === 1) return WORDS[action];
  return action === 'replace' ? `replace ${instances}, one after another` : `${WORDS[action]} (${instances})`;
}

/** Without what is as it should be, and without what only follows from a stop. */
function meaningful(steps: readonly PlanStep[]): readonly (PlanStep & { readonly action: Doing })[] {
  const stopped = new Set(steps.filter(({ action }) => action === 'stop').map(({ instance }) => instance));
  return steps.filter(
    (step): step is PlanStep & { readonly action: Doing } =>
      step.action !== 'none' && !(step.action === 'forget' && stopped.has(step.instance)),
  );
}

/**
 * What is left of the numbers that `scale` was asked for: whoever then writes another number of `replicas` into the
 * manifest wants that one. `before` and `now` are the numbers of the manifest; `before` is undefined where not known.
 */
export function keptScale(
  scale: Readonly<Record<ServiceId, number>>,
  before: ReadonlyMap<ServiceId, number> | undefined,
  now: ReadonlyMap<ServiceId, number>,
): Readonly<Record<ServiceId, number>> {
  return Object.fromEntries(
    Object.entries(scale).filter(
      ([id]) => now.has(id) && (before?.get(id) === undefined || before.get(id) === now.get(id)),
    ),
  );
}

/** How long an instance has to be up without a break until its new launch counts as good. */
const SETTLED_MS = 5_000;

/** How long it may take to get there, at least. */
const WINDOW_MS = 60_000;

/** So many failures in a row are no start-up trouble. */
const MOST_FAILURES = 3;

/** A service whose launch was changed, until it is known whether the new one is any good. Immutable. */
export interface Trial {
  readonly service: ServiceId;
  /** Of each instance that is replaced, what tells its former launch from the new one, where that is known. */
  readonly former: ReadonlyMap<InstanceId, string | undefined>;
  readonly windowMs: number;
  /** Monotonic ms: when the new launch was first seen at work, and since when it is up. */
  readonly seen: ReadonlyMap<InstanceId, { readonly firstAt: number; readonly upSince?: number }>;
}

/** What a trial needs to know of an instance. */
export interface TrialView {
  readonly id: InstanceId;
  readonly state: InstanceState;
  readonly wanted: Wanted;
  /** Of the present or last launch. */
  readonly fingerprint?: string;
}

export type TrialVerdict =
  | {
      readonly kind: 'open';
      readonly trial: Trial;
      /** Absent: only a changed state can decide it. */ readonly lookAgainInMs?: number;
    }
  | { readonly kind: 'good' }
  | { readonly kind: 'bad'; readonly reason: string };

export function beginTrial(
  service: ServiceId,
  ready: Probe | undefined,
  former: ReadonlyMap<InstanceId, string | undefined>,
): Trial {
  const patience =
    ready === undefined ? 0 : ready.startPeriodMs + ready.retries * (ready.intervalMs + ready.timeoutMs);
  return { service, former, windowMs: Math.max(WINDOW_MS, patience), seen: new Map() };
}

/**
 * Good: every replaced instance has been ready (or running, where nothing tells readiness) for 5 s, or has completed.
 * Bad: one has failed for good, has failed three times in a row, or is not up within the window. An instance that is not
 * replaced yet, that waits, or that nobody wants any more, decides nothing.
 */
export function judge(trial: Trial, views: readonly TrialView[], now: number): TrialVerdict {
  const seen = new Map<InstanceId, { readonly firstAt: number; readonly upSince?: number }>();
  const waits: number[] = [];
  let open = false;
  for (const view of views) {
    if (!trial.former.has(view.id) || view.wanted === 'down') continue;
    const was = trial.seen.get(view.id);
    const verdict = judgeInstance(trial, view, was, now);
    if (verdict.kind === 'bad') return verdict;
    if (verdict.seen !== undefined) seen.set(view.id, verdict.seen);
    if (verdict.kind === 'good') continue;
    open = true;
    if (verdict.inMs !== undefined) waits.push(verdict.inMs);
  }
  if (!open) return { kind: 'good' };
  return {
    kind: 'open',
    trial: { ...trial, seen },
    ...(waits.length === 0 ? {} : { lookAgainInMs: Math.max(0, Math.min(...waits)) }),
  };
}

interface Seen {
  readonly firstAt: number;
  readonly upSince?: number;
}

type InstanceVerdict =
  | { readonly kind: 'open'; readonly seen?: Seen; readonly inMs?: number }
  | { readonly kind: 'good'; readonly seen?: Seen }
  | { readonly kind: 'bad'; readonly reason: string };

function judgeInstance(
  { former, windowMs }: Trial,
  view: TrialView,
  was: Seen | undefined,
  now: number,
): InstanceVerdict {
  const { state } = view;
  if (state.kind === 'failed') return bad(view, `${describeExit(state.exit)}: ${state.reason}`);
  if (state.kind === 'backoff' && state.attempt >= MOST_FAILURES) {
    return bad(
      view,
      `failed ${state.attempt} times in a row, the last time with ${describeExit(state.exit)}`,
    );
  }
  const isFormer = view.fingerprint !== undefined && view.fingerprint === former.get(view.id);
  if (isFormer) return was === undefined ? { kind: 'open' } : { kind: 'open', seen: was };
  if (state.kind === 'completed' || state.kind === 'scheduled') return { kind: 'good' };
  if (state.kind !== 'starting' && state.kind !== 'running' && state.kind !== 'backoff') {
    return was === undefined ? { kind: 'open' } : { kind: 'open', seen: { firstAt: was.firstAt } };
  }
  const firstAt = was?.firstAt ?? now;
  if (isReady(state)) {
    const seen = { firstAt, upSince: was?.upSince ?? now };
    const left = seen.upSince + SETTLED_MS - now;
    return left <= 0 ? { kind: 'good', seen } : { kind: 'open', seen, inMs: left };
  }
  const left = firstAt + windowMs - now;
  if (left <= 0) return bad(view, `was not ready within ${formatDuration(windowMs)}`);
  return { kind: 'open', seen: { firstAt }, inMs: left };
}

function bad({ id }: TrialView, what: string): InstanceVerdict {
  return { kind: 'bad', reason: `${id} ${what}` };
}
