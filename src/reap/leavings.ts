import { joinReports, NOTHING_REMOVED } from '../core/cleanup.ts';
import type { CleanupReport } from '../core/api.ts';
import { type Remover, removersOf } from '../backends/registry.ts';

/** A project that nobody will bring down any more, as far as backends may have something of it. */
export interface LeavingProject {
  readonly name: string;
  readonly stateDir: string;
  /** Those by which a service of it was ever run. */
  readonly backends: readonly string[];
}

/** Removes what backends have of a project besides processes; with `dryRun` only names it. Never rejects. */
export type RemoveLeavings = (
  project: LeavingProject,
  how: { readonly dryRun: boolean },
) => Promise<CleanupReport>;

/**
 * As `down` does, without a daemon. Containers and networks alone: what volumes hold goes when somebody says so. A backend
 * is loaded only where the project has used it.
 */
export function leavingsRemover(env: Readonly<Record<string, string | undefined>>): RemoveLeavings {
  return async ({ name, stateDir, backends }, { dryRun }) => {
    try {
      const removers = await removersOf(backends, name, { env, stateDir });
      const reports = await Promise.all(
        removers.map(async (remover) => {
          try {
            return dryRun ? await namedBy(remover, name) : await remover.remove();
          } finally {
            remover.close();
          }
        }),
      );
      return joinReports(reports);
    } catch (cause) {
      return failed(name, cause instanceof Error ? cause.message : String(cause));
    }
  };
}

async function namedBy(remover: Remover, project: string): Promise<CleanupReport> {
  const found = await remover.find();
  return 'error' in found ? failed(project, found.error) : { ...NOTHING_REMOVED, containers: found.names };
}

function failed(project: string, why: string): CleanupReport {
  return { ...NOTHING_REMOVED, failed: [{ what: `containers of ${project}`, why }] };
}
