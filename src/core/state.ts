import type { Exit } from './exit.ts';
import type { DependencyCondition, InstanceId, ServiceId } from './service.ts';

/** Names one run of one instance; unique over all time. Also the cookie in the environment of the run's processes. */
export type RunId = string;

/** What the user wants of an instance; kept apart from what it does. */
export type Wanted = 'up' | 'down';

/** What a waiting instance waits for. */
export interface WaitingOn {
  readonly service: ServiceId;
  readonly condition: DependencyCondition;
  /** When the wait is over in any case, epoch ms. */
  readonly until?: number;
  /** What that service does at the moment, in words. */
  readonly now: string;
}

/** How far a running instance is, where it has a `ready` probe. Points in time are epoch ms. */
export type Readiness =
  | { readonly kind: 'pending' }
  /** `tookMs`: from the start of the run. */
  | { readonly kind: 'ready'; readonly since: number; readonly tookMs: number }
  | { readonly kind: 'lost'; readonly since: number; readonly reason: string };

/** What follows when a stop is through. */
export type AfterStop = 'stopped' | 'start-again' | 'decide';

/**
 * What an instance does. Each member holds only what is true in it. Points in time are epoch ms (for people and for
 * the records); decisions about time are made on the monotonic clock and reach the machine as events.
 */
export type InstanceState =
  | { readonly kind: 'stopped'; readonly exit?: Exit }
  | { readonly kind: 'waiting'; readonly since: number; readonly on: readonly WaitingOn[] }
  /** Hooks, preflight and spawn are under way. */
  | { readonly kind: 'starting'; readonly run: RunId; readonly since: number }
  | {
      readonly kind: 'running';
      readonly run: RunId;
      readonly pid?: number;
      readonly since: number;
      /** Absent without a `ready` probe: running is all there is to know. */
      readonly readiness?: Readiness;
    }
  | {
      readonly kind: 'backoff';
      readonly attempt: number;
      readonly since: number;
      readonly until: number;
      readonly delayMs: number;
      readonly exit: Exit;
      readonly reason: string;
    }
  | {
      readonly kind: 'stopping';
      readonly run: RunId;
      readonly pid?: number;
      readonly since: number;
      /** When SIGKILL follows. */
      readonly deadline: number;
      readonly then: AfterStop;
      readonly escalated: boolean;
      /** Why it is being stopped. */
      readonly reason: string;
      /** The main process's end, once seen; the rest of the unit may still be going down. */
      readonly exit?: Exit;
    }
  /** Ended by itself, and by policy that is that. */
  | { readonly kind: 'completed'; readonly exit: Exit; readonly at: number }
  | {
      readonly kind: 'failed';
      readonly exit: Exit;
      readonly reason: string;
      readonly at: number;
      /** Stable name of the reason, where it has one. */
      readonly code?: 'E_MAX_RESTARTS';
    }
  /** Waits for its schedule. `exit`: how its last run ended, once there was one. */
  | { readonly kind: 'scheduled'; readonly since: number; readonly exit?: Exit }
  /** Will not be started, because of what a dependency did. */
  | { readonly kind: 'skipped'; readonly reason: string };

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
