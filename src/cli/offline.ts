import { join } from 'node:path';
import type { LogLine, LogQuery } from '../core/api.ts';
import { loggedInstances, queryOffline } from '../logs/offline.ts';
import { readText } from '../store/files.ts';
import { parseProjectRecord } from '../store/records.ts';

/** What the project is meant to be, as its last daemon recorded it; undefined where that cannot be read. */
export function recordedPhase(stateDir: string): 'up' | 'down' | undefined {
  return readRecord(stateDir)?.phase;
}

/** Whether backends may have something of a project that is down: leavings of its last shutdown, or volumes. */
export function mayHaveLeft(stateDir: string, volumes: boolean): boolean {
  const { backends = [], leavings } = readRecord(stateDir) ?? {};
  return backends.length > 0 && (volumes || leavings === true);
}

function readRecord(
  stateDir: string,
): Extract<ReturnType<typeof parseProjectRecord>, { ok: true }>['record'] | undefined {
  const read = readText(join(stateDir, 'project.json'));
  if (read.kind !== 'text') return undefined;
  const parsed = parseProjectRecord(read.text);
  return parsed.ok ? parsed.record : undefined;
}

/** The logs that a project left. Labels are not known without a daemon, so `query.select` chooses by name alone. */
export function offlineLogs(stateDir: string, query: LogQuery): AsyncIterable<LogLine> {
  const { names } = query.select;
  const instances = loggedInstances(stateDir).filter(
    ({ instance, service }) => names.length === 0 || names.includes(service) || names.includes(instance),
  );
  return queryOffline(
    stateDir,
    {
      instances,
      ...(query.tail === undefined ? {} : { tail: query.tail }),
      ...(query.since === undefined ? {} : { since: query.since }),
      ...(query.stream === undefined ? {} : { stream: query.stream }),
      ...(query.previous === undefined ? {} : { previous: query.previous }),
      ...(query.after === undefined ? {} : { after: query.after }),
    },
    new AbortController().signal,
    () => undefined,
  );
}
