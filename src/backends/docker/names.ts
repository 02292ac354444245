import type { ConcreteLaunch } from '../../core/launch.ts';
import type { ContainerSpec, Resources, ResourceSpec } from '../../core/service.ts';

/** Labels by which containers, networks and volumes of a project are found again. */
export const LABELS = {
  project: 'dev.setpoint.project',
  service: 'dev.setpoint.service',
  instance: 'dev.setpoint.instance',
  run: 'dev.setpoint.run',
  fingerprint: 'dev.setpoint.fingerprint',
  /** The project's state directory: tells two projects of one name apart. */
  state: 'dev.setpoint.state',
  /** On a network or volume: its definition, field by field, which the engine does not always give back as it was. */
  definition: 'dev.setpoint.definition',
  /** On an image: a digest of all that went into building it. */
  build: 'dev.setpoint.build',
} as const;

/** Who something on the engine belongs to. */
export interface Owner {
  readonly project: string;
  /** Absolute path; absent only where one engine serves one project of a name. */
  readonly stateDir?: string;
}

/** A part of a name as the engine takes it: `[a-z0-9][a-z0-9_.-]*`. */
function clean(text: string): string {
  const plain = text.toLowerCase().replace(/[^a-z0-9_.-]+/g, '-');
  return /^[a-z0-9]/.test(plain) ? plain : `x${plain}`;
}

export function containerName(project: string, service: string, number: number): string {
  return `${clean(project)}-${clean(service)}-${number}`;
}

/** The number of an instance such as `web.2`. */
export function instanceNumber(instance: string): number {
  return Number(instance.slice(instance.lastIndexOf('.') + 1));
}

/** The tag under which what a service builds is kept, where it names no image itself. */
export function builtImageName(project: string, service: string): string {
  return `${clean(project)}-${clean(service)}:latest`;
}

export function ownerLabels({ project, stateDir }: Owner): Record<string, string> {
  return {
    [LABELS.project]: project,
    ...(stateDir === undefined ? {} : { [LABELS.state]: stateDir }),
  };
}

export function isOwned(labels: Readonly<Record<string, string>> | null | undefined, owner: Owner): boolean {
  return Object.entries(ownerLabels(owner)).every(([key, value]) => labels?.[key] === value);
}

/** A network or volume, by the engine's name for it. */
export interface Resource {
  readonly name: string;
  readonly spec: ResourceSpec;
}

function resource(
  project: string,
  key: string,
  specs: Readonly<Record<string, ResourceSpec>> | undefined,
): Resource {
  const spec = specs !== undefined && Object.hasOwn(specs, key) ? (specs[key] ?? {}) : {};
  return { name: spec.name ?? (spec.external === true ? key : `${clean(project)}_${key}`), spec };
}

/** What of a launch, declared or concrete, names networks. */
export interface NetworkUse {
  readonly project: string;
  readonly container?: Pick<ContainerSpec<string>, 'networks' | 'networkMode'>;
  readonly resources?: Resources | undefined;
}

/** What of it names volumes. */
export interface VolumeUse {
  readonly project: string;
  readonly mounts: ConcreteLaunch['mounts'];
  readonly resources?: Resources | undefined;
}

/** The networks a container joins, the first one being its main one; none where a network mode says otherwise. */
export function networksOf({ project, container, resources }: NetworkUse): readonly Resource[] {
  if (container === undefined || container.networkMode !== undefined) return [];
  const keys = container.networks.length === 0 ? ['default'] : [...new Set(container.networks)];
  return keys.map((key) => resource(project, key, resources?.networks));
}

export function volumeOf(project: string, key: string, resources: Resources | undefined): Resource {
  return resource(project, key, resources?.volumes);
}

/** The named volumes a container mounts. */
export function volumesOf({ project, mounts, resources }: VolumeUse): readonly Resource[] {
  const keys = mounts.flatMap((mount) =>
    mount.type === 'volume' && mount.source !== '' ? [mount.source] : [],
  );
  return [...new Set(keys)].sort().map((key) => volumeOf(project, key, resources));
}
