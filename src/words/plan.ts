import { describeCause, describeChange } from './cause.ts';
import type { Cause } from '../core/event.ts';
import { closure, reversed, topologicalBatches } from '../core/graph.ts';
import type { ActionKind, PlanStep, PlanView, ResourceAction, ResourceStep } from '../core/plan-view.ts';
import { escapeControl } from '../core/redact.ts';
import { unreachable } from '../core/util/result.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';

export interface PlanTextOptions {
  /** Colours the text of an action; must not change its width. */
  readonly colour?: (kind: ActionKind, text: string) => string;
  /** How long an unchanged instance has been up, in words; undefined where it is not. */
  readonly upSince?: (instance: InstanceId) => string | undefined;
}

/** More changed fields of one step are counted only. */
const MAX_FIELDS = 20;
/** More parts of the order are counted only. */
const MAX_CHAINS = 8;
const MAX_NAMES = 8;

interface Kind {
  readonly symbol: string;
  readonly label: string;
  /** In the line of counts: "2 to start". */
  readonly counted: string;
}

/** In the order of the lines. */
const KINDS: Readonly<Record<ActionKind, Kind>> = {
  replace: { symbol: '~', label: 'replace', counted: 'to replace' },
  update: { symbol: '~', label: 'in place', counted: 'in place' },
  start: { symbol: '+', label: 'start', counted: 'to start' },
  stop: { symbol: '-', label: 'stop', counted: 'to stop' },
  forget: { symbol: '-', label: 'forget', counted: 'to forget' },
  none: { symbol: '=', label: 'unchanged', counted: 'unchanged' },
};
const RESOURCES: Readonly<Record<ResourceAction, Kind & { readonly colour: ActionKind }>> = {
  create: { symbol: '+', label: 'create', counted: 'to create', colour: 'start' },
  pull: { symbol: '+', label: 'pull', counted: 'to pull', colour: 'start' },
  build: { symbol: '+', label: 'build', counted: 'to run', colour: 'start' },
  recreate: { symbol: '~', label: 'recreate', counted: 'to recreate', colour: 'replace' },
  remove: { symbol: '-', label: 'remove', counted: 'to remove', colour: 'stop' },
  keep: { symbol: '=', label: 'keep', counted: 'kept', colour: 'none' },
};
const RESOURCE_WIDTH = Math.max(...Object.values(RESOURCES).map(({ label }) => label.length));
const LINES: readonly ActionKind[] = ['replace', 'update', 'start', 'stop', 'forget', 'none'];
const COUNTS: readonly ActionKind[] = ['start', 'replace', 'stop', 'forget', 'update'];
const LABEL_WIDTH = Math.max(...Object.values(KINDS).map(({ label }) => label.length));

type AnyStep = PlanStep | ResourceStep;

/** Of what may happen at once, in the order of its telling. */
const SEQUENCE = [
  'stop',
  'forget',
  'remove',
  'create',
  'recreate',
  'pull',
  'build',
  'start',
  'replace',
] as const;

/** A plan for people; ends in a newline. The same for the same plan. */
export function planText(
  view: PlanView,
  { colour = (_, text) => text, upSince }: PlanTextOptions = {},
): string {
  const services = `${view.serviceCount} ${view.serviceCount === 1 ? 'service' : 'services'}`;
  const heading = escapeControl(`${view.manifest} against what runs (project ${view.project}, ${services})`);
  const nameOf = namer(view.steps);
  const steps = view.steps.filter((step) => !followsStop(step));
  const width = Math.max(0, ...steps.map((step) => nameOf(step).length));
  const lines = LINES.flatMap((kind) => steps.filter(({ action }) => action === kind)).flatMap((step) => {
    const { symbol, label } = KINDS[step.action];
    const head = `${symbol} ${nameOf(step).padEnd(width)}  ${label.padEnd(LABEL_WIDTH)}`;
    const [first = '', ...more] = details(step, upSince?.(step.instance));
    return [
      `  ${colour(step.action, head)}  ${first}`.trimEnd(),
      ...more.map((line) => `  ${' '.repeat(head.length)}  ${line}`),
    ];
  });
  const extra = orphanLines(view, (text) => colour('stop', text));
  const all = [...resourceLines(view, colour), ...lines, ...extra];
  const body = all.length === 0 ? '' : `${all.join('\n')}\n\n`;
  return `${heading}\n\n${body}${summary(steps, nameOf, view)}\n`;
}

