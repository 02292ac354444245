import type { ContainerCreateOptions, HealthConfig, HostConfig, MountSettings } from './dockerode.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import type { ContainerPort, ContainerSpec, HealthcheckSpec, Limits, Mount } from '../../core/service.ts';
import {
  containerName,
  instanceNumber,
  LABELS,
  networksOf,
  type Owner,
  ownerLabels,
  volumeOf,
} from './names.ts';
import { SECRETS_DIR } from './secret-files.ts';

/** Where the workspace is, seen from inside. */
export const WORKSPACE = '/workspace';

/** Who a container is. */
export interface ContainerIds extends Owner {
  readonly service: string;
  /** Such as `web.2`. */
  readonly instance: string;
  readonly run: string;
  readonly fingerprint: string;
}

/** What was seen of the host's files, for a definition that looks at nothing itself. */
export interface HostFacts {
  /** What `.git` is in a folder that is mounted at this target. */
  readonly git: Readonly<Record<string, 'folder' | 'file'>>;
  /** Targets of optional mounts whose source is not there. */
  readonly absent: readonly string[];
  /** The folder of the host with the secrets that are given as files. */
  readonly secrets?: string;
  /** The image to run, by id or name, where it is not the one the launch names. */
  readonly image?: string;
}

const NOTHING_SEEN: HostFacts = { git: {}, absent: [] };

const NS_PER_MS = 1_000_000;

/**
 * The engine keeps this much of a container's output until it was copied to the log files, and longer: a service that is
 * louder than that while nobody copies loses its oldest lines, not the disk.
 */
const LOG_CONFIG = { Type: 'json-file', Config: { 'max-file': '4', 'max-size': '256m' } };

/** Names of limits as the engine has them (setrlimit(2)). */
const ULIMITS = {
  core_size: 'core',
  cpu_time: 'cpu',
  file_size: 'fsize',
  locked_memory: 'memlock',
  open_files: 'nofile',
  stack_size: 'stack',
} as const satisfies Partial<Record<keyof Limits, string>>;

/**
 * The container of one run, entirely determined by the arguments: the same launch gives the same text, whatever the order
 * of keys it was written in. All its networks stand in it; engines before API 1.44 take only one of them when it is made.
 */
export function containerDefinition(
  launch: ConcreteLaunch,
  ids: ContainerIds,
  facts: HostFacts = NOTHING_SEEN,
): ContainerCreateOptions {
  const { container } = launch;
  if (container === undefined) throw new Error('the launch is not one of a container');
  const input = launch.stdin === 'pipe' || launch.tty === true;
  const workdir = container.workdir ?? (container.workspace === undefined ? undefined : WORKSPACE);
  const image = facts.image ?? container.image;
  const networks = networksOf(launch);
  return present({
    name: containerName(ids.project, ids.service, instanceNumber(ids.instance)),
    platform: container.platform,
    Image: image,
    Entrypoint: list(container.entrypoint),
    Cmd: list(launch.argv.length > 0 ? launch.argv : undefined),
    Env: environment(launch),
    User: launch.user,
    WorkingDir: workdir,
    Labels: sorted({ ...container.labels, ...identity(ids) }),
    ExposedPorts: exposedPorts(container),
    Healthcheck: container.healthcheck === undefined ? undefined : health(container.healthcheck),
    StopSignal: launch.stop.signal,
    StopTimeout: Math.ceil(launch.stop.graceMs / 1000),
    Tty: launch.tty === true ? true : undefined,
    OpenStdin: input ? true : undefined,
    HostConfig: hostConfig(launch, container, facts),
    NetworkingConfig:
      networks.length === 0
        ? undefined
        : {
            EndpointsConfig: Object.fromEntries(
              networks.map(({ name }) => [name, { Aliases: [ids.service, ids.instance] }]),
            ),
          },
  });
}

