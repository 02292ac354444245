import { formatSpan } from '../core/util/duration.ts';
import type { Cause, ProjectEvent } from '../core/event.ts';
import type { ResourceAction } from '../core/plan-view.ts';
import { describeExit } from './exit.ts';
import { unreachable } from '../core/util/result.ts';
import { describeCause, describeChangeFailure } from './cause.ts';
import { describeCommand } from './command.ts';
import { changeLines, describeCounts, describeStepCounts } from './counts.ts';
import { describeSkip, describeWaiting } from './dependency.ts';
import { describeProbeFailure } from './probe.ts';
import { describeEscalation, describeFailure, describeRetry } from './restart.ts';
import { describeMissed } from './schedule.ts';
import { unnested } from './status.ts';
import { count, oneLine } from './text.ts';

/** A happening in columns: what happened, with which facts, and why. */
export interface EventText {
  readonly verb: string;
  readonly detail: string;
  readonly why: string;
}

export function eventText(happening: ProjectEvent): EventText {
  const { verb, detail = '', why = '' } = words(happening);
  return { verb, detail: oneLine(detail), why: oneLine(why) };
}

/** The same in one phrase. */
export function briefEventText(happening: ProjectEvent): string {
  const { verb, detail, why } = eventText(happening);
  return [verb, ...[detail, why].filter((part) => part !== '')].join(', ').replace(/, (?=because )/, ' ');
}

function words(h: ProjectEvent): { readonly verb: string; readonly detail?: string; readonly why?: string } {
  switch (h.type) {
    case 'daemon-started':
      return { verb: 'daemon started', detail: `pid ${h.pid}, version ${h.version}` };
    case 'daemon-stopped':
      return { verb: 'daemon stopped', why: h.reason };
    case 'manifest-applied':
      return { verb: 'manifest applied', detail: describeStepCounts(h.counts) };
    case 'manifest-rejected':
      return { verb: 'manifest rejected', detail: count(h.errors, 'error'), why: h.first };
    case 'manifest-reloaded':
      return { verb: 'manifest reloaded', detail: describeCounts(h.counts), why: changeLines(h).join('; ') };
    case 'manifest-held':
      return {
        verb: 'manifest held',
        detail: `${describeCounts(h.counts)}; \`setpoint reload --yes\` confirms it`,
      };
    case 'change-failed':
      return { verb: 'change failed', detail: whatRuns(h), why: describeChangeFailure(h.reason) };
    case 'shutdown-began':
      return { verb: 'shutdown began', why: h.reason };
    case 'leavings-removed':
      return { verb: 'removed', detail: h.names.join(', ') };
    case 'orphan-removed':
      return { verb: 'removed', detail: h.name, why: 'nothing in the manifest made it' };
    case 'resource-changed':
      return { verb: RESOURCE_VERBS[h.action], detail: `${h.kind} ${h.name}`, why: because(h.cause) };
    case 'instance-waiting':
      return {
        verb: 'waiting',
        detail: `for ${'text' in h.on ? h.on.text : h.on.map(describeWaiting).join(', ')}`,
      };
    case 'instance-started':
      return { verb: 'started', detail: pid(h.pid), why: because(h.cause) };
    case 'instance-adopted':
      return {
        verb: 'adopted',
        detail: pid(h.pid),
        why: `had been running for ${formatSpan(h.time - h.startedAt, 'whole')}`,
      };
    case 'instance-exited':
      return {
        verb: 'exited',
        detail: `${describeExit(h.exit)} after ${formatSpan(h.ranMs)}`,
        why: h.cause ?? '',
      };
    case 'instance-ready':
      return { verb: 'ready', detail: `after ${formatSpan(h.tookMs)}` };
    case 'instance-unready':
      return { verb: 'not ready', why: describeProbeFailure(h.reason) };
    case 'instance-unhealthy':
      return { verb: 'unhealthy', why: describeProbeFailure(h.reason) };
    case 'schedule-missed':
      return { verb: 'not run', why: describeMissed(h.reason) };
    case 'instance-signalled':
      return { verb: 'signalled', detail: h.signal, why: because(h.cause) };
    case 'instance-backing-off':
      return {
        verb: 'backing off',
        detail: `attempt ${h.attempt} in ${formatSpan(h.delayMs)}`,
        why: describeRetry(h),
      };
    case 'instance-stopping':
      return { verb: 'stopping', detail: h.signal, why: because(h.cause) };
    case 'instance-escalated':
      return { verb: 'killed', detail: 'SIGKILL', why: describeEscalation(h.reason) };
    case 'instance-stopped':
      return { verb: 'stopped', detail: h.exit === undefined ? '' : describeExit(h.exit) };
    case 'instance-completed':
      return { verb: 'completed', detail: describeExit(h.exit) };
    case 'instance-failed':
      return { verb: 'failed', detail: describeExit(h.exit), why: describeFailure(h.reason, h.exit) };
    case 'instance-skipped':
      return { verb: 'skipped', why: unnested(describeSkip(h.reason)) };
    case 'instance-updated':
      return { verb: 'updated', detail: 'in place', why: because(h.cause) };
    case 'instance-forgotten':
      return { verb: 'forgotten', why: because(h.cause) };
    case 'hook-ran':
      return { verb: `hook ${h.hook}`, detail: h.ok ? 'succeeded' : 'failed', why: describeCommand(h) };
    case 'warning':
      return { verb: 'warning', detail: h.message };
    default:
      return unreachable(h);
  }
}

function whatRuns({ rolledBack, kept }: { readonly rolledBack: boolean; readonly kept?: true }): string {
  if (kept === true) return 'the former version goes on';
  return rolledBack ? 'rolled back' : '';
}

function pid(n: number | undefined): string {
  return n === undefined ? '' : `pid ${n}`;
}

const RESOURCE_VERBS: Readonly<Record<ResourceAction, string>> = {
  create: 'made',
  recreate: 'made anew',
  remove: 'removed',
  pull: 'pulled',
  build: 'built',
  keep: 'kept',
};

function because(cause: Cause): string {
  switch (cause.kind) {
    case 'added':
      return 'because it was added';
    case 'removed':
      return 'because it was removed from the manifest';
    case 'changed':
      return `because of ${describeCause(cause)}`;
    case 'dependency':
    case 'files':
      return `because ${describeCause(cause)}`;
    case 'user':
    case 'scaled':
    case 'schedule':
    case 'policy':
    case 'shutdown':
    case 'not-running':
      return describeCause(cause);
    case 'text':
      return `${cause.of === 'dependency' ? 'because ' : ''}${cause.text}`;
    default:
      return unreachable(cause);
  }
}
