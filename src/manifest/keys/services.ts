import type { Place } from '../../core/diagnostic.ts';
import type { ServiceId } from '../../core/service.ts';
import type { Group } from '../read/group.ts';
import { mergeService, settleTags } from '../merge/merge.ts';
import type { MapNode, Node } from '../read/node.ts';
import type { Report } from '../report.ts';
import type { LookUp } from '../read/variables.ts';

/** One of the places that give a service its environment; later ones win, and `env` wins over `envFile`. */
export interface EnvLevel {
  readonly env?: Node | undefined;
  readonly envFile?: Node | undefined;
  /** For the interpolation of the env files. */
  readonly lookup: LookUp;
}

/** A service as the manifests give it, all merging done. */
export interface RawService {
  readonly id: ServiceId;
  /** Of its id. */
  readonly place: Place;
  /** With the defaults below it; `env` and `env_file` are in `levels` instead. */
  readonly node: MapNode;
  /** The keys it states itself. */
  readonly own: MapNode;
  readonly levels: readonly EnvLevel[];
  /** Where it runs unless it says otherwise. */
  readonly dir: string;
}

/** What the manifests around a service give it. */
interface Surroundings {
  readonly project: readonly EnvLevel[];
  readonly defaults: readonly { readonly node: MapNode; readonly lookup: LookUp }[];
}

/** Where a service itself states a key; undefined where it only has it from the defaults. */
export function statedAt({ own }: RawService, key: string): Place | undefined {
  const entry = own.entries.get(key);
  return entry === undefined || entry.value.tag === 'reset' ? undefined : entry.keyPlace;
}

/** The services of a group and of what it includes, in the order of the manifests. */
export function collectServices(group: Group, report: Report): ReadonlyMap<ServiceId, RawService> {
  const services = new Map<ServiceId, RawService>();
  collect(group, { project: [], defaults: [] }, services, report);
  return services;
}

function collect(group: Group, outer: Surroundings, into: Map<ServiceId, RawService>, report: Report): void {
  const { root, lookup, dir } = group;
  const defaults = child(root, 'defaults');
  const around: Surroundings = {
    project: [...outer.project, { ...environment(root), lookup }],
    defaults: defaults?.kind === 'map' ? [...outer.defaults, { node: defaults, lookup }] : outer.defaults,
  };
  const services = child(root, 'services');
  for (const { key, keyPlace, value } of services?.kind === 'map' ? services.entries.values() : []) {
    if (value.kind !== 'map' || value.tag === 'reset') continue;
    const first = into.get(key);
    if (first === undefined) into.set(key, assemble(key, keyPlace, value, around, lookup, dir));
    else {
      report.error('include-conflict', keyPlace, `the service \`${key}\` is defined in two manifests`, {
        note: 'defined again here',
        also: [{ place: first.place, note: 'first defined here' }],
      });
    }
  }
  for (const included of group.includes) collect(included, around, into, report);
}

function assemble(
  id: ServiceId,
  place: Place,
  own: MapNode,
  { project, defaults }: Surroundings,
  lookup: LookUp,
  dir: string,
): RawService {
  const layers = [...defaults, { node: own, lookup }];
  const bare = layers.map(({ node }) => withoutEnvironment(node));
  const node = bare.reduce((base, over) => mergeService(base, over));
  const levels = effective(layers.map((layer) => ({ ...environment(layer.node), lookup: layer.lookup })));
  return { id, place, node: settleTags(node), own, levels: [...project, ...levels], dir };
}

/** `!reset` and `!override` of a service cut off what the defaults say. */
function effective(levels: readonly EnvLevel[]): EnvLevel[] {
  const envFrom = levels.findLastIndex(({ env }) => env?.tag !== undefined);
  const filesFrom = levels.findLastIndex(({ envFile }) => envFile?.tag !== undefined);
  return levels.map(({ env, envFile, lookup }, index) => ({
    lookup,
    env: index < envFrom || env?.tag === 'reset' ? undefined : env,
    envFile: index < filesFrom || envFile?.tag === 'reset' ? undefined : envFile,
  }));
}

function environment(node: MapNode): Pick<EnvLevel, 'env' | 'envFile'> {
  return { env: node.entries.get('env')?.value, envFile: node.entries.get('env_file')?.value };
}

function withoutEnvironment(node: MapNode): MapNode {
  if (!node.entries.has('env') && !node.entries.has('env_file')) return node;
  const entries = new Map(node.entries);
  entries.delete('env');
  entries.delete('env_file');
  return { ...node, entries };
}

function child(node: MapNode, key: 'defaults' | 'services'): Node | undefined {
  const value = node.entries.get(key)?.value;
  return value?.tag === 'reset' ? undefined : value;
}
