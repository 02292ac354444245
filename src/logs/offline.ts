import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLine } from '../core/api.ts';
import type { InstanceLogQuery, LogTarget } from '../ports/logs.ts';
import { InstanceLog, instanceDirIn } from './instance-log.ts';
import { LogReader } from './reader.ts';

/** The instances of which a project's state directory holds logs, ordered by name. */
export function loggedInstances(stateDir: string): readonly LogTarget[] {
  try {
    return readdirSync(join(stateDir, 'instances'))
      .sort()
      .flatMap((instance) => {
        const service = /^(.+)\.[1-9][0-9]*$/.exec(instance)?.[1];
        return service === undefined ? [] : [{ instance, service }];
      });
  } catch {
    return [];
  }
}

/**
 * The names that instances go by on screen, by instance id: the service's id for its only instance, else the instance's
 * own, as they go by while a daemon runs. A replica that a service no longer has counts as long as it left logs.
 */
export function shownNames(targets: readonly LogTarget[]): ReadonlyMap<string, string> {
  const counts = new Map<string, number>();
  for (const { service } of targets) counts.set(service, (counts.get(service) ?? 0) + 1);
  return new Map(
    targets.map(({ instance, service }) => [instance, counts.get(service) === 1 ? service : instance]),
  );
}

/** What `LogStore.query` answers, read from a state directory where no daemon runs. Changes nothing there. */
export function queryOffline(
  stateDir: string,
  query: Omit<InstanceLogQuery, 'follow'>,
  signal: AbortSignal,
  onWarning: (message: string) => void,
): AsyncIterable<LogLine> {
  const access = {
    look(instance: string): InstanceLog {
      const options = { readOnly: true, wall: Date.now, onWarning };
      const log = new InstanceLog(instanceDirIn(stateDir, instance), options);
      log.check();
      return log;
    },
    follow: () => () => undefined,
    trim: () => undefined,
    onWarning,
  };
  return new LogReader({ ...query, follow: false }, access, signal);
}
