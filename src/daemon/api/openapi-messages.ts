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
  strictObject,
  text,
  time,
} from './openapi-build.ts';
import type { Schema } from './openapi-build.ts';

const id = { type: 'string', minLength: 1, maxLength: 128 };
const path = { type: 'string', minLength: 1, maxLength: 4096, description: 'Absolute path' };
const names = list(id, 'Names of services');

const loadRequest = strictObject(
  'How the manifest is loaded',
  {
    files: list(path, 'The manifests, in order; later ones override'),
    projectName: { ...id, description: 'Name of the project, instead of what the manifest says' },
    profiles: list(text('Name'), 'Active profiles'),
    set: map(text('Value'), 'Variables that win over every other source'),
    envFiles: list(path, 'Files with variables for interpolation'),
    named: list(id, 'Services that were named: their profiles count as active'),
  },
  ['projectName'],
);

const applyRequest = strictObject(
  'A manifest to be planned or applied',
  {
    load: ref('LoadRequest'),
    hostEnv: map(text('Value'), "The caller's environment, for interpolation and `inherit_env`"),
    services: { ...names, description: 'Only these services and what they depend on; empty: all' },
    watch: flag('Whether the manifest is taken up again by itself when it is edited; absent: yes'),
    review: flag('Whether what was edited is held until a reload is confirmed; absent: no'),
    commandLines: flag('Of a plan: also tell how each instance would be started by hand; absent: no'),
  },
  ['watch', 'review', 'commandLines'],
);

const reloadRequest = strictObject('How the manifest is taken up again', {
  confirm: flag('Also carry out what is held for review'),
});

const reviewRequest = strictObject('Whether later changes of the manifest are held', {
  hold: flag('What is held already stays held'),
});

const selector = strictObject('Which instances; both empty: all', {
  names: { ...names, description: 'Names of services or instances' },
  labels: list(text('`key` or `key=value`'), 'All must match'),
});

const actionRequest = oneOf('What to do with which instances', [
  strictObject('Start', {
    action: constant('start'),
    select: ref('Selector'),
    withDependencies: flag('Also start what they depend on'),
  }),
  strictObject('Stop', { action: constant('stop'), select: ref('Selector') }),
  strictObject('Stop, then start', { action: constant('restart'), select: ref('Selector') }),
  strictObject('Send a signal', {
    action: constant('kill'),
    select: ref('Selector'),
    signal: text('Name of the signal, such as `SIGHUP`', { minLength: 1, maxLength: 32 }),
  }),
  strictObject('Change the number of instances', {
    action: constant('scale'),
    service: { ...id, description: 'Name of the service' },
    replicas: count('How many are wanted', { maximum: 1000 }),
  }),
]);

const downRequest = strictObject(
  'How the project is brought down',
  {
    reason: text('Why; shown to whoever looks on', { minLength: 1, maxLength: 500 }),
    level: {
      enum: [0, 1, 2],
      description:
        '0 orderly, 1 without the patience of grace periods, 2 kill. A higher level later escalates.',
    },
    timeoutMs: count('Instead of the `shutdown.timeout` of the manifest', {
      maximum: Number.MAX_SAFE_INTEGER,
    }),
    volumes: flag('Also remove the volumes that the project made, with what is in them; absent: no'),
  },
  ['timeoutMs', 'volumes'],
);

const instanceDetails = object('What an instance was launched with, and what runs of it', {
  instance: text('Name of the instance'),
  launch: map(text('As shown to people, secrets masked'), 'By field: `command`, `cwd`, `env.PORT`, ...'),
  processes: list(
    object(
      'A process',
      {
        pid: count('Its process id'),
        parent: count('Process id of its parent, where that is one of them'),
        command: text('Its command line, secrets masked'),
      },
      ['parent'],
    ),
    'By process id',
  ),
});

const explanation = object(
  'What a service does and why',
  {
    service: ref('Service'),
    verdicts: list(
      object('One instance', { instance: text('Name of the instance'), text: text('One sentence') }),
      'What each instance does, why, and what comes next',
    ),
    history: list(ref('Happening'), 'Oldest first'),
    dependencies: list(
      object('A dependency', {
        service: text('Name of the service'),
        condition: text('What it has to be'),
        now: text('What it does'),
      }),
      'What it depends on',
    ),
    dependents: list(text('Name of a service'), 'What depends on it'),
    instances: list(instanceDetails, 'Its live instances'),
    ends: list(ref('Happening'), 'How its last runs ended, oldest first'),
    next: list(text('A sentence'), 'What could be done now'),
  },
  ['instances', 'ends'],
);

