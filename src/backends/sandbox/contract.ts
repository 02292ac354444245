import type { StartFailure as CoreStartFailure } from '../../core/exit.ts';

/** A folder or file of the machine, a named volume, or memory, at a place in the service's file system. */
export type Mount =
  | {
      readonly type: 'bind';
      /** Absolute. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly optional: boolean;
    }
  | {
      readonly type: 'volume';
      /** Name of a top-level volume, or an anonymous one: ''. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      /** Bytes. */
      readonly size?: number;
      readonly mode?: number;
    };

export interface SandboxSpec {
  readonly network: boolean;
  /** Absolute. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly profile: 'default' | 'strict';
}

/** A start failure with the codes that this backend adds. */
export type StartFailure = Omit<CoreStartFailure, 'code'> & {
  readonly code: CoreStartFailure['code'] | 'mount-missing' | 'sandbox-unavailable';
};
