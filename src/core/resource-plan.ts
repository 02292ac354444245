import type { Cause } from './event.ts';
import { contentMark, diffFields, type Fields } from './field-values.ts';
import { compareText, topologicalBatches } from './graph.ts';
import type { PlanStep, PlanView, ResourceAction, ResourceKind, ResourceStep } from './plan-view.ts';
import type { ServiceId } from './service.ts';

/** A network, volume, image or build of a project: as it is wanted, and as it is. */
export interface ResourceState {
  readonly kind: ResourceKind;
  /** As the engine calls it. */
  readonly name: string;
  readonly backend: string;
  /** Services of the manifest that need it, sorted. */
  readonly neededBy: readonly ServiceId[];
  /** Services of which something holds on to it now. */
  readonly usedBy: readonly ServiceId[];
  /** What the manifest asks of it, field by field; absent: no service needs it any more. */
  readonly wanted?: Fields;
  /** As it is; absent: it is not there. */
  readonly found?: Fields;
  /** Of an image or build that is there: it is brought anew with every start all the same. */
  readonly always?: true;
}

interface Decision {
  readonly action: ResourceAction;
  readonly causes: readonly Cause[];
}

/**
 * The plan, with what it takes to have what its instances need, and to be rid of what none needs. Images and builds stand
 * in it only where something is started that needs them: a look at a registry alone is no drift. A volume is never made
 * anew nor removed: one that differs, or that nothing names any more, is named with the action `keep`, which is no drift.
 * `whole`: the plan is of all services, so that what no service needs goes.
 */
export function planResources(plan: PlanView, states: readonly ResourceState[], whole: boolean): PlanView {
  const begun = servicesOf(plan.steps, ['start', 'replace']);
  const inPlan = servicesOf(plan.steps);
  const steps = states.flatMap((state): ResourceStep[] => {
    const concerned = state.wanted === undefined ? whole : state.neededBy.some((id) => inPlan.has(id));
    const decision = concerned ? decide(state, begun) : undefined;
    if (decision === undefined) return [];
    const { kind, name, backend, neededBy } = state;
    const id = `${decision.action}:${kind}:${name}`;
    return [
      { id, kind, name, backend, services: neededBy, ...decision, after: after(plan.steps, state, decision) },
    ];
  });
  return steps.length === 0 ? plan : withResources(plan, steps.sort(byPlace));
}

function decide(state: ResourceState, begun: ReadonlySet<ServiceId>): Decision | undefined {
  const { kind, wanted, found, neededBy } = state;
  const isNeededNow = neededBy.some((id) => begun.has(id));
  switch (kind) {
    case 'network':
    case 'volume': {
      if (found === undefined) {
        return wanted !== undefined && isNeededNow
          ? { action: 'create', causes: [{ kind: 'added' }] }
          : undefined;
      }
      const isNetwork = kind === 'network';
      if (wanted === undefined) {
        return { action: isNetwork ? 'remove' : 'keep', causes: [{ kind: 'removed' }] };
      }
      const fields = diffFields(found, wanted);
      if (fields.length === 0) return undefined;
      return { action: isNetwork ? 'recreate' : 'keep', causes: [{ kind: 'changed', fields }] };
    }
    case 'image':
    case 'build': {
      if (wanted === undefined || !isNeededNow) return undefined;
      const action = kind === 'image' ? 'pull' : 'build';
      if (found === undefined) return { action, causes: [{ kind: 'added' }] };
      const fields = diffFields(found, wanted);
      if (fields.length > 0) return { action, causes: [{ kind: 'changed', fields }] };
      return state.always === true
        ? { action, causes: [{ kind: 'policy', reason: { kind: 'refresh' } }] }
        : undefined;
    }
  }
}

/** What a build is made from, as fields: the digest is told as content that changed. */
export function buildFields(digest: string): Fields {
  return { inputs: `content ${contentMark(digest)}` };
}

/** What goes waits until nothing holds on to it; what is made anew, for the stops of what does. */
function after(
  steps: readonly PlanStep[],
  { usedBy }: ResourceState,
  { action }: Decision,
): readonly string[] {
  const kinds: readonly PlanStep['action'][] =
    action === 'remove' ? ['stop', 'replace', 'start'] : action === 'recreate' ? ['stop'] : [];
  const waited = steps.filter((step) => kinds.includes(step.action) && usedBy.includes(step.service));
  return waited.map(({ id }) => id);
}

function withResources(plan: PlanView, resources: readonly ResourceStep[]): PlanView {
  const steps = plan.steps.map((step): PlanStep => {
    if (step.action !== 'start' && step.action !== 'replace') return step;
    const needed = resources.filter(
      ({ action, services }) => action !== 'keep' && action !== 'remove' && services.includes(step.service),
    );
    return needed.length === 0 ? step : { ...step, after: [...needed.map(({ id }) => id), ...step.after] };
  });
  const made = resources.filter(({ action }) => action !== 'keep');
  const active = [...made, ...steps.filter(({ action }) => action !== 'none')];
  const edges = new Map(active.map((step) => [step.id, step.after]));
  return {
    ...plan,
    steps,
    resources,
    order: topologicalBatches([...edges.keys()], edges),
    drift: plan.drift || made.length > 0,
  };
}

function servicesOf(
  steps: readonly PlanStep[],
  actions?: readonly PlanStep['action'][],
): ReadonlySet<ServiceId> {
  const chosen = actions === undefined ? steps : steps.filter(({ action }) => actions.includes(action));
  return new Set(chosen.map(({ service }) => service));
}

function byPlace(a: ResourceStep, b: ResourceStep): number {
  return compareText(a.kind, b.kind) || compareText(a.name, b.name);
}
