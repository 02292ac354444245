import type { PlanStep, PlanView, ResourceStep } from '../core/plan-view.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';

export type AnyStep = PlanStep | ResourceStep;

export interface StepExecutor {
  /** Whether nothing that is no step of the plan stands in the way; asked again after every change of a state. */
  mayBegin(step: AnyStep): boolean;
  /** Begins the step. */
  perform(step: AnyStep): void;
  /** Whether what the step is for has come true; asked after `perform` and after every later change. */
  reached(step: AnyStep): boolean;
}

/**
 * Carries out a plan: a step is begun once all steps that it comes after have been reached. A newer plan supersedes an
 * older one simply by replacing its runner, because the newer one was made from the states as they are.
 */
export class PlanRunner {
  readonly #executor: StepExecutor;
  readonly #pending = new Map<string, AnyStep>();
  readonly #begun = new Map<string, AnyStep>();
  #advancing = false;

  constructor(plan: PlanView, executor: StepExecutor) {
    this.#executor = executor;
    for (const step of plan.resources ?? []) if (step.action !== 'keep') this.#pending.set(step.id, step);
    for (const step of plan.steps) if (step.action !== 'none') this.#pending.set(step.id, step);
  }

  /** To be called once at the start and after every change of a state. */
  advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#settle() + this.#beginReady() > 0);
    } finally {
      this.#advancing = false;
    }
  }

  /** Gives up what is left to do for instances, all at once; what waits for it goes on. */
  cancel(...instances: readonly InstanceId[]): void {
    for (const steps of [this.#pending, this.#begun]) {
      for (const [id, step] of steps)
        if ('instance' in step && instances.includes(step.instance)) steps.delete(id);
    }
    this.advance();
  }

  /** Whether something is still to be begun for an instance. */
  awaits(instance: InstanceId): boolean {
    return [...this.#pending.values()].some((step) => 'instance' in step && step.instance === instance);
  }

  get finished(): boolean {
    return this.#pending.size === 0 && this.#begun.size === 0;
  }

  /** Whether something that a service's launches need is still to be made. */
  awaitsResource(service: ServiceId): boolean {
    return [...this.#pending.values(), ...this.#begun.values()].some(
      (step) => 'services' in step && step.action !== 'remove' && step.services.includes(service),
    );
  }

  /** An instance is begun beside what it needs: its launch preparation waits for that, and shows that it starts. */
  #holdsUp(step: AnyStep, other: string): boolean {
    const before = this.#pending.get(other) ?? this.#begun.get(other);
    return before !== undefined && ('instance' in before || !('instance' in step));
  }

  #settle(): number {
    let settled = 0;
    for (const [id, step] of this.#begun) {
      if (!this.#executor.reached(step)) continue;
      this.#begun.delete(id);
      settled += 1;
    }
    return settled;
  }

  #beginReady(): number {
    let begun = 0;
    for (const [id, step] of this.#pending) {
      if (step.after.some((other) => this.#holdsUp(step, other))) continue;
      if (!this.#executor.mayBegin(step)) continue;
      this.#pending.delete(id);
      this.#begun.set(id, step);
      this.#executor.perform(step);
      begun += 1;
    }
    return begun;
  }
}
