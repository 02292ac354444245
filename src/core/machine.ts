import type {
  Cause,
  EscalationReason,
  ProjectEventBody,
  ProbeFailure,
  SkipReason,
  Unfinished,
} from './event.ts';
import type { Exit, StartFailure } from './exit.ts';
import type { Backoff, RestartSpec, ScheduleSpec } from './service.ts';
import type { InstanceState, RunId, WaitingOn, Wanted } from './state.ts';

/*
 * The life of one instance.
 *
 *              want-up            gate open           started
 *   stopped ────────────> waiting ─────────> starting ───────> running
 *    ^  │                  │  ^ │               │                │ exited, want-down, restart,
 *    │  │scheduled gate    │  │ │want-down      │start-failed    │ timed-out, unhealthy, dependency-failed
 *    │  v            never v  │ └──> stopped    v                v
 *    │ scheduled ──due─> skipped           [policy] <───────── stopping ──(gone)──> stopped | waiting | [policy]
 *      │                      │              │ │ │                 │
 *      │                      │  retry-due   │ │ └─> completed     └─ grace-over: SIGKILL, and on waiting for `gone`
 *      │                      └── backoff <──┘ └───> failed
 *      └── want-down, from any state; from a live one by way of `stopping`
 *
 * A run is over for the machine when its unit is gone: the main process's end alone (`exited` with something left)
 * leads to `stopping`, so that there are never two live units of one instance.
 */

/** Everything the machine keeps of an instance. */
export interface Machine {
  readonly wanted: Wanted;
  readonly state: InstanceState;
  /** Failures in a row; a run of at least `backoff.reset_after` sets it back. */
  readonly failures: number;
  /** Restarts by policy since a person or a change last started it. */
  readonly restarts: number;
  /** When those restarts were that the policy's window still counts, monotonic ms, oldest first. */
  readonly recent: readonly number[];
  /** Why the next start, if there is one, happens. */
  readonly cause: Cause;
  /** A time of the schedule that came while a run was under way, to be made up for after it. */
  readonly queued?: Cause;
}

export const NEW_MACHINE: Machine = {
  wanted: 'down',
  state: { kind: 'stopped' },
  failures: 0,
  restarts: 0,
  recent: [],
  cause: { kind: 'added' },
};

/** What the gate says of an instance's dependencies. */
export type GateVerdict =
  | { readonly kind: 'open' }
  /** `askAgainInMs`: a wait among them is over then. */
  | { readonly kind: 'blocked'; readonly on: readonly WaitingOn[]; readonly askAgainInMs?: number }
  /** Cannot open any more unless something is started anew. */
  | { readonly kind: 'never'; readonly reason: SkipReason };

export type MachineEvent =
  /** `afresh` also starts one that has completed, failed or is backing off, with its counts set back. */
  | { readonly type: 'want-up'; readonly afresh: boolean; readonly cause: Cause }
  | { readonly type: 'want-down'; readonly cause: Cause }
  | { readonly type: 'restart'; readonly cause: Cause }
  | { readonly type: 'gate'; readonly verdict: GateVerdict }
  | { readonly type: 'started'; readonly run: RunId; readonly pid?: number }
  | { readonly type: 'start-failed'; readonly run: RunId; readonly failure: StartFailure }
  | { readonly type: 'pid-known'; readonly run: RunId; readonly pid: number }
  /** The main process ended. `unfinished`: why the run is not over for all that, such as others of its unit. */
  | {
      readonly type: 'exited';
      readonly run: RunId;
      readonly exit: Exit;
      readonly ranMs: number;
      readonly unfinished?: Unfinished;
      readonly lastWords?: string;
    }
  /** Nothing but zombies is left of the unit. */
  | { readonly type: 'gone'; readonly run: RunId; readonly ranMs: number }
  | { readonly type: 'retry-due' }
  | { readonly type: 'grace-over'; readonly run: RunId }
  | { readonly type: 'timed-out'; readonly run: RunId; readonly afterMs: number }
  | { readonly type: 'ready'; readonly run: RunId; readonly tookMs: number }
  | { readonly type: 'unready'; readonly run: RunId; readonly reason: ProbeFailure }
  | { readonly type: 'unhealthy'; readonly run: RunId; readonly reason: ProbeFailure }
  /** The manifest gave the service a `ready` probe, or took it away. */
  | { readonly type: 'probed'; readonly run: RunId; readonly probed: boolean }
  /** A time of its schedule has come. */
  | { readonly type: 'due'; readonly cause: Cause }
  /** Something it runs on has failed, and it wants that to have a consequence. */
  | { readonly type: 'dependency-failed'; readonly then: 'restart' | 'stop'; readonly cause: Cause }
  /** Stop waiting politely: kill what is being stopped. */
  | { readonly type: 'escalate'; readonly reason: EscalationReason }
  /** A run that an earlier daemon started was found, alive or ended. */
  | {
      readonly type: 'adopted';
      readonly run: RunId;
      readonly pid?: number;
      readonly since: number;
      readonly restarts: number;
      /** As `Machine.recent`. */
      readonly recent: readonly number[];
      /** Epoch ms at which it was ready, where it was. */
      readonly readyAt?: number;
    }
  /** A run whose end an earlier daemon had already handled: the policy is asked what that end means. */
  | {
      readonly type: 'restored';
      readonly exit: Exit;
      readonly restarts: number;
      readonly recent: readonly number[];
    }
  /** A run that an earlier daemon was about to start when it ended: it is started now. */
  | {
      readonly type: 'unbegun';
      readonly restarts: number;
      readonly recent: readonly number[];
      readonly cause: Cause;
    };

export type Effect =
  /** Run the hooks and preflight, spawn, and answer with `started` or `start-failed`. */
  | { readonly do: 'start'; readonly run: RunId; readonly cause: Cause }
  /** Ask the unit to end (or, while it is only starting, give the start up), arm the grace timer. */
  | { readonly do: 'stop'; readonly run: RunId }
  | { readonly do: 'kill'; readonly run: RunId }
  | { readonly do: 'arm-retry'; readonly delayMs: number }
  | { readonly do: 'disarm-retry' }
  /** Ask the gate, now or after a while; it answers with `gate`. */
  | { readonly do: 'ask-gate'; readonly inMs?: number }
  /** The run failed, which those that run on it may want to know. */
  | { readonly do: 'report-failure'; readonly exit: Exit }
  /** The run is ended because of what it runs on failed (`cause`), which those that run on it may want to know as well. */
  | { readonly do: 'pass-on-failure'; readonly cause: Cause }
  | { readonly do: 'tell'; readonly happening: ProjectEventBody };

export interface MachineContext {
  /** Epoch ms. */
  readonly wallNow: number;
  /** Monotonic ms. */
  readonly now: number;
  readonly random: () => number;
  /** The id that the next run gets if one is begun. */
  readonly nextRun: RunId;
  readonly restart: RestartSpec;
  readonly backoff: Backoff;
  readonly stop: { readonly signal: string; readonly graceMs: number };
  /** Whether it has a `ready` probe. */
  readonly probed: boolean;
  readonly schedule?: Pick<ScheduleSpec, 'overlap' | 'onStart'>;
}

export interface Step {
  readonly machine: Machine;
  readonly effects: readonly Effect[];
}
