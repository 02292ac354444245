/** The blocks of a service that hold the same for every backend, key by key. */
import type * as Manifest from '../../generated/manifest-types.ts';
import { addressesOfHttp, byPath, deep, replaced, whatIsNew } from '../../merge/rules.ts';
import { under } from '../../form/forms.ts';
import type { Node } from '../../read/node.ts';
import { itemsOf } from '../reader.ts';
import type { Reader } from '../reader.ts';
import {
  boolean,
  bytes,
  bytesFrom,
  duration,
  durationFrom,
  flag,
  into,
  number,
  oneOf,
  or,
  text,
  texts,
  type RowsOf,
} from './row.ts';

const DEFAULT_LOG_SIZE = 64 * 1024 ** 2;

export const envFileKeys = {
  path: {},
  required: into('required', or(boolean, true), { change: 'none' }),
  format: into('format', oneOf('dotenv', 'raw')),
} satisfies RowsOf<Manifest.EnvFileEntry>;

export const envAppendKeys = {
  value: into('value', (node, reader) => reader.text(node)),
  separator: into('separator', or(text, ':')),
  prepend: into('prepend', flag),
} satisfies RowsOf<Manifest.EnvAppendEntry>;

export const mountKeys = {
  type: {},
  source: {},
  target: {},
  read_only: into('readOnly', flag),
  optional: into('optional', flag),
  size: into('size', bytesFrom('1kb')),
  mode: into('mode', octal),
} satisfies RowsOf<Manifest.Mount>;

export const secretUseKeys = {
  source: {},
  env: into('variable', text),
} satisfies RowsOf<Manifest.SecretUse>;

export const portKeys = {
  target: {},
  published: {},
  host_ip: {},
  protocol: into('protocol', oneOf('tcp', 'udp')),
  name: {},
} satisfies RowsOf<Manifest.PortEntry>;

export const dependencyKeys = {
  condition: into('condition', oneOf('started', 'ready', 'completed', 'completed-successfully', 'log')),
  pattern: {},
  timeout: into('timeoutMs', durationFrom('1ms')),
  on_failure: into('onFailure', oneOf('ignore', 'restart', 'stop')),
  required: into('required', or(boolean, true)),
} satisfies RowsOf<Manifest.DependencyEntry>;

const httpKeys = {
  url: {},
  port: {},
  path: {},
  host: {},
  scheme: {},
  method: {},
  headers: {},
  status: { merge: replaced },
} satisfies RowsOf<Manifest.HttpCheckEntry>;

const tcpKeys = { host: {}, port: {} } satisfies RowsOf<Manifest.TcpCheckEntry>;

const logCheckKeys = { pattern: {}, stream: {} } satisfies RowsOf<Manifest.LogCheckEntry>;

export const probeKeys = {
  exec: { merge: replaced },
  http: { merge: addressesOfHttp, keys: httpKeys },
  tcp: { keys: tcpKeys },
  log: { long: under('pattern'), keys: logCheckKeys },
  // The service is given a socket for it.
  notify: { member: 'launch.notify' },
  healthcheck: {},
  interval: into('intervalMs', or(durationFrom('10ms'), 2_000)),
  timeout: into('timeoutMs', or(durationFrom('1ms'), 1_000)),
  retries: into('retries', or(number, 3)),
  start_period: into('startPeriodMs', or(duration, 0)),
  success: into('success', or(number, 1)),
} satisfies RowsOf<Manifest.ProbeEntry>;

export const restartKeys = {
  policy: into('policy', oneOf('on-failure', 'never', 'always', 'unless-stopped')),
  max_restarts: into('maxRestarts', or(number, 0)),
  window: into('windowMs', or(durationFrom('1ms'), 60_000)),
  success_exit_codes: into('successExitCodes', or(exitCodes, [0]), { merge: replaced }),
  on_codes: into('onCodes', exitCodes, { merge: replaced }),
} satisfies RowsOf<Manifest.RestartEntry>;

