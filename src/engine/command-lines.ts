import { concreteLaunch } from '../core/launch.ts';
import type { PlanView } from '../core/plan-view.ts';
import { launchContext, launchRecord, type ProjectContext } from '../core/project-plan.ts';
import { instanceId, type Project } from '../core/service.ts';
import type { Backend } from '../ports/backend.ts';

/** Stands for the run's id, which nobody has before the run. */
const NO_RUN = 'RUN';

/** How each instance that a plan is about would be started by hand, in the plan's order; secrets masked. */
export async function commandLinesOf(
  backend: Pick<Backend, 'commandLine'>,
  { name, services }: Project,
  plan: PlanView,
  context: ProjectContext,
): Promise<readonly { readonly instance: string; readonly line: string }[]> {
  const shown = new Set(plan.steps.map(({ instance }) => instance));
  const lines: { instance: string; line: string }[] = [];
  for (const spec of services) {
    for (let number = 1; number <= spec.replicas; number += 1) {
      const instance = instanceId(spec.id, number);
      const launch = concreteLaunch(spec, launchContext(spec, name, number, context));
      if (!shown.has(instance) || !launch.ok) continue;
      const { fingerprint } = launchRecord(spec, name, number, context);
      const request = { run: NO_RUN, service: spec.id, instance, launch: launch.value, fingerprint };
      const line = await backend.commandLine?.(request, context.redactor);
      if (line !== undefined) lines.push({ instance, line });
    }
  }
  return lines;
}
