import type { Cause, EscalationReason, ProjectEventBody, ProbeFailure } from './event.ts';
import type { Exit, StartFailure } from './exit.ts';
import type { Effect, GateVerdict, Machine, MachineContext, MachineEvent, Step } from './machine.ts';
import { decide, isSuccess, saysNothing } from './restart.ts';
import { canonicalJson } from './fingerprint.ts';
import { unreachable } from './util/result.ts';
import type { AfterStop, InstanceState, Readiness, RunId, WaitingOn } from './state.ts';

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
      return escalate(machine, { kind: 'grace-over' });
    case 'timed-out':
      return timedOut(machine, event.afterMs, context);
    case 'escalate':
      return escalate(machine, event.reason);
    case 'ready':
      return becameReady(machine, event, context);
    case 'unready':
      return lostReadiness(machine, event, context);
    case 'unhealthy':
      return unhealthy(machine, event.reason, context);
    case 'probed':
      return probed(machine, event.probed);
    case 'due':
      return due(machine, event.cause, context);
    case 'dependency-failed':
      return dependencyFailed(machine, event.then, event.cause, context);
    case 'adopted':
      return adopted(machine, event, context);
    case 'restored':
      return machine.state.kind === 'stopped'
        ? settle(
            { ...machine, wanted: 'up', restarts: event.restarts, recent: event.recent },
            event.exit,
            0,
            context,
          )
        : stay(machine);
    case 'unbegun': {
      if (machine.state.kind !== 'stopped') return stay(machine);
      const { restarts, recent, cause } = event;
      return toWaiting({ ...machine, wanted: 'up', restarts, recent, cause }, context);
    }
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

function tell(happening: ProjectEventBody): Effect {
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
  const { attempt, exit } = state;
  const cause: Cause = { kind: 'policy', reason: { kind: 'retry', attempt, exit } };
  if (saysNothing(state.exit)) return toWaiting({ ...machine, cause }, context);
  const recent = withinWindow({ ...machine, recent: [...machine.recent, context.now] }, context);
  return toWaiting({ ...machine, restarts: machine.restarts + 1, recent, cause }, context);
}

/** Bounded by what the policy can still tell apart. */
function withinWindow({ recent }: Machine, { now, restart }: MachineContext): readonly number[] {
  return recent.filter((at) => at > now - restart.windowMs).slice(-Math.max(1, restart.maxRestarts));
}

