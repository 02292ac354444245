/** A problem of what a person wrote: types of the contract, schema/api.json. */
export type { Diagnostic, Label, Place } from './generated/api.ts';
