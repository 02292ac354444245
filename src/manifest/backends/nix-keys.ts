import { flag, into, or, path, text, type RowsOf } from '../keys/table/row.ts';
import type { Nix } from '../generated/manifest-types.ts';

/** The keys of the development shell of a flake. */
export const nixKeys = {
  flake: {},
  shell: into('shell', or(text, 'default')),
  cache_dir: into('cacheDir', path),
  impure: into('impure', flag),
} satisfies RowsOf<Nix>;

/** Of a service: those that this backend alone has a use for. */
export const nixServiceKeys = {
  nix: { member: 'launch.settings', keys: nixKeys },
} as const;