function resourceLines(
  { resources = [], resourcesUnknown }: PlanView,
  colour: NonNullable<PlanTextOptions['colour']>,
): readonly string[] {
  const nameOf = ({ kind, name }: ResourceStep): string => escapeControl(`${kind} ${name}`);
  const width = Math.max(0, ...resources.map((step) => nameOf(step).length));
  const lines = resources.flatMap((step) => {
    const { symbol, label, colour: paint } = RESOURCES[step.action];
    const head = `${symbol} ${nameOf(step).padEnd(width)}  ${label.padEnd(RESOURCE_WIDTH)}`;
    const [first = '', ...more] = resourceDetails(step);
    return [
      `  ${colour(paint, head)}  ${first}`.trimEnd(),
      ...more.map((line) => `  ${' '.repeat(head.length)}  ${line}`),
    ];
  });
  if (resourcesUnknown === undefined) return lines;
  return [
    ...lines,
    `  ? how networks, volumes and images are is not known: ${escapeControl(resourcesUnknown)}`,
  ];
}

function resourceDetails({ action, causes, services, backend }: ResourceStep): readonly string[] {
  const lines = causes.flatMap((cause) => {
    if (cause.kind === 'added') return [`for ${services.slice(0, MAX_NAMES).join(', ')} (${backend})`];
    return cause.kind === 'removed' ? ['no service names it any more'] : describe(cause, backend);
  });
  const shown =
    lines.length > MAX_FIELDS
      ? [...lines.slice(0, MAX_FIELDS), `and ${lines.length - MAX_FIELDS} more`]
      : lines;
  if (action !== 'keep') return shown;
  const isNamed = causes.some((cause) => cause.kind === 'changed');
  return [
    ...shown,
    isNamed
      ? 'what is in it would be lost: remove it by hand, and the next start makes it as described'
      : 'what is in it is kept; `down --volumes` removes it',
  ];
}

function orphanLines(
  { orphans = [], orphansUnknown }: PlanView,
  paint: (text: string) => string,
): readonly string[] {
  const lines = orphans.map(
    ({ name }) =>
      `  ${paint(`- orphan container ${escapeControl(name)}`)}  (from an earlier manifest): remove`,
  );
  if (orphansUnknown === undefined) return lines;
  return [...lines, `  ? whether there are orphans is not known: ${escapeControl(orphansUnknown)}`];
}

/** It says nothing that the stop has not said. */
function followsStop({ action, after, instance }: PlanStep): boolean {
  return action === 'forget' && after.includes(`stop:${instance}`);
}

/** A service's only instance goes by the service's name. */
function namer(steps: readonly PlanStep[]): (step: PlanStep) => string {
  const several = new Set<ServiceId>();
  for (const { service, instance } of steps) if (instance !== `${service}.1`) several.add(service);
  return ({ service, instance }) => (several.has(service) ? instance : service);
}

function details(step: PlanStep, age: string | undefined): readonly string[] {
  if (step.action === 'none') {
    const up = age === undefined ? [] : [`up ${age}`];
    return [[...(step.note === undefined ? [] : [step.note]), ...up].join(', ')];
  }
  const lines = step.causes.flatMap((cause) => describe(cause, step.backend));
  if (lines.length <= MAX_FIELDS) return lines;
  return [...lines.slice(0, MAX_FIELDS), `and ${lines.length - MAX_FIELDS} more`];
}

