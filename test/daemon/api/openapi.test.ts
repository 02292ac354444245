import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type {
  ActionRequest,
  ActionResponse,
  ApplyResponse,
  DownResponse,
  ExplainResponse,
  LogLine,
  ManifestStatus,
  PlanResponse,
  ProjectSnapshot,
  ReloadResponse,
  ServiceSnapshot,
  WatchItem,
} from '../../../src/core/api.ts';
import type { Diagnostic } from '../../../src/core/diagnostic.ts';
import type { Cause, Happening, HappeningBody } from '../../../src/core/event.ts';
import type { Exit, StartFailure } from '../../../src/core/exit.ts';
import type { PlanView } from '../../../src/core/plan-view.ts';
import type { DependencyCondition } from '../../../src/core/service.ts';
import type { InstanceState, Readiness } from '../../../src/core/state.ts';
import { openApi } from '../../../src/daemon/api/openapi.ts';
import {
  actionRequest,
  applyRequest,
  detachRequest,
  downRequest,
  handOverRequest,
  reloadRequest,
  reviewRequest,
  resizeRequest,
} from '../../../src/daemon/api/requests.ts';
import { routes } from '../../../src/daemon/api/routes.ts';
import type { Shape } from '../../../src/daemon/api/shape.ts';
import { APPLY, INFO, linesOf, logLine, STATS, TIMELINE } from './fake-control.ts';
import { ask, post, serve } from './rig.ts';

type Json = Record<string, unknown>;

/** Sees every object of the document. */
function walk(value: unknown, visit: (node: Json) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) visit(value as Json);
  for (const child of Object.values(value)) walk(child, visit);
}

/** The document with nothing allowed that it does not name, so that an answer with more in it is noticed. */
function strictDocument(): Json {
  const copy = structuredClone(openApi) as unknown as Json;
  walk(copy['components'], (node) => {
    if (node['type'] === 'object' && node['properties'] !== undefined) node['additionalProperties'] = false;
  });
  return copy;
}

const ajv = new Ajv2020({ strict: true, strictRequired: true, allErrors: true, strictTypes: true });
ajv.addVocabulary(['components']);
ajv.addSchema({ $id: 'doc', components: strictDocument()['components'] });

function schema(name: string): ValidateFunction {
  const validate = ajv.getSchema(`doc#/components/schemas/${name}`);
  if (validate === undefined) throw new Error(`there is no schema ${name}`);
  return validate;
}

function problems(name: string, value: unknown): unknown {
  const validate = schema(name);
  return validate(JSON.parse(JSON.stringify(value))) ? [] : validate.errors;
}

const exits: { [K in Exit['kind']]: Extract<Exit, { kind: K }> } = {
  code: { kind: 'code', code: 3 },
  signal: { kind: 'signal', signal: 'SIGTERM' },
  'spawn-error': { kind: 'spawn-error', failure: { code: 'port-taken', message: 'm', help: 'h' } },
  timeout: { kind: 'timeout', afterMs: 1 },
  oom: { kind: 'oom', evidence: 'e' },
  unhealthy: { kind: 'unhealthy', reason: 'r' },
  unknown: { kind: 'unknown', why: 'w' },
};

const failures: { [K in StartFailure['code']]: true } = {
  'missing-program': true,
  'missing-cwd': true,
  'not-executable': true,
  'missing-requirement': true,
  'arguments-too-long': true,
  'port-taken': true,
  'socket-blocked': true,
  'user-unavailable': true,
  'limit-refused': true,
  'hook-failed': true,
  'resource-shortage': true,
  'state-unwritable': true,
  'image-missing': true,
  'pull-failed': true,
  'build-failed': true,
  'engine-unavailable': true,
  'mount-missing': true,
  'name-conflict': true,
  'nix-failed': true,
  'sandbox-unavailable': true,
  'secret-missing': true,
  other: true,
};

