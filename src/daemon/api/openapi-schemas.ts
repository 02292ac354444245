import {
  constant,
  count,
  described,
  flag,
  list,
  map,
  object,
  oneOf,
  ref,
  text,
  time,
} from './openapi-build.ts';
import type { Schema } from './openapi-build.ts';

const serviceId = text('Name of the service in the manifest');
const instanceId = text('Name of the instance, such as `web.2`');
const run = text('Names this run of the instance; unique over all time');
const pid = count('Process id of the main process; absent where it is not known');

function kind(
  name: string,
  properties: Readonly<Record<string, Schema>>,
  optional?: readonly string[],
): Schema {
  return object(`\`${name}\``, { kind: constant(name), ...properties }, optional);
}

const startFailure = object(
  'Why a run could not begin',
  {
    code: text('What was wrong', {
      enum: [
        'missing-program',
        'missing-cwd',
        'not-executable',
        'missing-requirement',
        'arguments-too-long',
        'port-taken',
        'socket-blocked',
        'user-unavailable',
        'limit-refused',
        'hook-failed',
        'resource-shortage',
        'state-unwritable',
        'image-missing',
        'pull-failed',
        'build-failed',
        'engine-unavailable',
        'mount-missing',
        'name-conflict',
        'nix-failed',
        'sandbox-unavailable',
        'secret-missing',
        'other',
      ],
    }),
    message: text('One sentence; secrets masked'),
    help: text('What to do about it'),
  },
  ['help'],
);

const exit = oneOf('How a run ended', [
  kind('code', { code: count('Exit status') }),
  kind('signal', { signal: text('Name of the signal, such as `SIGTERM`') }),
  kind('spawn-error', { failure: ref('StartFailure') }),
  kind('timeout', { afterMs: count('The run time, in ms, that was allowed') }),
  kind('oom', { evidence: text('What tells that the kernel killed it for lack of memory') }),
  kind('unhealthy', { reason: text('What its `live` probe saw') }),
  kind('unknown', { why: text('Why nobody saw the end') }),
]);

const waitingOn = object(
  'A dependency that is not met yet',
  {
    service: serviceId,
    condition: text('What is waited for', {
      enum: ['started', 'ready', 'completed', 'completed-successfully', 'log'],
    }),
    until: time('When the wait is over in any case; absent where it has no end'),
    now: text('What that service does at the moment, in words'),
  },
  ['until'],
);

const readiness = oneOf('How far a running instance with a `ready` probe is', [
  kind('pending', {}),
  kind('ready', {
    since: time('When it got ready'),
    tookMs: { type: 'number', description: 'From the start of the run, in ms' },
  }),
  kind('lost', { since: time('When it was no longer ready'), reason: text('What its probe saw') }),
]);

const instanceState = oneOf('What an instance does; each kind holds only what is true in it', [
  kind('stopped', { exit: ref('Exit') }, ['exit']),
  kind('waiting', { since: time('Start of the wait'), on: list(ref('WaitingOn'), 'What it waits for') }),
  kind('starting', { run, since: time('Start of the preparations') }),
  kind(
    'running',
    {
      run,
      pid,
      since: time('Start of the run'),
      readiness: described('Readiness', 'Absent without a `ready` probe: running is all there is to know'),
    },
    ['pid', 'readiness'],
  ),
  kind('backoff', {
    attempt: count('Number of the coming attempt'),
    since: time('Start of the delay'),
    until: time('End of the delay'),
    delayMs: { type: 'number', description: 'Length of the delay in ms' },
    exit: ref('Exit'),
    reason: text('Why it is retried, in words'),
  }),
  kind(
    'stopping',
    {
      run,
      pid,
      since: time('When the stop began'),
      deadline: time('When SIGKILL follows'),
      then: text('What follows', { enum: ['stopped', 'start-again', 'decide'] }),
      escalated: flag('Whether SIGKILL was sent'),
      reason: text('Why it is being stopped'),
      exit: described('Exit', 'End of the main process; the rest of the unit may still be going down'),
    },
    ['pid', 'exit'],
  ),
  kind('completed', { exit: ref('Exit'), at: time('End of the run') }),
  kind(
    'failed',
    {
      exit: ref('Exit'),
      reason: text('Why it is not retried'),
      at: time('End of the last run'),
      code: text('Stable name of the reason, where it has one', { enum: ['E_MAX_RESTARTS'] }),
    },
    ['code'],
  ),
  kind(
    'scheduled',
    {
      since: time('Start of the wait'),
      exit: described('Exit', 'How its last run ended, once there was one'),
    },
    ['exit'],
  ),
  kind('skipped', { reason: text('What a dependency did') }),
]);

