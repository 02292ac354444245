/** How a run ended, and why one could not begin: types of the contract, schema/api.json. */
export type { Exit, StartFailure } from './generated/api.ts';
