import type { PlanCounts } from '../core/api.ts';
import type { FormerText, ServiceChange, StepCounts } from '../core/event.ts';
import type { ActionKind } from '../core/plan-view.ts';
import { describeCause } from './cause.ts';

/** "1 to start, 2 to replace"; "nothing to do". */
export function describeCounts(counts: PlanCounts | FormerText): string {
  if ('text' in counts) return counts.text;
  const { start, replace, update, stop, resources = 0 } = counts;
  const parts: readonly (readonly [number, string])[] = [
    [start, 'to start'],
    [replace, 'to replace'],
    [update, 'in place'],
    [stop, 'to stop'],
    [resources, resources === 1 ? 'resource to make or remove' : 'resources to make or remove'],
  ];
  const said = parts.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`);
  return said.length === 0 ? 'nothing to do' : said.join(', ');
}

/** The same of all that a plan holds: "2 to start, 1 to forget". */
export function describeStepCounts(counts: StepCounts | FormerText): string {
  if ('text' in counts) return counts.text;
  const said = Object.entries(counts).map(([action, n]) => `${n} to ${action}`);
  return said.length === 0 ? 'nothing to do' : said.join(', ');
}

/** A line for each change: `api: env.PORT "8080" -> "8081": replace`. */
export function changeLines(of: {
  readonly changes: readonly (ServiceChange | FormerText)[];
  readonly more?: number;
}): readonly string[] {
  const lines = of.changes.map(changeLine);
  return of.more === undefined ? lines : [...lines, `and ${of.more} more`];
}

function changeLine(change: ServiceChange | FormerText): string {
  if ('text' in change) return change.text;
  const { service, action, causes, instances } = change;
  return `${service}: ${causes.map(describeCause).join(', ')}: ${doing(action, instances)}`;
}

const WORDS: Readonly<Record<ActionKind, string>> = {
  start: 'start',
  replace: 'replace',
  update: 'in place',
  stop: 'stop',
  forget: 'forget',
  none: 'unchanged',
};

function doing(action: ActionKind, instances: number): string {
  if (instances === 1) return WORDS[action];
  return action === 'replace' ? `replace ${instances}, one after another` : `${WORDS[action]} (${instances})`;
}
