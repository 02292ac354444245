import type { CleanupReport, DownRequest, DownResponse, Leftover } from '../core/api.ts';
import type { ServiceId } from '../core/service.ts';
import type { Backend } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import type { Execution } from './execution.ts';
import type { Fleet } from './fleet.ts';
import type { ProjectMemory } from './project-memory.ts';
import type { Publisher } from './publisher.ts';
import { mayLive, type Supervisor } from './instance/supervisor.ts';
import { Shutdown } from './shutdown.ts';
import type { Tell } from './journal.ts';

export interface ProjectShutdownHost {
  readonly backend: Pick<Backend, 'removeProject'>;
  readonly clock: Clock;
  readonly store: Pick<Store, 'removeRun'>;
  readonly fleet: Fleet;
  readonly memory: ProjectMemory;
  readonly execution: Execution;
  readonly publisher: Publisher;
  readonly tell: Tell;
}

/**
 * The project's way down: on record before anything is stopped, so that a later daemon goes on with it; then the shutdown,
 * then the removal of what the project has left besides processes. There is no way back.
 */
export class ProjectShutdown {
  readonly #host: ProjectShutdownHost;
  #shutdown: Shutdown | undefined;
  #ending: Promise<DownResponse> | undefined;

  constructor(host: ProjectShutdownHost) {
    this.#host = host;
  }

  /** Undefined until somebody has asked for it. */
  get shutdown(): Shutdown | undefined {
    return this.#shutdown;
  }

  /**
   * Resolves once the project is down, or once all means have been used. Asked again, it may become less patient, or take
   * the volumes along; the answer is the same.
   */
  down(request: DownRequest): Promise<DownResponse> {
    const { memory } = this.#host;
    const shutdown = this.#shutdown ?? this.#begin(request);
    if (request.volumes === true && memory.record.shutdown?.volumes !== true) {
      memory.remember({ shutdown: { reason: shutdown.reason, volumes: true } });
    }
    shutdown.escalate(request.level);
    this.#ending ??= this.#end(shutdown);
    return this.#ending;
  }

  #begin(request: DownRequest): Shutdown {
    const { clock, fleet, memory, execution, publisher, tell } = this.#host;
    const timeoutMs = request.timeoutMs ?? fleet.loaded.project.shutdownTimeoutMs;
    execution.giveUpAll();
    const host = {
      clock,
      supervisors: () => fleet.all(),
      dependents: (service: ServiceId) => fleet.dependents(service),
    };
    const shutdown = new Shutdown(host, request.reason, timeoutMs);
    this.#shutdown = shutdown;
    memory.remember({
      shutdown: { reason: request.reason, ...(request.volumes === true ? { volumes: true } : {}) },
    });
    tell({ type: 'shutdown-began', reason: request.reason });
    publisher.changed();
    shutdown.advance();
    return shutdown;
  }

  async #end({ finished }: Shutdown): Promise<DownResponse> {
    const { fleet } = this.#host;
    const before = fleet.size;
    const { clean } = await finished;
    const removed = await this.#removeLeavings();
    const leftovers = clean ? [] : await leftoversOf(fleet.all(), (text) => fleet.redactor.text(text));
    if (clean) this.#forgetIt();
    const stopped = before - new Set(leftovers.map((l) => l.instance)).size;
    return { stopped, leftovers, ...(removed === undefined ? {} : { removed }) };
  }

  async #removeLeavings(): Promise<CleanupReport | undefined> {
    const { backend, fleet, memory, tell } = this.#host;
    const { name, backends = [] } = memory.record;
    if (backends.length === 0) return undefined;
    // Until here somebody may have asked for it.
    const volumes = memory.record.shutdown?.volumes === true;
    const removed = await removeLeavings(backend, name, volumes, fleet.all());
    const names = [...removed.containers, ...removed.networks, ...removed.volumes];
    if (names.length > 0) tell({ type: 'leavings-removed', names });
    for (const { what, why } of removed.failed) {
      tell({ type: 'warning', message: `${what} could not be removed: ${why}` });
    }
    const { leavings: _before, ...rest } = memory.record;
    const isAll = removed.failed.length === 0;
    memory.replace({
      ...rest,
      ...(isAll ? {} : { leavings: true }),
      ...(isAll && volumes ? { backends: [] } : {}),
    });
    return removed;
  }

  /** All is down: nothing of it is to be taken up again. */
  #forgetIt(): void {
    const { fleet, memory, store } = this.#host;
    for (const supervisor of fleet.all()) store.removeRun(supervisor.ref.id);
    const { shutdown: _over, ...rest } = memory.record;
    memory.replace({ ...rest, phase: 'down', stopped: [], scale: {} });
  }
}

const NOTHING_REMOVED: CleanupReport = { containers: [], networks: [], volumes: [], failed: [] };

/**
 * Removes what a project that is down has left besides processes. Whoever does not answer is not asked: what it has is
 * left then, and said to be. Never rejects.
 */
async function removeLeavings(
  backend: Pick<Backend, 'removeProject'>,
  project: string,
  volumes: boolean,
  supervisors: readonly Supervisor[],
): Promise<CleanupReport> {
  if (backend.removeProject === undefined) return NOTHING_REMOVED;
  const why = supervisors.find(({ unknown }) => unknown !== undefined)?.unknown;
  if (why === undefined) return backend.removeProject(project, { volumes });
  const what = `containers and networks${volumes ? ', and volumes,' : ''} of ${project}`;
  return { ...NOTHING_REMOVED, failed: [{ what, why }] };
}

/** What is still alive after all means were used, by process, or, where nobody can tell, by what it is called. */
async function leftoversOf(
  supervisors: readonly Supervisor[],
  masked: (text: string) => string,
): Promise<readonly Leftover[]> {
  const found = await Promise.all(
    supervisors.filter(mayLive).map(async ({ ref, proc, unknown }): Promise<readonly Leftover[]> => {
      if (unknown !== undefined) {
        return [{ instance: ref.id, command: proc?.unit ?? '', reason: unknown }];
      }
      const members = (await proc?.members()) ?? [];
      return members.map(({ pid, command }) => ({ instance: ref.id, pid, command: masked(command) }));
    }),
  );
  return found.flat();
}
