import type { DaemonClient } from '../client/types.ts';
import type { InstanceStats, StatsResponse } from '../core/api.ts';
import type { CliContext } from './context.ts';

/** What a table of states waits for figures at most: they are extra there. */
const PATIENCE_MS = 100;

/**
 * What instances use, where the daemon can tell at once; undefined where it cannot, such as one of an earlier version.
 * The share of the CPU is known from the second time on. Never rejects.
 */
export function statsAtOnce(context: CliContext, client: DaemonClient): Promise<StatsResponse | undefined> {
  return new Promise((resolve) => {
    const cancel = context.after(PATIENCE_MS, () => resolve(undefined));
    void statsIfAny(client, true).then((stats) => {
      cancel();
      resolve(stats);
    });
  });
}

/** What instances use, however long the sample takes; undefined where the daemon cannot tell. Never rejects. */
export function statsIfAny(client: DaemonClient, atOnce = false): Promise<StatsResponse | undefined> {
  return client.stats(atOnce).catch(() => undefined);
}

export function byInstance(stats: StatsResponse | undefined): ReadonlyMap<string, InstanceStats> {
  return new Map(stats?.instances.map((one) => [one.instance, one]));
}
