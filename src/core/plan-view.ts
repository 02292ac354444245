/** A plan as it travels and is printed: types of the contract, schema/api.json. */
export type { ActionKind, PlanStep, PlanView } from './generated/api.ts';
