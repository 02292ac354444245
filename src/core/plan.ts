import type { Cause, FieldChange } from './event.ts';
import { diffFields, type Fields } from './field-values.ts';
import { closure, compareText, type Edges, topologicalBatches } from './graph.ts';
import { stepOrder } from './plan-order.ts';
import type { ActionKind, PlanNote, PlanStep, PlanView } from './plan-view.ts';
import { unreachable } from './util/result.ts';
import { type Dependency, instanceId, type ServiceId } from './service.ts';
import type { InstanceStateKind, Wanted } from './state.ts';

/** An instance that the manifest asks for. */
export interface DesiredInstance {
  readonly service: ServiceId;
  /** From 1. */
  readonly number: number;
  readonly backend: string;
  readonly fingerprint: string;
  /** `launchFields` of what the fingerprint is of. */
  readonly fields: Fields;
  /** `policyFields`. */
  readonly policy: Fields;
  /** `down` where a person stopped it and this plan is not asked to start it again; else `up`. */
  readonly wanted: Wanted;
}

/** An instance that there is: running, at rest, or on record only. */
export interface ObservedInstance {
  readonly service: ServiceId;
  readonly number: number;
  readonly backend: string;
  readonly state: InstanceStateKind;
  readonly wanted: Wanted;
  /** Of the present or the last run; absent where there was none or where it is not known. */
  readonly fingerprint?: string;
  readonly fields?: Fields;
  /** The policy it is held by now; absent where that is not known, and then nothing is updated. */
  readonly policy?: Fields;
  /** The present run was started by an earlier daemon. */
  readonly adopted?: boolean;
}

export interface PlanInput {
  readonly project: string;
  /** As shown in the heading. */
  readonly manifest: string;
  /** The services of the manifest, those without instances too. Free of cycles; unknown dependencies do not matter. */
  readonly services: readonly {
    readonly id: ServiceId;
    readonly dependsOn: readonly Pick<Dependency, 'service'>[];
  }[];
  readonly desired: readonly DesiredInstance[];
  readonly observed: readonly ObservedInstance[];
  /** Services of the manifest that take no part because none of their profiles is active. */
  readonly inactive?: readonly ServiceId[];
  /** What services that are no longer in the manifest depended on, where that is known: orders their stops. */
  readonly formerEdges?: Edges;
  /** Only these services and what they depend on; absent or empty: all, and what is no longer wanted is stopped. */
  readonly only?: readonly ServiceId[];
  /** What has failed for good is tried again only where it has changed; absent: in any case. */
  readonly keepFailed?: boolean;
}

/** A step before it is known what it comes after. */
export type Draft = Omit<PlanStep, 'after'> & {
  readonly number: number;
  /** Ports and sockets that the step takes or frees; see `claims`. */
  readonly claims: readonly string[];
};

/**
 * Compares what is wanted with what there is. The steps form a DAG that brings the one to the other; planning again
 * after they are through gives no step but `none`. There is at most one step for an instance, apart from the `forget`
 * that follows the `stop` of one that is wanted no more. The same for the same input, in whatever order it comes.
 */
export function planProject(input: PlanInput): PlanView {
  const drafts = draftSteps(input).sort(byPlace);
  const after = stepOrder(drafts, dependencyEdges(input.services), input.formerEdges ?? new Map());
  const steps = drafts.map(({ number: _number, claims: _claims, ...step }): PlanStep => ({
    ...step,
    after: after.get(step.id) ?? [],
  }));
  const active = steps.filter((step) => step.action !== 'none').map((step) => step.id);
  return {
    project: input.project,
    manifest: input.manifest,
    serviceCount: input.services.length,
    steps,
    order: topologicalBatches(active, after),
    drift: active.length > 0,
  };
}

function dependencyEdges(services: PlanInput['services']): Edges {
  const known = new Set(services.map((service) => service.id));
  return new Map(
    services.map(({ id, dependsOn }) => [
      id,
      dependsOn.map((d) => d.service).filter((service) => service !== id && known.has(service)),
    ]),
  );
}

function byPlace(a: Draft, b: Draft): number {
  return compareText(a.service, b.service) || a.number - b.number || compareText(b.action, a.action);
}

function draftSteps(input: PlanInput): Draft[] {
  const { services, desired, observed, only = [], inactive = [], keepFailed = false } = input;
  const inManifest = new Set(services.map((service) => service.id));
  const scope = only.length === 0 ? undefined : closure(only, dependencyEdges(services));
  const inScope = ({ service }: { service: ServiceId }): boolean => scope?.has(service) ?? true;
  const had = countByService(observed);
  const wants = countByService(desired);
  const found = new Map(observed.map((o) => [instanceId(o.service, o.number), o]));
  const wanted = new Set(desired.map((d) => instanceId(d.service, d.number)));
  const scaled = (service: ServiceId): Cause => ({
    kind: 'scaled',
    from: had.get(service) ?? 0,
    to: wants.get(service) ?? 0,
  });
  const kept = desired.filter(inScope).map((d): Draft => {
    const there = found.get(instanceId(d.service, d.number));
    if (there !== undefined) return compare(d, there, keepFailed);
    if (d.wanted === 'down') return draft(d, 'none', [], 'stopped');
    return draft(d, 'start', [had.has(d.service) ? scaled(d.service) : { kind: 'added' }]);
  });
  const dropped = observed
    .filter((o) => inScope(o) && !wanted.has(instanceId(o.service, o.number)))
    .flatMap((o) => drop(o, inManifest.has(o.service) ? scaled(o.service) : absent(o.service, inactive)));
  return [...kept, ...dropped];
}

