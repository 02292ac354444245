import type { ActionRequest, DownRequest, DownResponse, FailedChange, ServiceSnapshot } from '../core/api.ts';
import type { Cause, ProjectEventBody } from '../core/event.ts';
import type { GateVerdict } from '../core/machine.ts';
import type { PlanView } from '../core/plan-view.ts';
import { countSteps, serviceChanges, stepCounts } from '../core/reload.ts';
import type { Redactor } from '../core/redact.ts';
import { ok, type Result } from '../core/util/result.ts';
import type { InstanceId, Project, ServiceId, ServiceSpec } from '../core/service.ts';
import type { InstanceRef } from '../core/state.ts';
import type { ProjectRecord } from '../ports/store.ts';
import { act, type ActResult } from './actions.ts';
import { commandLinesOf } from './command-lines.ts';
import { Execution } from './execution.ts';
import { Fleet, type LoadedProject } from './fleet.ts';
import { ProjectView } from './project-view.ts';
import { Launches } from './launches.ts';
import { Orphans } from './orphans.ts';
import { type Kept, Planner, type ReloadInput, scaled } from './planner.ts';
import { ProjectMemory } from './project-memory.ts';
import { Publisher } from './publisher.ts';
import { type ResumedRun, takeOver } from './adoption.ts';
import { ResourceSteps } from './resource-steps.ts';
import type { UnknownName } from './select.ts';
import type { Shutdown } from './shutdown.ts';
import { Supervisor, type SupervisorPorts } from './instance/supervisor.ts';
import { ProjectShutdown } from './project-shutdown.ts';
import { type Tell, tellerOf } from './journal.ts';

export interface EnginePorts extends SupervisorPorts {
  readonly freePort: () => Promise<number>;
}

const SNAPSHOT_INTERVAL_MS = 25;

/** A change of what is wanted, beside its plan. */
interface Change {
  readonly next: LoadedProject;
  /** What is put on record; absent where it is there already. */
  readonly remembered?: Partial<ProjectRecord>;
  readonly happening?: ProjectEventBody;
  /** Whether plans under way go on, but for the instances that this one concerns. */
  readonly beside?: boolean;
}

/**
 * Keeps the instances of one project as its manifest wants them. All it does follows from the states as they are: a
 * plan compares whole states, gates are asked again whenever a state changes, a shutdown looks at who lives.
 *
 * Here stands what changes what is wanted, and the parts are put together: `Planning` says what it takes, `Execution` has
 * it done, `ProjectView` has happen what follows from changed states, `ProjectShutdown` ends it all.
 */
export class Engine {
  readonly #ports: EnginePorts;
  readonly #tell: Tell;
  readonly #publisher: Publisher;
  readonly #memory: ProjectMemory;
  readonly #fleet: Fleet;
  readonly #launches: Launches;
  readonly #planning: Planner;
  readonly #execution: Execution;
  readonly #projectShutdown: ProjectShutdown;

  constructor(ports: EnginePorts, record: ProjectRecord, nothing: LoadedProject) {
    const { backend, clock, store, logs } = ports;
    const tell = tellerOf(store);
    const publisher = new Publisher(clock, SNAPSHOT_INTERVAL_MS);
    const memory = new ProjectMemory(store, tell, record);
    const fleet = new Fleet(nothing, (ref, spec) => new Supervisor(ref, spec, ports, host));
    const launches = new Launches(ports, fleet, memory);
    const masked = (text: string): string => fleet.redactor.text(text);
    const orphans = new Orphans({ backend, clock, tell, masked });
    const resources = new ResourceSteps({ backend, clock, memory, tell, masked });
    const isGoingDown = (): boolean => this.shutdown !== undefined;
    const execution = new Execution({
      backend,
      store,
      fleet,
      orphans,
      resources,
      publisher,
      tell,
      isGoingDown,
    });
    const awaits = (instance: InstanceId): boolean => execution.awaits(instance);
    const planning = new Planner({ store, fleet, launches, orphans, resources, memory, awaits });
    const projectShutdown = new ProjectShutdown({
      backend,
      clock,
      store,
      fleet,
      memory,
      execution,
      publisher,
      tell,
    });
    const host: ProjectView = new ProjectView({
      logs,
      fleet,
      launches,
      planning,
      execution,
      projectShutdown,
      memory,
      publisher,
      gate: (ref, waitedMs) => this.gate(ref, waitedMs),
    });
    this.#ports = ports;
    this.#tell = tell;
    this.#publisher = publisher;
    this.#memory = memory;
    this.#fleet = fleet;
    this.#launches = launches;
    this.#planning = planning;
    this.#execution = execution;
    this.#projectShutdown = projectShutdown;
  }

