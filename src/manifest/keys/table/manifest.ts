/** The keys at the top of a manifest, and what is declared there besides services. */
import type * as Manifest from '../../generated/manifest-types.ts';
import { byName, byPath, sourcesOfSecret, whatIsNew } from '../../merge/rules.ts';
import type { Node } from '../../read/node.ts';
import { labelsOf, valuesOf } from '../pairs.ts';
import type { Reader } from '../reader.ts';
import { envFileKeys } from './blocks.ts';
import { duration, into, onlyTrue, or, text, type Read, type RowsOf } from './row.ts';
import { serviceKeys } from './service.ts';

export const secretKeys = { file: {}, env: {} } satisfies RowsOf<Manifest.Secret>;

export const volumeKeys = {
  name: into('name', text),
  external: into('external', onlyTrue),
  driver: into('driver', text),
  driver_opts: into('driverOptions', ifAny(valuesOf)),
  labels: into('labels', ifAny(labelsOf), { merge: byName }),
} satisfies RowsOf<Manifest.VolumeEntry>;

export const networkKeys = {
  ...volumeKeys,
  internal: into('internal', onlyTrue),
} satisfies RowsOf<Manifest.NetworkEntry>;

export const includeKeys = { path: {}, env_file: {} } satisfies RowsOf<Manifest.IncludeEntry>;

export const shutdownKeys = {
  timeout: into('shutdownTimeoutMs', or(duration, 60_000)),
} satisfies RowsOf<NonNullable<Manifest.Manifest['shutdown']>>;

export const manifestKeys = {
  name: { change: 'none' },
  env: { change: 'replace', merge: byName },
  env_file: { change: 'replace', merge: byPath, keys: envFileKeys },
  defaults: { keys: serviceKeys },
  include: { merge: byPath, keys: includeKeys },
  services: { rest: { keys: serviceKeys } },
  secrets: { change: 'replace', rest: { merge: sourcesOfSecret, keys: secretKeys } },
  volumes: { change: 'replace', rest: { keys: volumeKeys } },
  networks: { change: 'replace', rest: { keys: networkKeys } },
  redact: { change: 'none', merge: whatIsNew },
  shutdown: { change: 'none', keys: shutdownKeys },
} satisfies RowsOf<Manifest.Manifest>;

function ifAny<V extends object>(read: (node: Node | undefined, reader: Reader) => V): Read<V | undefined> {
  return (node, reader) => {
    const values = read(node, reader);
    return Object.keys(values).length === 0 ? undefined : values;
  };
}