const exit = exits.code;
const states: { [K in InstanceState['kind']]: Extract<InstanceState, { kind: K }> } = {
  stopped: { kind: 'stopped', exit },
  waiting: { kind: 'waiting', since: 1, on: [{ service: 'db', condition: 'log', until: 9, now: 'running' }] },
  starting: { kind: 'starting', run: 'r', since: 1 },
  running: {
    kind: 'running',
    run: 'r',
    pid: 1,
    since: 1,
    readiness: { kind: 'ready', since: 2, tookMs: 1.5 },
  },
  backoff: { kind: 'backoff', attempt: 1, since: 1, until: 2, delayMs: 1.5, exit, reason: 'r' },
  stopping: {
    kind: 'stopping',
    run: 'r',
    pid: 1,
    since: 1,
    deadline: 2,
    then: 'decide',
    escalated: false,
    reason: 'r',
    exit,
  },
  completed: { kind: 'completed', exit, at: 1 },
  failed: { kind: 'failed', exit, reason: 'r', at: 1, code: 'E_MAX_RESTARTS' },
  scheduled: { kind: 'scheduled', since: 1, exit },
  skipped: { kind: 'skipped', reason: 'r' },
};

const causes: { [K in Cause['kind']]: Extract<Cause, { kind: K }> } = {
  added: { kind: 'added' },
  removed: { kind: 'removed' },
  changed: { kind: 'changed', fields: [{ field: 'env.A', from: '"1"', to: '"2"' }, { field: 'cwd' }] },
  dependency: { kind: 'dependency', service: 'db', what: 'w' },
  user: { kind: 'user', what: 'w' },
  scaled: { kind: 'scaled', from: 1, to: 2 },
  policy: { kind: 'policy', reason: 'r' },
  schedule: { kind: 'schedule', what: 'w' },
  files: { kind: 'files', paths: ['/d/a'], more: 1 },
  shutdown: { kind: 'shutdown', reason: 'r' },
  'not-running': { kind: 'not-running', was: 'stopped' },
};

const cause = causes.added;
const bodies: { [K in HappeningBody['type']]: Extract<HappeningBody, { type: K }> } = {
  'daemon-started': { type: 'daemon-started', pid: 1, version: 'v' },
  'daemon-stopped': { type: 'daemon-stopped', reason: 'r' },
  'manifest-applied': { type: 'manifest-applied', summary: 's' },
  'manifest-rejected': { type: 'manifest-rejected', errors: 1, first: 'f' },
  'manifest-reloaded': { type: 'manifest-reloaded', summary: 's', changes: ['c'] },
  'manifest-held': { type: 'manifest-held', summary: 's', changes: ['c'] },
  'change-failed': { type: 'change-failed', reason: 'r', rolledBack: true },
  'leavings-removed': { type: 'leavings-removed', names: ['shop_default'] },
  'orphan-removed': { type: 'orphan-removed', name: 'shop-old-1' },
  'shutdown-began': { type: 'shutdown-began', reason: 'r' },
  'instance-waiting': { type: 'instance-waiting', on: 'db' },
  'instance-started': { type: 'instance-started', run: 'r', pid: 1, cause },
  'instance-adopted': { type: 'instance-adopted', run: 'r', pid: 1, startedAt: 1 },
  'instance-exited': { type: 'instance-exited', run: 'r', exit, ranMs: 1.5, cause: 'c' },
  'instance-ready': { type: 'instance-ready', run: 'r', tookMs: 1.5 },
  'instance-unready': { type: 'instance-unready', run: 'r', reason: 'r' },
  'instance-unhealthy': { type: 'instance-unhealthy', run: 'r', reason: 'r' },
  'schedule-missed': { type: 'schedule-missed', reason: 'r' },
  'instance-signalled': { type: 'instance-signalled', run: 'r', signal: 'SIGHUP', cause },
  'instance-backing-off': { type: 'instance-backing-off', attempt: 1, delayMs: 1.5, reason: 'r' },
  'instance-stopping': { type: 'instance-stopping', run: 'r', cause, signal: 'SIGTERM' },
  'instance-escalated': { type: 'instance-escalated', run: 'r', reason: 'r' },
  'instance-stopped': { type: 'instance-stopped', run: 'r', exit },
  'instance-completed': { type: 'instance-completed', exit },
  'instance-failed': { type: 'instance-failed', exit, reason: 'r' },
  'instance-skipped': { type: 'instance-skipped', reason: 'r' },
  'instance-updated': { type: 'instance-updated', cause },
  'instance-forgotten': { type: 'instance-forgotten', cause },
  'hook-ran': { type: 'hook-ran', hook: 'pre_start', ok: true, detail: 'd' },
  warning: { type: 'warning', message: 'm' },
};

