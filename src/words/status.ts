import type { ServiceSnapshot } from '../core/api.ts';
import { formatDuration, formatSpan } from '../core/util/duration.ts';
import type { InstanceSnapshot, ProbeView } from '../core/event.ts';
import { describeExit } from './exit.ts';
import { describeCause } from './cause.ts';
import { describeCondition, describeSkip, describeStatus } from './dependency.ts';
import { describeProbeFailure } from './probe.ts';
import { describeBackoff, describeFailure } from './restart.ts';
import { describeSchedule } from './schedule.ts';
import { escapeControl } from '../core/redact.ts';
import { unreachable } from '../core/util/result.ts';
import type { InstanceState, InstanceStateKind, Readiness, WaitingOn } from '../core/state.ts';

/** A reason beside a state is cut to this many characters. */
const MAX_REASON = 32;

/**
 * The name that a state goes by where states are counted or sorted: its kind, but of one that runs whether its `ready`
 * probe says so. "running" stands for what runs without such a probe.
 */
export type StateWord = InstanceStateKind | 'ready' | 'not ready';

/** The same of an instance: "unknown" for one whose state may be another by now. */
export type InstanceWord = StateWord | 'unknown';

/** The order in which states are counted, from good to bad, and what is not known last. */
export const STATE_ORDER: readonly InstanceWord[] = [
  'ready',
  'running',
  'not ready',
  'starting',
  'waiting',
  'stopping',
  'backoff',
  'failed',
  'skipped',
  'scheduled',
  'completed',
  'stopped',
  'unknown',
];

export function stateWord(state: InstanceState): StateWord {
  if (state.kind !== 'running' || state.readiness === undefined) return state.kind;
  return state.readiness.kind === 'ready' ? 'ready' : 'not ready';
}

export function instanceWord({ state, unknown }: Pick<InstanceSnapshot, 'state' | 'unknown'>): InstanceWord {
  return unknown === undefined ? stateWord(state) : 'unknown';
}

/** What an instance does, in a few words for a column: "ready", "backoff 1.9 s (2/5)", "waiting for db". */
export function describeState(instance: InstanceSnapshot, nowMs: number): string {
  const { unknown } = instance;
  const known = describeKnown(instance, nowMs);
  return unknown === undefined ? known : unnested(`${known} (unknown: ${unknown})`);
}

function describeKnown(instance: InstanceSnapshot, nowMs: number): string {
  const { state, wanted } = instance;
  switch (state.kind) {
    case 'stopped':
      return wanted === 'up' ? 'about to start' : 'stopped';
    case 'waiting':
      return state.on.length === 0 ? 'waiting' : `waiting for ${names(state.on)}`;
    case 'running': {
      const running = describeRunning(instance, state.readiness);
      return instance.replacing === true ? unnested(`${running} (${describeReplacing(instance)})`) : running;
    }
    case 'backoff':
      return `backoff ${left(state.until, nowMs)} (${attempt(instance, state.attempt, '/')})`;
    case 'stopping':
      return state.escalated
        ? 'stopping, SIGKILL sent'
        : `stopping, SIGKILL in ${left(state.deadline, nowMs)}`;
    case 'scheduled':
      return instance.nextRun === undefined
        ? 'scheduled'
        : `scheduled, next in ${ahead(instance.nextRun, nowMs)}`;
    case 'starting':
      return instance.progress === undefined ? state.kind : `${state.kind}: ${instance.progress}`;
    case 'completed':
    case 'failed':
    case 'skipped':
      return state.kind;
    default:
      return unreachable(state);
  }
}

/** What is to replace it, and how far that is. */
export function describeReplacing({ progress }: InstanceSnapshot): string {
  return progress === undefined ? 'to be replaced' : `to be replaced: ${progress}`;
}

