import { describeCause, describeFailedChange } from '../words/cause.ts';
import { describeSkip, describeStatus } from '../words/dependency.ts';
import { describeProbeFailure } from '../words/probe.ts';
import { describeFailure } from '../words/restart.ts';
import type { ProjectSnapshot } from '../core/api.ts';
import type { InstanceSnapshot } from '../core/event.ts';
import { describeExit } from '../words/exit.ts';
import { formatSpan } from '../core/util/duration.ts';
import { unreachable } from '../core/util/result.ts';
import { DEFAULT_BACKEND } from '../core/service.ts';
import { isReady, type WaitingOn } from '../core/state.ts';
import { describeProbe, describeReplacing, describeState, stateWord, unnested } from '../words/status.ts';
import type { ProgressIcon, ProgressRow } from '../words/progress-row.ts';
import { oneLine } from '../words/text.ts';
import { shownInstances, type NamedInstance } from '../words/instances.ts';

/** A service without a readiness probe counts as up once it has run for this long without an end. */
export const SETTLE_MS = 250;

/**
 * `wait`: until everything is up, which is ready by its probe, or, without one, running for `SETTLE_MS`, or completed, or
 * waiting for its schedule. `run`: the same, whatever the probes say. `begin`: until everything that can start at once has
 * been started.
 */
export type UpMode = 'wait' | 'run' | 'begin';

export type UpVerdict =
  | { readonly kind: 'pending' }
  | { readonly kind: 'up' }
  | { readonly kind: 'failed'; readonly culprits: readonly Culprit[] };

/** An instance that keeps the project from being up. */
export interface Culprit {
  readonly name: string;
  readonly instance: InstanceSnapshot;
  readonly reason: string;
  /** What it runs is the former version, which is not to blame: what that wrote explains nothing. */
  readonly kept?: true;
}

/** Whether the project (or the services in `only`) is up. `now` is the daemon's clock. */
export function judgeUp(
  snapshot: ProjectSnapshot,
  now: number,
  mode: UpMode,
  only?: ReadonlySet<string>,
): UpVerdict {
  const all = shownInstances(snapshot, only).filter(({ instance }) => concerns(instance));
  const failed = all.filter(({ instance }) => instance.state.kind === 'failed');
  const skipped = all.filter(({ instance }) => instance.state.kind === 'skipped');
  const pending = all.filter(({ instance }) => isPending(instance, snapshot, now, mode));
  // A failure is final: what still waits cannot make it good, so nobody has to wait for it.
  if (failed.length > 0 && (mode !== 'begin' || pending.length === 0)) {
    return { kind: 'failed', culprits: failed.map((one) => culprit(one, now)) };
  }
  if (pending.length > 0) return { kind: 'pending' };
  if (skipped.length > 0) return { kind: 'failed', culprits: skipped.map((one) => culprit(one, now)) };
  return { kind: 'up' };
}

/** As `judgeUp`, of a manifest that was just applied: a change that was not taken up is a failure, whatever runs instead. */
export function judgeApplied(
  snapshot: ProjectSnapshot,
  now: number,
  mode: UpMode,
  only?: ReadonlySet<string>,
): UpVerdict {
  const verdict = judgeUp(snapshot, now, mode, only);
  const kept = keptCulprits(snapshot, only);
  if (kept.length === 0 || (mode === 'begin' && verdict.kind === 'pending')) return verdict;
  return { kind: 'failed', culprits: [...(verdict.kind === 'failed' ? verdict.culprits : []), ...kept] };
}

/** Of each service whose former version goes on, since what the new one needs could not be had, the first instance. */
function keptCulprits(snapshot: ProjectSnapshot, only?: ReadonlySet<string>): readonly Culprit[] {
  const all = shownInstances(snapshot, only);
  return (snapshot.manifest?.failed ?? []).flatMap((change): readonly Culprit[] => {
    const shown = all.find(({ service }) => service.id === change.service);
    if (change.kept !== true || shown === undefined) return [];
    const reason = `the change was not taken up: ${describeFailedChange(change.reason)}; its former version goes on`;
    return [{ name: change.service, instance: shown.instance, reason, kept: true }];
  });
}

