import type { FailedChange } from '../core/api.ts';
import type { Cause } from '../core/event.ts';
import type { PlanStep, PlanView } from '../core/plan-view.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import { isReady } from '../core/state.ts';
import type { Backend } from '../ports/backend.ts';
import type { Store } from '../ports/store.ts';
import type { Fleet } from './fleet.ts';
import type { Orphans } from './orphans.ts';
import { PlanRunner } from './plan-runner.ts';
import type { Publisher } from './publisher.ts';
import { Replacements } from './replacements.ts';
import type { ResourceSteps } from './resource-steps.ts';
import { mayLive } from './instance/supervisor.ts';
import type { Tell } from './journal.ts';

export interface ExecutionHost {
  readonly backend: Pick<Backend, 'prepare'>;
  readonly store: Pick<Store, 'instanceDir' | 'removeRun'>;
  readonly fleet: Fleet;
  readonly orphans: Orphans;
  readonly resources: ResourceSteps;
  readonly publisher: Publisher;
  readonly tell: Tell;
  /** Asked anew after each wait. */
  readonly isGoingDown: () => boolean;
}

/**
 * Carries plans out: a step is what is asked of an instance's supervisor. An apply supersedes all plans under way; what
 * is asked of single services goes on beside them.
 */
export class Execution {
  readonly #host: ExecutionHost;
  readonly #replacements: Replacements;
  #runners: readonly PlanRunner[] = [];
  /** Launch preparations that wait for what plans are to make. */
  #waiting: { readonly service: ServiceId; readonly resolve: () => void }[] = [];

  constructor(host: ExecutionHost) {
    this.#host = host;
    this.#replacements = new Replacements({
      kept: ({ ref }, failure) => {
        const reason = { kind: 'preparation', failure } as const;
        host.tell(
          { type: 'change-failed', reason, rolledBack: false, kept: true },
          { service: ref.service, instance: ref.id },
        );
      },
      settled: () => this.#settled(),
    });
  }

  /** Services whose new version could not even be begun, and of which the former one goes on, by name. */
  get notReplaced(): readonly FailedChange[] {
    return this.#replacements.failed;
  }

  /** Whether something is still to be begun for an instance. */
  awaits(instance: InstanceId): boolean {
    return this.#runners.some((runner) => runner.awaits(instance));
  }

  /** Carries out a plan in place of all earlier ones. Resolves once it has begun, or will not: the project goes down. */
  async supersede(plan: PlanView): Promise<void> {
    const { backend, store, orphans, isGoingDown } = this.#host;
    await backend.prepare(
      plan.steps
        .filter(({ action }) => action === 'start' || action === 'replace')
        .map(({ backend: name, instance }) => ({ backend: name, instanceDir: store.instanceDir(instance) })),
    );
    if (isGoingDown()) return;
    await orphans.remove(plan);
    if (isGoingDown()) return;
    this.giveUpAll();
    this.begin(plan);
  }

  /** Begins a plan beside those under way. */
  begin(plan: PlanView): void {
    const concerned = new Set(
      plan.steps.filter(({ action }) => action !== 'none').map(({ instance }) => instance),
    );
    const runner = new PlanRunner(plan, {
      mayBegin: (step) => step.action !== 'replace' || !this.#isOneAway(step, concerned),
      perform: (step) => {
        if ('instance' in step) this.#perform(step);
        else this.#host.resources.begin(step, this.#host.fleet.loaded.project, () => this.#settled());
      },
      reached: (step) => ('instance' in step ? this.#reached(step) : !this.#host.resources.isUnderWay(step)),
    });
    this.#runners = [...this.#runners.filter((r) => !r.finished), runner];
    runner.advance();
  }

  #settled(): void {
    this.#host.publisher.changed();
    this.advance();
  }

  /** To be called after every change of a state. */
  advance(): void {
    for (const runner of this.#runners) runner.advance();
    this.#wakeUp();
  }

  /** Resolves once no plan is still to make what a service's launches need; undefined where none is. */
  resourcesOf(service: ServiceId): Promise<void> | undefined {
    if (!this.#awaitsResource(service)) return undefined;
    return new Promise((resolve) => this.#waiting.push({ service, resolve }));
  }

  #awaitsResource(service: ServiceId): boolean {
    return this.#runners.some((runner) => runner.awaitsResource(service));
  }

  #wakeUp(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ service }) => this.#awaitsResource(service));
    for (const each of waiting) if (!this.#waiting.includes(each)) each.resolve();
  }

  /** What is now asked of instances goes before what an earlier plan still had in mind for them. */
  giveUpOn(...instances: readonly InstanceId[]): void {
    this.giveUpReplacing(...instances);
    for (const runner of this.#runners) runner.cancel(...instances);
  }

  /** Gives up the replacements of instances alone. */
  giveUpReplacing(...instances: readonly InstanceId[]): void {
    this.#replacements.giveUp(...instances);
  }

  /** Gives up all that is under way, and forgets what could not be replaced. */
  giveUpAll(): void {
    this.#runners = [];
    this.#replacements.giveUpAll();
    this.#wakeUp();
  }

  /**
   * Whether another instance of the service is on its way up because of an earlier plan: one at a time are away, whoever
   * asked for it. Those that this plan concerns have their order in it.
   */
  #isOneAway({ service, instance }: PlanStep, concerned: ReadonlySet<InstanceId>): boolean {
    return this.#host.fleet.of(service).some(({ ref, machine: { wanted, state } }) => {
      if (ref.id === instance || wanted === 'down' || concerned.has(ref.id)) return false;
      return (
        state.kind === 'starting' ||
        (state.kind === 'stopping' && state.then === 'start-again') ||
        (state.kind === 'running' && state.readiness?.kind === 'pending')
      );
    });
  }

  #perform(step: PlanStep): void {
    const supervisor = this.#host.fleet.get(step.instance);
    const cause = step.causes[0] ?? { kind: 'added' as const };
    switch (step.action) {
      case 'start':
        supervisor?.dispatch({ type: 'want-up', afresh: true, cause });
        return;
      case 'replace':
        if (supervisor !== undefined) this.#replacements.begin(supervisor, cause);
        return;
      case 'update':
        this.#host.tell({ type: 'instance-updated', cause }, step);
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
    const supervisor = this.#host.fleet.get(step.instance);
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
    const { fleet, store, tell, publisher } = this.#host;
    const supervisor = fleet.get(step.instance);
    if (supervisor === undefined || mayLive(supervisor)) return;
    this.#replacements.giveUp(step.instance);
    fleet.forget(step.instance);
    store.removeRun(step.instance);
    tell({ type: 'instance-forgotten', cause }, step);
    publisher.changed();
  }
}