function describeRunning({ ready }: InstanceSnapshot, readiness: Readiness | undefined): string {
  switch (readiness?.kind) {
    case undefined:
      return 'running';
    case 'ready':
      return 'ready';
    case 'pending':
      return 'running (not ready)';
    case 'lost': {
      const seen = ready?.last?.ok === false ? ready.last.output : '';
      return `running (not ready: ${shortened(seen.trim() === '' ? describeProbeFailure(readiness.reason) : seen)})`;
    }
    default:
      return unreachable(readiness);
  }
}

/** The last line of a text, as one cell takes it. */
function shortened(text: string): string {
  const line = escapeControl(text.trim().split('\n').at(-1)?.trim() ?? '');
  return line.length <= MAX_REASON ? line : `${line.slice(0, MAX_REASON - 1)}…`;
}

/** Which retry this is: of those that `max_restarts` allows within its window, where it counts them. */
function attempt({ recentRestarts: recent }: InstanceSnapshot, inARow: number, of: '/' | ' of '): string {
  if (recent === undefined || recent.max === 0) return String(inARow);
  return `${Math.min(recent.count + 1, recent.max)}${of}${recent.max}`;
}

/** "2 of 5 restarts in the last 1m"; undefined where no limit counts them. */
export function describeRestartLimit({ recentRestarts: recent }: InstanceSnapshot): string | undefined {
  if (recent === undefined || recent.max === 0) return undefined;
  return `${recent.count} of ${recent.max} restarts in the last ${formatDuration(recent.windowMs)}`;
}

/** What a probe last saw: "failed 3 times in a row, 2s ago, took 12 ms: HTTP 503". One line, without what it looks at. */
export function describeProbe({ last, inARow }: ProbeView, nowMs: number): string {
  if (last === undefined) return 'not looked yet';
  const output = escapeControl(last.output.replace(/\s*\r?\n\s*/g, ' ').trim());
  const times = `${last.ok ? 'succeeded' : 'failed'}${inARow > 1 ? ` ${inARow} times in a row` : ''}`;
  const when = `${ago(last.at, nowMs)} ago, took ${formatSpan(last.tookMs)}`;
  return `${times}, ${when}${output === '' ? '' : `: ${output}`}`;
}

/** The text with parentheses within parentheses as parts behind commas: "db failed (killed (no memory))" nests none then. */
export function unnested(text: string): string {
  let depth = 0;
  let out = '';
  for (const [piece] of text.matchAll(/ ?\(|\)|[^() ]+| /g)) {
    if (piece.endsWith('(')) {
      depth += 1;
      out += depth > 1 ? ', ' : piece;
    } else if (piece === ')') {
      depth -= 1;
      if (depth < 0) return text;
      if (depth === 0) out += piece;
    } else out += piece;
  }
  return depth === 0 ? out : text;
}

/** What `verdict` wants to know of the service besides its instance. */
export type VerdictService = Pick<ServiceSnapshot, 'restart' | 'backoff' | 'replicas' | 'schedule'>;

/** What an instance does, why, and what comes next: one sentence without a final period. */
export function verdict(instance: InstanceSnapshot, service: VerdictService, nowMs: number): string {
  const { unknown } = instance;
  const known = `${knownVerdict(instance, service, nowMs)}${replaced(instance)}`;
  return unknown === undefined ? known : `${known}, as far as is known: ${unknown}`;
}

function replaced({ state, progress, replacing }: InstanceSnapshot): string {
  if (state.kind === 'starting') return '';
  if (progress !== undefined) return `; to be replaced, once through: ${progress}`;
  return replacing === true ? '; to be replaced' : '';
}

