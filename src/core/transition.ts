import { describeCause } from './cause.ts';
import type { Cause, HappeningBody } from './event.ts';
import { describeExit, type Exit, type StartFailure } from './exit.ts';
import { decide } from './restart.ts';
import { unreachable } from './result.ts';
import type { Backoff, RestartPolicy } from './service.ts';
import type { AfterStop, InstanceState, RunId, WaitingOn, Wanted } from './state.ts';

/*
 * The life of one instance.
 *
 *              want-up            gate open           started
 *   stopped ────────────> waiting ─────────> starting ───────> running
 *      ^                   │  ^ │               │                │ exited, want-down,
 *      │         gate never│  │ │want-down      │start-failed    │ restart, timed-out
 *      │                   v  │ └──> stopped    v                v
 *      │               skipped│            [policy] <───────── stopping ──(gone)──> stopped | waiting | [policy]
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
  /** Why the next start, if there is one, happens. */
  readonly cause: Cause;
}

export const NEW_MACHINE: Machine = {
  wanted: 'down',
  state: { kind: 'stopped' },
  failures: 0,
  restarts: 0,
  cause: { kind: 'added' },
};

/** What the gate says of an instance's dependencies. */
export type GateVerdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'blocked'; readonly on: readonly WaitingOn[] }
  /** Cannot open any more unless something is started anew. */
  | { readonly kind: 'never'; readonly reason: string };

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
      readonly unfinished?: string;
      readonly lastWords?: string;
    }
  /** Nothing but zombies is left of the unit. */
  | { readonly type: 'gone'; readonly run: RunId; readonly ranMs: number }
  | { readonly type: 'retry-due' }
  | { readonly type: 'grace-over'; readonly run: RunId }
  | { readonly type: 'timed-out'; readonly run: RunId; readonly afterMs: number }
  /** Stop waiting politely: kill what is being stopped. */
  | { readonly type: 'escalate'; readonly reason: string }
  /** A run that an earlier daemon started was found, alive or ended. */
  | {
      readonly type: 'adopted';
      readonly run: RunId;
      readonly pid?: number;
      readonly since: number;
      readonly restarts: number;
    }
  /** A run whose end an earlier daemon had already handled: the policy is asked what that end means. */
  | { readonly type: 'restored'; readonly exit: Exit; readonly restarts: number };

export type Effect =
  /** Run the hooks and preflight, spawn, and answer with `started` or `start-failed`. */
  | { readonly do: 'start'; readonly run: RunId; readonly cause: Cause }
  /** Ask the unit to end (or, while it is only starting, give the start up), arm the grace timer. */
  | { readonly do: 'stop'; readonly run: RunId }
  | { readonly do: 'kill'; readonly run: RunId }
  | { readonly do: 'arm-retry'; readonly delayMs: number }
  | { readonly do: 'disarm-retry' }
  /** Ask the gate, which answers with `gate`. */
  | { readonly do: 'ask-gate' }
  | { readonly do: 'tell'; readonly happening: HappeningBody };

export interface MachineContext {
  /** Epoch ms. */
  readonly wallNow: number;
  readonly random: () => number;
  /** The id that the next run gets if one is begun. */
  readonly nextRun: RunId;
  readonly restart: RestartPolicy;
  readonly backoff: Backoff;
  readonly stop: { readonly signal: string; readonly graceMs: number };
}

export interface Step {
  readonly machine: Machine;
  readonly effects: readonly Effect[];
}

/**
 * Decides what an event makes of an instance. Pure: everything that happens is in the effects, in order. An event of
 * a run other than the present one is dropped here, and only here.
 */
export function transition(machine: Machine, event: MachineEvent, context: MachineContext): Step {
  if (isStale(machine.state, event)) return stay(machine);
  switch (event.type) {
    case 'want-up':
      return wantUp(machine, event.afresh, event.cause, context);
    case 'want-down':
      return wantDown(machine, event.cause, context);
    case 'restart':
      return restart(machine, event.cause, context);
    case 'gate':
      return passGate(machine, event.verdict, context);
    case 'started':
      return started(machine, event.run, event.pid, context);
    case 'start-failed':
      return startFailed(machine, event.run, event.failure, context);
    case 'pid-known':
      return pidKnown(machine, event.pid);
    case 'exited':
      return exited(machine, event, context);
    case 'gone':
      return gone(machine, event.ranMs, context);
    case 'retry-due':
      return retry(machine, context);
    case 'grace-over':
      return escalate(machine, 'the grace period is over');
    case 'timed-out':
      return timedOut(machine, event.afterMs, context);
    case 'escalate':
      return escalate(machine, event.reason);
    case 'adopted':
      return adopted(machine, event);
    case 'restored':
      return machine.state.kind === 'stopped'
        ? settle({ ...machine, wanted: 'up', restarts: event.restarts }, event.exit, 0, context)
        : stay(machine);
    default:
      return unreachable(event);
  }
}

