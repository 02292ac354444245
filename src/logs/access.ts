import type { InstanceId } from '../core/service.ts';
import type { InstanceLog } from './instance-log.ts';

/** What a reader needs of whoever knows the logs. */
export interface LogAccess {
  /** The log of an instance, looked at just now. */
  look(instance: InstanceId): InstanceLog;
  /** Calls `wake` when an instance may have news and `close` when none will come any more; the answer ends that. */
  follow(
    instances: readonly InstanceId[],
    follower: { readonly wake: (instance: InstanceId) => void; readonly close: () => void },
  ): () => void;
  /** To be called when a reader that its files were kept for is through with them. */
  trim(instance: InstanceId): void;
  readonly onWarning: (message: string) => void;
}
