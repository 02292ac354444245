import type { ActionRequest, DownRequest, Leftover, ServiceSnapshot } from '../core/api.ts';
import type { Cause, HappeningBody } from '../core/event.ts';
import { explainError, lastMeaningfulLine } from '../core/errors.ts';
import { gate } from '../core/gate.ts';
import type { Edges } from '../core/graph.ts';
import type { GateVerdict } from '../core/transition.ts';
import { createRedactor, type Redactor } from '../core/redact.ts';
import { describeBackoff, restoreWanted } from '../core/restart.ts';
import { err, ok, type Result } from '../core/result.ts';
import {
  instanceId,
  type InstanceId,
  type Project,
  type ServiceId,
  type ServiceSpec,
} from '../core/service.ts';
import type { InstanceRef, RunId } from '../core/state.ts';
import type { StartFailure } from '../core/exit.ts';
import type { PlanStep, PlanView } from '../core/plan-view.ts';
import { concreteLaunch } from '../core/launch.ts';
import { policyFields } from '../core/fingerprint.ts';
import type { ObservedInstance } from '../core/plan.ts';
import { launchContext, launchRecord, projectPlan, type ProjectContext } from '../core/project-plan.ts';
import type { Proc, RunRecord } from '../ports/backend.ts';
import type { ProjectRecord } from '../ports/store.ts';
import { PlanRunner } from './plan-runner.ts';
import { PortBook } from './port-book.ts';
import { Publisher } from './publisher.ts';
import { select, type UnknownName } from './select.ts';
import { Shutdown } from './shutdown.ts';
import {
  mayLive,
  type PreparedLaunch,
  Supervisor,
  type SupervisorHost,
  type SupervisorPorts,
} from './supervisor.ts';

export interface EnginePorts extends SupervisorPorts {
  readonly freePort: () => Promise<number>;
}

/** A project with what it was loaded under. */
export interface LoadedProject {
  readonly project: Project;
  readonly hostEnv: Readonly<Record<string, string>>;
  /** Values to mask wherever they appear. */
  readonly secrets: readonly string[];
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
  readonly #supervisors = new Map<InstanceId, Supervisor>();
  #loaded: LoadedProject;
  #specs: ReadonlyMap<ServiceId, ServiceSpec> = new Map();
  #dependents: ReadonlyMap<ServiceId, readonly ServiceId[]> = new Map();
  #redactor: Redactor = createRedactor({});
  #record: ProjectRecord;
  /** Plans under way. An apply supersedes all of them; what is asked of single services goes on beside them. */
  #runners: readonly PlanRunner[] = [];
  #shutdown: Shutdown | undefined;
  #revision = 0;
  readonly #dirty = new Set<ServiceId>();
  #settling = false;
  #portsMoved = false;

