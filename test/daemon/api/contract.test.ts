import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { API_VERSION, endpoints, type OperationId, type Operations } from '../../../src/core/api.ts';
import { bodyProblem } from '../../../src/daemon/api/body-problem.ts';
import { requests } from '../../../src/daemon/api/generated/requests.js';
import { operationRequest } from '../../../src/client/operation-request.ts';
import { checkAnswer, contract, problems, schemaOf, walk, type Json } from '../../rig/contract.ts';
import { APPLY, bytesOf, FakeSession, linesOf, logLine } from './fake-control.ts';
import { openApi31 } from './openapi-31.ts';
import { ask, post, send, serve } from './rig.ts';

const select = { names: ['web'], labels: ['a=b'] };
const web = { params: { id: 'web.1' } };

/** One good request of every operation. */
const samples: { readonly [K in OperationId]: Operations[K]['request'] } = {
  getInfo: {},
  getStatus: {},
  getOpenApi: {},
  explainService: { params: { id: 'web' } },
  listEvents: { query: { limit: 10, service: 'web' } },
  readLogs: { query: { name: ['web'], tail: 5, stream: 'stdout', after: ['web.1:stdout:3'] } },
  watch: {},
  getStats: { query: { 'at-once': true } },
  getTimeline: {},
  getMetrics: {},
  scrapeMetrics: {},
  followOutput: { ...web, query: { backlog: 10 } },
  writeInput: { ...web, body: Buffer.from('ls\n') },
  resizeTerminal: { ...web, body: { columns: 80, rows: 24 } },
  exec: { ...web, body: { argv: ['sh'], tty: true, columns: 80, rows: 24, env: {}, cwd: '/', user: 'me' } },
  writeExecInput: { params: { id: 'e' }, body: Buffer.from('x') },
  endExecInput: { params: { id: 'e' } },
  resizeExec: { params: { id: 'e' }, body: { columns: 80, rows: 24 } },
  plan: { body: { ...APPLY, commandLines: true } },
  apply: { body: { ...APPLY, watch: false, review: true, load: { ...APPLY.load, projectName: 'p' } } },
  reload: { body: { confirm: true } },
  review: { body: { hold: true } },
  act: { body: { action: 'start', select, withDependencies: true } },
  down: { body: { reason: 'r', level: 0, timeoutMs: 5, volumes: true } },
  holdLease: {},
  detachLease: { body: { id: 'i' } },
  handOver: { body: { reason: 'r' } },
};

const actions: readonly Operations['act']['request']['body'][] = [
  { action: 'start', select, withDependencies: true },
  { action: 'stop', select },
  { action: 'restart', select },
  { action: 'kill', select, signal: 'SIGHUP' },
  { action: 'scale', service: 'web', replicas: 3 },
];

const operationIds = Object.keys(endpoints) as OperationId[];