function hostConfig(launch: ConcreteLaunch, container: ContainerSpec<string>, facts: HostFacts): HostConfig {
  const networks = networksOf(launch);
  const mounts = mountsOf(launch, container, facts);
  const { memory, cpus, processes } = launch.limits;
  return present({
    Mounts: mounts.length === 0 ? undefined : mounts,
    NetworkMode: networkMode(launch, container) ?? networks[0]?.name,
    PortBindings: orNothing(portBindings(container.ports, launch.ports)),
    ExtraHosts: container.extraHosts.length === 0 ? undefined : [...container.extraHosts],
    CapAdd: set(container.capAdd),
    CapDrop: set(container.capDrop),
    Privileged: container.privileged ? true : undefined,
    Init: container.init ? true : undefined,
    ReadonlyRootfs: container.readOnly ? true : undefined,
    ShmSize: container.shmSize,
    PidMode: container.pid,
    Memory: memory,
    // Without it as much again could be swapped out.
    MemorySwap: memory,
    NanoCpus: cpus === undefined ? undefined : Math.round(cpus * 1e9),
    PidsLimit: processes,
    Ulimits: ulimits(launch.limits),
    LogConfig: LOG_CONFIG,
    RestartPolicy: { Name: 'no' },
  });
}

function identity(ids: ContainerIds): Record<string, string> {
  return {
    ...ownerLabels(ids),
    [LABELS.service]: ids.service,
    [LABELS.instance]: ids.instance,
    [LABELS.run]: ids.run,
    [LABELS.fingerprint]: ids.fingerprint,
  };
}

/** `service:NAME` is the first instance of another service of the project, as in Compose. */
function networkMode(
  { project }: ConcreteLaunch,
  { networkMode: mode }: ContainerSpec<string>,
): string | undefined {
  const service = mode === undefined ? undefined : /^service:(.+)$/.exec(mode)?.[1];
  return service === undefined ? mode : `container:${containerName(project, service, 1)}`;
}

/** By target; what hides a repository comes after the mount that brings it. */
function mountsOf(
  launch: ConcreteLaunch,
  container: ContainerSpec<string>,
  facts: HostFacts,
): MountSettings[] {
  const absent = new Set(facts.absent);
  const all = allMounts(launch)
    .filter((mount) => !(mount.type === 'bind' && mount.optional && absent.has(mount.target)))
    .map((mount) => mountSettings(mount, launch));
  if (facts.secrets !== undefined) {
    all.push({ Type: 'bind', Source: facts.secrets, Target: SECRETS_DIR, ReadOnly: true });
  }
  if (container.hideGit) {
    for (const [target, kind] of Object.entries(facts.git)) all.push(mask(target, kind));
  }
  return all.sort((a, b) => (a.Target < b.Target ? -1 : a.Target > b.Target ? 1 : 0));
}

/** Every mount of a launch, those its short forms stand for included; by target the last one wins. */
export function allMounts(launch: ConcreteLaunch): readonly Mount[] {
  const { container, mounts } = launch;
  const bind = (source: string, target: string, readOnly: boolean): Mount => ({
    type: 'bind',
    source,
    target,
    readOnly,
    optional: false,
  });
  const home = homeOf(launch);
  const given = [
    ...(container?.workspace === undefined ? [] : [bind(container.workspace, WORKSPACE, false)]),
    ...(container?.netrc === undefined ? [] : [bind(container.netrc, `${home}/.netrc`, true)]),
    ...(container?.gitconfig === undefined ? [] : [bind(container.gitconfig, `${home}/.gitconfig`, true)]),
    ...mounts,
  ];
  return [...new Map(given.map((mount) => [mount.target, mount])).values()];
}

/** The home folder inside: `HOME` as the manifest declares it, or root's. */
function homeOf({ declaredEnv }: ConcreteLaunch): string {
  const home = Object.hasOwn(declaredEnv, 'HOME') ? declaredEnv['HOME'] : undefined;
  return home === undefined || home === '' ? '/root' : home.replace(/\/+$/, '');
}

