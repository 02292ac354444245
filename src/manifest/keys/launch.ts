import type {
  EnvAppend,
  LaunchCommand,
  LaunchSpec,
  Limits,
  Mount,
  PortSpec,
  SecretFile,
} from '../../core/service.ts';
import type { BackendParts } from '../backends/dialect.ts';
import type { EnvValue } from './environment.ts';
import type { Facts } from './facts.ts';
import type * as Manifest from '../manifest-types.ts';
import type { Node } from '../read/node.ts';
import { child, itemsOf } from './reader.ts';
import type { Reader } from './reader.ts';
import type { RawService } from './services.ts';

type Service = Manifest.Service;

/** What a launch is made of besides what only it reads. */
interface Parts {
  readonly facts: Facts;
  readonly command: LaunchCommand;
  readonly env: ReadonlyMap<string, EnvValue>;
  readonly mergeStderr: boolean;
  readonly notify: LaunchSpec['notify'];
  readonly mounts: readonly Mount[];
  readonly secrets: readonly SecretFile[];
  readonly parts: BackendParts;
}

export function launchOf({ node, dir }: RawService, parts: Parts, reader: Reader): LaunchSpec {
  const { facts, command, env, mergeStderr, notify, mounts, secrets, parts: own } = parts;
  const { choice, container } = facts;
  const socket = reader.pathText(child<Service>(node, 'socket'));
  const user = reader.string(child<Service>(node, 'user'));
  const umask = reader.string(child<Service>(node, 'umask'));
  const tty = reader.boolean(child<Service>(node, 'tty')) === true;
  const stdin = reader.string(child<Service>(node, 'stdin'));
  const nice = reader.number(child<Service>(node, 'nice'));
  return {
    backend: choice.backend,
    command,
    cwd: container === undefined ? (reader.path(child<Service>(node, 'cwd')) ?? dir) : dir,
    env: Object.fromEntries([...env].map(([name, { value }]) => [name, value])),
    envAppend: envAppendOf(child<Service>(node, 'env_append'), reader),
    inheritEnv: inheritedOf(child<Service>(node, 'inherit_env'), container === undefined, reader),
    path: itemsOf(child<Service>(node, 'path')).flatMap((item) => reader.path(item) ?? []),
    ports: portSpecs(facts),
    ...(socket === undefined ? {} : { socket }),
    ...(user === undefined ? {} : { user }),
    ...(umask === undefined ? {} : { umask: umask.padStart(4, '0') }),
    limits: limitsOf(child<Service>(node, 'limits'), reader),
    ...(tty ? { tty } : {}),
    ...(mergeStderr ? { mergeStderr } : {}),
    ...(stdin === 'pipe' ? { stdin } : {}),
    ...(notify === undefined ? {} : { notify }),
    ...(mounts.length === 0 ? {} : { mounts }),
    ...own,
    ...(secrets.length === 0 ? {} : { secrets }),
    ...(nice === undefined ? {} : { nice }),
  };
}

/** Of a container those that are published. */
function portSpecs({ ports, container }: Facts): readonly PortSpec[] {
  return [...ports].flatMap(([name, { port, published, protocol }]) =>
    port === undefined || (container !== undefined && !published)
      ? []
      : [{ name, port, ...(protocol === 'udp' ? { protocol } : {}) }],
  );
}

/** Whether stderr joins stdout: where the service wants it so, and under a terminal, which knows no difference. */
export function mergesStderr({ id, node, own }: RawService, reader: Reader): boolean {
  const tty = reader.boolean(child<Service>(node, 'tty')) === true;
  const stderr = child<Manifest.Log>(child<Service>(node, 'log'), 'stderr');
  const wanted = reader.string(stderr);
  const isOwn = child<Manifest.Log>(child<Service>(own, 'log'), 'stderr') !== undefined;
  if (tty && stderr !== undefined && isOwn && wanted === 'separate') {
    reader.report.warning('unused-key', stderr.place, `\`log.stderr\` of service \`${id}\` has no effect`, {
      note: 'with `tty` all output goes through one terminal',
    });
  }
  return tty || wanted === 'merge';
}

function envAppendOf(node: Node | undefined, reader: Reader): EnvAppend[] {
  if (node?.kind !== 'map') return [];
  return [...node.entries.values()].flatMap(({ key, value: entry }): EnvAppend[] => {
    const value = reader.text(child<Manifest.EnvAppendEntry>(entry, 'value'));
    if (value === undefined) return [];
    const separator = reader.string(child<Manifest.EnvAppendEntry>(entry, 'separator')) ?? ':';
    const prepend = reader.boolean(child<Manifest.EnvAppendEntry>(entry, 'prepend')) ?? false;
    return [{ name: key, value, separator, prepend }];
  });
}

function inheritedOf(
  node: Node | undefined,
  byDefault: boolean,
  reader: Reader,
): boolean | readonly string[] {
  return node?.kind === 'list' ? reader.strings(node) : (reader.boolean(node) ?? byDefault);
}

function limitsOf(node: Node | undefined, reader: Reader): Limits {
  const cpuTime = child<Manifest.Limits>(node, 'cpu_time');
  const cpuTimeMs = reader.durationMs(cpuTime);
  if (cpuTime !== undefined && cpuTimeMs !== undefined && (cpuTimeMs < 1000 || cpuTimeMs % 1000 !== 0)) {
    reader.report.error('bad-duration', cpuTime.place, '`limits.cpu_time` counts whole seconds', {
      note: 'expected at least 1s',
      same: '',
    });
  }
  const values: Readonly<Record<keyof Limits, number | undefined>> = {
    open_files: reader.number(child<Manifest.Limits>(node, 'open_files')),
    processes: reader.number(child<Manifest.Limits>(node, 'processes')),
    core_size: reader.bytes(child<Manifest.Limits>(node, 'core_size')),
    file_size: reader.bytes(child<Manifest.Limits>(node, 'file_size')),
    stack_size: reader.bytes(child<Manifest.Limits>(node, 'stack_size')),
    locked_memory: reader.bytes(child<Manifest.Limits>(node, 'locked_memory')),
    address_space: reader.bytes(child<Manifest.Limits>(node, 'address_space')),
    cpu_time: cpuTimeMs === undefined ? undefined : cpuTimeMs / 1000,
    memory: reader.bytes(child<Manifest.Limits>(node, 'memory'), '1MiB'),
    cpus: reader.number(child<Manifest.Limits>(node, 'cpus')),
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
