import type { Place } from '../../core/diagnostic.ts';
import type { ServiceId, Text } from '../../core/service.ts';
import { entriesOf, pairOf, under } from '../form/forms.ts';
import type { EnvFileEntry } from '../generated/manifest-types.ts';
import type { MapEntry, Node } from '../read/node.ts';
import { child, itemsOf } from './reader.ts';
import type { Reader } from './reader.ts';
import type { Report } from '../report.ts';
import type { EnvLevel } from './services.ts';
import { envFileKeys } from './table/blocks.ts';
import { readMembers } from './table/row.ts';
import type { EnvFiles } from '../read/variables.ts';

export interface EnvValue {
  readonly value: Text;
  /** Where it was said last: `file:line`. */
  readonly origin: string;
  /** Where the manifest says it, or names the file that does. */
  readonly place: Place;
  /** Wholly secret, whatever its name; only present where true. */
  readonly secret?: true;
}

/** What the environment of a service is read with. */
export interface EnvSources {
  readonly reader: Reader;
  readonly envFiles: EnvFiles;
  readonly hostEnv: Readonly<Record<string, string>>;
}

/** Set by Setpoint after everything else. */
const OVERWRITTEN = ['SETPOINT_PROJECT', 'SETPOINT_SERVICE', 'SETPOINT_INSTANCE', 'SETPOINT_RUN'];
/** Of sd_notify(3) and sd_watchdog_enabled(3): set where the service is listened to. */
const NOTIFY = ['NOTIFY_SOCKET', 'WATCHDOG_USEC'];
/** Set where there are secrets as files. */
const SECRETS = ['SETPOINT_SECRETS_DIR'];

/** What a service has that Setpoint sets variables for. */
interface OwnVariables {
  readonly notify: boolean;
  /** As files. */
  readonly secrets: boolean;
}

/** Warns of variables that the manifest sets to no avail. */
export function warnOfOverwritten(
  id: ServiceId,
  env: ReadonlyMap<string, EnvValue>,
  { notify, secrets }: OwnVariables,
  report: Report,
): void {
  const names = [...OVERWRITTEN, ...(notify ? NOTIFY : []), ...(secrets ? SECRETS : [])];
  for (const name of names) {
    const place = env.get(name)?.place;
    if (place === undefined) continue;
    const purpose = NOTIFY.includes(name)
      ? ', for `notify`'
      : SECRETS.includes(name)
        ? ', for `secrets`'
        : '';
    report.warning('reserved-variable', place, `\`${name}\` of service \`${id}\` has no effect`, {
      note: `setpoint sets it itself${purpose}`,
    });
  }
}

/** Adds the secrets that are given as variables; they win over what is declared otherwise. */
export function addSecrets(
  id: ServiceId,
  env: Map<string, EnvValue>,
  secrets: ReadonlyMap<string, EnvValue>,
  report: Report,
): void {
  for (const [name, value] of secrets) {
    const declared = env.get(name);
    if (declared !== undefined) {
      report.warning(
        'overwritten-variable',
        declared.place,
        `\`${name}\` of service \`${id}\` has no effect here`,
        {
          note: 'a secret is given under this name',
          also: [{ place: value.place, note: 'the secret' }],
        },
      );
    }
    env.set(name, value);
  }
}

/** The environment that the manifests declare for one service; later levels win. */
export function environmentOf(levels: readonly EnvLevel[], sources: EnvSources): Map<string, EnvValue> {
  const env = new Map<string, EnvValue>();
  for (const { env: declared, envFile, lookup } of levels) {
    for (const item of itemsOf(envFile)) readFile(item, lookup, sources, env);
    readEntries(entriesOf(declared, pairOf).entries, sources, env);
  }
  return env;
}

function readFile(
  item: Node,
  lookup: EnvLevel['lookup'],
  sources: EnvSources,
  env: Map<string, EnvValue>,
): void {
  if (item.tag === 'reset') return;
  const entry = under('path')(item);
  const node = child<EnvFileEntry>(entry, 'path');
  const { reader, envFiles } = sources;
  const path = reader.path(node);
  if (node === undefined || path === undefined) return;
  const { required, format } = readMembers(envFileKeys, entry, reader);
  const values = envFiles.read(path, format, lookup, ({ code, message, help }) => {
    if (code === 'missing-file' && !required) return;
    const hint = 'create it, or say `{path: ..., required: false}`';
    const name = code === 'missing-file' ? 'missing-env-file' : code;
    reader.report.error(name, node.place, message, { help: code === 'missing-file' ? hint : help });
  });
  for (const [name, value] of Object.entries(values))
    env.set(name, { value, origin: envFiles.whereIs(path, name), place: node.place });
}

function readEntries(entries: Iterable<MapEntry>, sources: EnvSources, env: Map<string, EnvValue>): void {
  for (const { key, keyPlace, value } of entries) {
    if (value.tag === 'reset') env.delete(key);
    else if (value.kind !== 'scalar') continue;
    else if (value.text === undefined && value.value === null) passOn(key, keyPlace, sources, env);
    else set(key, sources.reader.text(value), value.place, env);
  }
}

function set(key: string, value: Text | undefined, place: Place, env: Map<string, EnvValue>): void {
  if (value !== undefined) env.set(key, { value, origin: `${place.file}:${place.line}`, place });
}

function passOn(
  key: string,
  place: Place,
  { reader, hostEnv }: EnvSources,
  env: Map<string, EnvValue>,
): void {
  const value = Object.hasOwn(hostEnv, key) ? hostEnv[key] : undefined;
  env.delete(key);
  if (value !== undefined) set(key, value, place, env);
  else {
    const message = `the caller's environment has no \`${key}\` to pass on: it is left out`;
    reader.report.warning('unset-variable', place, message, { same: '' });
  }
}