  get project(): Project {
    return this.#fleet.loaded.project;
  }

  get redactor(): Redactor {
    return this.#fleet.redactor;
  }

  get revision(): number {
    return this.#publisher.revision;
  }

  get record(): ProjectRecord {
    return this.#memory.record;
  }

  get shutdown(): Shutdown | undefined {
    return this.#projectShutdown.shutdown;
  }

  /** Services whose new version could not even be begun, and of which the former one goes on, by name. */
  get notReplaced(): readonly FailedChange[] {
    return this.#execution.notReplaced;
  }

  services(): readonly ServiceSnapshot[] {
    return this.#fleet.snapshots();
  }

  supervisors(): Iterable<Supervisor> {
    return this.#fleet.all();
  }

  /** An instance's supervisor. */
  instance(id: InstanceId): Supervisor | undefined {
    return this.#fleet.get(id);
  }

  /** Calls `listener` after changes, bundled. */
  subscribe(listener: () => void): () => void {
    return this.#publisher.subscribe(listener);
  }

  /** Tells subscribers of something that snapshots show and that is not kept here. */
  touched(): void {
    this.#publisher.changed();
  }

  /** May this instance start? `waitedMs`: how long it has waited for its gate by now. */
  gate(ref: InstanceRef, waitedMs: number): GateVerdict {
    if (this.shutdown !== undefined) return { kind: 'blocked', on: [] };
    return this.#fleet.gate(ref, { forMs: waitedMs, wallNow: this.#ports.clock.wall() });
  }

  // --- what would be done -----------------------------------------------------------------------------------------

  /** What `apply` would do. Hands out automatic ports, so that the plan is the one that would be carried out. */
  plan(next: LoadedProject, only: readonly ServiceId[]): Promise<PlanView> {
    return this.#planning.plan(next, only);
  }

  /** What `reload` would do. */
  planReload(input: ReloadInput): Promise<PlanView> {
    return this.#planning.planReload(input);
  }

