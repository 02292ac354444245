import type { Fields } from './field-values.ts';
import { launchFields } from './fields/launch.ts';
import { policyFields } from './fields/policy.ts';
import { fingerprint } from './fingerprint.ts';
import { canonicalView, declaredView, type LaunchContext } from './launch.ts';
import { extraHostsOf, type PublishedPort, type Services, viewFrom } from './reach.ts';
import { type DesiredInstance, type PlanInput, planProject } from './plan.ts';
import type { PlanView } from './plan-view.ts';
import type { Redactor } from './redact.ts';
import type { Project, Resources, ServiceId, ServiceSpec } from './service.ts';

/** What the launches of a project are resolved under. */
export interface ProjectContext {
  readonly hostEnv: Readonly<Record<string, string>>;
  /** The number of a port of an instance on the machine; undefined where an automatic one was not handed out. */
  readonly port: PublishedPort;
  /** All services that references may name. */
  readonly services: Services;
  readonly resources?: Resources;
  /** A digest of what the service's launch is made from besides the manifest, where that is known. */
  readonly inputs?: (spec: ServiceSpec) => string | undefined;
  readonly redactor: Redactor;
  readonly salt: string;
}

/** What tells one launch of an instance from another, and in which fields. */
export interface LaunchRecord {
  readonly fingerprint: string;
  readonly fields: Fields;
  /** The digest of what it is made from besides the manifest, where that is known. */
  readonly inputs?: string;
}

export function launchContext(
  spec: ServiceSpec,
  project: string,
  number: number,
  context: ProjectContext,
): LaunchContext {
  const { hostEnv, services, port, resources } = context;
  const inputs = context.inputs?.(spec);
  const under = {
    project,
    number,
    hostEnv,
    ...(resources === undefined ? {} : { resources }),
    ...(inputs === undefined ? {} : { inputs }),
  };
  const onMachine = viewFrom(undefined, services, port);
  if (spec.launch.container === undefined) return { ...under, ...onMachine };
  return {
    ...under,
    ...viewFrom(spec, services, port),
    onMachine,
    extraHosts: extraHostsOf(spec, services),
  };
}

/** The record of an instance's launch. One that cannot be resolved yet has a record all the same: of why. */
export function launchRecord(
  spec: ServiceSpec,
  project: string,
  number: number,
  context: ProjectContext,
): LaunchRecord {
  const view = declaredView(spec, launchContext(spec, project, number, context));
  if (!view.ok) return { fingerprint: fingerprint(view.error), fields: { launch: view.error } };
  return {
    fingerprint: fingerprint(canonicalView(view.value)),
    fields: launchFields(view.value, context.redactor, context.salt),
    ...(view.value.inputs === undefined ? {} : { inputs: view.value.inputs }),
  };
}

/** The plan that makes the machine match a project of which all is wanted up but the instances that `isDown` names. */
export function projectPlan(
  project: Project,
  context: ProjectContext,
  input: Pick<PlanInput, 'observed' | 'only' | 'formerEdges' | 'keepFailed'>,
  isDown: (service: ServiceId, number: number) => boolean = () => false,
): PlanView {
  return planProject({
    project: project.name,
    manifest: manifestName(project),
    services: project.services,
    inactive: project.inactive,
    desired: project.services.flatMap((spec) => desiredInstances(spec, project.name, context, isDown)),
    ...input,
  });
}

/** The first manifest, relative to the project's folder. */
export function manifestName({ dir, files }: Pick<Project, 'dir' | 'files'>): string {
  const [first = ''] = files;
  return first.startsWith(`${dir}/`) ? first.slice(dir.length + 1) : first;
}

function desiredInstances(
  spec: ServiceSpec,
  project: string,
  context: ProjectContext,
  isDown: (service: ServiceId, number: number) => boolean,
): DesiredInstance[] {
  const policy = policyFields(spec, context.redactor, context.salt);
  return Array.from({ length: spec.replicas }, (_, i) => ({
    service: spec.id,
    number: i + 1,
    backend: spec.launch.backend,
    policy,
    wanted: isDown(spec.id, i + 1) ? 'down' : 'up',
    ...launchRecord(spec, project, i + 1, context),
  }));
}
