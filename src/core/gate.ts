import type { DependencyStatus, SkipReason } from './event.ts';
import type { GateVerdict } from './machine.ts';
import { unreachable } from './util/result.ts';
import type { Dependency } from './service.ts';
import { type InstanceState, isReady, type WaitingOn } from './state.ts';

/** How the gate sees a dependency: the states of its instances; `undefined` where there is no such service any more. */
export type Lookup = (service: string) => readonly DependencyInstance[] | undefined;

export interface DependencyInstance {
  readonly state: InstanceState;
  readonly wanted: 'up' | 'down';
  /** Patterns that the present run's output has matched, of those that dependents wait for. */
  readonly seen: readonly string[];
  /** Why what is known of it may be wrong by now; absent where it is not. */
  readonly unknown?: string;
}

type OneVerdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'blocked'; readonly now: DependencyStatus }
  | { readonly kind: 'never'; readonly reason: SkipReason };

const OPEN: OneVerdict = { kind: 'open' };

/** How long the instance has waited for its gate, ms, and the epoch ms that stands for now. */
export interface GateWait {
  readonly forMs: number;
  readonly wallNow: number;
}

/**
 * Whether a service's dependencies let it start. Asked again whenever the state of one of them changes, so it looks
 * at states only, never at what happened on the way. A service without instances (`replicas: 0`) holds nobody up, and
 * neither does one that is not required and missing, failed or late.
 */
export function gate(dependsOn: readonly Dependency[], lookup: Lookup, waited: GateWait): GateVerdict {
  const on: WaitingOn[] = [];
  let askAgainInMs: number | undefined;
  for (const dependency of dependsOn) {
    const verdict = judgeAll(dependency, lookup(dependency.service) ?? []);
    if (verdict.kind === 'open' || (verdict.kind === 'never' && !dependency.required)) continue;
    const { service, condition, timeoutMs } = dependency;
    if (verdict.kind === 'never') return verdict;
    const leftMs = timeoutMs === undefined ? Infinity : timeoutMs - waited.forMs;
    if (leftMs > 0) {
      const until = leftMs === Infinity ? {} : { until: waited.wallNow + leftMs };
      on.push({ service, condition, now: verdict.now, ...until });
      if (leftMs < (askAgainInMs ?? Infinity)) askAgainInMs = leftMs;
    } else if (dependency.required) {
      return { kind: 'never', reason: late(dependency, verdict.now) };
    }
  }
  if (on.length === 0) return { kind: 'open' };
  return { kind: 'blocked', on, ...(askAgainInMs === undefined ? {} : { askAgainInMs }) };
}

function late({ service, condition, timeoutMs }: Dependency, now: DependencyStatus): SkipReason {
  return { kind: 'late', service, condition, timeoutMs: timeoutMs ?? 0, now };
}

/** All instances must hold; the first that does not speaks for them. */
function judgeAll(dependency: Dependency, instances: readonly DependencyInstance[]): OneVerdict {
  let blocked: OneVerdict | undefined;
  for (const instance of instances) {
    const verdict = judge(dependency, instance);
    if (verdict.kind === 'never') return verdict;
    if (verdict.kind === 'blocked') blocked ??= verdict;
  }
  return blocked ?? OPEN;
}

function judge(dependency: Dependency, instance: DependencyInstance): OneVerdict {
  const { condition, service } = dependency;
  const { state, wanted, unknown } = instance;
  if (unknown !== undefined && state.kind === 'running')
    return { kind: 'blocked', now: { kind: 'unknown', why: unknown } };
  switch (state.kind) {
    case 'completed':
      if (condition !== 'log' || hasSaid(dependency, instance)) return OPEN;
      return { kind: 'never', reason: { kind: 'line-missing', service } };
    case 'running':
      return judgeRunning(dependency, instance);
    case 'scheduled':
      return judgeScheduled(condition, state);
    case 'failed':
      if (condition === 'completed' && state.exit.kind !== 'spawn-error') return OPEN;
      return { kind: 'never', reason: { kind: 'failed', service, exit: state.exit } };
    case 'skipped':
      return { kind: 'never', reason: { kind: 'skipped', service, reason: state.reason } };
    case 'stopped':
      return { kind: 'blocked', now: { kind: wanted === 'down' ? 'stopped' : 'about-to-start' } };
    case 'backoff':
      return { kind: 'blocked', now: { kind: 'backoff', exit: state.exit } };
    case 'waiting':
    case 'starting':
    case 'stopping':
      return { kind: 'blocked', now: { kind: state.kind } };
    default:
      return unreachable(state);
  }
}

function hasSaid({ pattern }: Dependency, { seen }: DependencyInstance): boolean {
  return pattern !== undefined && seen.includes(pattern);
}

function judgeRunning(dependency: Dependency, instance: DependencyInstance): OneVerdict {
  switch (dependency.condition) {
    case 'started':
      return OPEN;
    case 'ready':
      return isReady(instance.state) ? OPEN : { kind: 'blocked', now: { kind: 'not-ready' } };
    case 'log':
      return hasSaid(dependency, instance) ? OPEN : { kind: 'blocked', now: { kind: 'running' } };
    case 'completed':
    case 'completed-successfully':
      return { kind: 'blocked', now: { kind: 'running' } };
    default:
      return unreachable(dependency.condition);
  }
}

/** A job between two runs: whoever waits for its end has it in the last one. */
function judgeScheduled(
  condition: Dependency['condition'],
  { exit }: Extract<InstanceState, { kind: 'scheduled' }>,
): OneVerdict {
  if (condition === 'started' || condition === 'ready') return OPEN;
  if (exit === undefined) return { kind: 'blocked', now: { kind: 'scheduled' } };
  const succeeded = exit.kind === 'code' && exit.code === 0;
  if (condition === 'completed' || (condition === 'completed-successfully' && succeeded)) return OPEN;
  return { kind: 'blocked', now: { kind: 'scheduled', exit } };
}
