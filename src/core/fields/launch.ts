import { contentMark, type Fields, MAX_VALUE, type Shower, shower } from '../field-values.ts';
import type { DeclaredLaunch } from '../launch.ts';
import { escapeControl, type Redactor } from '../redact.ts';
import type { ContainerSpec, Mount } from '../service.ts';
import { formatDuration } from '../util/duration.ts';
import { unreachable } from '../util/result.ts';
import {
  type Entry,
  plain,
  prefixed,
  type FieldRow,
  settings,
  snakeCase,
  sortedFields,
  text,
  values,
  words,
  wordsIfAny,
} from './rows.ts';

type LaunchRow<T> = (value: T, at: string, show: Shower, view: DeclaredLaunch) => readonly Entry[];

/**
 * Every member of a declared launch, in the order and by the names of the manifest. A change of any of them replaces the
 * process, and one that is added to the launch and not here does not compile: so no change is without a reason.
 */
const LAUNCH: { readonly [K in keyof DeclaredLaunch]-?: LaunchRow<Exclude<DeclaredLaunch[K], undefined>> } = {
  backend: plain,
  command: (command, at, show) => {
    switch (command.kind) {
      case 'image':
        return [];
      case 'exec':
        return words(command.argv, at, show);
      case 'shell':
        return [[at, show.words(at, command.script)], ...words(command.shell, 'shell', show)];
      default:
        return unreachable(command);
    }
  },
  cwd: text,
  env: values,
  envAppend: (entries, at, show) =>
    entries.flatMap(({ name, value, separator, prepend }): readonly Entry[] => [
      [`${at}.${name}`, show.value(name, value)],
      [`${at}.${name}.separator`, show.text('separator', separator)],
      [`${at}.${name}.prepend`, String(prepend)],
    ]),
  inherit: (inherit, at, show) =>
    typeof inherit === 'boolean'
      ? plain(inherit, at, show)
      : [...words(Object.keys(inherit).sort(), at, show), ...values(inherit, at, show)],
  path: wordsIfAny,
  ports: numbered,
  socket: text,
  user: text,
  umask: plain,
  limits: (limits, at, show) => numbered({ ...limits }, at, show),
  tty: plain,
  mergeStderr: (_, at) => [[at, 'merge']],
  stdin: plain,
  notify: ({ watchdogMs }, at) => [
    [at, 'true'],
    [`${at}.watchdog`, watchdogMs === undefined ? undefined : formatDuration(watchdogMs)],
  ],
  mounts: (mounts, at, show) =>
    mounts.map((mount): Entry => [
      `${at}.${escapeControl(mount.target, MAX_VALUE)}`,
      show.text(at, describeMount(mount)),
    ]),
  sandbox: (sandbox, at, show) => settings(sandbox, at, show),
  container: ({ ports, ...rest }, _, show, { backend }) => [
    ...settings(rest, backend, show),
    ...containerPorts(ports, `${backend}.ports`, show),
  ],
  settings: ({ values: own }, _, show, { backend }) => settings(own, backend, show),
  secrets: (secrets, at, show) =>
    secrets.map(({ name, content }): Entry => [`${at}.${name}`, show.secret(name, content)]),
  nice: plain,
  resources: (resources, _, show) =>
    Object.entries(resources).flatMap(([kind, specs]: [string, unknown]) => settings(specs, kind, show)),
  inputs: (inputs, _, show, { backend, settings: own }) => {
    const mark = contentMark(inputs);
    if (own?.source === undefined) return [[`${backend}.build`, `content ${mark}`]];
    const source = Object.entries(own.values).find(([name]) => name === own.source)?.[1] as unknown;
    return [[`${backend}.${snakeCase(own.source)}`, `${show.text(own.source, String(source))} ${mark}`]];
  },
};

/** What the manifest calls the members whose names are not theirs in snake case. */
const NAMES: Readonly<Record<keyof DeclaredLaunch, string>> = {
  backend: 'backend',
  command: 'command',
  cwd: 'cwd',
  env: 'env',
  envAppend: 'env_append',
  inherit: 'inherit_env',
  path: 'path',
  ports: 'ports',
  socket: 'socket',
  user: 'user',
  umask: 'umask',
  limits: 'limits',
  tty: 'tty',
  mergeStderr: 'log.stderr',
  stdin: 'stdin',
  notify: 'notify',
  mounts: 'mounts',
  sandbox: 'sandbox',
  container: 'container',
  settings: 'settings',
  secrets: 'secrets',
  nice: 'nice',
  resources: 'resources',
  inputs: 'inputs',
};

/** The fields whose change replaces the process. The salt keeps digests of two projects from being compared. */
export function launchFields(view: DeclaredLaunch, redactor: Redactor, salt: string): Fields {
  const show = shower(redactor, salt);
  const fields = (Object.keys(LAUNCH) as (keyof DeclaredLaunch)[]).flatMap((key) => {
    const value = view[key];
    const row = LAUNCH[key] as LaunchRow<typeof value>;
    return value === undefined ? [] : row(value, NAMES[key], show, view);
  });
  return sortedFields(fields);
}

function numbered(of: Readonly<Record<string, number>>, at: string, _: Shower): readonly Entry[] {
  return prefixed(at, of, (_name, value) => String(value));
}

const containerPorts: FieldRow<ContainerSpec['ports']> = (ports, at) =>
  ports.map(({ name, container, host, hostIp, protocol }): Entry => {
    const published = host === undefined ? '' : `${hostIp === undefined ? '' : `${hostIp}:`}${host}->`;
    return [`${at}.${name}`, `${published}${container}/${protocol}`];
  });

function describeMount(mount: Mount): string {
  switch (mount.type) {
    case 'bind':
    case 'volume': {
      const optional = mount.type === 'bind' && mount.optional ? ', optional' : '';
      return `${mount.type} ${mount.source}${mount.readOnly ? ', read-only' : ''}${optional}`;
    }
    case 'tmpfs': {
      const mode = mount.mode === undefined ? '' : `, mode ${mount.mode.toString(8)}`;
      return `tmpfs${mount.size === undefined ? '' : `, ${mount.size} bytes`}${mode}`;
    }
    default:
      return unreachable(mount);
  }
}