function absent(service: ServiceId, inactive: readonly ServiceId[]): Cause {
  return inactive.includes(service) ? { kind: 'policy', reason: { kind: 'profiles' } } : { kind: 'removed' };
}

function countByService(
  instances: readonly { readonly service: ServiceId }[],
): ReadonlyMap<ServiceId, number> {
  const counts = new Map<ServiceId, number>();
  for (const { service } of instances) counts.set(service, (counts.get(service) ?? 0) + 1);
  return counts;
}

/** An instance that is wanted no more: ended if it may be alive or come alive, then forgotten. */
function drop(observed: ObservedInstance, cause: Cause): readonly Draft[] {
  const forget = draft(observed, 'forget', [cause]);
  return isAtRest(observed.state) ? [forget] : [draft(observed, 'stop', [cause]), forget];
}

/** What an instance that is wanted and that there is needs. */
function compare(desired: DesiredInstance, observed: ObservedInstance, keepFailed: boolean): Draft {
  if (desired.wanted === 'down') return keepDown(desired, observed);
  const launch = launchChanges(desired, observed);
  const policy = policyChanges(desired, observed);
  const changes = [...changed(launch), ...changed(policy)];
  const start = (): Draft =>
    draft(desired, 'start', [
      ...changes,
      {
        kind: 'not-running',
        was:
          observed.fingerprint === undefined && observed.state === 'stopped' ? 'not-started' : observed.state,
      },
    ]);
  switch (observed.state) {
    case 'starting':
    case 'running':
      if (launch.length > 0) return draft(desired, 'replace', changes);
      return inPlace(desired, policy, observed.adopted === true ? 'adopted' : observed.state);
    case 'completed':
      return launch.length > 0 ? draft(desired, 'start', changes) : inPlace(desired, policy, observed.state);
    case 'stopping':
      // Wanted up, it starts again by itself once it is gone, and then with the launch that is wanted now.
      return observed.wanted === 'up' ? inPlace(desired, policy, 'restarting') : start();
    case 'waiting':
      return observed.wanted === 'up' ? inPlace(desired, policy, observed.state) : start();
    case 'scheduled':
      // Nothing runs, and the next run has the new launch.
      return inPlace(desired, [...launch, ...policy], observed.state);
    case 'backoff':
    case 'skipped':
      // Wanted up and unchanged, it is being seen to: by its next retry, by its gate.
      return observed.wanted === 'up' && launch.length === 0
        ? inPlace(desired, policy, observed.state)
        : start();
    case 'failed':
      return keepFailed && changes.length === 0 ? inPlace(desired, [], observed.state) : start();
    case 'stopped':
      return start();
    default:
      return unreachable(observed.state);
  }
}

function keepDown(desired: DesiredInstance, observed: ObservedInstance): Draft {
  const policy = policyChanges(desired, observed);
  const ends = observed.state === 'stopping' && observed.wanted === 'down';
  if (isAtRest(observed.state) || ends) return inPlace(desired, policy, observed.state);
  return draft(observed, 'stop', [{ kind: 'user', request: 'stop' }, ...changed(policy)]);
}

function inPlace(desired: DesiredInstance, policy: readonly FieldChange[], note: PlanNote): Draft {
  if (policy.length === 0) return draft(desired, 'none', [], note);
  return draft(desired, 'update', changed(policy));
}

function changed(fields: readonly FieldChange[]): readonly Cause[] {
  return fields.length === 0 ? [] : [{ kind: 'changed', fields }];
}

/** A fingerprint that is not known is no reason to replace anything: what runs is left alone. */
function launchChanges(desired: DesiredInstance, observed: ObservedInstance): readonly FieldChange[] {
  if (observed.fingerprint === undefined || observed.fingerprint === desired.fingerprint) return [];
  const fields = observed.fields === undefined ? [] : diffFields(observed.fields, desired.fields);
  if (fields.length > 0) return fields;
  return [{ field: 'launch', from: observed.fingerprint.slice(0, 8), to: desired.fingerprint.slice(0, 8) }];
}

function policyChanges(desired: DesiredInstance, observed: ObservedInstance): readonly FieldChange[] {
  return observed.policy === undefined ? [] : diffFields(observed.policy, desired.policy);
}

function isAtRest(state: InstanceStateKind): boolean {
  return state === 'stopped' || state === 'completed' || state === 'failed' || state === 'skipped';
}

function draft(
  of: DesiredInstance | ObservedInstance,
  action: ActionKind,
  causes: readonly Cause[],
  note?: PlanNote,
): Draft {
  const instance = instanceId(of.service, of.number);
  return {
    id: `${action}:${instance}`,
    action,
    service: of.service,
    number: of.number,
    instance,
    causes,
    backend: of.backend,
    claims: claims(of.fields ?? {}),
    ...(note === undefined ? {} : { note }),
  };
}

/** What only one process can hold at a time. */
function claims(fields: Fields): readonly string[] {
  return Object.entries(fields).flatMap(([field, value]) => {
    if (field.startsWith('ports.')) return [`port ${value}`];
    return field === 'socket' ? [`socket ${value}`] : [];
  });
}
