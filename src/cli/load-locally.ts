import { planProject, type DesiredInstance } from '../core/plan.ts';
import { manifestName } from '../core/project-plan.ts';
import type { LoadRequest, Project } from '../core/service.ts';
import { loadProject, nodeManifestIo, renderResolved } from '../manifest/load.ts';
import { definedEnv } from './common.ts';
import type { LoadedManifest } from './services.ts';

/** Loads the manifest in this process, for the commands that need no daemon. */
export function loadLocally(
  request: LoadRequest,
  env: Readonly<Record<string, string | undefined>>,
): LoadedManifest {
  const { diagnostics, project, resolved } = loadProject(request, nodeManifestIo(definedEnv(env)));
  return {
    diagnostics,
    ...(project === undefined
      ? {}
      : {
          services: project.services.map(({ id }) => id),
          planAgainstNothing: (only) => planProject({ ...planInput(project), observed: [], only }),
        }),
    ...(resolved === undefined
      ? {}
      : { render: (format, origin) => renderResolved(resolved, { format, origin }) }),
  };
}

function planInput(project: Project): {
  readonly project: string;
  readonly manifest: string;
  readonly services: Project['services'];
  readonly desired: readonly DesiredInstance[];
} {
  const desired = project.services.flatMap(({ id, launch, replicas }) =>
    Array.from({ length: replicas }, (_, index): DesiredInstance => ({
      service: id,
      number: index + 1,
      backend: launch.backend,
      // There is nothing to compare it with, so what it is made of does not matter.
      fingerprint: '',
      fields: {},
      policy: {},
      wanted: 'up',
    })),
  );
  return { project: project.name, manifest: manifestName(project), services: project.services, desired };
}