describe('the contract', () => {
  test('is an OpenAPI 3.1 document', () => {
    const ajv = new Ajv2020({ strictRequired: false, allErrors: true });
    expect(ajv.validate(openApi31, contract) ? [] : ajv.errors).toEqual([]);
    const schemas: unknown[] = Object.values(contract.components.schemas);
    walk([contract.paths, contract.components], (node) => {
      if ('schema' in node) schemas.push(node['schema']);
    });
    expect(schemas.length).toBeGreaterThan(100);
    expect(schemas.filter((schema) => !ajv.validateSchema(schema as Json))).toEqual([]);
  });

  test('is noticed where it is not one', () => {
    const ajv = new Ajv2020({ strictRequired: false });
    const info = contract.paths['/v1/info']?.['get'];
    const isValid = (get: unknown): boolean =>
      ajv.validate(openApi31, { ...contract, paths: { '/v1/info': { get } } });
    expect(isValid(info)).toBe(true);
    expect(isValid({ ...info, responses: {} })).toBe(false);
    expect(isValid({ ...info, parameters: [{ name: 'a', in: 'query' }] })).toBe(false);
    expect(isValid({ ...info, sumary: 'a typing mistake' })).toBe(false);
    expect(isValid({ ...info, responses: { 200: { content: {} } } })).toBe(false);
  });

  test('names in its paths are parameters, and operations have names of their own', () => {
    const ids = Object.values(contract.paths).flatMap((item) =>
      Object.values(item).map((o) => o.operationId),
    );
    expect(ids.sort()).toEqual([...operationIds].sort());
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of operationIds) {
      const names = [...endpoints[id].path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(Object.keys((samples[id] as { params?: object }).params ?? {})).toEqual(names);
    }
  });

  test('refers to nothing that is missing, and keeps nothing that is not referred to', () => {
    const referred = new Set<string>();
    walk(contract, (node) => {
      if (typeof node['$ref'] === 'string') referred.add(node['$ref'].replace('#/components/', ''));
    });
    const kept = Object.entries(contract.components).flatMap(([group, entries]) =>
      Object.keys(entries).map((name) => `${group}/${name}`),
    );
    expect([...referred].sort()).toEqual(kept.sort());
  });

  test('describes every operation, parameter, answer and schema', () => {
    const bare: string[] = [];
    walk([contract.paths, contract.components], (node) => {
      if ('responses' in node && 'operationId' in node && typeof node['summary'] !== 'string')
        bare.push(JSON.stringify(node));
      if (('in' in node || 'content' in node) && !('required' in node) && !('description' in node))
        bare.push(JSON.stringify(node));
    });
    // A plain text or a constant in a list or beside a tag says by its place what it is.
    for (const schema of Object.values(contract.components.schemas)) {
      walk(schema, (node) => {
        if (Object.keys(node).join() === 'type' && node['type'] === 'string') return;
        const isSchema = ['type', 'oneOf', 'enum'].some(
          (key) => typeof node[key] === 'string' || Array.isArray(node[key]),
        );
        if (isSchema && node['description'] === undefined) bare.push(JSON.stringify(node));
      });
    }
    expect(bare).toEqual([]);
  });

  test('is served as it is written, and of the version that the program tells', async () => {
    const { socket } = await serve();
    const { json } = await ask(socket, '/v1/openapi.json');
    expect(json).toEqual(contract);
    expect(json).toMatchObject({ info: { version: `${API_VERSION}` } });
  });

  test.each(operationIds)('%s takes a request as it describes it, and answers as it says', async (id) => {
    const { control, socket } = await serve();
    control.happen({ type: 'warning', message: 'm' }, 'web');
    control.lines = () => linesOf([logLine(1)]);
    control.pieces = () => bytesOf(['some', 'bytes']);
    const session = new FakeSession();
    session.say('x');
    session.end({ kind: 'code', code: 0 });
    control.session = session;
    const { method, path, body } = operationRequest(id, samples[id]);
    const { status, type, text } = await send(socket, path, { method, body, lines: linesWanted[id] });
    const isThere = !missing.includes(id);
    expect(status).toBe(isThere ? 200 : 404);
    checkAnswer(method, path, { status, type, text });
    // A stream that says nothing would be as the contract has it, too.
    expect(text.trim()).not.toBe('');
  });

  /** What is not there in a project in which nobody holds a lease or has begun a command. */
  const missing: readonly OperationId[] = ['writeExecInput', 'endExecInput', 'resizeExec', 'detachLease'];
  /** Of an answer that stays open: how many lines are read of it. */
  const linesWanted: { readonly [K in OperationId]?: number } = { watch: 1, holdLease: 1 };
  test('notices an answer that is not as described', async () => {
    const { socket } = await serve();
    const snapshot = (await ask(socket, '/v1/status')).json as Json;
    expect(problems('ProjectSnapshot', snapshot)).toEqual([]);
    expect(problems('ProjectSnapshot', { ...snapshot, extra: 1 })).not.toEqual([]);
    expect(problems('ProjectSnapshot', { ...snapshot, revision: 'x' })).not.toEqual([]);
    const reason = { kind: 'reported', output: 'r' };
    const happening = { seq: 1, time: 1, service: 'web', type: 'instance-unready', run: 'r', reason };
    expect(problems('ProjectEvent', happening)).toEqual([]);
    expect(problems('ProjectEvent', { ...happening, exit: { kind: 'code', code: 1 } })).not.toEqual([]);
    expect(problems('ProjectEvent', { ...happening, type: 'instance-lost' })).not.toEqual([]);
    const text = JSON.stringify(snapshot);
    const answer = { status: 200, type: 'application/json', text };
    const check = (received: typeof answer) => () => checkAnswer('GET', '/v1/status', received);
    expect(check(answer)).not.toThrow();
    expect(check({ ...answer, status: 201 })).toThrow('no such status');
    expect(check({ ...answer, type: 'text/html' })).toThrow('no such type');
    expect(check({ ...answer, text: '{}' })).toThrow('required');
  });
});

