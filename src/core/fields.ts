import { formatDuration } from './util/duration.ts';
import { contentMark, type Fields, MAX_VALUE, type Shower, shower, template } from './field-values.ts';
import { compareText } from './graph.ts';
import type { DeclaredLaunch } from './launch.ts';
import { escapeControl, type Redactor } from './redact.ts';
import { unreachable } from './util/result.ts';
import type {
  Command,
  Dependency,
  Hook,
  Mount,
  Probe,
  ProbeCheck,
  RestartSpec,
  ScheduleSpec,
  ServiceSpec,
  WatchSpec,
} from './service.ts';

/** The fields whose change replaces the process. The salt keeps digests of two projects from being compared. */
export function launchFields(view: DeclaredLaunch, redactor: Redactor, salt: string): Fields {
  const show = shower(redactor, salt);
  const { command, inherit } = view;
  const fields: Entry[] = [
    ['backend', view.backend],
    ['command', commandField(command, show)],
    ['shell', command.kind === 'shell' ? show.words('shell', command.shell) : undefined],
    ['cwd', show.text('cwd', view.cwd)],
    ...prefixed('env', view.env, (name, value) => show.value(name, value)),
    ...view.envAppend.flatMap(({ name, value, separator, prepend }): [string, string][] => [
      [`env_append.${name}`, show.value(name, value)],
      [`env_append.${name}.separator`, show.text('separator', separator)],
      [`env_append.${name}.prepend`, String(prepend)],
    ]),
    [
      'inherit_env',
      typeof inherit === 'boolean' ? String(inherit) : show.words('inherit_env', Object.keys(inherit).sort()),
    ],
    ...(typeof inherit === 'boolean'
      ? []
      : prefixed('inherit_env', inherit, (name, value) => show.value(name, value))),
    ['path', view.path.length === 0 ? undefined : show.words('path', view.path)],
    ...prefixed('ports', view.ports, (_, port) => String(port)),
    ['socket', view.socket === undefined ? undefined : show.text('socket', view.socket)],
    ['user', view.user === undefined ? undefined : show.text('user', view.user)],
    ['umask', view.umask],
    ...prefixed('limits', { ...view.limits }, (_, limit) => String(limit)),
    ['tty', view.tty === undefined ? undefined : 'true'],
    ['log.stderr', view.mergeStderr === undefined ? undefined : 'merge'],
    ['stdin', view.stdin],
    ['notify', view.notify === undefined ? undefined : 'true'],
    ['notify.watchdog', optional(view.notify?.watchdogMs, formatDuration)],
    ['nice', optional(view.nice, String)],
    ...(view.mounts ?? []).map((mount): Entry => [
      `mounts.${escapeControl(mount.target, MAX_VALUE)}`,
      show.text('mounts', describeMount(mount)),
    ]),
    ...settingFields('sandbox', view.sandbox, show),
    ...dockerFields(view, show),
    ...settingFields('nix', view.nix, show),
    ...(view.nix === undefined || view.inputs === undefined
      ? []
      : [['nix.flake', `${show.text('flake', view.nix.flake)} ${contentMark(view.inputs)}`] as const]),
    ...(view.secrets ?? []).map(({ name, content }): Entry => [
      `secrets.${name}`,
      show.secret(name, content),
    ]),
    ...settingFields('networks', view.resources?.networks, show),
    ...settingFields('volumes', view.resources?.volumes, show),
  ];
  return sortedFields(fields);
}

function dockerFields({ docker, inputs }: DeclaredLaunch, show: Shower): readonly Entry[] {
  if (docker === undefined) return [];
  const { ports, ...settings } = docker;
  return [
    ...settingFields('docker', settings, show),
    ...ports.map(({ name, container, host, hostIp, protocol }): Entry => {
      const at = host === undefined ? '' : `${hostIp === undefined ? '' : `${hostIp}:`}${host}->`;
      return [`docker.ports.${name}`, `${at}${container}/${protocol}`];
    }),
    ['docker.build', inputs === undefined ? undefined : `content ${contentMark(inputs)}`],
  ];
}

