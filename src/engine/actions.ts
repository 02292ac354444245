import type { ActionRequest } from '../core/api.ts';
import { ok, type Result } from '../core/util/result.ts';
import type { InstanceId } from '../core/service.ts';
import type { Execution } from './execution.ts';
import type { Fleet } from './fleet.ts';
import type { ProjectMemory } from './project-memory.ts';
import { select, type UnknownName } from './select.ts';
import type { Supervisor } from './instance/supervisor.ts';

export interface ActResult {
  readonly affected: readonly InstanceId[];
  readonly unchanged: readonly InstanceId[];
}

/** What is asked of single instances; their number is another matter. */
export type InstanceRequest = Exclude<ActionRequest, { action: 'scale' }>;

export interface ActingHost {
  readonly fleet: Fleet;
  readonly execution: Execution;
  readonly memory: ProjectMemory;
}

/**
 * Does what a person asks of instances, before what plans have in mind for them, and keeps which services are to stay
 * stopped. Nothing happens where a name is unknown.
 */
export function act(
  request: InstanceRequest,
  { fleet, execution, memory }: ActingHost,
): Result<ActResult, UnknownName> {
  const found = select(fleet.all(), fleet.specs, request.select);
  if (!found.ok) return found;
  const chosen =
    request.action === 'start' && request.withDependencies
      ? fleet.withDependencies(found.value)
      : found.value;
  const affected: InstanceId[] = [];
  const unchanged: InstanceId[] = [];
  for (const supervisor of chosen) {
    (actOn(supervisor, request, execution) ? affected : unchanged).push(supervisor.ref.id);
  }
  if (request.action !== 'kill') {
    const services = chosen.map((s) => s.ref.service);
    memory.noteStopped(services, (id) => fleet.isWanted(id));
  }
  return ok({ affected, unchanged });
}

/** Whether it changed anything. */
function actOn(supervisor: Supervisor, request: InstanceRequest, execution: Execution): boolean {
  const before = supervisor.machine;
  switch (request.action) {
    case 'start':
      supervisor.dispatch({
        type: 'want-up',
        afresh: true,
        cause: { kind: 'user', request: 'start' },
      });
      break;
    case 'stop':
      execution.giveUpOn(supervisor.ref.id);
      supervisor.dispatch({ type: 'want-down', cause: { kind: 'user', request: 'stop' } });
      break;
    case 'restart':
      execution.giveUpReplacing(supervisor.ref.id);
      supervisor.dispatch({ type: 'restart', cause: { kind: 'user', request: 'restart' } });
      break;
    case 'kill':
      if (supervisor.proc === undefined) return false;
      void supervisor.signal(request.signal);
      return true;
  }
  return supervisor.machine !== before;
}
