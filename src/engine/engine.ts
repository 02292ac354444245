import type {
  ActionRequest,
  CleanupReport,
  DownRequest,
  DownResponse,
  FailedChange,
  ServiceSnapshot,
} from '../core/api.ts';
import type { Cause, HappeningBody } from '../core/event.ts';
import { explainError, lastMeaningfulLine } from '../core/errors.ts';
import { describeExit, type Exit, type StartFailure } from '../core/exit.ts';
import { policyFields } from '../core/fingerprint.ts';
import { concreteLaunch, type TextContext } from '../core/launch.ts';
import type { GateVerdict } from '../core/machine.ts';
import type { ObservedInstance } from '../core/plan.ts';
import type { PlanStep, PlanView } from '../core/plan-view.ts';
import { changeLines, countSteps, describeCounts } from '../core/reload.ts';
import { launchContext, launchRecord, projectPlan, type ProjectContext } from '../core/project-plan.ts';
import type { Redactor } from '../core/redact.ts';
import { err, ok, type Result } from '../core/result.ts';
import { closure } from '../core/graph.ts';
import {
  type BackendName,
  instanceId,
  type InstanceId,
  type Project,
  type ServiceId,
  type ServiceSpec,
} from '../core/service.ts';
import { type InstanceRef, isReady, type RunId } from '../core/state.ts';
import type { ProjectRecord } from '../ports/store.ts';
import { edgesOf, Fleet, type LoadedProject, redactorOf } from './fleet.ts';
import { commandLinesOf } from './command-lines.ts';
import { InputsBook } from './inputs-book.ts';
import { Orphans } from './orphans.ts';
import { PlanRunner } from './plan-runner.ts';
import { PortBook } from './port-book.ts';
import { Publisher } from './publisher.ts';
import { Replacements } from './replacements.ts';
import { leftoversOf, removeLeavings } from './removal.ts';
import { type ResumedRun, takeOver } from './resumption.ts';
import type { PreparedLaunch } from './run.ts';
import { select, type UnknownName } from './select.ts';
import { Shutdown } from './shutdown.ts';
import { mayLive, Supervisor, type SupervisorHost, type SupervisorPorts } from './supervisor.ts';

export interface EnginePorts extends SupervisorPorts {
  readonly freePort: () => Promise<number>;
}

/** A project to be taken up without undoing what people asked for since the last `up`. */
export interface ReloadInput {
  readonly next: LoadedProject;
  /** What that `up` was limited to: other services that are new stay down. Empty: it was not. */
  readonly only: readonly ServiceId[];
  /** The numbers of instances that `scale` was asked for and that still count. */
  readonly scale: ProjectRecord['scale'];
}

/** What a plan leaves as it is. */
interface Kept {
  readonly isDown: (service: ServiceId, number: number) => boolean;
  /** Whether what has failed for good is left alone unless it has changed. */
  readonly failed: boolean;
}

export interface ActResult {
  readonly affected: readonly InstanceId[];
  readonly unchanged: readonly InstanceId[];
}

const SNAPSHOT_INTERVAL_MS = 25;
const ERROR_TAIL_LINES = 40;
const ERROR_TAIL_BYTES = 16 * 1024;

/**
 * Keeps the instances of one project as its manifest wants them. All it does follows from the states as they are: a
 * plan compares whole states, gates are asked again whenever a state changes, a shutdown looks at who lives.
 */
export class Engine implements SupervisorHost {
  readonly #ports: EnginePorts;
  readonly #publisher: Publisher;
  readonly #book: PortBook;
  readonly #fleet: Fleet;
  readonly #inputs: InputsBook;
  readonly #replacements: Replacements;
  readonly #orphans: Orphans;
  #record: ProjectRecord;
  /** Plans under way. An apply supersedes all of them; what is asked of single services goes on beside them. */
  #runners: readonly PlanRunner[] = [];
  #shutdown: Shutdown | undefined;
  #ending: Promise<DownResponse> | undefined;
  #revision = 0;
  readonly #dirty = new Set<ServiceId>();
  #settling = false;
  #portsMoved = false;
  /** Why the project's record on disk is not the present one; undefined where it is. */
  #unsaved: string | undefined;