const probe = object(
  'What a probe last saw',
  {
    what: text('What it looks at, in words; masked'),
    last: object('Absent until the first look is through', {
      ok: flag('Whether it succeeded'),
      at: time('When'),
      tookMs: { type: 'number', description: 'How long it took, in ms' },
      output: text('What there was to see; bounded, masked'),
    }),
    inARow: count('Results like the last one, in a row'),
    retries: count('Failures in a row until a success is taken back'),
  },
  ['last'],
);

const instance = object(
  'One instance of a service',
  {
    id: instanceId,
    service: serviceId,
    number: count('Counted from 1', { minimum: 1 }),
    wanted: text('What is wanted of it', { enum: ['up', 'down'] }),
    state: ref('InstanceState'),
    restarts: count('Restarts by policy since it was last started by a person or a change'),
    ports: map(count('Port number'), 'The ports of the present or next run, by name'),
    lastCause: text('The last lines of the last failing run, made readable; absent where nothing failed'),
    lastExit: described('Exit', 'How the previous run ended'),
    ready: described('Probe', 'Its `ready` probe; only for a live run'),
    live: described('Probe', 'Its `live` probe; only for a live run'),
    statusText: text("What it last said of itself by sd_notify's STATUS; masked"),
    nextRun: time('When its schedule is due next'),
    recentRestarts: object('Restarts by policy; only where `max_restarts` counts them', {
      count: count('Within the present window'),
      max: count('How many are allowed'),
      windowMs: { type: 'number', description: 'Length of the window in ms' },
    }),
    progress: text('While it is starting: what is being brought about for it; masked'),
    replacing: flag('It is to be replaced, and runs on until what that needs has been brought about'),
    unknown: text('Why what is said here may be wrong by now, such as an engine that does not answer'),
    children: count('Processes of the unit besides the main one; only of one that takes its time to stop'),
  },
  [
    'lastCause',
    'lastExit',
    'ready',
    'live',
    'statusText',
    'nextRun',
    'recentRestarts',
    'progress',
    'replacing',
    'unknown',
    'children',
  ],
);

const dependency = object(
  'A dependency of a service',
  {
    service: serviceId,
    condition: text('What it has to be'),
    pattern: text('Of condition `log`: the regular expression that a line must match'),
    timeoutMs: { type: 'number', description: 'The longest wait in ms; absent: for ever' },
    required: flag('Whether one that is missing, fails or takes too long holds the dependent up'),
    onFailure: text('What its failure does to the dependent', { enum: ['ignore', 'restart', 'stop'] }),
  },
  ['pattern', 'timeoutMs'],
);

const service = object(
  'One service, with its instances',
  {
    id: serviceId,
    description: text('From the manifest'),
    labels: map(text('Value'), 'From the manifest'),
    backend: text('What runs it, such as `native`'),
    backendReason: text('Why that backend, in words'),
    replicas: count('How many instances are wanted'),
    dependsOn: list(ref('Dependency'), 'What it depends on'),
    inManifest: flag('False for one that the manifest no longer holds and that is being stopped'),
    instances: list(ref('Instance'), 'By number'),
    restart: text('Restart policy'),
    backoff: text('Backoff in words, such as `500ms x2, jitter 0.2, max 30s`'),
    schedule: text('Schedule in words, such as `every 5m`; absent without one'),
    watch: list(text('Absolute path'), 'Watched files and folders; absent where there are none'),
    input: text('What clients may type into; absent: nothing', { enum: ['pipe', 'tty'] }),
  },
  ['description', 'schedule', 'watch', 'input'],
);

const planCounts = object('How many instances are concerned by what', {
  start: count('To be started'),
  replace: count('To be replaced'),
  update: count('To be changed in place'),
  stop: count('To be stopped'),
});

const manifestStatus = object(
  'How what runs stands to the manifest as it is on disk',
  {
    state: text('`pending`: it was edited, is valid, and waits to be confirmed', {
      enum: ['in-sync', 'invalid', 'pending'],
    }),
    watched: flag('Whether changes are seen by themselves'),
    review: flag('Only where true: what is edited is held until a reload confirms it'),
    errors: count('How many errors it has; 0 unless `invalid`'),
    diagnostics: list(ref('Diagnostic'), 'Of `invalid`: the first ones'),
    pending: described('PlanCounts', 'Of `pending`: what a reload would do'),
    failed: list(
      object(
        'A service that did not come up with what a reload has changed of it',
        {
          service: serviceId,
          reason: text('What happened'),
          rolledBack: flag('Whether its former version runs again'),
          kept: flag('The new version could not even be begun: the former one was left alone'),
        },
        ['kept'],
      ),
      'Absent where there are none',
    ),
  },
  ['review', 'diagnostics', 'pending', 'failed'],
);