const happening: Happening = { ...bodies.warning, seq: 1, time: 1, service: 'web', instance: 'web.1' };
const service: ServiceSnapshot = {
  id: 'web',
  description: 'd',
  labels: { tier: 'front' },
  backend: 'native',
  backendReason: 'r',
  replicas: 1,
  dependsOn: [
    { service: 'db', condition: 'log', pattern: 'p', timeoutMs: 1, required: false, onFailure: 'restart' },
  ],
  schedule: 'every 5m',
  watch: ['/d/src'],
  input: 'tty',
  inManifest: true,
  instances: [
    {
      id: 'web.1',
      service: 'web',
      number: 1,
      wanted: 'up',
      state: states.running,
      restarts: 0,
      ports: { http: 1 },
      lastCause: 'c',
      lastExit: exit,
      ready: { what: 'w', last: { ok: true, at: 1, tookMs: 1.5, output: 'o' }, inARow: 3, retries: 2 },
      live: { what: 'w', inARow: 0, retries: 2 },
      statusText: 's',
      nextRun: 5,
      recentRestarts: { count: 1, max: 5, windowMs: 60_000 },
      children: 2,
    },
  ],
  restart: 'always',
  backoff: 'b',
};
const snapshot: ProjectSnapshot = {
  daemon: INFO,
  name: 'shop',
  dir: '/d',
  files: ['/d/f'],
  services: [service],
  inactive: ['debug'],
  revision: 1,
  phase: 'shutting-down',
  shutdown: { reason: 'r', deadline: 1, level: 2 },
  leased: true,
  now: 1,
};
const manifest: ManifestStatus = {
  state: 'pending',
  watched: true,
  errors: 0,
  pending: { start: 1, replace: 2, update: 3, stop: 4 },
  failed: [{ service: 'web', reason: 'r', rolledBack: true }],
};
const plan: PlanView = {
  project: 'shop',
  manifest: '/m',
  serviceCount: 1,
  steps: [
    {
      id: 'start:web.1',
      action: 'start',
      service: 'web',
      instance: 'web.1',
      causes: Object.values(causes),
      after: ['stop:db.1'],
      backend: 'native',
      note: 'n',
    },
  ],
  order: [['stop:db.1'], ['start:web.1']],
  drift: true,
};
const diagnostic: Diagnostic = {
  severity: 'error',
  code: 'unknown-key',
  message: 'm',
  labels: [{ place: { file: 'f', line: 1, column: 2, endColumn: 3, source: 's' }, note: 'n' }],
  help: 'h',
};

const readinesses: { [K in Readiness['kind']]: Extract<Readiness, { kind: K }> } = {
  pending: { kind: 'pending' },
  ready: { kind: 'ready', since: 1, tookMs: 1 },
  lost: { kind: 'lost', since: 1, reason: 'r' },
};
const conditions: { [K in DependencyCondition]: true } = {
  started: true,
  ready: true,
  completed: true,
  'completed-successfully': true,
  log: true,
};