function knownVerdict(instance: InstanceSnapshot, service: VerdictService, nowMs: number): string {
  const name = service.replicas <= 1 && instance.number === 1 ? instance.service : instance.id;
  const { state } = instance;
  switch (state.kind) {
    case 'stopped': {
      if (instance.wanted === 'up') return `${name} is about to start`;
      const end = state.exit === undefined ? '' : ` (its last run: ${describeExit(state.exit)})`;
      return unnested(`${name} is stopped and stays so until it is started${end}`);
    }
    case 'waiting':
      if (state.on.length === 0) return `${name} waits to be started`;
      return `${name} waits for ${state.on.map((on) => describeWait(on, nowMs)).join(', ')}, since ${ago(state.since, nowMs)}`;
    case 'starting':
      return `${name} is being started, since ${ago(state.since, nowMs)}${instance.progress === undefined ? '' : `: ${instance.progress}`}`;
    case 'running':
      return `${name} ${describeLife(instance, state, nowMs)}${pid(state.pid)}${restarted(instance)}${afterwards(service)}`;
    case 'backoff':
      return `${name} is waiting to restart: attempt ${attempt(instance, state.attempt, ' of ')} in ${left(state.until, nowMs)} after ${describeExit(state.exit)} (backoff ${describeBackoff(service.backoff)}${limited(instance)})`;
    case 'stopping': {
      const next = state.escalated
        ? 'SIGKILL was sent, and what is left of it is awaited'
        : `SIGKILL follows in ${left(state.deadline, nowMs)}`;
      const then = state.then === 'start-again' ? ', then it is started again' : '';
      return `${name} is being stopped (${describeCause(state.cause)}): ${next}${then}`;
    }
    case 'scheduled':
      return `${name} waits for its schedule${scheduledFor(instance, service, nowMs)}${state.exit === undefined ? '' : `; its last run: ${describeExit(state.exit)}`}`;
    case 'completed':
      return unnested(
        `${name} has completed (${describeExit(state.exit)}); restart is ${service.restart}, so it is not run again`,
      );
    case 'failed':
      return `${name} has failed: ${describeFailure(state.reason, state.exit)}${said(instance)}`;
    case 'skipped':
      return `${name} is not started: ${unnested(describeSkip(state.reason))}`;
    default:
      return unreachable(state);
  }
}

function describeWait({ service, condition, now, until }: WaitingOn, nowMs: number): string {
  const limit = until === undefined ? '' : `, for ${left(until, nowMs)} at most`;
  return `${service} (${describeStatus(now)}) to be ${describeCondition(condition)}${limit}`;
}

type Running = Extract<InstanceState, { kind: 'running' }>;

function describeLife({ ready }: InstanceSnapshot, { since, readiness }: Running, nowMs: number): string {
  const running = `has been running for ${ago(since, nowMs)}`;
  switch (readiness?.kind) {
    case undefined:
      return running;
    case 'ready':
      return `has been ready for ${ago(readiness.since, nowMs)}, ${formatSpan(readiness.tookMs)} after its start`;
    case 'pending':
      return `${running} and is not ready yet${ready === undefined ? '' : ` (${ready.what}: ${describeProbe(ready, nowMs)})`}`;
    case 'lost':
      return `${running} and lost its readiness ${ago(readiness.since, nowMs)} ago: ${describeProbeFailure(readiness.reason)}`;
    default:
      return unreachable(readiness);
  }
}

function scheduledFor({ nextRun }: InstanceSnapshot, { schedule }: VerdictService, nowMs: number): string {
  const when = nextRun === undefined ? '' : `, due in ${ahead(nextRun, nowMs)}`;
  return `${schedule === undefined ? '' : `, ${describeSchedule(schedule)}`}${when}`;
}

function afterwards({ restart, schedule }: VerdictService): string {
  return schedule === undefined
    ? `; restart is ${restart}`
    : `; it runs by its schedule, ${describeSchedule(schedule)}`;
}

/** How often it has been restarted, by the limit that counts it where there is one. */
function limited(instance: InstanceSnapshot): string {
  const limit = describeRestartLimit(instance);
  return limit === undefined ? restarted(instance) : `; ${limit}`;
}

function names(on: readonly WaitingOn[]): string {
  return on.map(({ service }) => service).join(', ');
}

/** A countdown never shows less than nothing, whatever the clocks say. */
function left(untilMs: number, nowMs: number): string {
  return formatSpan(Math.max(0, untilMs - nowMs));
}

/** Until something that lies further off, where tenths say nothing. */
function ahead(untilMs: number, nowMs: number): string {
  return formatSpan(Math.max(0, untilMs - nowMs), 'whole');
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
