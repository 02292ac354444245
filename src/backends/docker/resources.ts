import type { StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import type { Fields } from '../../core/field-values.ts';
import type { ResourceSpec } from '../../core/service.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import { removeNetwork } from './cleanup.ts';
import type { NetworkCreateOptions } from './dockerode.ts';
import { type EngineClient, startFailureOf } from './engine-client.ts';
import { isOwned, LABELS, networksOf, type Owner, ownerLabels, type Resource, volumesOf } from './names.ts';

const CONFLICT = 409;

/**
 * Makes the networks and volumes a launch needs, where they are missing. One that is there and belongs to somebody else is
 * used only where the manifest says that it is `external`.
 */
export async function ensureResources(
  engine: EngineClient,
  launch: ConcreteLaunch,
  owner: Owner,
): Promise<Result<void, StartFailure>> {
  for (const network of networksOf(launch)) {
    const ensured = await ensureNetwork(engine, network, owner);
    if (!ensured.ok) return ensured;
  }
  for (const volume of volumesOf(launch)) {
    const ensured = await ensureVolume(engine, volume, owner);
    if (!ensured.ok) return ensured;
  }
  return ok(undefined);
}

export async function ensureNetwork(
  engine: EngineClient,
  { name, spec }: Resource,
  owner: Owner,
): Promise<Result<void, StartFailure>> {
  const doing = `the network ${name}`;
  for (let attempt = 0; ; attempt += 1) {
    // By its exact name: a filter would also find those whose names contain it.
    const seen = await engine.request((docker) =>
      docker.listNetworks({ filters: JSON.stringify({ name: [`^${escape(name)}$`] }) }),
    );
    if (!seen.ok) return err(startFailureOf(seen.error, `${doing} could not be looked at`));
    const found = seen.value.find((network) => network.Name === name);
    if (found !== undefined) return belongs('network', name, spec.external === true, found.Labels, owner);
    if (spec.external === true) return err(missing('network', name));
    const made = await engine.request((docker) =>
      docker.createNetwork(networkDefinition({ name, spec }, owner)),
    );
    if (made.ok) return ok(undefined);
    // Another instance of the project was faster.
    const isTaken = made.error.kind === 'refused' && made.error.status === CONFLICT;
    if (!isTaken || attempt > 0) return err(startFailureOf(made.error, `${doing} could not be made`));
  }
}

function networkDefinition({ name, spec }: Resource, owner: Owner): NetworkCreateOptions {
  return {
    Name: name,
    CheckDuplicate: true,
    Labels: resourceLabels(spec, owner),
    ...(spec.driver === undefined ? {} : { Driver: spec.driver }),
    ...(spec.internal === true ? { Internal: true } : {}),
    ...(spec.driverOptions === undefined ? {} : { Options: { ...spec.driverOptions } }),
  };
}

function resourceLabels(spec: ResourceSpec, owner: Owner): Record<string, string> {
  const definition = JSON.stringify(definitionFields(spec));
  return { ...spec.labels, ...ownerLabels(owner), [LABELS.definition]: definition };
}

/** What can differ between a network or volume and its definition, as the manifest spells it. */
export function definitionFields({
  driver,
  internal,
  driverOptions = {},
  labels = {},
}: ResourceSpec): Fields {
  const under = (key: string, of: Readonly<Record<string, string>>): [string, string][] =>
    Object.entries(of).map(([name, value]) => [`${key}.${name}`, value]);
  return Object.fromEntries(
    [
      ...(driver === undefined ? [] : [['driver', driver] as [string, string]]),
      ...(internal === true ? [['internal', 'true'] as [string, string]] : []),
      ...under('driver_opts', driverOptions),
      ...under('labels', labels),
    ].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

export async function ensureVolume(
  engine: EngineClient,
  { name, spec }: Resource,
  owner: Owner,
): Promise<Result<void, StartFailure>> {
  const doing = `the volume ${name}`;
  const seen = await engine.request((docker) => docker.getVolume(name).inspect());
  if (seen.ok) return belongs('volume', name, spec.external === true, seen.value.Labels, owner);
  if (seen.error.kind !== 'refused' || seen.error.status !== 404) {
    return err(startFailureOf(seen.error, `${doing} could not be looked at`));
  }
  if (spec.external === true) return err(missing('volume', name));
  // One that is there by now is answered as if it had been made.
  const made = await engine.request((docker) =>
    docker.createVolume({
      Name: name,
      Labels: resourceLabels(spec, owner),
      ...(spec.driver === undefined ? {} : { Driver: spec.driver }),
      ...(spec.driverOptions === undefined ? {} : { DriverOpts: { ...spec.driverOptions } }),
    }),
  );
  return made.ok ? ok(undefined) : err(startFailureOf(made.error, `${doing} could not be made`));
}

function belongs(
  kind: 'network' | 'volume',
  name: string,
  isExternal: boolean,
  labels: Readonly<Record<string, string>> | null | undefined,
  owner: Owner,
): Result<void, StartFailure> {
  if (isExternal || isOwned(labels, owner)) return ok(undefined);
  const other = labels?.[LABELS.state];
  const whose = other === undefined ? 'not made by this project' : `of another project (${other})`;
  return err({
    code: 'name-conflict',
    message: `the ${kind} ${name} exists already and is ${whose}`,
    help: `say \`external: true\` under \`${kind}s\` to use it as it is, or give one of the two another name`,
  });
}

function missing(kind: 'network' | 'volume', name: string): StartFailure {
  return {
    code: 'other',
    message: `the external ${kind} ${name} does not exist`,
    help: `make it with \`docker ${kind} create ${name}\`, or leave out \`external\``,
  };
}

function escape(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** How a container is joined to a network, as the engine tells it and takes it. */
type Endpoint = Readonly<Record<'Aliases' | 'IPAMConfig' | 'Links', unknown>>;

/** A container of a network, with how it is joined to it. */
interface Member {
  readonly id: string;
  readonly endpoint: Endpoint;
}

/** Makes a network of ours anew; what is on it is off it for a moment, and keeps its names there. */
export async function recreateNetwork(
  engine: EngineClient,
  resource: Resource,
  owner: Owner,
): Promise<Result<void, StartFailure>> {
  const { name } = resource;
  const seen = await engine.request((docker) => docker.getNetwork(name).inspect());
  if (!seen.ok) {
    const isMissing = seen.error.kind === 'refused' && seen.error.status === 404;
    if (isMissing) return ensureNetwork(engine, resource, owner);
    return err(startFailureOf(seen.error, `the network ${name} could not be looked at`));
  }
  const owned = belongs('network', name, false, seen.value.Labels, owner);
  if (!owned.ok) return owned;
  const members: Member[] = [];
  for (const id of Object.keys(seen.value.Containers ?? {})) {
    const container = await engine.request((docker) => docker.getContainer(id).inspect());
    // One that has ended meanwhile is on it no more.
    if (!container.ok) continue;
    const joined = container.value.NetworkSettings.Networks[name] as Partial<Endpoint> | undefined;
    members.push({
      id,
      endpoint: { Aliases: joined?.Aliases, IPAMConfig: joined?.IPAMConfig, Links: joined?.Links },
    });
    await engine.request((docker) => docker.getNetwork(name).disconnect({ Container: id, Force: true }));
  }
  const removed = await removeNetwork(engine, name);
  if (!removed.ok) {
    await rejoin(engine, name, members);
    return err(startFailureOf(removed.error, `the network ${name} could not be removed`));
  }
  const made = await ensureNetwork(engine, resource, owner);
  if (made.ok) await rejoin(engine, name, members);
  return made;
}

/** Those that cannot be joined again are about to be replaced, or their own checks tell. */
async function rejoin(engine: EngineClient, network: string, members: readonly Member[]): Promise<void> {
  for (const { id, endpoint } of members) {
    await engine.request((docker) =>
      docker.getNetwork(network).connect({ Container: id, EndpointConfig: endpoint as object }),
    );
  }
}
