import { type Fields, shower, type Shower, template } from '../field-values.ts';
import type { Redactor } from '../redact.ts';
import type {
  Backoff,
  ContainerSpec,
  Dependency,
  Hook,
  Hooks,
  LogSpec,
  Probe,
  ProbeCheck,
  RestartSpec,
  ScheduleSpec,
  ServiceSpec,
  StopSpec,
  WatchSpec,
} from '../service.ts';
import type { ContainerPolicy } from '../launch.ts';
import { formatDuration } from '../util/duration.ts';
import { unreachable } from '../util/result.ts';
import {
  command,
  duration,
  type Entry,
  members,
  numbers,
  plain,
  type FieldRow,
  snakeCase,
  sortedFields,
  text,
  values,
  words,
  wordsIfAny,
} from './rows.ts';

/** What a change of a member of the spec does to instances that run. */
export type ChangeEffect = 'replace' | 'in-place' | 'scale' | 'none';

type SpecRow<T> =
  /** The running process is held by the new value from then on. */
  | { readonly effect: 'in-place'; readonly fields: FieldRow<T> }
  /** `replace`: seen by the fields of the declared launch; `scale`: by the number of instances. */
  | { readonly effect: Exclude<ChangeEffect, 'in-place'> };

function inPlace<T>(fields: FieldRow<T>): SpecRow<T> {
  return { effect: 'in-place', fields };
}

const hook = members<Hook>({ command: '', timeoutMs: 'timeout' }, { command, timeoutMs: duration });

const probe: FieldRow<Probe> = (value, at, show) => [
  ...probeCheck(value.check, `${at}.${value.check.kind}`, show),
  ...probeTimes(value, at, show),
];

const probeTimes = members<Omit<Probe, 'check'>>(
  {
    intervalMs: 'interval',
    timeoutMs: 'timeout',
    retries: 'retries',
    startPeriodMs: 'start_period',
    success: 'success',
  },
  { intervalMs: duration, timeoutMs: duration, retries: plain, startPeriodMs: duration, success: plain },
);

const dependency = members<Omit<Dependency, 'service'>>(
  { condition: '', pattern: 'pattern', timeoutMs: 'timeout', required: 'required', onFailure: 'on_failure' },
  { condition: plain, pattern: plain, timeoutMs: duration, required: plain, onFailure: plain },
);

const scheduleTimes: FieldRow<ScheduleSpec['when']> = (when, at) => [
  [at, when.kind === 'cron' ? when.expression : `every ${formatDuration(when.everyMs)}`],
  [`${at}.timezone`, when.kind === 'cron' ? when.timezone : undefined],
];

/** How a container is come by, and how many there may be: see `ContainerPolicy`. */
const containerPolicy = members<Pick<ContainerSpec, ContainerPolicy>>(
  { pull: 'pull', maxContainers: 'max_containers' },
  { pull: plain, maxContainers: plain },
);

/**
 * Every member of a service's spec, with what a change of it does. A member that is added to the spec and not here does
 * not compile, so no edit can go unseen by a plan.
 */
