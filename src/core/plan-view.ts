import type { Cause } from './event.ts';
import type { InstanceId, ServiceId } from './service.ts';

export type ActionKind = 'start' | 'replace' | 'update' | 'stop' | 'forget' | 'none';

/** One step of a plan. Steps form a DAG by `after`. */
export interface PlanStep {
  /** `replace:api.1`: unique within the plan, the same for the same input. */
  readonly id: string;
  readonly action: ActionKind;
  readonly service: ServiceId;
  readonly instance: InstanceId;
  readonly causes: readonly Cause[];
  /** Ids of the steps that must be through first. */
  readonly after: readonly string[];
  readonly backend: string;
  /** For `none`: what it does now, such as "running". */
  readonly note?: string;
}

/** Something of the project that is there although no run on record made it; carrying the plan out removes it. */
export interface PlanOrphan {
  readonly id: string;
  readonly name: string;
  readonly service: ServiceId;
  readonly running: boolean;
}

/** A plan as it travels and is printed. */
export interface PlanView {
  readonly project: string;
  readonly manifest: string;
  readonly serviceCount: number;
  /** Sorted by service, then instance number. */
  readonly steps: readonly PlanStep[];
  /** Batches of step ids that may run at once, in order; `none` steps are left out. */
  readonly order: readonly (readonly string[])[];
  /** Absent where there are none. */
  readonly orphans?: readonly PlanOrphan[];
  /** Why it is not known whether there are any; absent where it is. */
  readonly orphansUnknown?: string;
  /** Whether anything at all is to be done. */
  readonly drift: boolean;
}
