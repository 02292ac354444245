import { API_VERSION } from '../../core/api.ts';
import { messageSchemas } from './openapi-messages.ts';
import { ref, type Schema } from './openapi-build.ts';
import { sharedSchemas } from './openapi-schemas.ts';

const ABOUT = `The daemon of one project answers at a Unix socket that only its owner can open:
\`curl --unix-socket PATH http://setpoint/v1/status\`.

Streams are NDJSON: one JSON value a line, ended by a newline. An empty line comes after at most 15 s of silence and
means nothing. A line with the member \`error\` ends a stream that failed. A stream that ends without the final chunk
was cut off.`;

interface Answer {
  readonly description: string;
  readonly schema: string;
  readonly ndjson?: true;
}

function operation(
  operationId: string,
  summary: string,
  answer: Answer,
  failures: Readonly<Record<number, string>>,
  more: Schema = {},
): Schema {
  const type = answer.ndjson === true ? 'application/x-ndjson' : 'application/json';
  const responses: Record<string, Schema> = {
    200: { description: answer.description, content: { [type]: { schema: ref(answer.schema) } } },
  };
  const all = { 403: 'The request comes from a web page', 500: 'A bug of the daemon', ...failures };
  for (const [status, description] of Object.entries(all)) {
    responses[status] = { description, content: { 'application/json': { schema: ref('Error') } } };
  }
  return { operationId, summary, ...more, responses };
}

function body(schema: string): Schema {
  return {
    requestBody: { required: true, content: { 'application/json': { schema: ref(schema) } } },
  };
}

function parameter(name: string, description: string, schema: Schema): Schema {
  return { name, in: 'query', required: false, description, schema };
}

const BAD = 'The request is malformed, or a parameter is not known';
const BODY_FAILURES = {
  400: BAD,
  413: 'The body is larger than 4 MiB',
  415: 'The body is not JSON in UTF-8',
};
const STATE = 'The present state of the project does not allow it';
const UNKNOWN = 'There is no service or instance of that name';
const many: Schema = { type: 'array', items: { type: 'string', minLength: 1 } };
const yesNo: Schema = { type: 'boolean', default: false };

const eventParameters = [
  parameter('limit', 'The newest n that are already there', {
    type: 'integer',
    minimum: 0,
    maximum: 10_000,
    default: 100,
  }),
  parameter('follow', 'Go on with those that come', yesNo),
  parameter('service', 'Only of this service', { type: 'string', minLength: 1 }),
];

const logParameters = [
  parameter('name', 'A service or instance; may be repeated; absent: all', many),
  parameter('label', '`key` or `key=value`; may be repeated; all must match', many),
  parameter('tail', 'Only the last n lines of each instance', {
    type: 'integer',
    minimum: 0,
    maximum: 1_000_000_000,
  }),
  parameter('follow', 'Go on with what is written', yesNo),
  parameter('since', 'Only lines since then (epoch ms)', {
    type: 'integer',
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
  }),
  parameter('stream', 'Only this stream', { enum: ['stdout', 'stderr'] }),
  parameter('previous', 'The run before the present one', yesNo),
];

const explainParameters = [
  {
    name: 'id',
    in: 'path',
    required: true,
    description: 'Name of the service',
    schema: { type: 'string', minLength: 1 },
  },
];

const read = {
  info: operation('getInfo', 'The daemon', { description: 'The daemon', schema: 'DaemonInfo' }, { 400: BAD }),
  status: operation(
    'getStatus',
    'Everything about the project now',
    { description: 'The snapshot', schema: 'Snapshot' },
    { 400: BAD },
  ),
  explain: operation(
    'explainService',
    'What a service does and why',
    { description: 'The explanation', schema: 'Explanation' },
    { 400: BAD, 404: UNKNOWN },
    { parameters: explainParameters },
  ),
  events: operation(
    'listEvents',
    'The journal; a follower that is too slow misses what is more than 1,000 entries old, which `seq` tells',
    { description: 'One happening a line, oldest first', schema: 'Happening', ndjson: true },
    { 400: BAD, 404: UNKNOWN },
    { parameters: eventParameters },
  ),
  logs: operation(
    'readLogs',
    'The output of services',
    { description: 'One log line a line', schema: 'LogLine', ndjson: true },
    { 400: BAD, 404: UNKNOWN },
    { parameters: logParameters },
  ),
  watch: operation(
    'watch',
    'A snapshot, then every change; a client that is too slow gets only the newest snapshot',
    { description: 'One item a line', schema: 'WatchItem', ndjson: true },
    { 400: BAD },
  ),
};

const act = {
  plan: operation(
    'plan',
    'What applying the manifest would do',
    { description: 'The plan', schema: 'PlanAnswer' },
    { ...BODY_FAILURES, 404: UNKNOWN, 409: STATE },
    body('ApplyRequest'),
  ),
  apply: operation(
    'apply',
    'Make what runs match the manifest; answers once that has begun',
    { description: 'What was begun', schema: 'ApplyAnswer' },
    { ...BODY_FAILURES, 404: UNKNOWN, 409: STATE },
    body('ApplyRequest'),
  ),
  actions: operation(
    'act',
    'Start, stop, restart, signal or scale',
    { description: 'What was acted upon', schema: 'ActionAnswer' },
    { ...BODY_FAILURES, 404: UNKNOWN, 409: STATE },
    body('ActionRequest'),
  ),
  down: operation(
    'down',
    'Bring the project down; answers once nothing is left, or all that could be done was done',
    { description: 'How it ended', schema: 'DownAnswer' },
    { ...BODY_FAILURES, 409: STATE },
    body('DownRequest'),
  ),
  lease: operation(
    'holdLease',
    'Hold the lease: when this connection ends without a detach, the project is brought down',
    { description: 'Stays open while the lease is held', schema: 'LeaseLine', ndjson: true },
    BODY_FAILURES,
  ),
  detach: operation(
    'detachLease',
    'Give the lease up and leave the project running',
    { description: 'It was given up', schema: 'Nothing' },
    { ...BODY_FAILURES, 404: 'There is no such lease' },
    body('DetachRequest'),
  ),
};

/** The document that `GET /v1/openapi.json` answers. A test holds it against the routing table and real answers. */
export const openApi = {
  openapi: '3.1.0',
  info: {
    title: 'Setpoint',
    version: `${API_VERSION}`,
    description: ABOUT,
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: 'http://setpoint', description: 'At the Unix socket of the project' }],
  paths: {
    '/v1/info': { get: read.info },
    '/v1/status': { get: read.status },
    '/v1/openapi.json': {
      get: {
        operationId: 'getOpenApi',
        summary: 'This document',
        responses: {
          200: {
            description: 'An OpenAPI 3.1 document',
            content: { 'application/json': { schema: { type: 'object' } } },
          },
        },
      },
    },
    '/v1/services/{id}/explain': { get: read.explain },
    '/v1/events': { get: read.events },
    '/v1/logs': { get: read.logs },
    '/v1/watch': { get: read.watch },
    '/v1/plan': { post: act.plan },
    '/v1/apply': { post: act.apply },
    '/v1/actions': { post: act.actions },
    '/v1/down': { post: act.down },
    '/v1/lease': { post: act.lease },
    '/v1/lease/detach': { post: act.detach },
  },
  components: { schemas: { ...sharedSchemas, ...messageSchemas } },
};