/** A folder disappears under an empty one; a worktree's `.git` is a file, and a file is what can cover it. */
function mask(target: string, kind: 'folder' | 'file'): MountSettings {
  const covered = `${target.replace(/\/+$/, '')}/.git`;
  return kind === 'folder'
    ? { Type: 'tmpfs', Source: '', Target: covered }
    : { Type: 'bind', Source: '/dev/null', Target: covered, ReadOnly: true };
}

function mountSettings(mount: Mount, { project, resources }: ConcreteLaunch): MountSettings {
  switch (mount.type) {
    case 'bind':
      return {
        Type: 'bind',
        Source: mount.source,
        Target: mount.target,
        ...(mount.readOnly ? { ReadOnly: true } : {}),
      };
    case 'volume':
      return {
        Type: 'volume',
        Source: mount.source === '' ? '' : volumeOf(project, mount.source, resources).name,
        Target: mount.target,
        ...(mount.readOnly ? { ReadOnly: true } : {}),
      };
    case 'tmpfs': {
      const options = orNothing(present({ SizeBytes: mount.size, Mode: mount.mode }));
      const settings: MountSettings = { Type: 'tmpfs', Source: '', Target: mount.target };
      // The engine takes either alone, whatever the types say.
      return options === undefined ? settings : Object.assign(settings, { TmpfsOptions: options });
    }
  }
}

/** Of a container in another one's network there is nothing to expose: the engine refuses to. */
function exposedPorts({
  ports,
  networkMode = '',
}: ContainerSpec<string>): Record<string, object> | undefined {
  if (/^(container|service):/.test(networkMode)) return undefined;
  return orNothing(sorted(Object.fromEntries(ports.map((port) => [portKey(port), {}]))));
}

function portKey({ container, protocol }: ContainerPort): string {
  return `${container}/${protocol}`;
}

/** The number an instance was given counts; a port without any is the engine's to choose. */
function portBindings(
  ports: readonly ContainerPort[],
  numbers: Readonly<Record<string, number>>,
): Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of ports) {
    if (port.host === undefined) continue;
    const number = numbers[port.name] ?? (port.host === 'auto' ? '' : port.host);
    (bindings[portKey(port)] ??= []).push({ HostIp: port.hostIp ?? '', HostPort: String(number) });
  }
  return sorted(bindings);
}

function health({ test, intervalMs, timeoutMs, startPeriodMs, retries }: HealthcheckSpec): HealthConfig {
  const ns = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms * NS_PER_MS);
  return present({
    Test: [...test],
    Interval: ns(intervalMs),
    Timeout: ns(timeoutMs),
    StartPeriod: ns(startPeriodMs),
    Retries: retries,
  });
}

function ulimits(limits: Limits): HostConfig['Ulimits'] {
  const found = Object.entries(ULIMITS).flatMap(([key, name]) => {
    const value = limits[key as keyof typeof ULIMITS];
    return value === undefined ? [] : [{ Name: name, Soft: value, Hard: value }];
  });
  return found.length === 0 ? undefined : found.sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

function environment({ declaredEnv, secrets = [] }: ConcreteLaunch): string[] | undefined {
  const env = secrets.length === 0 ? declaredEnv : { ...declaredEnv, SETPOINT_SECRETS_DIR: SECRETS_DIR };
  const entries = Object.entries(sorted(env)).map(([name, value]) => `${name}=${value}`);
  return entries.length === 0 ? undefined : entries;
}

function list(items: readonly string[] | undefined): string[] | undefined {
  return items === undefined ? undefined : [...items];
}

function set(items: readonly string[]): string[] | undefined {
  return items.length === 0 ? undefined : [...new Set(items)].sort();
}

function orNothing<T extends object>(record: T): T | undefined {
  return Object.keys(record).length === 0 ? undefined : record;
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function present<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]: Exclude<T[K], undefined> };
}
