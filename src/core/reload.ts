import type { PlanCounts } from './api.ts';
import type { ChangeFailure, ServiceChange, StepCounts } from './event.ts';
import type { ActionKind, PlanStep, PlanView } from './plan-view.ts';
import { canonicalJson } from './fingerprint.ts';
import type { InstanceId, Probe, ServiceId } from './service.ts';
import { type InstanceState, isReady, type Wanted } from './state.ts';

/** More changes of one reload are counted only. */
const MOST_CHANGES = 50;

/** How many steps do what. What is forgotten without having run counts as stopped. */
export function countSteps({ steps, resources = [] }: Pick<PlanView, 'steps' | 'resources'>): PlanCounts {
  const counts = { start: 0, replace: 0, update: 0, stop: 0 };
  for (const step of meaningful(steps)) counts[step.action === 'forget' ? 'stop' : step.action] += 1;
  const changed = resources.filter(({ action }) => action !== 'keep').length;
  return changed === 0 ? counts : { ...counts, resources: changed };
}

/** How many steps of a plan do what, in their order. */
export function stepCounts({ steps }: Pick<PlanView, 'steps'>): StepCounts {
  const counts: Partial<Record<Doing, number>> = {};
  for (const { action } of steps) if (action !== 'none') counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}

/** What is done to each service, and why; `more`: how many changes are left out. */
export function serviceChanges({ steps }: Pick<PlanView, 'steps'>): {
  readonly changes: readonly ServiceChange[];
  readonly more?: number;
} {
  const groups = new Map<string, ServiceChange>();
  for (const { service, action, causes } of meaningful(steps)) {
    const key = canonicalJson({ service, action, causes });
    const instances = (groups.get(key)?.instances ?? 0) + 1;
    groups.set(key, { service, action, instances, causes });
  }
  const changes = [...groups.values()];
  if (changes.length <= MOST_CHANGES) return { changes };
  return { changes: changes.slice(0, MOST_CHANGES), more: changes.length - MOST_CHANGES };
}

type Doing = Exclude<ActionKind, 'none'>;

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
  | { readonly kind: 'bad'; readonly reason: ChangeFailure };

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
  | { readonly kind: 'bad'; readonly reason: ChangeFailure };

function judgeInstance(
  { former, windowMs }: Trial,
  view: TrialView,
  was: Seen | undefined,
  now: number,
): InstanceVerdict {
  const { state } = view;
  const { id: instance } = view;
  if (state.kind === 'failed')
    return bad({ kind: 'failed', instance, exit: state.exit, reason: state.reason });
  if (state.kind === 'backoff' && state.attempt >= MOST_FAILURES) {
    return bad({ kind: 'failing', instance, attempts: state.attempt, exit: state.exit });
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
  if (left <= 0) return bad({ kind: 'not-ready', instance, withinMs: windowMs });
  return { kind: 'open', seen: { firstAt }, inMs: left };
}

function bad(reason: ChangeFailure): InstanceVerdict {
  return { kind: 'bad', reason };
}
