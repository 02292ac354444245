/** The keys of a service. */
import { errorPreset } from '../presets.ts';
import { isSafePattern } from '../../../core/errors.ts';
import type { EnvAppend, ErrorPattern, LaunchSpec, ServiceSpec } from '../../../core/service.ts';
import { backendKeys } from '../../backends/keys.ts';
import { probeForm, under } from '../../form/forms.ts';
import type { Service } from '../../generated/manifest-types.ts';
import {
  byName,
  byPath,
  checksOfProbe,
  dependenciesByService,
  mountsByTarget,
  portsByNumber,
  replaced,
  sandboxByKey,
  secretsByUse,
  short,
  timesOfSchedule,
  watchedByPath,
  whatIsNew,
} from '../../merge/rules.ts';
import type { Node } from '../../read/node.ts';
import { labelsOf } from '../pairs.ts';
import { itemsOf } from '../reader.ts';
import type { KeyOf, Reader } from '../reader.ts';
import {
  backoffKeys,
  dependencyKeys,
  envAppendKeys,
  envFileKeys,
  errorKeys,
  hooksKeys,
  limitsKeys,
  logKeys,
  mountKeys,
  portKeys,
  probeKeys,
  restartKeys,
  sandboxKeys,
  scheduleKeys,
  secretUseKeys,
  stopKeys,
  watchKeys,
} from './blocks.ts';
import { block, duration, into, type KeyRow, number, onlyTrue, readMembers, text, texts } from './row.ts';

/** A member of a spec or of its launch: the core says what a change of it does. */
type SpecMember = keyof ServiceSpec | `launch.${keyof LaunchSpec}`;

/** Every key of a service is for a member of the spec. Rows without a `read` are read by functions of their own. */
export const serviceKeys = {
  description: into('description', text),
  labels: into('labels', (node, reader) => labelsOf(node, reader), { merge: byName }),
  backend: { member: 'launch.backend' },
  backend_order: { member: 'launch.backend', merge: replaced },
  ...backendKeys,
  command: { member: 'launch.command', merge: replaced },
  shell: { member: 'launch.command', merge: replaced },
  cwd: { member: 'launch.cwd' },
  env: { member: 'launch.env', merge: byName },
  env_file: { member: 'launch.env', merge: byPath, keys: envFileKeys },
  env_append: into('launch.envAppend', envAppend, { rest: { keys: envAppendKeys } }),
  inherit_env: { member: 'launch.inheritEnv', merge: whatIsNew },
  path: into('launch.path', (node, reader) => itemsOf(node).flatMap((item) => reader.path(item) ?? [])),
  requires: into('requires', texts, { merge: whatIsNew }),
  mounts: { member: 'launch.mounts', merge: mountsByTarget, rest: { keys: mountKeys } },
  secrets: { member: 'launch.secrets', merge: secretsByUse, rest: { keys: secretUseKeys } },
  ports: { member: 'launch.ports', merge: portsByNumber, rest: { keys: portKeys } },
  socket: into('launch.socket', (node, reader) => reader.pathText(node)),
  depends_on: {
    member: 'dependsOn',
    merge: dependenciesByService,
    rest: { ...short('condition', 'a word'), keys: dependencyKeys },
  },
  ready: { member: 'ready', long: probeForm, merge: checksOfProbe, keys: probeKeys },
  live: { member: 'live', long: probeForm, merge: checksOfProbe, keys: probeKeys },
  restart: { member: 'restart', ...short('policy', 'a word'), keys: restartKeys },
  backoff: into('backoff', block(backoffKeys), { keys: backoffKeys }),
  stop: { member: 'stop', keys: stopKeys },
  rollback: into('rollback', onlyTrue),
  timeout: into('timeoutMs', duration),
  schedule: { member: 'schedule', long: under('cron'), merge: timesOfSchedule, keys: scheduleKeys },
  watch: { member: 'watch', long: under('paths'), merge: watchedByPath, keys: watchKeys },
  replicas: { member: 'replicas' },
  umask: into('launch.umask', (node, reader) => reader.string(node)?.padStart(4, '0')),
  nice: into('launch.nice', number),
  sandbox: { member: 'launch.sandbox', merge: sandboxByKey, keys: sandboxKeys },
  limits: into('launch.limits', block(limitsKeys), { keys: limitsKeys }),
  user: into('launch.user', text),
  tty: into('launch.tty', onlyTrue),
  stdin: into('launch.stdin', (node, reader) => (reader.string(node) === 'pipe' ? 'pipe' : undefined)),
  log: into('log', block(logKeys), { keys: logKeys }),
  profiles: { member: 'profiles', merge: whatIsNew },
  hooks: { member: 'hooks', keys: hooksKeys },
  errors: into('errors', errorPatterns, { merge: whatIsNew, rest: { keys: errorKeys } }),
} satisfies { readonly [K in KeyOf<Service>]-?: KeyRow & { readonly member: SpecMember } };

function envAppend(node: Node | undefined, reader: Reader): readonly EnvAppend[] {
  if (node?.kind !== 'map') return [];
  return [...node.entries.values()].flatMap(({ key, value: entry }): EnvAppend[] => {
    const { value, ...how } = readMembers(envAppendKeys, entry, reader);
    return value === undefined ? [] : [{ name: key, value, ...how }];
  });
}

function errorPatterns(node: Node | undefined, reader: Reader): readonly ErrorPattern[] {
  return itemsOf(node).flatMap((item) => {
    if (item.kind !== 'map') return errorPreset(reader.string(item) ?? '') ?? [];
    const { match, message } = readMembers(errorKeys, item, reader);
    return match === undefined || message === undefined || !isSafePattern(match).ok
      ? []
      : [{ match, message }];
  });
}
