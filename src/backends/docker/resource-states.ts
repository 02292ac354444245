import type { StartFailure } from '../../core/exit.ts';
import type { Fields } from '../../core/field-values.ts';
import type { ResourceState } from '../../core/resource-plan.ts';
import type { ServiceId } from '../../core/service.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { ResourceScope } from '../../ports/backend.ts';
import { labelFilter } from './cleanup.ts';
import type { VolumeInspectInfo } from './dockerode.ts';
import { type EngineClient, startFailureOf } from './engine-client.ts';
import { isOwned, LABELS, networksOf, type Owner, type Resource, volumesOf } from './names.ts';
import { definitionFields } from './resources.ts';

type Kind = 'network' | 'volume';

interface Needed extends Resource {
  readonly neededBy: ServiceId[];
}

/** What is there of one kind, by name. */
type Present = ReadonlyMap<string, Seen>;

interface Seen {
  readonly driver: string;
  readonly internal: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** The networks or volumes that services need, by name; those that are `external` are none of ours. */
export function neededResources(kind: Kind, scope: ResourceScope): ReadonlyMap<string, Needed> {
  const needed = new Map<string, Needed>();
  for (const { service, launch } of scope.services) {
    const of = { project: scope.project, ...launch, mounts: launch.mounts ?? [], resources: scope.resources };
    for (const { name, spec } of kind === 'network' ? networksOf(of) : volumesOf(of)) {
      if (spec.external === true) continue;
      const known = needed.get(name) ?? { name, spec, neededBy: [] };
      known.neededBy.push(service);
      needed.set(name, known);
    }
  }
  return needed;
}

/** The networks and volumes of a project as they are wanted and as they are; those of others are left out. */
export async function networksAndVolumes(
  engine: EngineClient,
  owner: Owner,
  scope: ResourceScope,
): Promise<Result<readonly ResourceState[], StartFailure>> {
  const [networks, volumes, users] = await Promise.all([
    presentNetworks(engine),
    presentVolumes(engine),
    engine.request((docker) => docker.listContainers({ all: true, filters: { label: labelFilter(owner) } })),
  ]);
  if (!networks.ok) return networks;
  if (!volumes.ok) return volumes;
  if (!users.ok) return err(startFailureOf(users.error, 'the containers could not be looked at'));
  const usedBy = (kind: Kind, name: string): readonly ServiceId[] => {
    const using = users.value.filter(({ NetworkSettings, Mounts }) =>
      kind === 'network'
        ? Object.hasOwn(NetworkSettings.Networks, name)
        : Mounts.some((mount) => mount.Type === 'volume' && mount.Name === name),
    );
    return [...new Set(using.map(({ Labels }) => Labels[LABELS.service] ?? ''))].sort();
  };
  const states = (kind: Kind, present: Present): readonly ResourceState[] => {
    const needed = neededResources(kind, scope);
    const ours = [...present].filter(([, { labels }]) => isOwned(labels, owner)).map(([name]) => name);
    return [...new Set([...needed.keys(), ...ours])].sort().flatMap((name): readonly ResourceState[] => {
      const seen = present.get(name);
      // Somebody else's: what needs it is told so when it starts.
      if (seen !== undefined && !isOwned(seen.labels, owner)) return [];
      const asked = needed.get(name);
      const wanted = asked === undefined ? undefined : definitionFields(asked.spec);
      return [
        {
          kind,
          name,
          backend: 'docker',
          neededBy: [...(asked?.neededBy ?? [])].sort(),
          usedBy: usedBy(kind, name),
          ...(wanted === undefined ? {} : { wanted }),
          ...(seen === undefined ? {} : { found: foundFields(seen, wanted ?? {}) }),
        },
      ];
    });
  };
  return ok([...states('network', networks.value), ...states('volume', volumes.value)]);
}

async function presentNetworks(engine: EngineClient): Promise<Result<Present, StartFailure>> {
  const found = await engine.request((docker) => docker.listNetworks());
  if (!found.ok) return err(startFailureOf(found.error, 'the networks could not be looked at'));
  return ok(
    new Map(
      found.value.map(({ Name, Driver, Internal, Options, Labels }) => [
        Name,
        { driver: Driver, internal: Internal, options: Options ?? {}, labels: Labels ?? {} },
      ]),
    ),
  );
}

async function presentVolumes(engine: EngineClient): Promise<Result<Present, StartFailure>> {
  const found = await engine.request((docker) => docker.listVolumes());
  if (!found.ok) return err(startFailureOf(found.error, 'the volumes could not be looked at'));
  // Without any there is `null`.
  const volumes = found.value.Volumes as readonly VolumeInspectInfo[] | null;
  return ok(
    new Map(
      (volumes ?? []).map(({ Name, Driver, Options, Labels }) => [
        Name,
        {
          driver: Driver,
          internal: false,
          options: Options ?? {},
          labels: (Labels as Record<string, string> | null) ?? {},
        },
      ]),
    ),
  );
}

/**
 * As it was defined. What an earlier version of Setpoint made does not tell its definition: then only what is asked for
 * now is compared with what is there, since an engine adds options of its own.
 */
function foundFields({ driver, internal, options, labels }: Seen, wanted: Fields): Fields {
  const definition = labels[LABELS.definition];
  if (definition !== undefined) {
    const fields = parsedFields(definition);
    if (fields !== undefined) return fields;
  }
  const all = definitionFields({ driver, internal, driverOptions: options, labels });
  return Object.fromEntries(Object.entries(all).filter(([field]) => Object.hasOwn(wanted, field)));
}

/** Whoever may change labels may have put anything there. */
function parsedFields(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const entries = Object.entries(value);
    return entries.every(([, each]) => typeof each === 'string') ? Object.fromEntries(entries) : undefined;
  } catch {
    return undefined;
  }
}
