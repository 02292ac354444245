import { dockerServiceKeys } from './docker-keys.ts';
import { nixServiceKeys } from './nix-keys.ts';

/** The keys of a service that are those of single backends. */
export const backendKeys = { ...dockerServiceKeys, ...nixServiceKeys };
