import { explainError, lastMeaningfulLine } from '../core/errors.ts';
import type { Cause } from '../core/event.ts';
import type { Exit, StartFailure } from '../core/exit.ts';
import type { GateVerdict } from '../core/machine.ts';
import type { Result } from '../core/util/result.ts';
import type { BackendName, ServiceId } from '../core/service.ts';
import type { InstanceRef, RunId } from '../core/state.ts';
import type { LogStore } from '../ports/logs.ts';
import type { Execution } from './execution.ts';
import type { Fleet } from './fleet.ts';
import type { Launches } from './launches.ts';
import type { Planner } from './planner.ts';
import type { ProjectMemory } from './project-memory.ts';
import type { Publisher } from './publisher.ts';
import type { EngineView, PreparedLaunch } from './instance/engine-view.ts';
import type { ProjectShutdown } from './project-shutdown.ts';

const ERROR_TAIL_LINES = 40;
const ERROR_TAIL_BYTES = 16 * 1024;

export interface ProjectViewParts {
  readonly logs: Pick<LogStore, 'errorTail'>;
  readonly fleet: Fleet;
  readonly launches: Launches;
  readonly planning: Planner;
  readonly execution: Execution;
  readonly projectShutdown: ProjectShutdown;
  readonly memory: ProjectMemory;
  readonly publisher: Publisher;
  /** Whether an instance may start. */
  readonly gate: (ref: InstanceRef, waitedMs: number) => GateVerdict;
}

/**
 * What the supervisors of one project share: answers what they ask, and has happen what follows from their changes for
 * others. Changes that come together are looked at together, once all of them have been made.
 */
export class ProjectView implements EngineView {
  readonly #parts: ProjectViewParts;
  /** Services of which something has changed since the last look. */
  readonly #dirty = new Set<ServiceId>();
  #settling = false;
  #portsMoved = false;

  constructor(parts: ProjectViewParts) {
    this.#parts = parts;
  }

  async prepareLaunch(ref: InstanceRef): Promise<Result<PreparedLaunch, StartFailure>> {
    const { fleet, launches, execution } = this.#parts;
    const needed = execution.resourcesOf(ref.service);
    if (needed !== undefined) await needed;
    const spec = fleet.specs.get(ref.service) ?? fleet.get(ref.id)?.spec;
    if (spec === undefined) throw new Error(`no specification of ${ref.id}`);
    const allotted = await launches.allot(spec, ref.number);
    if (!allotted.ok) return allotted;
    this.#replaceThoseWithMovedPorts();
    return launches.prepare(spec, ref.number);
  }

  usedBackend(backend: BackendName): Result<void, StartFailure> {
    return this.#parts.memory.usedBackend(backend);
  }

  recorded(): Result<void, StartFailure> {
    return this.#parts.memory.recorded();
  }

  gate(ref: InstanceRef, waitedMs: number): GateVerdict {
    return this.#parts.gate(ref, waitedMs);
  }

  changed(ref: InstanceRef): void {
    this.#parts.publisher.changed();
    this.#dirty.add(ref.service);
    if (this.#settling) return;
    this.#settling = true;
    queueMicrotask(() => this.#settle());
  }

  async lastWords(ref: InstanceRef, run: RunId): Promise<string | undefined> {
    const { fleet, logs } = this.#parts;
    const spec = fleet.get(ref.id)?.spec;
    const stream = spec?.launch.mergeStderr === true ? 'stdout' : 'stderr';
    const lines = await logs.errorTail(ref.id, run, ERROR_TAIL_LINES, ERROR_TAIL_BYTES, stream);
    const patterns = spec?.errors ?? [];
    const said = explainError(lines, patterns) ?? lastMeaningfulLine(lines);
    return said === undefined ? undefined : this.masked(said);
  }

  masked(text: string): string {
    return this.#parts.fleet.redactor.text(text);
  }

  /** An automatic port that somebody else took while its instance was away is exchanged for another. */
  startFailed(ref: InstanceRef, failure: StartFailure): void {
    const { fleet, launches } = this.#parts;
    const spec = fleet.specs.get(ref.service);
    if (failure.code === 'port-taken' && spec !== undefined && launches.withdraw(spec, ref.number)) {
      this.#portsMoved = true;
    }
  }

  runFailed(ref: InstanceRef, exit: Exit): void {
    this.failurePassedOn(ref, { kind: 'dependency', service: ref.service, exit });
  }

  /** Those that run on the service do what they are declared to do when it fails. */
  failurePassedOn(ref: InstanceRef, cause: Cause): void {
    const { fleet, memory } = this.#parts;
    if (this.isShuttingDown()) return;
    for (const { service, then } of fleet.concerned(ref.service)) {
      const concerned = fleet.of(service);
      for (const each of concerned) each.dispatch({ type: 'dependency-failed', then, cause });
      if (then !== 'stop') continue;
      const services = concerned.map((each) => each.ref.service);
      memory.noteStopped(services, (id) => fleet.isWanted(id));
    }
  }

  patterns(service: ServiceId): readonly string[] {
    return this.#parts.fleet.patterns(service);
  }

  isShuttingDown(): boolean {
    return this.#parts.projectShutdown.shutdown !== undefined;
  }

  isKilling(): boolean {
    return this.#parts.projectShutdown.shutdown?.level === 2;
  }

  /** What follows from changed states: gates that may open, steps that may go on, a shutdown that may. */
  #settle(): void {
    const { fleet, memory, execution, projectShutdown } = this.#parts;
    this.#settling = false;
    memory.tryAgain();
    const services = [...this.#dirty];
    this.#dirty.clear();
    const asking = new Set(services.flatMap((id) => fleet.dependents(id)));
    if (asking.size > 0) {
      for (const supervisor of fleet.all()) {
        const { kind } = supervisor.state;
        if (!asking.has(supervisor.ref.service) || (kind !== 'waiting' && kind !== 'skipped')) continue;
        supervisor.dispatch({ type: 'gate', verdict: this.gate(supervisor.ref, supervisor.waitedMs) });
      }
    }
    execution.advance();
    projectShutdown.shutdown?.advance();
  }

  /** What runs with a reference to a port that is another now gets the new number, by being replaced. */
  #replaceThoseWithMovedPorts(): void {
    const { fleet, planning, execution } = this.#parts;
    if (!this.#portsMoved || this.isShuttingDown()) return;
    this.#portsMoved = false;
    planning.plan(fleet.loaded, []).then(
      (plan) => {
        const steps = plan.steps.filter((step) => step.action === 'replace');
        if (steps.length > 0 && !this.isShuttingDown()) execution.begin({ ...plan, steps, resources: [] });
      },
      // Without a free port nothing can be planned now; the next start tries again.
      () => (this.#portsMoved = true),
    );
  }
}
