import type { ServiceSpec } from '../core/service.ts';
import type { ResumedRun } from '../engine/adoption.ts';
import type { Backend, RunRecord } from '../ports/backend.ts';
import type { LogStore } from '../ports/logs.ts';
import type { Store } from '../ports/store.ts';

/** The runs that an earlier daemon left, with their units where they still have one to follow. */
export async function resumedRuns(
  store: Store,
  backend: Backend,
  logs: Pick<LogStore, 'paths'>,
): Promise<readonly ResumedRun[]> {
  const { runs, damaged } = store.readRuns();
  for (const message of damaged) store.append({ type: 'warning', message }, {});
  const open = runs.filter((record) => record.ended === undefined);
  const procs = await backend.adopt(
    open.map((record) => {
      const { stdout, stderr } = logs.paths(record.instance);
      const instanceDir = store.instanceDir(record.instance);
      return { record, instanceDir, stdoutPath: stdout, stderrPath: stderr };
    }),
  );
  const byRun = new Map(procs.map((proc) => [proc.run, proc]));
  return runs.map((record) => {
    const proc = byRun.get(record.run);
    return { record, orphanSpec: orphanSpec(record), ...(proc === undefined ? {} : { proc }) };
  });
}

/** What is known of a service that only its record still speaks of: how to stop it, and that it is not restarted. */
function orphanSpec(record: RunRecord): ServiceSpec {
  return {
    id: record.service,
    labels: {},
    backendReason: 'as it was started',
    launch: {
      backend: record.backend,
      command: { kind: 'exec', argv: [] },
      cwd: '/',
      env: {},
      envAppend: [],
      inheritEnv: false,
      path: [],
      ports: [],
      limits: {},
    },
    dependsOn: [],
    restart: { policy: 'never', maxRestarts: 0, windowMs: 60_000, successExitCodes: [0] },
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0, resetAfterMs: 30_000 },
    stop: record.stop,
    replicas: record.number,
    log: { maxSize: 0, keep: 0 },
    hooks: {},
    errors: [],
    requires: [],
    profiles: [],
    origin: 'an earlier manifest',
  };
}