const logLine = object(
  'A line, or a bounded piece of one, of the output of a service',
  {
    service: text('Name of the service'),
    instance: text('Name of the instance'),
    stream: text('Where it was written', { enum: ['stdout', 'stderr'] }),
    time: time('When the daemon saw it'),
    at: count('Place of its first byte in the stream, counted from the first one ever written'),
    text: text('Without its newline; ANSI sequences as written'),
    partial: flag('True for a piece of a line that goes on in the next one'),
    skipped: count('Bytes left out before this line because the client was too slow', { minimum: 1 }),
  },
  ['partial', 'skipped'],
);

const watchItem = oneOf('A snapshot, or something that happened', [
  object('The project now', { type: constant('snapshot'), snapshot: ref('Snapshot') }),
  object(
    'A new entry of the journal',
    {
      type: constant('happening'),
      happening: ref('Happening'),
      dropped: count('Happenings before this one that the client was too slow for', { minimum: 1 }),
    },
    ['dropped'],
  ),
]);

const leaseLine = oneOf('`granted` or `taken` first; `detached` where the lease was given up', [
  object('The lease is held as long as this answer is open', {
    lease: constant('granted'),
    id: text('What `POST /v1/lease/detach` takes'),
  }),
  object('Another client holds the lease; the answer ends', { lease: constant('taken') }),
  object('The lease was given up and the project runs on; the answer ends', { lease: constant('detached') }),
]);

const percent = { type: 'number', description: 'Share of one CPU, in percent; may be above 100' };
const cpuMs = { type: 'number', description: 'CPU time in all, in ms' };
const memoryBytes = count('Resident memory in bytes');
const openFiles = count('Open file descriptors; absent where they may not be looked at');

const stats = object('A sample of what every live instance uses', {
  at: time('When it was taken'),
  instances: list(
    object(
      'What one instance uses, all its processes together',
      {
        service: text('Name of the service'),
        instance: text('Name of the instance'),
        cpuPercent: percent,
        cpuMs,
        memoryBytes,
        processes: count('Its processes'),
        threads: count('Their threads'),
        openFiles,
        uptimeMs: { type: 'number', description: 'Since the start of the run, in ms' },
      },
      ['cpuPercent', 'openFiles'],
    ),
    'Those that live',
  ),
  daemon: object('What the daemon itself uses', { cpuPercent: percent, cpuMs, memoryBytes, openFiles }, [
    'cpuPercent',
    'openFiles',
  ]),
});

const timelineRow = object(
  'How one instance came up',
  {
    service: text('Name of the service'),
    instance: text('Name of the instance'),
    wantedAt: time('When it was first wanted'),
    startedAt: time('When its process was started; absent where it has not been'),
    doneAt: time('When it was as far as `doneAs` says; absent where it is not yet'),
    doneAs: text('How far it came', { enum: ['ready', 'running', 'completed', 'failed', 'skipped'] }),
    waitedFor: list(
      object('A dependency that held it up', {
        service: text('Name of the service'),
        condition: text('What it had to be'),
        until: time('When it was'),
      }),
      'In order of `until`',
    ),
    critical: flag('Whether everything would be up sooner if this one were faster'),
  },
  ['startedAt', 'doneAt', 'doneAs'],
);

const timeline = object(
  'The last start of the project',
  {
    beganAt: time('When it began'),
    doneAt: time('When the last one was done; absent while some are not'),
    rows: list(timelineRow, 'In the order in which they were wanted, then started'),
    now: time("The daemon's clock"),
  },
  ['doneAt'],
);

const cells = { type: 'integer', minimum: 1, maximum: 10_000 };

const leftover = object(
  'Something of the project that could not be stopped',
  {
    instance: text('Name of the instance'),
    pid: count('Process id; absent where it is no process of the machine, or where nobody can tell'),
    command: text('Command line, masked; without a pid what it is called'),
    reason: text('Why, where more is known than that it lives'),
  },
  ['pid', 'reason'],
);

const removed = object('What was removed, by name', {
  containers: list(text('Name'), 'Containers'),
  networks: list(text('Name'), 'Networks'),
  volumes: list(text('Name'), 'Volumes'),
  failed: list(
    object('Something that is left', { what: text('What'), why: text('Why') }),
    'What could not be removed',
  ),
});

