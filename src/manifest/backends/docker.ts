import { statSync } from 'node:fs';
import { findEndpoint } from '../../host/engine-endpoint.ts';
import type { ContainerFact } from '../keys/facts.ts';
import { statedHealthcheck } from '../keys/probes.ts';
import { child } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import type { RawService } from '../keys/services.ts';
import type { Docker, Healthcheck, Service } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { honourContainerPort, notInContainers, refuseInContainer, refuseNotify } from './container.ts';
import type { AvailabilityScope, BackendAvailable, BackendDialect, HonourScope } from './dialect.ts';
import { dockerHints } from './docker-hints.ts';
import { dockerServiceKeys } from './docker-keys.ts';
import { dockerOf } from './docker-settings.ts';
import { hasKey, refuse } from './refuse.ts';

/** A container of the engine that DOCKER_HOST, a context or the usual socket leads to. */
export const docker: BackendDialect = {
  name: 'docker',
  ownKeys: Object.keys(dockerServiceKeys),
  refusedKeys: {
    ...notInContainers,
    sandbox: 'a container is one; see `docker: {cap_drop, read_only, networks}`',
  },
  commandPaths: [['entrypoint'], ['docker', 'entrypoint'], ['docker', 'healthcheck', 'test']],
  hints: dockerHints,
  claim: imageKey,
  claimHelp: (key) => (key === 'docker' ? 'name an `image` or a `build` for a container' : undefined),
  lack: ({ node }) => (imageKey(node) === undefined ? 'docker has no `image` and no `build`' : undefined),
  available,
  container,
  honourPort: honourContainerPort,
  checkHonoured(scope) {
    refuseInContainer(scope, docker.refusedKeys);
    refuseNotify(scope);
    checkDisabled(scope);
    checkHome(scope);
  },
  settings(scope) {
    const { service, reader } = scope;
    checkImage(service, reader);
    const user = reader.string(child<Docker>(child<Service>(service.node, 'docker'), 'user'));
    return { container: dockerOf(scope), ...(user === undefined ? {} : { user }) };
  },
};

/** Which of the keys that make a container is there. */
function imageKey(node: Node): string | undefined {
  const block = child<Service>(node, 'docker');
  if (hasKey(node, 'image')) return 'image';
  if (hasKey(node, 'build')) return 'build';
  if (block !== undefined && hasKey(block, 'image')) return 'docker.image';
  return block !== undefined && hasKey(block, 'build') ? 'docker.build' : undefined;
}

function checkImage({ id, node, place }: RawService, { report }: Reader): void {
  if (imageKey(node) !== undefined) return;
  const message = `service \`${id}\` runs on docker, but has no \`image\` and no \`build\``;
  report.error('missing-key', place, message, { note: 'expected one of them below this' });
}

function container({ node }: RawService, reader: Reader): ContainerFact {
  const block = child<Service>(node, 'docker');
  const networks = child<Docker>(block, 'networks');
  const mode = child<Docker>(block, 'network_mode');
  const networkMode = reader.string(mode);
  const healthcheck = child<Docker>(block, 'healthcheck');
  return {
    networks: networks?.kind === 'list' ? [...new Set(reader.strings(networks))] : [],
    ...(networkMode === undefined || mode === undefined ? {} : { networkMode, modePlace: mode.place }),
    hasHealth: reader.boolean(child<Healthcheck>(healthcheck, 'disable')) !== true,
  };
}

/** A probe cannot ask for what is switched off. */
function checkDisabled({ service, facts, reader }: HonourScope): void {
  if (facts.container?.hasHealth === true) return;
  for (const key of ['ready', 'live'] as const) {
    const place = statedHealthcheck(key, service);
    if (place === undefined) continue;
    const message = `\`${key}\` of service \`${service.id}\` asks for its healthcheck, which is disabled`;
    reader.report.error('conflicting-keys', place, message, {
      note: '`docker: {healthcheck: {disable: true}}` says so',
    });
  }
}

/** Where the home folder of another user than root is, only the image knows. */
function checkHome(scope: HonourScope): void {
  const { service, env, reader } = scope;
  const block = child<Service>(service.node, 'docker');
  const user = reader.string(child<Docker>(block, 'user') ?? child<Service>(service.node, 'user'));
  if (user === undefined || /^(?:root|0)(?:$|:)/.test(user) || env.has('HOME')) return;
  for (const key of ['netrc', 'gitconfig'] as const) {
    const node = child<Docker>(block, key);
    if (node === undefined || reader.boolean(node) === false) continue;
    const why = 'where the home of this user is inside is not known; say `HOME` in `env`';
    refuse(`docker.${key}`, node.place, why, scope);
  }
}

/** Where the engine is said by the same look that finds it when it is used. */
function available({ env, homeDir }: AvailabilityScope): BackendAvailable {
  const endpoint = findEndpoint({ HOME: homeDir, ...env });
  if (!endpoint.ok) return { available: false, reason: endpoint.error };
  const { kind, from } = endpoint.value;
  if (kind === 'unix') return lookAtSocket(endpoint.value.path);
  return { available: true, reason: `${from} names an engine` };
}

function lookAtSocket(path: string): BackendAvailable {
  return isSocket(path)
    ? { available: true, reason: `there is an engine at ${path}` }
    : { available: false, reason: `no engine at ${path}` };
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}
