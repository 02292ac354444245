/** What happened and why, and what an instance does: types of the contract, schema/api.json. */
export type {
  Cause,
  FieldChange,
  Happening,
  HappeningBody,
  InstanceSnapshot,
  ProbeView,
} from './generated/api.ts';
