import type { ServiceSnapshot } from './api.ts';
import { formatSpan } from './duration.ts';
import type { InstanceSnapshot } from './event.ts';
import { describeExit } from './exit.ts';
import { unreachable } from './result.ts';
import type { WaitingOn } from './state.ts';

/** What an instance does, in a few words for a column: "running", "backoff 1.9 s (2)", "waiting for db". */
export function describeState({ state, wanted }: InstanceSnapshot, nowMs: number): string {
  switch (state.kind) {
    case 'stopped':
      return wanted === 'up' ? 'about to start' : 'stopped';
    case 'waiting':
      return state.on.length === 0 ? 'waiting' : `waiting for ${names(state.on)}`;
    case 'backoff':
      return `backoff ${left(state.until, nowMs)} (${state.attempt})`;
    case 'stopping':
      return state.escalated
        ? 'stopping, SIGKILL sent'
        : `stopping, SIGKILL in ${left(state.deadline, nowMs)}`;
    case 'starting':
    case 'running':
    case 'completed':
    case 'failed':
    case 'skipped':
      return state.kind;
    default:
      return unreachable(state);
  }
}

/** What `verdict` wants to know of the service besides its instance. */
export type VerdictService = Pick<ServiceSnapshot, 'restart' | 'backoff' | 'replicas'>;

/** What an instance does, why, and what comes next: one sentence without a final period. */
export function verdict(instance: InstanceSnapshot, service: VerdictService, nowMs: number): string {
  const name = service.replicas <= 1 && instance.number === 1 ? instance.service : instance.id;
  const { state } = instance;
  switch (state.kind) {
    case 'stopped': {
      if (instance.wanted === 'up') return `${name} is about to start`;
      const end = state.exit === undefined ? '' : ` (its last run: ${describeExit(state.exit)})`;
      return `${name} is stopped and stays so until it is started${end}`;
    }
    case 'waiting':
      if (state.on.length === 0) return `${name} waits to be started`;
      return `${name} waits for ${state.on.map((on) => `${on.service} (${on.now}) to be ${on.condition}`).join(', ')}, since ${ago(state.since, nowMs)}`;
    case 'starting':
      return `${name} is being started, since ${ago(state.since, nowMs)}`;
    case 'running':
      return `${name} has been running for ${ago(state.since, nowMs)}${pid(state.pid)}${restarted(instance)}; restart is ${service.restart}`;
    case 'backoff':
      return `${name} is waiting to restart: attempt ${state.attempt} in ${left(state.until, nowMs)} after ${describeExit(state.exit)} (backoff ${service.backoff}${restarted(instance)})`;
    case 'stopping': {
      const next = state.escalated
        ? 'SIGKILL was sent, and what is left of it is awaited'
        : `SIGKILL follows in ${left(state.deadline, nowMs)}`;
      const then = state.then === 'start-again' ? ', then it is started again' : '';
      return `${name} is being stopped (${state.reason}): ${next}${then}`;
    }
    case 'completed':
      return `${name} has completed (${describeExit(state.exit)}); restart is ${service.restart}, so it is not run again`;
    case 'failed':
      return `${name} has failed: ${state.reason}${said(instance)}`;
    case 'skipped':
      return `${name} is not started: ${state.reason}`;
    default:
      return unreachable(state);
  }
}

function names(on: readonly WaitingOn[]): string {
  return on.map(({ service }) => service).join(', ');
}

/** A countdown never shows less than nothing, whatever the clocks say. */
function left(untilMs: number, nowMs: number): string {
  return formatSpan(Math.max(0, untilMs - nowMs));
}

function ago(sinceMs: number, nowMs: number): string {
  return formatSpan(Math.max(0, nowMs - sinceMs), 'whole');
}

function pid(of: number | undefined): string {
  return of === undefined ? '' : ` (pid ${of})`;
}

function restarted({ restarts }: InstanceSnapshot): string {
  return restarts === 0 ? '' : `; ${restarts} ${restarts === 1 ? 'restart' : 'restarts'} so far`;
}

function said({ lastCause }: InstanceSnapshot): string {
  return lastCause === undefined ? '' : ` (${lastCause})`;
}