function describeMount(mount: Mount): string {
  switch (mount.type) {
    case 'bind':
    case 'volume':
      return `${mount.type} ${mount.source}${mount.readOnly ? ', read-only' : ''}`;
    case 'tmpfs': {
      const mode = mount.mode === undefined ? '' : `, mode ${mount.mode.toString(8)}`;
      return `tmpfs${mount.size === undefined ? '' : `, ${mount.size} bytes`}${mode}`;
    }
    default:
      return unreachable(mount);
  }
}

/** A tree of settings, each leaf a field by the manifest's names; what is empty is left out. */
function settingFields(at: string, value: unknown, show: Shower, key = at): readonly Entry[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    return value.length === 0 ? [] : [[at, show.words(at, value.map(String))]];
  }
  if (typeof value !== 'object') {
    return [[at, typeof value === 'string' ? show.value(key, value) : JSON.stringify(value)]];
  }
  return Object.entries(value).flatMap(([name, item]: [string, unknown]) =>
    settingFields(`${at}.${escapeControl(snakeCase(name), MAX_VALUE)}`, item, show, name),
  );
}

/** Names of ours are in camel case; a person's keep theirs. */
function snakeCase(name: string): string {
  return /^[a-z]+([A-Z][a-z]*)+$/.test(name) ? name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) : name;
}

/** The fields whose change is applied to a running process in place. */
export function policyFields(spec: ServiceSpec, redactor: Redactor, salt: string): Fields {
  const show = shower(redactor, salt);
  const { backoff, stop, hooks } = spec;
  const command = (of: Command | undefined, key: string): string | undefined =>
    of === undefined
      ? undefined
      : show.words(key, of.kind === 'exec' ? of.argv.map(template) : template(of.script));
  const hook = (of: Hook | undefined, key: string): [string, string | undefined][] =>
    of === undefined
      ? []
      : [
          [key, command(of.command, key)],
          [`${key}.timeout`, formatDuration(of.timeoutMs)],
        ];
  const fields: Entry[] = [
    ...restartFields(spec.restart),
    ...probeFields('ready', spec.ready, command, show),
    ...probeFields('live', spec.live, command, show),
    ...scheduleFields(spec.schedule),
    ...watchFields(spec.watch, show),
    ['log.max_size', String(spec.log.maxSize)],
    ['log.keep', String(spec.log.keep)],
    ['backoff.initial', formatDuration(backoff.initialMs)],
    ['backoff.max', formatDuration(backoff.maxMs)],
    ['backoff.multiplier', String(backoff.multiplier)],
    ['backoff.jitter', String(backoff.jitter)],
    ['backoff.reset_after', formatDuration(backoff.resetAfterMs)],
    ['stop.signal', stop.signal],
    ['stop.grace', formatDuration(stop.graceMs)],
    ['stop.command', command(stop.command, 'stop.command')],
    ['stop.kill_tree', String(stop.killTree)],
    ['timeout', spec.timeoutMs === undefined ? undefined : formatDuration(spec.timeoutMs)],
    ...hook(hooks.preStart, 'hooks.pre_start'),
    ...hook(hooks.postStart, 'hooks.post_start'),
    ...hook(hooks.preStop, 'hooks.pre_stop'),
    ...hook(hooks.postStop, 'hooks.post_stop'),
    [
      'errors',
      spec.errors.length === 0
        ? undefined
        : show.words(
            'errors',
            spec.errors.map((e) => `${e.match} => ${e.message}`),
          ),
    ],
    ['description', spec.description === undefined ? undefined : show.text('description', spec.description)],
    ...prefixed('labels', spec.labels, (name, value) => show.value(name, value)),
    ...spec.dependsOn.flatMap(dependencyFields),
    ['requires', spec.requires.length === 0 ? undefined : show.words('requires', spec.requires)],
    ['docker.pull', spec.launch.docker?.pull],
    ['docker.max_containers', optional(spec.launch.docker?.maxContainers, String)],
  ];
  return sortedFields(fields);
}

type Entry = readonly [string, string | undefined];

function commandField(command: DeclaredLaunch['command'], show: Shower): string | undefined {
  if (command.kind === 'image') return undefined;
  return show.words('command', command.kind === 'exec' ? command.argv : command.script);
}

