import type { CleanupReport, Leftover } from '../core/api.ts';
import type { Backend } from '../ports/backend.ts';
import { mayLive, type Supervisor } from './supervisor.ts';

export const NOTHING_REMOVED: CleanupReport = { containers: [], networks: [], volumes: [], failed: [] };

/**
 * Removes what a project that is down has left besides processes. Whoever does not answer is not asked: what it has is
 * left then, and said to be. Never rejects.
 */
export async function removeLeavings(
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
export async function leftoversOf(
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
