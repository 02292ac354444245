import type { LaunchCommand, LaunchSpec, Mount, PortSpec, SecretFile } from '../../core/service.ts';
import type { BackendParts } from '../backends/dialect.ts';
import type { EnvValue } from './environment.ts';
import type { Facts } from './facts.ts';
import type * as Manifest from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import type { RawService } from './services.ts';
import { readMembers } from './table/row.ts';
import { serviceKeys } from './table/service.ts';

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
  return {
    ...readMembers(serviceKeys, node, reader, 'launch.'),
    backend: choice.backend,
    command,
    cwd: container === undefined ? (reader.path(child<Service>(node, 'cwd')) ?? dir) : dir,
    env: Object.fromEntries([...env].map(([name, { value }]) => [name, value])),
    inheritEnv: inheritedOf(child<Service>(node, 'inherit_env'), container === undefined, reader),
    ports: portSpecs(facts),
    ...(mergeStderr ? { mergeStderr } : {}),
    ...(notify === undefined ? {} : { notify }),
    ...(mounts.length === 0 ? {} : { mounts }),
    ...own,
    ...(secrets.length === 0 ? {} : { secrets }),
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

function inheritedOf(
  node: Node | undefined,
  byDefault: boolean,
  reader: Reader,
): boolean | readonly string[] {
  return node?.kind === 'list' ? reader.strings(node) : (reader.boolean(node) ?? byDefault);
}