function isStale(state: InstanceState, event: MachineEvent): boolean {
  if (!('run' in event) || event.type === 'adopted') return false;
  return !('run' in state) || state.run !== event.run;
}

function stay(machine: Machine): Step {
  return { machine, effects: [] };
}

function tell(happening: HappeningBody): Effect {
  return { do: 'tell', happening };
}

function toWaiting(machine: Machine, context: MachineContext, ...before: readonly Effect[]): Step {
  return {
    machine: { ...machine, state: { kind: 'waiting', since: context.wallNow, on: [] } },
    effects: [...before, { do: 'ask-gate' }],
  };
}

function retry(machine: Machine, context: MachineContext): Step {
  const { state } = machine;
  if (state.kind !== 'backoff') return stay(machine);
  const reason = `retry ${state.attempt} after ${describeExit(state.exit)}`;
  const cause: Cause = { kind: 'policy', reason };
  return toWaiting({ ...machine, restarts: machine.restarts + 1, cause }, context);
}

function wantUp(machine: Machine, afresh: boolean, cause: Cause, context: MachineContext): Step {
  const up: Machine = { ...machine, wanted: 'up' };
  const fresh: Machine = { ...up, failures: 0, restarts: 0, cause };
  switch (machine.state.kind) {
    case 'stopped':
      return toWaiting(fresh, context);
    case 'completed':
    case 'failed':
    case 'skipped':
      return afresh ? toWaiting(fresh, context) : stay(up);
    case 'backoff':
      return afresh ? toWaiting(fresh, context, { do: 'disarm-retry' }) : stay(up);
    case 'stopping':
      return machine.state.then === 'stopped'
        ? stay({ ...fresh, state: { ...machine.state, then: 'start-again' } })
        : stay(up);
    case 'waiting':
    case 'starting':
    case 'running':
      return stay(up);
    default:
      return unreachable(machine.state);
  }
}

function wantDown(machine: Machine, cause: Cause, context: MachineContext): Step {
  const down: Machine = { ...machine, wanted: 'down' };
  const { state } = machine;
  switch (state.kind) {
    case 'stopped':
      return stay(down);
    case 'waiting':
    case 'skipped':
      return stay({ ...down, state: { kind: 'stopped' } });
    case 'completed':
    case 'failed':
      return stay({ ...down, state: { kind: 'stopped', exit: state.exit } });
    case 'backoff':
      return {
        machine: { ...down, state: { kind: 'stopped', exit: state.exit } },
        effects: [{ do: 'disarm-retry' }],
      };
    case 'starting':
    case 'running':
      return beginStop(down, 'stopped', cause, context);
    case 'stopping':
      return stay({ ...down, state: { ...state, then: 'stopped' } });
    default:
      return unreachable(state);
  }
}

function restart(machine: Machine, cause: Cause, context: MachineContext): Step {
  const up: Machine = { ...machine, wanted: 'up', failures: 0, restarts: 0, cause };
  const { state } = machine;
  switch (state.kind) {
    case 'starting':
    case 'running':
      return beginStop(up, 'start-again', cause, context);
    case 'stopping':
      return stay({ ...up, state: { ...state, then: 'start-again' } });
    case 'waiting':
      return stay(up);
    case 'backoff':
      return toWaiting(up, context, { do: 'disarm-retry' });
    case 'stopped':
    case 'completed':
    case 'failed':
    case 'skipped':
      return toWaiting(up, context);
    default:
      return unreachable(state);
  }
}

function beginStop(
  machine: Machine,
  then: AfterStop,
  cause: Cause,
  context: MachineContext,
  exit?: Exit,
): Step {
  const { state } = machine;
  if (state.kind !== 'starting' && state.kind !== 'running') return stay(machine);
  const pid = state.kind === 'running' ? state.pid : undefined;
  return {
    machine: {
      ...machine,
      state: {
        kind: 'stopping',
        run: state.run,
        since: context.wallNow,
        deadline: context.wallNow + context.stop.graceMs,
        then,
        escalated: false,
        reason: describeCause(cause),
        ...(pid === undefined ? {} : { pid }),
        ...(exit === undefined ? {} : { exit }),
      },
    },
    effects: [
      tell({ type: 'instance-stopping', run: state.run, cause, signal: context.stop.signal }),
      { do: 'stop', run: state.run },
    ],
  };
}

