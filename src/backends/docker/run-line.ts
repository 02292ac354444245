import type { ContainerCreateOptions, HostConfig, MountSettings } from './dockerode.ts';
import { escapeControl, type Redactor } from '../../core/redact.ts';
import { quote } from '../../core/util/quote.ts';

/**
 * The `docker run` command that makes the same container, for people: quoted for a shell, control characters escaped,
 * secrets masked where there is a redactor. What it cannot hold is what `docker run` has no option for: nothing at present.
 */
export function dockerRunLine(definition: ContainerCreateOptions, redactor?: Pick<Redactor, 'args'>): string {
  const args = runArguments(definition);
  return (redactor?.args(args) ?? args).map(shown).join(' ');
}

/** Its arguments, in a fixed order, nothing masked. */
export function runArguments(definition: ContainerCreateOptions): readonly string[] {
  const { HostConfig: host = {}, Entrypoint, Cmd = [] } = definition;
  const entrypoint = typeof Entrypoint === 'string' ? [Entrypoint] : (Entrypoint ?? []);
  const [program, ...first] = entrypoint;
  return [
    'docker',
    'run',
    '--detach',
    ...option('name', definition.name),
    ...option('platform', definition.platform),
    ...Object.entries(definition.Labels ?? {}).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
    ...(definition.Env ?? []).flatMap((entry) => ['--env', entry]),
    ...option('user', definition.User),
    ...option('workdir', definition.WorkingDir),
    ...flag('tty', definition.Tty),
    ...flag('interactive', definition.OpenStdin),
    ...option('stop-signal', definition.StopSignal),
    ...option('stop-timeout', definition.StopTimeout),
    ...healthArguments(definition.Healthcheck),
    ...networkArguments(definition),
    ...portArguments(definition),
    ...hostArguments(host),
    ...(Entrypoint === undefined ? [] : ['--entrypoint', program ?? '']),
    definition.Image ?? '',
    ...first,
    ...Cmd,
  ];
}

function hostArguments(host: HostConfig): string[] {
  const hosts = (host.ExtraHosts ?? []) as readonly string[];
  return [
    ...hosts.flatMap((entry) => ['--add-host', entry]),
    ...(host.Mounts ?? []).flatMap((mount) => ['--mount', mountArgument(mount)]),
    ...((host.CapAdd ?? []) as readonly string[]).flatMap((cap) => ['--cap-add', cap]),
    ...((host.CapDrop ?? []) as readonly string[]).flatMap((cap) => ['--cap-drop', cap]),
    ...flag('privileged', host.Privileged),
    ...flag('init', host.Init),
    ...flag('read-only', host.ReadonlyRootfs),
    ...option('shm-size', host.ShmSize),
    ...option('pid', host.PidMode),
    ...option('memory', host.Memory),
    ...option('memory-swap', host.MemorySwap),
    ...option('cpus', host.NanoCpus === undefined ? undefined : host.NanoCpus / 1e9),
    ...option('pids-limit', host.PidsLimit),
    ...(host.Ulimits ?? []).flatMap(({ Name, Soft, Hard }) => [
      '--ulimit',
      `${Name ?? ''}=${Soft ?? 0}:${Hard ?? 0}`,
    ]),
    ...option('log-driver', host.LogConfig?.Type),
    ...Object.entries((host.LogConfig?.Config ?? {}) as Record<string, string>).flatMap(([key, value]) => [
      '--log-opt',
      `${key}=${value}`,
    ]),
    ...option('restart', host.RestartPolicy?.Name),
  ];
}

function networkArguments({ HostConfig, NetworkingConfig }: ContainerCreateOptions): string[] {
  const endpoints = Object.entries(NetworkingConfig?.EndpointsConfig ?? {});
  if (endpoints.length === 0) return option('network', HostConfig?.NetworkMode);
  return endpoints.flatMap(([name, endpoint]) => {
    const aliases = ((endpoint as { Aliases?: readonly string[] }).Aliases ?? []).map((a) => `alias=${a}`);
    return ['--network', [`name=${name}`, ...aliases].join(',')];
  });
}

function portArguments({ HostConfig, ExposedPorts = {} }: ContainerCreateOptions): string[] {
  const bindings = (HostConfig?.PortBindings ?? {}) as Record<string, { HostIp: string; HostPort: string }[]>;
  const exposed = Object.keys(ExposedPorts).filter((port) => !Object.hasOwn(bindings, port));
  const published = Object.entries(bindings).flatMap(([port, hosts]) =>
    hosts.map(({ HostIp, HostPort }) => {
      const ip = HostIp === '' ? '' : `${HostIp.includes(':') ? `[${HostIp}]` : HostIp}:`;
      return `${ip}${HostPort === '' && ip === '' ? '' : `${HostPort}:`}${port}`;
    }),
  );
  return [
    ...published.flatMap((text) => ['--publish', text]),
    ...exposed.flatMap((port) => ['--expose', port]),
  ];
}

function healthArguments(check: ContainerCreateOptions['Healthcheck']): string[] {
  if (check === undefined) return [];
  const [kind, ...words] = check.Test ?? [];
  if (kind === 'NONE') return ['--no-healthcheck'];
  const command = kind === 'CMD-SHELL' ? words.join(' ') : words.map(shown).join(' ');
  const ms = (ns: number | undefined): string | undefined =>
    ns === undefined ? undefined : `${ns / 1_000_000}ms`;
  return [
    ...option('health-cmd', kind === undefined ? undefined : command),
    ...option('health-interval', ms(check.Interval)),
    ...option('health-timeout', ms(check.Timeout)),
    ...option('health-start-period', ms(check.StartPeriod)),
    ...option('health-retries', check.Retries),
  ];
}

function mountArgument({ Type, Source, Target, ReadOnly, TmpfsOptions }: MountSettings): string {
  const options = TmpfsOptions as { SizeBytes?: number; Mode?: number } | undefined;
  const parts = [
    `type=${Type}`,
    ...(Source === '' ? [] : [`source=${Source}`]),
    `target=${Target}`,
    ...(ReadOnly === true ? ['readonly'] : []),
    ...(options?.SizeBytes === undefined ? [] : [`tmpfs-size=${options.SizeBytes}`]),
    ...(options?.Mode === undefined ? [] : [`tmpfs-mode=${options.Mode.toString(8)}`]),
  ];
  // The option's value is one record of CSV (RFC 4180).
  return parts.map((part) => (/[",\n]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)).join(',');
}

function option(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`--${name}`, String(value)];
}

function flag(name: string, on: boolean | undefined): string[] {
  return on === true ? [`--${name}`] : [];
}

function shown(argument: string): string {
  return quote(escapeControl(argument, Infinity));
}