  /** How the instances of such a plan would be started by hand. */
  commandLines(next: LoadedProject, plan: PlanView): ReturnType<typeof commandLinesOf> {
    return commandLinesOf(this.#ports.backend, next.project, plan, this.#launches.contextOf(next));
  }

  // --- what changes what is wanted --------------------------------------------------------------------------------

  /** Makes the project the wanted one and begins to carry out the plan, which is the answer. */
  async apply(
    next: LoadedProject,
    only: readonly ServiceId[],
    load: ProjectRecord['load'],
    how?: ProjectRecord['reload'],
  ): Promise<PlanView> {
    const plan = await this.#planning.plan(next, only);
    const named = new Set(only);
    const excluded = next.project.services.map((s) => s.id).filter((id) => !isNeeded(plan, id));
    const kept = this.record.stopped.filter(
      (id) => only.length > 0 && !named.has(id) && excluded.includes(id),
    );
    const newlyLeftOut = only.length > 0 ? excluded.filter((id) => !this.#fleet.isWanted(id)) : [];
    const remembered = {
      name: next.project.name,
      dir: next.project.dir,
      load,
      phase: 'up' as const,
      stopped: [...new Set([...kept, ...newlyLeftOut])].sort(),
      scale: {},
      ...(how === undefined ? {} : { reload: how }),
    };
    const happening = { type: 'manifest-applied' as const, counts: stepCounts(plan) };
    await this.#carryOut(plan, { next, remembered, happening });
    return plan;
  }

  /**
   * As `apply`, for a manifest that was edited: services that a person has stopped or scaled stay so, what has failed for
   * good is left alone unless it has changed, and new services stay down where the last `up` was limited to others.
   */
  async reload(input: ReloadInput, how: NonNullable<ProjectRecord['reload']>): Promise<PlanView> {
    const plan = await this.#planning.planReload(input);
    const { project } = input.next;
    const stopped = project.services.map(({ id }) => id).filter(this.#planning.leftDown(input));
    const intent = { name: project.name, dir: project.dir, stopped: stopped.sort(), scale: input.scale };
    await this.#carryOut(plan, {
      next: scaled(input.next, input.scale),
      ...(isRecorded(intent, this.record) ? {} : { remembered: intent }),
      happening: { type: 'manifest-reloaded', counts: countSteps(plan), ...serviceChanges(plan) },
    });
    // Somebody waits for the first action, not for the disk. A daemon that dies here reloads once more, to no effect.
    this.#memory.remember({ reload: how });
    return plan;
  }

  /** Keeps how changes of the manifest are taken up, for a later daemon. */
  keepReload(how: NonNullable<ProjectRecord['reload']>): void {
    this.#memory.remember({ reload: how });
    this.touched();
  }

  /** Has a service run by another specification than the manifest's until the next `apply` or `reload`. */
  async substitute(spec: ServiceSpec, cause: Cause): Promise<void> {
    const isDown = this.#planning.heldDown((id) => this.record.stopped.includes(id));
    await this.#changeService(spec, cause, { kept: { isDown, failed: false } });
  }

  /** Sets a service's number of instances until the manifest is applied again. */
  async scale(service: ServiceId, replicas: number): Promise<Result<ActResult, UnknownName>> {
    const { specs } = this.#fleet;
    const spec = specs.get(service);
    if (spec === undefined) return { ok: false, error: { name: service, known: [...specs.keys()].sort() } };
    const cause: Cause = { kind: 'scaled', from: spec.replicas, to: replicas };
    const scale = { ...this.record.scale, [service]: replicas };
    const own = await this.#changeService({ ...spec, replicas }, cause, { remembered: { scale } });
    const affected = new Set(own.steps.filter((s) => s.action !== 'none').map((s) => s.instance));
    const unchanged = own.steps.map((s) => s.instance).filter((id) => !affected.has(id));
    return ok({ affected: [...affected], unchanged });
  }

  /** Does what is asked of single instances. */
  act(request: ActionRequest): Result<ActResult, UnknownName> {
    if (request.action === 'scale') throw new Error('scale is asked of `scale`');
    return act(request, { fleet: this.#fleet, execution: this.#execution, memory: this.#memory });
  }

  // --- the beginning and the end ----------------------------------------------------------------------------------

  /**
   * Goes on where an earlier daemon ended: takes over what runs, learns how the rest ended, starts what is wanted and
   * was not begun. What the manifest has changed since is left for the next `apply`.
   */
  resume(loaded: LoadedProject | undefined, found: readonly ResumedRun[]): void {
    if (loaded !== undefined) this.#adoptProject(scaled(loaded, this.record.scale));
    for (const { record } of found) {
      const spec = this.#fleet.specs.get(record.service);
      if (spec !== undefined && record.inputs !== undefined) this.#launches.seed(spec, record.inputs);
    }
    takeOver(this.#fleet, found, this.record.stopped);
  }

  /** Resolves once the project is down, or once all means have been used. */
  down(request: DownRequest): Promise<DownResponse> {
    return this.#projectShutdown.down(request);
  }

  /** Ends the engine's own timers; what runs goes on running. */
  dispose(): void {
    for (const supervisor of this.#fleet.all()) supervisor.dispose();
  }

  // --- inside -----------------------------------------------------------------------------------------------------

  #adoptProject(loaded: LoadedProject): void {
    this.#fleet.adopt(loaded);
    this.#publisher.changed();
  }

  /** Adopts the project with another specification of one service, and carries out what that means for its instances. */
  async #changeService(
    spec: ServiceSpec,
    cause: Cause,
    { remembered = {}, kept }: { readonly remembered?: Partial<ProjectRecord>; readonly kept?: Kept } = {},
  ): Promise<PlanView> {
    const { loaded } = this.#fleet;
    const services = loaded.project.services.map((s) => (s.id === spec.id ? spec : s));
    const next: LoadedProject = { ...loaded, project: { ...loaded.project, services } };
    const plan = await this.#planning.plan(next, [spec.id], kept);
    const steps = plan.steps.filter((s) => s.service === spec.id);
    const own = { ...plan, steps: steps.map((s) => (s.action === 'none' ? s : { ...s, causes: [cause] })) };
    await this.#carryOut(own, { next, remembered, beside: true });
    return own;
  }

  /**
   * The one way of all that changes what is wanted, once there is a plan: the project is adopted, what is wanted is put on
   * record, the journal is told, and the plan is begun, in place of all earlier ones or beside them.
   */
  async #carryOut(plan: PlanView, { next, remembered, happening, beside = false }: Change): Promise<void> {
    if (beside) this.#execution.giveUpOn(...plan.steps.map(({ instance }) => instance));
    this.#adoptProject(next);
    if (remembered !== undefined) this.#memory.remember(remembered);
    if (happening !== undefined) this.#tell(happening);
    if (beside) this.#execution.begin(plan);
    else await this.#execution.supersede(plan);
  }
}

function isRecorded(intent: Partial<ProjectRecord>, record: ProjectRecord): boolean {
  return JSON.stringify({ ...record, ...intent }) === JSON.stringify(record);
}

function isNeeded(plan: PlanView, service: ServiceId): boolean {
  return plan.steps.some((s) => s.service === service && s.action !== 'stop' && s.action !== 'forget');
}