function passGate(machine: Machine, verdict: GateVerdict, context: MachineContext): Step {
  const { state } = machine;
  if (machine.wanted === 'down' || (state.kind !== 'waiting' && state.kind !== 'skipped'))
    return stay(machine);
  switch (verdict.kind) {
    case 'open':
      return {
        machine: { ...machine, state: { kind: 'starting', run: context.nextRun, since: context.wallNow } },
        effects: [{ do: 'start', run: context.nextRun, cause: machine.cause }],
      };
    case 'blocked': {
      if (state.kind === 'waiting' && sameWaiting(state.on, verdict.on)) return stay(machine);
      const since = state.kind === 'waiting' ? state.since : context.wallNow;
      const news =
        state.kind === 'waiting' && state.on.length > 0
          ? []
          : [tell({ type: 'instance-waiting', on: verdict.on.map(describeWaiting).join(', ') })];
      return {
        machine: { ...machine, state: { kind: 'waiting', since, on: verdict.on } },
        effects: news,
      };
    }
    case 'never':
      if (state.kind === 'skipped' && state.reason === verdict.reason) return stay(machine);
      return {
        machine: { ...machine, state: { kind: 'skipped', reason: verdict.reason } },
        effects: [tell({ type: 'instance-skipped', reason: verdict.reason })],
      };
    default:
      return unreachable(verdict);
  }
}

function sameWaiting(a: readonly WaitingOn[], b: readonly WaitingOn[]): boolean {
  return (
    a.length === b.length &&
    a.every((item, i) => {
      const other = b[i];
      return (
        other !== undefined &&
        item.service === other.service &&
        item.condition === other.condition &&
        item.now === other.now
      );
    })
  );
}

/** "db (running, wanted: completed)". */
function describeWaiting(on: WaitingOn): string {
  return `${on.service} (${on.now}, wanted: ${on.condition})`;
}

function started(machine: Machine, run: RunId, pid: number | undefined, context: MachineContext): Step {
  const { state } = machine;
  if (state.kind === 'starting') {
    const running = { kind: 'running', run, since: context.wallNow } as const;
    return stay({ ...machine, state: pid === undefined ? running : { ...running, pid } });
  }
  // Asked to stop while it was starting: now there is something to stop.
  if (state.kind === 'stopping') {
    const known = pid === undefined ? state : { ...state, pid };
    return { machine: { ...machine, state: known }, effects: [{ do: 'stop', run }] };
  }
  return stay(machine);
}

function pidKnown(machine: Machine, pid: number): Step {
  const { state } = machine;
  if (state.kind !== 'running' && state.kind !== 'stopping') return stay(machine);
  return stay({ ...machine, state: { ...state, pid } });
}

function startFailed(machine: Machine, run: RunId, failure: StartFailure, context: MachineContext): Step {
  const exit: Exit = { kind: 'spawn-error', failure };
  const { state } = machine;
  if (state.kind === 'stopping') return afterStop(machine, state.then, exit, 0, context);
  const seen = tell({ type: 'instance-exited', run, exit, ranMs: 0, cause: failure.message });
  const step = settle(machine, exit, 0, context);
  return { machine: step.machine, effects: [seen, ...step.effects] };
}

function exited(
  machine: Machine,
  event: Extract<MachineEvent, { type: 'exited' }>,
  context: MachineContext,
): Step {
  const { state } = machine;
  const seen = tell({
    type: 'instance-exited',
    run: event.run,
    exit: event.exit,
    ranMs: event.ranMs,
    ...(event.lastWords === undefined ? {} : { cause: event.lastWords }),
  });
  if (state.kind === 'stopping') {
    // A verdict of our own (timeout) stands; the process's end only followed from it.
    const exit = state.exit ?? event.exit;
    return { machine: { ...machine, state: { ...state, exit } }, effects: [seen] };
  }
  if (state.kind !== 'running' && state.kind !== 'starting') return stay(machine);
  if (event.unfinished !== undefined) {
    const cause: Cause = { kind: 'policy', reason: `${describeExit(event.exit)}, but ${event.unfinished}` };
    const step = beginStop(machine, 'decide', cause, context, event.exit);
    return { machine: step.machine, effects: [seen, ...step.effects] };
  }
  const step = settle(machine, event.exit, event.ranMs, context);
  return { machine: step.machine, effects: [seen, ...step.effects] };
}