const SPEC: { readonly [K in keyof ServiceSpec]-?: SpecRow<Exclude<ServiceSpec[K], undefined>> } = {
  /** Another id is another service. */
  id: { effect: 'none' },
  description: inPlace(text),
  labels: inPlace(values),
  /** Says why, not what: a change of the backend itself is one of the launch. */
  backendReason: { effect: 'none' },
  launch: { effect: 'replace' },
  dependsOn: inPlace((all, at, show) => all.flatMap((one) => dependency(one, `${at}.${one.service}`, show))),
  ready: inPlace(probe),
  live: inPlace(probe),
  restart: inPlace(
    members<RestartSpec>(
      {
        policy: '',
        maxRestarts: 'max_restarts',
        windowMs: 'window',
        successExitCodes: 'success_exit_codes',
        onCodes: 'on_codes',
      },
      { policy: plain, maxRestarts: plain, windowMs: duration, successExitCodes: numbers, onCodes: numbers },
    ),
  ),
  backoff: inPlace(
    members<Backoff>(
      {
        initialMs: 'initial',
        maxMs: 'max',
        multiplier: 'multiplier',
        jitter: 'jitter',
        resetAfterMs: 'reset_after',
      },
      { initialMs: duration, maxMs: duration, multiplier: plain, jitter: plain, resetAfterMs: duration },
    ),
  ),
  stop: inPlace(
    members<StopSpec>(
      { signal: 'signal', graceMs: 'grace', command: 'command', killTree: 'kill_tree' },
      { signal: plain, graceMs: duration, command, killTree: plain },
    ),
  ),
  timeoutMs: inPlace(duration),
  replicas: { effect: 'scale' },
  rollback: inPlace(plain),
  schedule: inPlace(
    members<ScheduleSpec>(
      { when: '', overlap: 'overlap', onStart: 'on_start', missed: 'missed' },
      { when: scheduleTimes, overlap: plain, onStart: plain, missed: plain },
    ),
  ),
  watch: inPlace(
    members<WatchSpec>(
      { paths: 'paths', ignore: 'ignore', debounceMs: 'debounce', action: 'action' },
      {
        paths: words,
        ignore: words,
        debounceMs: duration,
        action: (action, at) => [[at, action.kind === 'signal' ? action.signal : 'restart']],
      },
    ),
  ),
  log: inPlace(members<LogSpec>({ maxSize: 'max_size', keep: 'keep' }, { maxSize: plain, keep: plain })),
  hooks: inPlace(
    members<Hooks>(
      { preStart: 'pre_start', postStart: 'post_start', preStop: 'pre_stop', postStop: 'post_stop' },
      { preStart: hook, postStart: hook, preStop: hook, postStop: hook },
    ),
  ),
  errors: inPlace((all, at, show) =>
    wordsIfAny(
      all.map(({ match, message }) => `${match} => ${message}`),
      at,
      show,
    ),
  ),
  requires: inPlace(wordsIfAny),
  /** Whether a service takes part is decided before there is anything to compare. */
  profiles: { effect: 'none' },
  /** A place in a file. */
  origin: { effect: 'none' },
};

/** What the manifest calls the members whose names are not theirs in snake case. */
const NAMES: Partial<Record<keyof ServiceSpec, string>> = { timeoutMs: 'timeout' };

/** What a change of a member of the spec does. */
export function changeEffect(member: keyof ServiceSpec): ChangeEffect {
  return SPEC[member].effect;
}

/** The fields whose change is applied to a running process in place. */
export function policyFields(spec: ServiceSpec, redactor: Redactor, salt: string): Fields {
  const show = shower(redactor, salt);
  const fields = (Object.keys(SPEC) as (keyof ServiceSpec)[]).flatMap((key) => {
    const row = SPEC[key] as SpecRow<unknown>;
    const value = spec[key];
    if (row.effect !== 'in-place' || value === undefined) return [];
    return row.fields(value, NAMES[key] ?? snakeCase(key), show);
  });
  const { backend, container } = spec.launch;
  const held = container === undefined ? [] : containerPolicy(container, backend, show);
  return sortedFields([...fields, ...held]);
}

function probeCheck(check: ProbeCheck, at: string, show: Shower): readonly Entry[] {
  switch (check.kind) {
    case 'exec':
      return command(check.command, at, show);
    case 'http':
      return [
        [at, show.text(at, `${check.method} ${template(check.url)}`)],
        [
          `${at}.status`,
          check.status.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', '),
        ],
        ...Object.entries(check.headers).map(([name, value]): Entry => [
          `${at}.headers.${name}`,
          show.value(name, template(value)),
        ]),
      ];
    case 'tcp':
      return [[at, show.text(at, `${template(check.host)}:${template(check.port)}`)]];
    case 'log':
      return [
        [at, show.text(at, check.pattern)],
        [`${at}.stream`, check.stream],
      ];
    case 'notify':
    case 'health':
      return [[at, 'true']];
    default:
      return unreachable(check);
  }
}
