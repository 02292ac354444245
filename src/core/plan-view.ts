import type { PlanStep } from './generated/api.ts';

/** A plan as it travels and is printed: types of the contract, schema/api.json. */
export type {
  ActionKind,
  PlanStep,
  PlanView,
  ResourceAction,
  ResourceKind,
  ResourceStep,
} from './generated/api.ts';

/** What an instance does that a plan leaves alone. */
export type PlanNote = NonNullable<PlanStep['note']>;