  constructor(ports: EnginePorts, record: ProjectRecord, nothing: LoadedProject) {
    this.#ports = ports;
    this.#record = record;
    this.#loaded = nothing;
    this.#publisher = new Publisher(ports.clock, SNAPSHOT_INTERVAL_MS);
    this.#book = new PortBook(record.ports, ports.freePort, () =>
      this.#remember({ ports: this.#book.entries() }),
    );
  }

  get project(): Project {
    return this.#loaded.project;
  }

  get redactor(): Redactor {
    return this.#redactor;
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
    return this.#supervisors.values();
  }

  // --- what supervisors ask ---------------------------------------------------------------------------------------

  async prepareLaunch(ref: InstanceRef): Promise<Result<PreparedLaunch, StartFailure>> {
    const spec = this.#specs.get(ref.service) ?? this.#supervisors.get(ref.id)?.spec;
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
    const name = this.#loaded.project.name;
    const context = this.#contextOf(this.#loaded);
    const under = launchContext(name, ref.number, context);
    const launch = concreteLaunch(spec, under);
    if (!launch.ok) return err({ code: 'other', message: launch.error });
    return ok({
      launch: launch.value,
      context: { ...under, service: spec.id },
      ...launchRecord(spec, name, ref.number, context),
    });
  }

  gate(ref: InstanceRef): GateVerdict {
    if (this.#shutdown !== undefined) return { kind: 'blocked', on: [] };
    const dependsOn = this.#specs.get(ref.service)?.dependsOn ?? [];
    return gate(dependsOn, (service) => (this.#specs.has(service) ? this.#instancesOf(service) : undefined));
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
    const lines = await this.#ports.logs.errorTail(ref.id, run, ERROR_TAIL_LINES, ERROR_TAIL_BYTES);
    const patterns = this.#supervisors.get(ref.id)?.spec.errors ?? [];
    const said = explainError(lines, patterns) ?? lastMeaningfulLine(lines);
    return said === undefined ? undefined : this.#redactor.text(said);
  }

  masked(text: string): string {
    return this.#redactor.text(text);
  }

  /** An automatic port that somebody else took while its instance was away is exchanged for another. */
  startFailed(ref: InstanceRef, failure: StartFailure): void {
    const spec = this.#specs.get(ref.service);
    if (failure.code === 'port-taken' && spec !== undefined && this.#book.withdraw(spec, ref.number)) {
      this.#portsMoved = true;
    }
  }

  isShuttingDown(): boolean {
    return this.#shutdown !== undefined;
  }

  dependents(service: ServiceId): readonly ServiceId[] {
    return this.#dependents.get(service) ?? [];
  }

  // --- what clients ask -------------------------------------------------------------------------------------------

  /** What `apply` would do. Hands out automatic ports, so that the plan is the one that would be carried out. */
  async plan(next: LoadedProject, only: readonly ServiceId[]): Promise<PlanView> {
    for (const spec of next.project.services) {
      for (let n = 1; n <= spec.replicas; n += 1) await this.#book.allot(spec, n);
    }
    const context = this.#contextOf(next);
    const observed = [...this.#supervisors.values()].map((s) => this.#observe(s, context));
    return projectPlan(next.project, context, { observed, only, formerEdges: edgesOf(this.#specs.values()) });
  }

  /** Makes the project the wanted one and begins to carry out the plan, which is the answer. */
  async apply(
    next: LoadedProject,
    only: readonly ServiceId[],
    load: ProjectRecord['load'],
  ): Promise<PlanView> {
    const plan = await this.plan(next, only);
    const named = new Set(only);
    this.#adoptProject(next);
    const excluded = next.project.services.map((s) => s.id).filter((id) => !isNeeded(plan, id));
    const kept = this.#record.stopped.filter(
      (id) => only.length > 0 && !named.has(id) && excluded.includes(id),
    );
    const newlyLeftOut = only.length > 0 ? excluded.filter((id) => !this.#isWanted(id)) : [];
    this.#remember({
      name: next.project.name,
      dir: next.project.dir,
      load,
      phase: 'up',
      stopped: [...new Set([...kept, ...newlyLeftOut])].sort(),
      scale: {},
    });
    this.#tell({ type: 'manifest-applied', summary: summaryOf(plan) });
    await this.#ports.backend.prepare(
      plan.steps
        .filter(({ action }) => action === 'start' || action === 'replace')
        .map(({ instance }) => ({ instanceDir: this.#ports.store.instanceDir(instance) })),
    );
    this.#runners = [];
    this.#carryOut(plan);
    return plan;
  }

  act(request: ActionRequest): Result<ActResult, UnknownName> {
    if (request.action === 'scale') throw new Error('scale is asked of `scale`');
    const found = select([...this.#supervisors.values()], this.#specs, request.select);
    if (!found.ok) return found;
    const chosen =
      request.action === 'start' && request.withDependencies
        ? this.#withDependencies(found.value)
        : found.value;
    const affected: InstanceId[] = [];
    const unchanged: InstanceId[] = [];
    for (const supervisor of chosen) {
      (this.#actOn(supervisor, request) ? affected : unchanged).push(supervisor.ref.id);
    }
    this.#rememberStopped(chosen, request.action);
    return ok({ affected, unchanged });
  }

  /** Sets a service's number of instances until the manifest is applied again. */
  async scale(service: ServiceId, replicas: number): Promise<Result<ActResult, UnknownName>> {
    const spec = this.#specs.get(service);
    if (spec === undefined)
      return { ok: false, error: { name: service, known: [...this.#specs.keys()].sort() } };
    const { project, ...under } = this.#loaded;
    const services = project.services.map((s) => (s.id === service ? { ...s, replicas } : s));
    const next: LoadedProject = { ...under, project: { ...project, services } };
    const plan = await this.plan(next, [service]);
    const steps = plan.steps.filter((s) => s.service === service);
    const cause: Cause = { kind: 'scaled', from: spec.replicas, to: replicas };
    const own = { ...plan, steps: steps.map((s) => (s.action === 'none' ? s : { ...s, causes: [cause] })) };
    for (const { instance } of own.steps) this.#giveUpOn(instance);
    this.#adoptProject(next);
    this.#remember({ scale: { ...this.#record.scale, [service]: replicas } });
    this.#carryOut(own);
    const affected = new Set(own.steps.filter((s) => s.action !== 'none').map((s) => s.instance));
    const unchanged = own.steps.map((s) => s.instance).filter((id) => !affected.has(id));
    return ok({ affected: [...affected], unchanged });
  }

  /** Resolves once the project is down, or once all means have been used. */
  async down(
    request: DownRequest,
  ): Promise<{ readonly stopped: number; readonly leftovers: readonly Leftover[] }> {
    const shutdown = this.#shutdown ?? this.#beginShutdown(request);
    shutdown.escalate(request.level);
    const before = this.#supervisors.size;
    const { clean } = await shutdown.finished;
    const leftovers = clean ? [] : await this.#leftovers();
    if (clean) this.#afterShutdown();
    return { stopped: before - new Set(leftovers.map((l) => l.instance)).size, leftovers };
  }

  /**
   * Goes on where an earlier daemon ended: takes over what runs, learns how the rest ended, starts what is wanted and
   * was not begun. What the manifest has changed since is left for the next `apply`.
   */
  resume(loaded: LoadedProject | undefined, found: readonly ResumedRun[]): void {
    if (loaded !== undefined) this.#adoptProject(loaded);
    for (const { record, proc, orphanSpec } of found) {
      const supervisor = this.#ensure(
        { id: record.instance, service: record.service, number: record.number },
        this.#specs.get(record.service) ?? orphanSpec,
      );
      const stopped = this.#record.stopped.includes(record.service);
      const wanted = record.stopping === undefined ? restoreWanted(supervisor.spec.restart, stopped) : 'down';
      if (proc !== undefined) supervisor.adopt(record, proc);
      else if (record.ended !== undefined) supervisor.restore(record, record.ended.exit, wanted);
      if (wanted === 'down') {
        const reason = record.stopping?.reason ?? 'stopped by a person';
        supervisor.dispatch({ type: 'want-down', cause: { kind: 'user', what: reason } });
      }
    }
    for (const spec of this.#specs.values())
      this.#resumeUnbegun(spec, new Set(found.map((f) => f.record.instance)));
  }

  /** Ends the engine's own timers; what runs goes on running. */
  dispose(): void {
    for (const supervisor of this.#supervisors.values()) supervisor.dispose();
  }

  services(): readonly ServiceSnapshot[] {
    const byService = new Map<ServiceId, Supervisor[]>();
    for (const id of this.#specs.keys()) byService.set(id, []);
    for (const supervisor of this.#supervisors.values()) {
      const list = byService.get(supervisor.ref.service) ?? [];
      list.push(supervisor);
      byService.set(supervisor.ref.service, list);
    }
    return [...byService]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([id, list]) => {
        const spec = this.#specs.get(id) ?? list[0]?.spec;
        return spec === undefined ? [] : [this.#serviceSnapshot(spec, list)];
      });
  }

  // --- inside -----------------------------------------------------------------------------------------------------

  #serviceSnapshot(spec: ServiceSpec, list: readonly Supervisor[]): ServiceSnapshot {
    return {
      id: spec.id,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      labels: spec.labels,
      backend: this.#ports.backend.name,
      backendReason: spec.backendReason,
      replicas: spec.replicas,
      dependsOn: spec.dependsOn.map(({ service, condition }) => ({ service, condition })),
      inManifest: this.#specs.has(spec.id),
      instances: [...list].sort((a, b) => a.ref.number - b.ref.number).map((s) => s.snapshot()),
      restart: spec.restart,
      backoff: describeBackoff(spec.backoff),
    };
  }

  #resumeUnbegun(spec: ServiceSpec, seen: ReadonlySet<InstanceId>): void {
    for (let number = 1; number <= spec.replicas; number += 1) {
      const supervisor = this.#ensure({ id: instanceId(spec.id, number), service: spec.id, number }, spec);
      const stopped = this.#record.stopped.includes(spec.id);
      if (seen.has(supervisor.ref.id) || restoreWanted(spec.restart, stopped) === 'down') continue;
      supervisor.dispatch({
        type: 'want-up',
        afresh: false,
        cause: { kind: 'not-running', was: 'not yet started when the daemon ended' },
      });
    }
  }

  #contextOf(of: LoadedProject): ProjectContext {
    const specs = of === this.#loaded ? this.#specs : new Map(of.project.services.map((s) => [s.id, s]));
    return {
      hostEnv: of.hostEnv,
      redactor: of === this.#loaded ? this.#redactor : redactorOf(of),
      salt: this.#record.salt,
      port: (service, number, name) => this.#book.lookup(specs.get(service), number, name),
    };
  }

  #observe(supervisor: Supervisor, { redactor, salt }: ProjectContext): ObservedInstance {
    const { ref, spec, machine, launched } = supervisor;
    return {
      service: ref.service,
      number: ref.number,
      backend: this.#ports.backend.name,
      state: machine.state.kind,
      wanted: machine.wanted,
      policy: policyFields(spec, redactor, salt),
      adopted: supervisor.adopted,
      ...launched,
    };
  }

  #adoptProject(loaded: LoadedProject): void {
    this.#loaded = loaded;
    this.#redactor = redactorOf(loaded);
    const { services } = loaded.project;
    this.#specs = new Map(services.map((s) => [s.id, s]));
    const dependents = new Map<ServiceId, ServiceId[]>();
    for (const spec of services) {
      for (const { service } of spec.dependsOn) {
        dependents.set(service, [...(dependents.get(service) ?? []), spec.id]);
      }
      for (let number = 1; number <= spec.replicas; number += 1) {
        this.#ensure({ id: instanceId(spec.id, number), service: spec.id, number }, spec);
      }
    }
    this.#dependents = dependents;
    this.#revision += 1;
    this.#publisher.changed();
  }

  #ensure(ref: InstanceRef, spec: ServiceSpec): Supervisor {
    const known = this.#supervisors.get(ref.id);
    if (known !== undefined) {
      known.setSpec(spec);
      return known;
    }
    const made = new Supervisor(ref, spec, this.#ports, this);
    this.#supervisors.set(ref.id, made);
    return made;
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
    this.plan(this.#loaded, []).then(
      (plan) => {
        const steps = plan.steps.filter((step) => step.action === 'replace');
        if (steps.length > 0 && this.#shutdown === undefined) this.#carryOut({ ...plan, steps });
      },
      // Without a free port nothing can be planned now; the next start tries again.
      () => (this.#portsMoved = true),
    );
  }

  /** What a person now asks of an instance goes before what an earlier plan still had in mind for it. */
  #giveUpOn(instance: InstanceId): void {
    for (const runner of this.#runners) runner.cancel(instance);
  }

  #perform(step: PlanStep): void {
    const supervisor = this.#supervisors.get(step.instance);
    const cause = step.causes[0] ?? { kind: 'added' as const };
    switch (step.action) {
      case 'start':
        supervisor?.dispatch({ type: 'want-up', afresh: true, cause });
        return;
      case 'replace':
        supervisor?.dispatch({ type: 'restart', cause });
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
    const supervisor = this.#supervisors.get(step.instance);
    if (supervisor === undefined) return true;
    switch (step.action) {
      case 'replace':
        return (
          supervisor.machine.wanted === 'down' ||
          supervisor.state.kind === 'running' ||
          supervisor.state.kind === 'completed'
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
    const supervisor = this.#supervisors.get(step.instance);
    if (supervisor === undefined || mayLive(supervisor)) return;
    supervisor.dispose();
    this.#supervisors.delete(step.instance);
    this.#ports.store.removeRun(step.instance);
    this.#tell({ type: 'instance-forgotten', cause }, step);
    this.#revision += 1;
    this.#publisher.changed();
  }

  /** What follows from changed states: gates that may open, steps that may go on, a shutdown that may. */
  #settle(): void {
    this.#settling = false;
    const services = [...this.#dirty];
    this.#dirty.clear();
    const asking = new Set(services.flatMap((id) => this.dependents(id)));
    if (asking.size > 0) {
      for (const supervisor of this.#supervisors.values()) {
        const { kind } = supervisor.state;
        if (!asking.has(supervisor.ref.service) || (kind !== 'waiting' && kind !== 'skipped')) continue;
        supervisor.dispatch({ type: 'gate', verdict: this.gate(supervisor.ref) });
      }
    }
    for (const runner of this.#runners) runner.advance();
    this.#shutdown?.advance();
  }

  #instancesOf(service: ServiceId): { state: Supervisor['state']; wanted: 'up' | 'down' }[] {
    return [...this.#supervisors.values()]
      .filter((s) => s.ref.service === service)
      .map((s) => ({ state: s.state, wanted: s.machine.wanted }));
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
        supervisor.dispatch({ type: 'restart', cause: { kind: 'user', what: 'restarted by hand' } });
        break;
      case 'kill':
        if (supervisor.proc === undefined) return false;
        void supervisor.signal(request.signal);
        return true;
    }
    return supervisor.machine !== before;
  }

  #withDependencies(chosen: readonly Supervisor[]): readonly Supervisor[] {
    const services = new Set(chosen.map((s) => s.ref.service));
    for (const id of services) for (const d of this.#specs.get(id)?.dependsOn ?? []) services.add(d.service);
    const direct = new Set(chosen);
    return [...this.#supervisors.values()].filter(
      (s) => direct.has(s) || (services.has(s.ref.service) && needsStart(s) && !direct.has(s)),
    );
  }

  #isWanted(service: ServiceId): boolean {
    return [...this.#supervisors.values()].some(
      (s) => s.ref.service === service && s.machine.wanted === 'up',
    );
  }

  #rememberStopped(chosen: readonly Supervisor[], action: ActionRequest['action']): void {
    if (action === 'kill') return;
    const stopped = new Set(this.#record.stopped);
    for (const id of new Set(chosen.map((s) => s.ref.service))) {
      if (this.#isWanted(id)) stopped.delete(id);
      else stopped.add(id);
    }
    this.#remember({ stopped: [...stopped].sort() });
  }

  #beginShutdown(request: DownRequest): Shutdown {
    const timeoutMs = request.timeoutMs ?? this.#loaded.project.shutdownTimeoutMs;
    this.#runners = [];
    const host = {
      clock: this.#ports.clock,
      supervisors: () => this.#supervisors.values(),
      dependents: (service: ServiceId) => this.dependents(service),
    };
    const shutdown = new Shutdown(host, request.reason, timeoutMs);
    this.#shutdown = shutdown;
    this.#remember({ shutdown: { reason: request.reason } });
    this.#tell({ type: 'shutdown-began', reason: request.reason });
    this.#revision += 1;
    this.#publisher.changed();
    shutdown.advance();
    return shutdown;
  }

  #afterShutdown(): void {
    for (const supervisor of this.#supervisors.values()) this.#ports.store.removeRun(supervisor.ref.id);
    const { shutdown: _over, ...rest } = this.#record;
    this.#record = rest;
    this.#remember({ phase: 'down', stopped: [], scale: {} });
  }

  async #leftovers(): Promise<readonly Leftover[]> {
    const live = [...this.#supervisors.values()].filter(mayLive);
    const found = await Promise.all(
      live.map(async ({ ref, proc }) =>
        ((await proc?.members()) ?? []).map((m) => ({
          instance: ref.id,
          pid: m.pid,
          command: this.#redactor.text(m.command),
        })),
      ),
    );
    return found.flat();
  }

  #remember(change: Partial<ProjectRecord>): void {
    this.#record = { ...this.#record, ...change };
    try {
      this.#ports.store.writeProject(this.#record);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#tell({ type: 'warning', message: `the project record cannot be written: ${why}` });
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

/** A run that an earlier daemon left: alive or just ended (`proc`), or ended and handled (`record.ended`). */
export interface ResumedRun {
  readonly record: RunRecord;
  readonly proc?: Proc;
  /** Stands in where the manifest holds the service no more. */
  readonly orphanSpec: ServiceSpec;
}

function edgesOf(specs: Iterable<ServiceSpec>): Edges {
  return new Map([...specs].map((spec) => [spec.id, spec.dependsOn.map((d) => d.service)]));
}

function needsStart(supervisor: Supervisor): boolean {
  const { kind } = supervisor.state;
  return kind === 'stopped' || kind === 'failed' || kind === 'skipped';
}

function isNeeded(plan: PlanView, service: ServiceId): boolean {
  return plan.steps.some((s) => s.service === service && s.action !== 'stop' && s.action !== 'forget');
}

function redactorOf(loaded: LoadedProject): Redactor {
  return createRedactor({ patterns: loaded.project.redact, values: loaded.secrets });
}

function summaryOf(plan: PlanView): string {
  const counts = new Map<string, number>();
  for (const { action } of plan.steps) counts.set(action, (counts.get(action) ?? 0) + 1);
  const parts = [...counts].filter(([a]) => a !== 'none').map(([action, n]) => `${n} to ${action}`);
  return parts.length === 0 ? 'nothing to do' : parts.join(', ');
}
