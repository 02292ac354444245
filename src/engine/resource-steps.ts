import { planResources } from '../core/resource-plan.ts';
import type { Cause } from '../core/event.ts';
import type { PlanView, ResourceStep } from '../core/plan-view.ts';
import type { Redactor } from '../core/redact.ts';
import { DEFAULT_BACKEND, type Project } from '../core/service.ts';
import type { Backend, ResourceScope } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';
import type { Tell } from './journal.ts';
import type { ProjectMemory } from './project-memory.ts';
import { within } from './patience.ts';

/** No plan waits longer for an engine to say what it has. */
const PATIENCE_MS = 3_000;

export interface ResourcePorts {
  readonly backend: Pick<Backend, 'resources' | 'applyResource'>;
  readonly clock: Clock;
  readonly memory: ProjectMemory;
  readonly tell: Tell;
  /** Without the secrets it may hold. */
  readonly masked: (text: string) => string;
}

/** The steps of a plan for networks, volumes, images and builds: what they are, and carrying them out. */
export class ResourceSteps {
  readonly #ports: ResourcePorts;
  readonly #underWay = new Set<ResourceStep>();

  constructor(ports: ResourcePorts) {
    this.#ports = ports;
  }

  /** Whether there is anything to look at; `isUsed`: a backend may have something of the project. */
  concern({ services }: Project, isUsed: boolean): boolean {
    const { resources } = this.#ports.backend;
    return (
      resources !== undefined && (isUsed || services.some(({ launch }) => launch.backend !== DEFAULT_BACKEND))
    );
  }

  /** The plan, with those steps; `isWhole`: it is of all services. Never rejects. */
  async addTo(
    plan: PlanView,
    project: Project,
    { isWhole, redactor }: { readonly isWhole: boolean; readonly redactor: Redactor },
  ): Promise<PlanView> {
    const { backend, clock } = this.#ports;
    if (backend.resources === undefined) return plan;
    const found = await within(clock, PATIENCE_MS, backend.resources(scopeOf(project, plan)));
    if (found === undefined) return { ...plan, resourcesUnknown: 'the engine has not answered in time' };
    if (!found.ok) return { ...plan, resourcesUnknown: redactor.text(found.error.message) };
    const whole = planResources(plan, found.value, isWhole);
    const { resources } = whole;
    if (resources === undefined) return whole;
    const shown = resources.map((step) => ({
      ...step,
      causes: step.causes.map((cause) => maskedCause(cause, redactor)),
    }));
    return { ...whole, resources: shown };
  }

  /** Begins a step; `done` is called once it is through, well or not: what needs it then says why it cannot start. */
  begin(step: ResourceStep, project: Project, done: () => void): void {
    // An image or build is brought about with the first start that needs it, which shows how far that is.
    if (step.action === 'keep' || step.kind === 'image' || step.kind === 'build') return;
    this.#underWay.add(step);
    void this.#apply(step, project).then(() => {
      this.#underWay.delete(step);
      done();
    });
  }

  isUnderWay(step: ResourceStep): boolean {
    return this.#underWay.has(step);
  }

  async #apply(step: ResourceStep, project: Project): Promise<void> {
    const { backend, memory, tell, masked } = this.#ports;
    const { action, kind, name } = step;
    // On record first, so that a later clean-up finds it.
    const noted = memory.usedBackend(step.backend);
    const applied = noted.ok ? await backend.applyResource?.(step, scopeOf(project)) : noted;
    const cause = step.causes[0] ?? { kind: 'added' as const };
    if (applied?.ok === true) tell({ type: 'resource-changed', action, kind, name, cause });
    else if (applied !== undefined) tell({ type: 'warning', message: masked(applied.error.message) });
  }
}

function scopeOf({ name, services, resources }: Project, plan?: PlanView): ResourceScope {
  const begun = new Set(
    plan?.steps
      .filter(({ action }) => action === 'start' || action === 'replace')
      .map(({ service }) => service),
  );
  return {
    project: name,
    services: services.map(({ id, launch }) => ({ service: id, launch, starts: begun.has(id) })),
    ...(resources === undefined ? {} : { resources }),
  };
}

/** A driver's options may hold passwords. */
function maskedCause(cause: Cause, redactor: Redactor): Cause {
  if (cause.kind !== 'changed') return cause;
  const fields = cause.fields.map(({ field, from, to }) => {
    const key = field.slice(field.indexOf('.') + 1);
    return {
      field,
      ...(from === undefined ? {} : { from: redactor.value(key, from) }),
      ...(to === undefined ? {} : { to: redactor.value(key, to) }),
    };
  });
  return { kind: 'changed', fields };
}