const snapshot = object(
  'Everything about the project at one moment',
  {
    daemon: ref('DaemonInfo'),
    name: text('Name of the project'),
    dir: text('Absolute path of the folder of the first manifest'),
    files: list(text('Absolute path'), 'All files that went into it'),
    services: list(ref('Service'), 'The services that take part'),
    inactive: list(serviceId, 'Services that are defined but take no part'),
    revision: count('Counts up with every change'),
    phase: text('What the project is doing', { enum: ['up', 'shutting-down', 'idle'] }),
    shutdown: object('Only while shutting down', {
      reason: text('Why'),
      deadline: time('When everything left is killed'),
      level: count('0 orderly, 1 without patience, 2 kill'),
    }),
    leased: flag('Whether an attached `up` holds the lease'),
    manifest: described('ManifestStatus', 'Absent until a manifest was applied'),
    now: time("The daemon's clock"),
  },
  ['shutdown', 'manifest'],
);

const daemonInfo = object('The daemon that answers', {
  version: text('Version of Setpoint'),
  api: count('Version of this API'),
  pid: count('Its process id'),
  startedAt: time('Its start'),
  project: text('Name of the project'),
  manifest: text('Absolute path of the first manifest'),
  stateDir: text('Absolute path of the state directory of the project'),
});

const fieldChange = object(
  'One changed field; values as displayed, secrets masked',
  {
    field: text('Path within the service, such as `env.PORT`'),
    from: text('Absent where the field is new'),
    to: text('Absent where the field is gone'),
  },
  ['from', 'to'],
);

const cause = oneOf('Why something is or was done', [
  kind('added', {}),
  kind('removed', {}),
  kind('changed', { fields: list(ref('FieldChange'), 'In a stable order') }),
  kind('dependency', { service: serviceId, what: text('What it did') }),
  kind('user', { what: text('What was asked for') }),
  kind('scaled', { from: count('Instances before'), to: count('Instances after') }),
  kind('policy', { reason: text('Verdict of the restart policy') }),
  kind('schedule', { what: text('What was due') }),
  kind('files', {
    paths: list(text('Absolute path'), 'Watched files that changed; a few of them'),
    more: count('How many more there are'),
  }),
  kind('shutdown', { reason: text('Why the project is shut down') }),
  kind('not-running', { was: text('What it did') }),
]);

function happened(
  type: string,
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  return object(
    `\`${type}\``,
    {
      type: constant(type),
      seq: count('Counts up by 1 within a project, across daemon restarts'),
      time: time('When'),
      service: serviceId,
      instance: instanceId,
      ...properties,
    },
    ['service', 'instance', ...optional],
  );
}

