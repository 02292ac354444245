import type { StartFailure as CoreStartFailure } from '../../core/exit.ts';

export interface NixSpec {
  /** Absolute folder, or a flake reference. */
  readonly flake: string;
  /** Attribute of devShells. */
  readonly shell: string;
  /** Absolute. */
  readonly cacheDir?: string;
  readonly impure: boolean;
}

/** A start failure with the code that this backend adds. */
export type StartFailure = Omit<CoreStartFailure, 'code'> & {
  readonly code: CoreStartFailure['code'] | 'nix-failed';
};
