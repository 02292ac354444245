import { describeExit } from './exit.ts';
import { unreachable } from './result.ts';
import type { Dependency } from './service.ts';
import type { InstanceState, WaitingOn } from './state.ts';
import type { GateVerdict } from './transition.ts';

/** How the gate sees a dependency: the states of its instances; `undefined` where there is no such service any more. */
export type Lookup = (service: string) => readonly DependencyInstance[] | undefined;

export interface DependencyInstance {
  readonly state: InstanceState;
  readonly wanted: 'up' | 'down';
}

type OneVerdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'blocked'; readonly now: string }
  | { readonly kind: 'never'; readonly reason: string };

/**
 * Whether a service's dependencies let it start. Asked again whenever the state of one of them changes, so it looks
 * at states only, never at what happened on the way. A service without instances (`replicas: 0`) holds nobody up.
 */
export function gate(dependsOn: readonly Dependency[], lookup: Lookup): GateVerdict {
  const on: WaitingOn[] = [];
  for (const { service, condition } of dependsOn) {
    for (const instance of lookup(service) ?? []) {
      const verdict = judge(condition, instance);
      if (verdict.kind === 'never') return { kind: 'never', reason: `${service} ${verdict.reason}` };
      if (verdict.kind === 'blocked') {
        on.push({ service, condition, now: verdict.now });
        break;
      }
    }
  }
  return on.length === 0 ? { kind: 'open' } : { kind: 'blocked', on };
}

function judge(condition: Dependency['condition'], { state, wanted }: DependencyInstance): OneVerdict {
  switch (state.kind) {
    case 'completed':
      return { kind: 'open' };
    case 'running':
      return condition === 'started' ? { kind: 'open' } : { kind: 'blocked', now: 'running' };
    case 'failed':
      if (condition === 'completed' && state.exit.kind !== 'spawn-error') return { kind: 'open' };
      return { kind: 'never', reason: `failed (${describeExit(state.exit)})` };
    case 'skipped':
      return { kind: 'never', reason: `was skipped (${state.reason})` };
    case 'stopped':
      return { kind: 'blocked', now: wanted === 'down' ? 'stopped' : 'about to start' };
    case 'backoff':
      return { kind: 'blocked', now: `backing off after ${describeExit(state.exit)}` };
    case 'waiting':
    case 'starting':
    case 'stopping':
      return { kind: 'blocked', now: state.kind };
    default:
      return unreachable(state);
  }
}
