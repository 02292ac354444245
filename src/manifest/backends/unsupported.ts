import type { Place } from '../../core/diagnostic.ts';
import type { EnvValue } from '../keys/environment.ts';
import { hasHealthcheck } from '../keys/facts.ts';
import type { Facts } from '../keys/facts.ts';
import type { Docker, Limits, ProbeEntry, Service } from '../manifest-types.ts';
import type { MapEntry, MapNode, Node } from '../read/node.ts';
import { isHealthcheck } from '../keys/probes.ts';
import { child } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import { statedAt } from '../keys/services.ts';
import type { RawService } from '../keys/services.ts';

/** What is looked at to tell what the backend of a service cannot honour. */
interface HonourScope {
  readonly service: RawService;
  readonly facts: Facts;
  /** What the manifests declare. */
  readonly env: ReadonlyMap<string, EnvValue>;
  readonly reader: Reader;
}

/** Keys that say how another backend would run the service. */
const OF_DOCKER = ['image', 'build', 'entrypoint', 'docker'];
const OF_NIX = ['nix'];

/** Keys that no container has, and what to do instead. */
const NOT_IN_CONTAINERS: Readonly<Record<string, string>> = {
  umask: 'the engine has no setting for it; set it in the command',
  socket: 'it is a path of the machine; mount its folder instead',
  path: 'its folders are of the machine; say `PATH` in `env`',
  requires: 'what the image holds is not known before it runs',
  nice: 'the engine has no setting for it; `limits: {cpus: ...}` is one',
  sandbox: 'a container is one; see `docker: {cap_drop, read_only, networks}`',
};

/**
 * Reports every key that the backend of a service cannot honour. Keys that are wholly of another backend are no mistake
 * where they come from the defaults, which serve many, or where `backend_order` makes them an alternative.
 */
export function checkHonoured(scope: HonourScope): void {
  const { facts } = scope;
  const { backend } = facts.choice;
  checkForeign(
    backend === 'docker' ? OF_NIX : backend === 'nix' ? OF_DOCKER : [...OF_DOCKER, ...OF_NIX],
    scope,
  );
  if (backend === 'docker') checkContainer(scope);
  else checkHealthcheck(scope);
}

function checkForeign(keys: readonly string[], scope: HonourScope): void {
  const { service, facts } = scope;
  if (facts.choice.ordered) return;
  for (const key of keys) {
    const place = statedAt(service, key);
    if (place === undefined || entryOf(service.node, key) === undefined) continue;
    const { backend, reason } = facts.choice;
    const help =
      key === 'docker' && backend === 'native' && reason !== 'the manifest says so'
        ? 'name an `image` or a `build` for a container'
        : undefined;
    refuse(key, place, `the service runs on ${backend}: ${reason}`, scope, help);
  }
}

function checkContainer(scope: HonourScope): void {
  const { service, reader } = scope;
  const { node } = service;
  for (const [key, why] of Object.entries(NOT_IN_CONTAINERS)) {
    const entry = entryOf(node, key);
    if (entry !== undefined && !saysNothing(entry.value, reader)) refuse(key, entry.keyPlace, why, scope);
  }
  const inherit = child<Service>(node, 'inherit_env');
  if (inherit !== undefined && reader.boolean(inherit) === true) {
    refuse(
      'inherit_env: true',
      inherit.place,
      'a container inherits nothing; name the variables in a list',
      scope,
    );
  }
  const space = child<Limits>(child<Service>(node, 'limits'), 'address_space');
  if (space !== undefined) {
    const why = 'the engine has no setting for it; use `limits: {memory: ...}`';
    refuse('limits.address_space', space.place, why, scope);
  }
  checkAppended(scope);
  checkDisabled(scope);
  for (const key of ['ready', 'live'] as const) {
    const notify = child<ProbeEntry>(child<Service>(node, key), 'notify');
    if (notify === undefined) continue;
    const why = 'its socket is not there inside; use another kind of probe';
    refuse(`${key}.notify`, notify.place, why, scope);
  }
  checkHome(scope);
}

/** A probe cannot ask for what is switched off. */
function checkDisabled({ service, reader }: HonourScope): void {
  if (hasHealthcheck(service, reader)) return;
  for (const key of ['ready', 'live'] as const) {
    const probe = child<Service>(service.node, key);
    const stated = isHealthcheck(probe, reader) ? probe : child<ProbeEntry>(probe, 'healthcheck');
    if (stated === undefined) continue;
    const message = `\`${key}\` of service \`${service.id}\` asks for its healthcheck, which is disabled`;
    reader.report.error('conflicting-keys', stated.place, message, {
      note: '`docker: {healthcheck: {disable: true}}` says so',
    });
  }
}

/** What the image gives a variable is not known, so nothing can be put beside it. */
function checkAppended(scope: HonourScope): void {
  const appended = child<Service>(scope.service.node, 'env_append');
  for (const { key, keyPlace } of appended?.kind === 'map' ? appended.entries.values() : []) {
    if (scope.env.has(key)) continue;
    const why = `what the image has in \`${key}\` is not known; say its whole value in \`env\``;
    refuse(`env_append.${key}`, keyPlace, why, scope);
  }
}

/** Where the home folder of another user than root is, only the image knows. */
function checkHome(scope: HonourScope): void {
  const { service, env, reader } = scope;
  const docker = child<Service>(service.node, 'docker');
  const user = reader.string(child<Docker>(docker, 'user') ?? child<Service>(service.node, 'user'));
  if (user === undefined || /^(?:root|0)(?:$|:)/.test(user) || env.has('HOME')) return;
  for (const key of ['netrc', 'gitconfig'] as const) {
    const node = child<Docker>(docker, key);
    if (node === undefined || reader.boolean(node) === false) continue;
    const why = 'where the home of this user is inside is not known; say `HOME` in `env`';
    refuse(`docker.${key}`, node.place, why, scope);
  }
}

function checkHealthcheck(scope: HonourScope): void {
  const { service, reader } = scope;
  const { node } = service;
  for (const key of ['ready', 'live'] as const) {
    const probe = child<Service>(node, key);
    const entry = isHealthcheck(probe, reader) ? probe : child<ProbeEntry>(probe, 'healthcheck');
    if (entry === undefined) continue;
    refuse(`${key}: healthcheck`, entry.place, 'only a container has a healthcheck', scope);
  }
}

function entryOf(node: MapNode, key: string): MapEntry | undefined {
  return node.entries.get(key);
}

/** `false` and an empty list ask for nothing. */
function saysNothing(node: Node, reader: Reader): boolean {
  return node.kind === 'list' ? node.items.length === 0 : reader.boolean(node) === false;
}

function refuse(what: string, place: Place, why: string, scope: HonourScope, help?: string): void {
  const { service, facts, reader } = scope;
  const key = what.split(/[.:]/)[0] ?? what;
  const inherited =
    statedAt(service, key) === undefined
      ? `it comes from \`defaults\`; \`${key}: !reset null\` in \`${service.id}\` takes it back`
      : undefined;
  const message = `the backend ${facts.choice.backend} cannot honour \`${what}\` of service \`${service.id}\``;
  reader.report.error('unsupported-by-backend', place, message, { note: why, help: help ?? inherited });
}