/** At least one full value of every answer, typed as the program has it. */
const samples: readonly (readonly [string, unknown])[] = [
  ['Snapshot', snapshot],
  ['Snapshot', { ...snapshot, manifest } satisfies ProjectSnapshot],
  ['ManifestStatus', { ...manifest, state: 'invalid', diagnostics: [diagnostic] } satisfies ManifestStatus],
  ['PlanAnswer', { diagnostics: [diagnostic], plan } satisfies PlanResponse],
  ['ApplyAnswer', { diagnostics: [diagnostic], plan, snapshot } satisfies ApplyResponse],
  ['ReloadAnswer', { outcome: 'held', diagnostics: [], plan, snapshot } satisfies ReloadResponse],
  ['ActionAnswer', { affected: ['web.1'], unchanged: ['web.2'], snapshot } satisfies ActionResponse],
  [
    'DownAnswer',
    {
      stopped: 1,
      leftovers: [
        { instance: 'web.1', pid: 1, command: 'c' },
        { instance: 'db.1', command: 'container shop-db-1', reason: 'the engine does not answer' },
      ],
      removed: { containers: ['c'], networks: ['n'], volumes: [], failed: [{ what: 'w', why: 'y' }] },
    } satisfies DownResponse,
  ],
  [
    'Explanation',
    {
      service,
      verdicts: [{ instance: 'web.1', text: 't' }],
      history: [happening],
      dependencies: [{ service: 'db', condition: 'started', now: 'running' }],
      dependents: ['x'],
      next: ['n'],
    } satisfies ExplainResponse,
  ],
  ['LogLine', { ...logLine(1), partial: true, skipped: 7 } satisfies LogLine],
  ['WatchItem', { type: 'snapshot', snapshot } satisfies WatchItem],
  ['WatchItem', { type: 'happening', happening, dropped: 3 } satisfies WatchItem],
  ['Stats', STATS],
  ['Timeline', TIMELINE],
  ['LeaseLine', { lease: 'granted', id: 'i' }],
  ['LeaseLine', { lease: 'taken' }],
  ['LeaseLine', { lease: 'detached' }],
  ...Object.values(exits).map((value) => ['Exit', value] as const),
  ...Object.keys(failures).map((code) => ['StartFailure', { code, message: 'm' }] as const),
  ...Object.values(states).map((value) => ['InstanceState', value] as const),
  ...Object.values(readinesses).map((value) => ['Readiness', value] as const),
  ...Object.keys(conditions).map(
    (condition) => ['WaitingOn', { service: 'db', condition, now: 'n' }] as const,
  ),
  ...Object.values(causes).map((value) => ['Cause', value] as const),
  ...Object.values(bodies).map((value) => ['Happening', { ...value, seq: 1, time: 1 }] as const),
];

describe('the OpenAPI document', () => {
  test('has exactly the routes there are', () => {
    const documented = Object.entries(openApi.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.sort()).toEqual(routes.map((r) => `${r.method} ${r.path}`).sort());
  });

  test('refers to nothing that is missing, and keeps nothing that is not referred to', () => {
    const referred = new Set<string>();
    walk(openApi, (node) => {
      if (typeof node['$ref'] === 'string') referred.add(node['$ref'].replace('#/components/schemas/', ''));
    });
    expect([...referred].sort()).toEqual(Object.keys(openApi.components.schemas).sort());
  });

  test('describes every operation, parameter, answer and schema', () => {
    const bare: string[] = [];
    const ids = new Set<unknown>();
    walk(openApi.paths, (node) => {
      if ('responses' in node) {
        ids.add(node['operationId']);
        if (typeof node['summary'] !== 'string') bare.push(JSON.stringify(node));
      }
      if (('in' in node || 'content' in node) && !('required' in node) && !('description' in node)) {
        bare.push(JSON.stringify(node));
      }
    });
    walk(openApi.components, (node) => {
      const isSchema = ['type', 'oneOf', 'enum'].some(
        (key) => typeof node[key] === 'string' || Array.isArray(node[key]),
      );
      if (isSchema && node['description'] === undefined && node['minLength'] === undefined)
        bare.push(JSON.stringify(node));
    });
    expect(bare).toEqual([]);
    expect(ids.size).toBe(routes.length);
  });

  test('is served as it is', async () => {
    const { socket } = await serve();
    expect((await ask(socket, '/v1/openapi.json')).json).toEqual(JSON.parse(JSON.stringify(openApi)));
  });

  test.each(samples)('%s allows what the program answers: %j', (name, value) => {
    expect(problems(name, value)).toEqual([]);
  });

  test('notices an answer that is not as described', () => {
    expect(problems('Snapshot', { ...snapshot, extra: 1 })).not.toEqual([]);
    expect(problems('Snapshot', { ...snapshot, revision: 'x' })).not.toEqual([]);
  });

  test('fits the answers of a server', async () => {
    const { control, socket } = await serve();
    control.happen({ type: 'warning', message: 'm' }, 'web');
    control.lines = () => linesOf([logLine(1)]);
    const action: ActionRequest = { action: 'scale', service: 'web', replicas: 2 };
    const answers = [
      ['DaemonInfo', await ask(socket, '/v1/info')],
      ['Snapshot', await ask(socket, '/v1/status')],
      ['Explanation', await ask(socket, '/v1/services/web/explain')],
      ['Happening', await ask(socket, '/v1/events')],
      ['LogLine', await ask(socket, '/v1/logs')],
      ['Stats', await ask(socket, '/v1/stats')],
      ['Timeline', await ask(socket, '/v1/timeline')],
      ['Nothing', await post(socket, '/v1/instances/web.1/resize', { columns: 80, rows: 24 })],
      ['Nothing', await post(socket, '/v1/daemon/hand-over', { reason: 'r' })],
      ['PlanAnswer', await post(socket, '/v1/plan', APPLY)],
      ['ApplyAnswer', await post(socket, '/v1/apply', APPLY)],
      ['ReloadAnswer', await post(socket, '/v1/reload', { confirm: true })],
      ['Nothing', await post(socket, '/v1/review', { hold: true })],
      ['ActionAnswer', await post(socket, '/v1/actions', action)],
      ['DownAnswer', await post(socket, '/v1/down', { reason: 'r', level: 0 })],
      ['Error', await ask(socket, '/v1/nothing')],
      ['Error', await ask(socket, '/v1/apply')],
      ['Error', await post(socket, '/v1/apply', {})],
    ] as const;
    expect(answers.map(([name, { json }]) => problems(name, json)).flat()).toEqual([]);
  });
});

