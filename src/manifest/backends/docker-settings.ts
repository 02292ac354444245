import { join } from 'node:path';
import type { ContainerPort, ContainerSpec, Text } from '../../core/service.ts';
import type { SettingsScope } from './dialect.ts';
import { buildOf } from './docker-build.ts';
import { extraHost, imageProblem, parseExtraHost } from './docker-forms.ts';
import { healthcheckOf } from './docker-healthcheck.ts';
import type { Facts } from '../keys/facts.ts';
import type { Docker, Service } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { longChild, readMembers } from '../keys/table/row.ts';
import { serviceKeys } from '../keys/table/service.ts';
import { dockerKeys } from './docker-keys.ts';
import { child, itemsOf } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import { statedAt } from '../keys/services.ts';
import { kindAt } from '../read/source.ts';
import { didYouMean } from '../../core/util/closest.ts';

/** The network that a container joins where it names none. */
export const DEFAULT_NETWORK = 'default';

/** The container of a service. What is wrong with it is reported. */
export function dockerOf(scope: SettingsScope): ContainerSpec {
  const { service, facts, shell, reader } = scope;
  const { node } = service;
  const docker = child<Service>(node, 'docker');
  const image = reader.string(either('image', scope));
  const build = either('build', scope);
  const entrypoint = reader.command(either('entrypoint', scope), shell);
  const workdir = workdirOf(scope);
  const healthcheck = healthcheckOf(child<Docker>(docker, 'healthcheck'), service, reader);
  const networkMode = facts.container?.networkMode;
  const spec: ContainerSpec = {
    ...readMembers(dockerKeys, docker, reader),
    ...(image === undefined ? {} : { image }),
    ...(build === undefined ? {} : { build: buildOf(build, scope) }),
    ...(entrypoint === undefined ? {} : { entrypoint: argvOf(entrypoint) }),
    ...(workdir === undefined ? {} : { workdir }),
    ports: containerPorts(facts),
    networks: networksOf(scope),
    ...(networkMode === undefined ? {} : { networkMode }),
    extraHosts: extraHostsOf(child<Docker>(docker, 'extra_hosts'), scope),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...hostFiles(docker, scope),
  };
  checkImages(spec, scope);
  warnOfWideOpen(docker, scope);
  return spec;
}

/** What stands in the service itself or in its `docker`; both at once leave it open which counts. */
function either(key: 'image' | 'build' | 'entrypoint', { service, reader }: SettingsScope): Node | undefined {
  const outer = longChild(serviceKeys, service.node, key);
  const inner = longChild(dockerKeys, child<Service>(service.node, 'docker'), key);
  if (outer !== undefined && inner !== undefined) {
    const message = `service \`${service.id}\` has both \`${key}\` and \`docker.${key}\``;
    reader.report.error('conflicting-keys', inner.place, message, {
      note: 'expected one of the two',
      also: [{ place: outer.place, note: 'the other one' }],
    });
  }
  return outer ?? inner;
}

export function argvOf(command: NonNullable<ReturnType<Reader['command']>>): readonly Text[] {
  return command.kind === 'exec' ? command.argv : [...command.shell, command.script];
}

function checkImages({ image, build }: ContainerSpec, scope: SettingsScope): void {
  const { service, reader } = scope;
  const docker = child<Service>(service.node, 'docker');
  const check = (text: string | undefined, what: string, place: Node['place'] | undefined): void => {
    const problem = text === undefined ? undefined : imageProblem(text);
    if (problem === undefined || place === undefined) return;
    reader.report.error('bad-image', place, `${what} of service \`${service.id}\` ${problem}`, {
      note: 'expected one such as postgres:16 or ghcr.io/acme/api:1.4',
      same: '',
    });
  };
  const stated = child<Service>(service.node, 'image') ?? child<Docker>(docker, 'image');
  check(image, '`image`', stated?.place);
  const built = child<Service>(service.node, 'build') ?? child<Docker>(docker, 'build');
  for (const tag of build?.tags ?? []) check(tag, 'a tag in `build`', built?.place);
}

/** Of a container `cwd` is a folder inside. */
function workdirOf({ service, reader }: SettingsScope): string | undefined {
  const node = child<Service>(service.node, 'cwd');
  const path = reader.string(node);
  if (node === undefined || path === undefined || path === '') return undefined;
  if (path.startsWith('/')) return path;
  const message = `\`cwd\` of service \`${service.id}\` is relative, but it is a folder inside the container`;
  reader.report.error('bad-cwd', node.place, message, {
    note: 'expected an absolute path',
    help:
      statedAt(service, 'cwd') === undefined
        ? `it comes from \`defaults\`; \`cwd: !reset null\` in \`${service.id}\` takes it back`
        : 'leave it out where the folder of the image is meant; `docker: {workspace: .}` mounts a folder and works in it',
    same: '',
  });
  return undefined;
}