/** Those that are not up, for when the time ran out: the ones that fail first, those that merely wait for others last. */
export function notUp(
  snapshot: ProjectSnapshot,
  now: number,
  only?: ReadonlySet<string>,
): readonly Culprit[] {
  const pending = shownInstances(snapshot, only).filter(
    ({ instance }) =>
      instance.state.kind === 'failed' ||
      instance.state.kind === 'skipped' ||
      (concerns(instance) && isPending(instance, snapshot, now, 'wait')),
  );
  const causes = pending.filter(
    ({ instance }) => instance.state.kind !== 'waiting' && instance.state.kind !== 'skipped',
  );
  return (causes.length > 0 ? causes : pending).map((one) => culprit(one, now));
}

/** What a person stopped, and what is on its way out, is nobody's business here. */
function concerns({ wanted, state }: InstanceSnapshot): boolean {
  return wanted === 'up' || state.kind === 'failed' || state.kind === 'skipped';
}

function isPending(
  instance: InstanceSnapshot,
  snapshot: ProjectSnapshot,
  now: number,
  mode: UpMode,
): boolean {
  const { state } = instance;
  switch (state.kind) {
    case 'completed':
    case 'failed':
    case 'skipped':
    case 'scheduled':
      return false;
    case 'running':
      // What it runs by now is the former version.
      if (instance.replacing === true) return mode !== 'begin';
      if (mode === 'wait' && state.readiness !== undefined) return !isReady(state);
      return mode !== 'begin' && now - state.since < SETTLE_MS;
    case 'backoff':
      return mode !== 'begin';
    case 'waiting':
      return mode !== 'begin' || !isHeld(instance, snapshot, new Set());
    case 'stopped':
    case 'starting':
    case 'stopping':
      return true;
    default:
      return unreachable(state);
  }
}

/** Whether a waiting instance waits for something that takes its time, rather than for a start that is under way. */
function isHeld(instance: InstanceSnapshot, snapshot: ProjectSnapshot, path: Set<string>): boolean {
  if (instance.state.kind !== 'waiting' || path.has(instance.id)) return false;
  path.add(instance.id);
  return instance.state.on.some(({ service, condition }) => {
    const dependency = snapshot.services.find(({ id }) => id === service);
    return (dependency?.instances ?? []).some((other) => {
      switch (other.state.kind) {
        case 'running':
          return condition === 'ready' ? !isReady(other.state) : condition !== 'started';
        case 'scheduled':
          return condition !== 'started' && condition !== 'ready';
        case 'backoff':
          return true;
        case 'waiting':
          return isHeld(other, snapshot, path);
        case 'stopped':
          return other.wanted === 'down';
        case 'starting':
        case 'stopping':
        case 'completed':
        case 'failed':
        case 'skipped':
          return false;
        default:
          return unreachable(other.state);
      }
    });
  });
}

function culprit({ name, instance }: NamedInstance, now: number): Culprit {
  const { unknown } = instance;
  const doubt = unknown === undefined ? '' : `, as far as is known: ${unknown}`;
  return { name, instance, reason: `${unnested(reasonOf(instance, now))}${doubt}` };
}

