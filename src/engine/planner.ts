import { policyFields } from '../core/fields/policy.ts';
import { closure } from '../core/graph.ts';
import type { ObservedInstance } from '../core/plan.ts';
import type { PlanView } from '../core/plan-view.ts';
import { launchRecord, projectPlan, type ProjectContext } from '../core/project-plan.ts';
import { instanceId, type InstanceId, type ServiceId } from '../core/service.ts';
import type { RunId } from '../core/state.ts';
import type { ProjectRecord, Store } from '../ports/store.ts';
import { edgesOf, type Fleet, type LoadedProject } from './fleet.ts';
import type { Launches } from './launches.ts';
import type { Orphans } from './orphans.ts';
import type { ProjectMemory } from './project-memory.ts';
import type { ResourceSteps } from './resource-steps.ts';
import type { Supervisor } from './instance/supervisor.ts';

/** A project to be taken up without undoing what people asked for since the last `up`. */
export interface ReloadInput {
  readonly next: LoadedProject;
  /** What that `up` was limited to: other services that are new stay down. Empty: it was not. */
  readonly only: readonly ServiceId[];
  /** The numbers of instances that `scale` was asked for and that still count. */
  readonly scale: ProjectRecord['scale'];
}

/** What a plan leaves as it is. */
export interface Kept {
  readonly isDown: (service: ServiceId, number: number) => boolean;
  /** Whether what has failed for good is left alone unless it has changed. */
  readonly failed: boolean;
}

export interface PlanningHost {
  readonly store: Pick<Store, 'readRuns'>;
  readonly fleet: Fleet;
  readonly launches: Launches;
  readonly orphans: Orphans;
  readonly resources: ResourceSteps;
  readonly memory: ProjectMemory;
  /** Whether a plan under way is still to begin something for an instance. */
  readonly awaits: (instance: InstanceId) => boolean;
}

/** Makes plans: sees how the instances are and compares. Changes nothing but that automatic ports are handed out. */
export class Planner {
  readonly #host: PlanningHost;

  constructor(host: PlanningHost) {
    this.#host = host;
  }

  /**
   * What it takes to have the project as it is wanted, or, with `only`, those services and what they run on. Hands out
   * automatic ports, so that the plan is the one that would be carried out; rejects where the system has no free one.
   */
  async plan(next: LoadedProject, only: readonly ServiceId[], kept?: Kept): Promise<PlanView> {
    const { launches, fleet, memory, orphans, resources } = this.#host;
    await launches.lookAt(next.project.services);
    const context = launches.contextOf(next);
    const observed = fleet.all().map((s) => this.#observe(s, context));
    const formerEdges = edgesOf(fleet.specs.values());
    const input = { observed, only, formerEdges, keepFailed: kept?.failed === true };
    const steps = projectPlan(next.project, context, input, kept?.isDown);
    const isWhole = only.length === 0;
    const isUsed = (memory.record.backends ?? []).length > 0;
    const { redactor } = context;
    const plan = resources.concern(next.project, isUsed)
      ? await resources.addTo(steps, next.project, { isWhole, redactor })
      : steps;
    return isUsed && isWhole ? orphans.addTo(plan, memory.record.name, this.#runs()) : plan;
  }

  /** The same for a manifest that was edited; see `Engine.reload`. */
  planReload(input: ReloadInput): Promise<PlanView> {
    const kept = { isDown: this.heldDown(this.leftDown(input)), failed: true };
    return this.plan(scaled(input.next, input.scale), [], kept);
  }

  /** The services that a reload leaves down as a whole. */
  leftDown({ next, only }: ReloadInput): (service: ServiceId) => boolean {
    const { fleet, memory } = this.#host;
    const { services } = next.project;
    const edges = edgesOf(services);
    const asked =
      only.length === 0
        ? undefined
        : closure(
            only.filter((id) => edges.has(id)),
            edges,
          );
    const stopped = new Set(memory.record.stopped);
    return (id) => stopped.has(id) || (asked !== undefined && !asked.has(id) && fleet.of(id).length === 0);
  }

  /** The instances that are left down: those of such services, and single ones that a person has stopped. */
  heldDown(isDown: (service: ServiceId) => boolean): Kept['isDown'] {
    const { fleet, awaits } = this.#host;
    return (service, number) => {
      if (isDown(service)) return true;
      const id = instanceId(service, number);
      const there = fleet.get(id);
      // What an earlier plan has not come to yet, or what was on its way out of the manifest, nobody has stopped.
      const known = number <= (fleet.specs.get(service)?.replicas ?? 0);
      return there?.machine.wanted === 'down' && known && !awaits(id);
    };
  }

  /** All runs that somebody knows of. */
  #runs(): ReadonlySet<RunId> {
    const { fleet, store } = this.#host;
    const live = fleet.all().flatMap(({ state }) => ('run' in state ? [state.run] : []));
    return new Set([...live, ...store.readRuns().runs.map(({ run }) => run)]);
  }

  #observe(supervisor: Supervisor, { redactor, salt }: ProjectContext): ObservedInstance {
    const { ref, spec, machine, launched } = supervisor;
    return {
      service: ref.service,
      number: ref.number,
      backend: supervisor.backend,
      state: machine.state.kind,
      wanted: machine.wanted,
      policy: policyFields(spec, redactor, salt),
      adopted: supervisor.adopted,
      ...launched,
      ...this.#nextLaunch(supervisor),
    };
  }

  /** Of what waits for its schedule the next run's launch counts: the manifest that was applied last is in force. */
  #nextLaunch({ state, ref, spec }: Supervisor): Partial<ReturnType<typeof launchRecord>> {
    if (state.kind !== 'scheduled') return {};
    const { loaded } = this.#host.fleet;
    return launchRecord(spec, loaded.project.name, ref.number, this.#host.launches.contextOf(loaded));
  }
}

/** With as many instances as `scale` was asked for, which lasts until the next apply. */
export function scaled(loaded: LoadedProject, scale: ProjectRecord['scale']): LoadedProject {
  const { project, ...under } = loaded;
  const services = project.services.map((spec) => ({ ...spec, replicas: scale[spec.id] ?? spec.replicas }));
  return { ...under, project: { ...project, services } };
}
