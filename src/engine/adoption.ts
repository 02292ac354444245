import type { Cause } from '../core/event.ts';
import { restoreWanted } from '../core/restart.ts';
import { instanceId, type InstanceId, type ServiceId, type ServiceSpec } from '../core/service.ts';
import type { Proc, RunRecord } from '../ports/backend.ts';
import type { Fleet } from './fleet.ts';

/**
 * A run that an earlier daemon left: alive or just ended (`proc`), ended and handled (`record.ended`), or, with neither,
 * never begun.
 */
export interface ResumedRun {
  readonly record: RunRecord;
  readonly proc?: Proc;
  /** Stands in where the manifest holds the service no more. */
  readonly orphanSpec: ServiceSpec;
}

const NOT_STARTED: Cause = { kind: 'not-running', was: 'unbegun' };

/** Takes over what runs, learns how the rest ended, and has started what is wanted and was not begun. */
export function takeOver(fleet: Fleet, found: readonly ResumedRun[], stopped: readonly ServiceId[]): void {
  for (const run of found) takeOverRun(fleet, run, stopped);
  const seen = new Set(found.map(({ record }) => record.instance));
  for (const spec of fleet.specs.values()) startUnbegun(fleet, spec, seen, stopped);
}

function takeOverRun(
  fleet: Fleet,
  { record, proc, orphanSpec }: ResumedRun,
  stopped: readonly ServiceId[],
): void {
  const { service, instance, number } = record;
  const supervisor = fleet.ensure({ id: instance, service, number }, fleet.specs.get(service) ?? orphanSpec);
  const wanted =
    record.stopping === undefined
      ? restoreWanted(supervisor.spec.restart.policy, stopped.includes(service))
      : 'down';
  if (proc !== undefined) supervisor.adopt(record, proc);
  else if (record.ended !== undefined) supervisor.restore(record, record.ended.exit, wanted);
  else supervisor.beginAgain(record, wanted, NOT_STARTED);
  if (wanted === 'down') {
    const cause: Cause = record.stopping?.cause ?? { kind: 'user', request: 'earlier-stop' };
    supervisor.dispatch({ type: 'want-down', cause });
  }
}

function startUnbegun(
  fleet: Fleet,
  spec: ServiceSpec,
  seen: ReadonlySet<InstanceId>,
  stopped: readonly ServiceId[],
): void {
  for (let number = 1; number <= spec.replicas; number += 1) {
    const supervisor = fleet.ensure({ id: instanceId(spec.id, number), service: spec.id, number }, spec);
    const wanted = restoreWanted(spec.restart.policy, stopped.includes(spec.id));
    if (seen.has(supervisor.ref.id) || wanted === 'down') continue;
    supervisor.dispatch({
      type: 'want-up',
      afresh: false,
      cause: NOT_STARTED,
    });
  }
}