function reasonOf(instance: InstanceSnapshot, now: number): string {
  const { state, ready, replacing, progress } = instance;
  switch (state.kind) {
    case 'failed':
      return describeFailure(state.reason, state.exit);
    case 'backoff':
      return `${describeExit(state.exit)}; it is waiting to be restarted (attempt ${state.attempt})`;
    case 'skipped':
      return `was not started: ${describeSkip(state.reason)}`;
    case 'waiting':
      return `still waits for ${state.on.map(({ service, now }) => `${service} (${describeStatus(now)})`).join(', ')}`;
    case 'stopping':
      return `is still being stopped: ${describeCause(state.cause)}`;
    case 'running':
      if (replacing === true) return `is still ${describeReplacing(instance)}`;
      if (state.readiness === undefined) return 'is still settling';
      if (state.readiness.kind === 'lost')
        return `is not ready any more: ${describeProbeFailure(state.readiness.reason)}`;
      return `is not ready${ready === undefined ? '' : `: ${ready.what}: ${describeProbe(ready, now)}`}`;
    case 'scheduled':
      return 'waits for its schedule';
    case 'stopped':
    case 'starting':
      return `is still starting${progress === undefined ? '' : `: ${progress}`}`;
    case 'completed':
      return describeExit(state.exit);
    default:
      return unreachable(state);
  }
}

/** The display's rows. `begunAt` is when the command began, on the daemon's clock; `key` changes when a plain line is due. */
export function upRows(
  snapshot: ProjectSnapshot,
  now: number,
  begunAt: number,
  only?: ReadonlySet<string>,
): (ProgressRow & { readonly key: string })[] {
  return shownInstances(snapshot, only).map(({ name, instance, service }) => {
    const { state, replacing } = instance;
    const settledAt = whenSettled(instance);
    const time = settledAt === undefined || settledAt < begunAt ? undefined : formatSpan(settledAt - begunAt);
    const note = noteOf(instance, service.backend, now);
    return {
      icon: iconOf(instance),
      name,
      text: progressText(instance, now),
      key: `${stateWord(state)} ${state.kind === 'backoff' ? state.attempt : ''}${'run' in state ? state.run : ''}${replacing === true ? ' replacing' : ''}`,
      ...(time === undefined ? {} : { time }),
      ...(note === '' ? {} : { note }),
    };
  });
}

/** The state, and of one that waits how far the others are. */
function progressText(instance: InstanceSnapshot, now: number): string {
  const { state } = instance;
  if (state.kind !== 'waiting' || state.on.length === 0) return describeState(instance, now);
  return `waiting for ${state.on.map((on) => `${on.service} (${describeStatus(on.now)})`).join(', ')}`;
}

function whenSettled({ state }: InstanceSnapshot): number | undefined {
  if (state.kind === 'running') {
    if (state.readiness === undefined) return state.since;
    return state.readiness.kind === 'ready' ? state.readiness.since : undefined;
  }
  return state.kind === 'completed' || state.kind === 'failed' ? state.at : undefined;
}

function noteOf(instance: InstanceSnapshot, backend: string, now: number): string {
  const { state, ports, lastCause, ready } = instance;
  if (state.kind === 'failed' || state.kind === 'backoff') return oneLine(lastCause ?? '');
  if (state.kind === 'waiting') return limitOf(state.on, now);
  if (state.kind !== 'running') return '';
  if (stateWord(state) === 'not ready') return oneLine(ready?.last?.output ?? '');
  const listed = Object.values(ports).map((port) => `:${port}`);
  return [listed.join(' '), backend === DEFAULT_BACKEND ? '' : backend]
    .filter((part) => part !== '')
    .join('  ');
}

/** How long the wait lasts at most, where it has an end. */
function limitOf(on: readonly WaitingOn[], now: number): string {
  const ends = on.flatMap(({ until }) => (until === undefined ? [] : [until]));
  return ends.length === 0 ? '' : `for ${formatSpan(Math.max(0, Math.min(...ends) - now), 'whole')} at most`;
}

function iconOf({ state, wanted }: InstanceSnapshot): ProgressIcon {
  switch (state.kind) {
    case 'running':
      if (isReady(state)) return 'ok';
      return state.readiness?.kind === 'lost' ? 'bad' : 'busy';
    case 'scheduled':
    case 'completed':
      return 'ok';
    case 'failed':
    case 'backoff':
    case 'skipped':
      return 'bad';
    case 'starting':
    case 'stopping':
    case 'waiting':
      return 'busy';
    case 'stopped':
      return wanted === 'up' ? 'busy' : 'idle';
    default:
      return unreachable(state);
  }
}
