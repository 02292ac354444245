import type { StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
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

async function ensureNetwork(
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
      docker.createNetwork({
        Name: name,
        CheckDuplicate: true,
        Labels: { ...spec.labels, ...ownerLabels(owner) },
        ...(spec.driver === undefined ? {} : { Driver: spec.driver }),
        ...(spec.internal === true ? { Internal: true } : {}),
        ...(spec.driverOptions === undefined ? {} : { Options: { ...spec.driverOptions } }),
      }),
    );
    if (made.ok) return ok(undefined);
    // Another instance of the project was faster.
    const isTaken = made.error.kind === 'refused' && made.error.status === CONFLICT;
    if (!isTaken || attempt > 0) return err(startFailureOf(made.error, `${doing} could not be made`));
  }
}

async function ensureVolume(
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
      Labels: { ...spec.labels, ...ownerLabels(owner) },
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