function describe(cause: Cause, backend: string): readonly string[] {
  switch (cause.kind) {
    case 'added':
      return [`added (${backend})`];
    case 'changed':
      return cause.fields.map(describeChange);
    case 'removed':
    case 'dependency':
    case 'user':
    case 'scaled':
    case 'not-running':
    case 'schedule':
    case 'files':
    case 'policy':
    case 'shutdown':
    case 'text':
      return [describeCause(cause)];
    default:
      return unreachable(cause);
  }
}

function summary(
  steps: readonly PlanStep[],
  nameOf: (step: PlanStep) => string,
  { orphans: { length: orphans } = [], resources = [] }: PlanView,
): string {
  const made = resources.filter(({ action }) => action !== 'keep');
  const kinds = [...new Set(made.map(({ action, kind }) => `${action} ${kind}`))];
  const resourceCounts = kinds.map((each) => {
    const same = made.filter(({ action, kind }) => `${action} ${kind}` === each);
    const [{ action, kind } = { action: 'create', kind: 'network' } as const] = same;
    return `${same.length} ${kind}${same.length === 1 ? '' : 's'} ${RESOURCES[action].counted}`;
  });
  const stepCounts = COUNTS.flatMap((kind) => {
    const count = steps.filter(({ action }) => action === kind).length;
    return count === 0 ? [] : [`${count} ${KINDS[kind].counted}`];
  });
  const counts = [...resourceCounts, ...stepCounts];
  if (orphans > 0) counts.push(`${orphans} ${orphans === 1 ? 'orphan' : 'orphans'} to remove`);
  if (counts.length === 0) return 'Nothing to do.';
  const sequence = order([...made, ...steps], (step) =>
    'instance' in step ? nameOf(step) : escapeControl(step.name),
  );
  return `${counts.join(', ')}.${sequence === '' ? '' : ` Order: ${sequence}`}`;
}

/**
 * "stop legacy | start cache -> replace api": what hangs together stands between bars, what may happen at once between
 * commas. Steps that neither wait nor are waited for share one part per action.
 */
function order(steps: readonly AnyStep[], nameOf: (step: AnyStep) => string): string {
  const active = steps.filter(({ action }) => action !== 'none' && action !== 'update');
  const byId = new Map(active.map((step) => [step.id, step]));
  const edges = new Map(active.map(({ id, after }) => [id, after.filter((other) => byId.has(other))]));
  const turned = reversed(edges);
  const both = new Map(active.map(({ id }) => [id, [...(edges.get(id) ?? []), ...(turned.get(id) ?? [])]]));
  const alone = active.filter(({ id }) => both.get(id)?.length === 0);
  const parts = grouped(alone, nameOf);
  const seen = new Set<string>();
  for (const { id } of active) {
    if (seen.has(id) || both.get(id)?.length === 0) continue;
    const members = closure([id], both);
    for (const member of members) seen.add(member);
    const ids = active.map((step) => step.id).filter((other) => members.has(other));
    const batches = topologicalBatches(ids, edges).map((batch) =>
      grouped(
        batch.flatMap((other) => byId.get(other) ?? []),
        nameOf,
      ).join(', '),
    );
    parts.push(shortened(batches, ' -> '));
  }
  return shortened(parts, ' | ');
}

/** "stop a, b" and "start c": stops first, names in the order of the steps. */
function grouped(steps: readonly AnyStep[], nameOf: (step: AnyStep) => string): string[] {
  return SEQUENCE.flatMap((kind) => {
    const names = steps.filter(({ action }) => action === kind).map(nameOf);
    if (names.length === 0) return [];
    const more = names.length - MAX_NAMES;
    return [`${kind} ${names.slice(0, MAX_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`];
  });
}

function shortened(parts: readonly string[], separator: string): string {
  const more = parts.length - MAX_CHAINS;
  if (more <= 0) return parts.join(separator);
  return [...parts.slice(0, MAX_CHAINS), `${more} more`].join(separator);
}