describe('the bodies that the server takes are those that the document allows', () => {
  const noise = fc.oneof(
    fc.constantFrom(
      null,
      true,
      0,
      -1,
      1.5,
      1001,
      '',
      'a',
      'x'.repeat(200),
      [],
      {},
      ['a'],
      [''],
      { a: 'b' },
      { a: 1 },
    ),
    fc.constant('__missing__'),
  );
  const actions: readonly ActionRequest[] = [
    { action: 'start', select: { names: [], labels: ['a=b'] }, withDependencies: true },
    { action: 'stop', select: { names: ['web'], labels: [] } },
    { action: 'restart', select: { names: ['web'], labels: [] } },
    { action: 'kill', select: { names: ['web'], labels: [] }, signal: 'SIGHUP' },
    { action: 'scale', service: 'web', replicas: 3 },
  ];
  const cases: readonly (readonly [string, Shape<unknown>, readonly unknown[]])[] = [
    ['ApplyRequest', applyRequest, [APPLY, { ...APPLY, load: { ...APPLY.load, projectName: 'p' } }]],
    ['ApplyRequest', applyRequest, [{ ...APPLY, watch: false, review: true }]],
    ['ReloadRequest', reloadRequest, [{ confirm: true }]],
    ['ReviewRequest', reviewRequest, [{ hold: true }]],
    ['ActionRequest', actionRequest, actions],
    ['DownRequest', downRequest, [{ reason: 'r', level: 0, timeoutMs: 5 }]],
    ['DetachRequest', detachRequest, [{ id: 'i' }]],
    ['ResizeRequest', resizeRequest, [{ columns: 80, rows: 24 }]],
    ['HandOverRequest', handOverRequest, [{ reason: 'r' }]],
  ];

  test.each(cases)('%s', (name, shape, good) => {
    const validate = schema(name);
    for (const value of good) expect([shape(value, 'body').ok, validate(value)]).toEqual([true, true]);
    // Breaks one place of a good value, or adds a member to it.
    const place = fc.tuple(
      fc.nat(),
      fc.nat(),
      noise,
      fc.constantFrom('__proto__', 'extra', 'signal', 'select'),
    );
    let refused = 0;
    fc.assert(
      fc.property(fc.constantFrom(...good), place, (value, [first, second, replacement, added]) => {
        const broken = structuredClone(value) as Json;
        const target = second % 3 === 0 ? broken : nested(broken, first);
        const keys = [...Object.keys(target), added];
        const key = keys[second % keys.length] ?? added;
        if (replacement === '__missing__') Reflect.deleteProperty(target, key);
        else
          Object.defineProperty(target, key, {
            value: replacement,
            enumerable: true,
            configurable: true,
            writable: true,
          });
        const accepted = shape(broken, 'body').ok;
        if (!accepted) refused += 1;
        expect(accepted).toBe(validate(broken));
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  function nested(value: Json, at: number): Json {
    const objects = Object.values(value).filter((v): v is Json => typeof v === 'object' && v !== null);
    return objects[at % Math.max(1, objects.length)] ?? value;
  }
});
