import { API_VERSION } from '../../core/api.ts';
import { messageSchemas } from './openapi-messages.ts';
import { ref, type Schema } from './openapi-build.ts';
import { sharedSchemas } from './openapi-schemas.ts';

const ABOUT = `The daemon of one project answers at a Unix socket that only its owner can open:
\`curl --unix-socket PATH http://setpoint/v1/status\`.

Streams are NDJSON: one JSON value a line, ended by a newline. An empty line comes after at most 15 s of silence and
means nothing. A line with the member \`error\` ends a stream that failed. A stream that ends without the final chunk
was cut off; a stream of raw bytes has no other way to fail.

A daemon that has too many connections answers further ones with status 503 and ends them.`;

interface Answer {
  readonly description: string;
  /** Name of the schema of a JSON value; absent for what is no JSON. */
  readonly schema?: string;
  /** By default JSON. */
  readonly type?: 'application/x-ndjson' | 'application/octet-stream' | 'text/plain; version=0.0.4';
}

const EVERYWHERE = {
  403: 'The request comes from a web page',
  500: 'A bug of the daemon',
  503: 'The daemon has too many connections',
};

function operation(
  operationId: string,
  summary: string,
  answer: Answer,
  failures: Readonly<Record<number, string>>,
  more: Schema = {},
): Schema {
  const { description, schema, type = 'application/json' } = answer;
  const responses: Record<string, Schema> = {
    200: { description, content: { [type]: schema === undefined ? {} : { schema: ref(schema) } } },
  };
  const all = { ...EVERYWHERE, ...failures };
  for (const [status, why] of Object.entries(all)) {
    responses[status] = { description: why, content: { 'application/json': { schema: ref('Error') } } };
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
  parameter('after', 'Go on behind this line of a stream, `INSTANCE:STREAM:AT`; may be repeated', {
    type: 'array',
    items: { type: 'string', pattern: '^[^:]+:(stdout|stderr):[0-9]{1,16}$' },
  }),
];

function idParameter(description: string): Schema {
  return { name: 'id', in: 'path', required: true, description, schema: { type: 'string', minLength: 1 } };
}

const ofInstance = idParameter('Name of the instance');

const outputParameters = [
  ofInstance,
  parameter('backlog', 'Begin with up to so many bytes that are already there', {
    type: 'integer',
    minimum: 0,
    maximum: 16 * 1024 * 1024,
    default: 0,
  }),
];

const metricsText = {
  description: 'The text format of Prometheus',
  type: 'text/plain; version=0.0.4',
} as const;

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
    { parameters: [idParameter('Name of the service')] },
  ),
  events: operation(
    'listEvents',
    'The journal; a follower that is too slow misses what is more than 1,000 entries old, which `seq` tells',
    { description: 'One happening a line, oldest first', schema: 'Happening', type: 'application/x-ndjson' },
    { 400: BAD, 404: UNKNOWN },
    { parameters: eventParameters },
  ),
  logs: operation(
    'readLogs',
    'The output of services',
    { description: 'One log line a line', schema: 'LogLine', type: 'application/x-ndjson' },
    { 400: BAD, 404: UNKNOWN },
    { parameters: logParameters },
  ),
  watch: operation(
    'watch',
    'A snapshot, then every change; a client that is too slow gets only the newest snapshot',
    { description: 'One item a line', schema: 'WatchItem', type: 'application/x-ndjson' },
    { 400: BAD },
  ),
};

const measure = {
  stats: operation(
    'getStats',
    'What every live instance uses, sampled now or at most 200 ms ago',
    { description: 'The sample', schema: 'Stats' },
    { 400: BAD },
    {
      parameters: [
        parameter('at-once', 'Without a share of the CPU where a second sample were needed for it', yesNo),
      ],
    },
  ),
  timeline: operation(
    'getTimeline',
    'How the project last came up: who waited for whom, and for how long',
    { description: 'The last start', schema: 'Timeline' },
    { 400: BAD },
  ),
  metrics: operation('getMetrics', 'The project as metrics', metricsText, { 400: BAD }),
  metricsByConvention: operation(
    'scrapeMetrics',
    'The same as `/v1/metrics`, where those who collect metrics look first',
    metricsText,
    { 400: BAD },
  ),
};