function containerPorts({ ports }: Facts): readonly ContainerPort[] {
  return [...ports].flatMap(([name, { container, port, published, hostIp, protocol }]) =>
    container === undefined
      ? []
      : [
          {
            name,
            container,
            ...(published && port !== undefined ? { host: port } : {}),
            ...(hostIp === undefined ? {} : { hostIp }),
            protocol,
          },
        ],
  );
}

function networksOf({ service, facts, resources, reader }: SettingsScope): readonly string[] {
  const docker = child<Service>(service.node, 'docker');
  const list = child<Docker>(docker, 'networks');
  const mode = child<Docker>(docker, 'network_mode');
  if (list !== undefined && mode !== undefined) {
    reader.report.error(
      'conflicting-keys',
      mode.place,
      `service \`${service.id}\` has both \`networks\` and a \`network_mode\``,
      {
        note: 'only one of the two can hold',
        help: 'take the networks back by `networks: !reset []` where they come from elsewhere',
        also: [{ place: list.place, note: 'the networks' }],
      },
    );
  }
  for (const item of itemsOf(list)) {
    const name = reader.string(item);
    if (name === undefined || name === DEFAULT_NETWORK || resources.networks.has(name)) continue;
    const message = `unknown network \`${name}\` in \`docker.networks\` of service \`${service.id}\``;
    reader.report.error('unknown-network', item.place, message, {
      note:
        (reader.report.full
          ? undefined
          : didYouMean(name, [...resources.networks.keys(), DEFAULT_NETWORK])) ??
        `expected \`networks: {${name}: }\` at the top level`,
      same: '',
    });
  }
  return facts.container?.networks ?? [];
}

function extraHostsOf(
  node: Node | undefined,
  { service: { id }, facts, reader }: SettingsScope,
): readonly string[] {
  const hosts: string[] = [];
  const mode = facts.container?.networkMode;
  if (node !== undefined && mode !== undefined && /^(?:container|service):/.test(mode)) {
    reader.report.error(
      'conflicting-keys',
      node.place,
      `\`docker.extra_hosts\` of service \`${id}\` has no effect`,
      {
        note: `with \`network_mode: ${mode}\` the hosts are those of the other container`,
      },
    );
  }
  const add = (parsed: ReturnType<typeof extraHost>, at: Node, what: string): void => {
    if (parsed.ok) hosts.push(parsed.value);
    else {
      reader.report.error(
        'bad-host',
        at.place,
        `${what} of \`docker.extra_hosts\` in service \`${id}\` ${parsed.error}`,
        {
          note: 'expected an IP address or `host-gateway`',
          same: '',
        },
      );
    }
  };
  if (node?.kind === 'map') {
    for (const { key, value } of node.entries.values()) {
      const address = reader.string(value);
      if (address !== undefined) add(extraHost(key, address), value, `\`${key}\``);
    }
  }
  for (const [index, item] of node?.kind === 'list' ? node.items.entries() : []) {
    const text = reader.string(item);
    if (text !== undefined) add(parseExtraHost(text), item, `item ${index + 1}`);
  }
  return hosts;
}

/** Folders and files of the machine that have their places in the container. */
function hostFiles(
  docker: Node | undefined,
  scope: SettingsScope,
): Pick<ContainerSpec, 'workspace' | 'netrc' | 'gitconfig'> {
  const { service, io, reader } = scope;
  const given = (['workspace', 'netrc', 'gitconfig'] as const).flatMap((key) => {
    const node = child<Docker>(docker, key);
    if (node === undefined) return [];
    const own = key === 'workspace' ? undefined : reader.boolean(node);
    if (own === false) return [];
    const path = own === true ? join(io.homeDir, `.${key}`) : reader.path(node);
    if (path === undefined) return [];
    const expected = key === 'workspace' ? 'folder' : 'file';
    const kind = kindAt(io, path);
    if (kind !== expected) {
      const why = kind === undefined ? 'does not exist' : `is not a ${expected}`;
      const message = `${path}, \`docker.${key}\` of service \`${service.id}\`, ${why}`;
      reader.report.error('missing-mount', node.place, message, { same: '' });
    }
    return [[key, path] as const];
  });
  return Object.fromEntries(given);
}

function warnOfWideOpen(docker: Node | undefined, { service: { id }, reader }: SettingsScope): void {
  const warn = (key: 'privileged' | 'pid', message: string, note: string): void => {
    const node = child<Docker>(docker, key);
    const asked = key === 'pid' ? reader.string(node) === 'host' : reader.boolean(node) === true;
    if (node === undefined || !asked) return;
    reader.report.warning('wide-open', node.place, message, { note, same: '' });
  };
  warn(
    'privileged',
    `the container of service \`${id}\` is privileged`,
    'it can do to the machine what root can',
  );
  warn(
    'pid',
    `the container of service \`${id}\` sees every process of the machine`,
    'it can signal and look into them',
  );
}
