import type { Exit } from './exit.ts';
import type { InstanceId, ServiceId } from './service.ts';
import type { InstanceState, RunId } from './state.ts';

/** Why something was done; printed beside the action everywhere. */
export type Cause =
  | { readonly kind: 'added' }
  | { readonly kind: 'removed' }
  /** Fields of the launch (or policy) that differ, in a stable order, with both values as displayed. */
  | { readonly kind: 'changed'; readonly fields: readonly FieldChange[] }
  | { readonly kind: 'dependency'; readonly service: ServiceId; readonly what: string }
  | { readonly kind: 'user'; readonly what: string }
  | { readonly kind: 'scaled'; readonly from: number; readonly to: number }
  | { readonly kind: 'policy'; readonly reason: string }
  | { readonly kind: 'schedule'; readonly what: string }
  /** Watched files changed; a few of them, relative to the watched folder where they are in it. */
  | { readonly kind: 'files'; readonly paths: readonly string[]; readonly more: number }
  | { readonly kind: 'shutdown'; readonly reason: string }
  | { readonly kind: 'not-running'; readonly was: string };

/** One field's change. Values are as shown to people: quoted where they are text, masked where they are secret. */
export interface FieldChange {
  /** Path within the service, such as `env.PORT`. */
  readonly field: string;
  /** Absent where the field is new. */
  readonly from?: string;
  /** Absent where the field is gone. */
  readonly to?: string;
}

/** What happened, in the past tense. The journal keeps these; `explain`, `events` and the TUI read them. */
export type HappeningBody =
  | { readonly type: 'daemon-started'; readonly pid: number; readonly version: string }
  | { readonly type: 'daemon-stopped'; readonly reason: string }
  | { readonly type: 'manifest-applied'; readonly summary: string }
  | { readonly type: 'manifest-rejected'; readonly errors: number; readonly first: string }
  /** The manifest was taken up again, because it was edited or on request. `changes`: what is done and why, by line. */
  | { readonly type: 'manifest-reloaded'; readonly summary: string; readonly changes: readonly string[] }
  /** The same, held until somebody confirms it. */
  | { readonly type: 'manifest-held'; readonly summary: string; readonly changes: readonly string[] }
  /** A service did not come up with what a reload has changed of it. */
  | {
      readonly type: 'change-failed';
      readonly reason: string;
      readonly rolledBack: boolean;
      /** The new version could not even be begun, and the former one was left alone. */
      readonly kept?: true;
    }
  | { readonly type: 'shutdown-began'; readonly reason: string }
  /** Containers, networks and volumes that were removed after a shutdown, by name. */
  | { readonly type: 'leavings-removed'; readonly names: readonly string[] }
  /** Something that no run on record had made. */
  | { readonly type: 'orphan-removed'; readonly name: string }
  | { readonly type: 'instance-waiting'; readonly on: string }
  | { readonly type: 'instance-started'; readonly run: RunId; readonly pid?: number; readonly cause: Cause }
  | {
      readonly type: 'instance-adopted';
      readonly run: RunId;
      readonly pid?: number;
      /** Epoch ms of the run's start. */
      readonly startedAt: number;
    }
  | {
      readonly type: 'instance-exited';
      readonly run: RunId;
      readonly exit: Exit;
      readonly ranMs: number;
      /** What its last lines on stderr say, by the service's `errors` or as they are; bounded, masked. */
      readonly cause?: string;
    }
  /** `tookMs`: from the start of the run. */
  | { readonly type: 'instance-ready'; readonly run: RunId; readonly tookMs: number }
  | { readonly type: 'instance-unready'; readonly run: RunId; readonly reason: string }
  | { readonly type: 'instance-unhealthy'; readonly run: RunId; readonly reason: string }
  /** A time of its schedule at which nothing was started, and why. */
  | { readonly type: 'schedule-missed'; readonly reason: string }
  | {
      readonly type: 'instance-signalled';
      readonly run: RunId;
      readonly signal: string;
      readonly cause: Cause;
    }
  | {
      readonly type: 'instance-backing-off';
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
    }
  | {
      readonly type: 'instance-stopping';
      readonly run: RunId;
      readonly cause: Cause;
      readonly signal: string;
    }
  | { readonly type: 'instance-escalated'; readonly run: RunId; readonly reason: string }
  | { readonly type: 'instance-stopped'; readonly run: RunId; readonly exit?: Exit }
  | { readonly type: 'instance-completed'; readonly exit: Exit }
  | { readonly type: 'instance-failed'; readonly exit: Exit; readonly reason: string }
  | { readonly type: 'instance-skipped'; readonly reason: string }
  | { readonly type: 'instance-updated'; readonly cause: Cause }
  | { readonly type: 'instance-forgotten'; readonly cause: Cause }
  | { readonly type: 'hook-ran'; readonly hook: string; readonly ok: boolean; readonly detail: string }
  | { readonly type: 'warning'; readonly message: string };

/** One line of `events.ndjson`. */
export type Happening = HappeningBody & {
  /** Counts up by 1 within a project, across daemon restarts. */
  readonly seq: number;
  /** Epoch ms. */
  readonly time: number;
  readonly service?: ServiceId;
  readonly instance?: InstanceId;
};

/** What a probe last saw. */
export interface ProbeView {
  /** What it looks at, in words: "http http://127.0.0.1:8080/health"; masked. */
  readonly what: string;
  /** Absent until the first look is through. */
  readonly last?: {
    readonly ok: boolean;
    /** Epoch ms. */
    readonly at: number;
    readonly tookMs: number;
    /** What it answered: the last of a command's output, a status, an error; bounded, masked. */
    readonly output: string;
  };
  /** Results like the last one, in a row. */
  readonly inARow: number;
  readonly retries: number;
}

/** What an instance does, with what people want to know beside it. */
export interface InstanceSnapshot {
  readonly id: InstanceId;
  readonly service: ServiceId;
  readonly number: number;
  readonly wanted: 'up' | 'down';
  readonly state: InstanceState;
  /** Restarts by policy since it was last started by a person or a change. */
  readonly restarts: number;
  /** The ports of the present or next run. */
  readonly ports: Readonly<Record<string, number>>;
  /** The last lines of the last failing run, made readable; absent where nothing failed. */
  readonly lastCause?: string;
  /** How the previous run ended. */
  readonly lastExit?: Exit;
  /** What its probes last saw; only for a live run. */
  readonly ready?: ProbeView;
  readonly live?: ProbeView;
  /** What it last said of itself by sd_notify's STATUS; masked. */
  readonly statusText?: string;
  /** When its schedule is due next, epoch ms. */
  readonly nextRun?: number;
  /** Restarts by policy within the present window; only where `max_restarts` counts them. */
  readonly recentRestarts?: { readonly count: number; readonly max: number; readonly windowMs: number };
  /**
   * What is being brought about, such as "pulling postgres:16 45 %": while it is starting, for that; while it runs, for
   * what is to replace it. Masked, bounded.
   */
  readonly progress?: string;
  /** It is to be replaced, and runs on until what that needs has been brought about. */
  readonly replacing?: true;
  /** Why what is said here of its run may be wrong by now, such as an engine that does not answer; masked. */
  readonly unknown?: string;
  /** How many processes the unit has besides the main one; only of one that takes its time to stop. */
  readonly children?: number;
}