const terminal = {
  output: operation(
    'followOutput',
    'The bytes that an instance writes to its standard output, or its terminal, until the client closes; a client that is too slow misses some',
    { description: 'Bytes as they were written', type: 'application/octet-stream' },
    { 400: BAD, 404: UNKNOWN, 409: STATE },
    { parameters: outputParameters },
  ),
  input: operation(
    'writeInput',
    'Write to the standard input of an instance; answers once it is handed over',
    { description: 'It was written', schema: 'Nothing' },
    {
      400: BAD,
      404: UNKNOWN,
      409: 'The instance takes no input, or does not read what waits for it already',
      413: 'The body is larger than 64 KiB',
      415: 'The body is not said to be `application/octet-stream`',
    },
    {
      parameters: [ofInstance],
      requestBody: {
        required: true,
        description: '1 byte to 64 KiB, taken as they are',
        content: { 'application/octet-stream': {} },
      },
    },
  ),
  resize: operation(
    'resizeTerminal',
    'Set the size of the terminal of an instance',
    { description: 'It was set', schema: 'Nothing' },
    { ...BODY_FAILURES, 404: UNKNOWN, 409: 'The instance has no terminal' },
    { parameters: [ofInstance], ...body('ResizeRequest') },
  ),
};

const ofExec = { ...ofInstance, description: 'As it was told when the command was begun' };
const NO_EXEC = 'There is no such command; it may have ended';

const exec = {
  begin: operation(
    'exec',
    'Run a command beside an instance, where that runs; it ends with this answer, whoever closes that',
    { description: 'What it writes, and how it ended', schema: 'ExecItem', type: 'application/x-ndjson' },
    { ...BODY_FAILURES, 404: UNKNOWN, 409: 'The instance does not run, or cannot be entered' },
    { parameters: [ofInstance], ...body('ExecRequest') },
  ),
  input: operation(
    'writeExecInput',
    'Write to the standard input of a command; answers once it is handed over',
    { description: 'It was written', schema: 'Nothing' },
    {
      400: BAD,
      404: NO_EXEC,
      409: 'The command reads no input any more',
      413: 'The body is larger than 64 KiB',
      415: 'The body is not said to be `application/octet-stream`',
    },
    {
      parameters: [ofExec],
      requestBody: {
        required: true,
        description: '1 byte to 64 KiB, taken as they are',
        content: { 'application/octet-stream': {} },
      },
    },
  ),
  endInput: operation(
    'endExecInput',
    'End the standard input of a command',
    { description: 'It has ended', schema: 'Nothing' },
    { ...BODY_FAILURES, 404: NO_EXEC },
    { parameters: [ofExec] },
  ),
  resize: operation(
    'resizeExec',
    'Set the size of the terminal of a command',
    { description: 'It was set', schema: 'Nothing' },
    { ...BODY_FAILURES, 404: NO_EXEC, 409: 'The command has no terminal' },
    { parameters: [ofExec], ...body('ResizeRequest') },
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
  reload: operation(
    'reload',
    'Take the manifest up again as it was applied last; answers once that has begun, or is held for review',
    { description: 'What came of it', schema: 'ReloadAnswer' },
    { ...BODY_FAILURES, 409: STATE },
    body('ReloadRequest'),
  ),
  review: operation(
    'review',
    'Have later changes of the manifest held until a reload confirms them, or not',
    { description: 'It is so from now on', schema: 'Nothing' },
    { ...BODY_FAILURES, 409: STATE },
    body('ReviewRequest'),
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
    { description: 'Stays open while the lease is held', schema: 'LeaseLine', type: 'application/x-ndjson' },
    BODY_FAILURES,
  ),
  detach: operation(
    'detachLease',
    'Give the lease up and leave the project running',
    { description: 'It was given up', schema: 'Nothing' },
    { ...BODY_FAILURES, 404: 'There is no such lease' },
    body('DetachRequest'),
  ),
  handOver: operation(
    'handOver',
    'End the daemon and leave every service running, for another daemon to take over',
    { description: 'It is about to end', schema: 'Nothing' },
    BODY_FAILURES,
    body('HandOverRequest'),
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
    '/v1/stats': { get: measure.stats },
    '/v1/timeline': { get: measure.timeline },
    '/v1/metrics': { get: measure.metrics },
    '/metrics': { get: measure.metricsByConvention },
    '/v1/instances/{id}/output': { get: terminal.output },
    '/v1/instances/{id}/input': { post: terminal.input },
    '/v1/instances/{id}/resize': { post: terminal.resize },
    '/v1/instances/{id}/exec': { post: exec.begin },
    '/v1/execs/{id}/input': { post: exec.input },
    '/v1/execs/{id}/end-input': { post: exec.endInput },
    '/v1/execs/{id}/resize': { post: exec.resize },
    '/v1/plan': { post: act.plan },
    '/v1/apply': { post: act.apply },
    '/v1/reload': { post: act.reload },
    '/v1/review': { post: act.review },
    '/v1/actions': { post: act.actions },
    '/v1/down': { post: act.down },
    '/v1/lease': { post: act.lease },
    '/v1/lease/detach': { post: act.detach },
    '/v1/daemon/hand-over': { post: act.handOver },
  },
  components: { schemas: { ...sharedSchemas, ...messageSchemas } },
};