const happening = oneOf('What happened; one entry of the journal', [
  happened('daemon-started', { pid: count('Its process id'), version: text('Its version') }),
  happened('daemon-stopped', { reason: text('Why') }),
  happened('manifest-applied', { summary: text('What it changes') }),
  happened('manifest-rejected', { errors: count('Number of errors'), first: text('The first of them') }),
  happened('manifest-reloaded', {
    summary: text('What it changes'),
    changes: list(text('A service, what has changed, and what is done'), 'A few dozen at most'),
  }),
  happened('manifest-held', {
    summary: text('What it would change'),
    changes: list(text('A service, what has changed, and what would be done'), 'A few dozen at most'),
  }),
  happened(
    'change-failed',
    {
      reason: text('How the service did not come up with the change'),
      rolledBack: flag('Whether its former version comes back'),
      kept: flag('The new version could not even be begun: the former one was left alone'),
    },
    ['kept'],
  ),
  happened('leavings-removed', { names: list(text('Name'), 'Containers, networks and volumes') }),
  happened('orphan-removed', { name: text('What no run on record had made') }),
  happened('shutdown-began', { reason: text('Why') }),
  happened('instance-waiting', { on: text('What for') }),
  happened('instance-started', { run, pid, cause: ref('Cause') }, ['pid']),
  happened('instance-adopted', { run, pid, startedAt: time('Start of the run') }, ['pid']),
  happened(
    'instance-exited',
    {
      run,
      exit: ref('Exit'),
      ranMs: { type: 'number', description: 'Length of the run in ms' },
      cause: text('What its last lines on stderr say; bounded, masked'),
    },
    ['cause'],
  ),
  happened('instance-ready', {
    run,
    tookMs: { type: 'number', description: 'From the start of the run, in ms' },
  }),
  happened('instance-unready', { run, reason: text('What its probe saw') }),
  happened('instance-unhealthy', { run, reason: text('What its probe saw') }),
  happened('schedule-missed', { reason: text('Why nothing was started when it was due') }),
  happened('instance-signalled', { run, signal: text('The signal that was sent'), cause: ref('Cause') }),
  happened('instance-backing-off', {
    attempt: count('Number of the coming attempt'),
    delayMs: { type: 'number', description: 'Length of the delay in ms' },
    reason: text('Why it is retried'),
  }),
  happened('instance-stopping', { run, cause: ref('Cause'), signal: text('The signal that was sent') }),
  happened('instance-escalated', { run, reason: text('Why') }),
  happened('instance-stopped', { run, exit: ref('Exit') }, ['exit']),
  happened('instance-completed', { exit: ref('Exit') }),
  happened('instance-failed', { exit: ref('Exit'), reason: text('Why it is not retried') }),
  happened('instance-skipped', { reason: text('What a dependency did') }),
  happened('instance-updated', { cause: ref('Cause') }),
  happened('instance-forgotten', { cause: ref('Cause') }),
  happened('hook-ran', {
    hook: text('Which'),
    ok: flag('Whether it succeeded'),
    detail: text('What it said'),
  }),
  happened('warning', { message: text('One sentence') }),
]);

const planStep = object(
  'One step of a plan',
  {
    id: text('Unique within the plan, such as `replace:api.1`'),
    action: text('What is to be done', { enum: ['start', 'replace', 'update', 'stop', 'forget', 'none'] }),
    service: serviceId,
    instance: instanceId,
    causes: list(ref('Cause'), 'Why'),
    after: list(text('Id of a step'), 'Steps that must be through first'),
    backend: text('What runs it'),
    note: text('For `none`: what it does now'),
  },
  ['note'],
);

const plan = object(
  'What is to be done so that what runs matches the manifest',
  {
    project: text('Name of the project'),
    manifest: text('Path of the manifest'),
    serviceCount: count('Services in the manifest'),
    steps: list(ref('PlanStep'), 'Sorted by service, then instance number'),
    order: list(list(text('Id of a step'), 'Steps that may run at once'), 'Batches, in order'),
    orphans: list(
      object('Something that no run on record had made, and that is removed', {
        id: text('As the engine has it'),
        name: text('Name'),
        service: serviceId,
        running: flag('Whether it runs'),
      }),
      'Absent where there are none',
    ),
    orphansUnknown: text('Why it is not known whether there are any'),
    drift: flag('Whether anything at all is to be done'),
  },
  ['orphans', 'orphansUnknown'],
);

const place = object(
  'A place in a file; lines and columns start at 1',
  {
    file: text('Path'),
    line: count('Line', { minimum: 1 }),
    column: count('Column', { minimum: 1 }),
    endColumn: count('Exclusive', { minimum: 1 }),
    source: text('The text of that line, secrets masked'),
  },
  ['endColumn', 'source'],
);

const diagnostic = object(
  'A problem of the manifest',
  {
    severity: text('Errors keep a manifest from being applied', { enum: ['error', 'warning'] }),
    code: text('Stable name, such as `unknown-key`'),
    message: text('One sentence'),
    labels: list(
      object('A place the problem is about', { place: ref('Place'), note: text('Said at the caret') }, [
        'note',
      ]),
      'The first one is the main one',
    ),
    help: text('What to do about it'),
  },
  ['help'],
);

/** What the schemas of answers are made of. */
export const sharedSchemas: Readonly<Record<string, Schema>> = {
  DaemonInfo: daemonInfo,
  Snapshot: snapshot,
  ManifestStatus: manifestStatus,
  PlanCounts: planCounts,
  Service: service,
  Dependency: dependency,
  Instance: instance,
  InstanceState: instanceState,
  Readiness: readiness,
  Probe: probe,
  WaitingOn: waitingOn,
  Exit: exit,
  StartFailure: startFailure,
  Cause: cause,
  FieldChange: fieldChange,
  Happening: happening,
  Plan: plan,
  PlanStep: planStep,
  Place: place,
  Diagnostic: diagnostic,
};