export const backoffKeys = {
  initial: into('initialMs', or(duration, 500)),
  max: into('maxMs', or(duration, 30_000)),
  multiplier: into('multiplier', or(number, 2)),
  jitter: into('jitter', or(number, 0.2)),
  reset_after: into('resetAfterMs', or(duration, 30_000)),
} satisfies RowsOf<Manifest.Backoff>;

export const stopKeys = {
  signal: into('signal', or(text, 'SIGTERM')),
  grace: into('graceMs', or(duration, 10_000)),
  command: { merge: replaced },
  kill_tree: into('killTree', or(boolean, true)),
} satisfies RowsOf<Manifest.Stop>;

export const scheduleKeys = {
  cron: {},
  every: {},
  timezone: {},
  overlap: into('overlap', oneOf('skip', 'queue', 'replace')),
  on_start: into('onStart', flag),
  missed: into('missed', oneOf('skip', 'run')),
} satisfies RowsOf<Manifest.ScheduleEntry>;

const watchSignalKeys = { signal: {} } satisfies RowsOf<Manifest.WatchSignal>;

export const watchKeys = {
  paths: { merge: byPath },
  ignore: into('ignore', texts, { merge: whatIsNew }),
  debounce: into('debounceMs', or(duration, 300)),
  action: { merge: deep, keys: watchSignalKeys },
} satisfies RowsOf<Manifest.WatchEntry>;

export const sandboxKeys = {
  network: into('network', or(boolean, true)),
  read: { merge: byPath },
  write: { merge: byPath },
  profile: into('profile', oneOf('default', 'strict')),
} satisfies RowsOf<Manifest.SandboxEntry>;

export const limitsKeys = {
  open_files: into('open_files', number),
  processes: into('processes', number),
  core_size: into('core_size', bytes),
  file_size: into('file_size', bytes),
  stack_size: into('stack_size', bytes),
  locked_memory: into('locked_memory', bytes),
  address_space: into('address_space', bytes),
  cpu_time: into('cpu_time', wholeSeconds),
  memory: into('memory', bytesFrom('1MiB')),
  cpus: into('cpus', number),
} satisfies RowsOf<Manifest.Limits>;

export const logKeys = {
  max_size: into('maxSize', or(bytes, DEFAULT_LOG_SIZE)),
  keep: into('keep', or(number, 3)),
  stderr: { member: 'launch.mergeStderr' },
} satisfies RowsOf<Manifest.Log>;

export const hookKeys = {
  command: { merge: replaced },
  timeout: into('timeoutMs', or(duration, 30_000)),
} satisfies RowsOf<Manifest.HookEntry>;

const HOOK = { long: under('command'), merge: deep, keys: hookKeys };

export const hooksKeys = {
  pre_start: HOOK,
  post_start: HOOK,
  pre_stop: HOOK,
  post_stop: HOOK,
} satisfies RowsOf<Manifest.Hooks>;

export const errorKeys = {
  match: into('match', text),
  message: into('message', text),
} satisfies RowsOf<Manifest.ErrorPattern>;

function octal(node: Node | undefined, reader: Reader): number | undefined {
  const digits = reader.string(node);
  return digits === undefined ? undefined : Number.parseInt(digits, 8);
}

/** In ascending order, each once: what they mean does not depend on how they are written. */
function exitCodes(node: Node | undefined, reader: Reader): readonly number[] | undefined {
  if (node?.kind !== 'list') return undefined;
  const codes = itemsOf(node).flatMap((item) => reader.number(item) ?? []);
  return [...new Set(codes)].sort((a, b) => a - b);
}

function wholeSeconds(node: Node | undefined, reader: Reader): number | undefined {
  const ms = reader.durationMs(node);
  if (node === undefined || ms === undefined) return undefined;
  if (ms < 1000 || ms % 1000 !== 0) {
    reader.report.error('bad-duration', node.place, '`limits.cpu_time` counts whole seconds', {
      note: 'expected at least 1s',
      same: '',
    });
  }
  return ms / 1000;
}
