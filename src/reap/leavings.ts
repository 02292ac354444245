import type { CleanupReport } from '../core/api.ts';

/** A project that nobody will bring down any more, as far as backends may have something of it. */
export interface LeavingProject {
  readonly name: string;
  readonly stateDir: string;
  /** Those besides `native` by which a service of it was ever run. */
  readonly backends: readonly string[];
}

/** Removes what backends have of a project besides processes; with `dryRun` only names it. Never rejects. */
export type RemoveLeavings = (
  project: LeavingProject,
  how: { readonly dryRun: boolean },
) => Promise<CleanupReport>;

const NOTHING: CleanupReport = { containers: [], networks: [], volumes: [], failed: [] };

/**
 * As `down` does, without a daemon. Containers and networks alone: what volumes hold goes when somebody says so. The only
 * backend that has anything is loaded only where a project has used it.
 */
export function leavingsRemover(env: Readonly<Record<string, string | undefined>>): RemoveLeavings {
  return async ({ name, stateDir, backends }, { dryRun }) => {
    if (!backends.includes('docker')) return NOTHING;
    try {
      const { createDockerBackend } = await import('../backends/docker/docker-backend.ts');
      const backend = createDockerBackend({ env, stateDir });
      try {
        if (!dryRun) return await backend.removeProject(name, { volumes: false });
        const found = await backend.orphans(name, new Set());
        return found.ok
          ? { ...NOTHING, containers: found.value.map((one) => one.name) }
          : failed(name, found.error.message);
      } finally {
        backend.close();
      }
    } catch (cause) {
      return failed(name, cause instanceof Error ? cause.message : String(cause));
    }
  };
}

function failed(project: string, why: string): CleanupReport {
  return { ...NOTHING, failed: [{ what: `containers of ${project}`, why }] };
}