function wantUp(machine: Machine, afresh: boolean, cause: Cause, context: MachineContext): Step {
  const up: Machine = { ...machine, wanted: 'up' };
  const fresh: Machine = { ...up, failures: 0, restarts: 0, recent: [], cause };
  const byHand = cause.kind === 'user';
  switch (machine.state.kind) {
    case 'stopped':
      if (context.schedule === undefined || context.schedule.onStart || byHand)
        return toWaiting(fresh, context);
      return toScheduled(fresh, machine.state.exit, context);
    case 'scheduled':
      return afresh && byHand ? toWaiting(fresh, context) : stay(up);
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

function toScheduled(machine: Machine, exit: Exit | undefined, context: MachineContext): Step {
  const { queued, ...rest } = machine;
  if (queued !== undefined) return toWaiting({ ...rest, cause: queued }, context);
  const state: InstanceState = {
    kind: 'scheduled',
    since: context.wallNow,
    ...(exit === undefined ? {} : { exit }),
  };
  return stay({ ...rest, state });
}

function due(machine: Machine, cause: Cause, context: MachineContext): Step {
  const { state } = machine;
  if (machine.wanted === 'down' || context.schedule === undefined) return stay(machine);
  const fresh: Machine = { ...machine, failures: 0, cause };
  switch (state.kind) {
    case 'stopped':
    case 'scheduled':
    case 'completed':
    case 'failed':
    case 'skipped':
      return toWaiting(fresh, context);
    case 'backoff':
      return toWaiting(fresh, context, { do: 'disarm-retry' });
    case 'waiting':
    case 'starting':
    case 'running':
    case 'stopping':
      break;
    default:
      return unreachable(state);
  }
  switch (context.schedule.overlap) {
    case 'queue':
      return stay({ ...machine, queued: cause });
    case 'replace':
      if (state.kind === 'starting' || state.kind === 'running')
        return beginStop(fresh, 'start-again', cause, context);
      return stay(state.kind === 'stopping' ? { ...fresh, state: { ...state, then: 'start-again' } } : fresh);
    case 'skip': {
      const reason = { kind: 'overlap', cause, state: state.kind } as const;
      return { machine, effects: [tell({ type: 'schedule-missed', reason })] };
    }
    default:
      return unreachable(context.schedule.overlap);
  }
}

function dependencyFailed(
  machine: Machine,
  then: 'restart' | 'stop',
  cause: Cause,
  context: MachineContext,
): Step {
  const { kind } = machine.state;
  if (machine.wanted === 'down' || (kind !== 'starting' && kind !== 'running')) return stay(machine);
  const step =
    then === 'stop'
      ? beginStop({ ...machine, wanted: 'down' }, 'stopped', cause, context)
      : beginStop({ ...machine, cause }, 'start-again', cause, context);
  return { machine: step.machine, effects: [...step.effects, { do: 'pass-on-failure', cause }] };
}

function becameReady(
  machine: Machine,
  { run, tookMs }: Extract<MachineEvent, { type: 'ready' }>,
  context: MachineContext,
): Step {
  const { state } = machine;
  if (state.kind !== 'running' || state.readiness === undefined || state.readiness.kind === 'ready')
    return stay(machine);
  return {
    machine: {
      ...machine,
      state: { ...state, readiness: { kind: 'ready', since: context.wallNow, tookMs } },
    },
    effects: [tell({ type: 'instance-ready', run, tookMs })],
  };
}

function lostReadiness(
  machine: Machine,
  { run, reason }: Extract<MachineEvent, { type: 'unready' }>,
  context: MachineContext,
): Step {
  const { state } = machine;
  if (state.kind !== 'running' || state.readiness?.kind !== 'ready') return stay(machine);
  return {
    machine: {
      ...machine,
      state: { ...state, readiness: { kind: 'lost', since: context.wallNow, reason } },
    },
    effects: [tell({ type: 'instance-unready', run, reason })],
  };
}

function unhealthy(machine: Machine, reason: ProbeFailure, context: MachineContext): Step {
  const { state } = machine;
  if (state.kind !== 'running') return stay(machine);
  const exit: Exit = { kind: 'unhealthy', reason };
  const cause: Cause = { kind: 'policy', reason: { kind: 'unhealthy', probe: reason } };
  const step = beginStop(machine, 'decide', cause, context, exit);
  const seen = tell({ type: 'instance-unhealthy', run: state.run, reason });
  return { machine: step.machine, effects: [seen, ...step.effects, { do: 'report-failure', exit }] };
}

function probed(machine: Machine, has: boolean): Step {
  const { state } = machine;
  if (state.kind !== 'running' || has === (state.readiness !== undefined)) return stay(machine);
  const { readiness: _gone, ...rest } = state;
  return stay({ ...machine, state: has ? { ...rest, readiness: { kind: 'pending' } } : rest });
}

function wantDown(machine: Machine, cause: Cause, context: MachineContext): Step {
  const { queued: _queued, ...rest } = machine;
  const down: Machine = { ...rest, wanted: 'down' };
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
    case 'scheduled':
      return stay({
        ...down,
        state: state.exit === undefined ? { kind: 'stopped' } : { kind: 'stopped', exit: state.exit },
      });
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
  const up: Machine = { ...machine, wanted: 'up', failures: 0, restarts: 0, recent: [], cause };
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
    case 'scheduled':
      // A changed schedule is no reason to run now; a person who asks for it is.
      if (context.schedule !== undefined && cause.kind !== 'user')
        return toScheduled(up, state.exit, context);
      return toWaiting(up, context);
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
        cause,
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
      const later: readonly Effect[] =
        verdict.askAgainInMs === undefined ? [] : [{ do: 'ask-gate', inMs: verdict.askAgainInMs }];
      if (state.kind === 'waiting' && sameWaiting(state.on, verdict.on)) return { machine, effects: later };
      const since = state.kind === 'waiting' ? state.since : context.wallNow;
      const news =
        state.kind === 'waiting' && state.on.length > 0
          ? []
          : [tell({ type: 'instance-waiting', on: verdict.on })];
      return {
        machine: { ...machine, state: { kind: 'waiting', since, on: verdict.on } },
        effects: [...news, ...later],
      };
    }
    case 'never':
      if (state.kind === 'skipped' && isSame(state.reason, verdict.reason)) return stay(machine);
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
        isSame(item.now, other.now)
      );
    })
  );
}