describe('a body that is not as the contract says', () => {
  const problemOf = (id: OperationId, body: unknown): string => {
    const check = requests[id].body!;
    expect(check(body)).toBe(false);
    return bodyProblem(check.errors![0]!);
  };

  test.each<[OperationId, unknown, string]>([
    ['apply', null, 'body must be an object'],
    ['apply', [], 'body must be an object'],
    ['apply', { ...APPLY, load: [] }, 'body.load must be an object'],
    [
      'apply',
      { ...APPLY, load: { ...APPLY.load, files: { length: 1, 0: 'a' } } },
      'body.load.files must be a list',
    ],
    [
      'apply',
      { ...APPLY, load: { ...APPLY.load, files: ['a', 'b', 1] } },
      'body.load.files[2] must be a string of 1 to 4096 characters',
    ],
    [
      'apply',
      { ...APPLY, load: { ...APPLY.load, set: { 'a/b~c': 5 } } },
      'body.load.set."a/b~c" must be a string',
    ],
    ['apply', { ...APPLY, load: { ...APPLY.load, set: { 0: 5 } } }, 'body.load.set."0" must be a string'],
    ['apply', { ...APPLY, load: { ...APPLY.load, profiles: [7] } }, 'body.load.profiles[0] must be a string'],
    ['apply', { ...APPLY, watch: 'yes' }, 'body.watch must be true or false'],
    ['apply', { ...APPLY, toString: 1 }, 'body has an unknown member "toString"'],
    ['apply', { ...APPLY, ['x'.repeat(100)]: 1 }, `body has an unknown member "${'x'.repeat(60)}..."`],
    ['reload', JSON.parse('{"confirm":true,"__proto__":1}'), 'body has an unknown member "__proto__"'],
    ['resizeTerminal', { columns: 80 }, 'body.rows is missing'],
    ['resizeTerminal', { columns: 1.5, rows: 1 }, 'body.columns must be a whole number from 1 to 10000'],
    ['resizeTerminal', { columns: 80, rows: 0 }, 'body.rows must be a whole number from 1 to 10000'],
    ['down', { reason: '', level: 0 }, 'body.reason must be a string of 1 to 500 characters'],
    ['down', { reason: 'r', level: 3 }, 'body.level must be one of 0, 1, 2'],
    ['act', {}, 'body.action must be one of start, stop, restart, kill, scale'],
    ['act', { action: 'constructor' }, 'body.action must be one of start, stop, restart, kill, scale'],
    ['act', { action: 'stop' }, 'body.select is missing'],
    ['act', { action: 'stop', select: { names: [] } }, 'body.select.labels is missing'],
    ['act', { action: 'stop', select, signal: 'SIGHUP' }, 'body has an unknown member "signal"'],
    [
      'act',
      { action: 'scale', service: 'web', replicas: 1001 },
      'body.replicas must be a whole number from 0 to 1000',
    ],
    ['holdLease', { id: 'i' }, 'body has an unknown member "id"'],
    ['holdLease', 'x', 'body must be an object'],
  ])('%s, %j: %s', (id, body, message) => {
    expect(problemOf(id, body)).toBe(message);
  });

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
      'hunter2'.repeat(30),
      [],
      {},
      ['hunter2'],
      [''],
      { a: 'b' },
      { a: 1 },
    ),
    fc.constant('__missing__'),
  );
  const cases: readonly (readonly [OperationId, readonly unknown[]])[] = operationIds.flatMap((id) => {
    if (requests[id].body === undefined) return [];
    const { body = {} } = samples[id] as { readonly body?: unknown };
    return [[id, id === 'act' ? actions : [body]] as const];
  });

  test.each(cases)('is refused and told of without its value: %s', (id, good) => {
    const { body: check } = requests[id];
    const validate = schemaOf(bodySchema(id));
    for (const value of good) expect([check?.(value), validate(value)]).toEqual([true, true]);
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
        const accepted = check?.(broken);
        expect(accepted).toBe(validate(broken));
        if (accepted === true) return;
        refused += 1;
        expect(problemOf(id, broken)).toMatch(/^body(?!.*hunter2)/);
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  function bodySchema(id: OperationId): string {
    const { method, path } = endpoints[id];
    const { requestBody } = contract.paths[path]?.[method.toLowerCase()] as unknown as {
      requestBody: { content: { 'application/json': { schema: { $ref: string } } } };
    };
    return requestBody.content['application/json'].schema.$ref.replace('#/components/schemas/', '');
  }

  function nested(value: Json, at: number): Json {
    const objects = Object.values(value).filter((v): v is Json => typeof v === 'object' && v !== null);
    return objects[at % Math.max(1, objects.length)] ?? value;
  }

  test('reaches nobody', async () => {
    const { control, socket } = await serve();
    for (const [id] of cases) {
      const { path } = operationRequest(id, samples[id]);
      expect((await post(socket, path, { extra: 'hunter2' })).status).toBe(400);
    }
    expect([control.asked, control.leased]).toEqual([[], false]);
  });
});
