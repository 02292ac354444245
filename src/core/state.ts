import type { InstanceState } from './generated/api.ts';
import type { InstanceId, ServiceId } from './service.ts';

/** What an instance does: types of the contract, schema/api.json. */
export type { AfterStop, InstanceState, Readiness, RunId, WaitingOn, Wanted } from './generated/api.ts';

export type InstanceStateKind = InstanceState['kind'];

/** Whether an instance is as far as it gets towards serving: ready, or running where nothing tells readiness. */
export function isReady(state: InstanceState): boolean {
  return state.kind === 'running' && (state.readiness === undefined || state.readiness.kind === 'ready');
}

/** The kinds in which a process of the instance may be alive. */
export function isLive(state: InstanceState): boolean {
  return state.kind === 'starting' || state.kind === 'running' || state.kind === 'stopping';
}

export interface InstanceRef {
  readonly id: InstanceId;
  readonly service: ServiceId;
  readonly number: number;
}