  constructor(ports: EnginePorts, record: ProjectRecord, nothing: LoadedProject) {
    this.#ports = ports;
    this.#record = record;
    this.#fleet = new Fleet(nothing, (ref, spec) => new Supervisor(ref, spec, ports, this));
    this.#publisher = new Publisher(ports.clock, SNAPSHOT_INTERVAL_MS);
    this.#replacements = new Replacements({
      kept: ({ ref }, failure) => {
        const reason = `what it needs could not be brought about: ${failure.message}`;
        this.#tell(
          { type: 'change-failed', reason, rolledBack: false, kept: true },
          { service: ref.service, instance: ref.id },
        );
      },
      settled: () => {
        this.touched();
        this.#advance();
      },
    });
    this.#orphans = new Orphans({
      backend: ports.backend,
      clock: ports.clock,
      tell: (happening) => this.#tell(happening),
      masked: (text) => this.masked(text),
    });
    this.#inputs = new InputsBook(ports.backend, ports.clock);
    this.#book = new PortBook(record.ports, ports.freePort, () =>
      this.#remember({ ports: this.#book.entries() }),
    );
  }

  get project(): Project {
    return this.#fleet.loaded.project;
  }

  get redactor(): Redactor {
    return this.#fleet.redactor;
  }

  get revision(): number {
    return this.#revision;
  }

  get record(): ProjectRecord {
    return this.#record;
  }

  get shutdown(): Shutdown | undefined {
    return this.#shutdown;
  }

  /** Calls `listener` after changes, bundled. */
  subscribe(listener: () => void): () => void {
    return this.#publisher.subscribe(listener);
  }

  supervisors(): Iterable<Supervisor> {
    return this.#fleet.all();
  }

  // --- what supervisors ask ---------------------------------------------------------------------------------------

  async prepareLaunch(ref: InstanceRef): Promise<Result<PreparedLaunch, StartFailure>> {
    const spec = this.#fleet.specs.get(ref.service) ?? this.#fleet.get(ref.id)?.spec;
    if (spec === undefined) throw new Error(`no specification of ${ref.id}`);
    try {
      await this.#book.allot(spec, ref.number);
    } catch (cause) {
      return err({
        code: 'resource-shortage',
        message: cause instanceof Error ? cause.message : String(cause),
      });
    }
    this.#replaceThoseWithMovedPorts();
    await this.#inputs.lookOnce(spec);
    const { loaded } = this.#fleet;
    const { name } = loaded.project;
    const context = this.#contextOf(loaded);
    const under = launchContext(spec, name, ref.number, context);
    const launch = concreteLaunch(spec, under);
    if (!launch.ok) return err({ code: 'other', message: launch.error });
    const within: TextContext = { ...under, service: spec.id };
    return ok({
      launch: launch.value,
      context: within,
      onMachine: { ...within, ...under.onMachine },
      ...launchRecord(spec, name, ref.number, context),
    });
  }

  usedBackend(backend: BackendName): Result<void, StartFailure> {
    const known = this.#record.backends ?? [];
    if (backend !== 'native' && !known.includes(backend)) {
      this.#remember({ backends: [...known, backend].sort() });
    }
    return this.recorded();
  }

  recorded(): Result<void, StartFailure> {
    if (this.#unsaved !== undefined) this.#remember({});
    if (this.#unsaved === undefined) return ok(undefined);
    return err({
      code: 'state-unwritable',
      message: `the state directory cannot be written: ${this.#unsaved}`,
      help: `free space or mend the permissions of ${this.#ports.store.stateDir}`,
    });
  }

  gate(ref: InstanceRef, waitedMs: number): GateVerdict {
    if (this.#shutdown !== undefined) return { kind: 'blocked', on: [] };
    return this.#fleet.gate(ref, { forMs: waitedMs, wallNow: this.#ports.clock.wall() });
  }

  changed(ref: InstanceRef): void {
    this.#revision += 1;
    this.#publisher.changed();
    this.#dirty.add(ref.service);
    if (this.#settling) return;
    this.#settling = true;
    queueMicrotask(() => this.#settle());
  }

  async lastWords(ref: InstanceRef, run: RunId): Promise<string | undefined> {
    const spec = this.#fleet.get(ref.id)?.spec;
    const stream = spec?.launch.mergeStderr === true ? 'stdout' : 'stderr';
    const { logs } = this.#ports;
    const lines = await logs.errorTail(ref.id, run, ERROR_TAIL_LINES, ERROR_TAIL_BYTES, stream);
    const patterns = spec?.errors ?? [];
    const said = explainError(lines, patterns) ?? lastMeaningfulLine(lines);
    return said === undefined ? undefined : this.#fleet.redactor.text(said);
  }

  masked(text: string): string {
    return this.#fleet.redactor.text(text);
  }

  /** An automatic port that somebody else took while its instance was away is exchanged for another. */
  startFailed(ref: InstanceRef, failure: StartFailure): void {
    const spec = this.#fleet.specs.get(ref.service);
    if (failure.code === 'port-taken' && spec !== undefined && this.#book.withdraw(spec, ref.number)) {
      this.#portsMoved = true;
    }
  }

  runFailed(ref: InstanceRef, exit: Exit): void {
    const what = `failed: ${describeExit(exit)}`;
    this.failurePassedOn(ref, { kind: 'dependency', service: ref.service, what });
  }

  /** Those that run on the service do what they are declared to do when it fails. */
  failurePassedOn(ref: InstanceRef, cause: Cause): void {
    if (this.#shutdown !== undefined) return;
    for (const { service, then } of this.#fleet.concerned(ref.service)) {
      for (const each of this.#fleet.of(service)) each.dispatch({ type: 'dependency-failed', then, cause });
      if (then === 'stop') this.#rememberStopped(this.#fleet.of(service));
    }
  }

  patterns(service: ServiceId): readonly string[] {
    return this.#fleet.patterns(service);
  }

  isShuttingDown(): boolean {
    return this.#shutdown !== undefined;
  }

  isKilling(): boolean {
    return this.#shutdown?.level === 2;
  }

  // --- what clients ask -------------------------------------------------------------------------------------------

  /** Tells subscribers of something that snapshots show and that is not kept here. */
  touched(): void {
    this.#revision += 1;
    this.#publisher.changed();
  }

  /** What `apply` would do. Hands out automatic ports, so that the plan is the one that would be carried out. */
  async plan(next: LoadedProject, only: readonly ServiceId[], kept?: Kept): Promise<PlanView> {
    for (const spec of next.project.services) {
      for (let n = 1; n <= spec.replicas; n += 1) await this.#book.allot(spec, n);
    }
    await this.#inputs.look(next.project.services);
    const context = this.#contextOf(next);
    const observed = this.#fleet.all().map((s) => this.#observe(s, context));
    const formerEdges = edgesOf(this.#fleet.specs.values());
    const input = { observed, only, formerEdges, keepFailed: kept?.failed === true };
    const plan = projectPlan(next.project, context, input, kept?.isDown);
    const isUsed = (this.#record.backends ?? []).length > 0;
    return isUsed && only.length === 0 ? this.#orphans.addTo(plan, this.#record.name, this.#runs()) : plan;
  }

  /** All runs that somebody knows of. */
  #runs(): ReadonlySet<RunId> {
    const live = this.#fleet.all().flatMap(({ state }) => ('run' in state ? [state.run] : []));
    return new Set([...live, ...this.#ports.store.readRuns().runs.map(({ run }) => run)]);
  }

  /** How the instances of such a plan would be started by hand. */
  commandLines(next: LoadedProject, plan: PlanView): ReturnType<typeof commandLinesOf> {
    return commandLinesOf(this.#ports.backend, next.project, plan, this.#contextOf(next));
  }

  /** What `reload` would do. */
  planReload(input: ReloadInput): Promise<PlanView> {
    const kept = { isDown: this.#heldDown(this.#leftDown(input)), failed: true };
    return this.plan(scaled(input.next, input.scale), [], kept);
  }

  /**
   * As `apply`, for a manifest that was edited: services that a person has stopped or scaled stay so, what has failed for
   * good is left alone unless it has changed, and new services stay down where the last `up` was limited to others.
   */
  async reload(input: ReloadInput, how: NonNullable<ProjectRecord['reload']>): Promise<PlanView> {
    const plan = await this.planReload(input);
    const isDown = this.#leftDown(input);
    const { project } = input.next;
    const stopped = project.services.map(({ id }) => id).filter(isDown);
    this.#adoptProject(scaled(input.next, input.scale));
    const intent = { name: project.name, dir: project.dir, stopped: stopped.sort(), scale: input.scale };
    if (!isRecorded(intent, this.#record)) this.#remember(intent);
    const summary = describeCounts(countSteps(plan));
    this.#tell({ type: 'manifest-reloaded', summary, changes: changeLines(plan) });
    await this.#begin(plan);
    // Somebody waits for the first action, not for the disk. A daemon that dies here reloads once more, to no effect.
    this.#remember({ reload: how });
    return plan;
  }

  /** Keeps how changes of the manifest are taken up, for a later daemon. */
  keepReload(how: NonNullable<ProjectRecord['reload']>): void {
    this.#remember({ reload: how });
    this.touched();
  }

  /** Has a service run by another specification than the manifest's until the next `apply` or `reload`. */
  async substitute(spec: ServiceSpec, cause: Cause): Promise<void> {
    const { project } = this.#fleet.loaded;
    const services = project.services.map((s) => (s.id === spec.id ? spec : s));
    const next = { ...this.#fleet.loaded, project: { ...project, services } };
    const kept = { isDown: this.#heldDown((id) => this.#record.stopped.includes(id)), failed: false };
    await this.#changeService(next, spec.id, cause, { kept });
  }

  /** Makes the project the wanted one and begins to carry out the plan, which is the answer. */
  async apply(
    next: LoadedProject,
    only: readonly ServiceId[],
    load: ProjectRecord['load'],
    how?: ProjectRecord['reload'],
  ): Promise<PlanView> {
    const plan = await this.plan(next, only);
    const named = new Set(only);
    this.#adoptProject(next);
    const excluded = next.project.services.map((s) => s.id).filter((id) => !isNeeded(plan, id));
    const kept = this.#record.stopped.filter(
      (id) => only.length > 0 && !named.has(id) && excluded.includes(id),
    );
    const newlyLeftOut = only.length > 0 ? excluded.filter((id) => !this.#fleet.isWanted(id)) : [];
    this.#remember({
      name: next.project.name,
      dir: next.project.dir,
      load,
      phase: 'up',
      stopped: [...new Set([...kept, ...newlyLeftOut])].sort(),
      scale: {},
      ...(how === undefined ? {} : { reload: how }),
    });
    this.#tell({ type: 'manifest-applied', summary: summaryOf(plan) });
    await this.#begin(plan);
    return plan;
  }

  act(request: ActionRequest): Result<ActResult, UnknownName> {
    if (request.action === 'scale') throw new Error('scale is asked of `scale`');
    const found = select(this.#fleet.all(), this.#fleet.specs, request.select);
    if (!found.ok) return found;
    const chosen =
      request.action === 'start' && request.withDependencies
        ? this.#fleet.withDependencies(found.value)
        : found.value;
    const affected: InstanceId[] = [];
    const unchanged: InstanceId[] = [];
    for (const supervisor of chosen) {
      (this.#actOn(supervisor, request) ? affected : unchanged).push(supervisor.ref.id);
    }
    if (request.action !== 'kill') this.#rememberStopped(chosen);
    return ok({ affected, unchanged });
  }

  /** Sets a service's number of instances until the manifest is applied again. */
  async scale(service: ServiceId, replicas: number): Promise<Result<ActResult, UnknownName>> {
    const { specs, loaded } = this.#fleet;
    const spec = specs.get(service);
    if (spec === undefined) return { ok: false, error: { name: service, known: [...specs.keys()].sort() } };
    const { project, ...under } = loaded;
    const services = project.services.map((s) => (s.id === service ? { ...s, replicas } : s));
    const next: LoadedProject = { ...under, project: { ...project, services } };
    const cause: Cause = { kind: 'scaled', from: spec.replicas, to: replicas };
    const scale = { ...this.#record.scale, [service]: replicas };
    const own = await this.#changeService(next, service, cause, { remembered: { scale } });
    const affected = new Set(own.steps.filter((s) => s.action !== 'none').map((s) => s.instance));
    const unchanged = own.steps.map((s) => s.instance).filter((id) => !affected.has(id));
    return ok({ affected: [...affected], unchanged });
  }

  /** Resolves once the project is down, or once all means have been used. */
  down(request: DownRequest): Promise<DownResponse> {
    const shutdown = this.#shutdown ?? this.#beginShutdown(request);
    if (request.volumes === true && this.#record.shutdown?.volumes !== true) {
      this.#remember({ shutdown: { reason: shutdown.reason, volumes: true } });
    }
    shutdown.escalate(request.level);
    this.#ending ??= this.#endShutdown(shutdown);
    return this.#ending;
  }

  /**
   * Goes on where an earlier daemon ended: takes over what runs, learns how the rest ended, starts what is wanted and
   * was not begun. What the manifest has changed since is left for the next `apply`.
   */
  resume(loaded: LoadedProject | undefined, found: readonly ResumedRun[]): void {
    if (loaded !== undefined) this.#adoptProject(scaled(loaded, this.#record.scale));
    for (const { record } of found) {
      const spec = this.#fleet.specs.get(record.service);
      if (spec !== undefined && record.inputs !== undefined) this.#inputs.seed(spec, record.inputs);
    }
    takeOver(this.#fleet, found, this.#record.stopped);
  }

  /** Ends the engine's own timers; what runs goes on running. */
  dispose(): void {
    for (const supervisor of this.#fleet.all()) supervisor.dispose();
  }

  services(): readonly ServiceSnapshot[] {
    return this.#fleet.snapshots();
  }

  /** Services whose new version could not even be begun, and of which the former one goes on, by name. */
  get notReplaced(): readonly FailedChange[] {
    return this.#replacements.failed;
  }

  /** An instance's supervisor. */
  instance(id: InstanceId): Supervisor | undefined {
    return this.#fleet.get(id);
  }

  // --- inside -----------------------------------------------------------------------------------------------------

  /** Adopts a project in which one service is another, and carries out what that means for its instances. */
  async #changeService(
    next: LoadedProject,
    service: ServiceId,
    cause: Cause,
    { remembered = {}, kept }: { readonly remembered?: Partial<ProjectRecord>; readonly kept?: Kept } = {},
  ): Promise<PlanView> {
    const plan = await this.plan(next, [service], kept);
    const steps = plan.steps.filter((s) => s.service === service);
    const own = { ...plan, steps: steps.map((s) => (s.action === 'none' ? s : { ...s, causes: [cause] })) };
    this.#giveUpOn(...own.steps.map(({ instance }) => instance));
    this.#adoptProject(next);
    this.#remember(remembered);
    this.#carryOut(own);
    return own;
  }

  /** Carries out a plan in place of all earlier ones. */
  async #begin(plan: PlanView): Promise<void> {
    await this.#ports.backend.prepare(
      plan.steps
        .filter(({ action }) => action === 'start' || action === 'replace')
        .map(({ backend, instance }) => ({
          backend,
          instanceDir: this.#ports.store.instanceDir(instance),
        })),
    );
    if (this.#shutdown !== undefined) return;
    await this.#orphans.remove(plan);
    if (this.#isGoingDown()) return;
    this.#runners = [];
    this.#replacements.giveUpAll();
    this.#carryOut(plan);
  }

  /** Asked anew after each wait. */
  #isGoingDown(): boolean {
    return this.#shutdown !== undefined;
  }

  /** The services that a reload leaves down as a whole. */
  #leftDown({ next, only }: ReloadInput): (service: ServiceId) => boolean {
    const { services } = next.project;
    const edges = edgesOf(services);
    const asked =
      only.length === 0
        ? undefined
        : closure(
            only.filter((id) => edges.has(id)),
            edges,
          );
    const stopped = new Set(this.#record.stopped);
    return (id) =>
      stopped.has(id) || (asked !== undefined && !asked.has(id) && this.#fleet.of(id).length === 0);
  }

  /** The instances that are left down: those of such services, and single ones that a person has stopped. */
  #heldDown(isDown: (service: ServiceId) => boolean): Kept['isDown'] {
    return (service, number) => {
      if (isDown(service)) return true;
      const id = instanceId(service, number);
      const there = this.#fleet.get(id);
      // What an earlier plan has not come to yet, or what was on its way out of the manifest, nobody has stopped.
      const known = number <= (this.#fleet.specs.get(service)?.replicas ?? 0);
      return there?.machine.wanted === 'down' && known && !this.#runners.some((r) => r.awaits(id));
    };
  }

  #contextOf(of: LoadedProject): ProjectContext {
    const { loaded, specs: present, redactor } = this.#fleet;
    const specs = of === loaded ? present : new Map(of.project.services.map((s) => [s.id, s]));
    return {
      hostEnv: of.hostEnv,
      redactor: of === loaded ? redactor : redactorOf(of),
      salt: this.#record.salt,
      port: (service, number, name) => this.#book.lookup(specs.get(service), number, name),
      services: specs,
      inputs: (spec) => this.#inputs.of(spec),
      ...(of.project.resources === undefined ? {} : { resources: of.project.resources }),
    };
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
    const { loaded } = this.#fleet;
    return launchRecord(spec, loaded.project.name, ref.number, this.#contextOf(loaded));
  }

  #adoptProject(loaded: LoadedProject): void {
    this.#fleet.adopt(loaded);
    this.#revision += 1;
    this.#publisher.changed();
  }

  #carryOut(plan: PlanView): void {
    const runner = new PlanRunner(plan, {
      perform: (step) => this.#perform(step),
      reached: (step) => this.#reached(step),
    });
    this.#runners = [...this.#runners.filter((r) => !r.finished), runner];
    runner.advance();
  }

  /** What runs with a reference to a port that is another now gets the new number, by being replaced. */
  #replaceThoseWithMovedPorts(): void {
    if (!this.#portsMoved || this.#shutdown !== undefined) return;
    this.#portsMoved = false;
    this.plan(this.#fleet.loaded, []).then(
      (plan) => {
        const steps = plan.steps.filter((step) => step.action === 'replace');
        if (steps.length > 0 && this.#shutdown === undefined) this.#carryOut({ ...plan, steps });
      },
      // Without a free port nothing can be planned now; the next start tries again.
      () => (this.#portsMoved = true),
    );
  }

  /** What is now asked of instances goes before what an earlier plan still had in mind for them. */
  #giveUpOn(...instances: readonly InstanceId[]): void {
    this.#replacements.giveUp(...instances);
    for (const runner of this.#runners) runner.cancel(...instances);
  }

  #perform(step: PlanStep): void {
    const supervisor = this.#fleet.get(step.instance);
    const cause = step.causes[0] ?? { kind: 'added' as const };
    switch (step.action) {
      case 'start':
        supervisor?.dispatch({ type: 'want-up', afresh: true, cause });
        return;
      case 'replace':
        if (supervisor !== undefined) this.#replacements.begin(supervisor, cause);
        return;
      case 'update':
        this.#tell({ type: 'instance-updated', cause }, step);
        return;
      case 'stop':
        supervisor?.dispatch({ type: 'want-down', cause });
        return;
      case 'forget':
        this.#forget(step, cause);
        return;
      case 'none':
        return;
    }
  }

  #reached(step: PlanStep): boolean {
    const supervisor = this.#fleet.get(step.instance);
    if (supervisor === undefined) return true;
    switch (step.action) {
      case 'replace':
        if (this.#replacements.isUnderWay(step.instance)) return false;
        return (
          supervisor.machine.wanted === 'down' ||
          isReady(supervisor.state) ||
          supervisor.state.kind === 'completed' ||
          supervisor.state.kind === 'scheduled'
        );
      case 'stop':
        return !mayLive(supervisor);
      case 'start':
      case 'update':
      case 'forget':
      case 'none':
        return true;
    }
  }

  #forget(step: PlanStep, cause: Cause): void {
    const supervisor = this.#fleet.get(step.instance);
    if (supervisor === undefined || mayLive(supervisor)) return;
    this.#replacements.giveUp(step.instance);
    this.#fleet.forget(step.instance);
    this.#ports.store.removeRun(step.instance);
    this.#tell({ type: 'instance-forgotten', cause }, step);
    this.#revision += 1;
    this.#publisher.changed();
  }

  /** What follows from changed states: gates that may open, steps that may go on, a shutdown that may. */
  #settle(): void {
    this.#settling = false;
    if (this.#unsaved !== undefined) this.#remember({});
    const services = [...this.#dirty];
    this.#dirty.clear();
    const asking = new Set(services.flatMap((id) => this.#fleet.dependents(id)));
    if (asking.size > 0) {
      for (const supervisor of this.#fleet.all()) {
        const { kind } = supervisor.state;
        if (!asking.has(supervisor.ref.service) || (kind !== 'waiting' && kind !== 'skipped')) continue;
        supervisor.dispatch({ type: 'gate', verdict: this.gate(supervisor.ref, supervisor.waitedMs) });
      }
    }
    this.#advance();
    this.#shutdown?.advance();
  }

  #advance(): void {
    for (const runner of this.#runners) runner.advance();
  }

  #actOn(supervisor: Supervisor, request: Exclude<ActionRequest, { action: 'scale' }>): boolean {
    const before = supervisor.machine;
    switch (request.action) {
      case 'start':
        supervisor.dispatch({
          type: 'want-up',
          afresh: true,
          cause: { kind: 'user', what: 'started by hand' },
        });
        break;
      case 'stop':
        this.#giveUpOn(supervisor.ref.id);
        supervisor.dispatch({ type: 'want-down', cause: { kind: 'user', what: 'stopped by hand' } });
        break;
      case 'restart':
        this.#replacements.giveUp(supervisor.ref.id);
        supervisor.dispatch({ type: 'restart', cause: { kind: 'user', what: 'restarted by hand' } });
        break;
      case 'kill':
        if (supervisor.proc === undefined) return false;
        void supervisor.signal(request.signal);
        return true;
    }
    return supervisor.machine !== before;
  }

  #rememberStopped(chosen: readonly Supervisor[]): void {
    const stopped = new Set(this.#record.stopped);
    for (const id of new Set(chosen.map((s) => s.ref.service))) {
      if (this.#fleet.isWanted(id)) stopped.delete(id);
      else stopped.add(id);
    }
    this.#remember({ stopped: [...stopped].sort() });
  }

  #beginShutdown(request: DownRequest): Shutdown {
    const timeoutMs = request.timeoutMs ?? this.project.shutdownTimeoutMs;
    this.#runners = [];
    this.#replacements.giveUpAll();
    const host = {
      clock: this.#ports.clock,
      supervisors: () => this.#fleet.all(),
      dependents: (service: ServiceId) => this.#fleet.dependents(service),
    };
    const shutdown = new Shutdown(host, request.reason, timeoutMs);
    this.#shutdown = shutdown;
    this.#remember({
      shutdown: { reason: request.reason, ...(request.volumes === true ? { volumes: true } : {}) },
    });
    this.#tell({ type: 'shutdown-began', reason: request.reason });
    this.#revision += 1;
    this.#publisher.changed();
    shutdown.advance();
    return shutdown;
  }

  async #endShutdown({ finished }: Shutdown): Promise<DownResponse> {
    const before = this.#fleet.size;
    const { clean } = await finished;
    const removed = await this.#removeLeavings();
    const leftovers = clean ? [] : await leftoversOf(this.#fleet.all(), (text) => this.masked(text));
    if (clean) this.#afterShutdown();
    const stopped = before - new Set(leftovers.map((l) => l.instance)).size;
    return { stopped, leftovers, ...(removed === undefined ? {} : { removed }) };
  }

  async #removeLeavings(): Promise<CleanupReport | undefined> {
    const { name, backends = [] } = this.#record;
    if (backends.length === 0) return undefined;
    // Until here somebody may have asked for it.
    const volumes = this.#record.shutdown?.volumes === true;
    const removed = await removeLeavings(this.#ports.backend, name, volumes, this.#fleet.all());
    const names = [...removed.containers, ...removed.networks, ...removed.volumes];
    if (names.length > 0) this.#tell({ type: 'leavings-removed', names });
    for (const { what, why } of removed.failed) {
      this.#tell({ type: 'warning', message: `${what} could not be removed: ${why}` });
    }
    const { leavings: _before, ...rest } = this.#record;
    const isAll = removed.failed.length === 0;
    this.#record = { ...rest, ...(isAll ? {} : { leavings: true }) };
    this.#remember(isAll && volumes ? { backends: [] } : {});
    return removed;
  }

  #afterShutdown(): void {
    for (const supervisor of this.#fleet.all()) this.#ports.store.removeRun(supervisor.ref.id);
    const { shutdown: _over, ...rest } = this.#record;
    this.#record = rest;
    this.#remember({ phase: 'down', stopped: [], scale: {} });
  }

  #remember(change: Partial<ProjectRecord>): void {
    this.#record = { ...this.#record, ...change };
    try {
      this.#ports.store.writeProject(this.#record);
      this.#unsaved = undefined;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      // Tried again with every change, and told once.
      if (this.#unsaved === undefined) {
        this.#tell({ type: 'warning', message: `the project record cannot be written: ${why}` });
      }
      this.#unsaved = why;
    }
  }

  #tell(body: HappeningBody, at: { service?: ServiceId; instance?: InstanceId } = {}): void {
    const { service, instance } = at;
    this.#ports.store.append(body, {
      ...(service === undefined ? {} : { service }),
      ...(instance === undefined ? {} : { instance }),
    });
  }
}

function isRecorded(intent: Partial<ProjectRecord>, record: ProjectRecord): boolean {
  return JSON.stringify({ ...record, ...intent }) === JSON.stringify(record);
}

function isNeeded(plan: PlanView, service: ServiceId): boolean {
  return plan.steps.some((s) => s.service === service && s.action !== 'stop' && s.action !== 'forget');
}

function summaryOf(plan: PlanView): string {
  const counts = new Map<string, number>();
  for (const { action } of plan.steps) counts.set(action, (counts.get(action) ?? 0) + 1);
  const parts = [...counts].filter(([a]) => a !== 'none').map(([action, n]) => `${n} to ${action}`);
  return parts.length === 0 ? 'nothing to do' : parts.join(', ');
}

/** With as many instances as `scale` was asked for, which lasts until the next apply. */
function scaled(loaded: LoadedProject, scale: ProjectRecord['scale']): LoadedProject {
  const { project, ...under } = loaded;
  const services = project.services.map((spec) => ({ ...spec, replicas: scale[spec.id] ?? spec.replicas }));
  return { ...under, project: { ...project, services } };
}