function optional<T>(value: T | undefined, show: (value: T) => string): string | undefined {
  return value === undefined ? undefined : show(value);
}

function restartFields({ policy, maxRestarts, windowMs, successExitCodes, onCodes }: RestartSpec): Entry[] {
  return [
    ['restart', policy],
    ['restart.max_restarts', String(maxRestarts)],
    ['restart.window', formatDuration(windowMs)],
    ['restart.success_exit_codes', successExitCodes.join(', ')],
    ['restart.on_codes', onCodes?.join(', ')],
  ];
}

function dependencyFields(dependency: Dependency): Entry[] {
  const { service, condition, pattern, timeoutMs, required, onFailure } = dependency;
  const at = `depends_on.${service}`;
  return [
    [at, condition],
    [`${at}.pattern`, pattern],
    [`${at}.timeout`, optional(timeoutMs, formatDuration)],
    [`${at}.required`, String(required)],
    [`${at}.on_failure`, onFailure],
  ];
}

function probeFields(
  key: string,
  probe: Probe | undefined,
  command: (of: Command, key: string) => string | undefined,
  show: Shower,
): Entry[] {
  if (probe === undefined) return [];
  const { check } = probe;
  return [
    ...checkFields(`${key}.${check.kind}`, check, command, show),
    [`${key}.interval`, formatDuration(probe.intervalMs)],
    [`${key}.timeout`, formatDuration(probe.timeoutMs)],
    [`${key}.retries`, String(probe.retries)],
    [`${key}.start_period`, formatDuration(probe.startPeriodMs)],
    [`${key}.success`, String(probe.success)],
  ];
}

function checkFields(
  key: string,
  check: ProbeCheck,
  command: (of: Command, key: string) => string | undefined,
  show: Shower,
): Entry[] {
  switch (check.kind) {
    case 'exec':
      return [[key, command(check.command, key)]];
    case 'http':
      return [
        [key, show.text(key, `${check.method} ${template(check.url)}`)],
        [
          `${key}.status`,
          check.status.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', '),
        ],
        ...Object.entries(check.headers).map(([name, value]): Entry => [
          `${key}.headers.${name}`,
          show.value(name, template(value)),
        ]),
      ];
    case 'tcp':
      return [[key, show.text(key, `${template(check.host)}:${template(check.port)}`)]];
    case 'log':
      return [
        [key, show.text(key, check.pattern)],
        [`${key}.stream`, check.stream],
      ];
    case 'notify':
    case 'health':
      return [[key, 'true']];
    default:
      return unreachable(check);
  }
}

function scheduleFields(schedule: ScheduleSpec | undefined): Entry[] {
  if (schedule === undefined) return [];
  const { when, overlap, onStart, missed } = schedule;
  return [
    ['schedule', when.kind === 'cron' ? when.expression : `every ${formatDuration(when.everyMs)}`],
    ['schedule.timezone', when.kind === 'cron' ? when.timezone : undefined],
    ['schedule.overlap', overlap],
    ['schedule.on_start', String(onStart)],
    ['schedule.missed', missed],
  ];
}

function watchFields(watch: WatchSpec | undefined, show: Shower): Entry[] {
  if (watch === undefined) return [];
  return [
    ['watch.paths', show.words('watch.paths', watch.paths)],
    ['watch.ignore', show.words('watch.ignore', watch.ignore)],
    ['watch.debounce', formatDuration(watch.debounceMs)],
    ['watch.action', watch.action.kind === 'signal' ? watch.action.signal : 'restart'],
  ];
}

function prefixed<T>(
  prefix: string,
  values: { readonly [name: string]: T },
  show: (name: string, value: T) => string,
): [string, string][] {
  return Object.entries(values).map(([name, value]) => [
    `${prefix}.${escapeControl(name, MAX_VALUE)}`,
    show(name, value),
  ]);
}

function sortedFields(fields: readonly Entry[]): Fields {
  const present = fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
  return Object.fromEntries(present.sort(([a], [b]) => compareText(a, b)));
}