function gone(machine: Machine, ranMs: number, context: MachineContext): Step {
  const { state } = machine;
  if (state.kind !== 'stopping') return stay(machine);
  return afterStop(machine, state.then, state.exit, ranMs, context);
}

function afterStop(
  machine: Machine,
  then: AfterStop,
  exit: Exit | undefined,
  ranMs: number,
  context: MachineContext,
): Step {
  const { state } = machine;
  const run = 'run' in state ? state.run : context.nextRun;
  const ended = tell({ type: 'instance-stopped', run, ...(exit === undefined ? {} : { exit }) });
  if (machine.wanted === 'down' || then === 'stopped') {
    return {
      machine: { ...machine, state: exit === undefined ? { kind: 'stopped' } : { kind: 'stopped', exit } },
      effects: [ended],
    };
  }
  if (then === 'start-again') return toWaiting(machine, context, ended);
  const end = exit ?? { kind: 'unknown', why: 'its end was not seen' };
  return settle(machine, end, ranMs, context);
}

/** Applies the restart policy to a run whose unit is gone. */
function settle(machine: Machine, exit: Exit, ranMs: number, context: MachineContext): Step {
  const healthy = ranMs >= context.backoff.resetAfterMs;
  const verdict = decide({
    policy: context.restart,
    exit,
    wanted: machine.wanted,
    consecutiveFailures: healthy ? 0 : machine.failures,
    ranMs,
    backoff: context.backoff,
    random: context.random,
  });
  switch (verdict.kind) {
    case 'stay-stopped':
      return stay({ ...machine, state: { kind: 'stopped', exit } });
    case 'complete':
      return {
        machine: { ...machine, failures: 0, state: { kind: 'completed', exit, at: context.wallNow } },
        effects: [tell({ type: 'instance-completed', exit })],
      };
    case 'fail':
      return {
        machine: {
          ...machine,
          state: { kind: 'failed', exit, reason: verdict.reason, at: context.wallNow },
        },
        effects: [tell({ type: 'instance-failed', exit, reason: verdict.reason })],
      };
    case 'retry':
      return {
        machine: {
          ...machine,
          failures: verdict.attempt,
          state: {
            kind: 'backoff',
            attempt: verdict.attempt,
            since: context.wallNow,
            until: context.wallNow + verdict.delayMs,
            delayMs: verdict.delayMs,
            exit,
            reason: verdict.reason,
          },
        },
        effects: [
          tell({
            type: 'instance-backing-off',
            attempt: verdict.attempt,
            delayMs: verdict.delayMs,
            reason: verdict.reason,
          }),
          { do: 'arm-retry', delayMs: verdict.delayMs },
        ],
      };
    default:
      return unreachable(verdict);
  }
}

function escalate(machine: Machine, reason: string): Step {
  const { state } = machine;
  if (state.kind !== 'stopping' || state.escalated) return stay(machine);
  return {
    machine: { ...machine, state: { ...state, escalated: true } },
    effects: [tell({ type: 'instance-escalated', run: state.run, reason }), { do: 'kill', run: state.run }],
  };
}

function timedOut(machine: Machine, afterMs: number, context: MachineContext): Step {
  if (machine.state.kind !== 'running') return stay(machine);
  const cause: Cause = { kind: 'policy', reason: `ran longer than its timeout of ${afterMs} ms` };
  return beginStop(machine, 'decide', cause, context, { kind: 'timeout', afterMs });
}

function adopted(machine: Machine, event: Extract<MachineEvent, { type: 'adopted' }>): Step {
  if (machine.state.kind !== 'stopped') return stay(machine);
  const running = { kind: 'running', run: event.run, since: event.since } as const;
  return {
    machine: {
      ...machine,
      restarts: event.restarts,
      wanted: 'up',
      state: event.pid === undefined ? running : { ...running, pid: event.pid },
    },
    effects: [
      tell({
        type: 'instance-adopted',
        run: event.run,
        startedAt: event.since,
        ...(event.pid === undefined ? {} : { pid: event.pid }),
      }),
    ],
  };
}
