import type { Place } from '../../core/diagnostic.ts';
import type { Resources, ResourceSpec } from '../../core/service.ts';
import type { Group } from '../read/group.ts';
import type { Manifest, Secret } from '../generated/manifest-types.ts';
import { settleTags } from '../merge/merge.ts';
import type { MapEntry, MapNode, Node } from '../read/node.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import { networkKeys, volumeKeys } from './table/manifest.ts';
import { readMembers } from './table/row.ts';
import type { LookUp } from '../read/variables.ts';

/** Where a secret's value is. */
export type SecretSource =
  | { readonly from: 'file'; readonly path: string; readonly place: Place }
  | { readonly from: 'env'; readonly variable: string; readonly lookup: LookUp; readonly place: Place };

/** What the manifests of a project declare besides services, by name. */
export interface ProjectResources {
  readonly secrets: ReadonlyMap<string, SecretSource>;
  readonly volumes: ReadonlyMap<string, ResourceSpec>;
  readonly networks: ReadonlyMap<string, ResourceSpec>;
  /** The nodes they were made from, for showing what came out of merging. */
  readonly nodes: Readonly<Record<Kind, ReadonlyMap<string, MapEntry>>>;
}

const KINDS = ['secrets', 'volumes', 'networks'] as const;
type Kind = (typeof KINDS)[number];

const RESOURCE_KEYS = { volumes: volumeKeys, networks: networkKeys };

/** Of a group and of all it includes. The same name in two manifests is an error. */
export function collectResources(group: Group, reader: Reader): ProjectResources {
  const nodes = {
    secrets: new Map<string, MapEntry>(),
    volumes: new Map<string, MapEntry>(),
    networks: new Map<string, MapEntry>(),
  };
  const secrets = new Map<string, SecretSource>();
  const visit = ({ root, lookup, includes }: Group): void => {
    for (const kind of KINDS) {
      for (const entry of entriesOf(root, kind)) {
        const first = nodes[kind].get(entry.key);
        if (first === undefined) nodes[kind].set(entry.key, entry);
        else if (first !== entry) reportTwice(kind, entry, first, reader);
        if (first === undefined && kind === 'secrets') {
          const source = secretOf(entry, lookup, reader);
          if (source !== undefined) secrets.set(entry.key, source);
        }
      }
    }
    for (const included of includes) visit(included);
  };
  visit(group);
  const specs = (kind: 'volumes' | 'networks') =>
    new Map([...nodes[kind].values()].map((entry) => [entry.key, resourceOf(entry, kind, reader)]));
  return { secrets, volumes: specs('volumes'), networks: specs('networks'), nodes };
}

/** As the core has them; undefined where the manifests say nothing. */
export function resourcesOf({ volumes, networks }: ProjectResources): Resources | undefined {
  if (volumes.size === 0 && networks.size === 0) return undefined;
  return { volumes: Object.fromEntries(volumes), networks: Object.fromEntries(networks) };
}

/** What the variables hold that secrets are read from, whether a service is given them or not. */
export function secretVariables({ secrets }: ProjectResources): readonly string[] {
  return [...secrets.values()].flatMap((source) => {
    const value = source.from === 'env' ? source.lookup(source.variable) : undefined;
    return value === undefined || value === '' ? [] : [value];
  });
}

function entriesOf(root: MapNode, kind: Kind): readonly MapEntry[] {
  const value = child<Manifest>(root, kind);
  if (value === undefined || value.tag === 'reset') return [];
  const settled = settleTags(value);
  return settled.kind === 'map' ? [...settled.entries.values()] : [];
}

function reportTwice(kind: Kind, { key, keyPlace }: MapEntry, first: MapEntry, reader: Reader): void {
  const one = { secrets: 'secret', volumes: 'volume', networks: 'network' }[kind];
  reader.report.error('include-conflict', keyPlace, `the ${one} \`${key}\` is defined in two manifests`, {
    note: 'defined again here',
    also: [{ place: first.keyPlace, note: 'first defined here' }],
  });
}

function secretOf(
  { key, keyPlace, value }: MapEntry,
  lookup: LookUp,
  reader: Reader,
): SecretSource | undefined {
  const file = child<Secret>(value, 'file');
  const env = child<Secret>(value, 'env');
  if (file !== undefined && env !== undefined) {
    reader.report.error('conflicting-keys', env.place, `the secret \`${key}\` has two sources`, {
      note: 'expected one of `file` and `env`',
      also: [{ place: file.place, note: 'the other one' }],
    });
  }
  if (file === undefined && env === undefined) {
    if (value.kind === 'map' && value.entries.size === 0) {
      reader.report.error('missing-key', keyPlace, `the secret \`${key}\` has no source`, {
        note: 'expected `{file: ...}` or `{env: ...}`',
      });
    }
    return undefined;
  }
  const path = reader.path(file);
  if (file !== undefined && path !== undefined) return { from: 'file', path, place: file.place };
  const variable = reader.string(env);
  if (env === undefined || variable === undefined) return undefined;
  return { from: 'env', variable, lookup, place: env.place };
}

function resourceOf({ key, value }: MapEntry, kind: 'volumes' | 'networks', reader: Reader): ResourceSpec {
  const spec: ResourceSpec = readMembers(RESOURCE_KEYS[kind], value, reader);
  if (spec.external === true) reportUnderExternal(key, value, reader);
  return spec;
}

/** What is there already is as it is. */
function reportUnderExternal(key: string, value: Node, reader: Reader): void {
  const others = ['driver', 'driver_opts', 'labels', 'internal'];
  const beside =
    value.kind === 'map' ? others.map((other) => value.entries.get(other)).find(Boolean) : undefined;
  if (beside === undefined) return;
  reader.report.error(
    'conflicting-keys',
    beside.keyPlace,
    `\`${key}\` is external, so \`${beside.key}\` has no effect`,
    {
      note: 'what is external is made by somebody else',
    },
  );
}