/** The bodies of requests and answers. */
export const messageSchemas: Readonly<Record<string, Schema>> = {
  LoadRequest: loadRequest,
  ApplyRequest: applyRequest,
  ReloadRequest: reloadRequest,
  ReviewRequest: reviewRequest,
  Selector: selector,
  ActionRequest: actionRequest,
  DownRequest: downRequest,
  DetachRequest: strictObject('Which lease to give up', { id: { ...id, description: 'As it was granted' } }),
  ResizeRequest: strictObject('The size of a terminal, in character cells', {
    columns: { ...cells, description: 'Its width' },
    rows: { ...cells, description: 'Its height' },
  }),
  ExecRequest: strictObject(
    'A command to be run beside a running instance, where that runs',
    {
      argv: list(text('Word'), 'Program and arguments'),
      tty: flag('Under a terminal of its own'),
      columns: { ...cells, description: 'Width of the terminal to begin with' },
      rows: { ...cells, description: 'Its height' },
      env: map(text('Value'), "Set besides the instance's own environment"),
      cwd: text('Folder; absent: that of the instance', { minLength: 1, maxLength: 4096 }),
      user: { ...id, description: 'Only in containers; absent: that of the instance' },
    },
    ['columns', 'rows', 'cwd', 'user'],
  ),
  ExecItem: oneOf('Its id first, then what it writes, and how it ended last', [
    object('The command was begun', {
      type: constant('begun'),
      id: text('What the routes of /v1/execs take'),
    }),
    object('Something it wrote', {
      type: constant('output'),
      stream: text('Where', { enum: ['stdout', 'stderr'] }),
      data: text('Base64'),
    }),
    object('It has ended; the answer ends', { type: constant('ended'), exit: ref('Exit') }),
  ]),
  HandOverRequest: strictObject('Why the daemon is to end', {
    reason: text('Kept in the journal', { minLength: 1, maxLength: 500 }),
  }),
  PlanAnswer: object(
    'The plan, and what is wrong with the manifest',
    {
      diagnostics: list(ref('Diagnostic'), 'Problems of the manifest'),
      plan: ref('Plan'),
      commandLines: list(
        object('How an instance would be started by hand', {
          instance: text('Name of the instance'),
          line: text('A shell command line, secrets masked'),
        }),
        'Only where they were asked for, and of instances for which there is one',
      ),
    },
    ['plan', 'commandLines'],
  ),
  ApplyAnswer: object(
    'What was begun; without `plan`, errors kept the manifest from being applied',
    {
      diagnostics: list(ref('Diagnostic'), 'Problems of the manifest'),
      plan: ref('Plan'),
      snapshot: ref('Snapshot'),
    },
    ['plan'],
  ),
  ReloadAnswer: object(
    'What came of it; without `plan`, errors kept the manifest from being taken up',
    {
      outcome: text('What was done', { enum: ['applied', 'unchanged', 'held', 'invalid'] }),
      diagnostics: list(ref('Diagnostic'), 'Problems of the manifest'),
      plan: ref('Plan'),
      snapshot: ref('Snapshot'),
    },
    ['plan'],
  ),
  ActionAnswer: object('What was acted upon', {
    affected: list(text('Name of an instance'), 'Instances acted upon'),
    unchanged: list(text('Name of an instance'), 'Instances that were already as wanted'),
    snapshot: ref('Snapshot'),
  }),
  DownAnswer: object(
    'How the shutdown ended',
    {
      stopped: count('Instances that were stopped'),
      leftovers: list(ref('Leftover'), 'Empty when nothing of the project remains'),
      removed: described('Removed', 'Absent where the project never had anything of the kind'),
    },
    ['removed'],
  ),
  Removed: removed,
  Leftover: leftover,
  Explanation: explanation,
  LogLine: logLine,
  WatchItem: watchItem,
  LeaseLine: leaseLine,
  Stats: stats,
  Timeline: timeline,
  Nothing: object('Nothing to say', {}),
  Error: object('Why a request was not granted', {
    error: object(
      'The failure',
      {
        code: text('Stable name, such as `unknown-service`'),
        message: text('One sentence'),
        help: text('What to do about it'),
      },
      ['help'],
    ),
  }),
};