/** Whether two values of the contract say the same. */
function isSame<T extends object>(a: T, b: T): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

function started(machine: Machine, run: RunId, pid: number | undefined, context: MachineContext): Step {
  const { state } = machine;
  if (state.kind === 'starting') {
    const running: InstanceState = {
      kind: 'running',
      run,
      since: context.wallNow,
      ...(pid === undefined ? {} : { pid }),
      ...(context.probed ? { readiness: { kind: 'pending' } } : {}),
    };
    return stay({ ...machine, state: running });
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
  const step = ranOut(machine, event, context);
  const failed = !isSuccess(event.exit, context.restart);
  const report: readonly Effect[] = failed ? [{ do: 'report-failure', exit: event.exit }] : [];
  return { machine: step.machine, effects: [seen, ...step.effects, ...report] };
}

function ranOut(
  machine: Machine,
  event: Extract<MachineEvent, { type: 'exited' }>,
  context: MachineContext,
): Step {
  if (event.unfinished === undefined) return settle(machine, event.exit, event.ranMs, context);
  const { exit, unfinished: rest } = event;
  const cause: Cause = { kind: 'policy', reason: { kind: 'unfinished', exit, rest } };
  return beginStop(machine, 'decide', cause, context, event.exit);
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
    restart: context.restart,
    recentRestarts: withinWindow(machine, context).length,
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
      return over(
        { ...machine, failures: 0, state: { kind: 'completed', exit, at: context.wallNow } },
        tell({ type: 'instance-completed', exit }),
        context,
      );
    case 'fail':
      return over(
        {
          ...machine,
          state: {
            kind: 'failed',
            exit,
            reason: verdict.reason,
            at: context.wallNow,
            ...(verdict.code === undefined ? {} : { code: verdict.code }),
          },
        },
        tell({ type: 'instance-failed', exit, reason: verdict.reason }),
        context,
      );
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
            exit,
            reason: verdict.reason,
          }),
          { do: 'arm-retry', delayMs: verdict.delayMs },
        ],
      };
    default:
      return unreachable(verdict);
  }
}

/** The end of a scheduled run, however it was, is not the service's. */
function over(ended: Machine, news: Effect, context: MachineContext): Step {
  if (context.schedule === undefined) return { machine: ended, effects: [news] };
  const exit = 'exit' in ended.state ? ended.state.exit : undefined;
  const step = toScheduled(ended, exit, context);
  return { machine: step.machine, effects: [news, ...step.effects] };
}

function escalate(machine: Machine, reason: EscalationReason): Step {
  const { state } = machine;
  if (state.kind !== 'stopping' || state.escalated) return stay(machine);
  return {
    machine: { ...machine, state: { ...state, escalated: true } },
    effects: [tell({ type: 'instance-escalated', run: state.run, reason }), { do: 'kill', run: state.run }],
  };
}

function timedOut(machine: Machine, afterMs: number, context: MachineContext): Step {
  if (machine.state.kind !== 'running') return stay(machine);
  const cause: Cause = { kind: 'policy', reason: { kind: 'timeout', afterMs } };
  return beginStop(machine, 'decide', cause, context, { kind: 'timeout', afterMs });
}

function adopted(
  machine: Machine,
  event: Extract<MachineEvent, { type: 'adopted' }>,
  context: MachineContext,
): Step {
  if (machine.state.kind !== 'stopped') return stay(machine);
  const readiness: Readiness =
    event.readyAt === undefined
      ? { kind: 'pending' }
      : { kind: 'ready', since: event.readyAt, tookMs: Math.max(0, event.readyAt - event.since) };
  const running: InstanceState = {
    kind: 'running',
    run: event.run,
    since: event.since,
    ...(event.pid === undefined ? {} : { pid: event.pid }),
    ...(context.probed ? { readiness } : {}),
  };
  return {
    machine: { ...machine, restarts: event.restarts, recent: event.recent, wanted: 'up', state: running },
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
