/** A plan as it travels and is printed: types of the contract, schema/api.json. */
export type {
  ActionKind,
  PlanOrphan,
  PlanStep,
  PlanView,
  ResourceAction,
  ResourceKind,
  ResourceStep,
} from './generated/api.ts';
