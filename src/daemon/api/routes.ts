import type { LogPlace, LogQuery } from '../../core/api.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { Control } from '../../ports/control.ts';
import { renderMetrics } from '../metrics.ts';
import type { Failure } from './failure.ts';
import { sendBytes, sendEvents, sendLogs, sendWatch } from './follow.ts';
import type { Execs } from './execs.ts';
import type { Inputs } from './inputs.ts';
import type { Leases } from './leases.ts';
import type { ByteStream, LineStream } from './line-stream.ts';
import { openApi } from './openapi.ts';
import type { Query } from './query.ts';
import {
  actionRequest,
  applyRequest,
  detachRequest,
  downRequest,
  execRequest,
  handOverRequest,
  reloadRequest,
  resizeRequest,
  reviewRequest,
} from './requests.ts';
import { object, type Shape } from './shape.ts';
import type { WatchHub } from './watch-hub.ts';

/** What handlers work with. */
export interface Served {
  readonly control: Control;
  readonly hub: WatchHub;
  readonly leases: Leases;
  readonly inputs: Inputs;
  readonly execs: Execs;
}

export type Reply =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'text'; readonly contentType: string; readonly text: string }
  | { readonly kind: 'lines'; readonly send: (stream: LineStream) => Promise<void> }
  | { readonly kind: 'bytes'; readonly send: (stream: ByteStream) => Promise<void> };

/** A request of which everything has been read and checked. */
interface Call<Q, B> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Q;
  readonly body: B;
}

export interface Route<Q = unknown, B = unknown> {
  readonly method: 'GET' | 'POST';
  /** `{name}` stands for one segment. */
  readonly path: string;
  readonly query?: (query: Query) => Q;
  /** The body that a POST must have. Without a shape it must have none, or an empty object. */
  readonly body?: Shape<B>;
  /** The body of a POST is bytes, at least one and at most so many; it reaches `handle` as a Buffer. */
  readonly octets?: number;
  readonly handle: (served: Served, call: Call<Q, B>) => Promise<Result<Reply, Failure>>;
}

const MOST_EVENTS = 10_000;
const DEFAULT_EVENTS = 100;
const MOST_LINES = 1_000_000_000;
/** What one request may write to a service's standard input. */
const INPUT_LIMIT_BYTES = 64 * 1024;
const MOST_BACKLOG_BYTES = 16 * 1024 * 1024;

export const nothing: Shape<unknown> = object<unknown>({});

/** Every route there is; the OpenAPI document describes the same ones. */
export const routes: readonly Route[] = [
  route({ method: 'GET', path: '/v1/info', handle: ({ control }) => json(ok(control.info())) }),
  route({ method: 'GET', path: '/v1/status', handle: ({ control }) => json(ok(control.snapshot())) }),
  route({ method: 'GET', path: '/v1/openapi.json', handle: () => json(ok(openApi)) }),
  route({
    method: 'GET',
    path: '/v1/services/{id}/explain',
    handle: ({ control }, { params }) => json(control.explain(params['id'] ?? '')),
  }),
  route({
    method: 'GET',
    path: '/v1/events',
    query: (query) => ({
      limit: query.count('limit', MOST_EVENTS) ?? DEFAULT_EVENTS,
      follow: query.flag('follow'),
      service: query.text('service'),
    }),
    handle: ({ control, hub }, { query: { service, ...rest } }) => {
      if (service === undefined) return streaming((stream) => sendEvents(control, hub, rest, stream));
      // A service that is gone still has its history; a name that never was one is a mistake to tell of.
      if (!isKnown(control, service) && control.happenings(1, service).length === 0) {
        return refuse(unknownName(control, service));
      }
      return streaming((stream) => sendEvents(control, hub, { ...rest, service }, stream));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/logs',
    query: logQuery,
    handle: ({ control }, { query }) => {
      const unknown = query.select.names.find((name) => !isKnown(control, name));
      if (unknown !== undefined) return refuse(unknownName(control, unknown));
      return streaming((stream) => sendLogs(control, query, stream));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/watch',
    handle: ({ control, hub }) => streaming((stream) => sendWatch(control, hub, stream)),
  }),
  route({
    method: 'GET',
    path: '/v1/stats',
    query: (query) => query.flag('at-once'),
    handle: ({ control }, { query: atOnce }) => json(control.stats(atOnce)),
  }),
  route({ method: 'GET', path: '/v1/timeline', handle: ({ control }) => json(control.timeline()) }),
  route({ method: 'GET', path: '/v1/metrics', handle: ({ control }) => metrics(control) }),
  // Where those who collect metrics look first.
  route({ method: 'GET', path: '/metrics', handle: ({ control }) => metrics(control) }),
  route({
    method: 'GET',
    path: '/v1/instances/{id}/output',
    query: (query) => query.count('backlog', MOST_BACKLOG_BYTES) ?? 0,
    handle: ({ control }, { params, query: backlog }) => output(control, params['id'] ?? '', backlog),
  }),
  route<unknown, Buffer>({
    method: 'POST',
    path: '/v1/instances/{id}/input',
    octets: INPUT_LIMIT_BYTES,
    handle: ({ inputs }, { params, body }) => done(inputs.write(params['id'] ?? '', body)),
  }),
  route({
    method: 'POST',
    path: '/v1/instances/{id}/resize',
    body: resizeRequest,
    handle: ({ control }, { params, body }) =>
      done(control.resize(params['id'] ?? '', body.columns, body.rows)),
  }),
  route({
    method: 'POST',
    path: '/v1/instances/{id}/exec',
    body: execRequest,
    handle: async ({ control, execs }, { params, body }) => {
      const session = await control.exec(params['id'] ?? '', body);
      if (!session.ok) return session;
      return streaming((stream) => execs.show(session.value, stream));
    },
  }),
  route<unknown, Buffer>({
    method: 'POST',
    path: '/v1/execs/{id}/input',
    octets: INPUT_LIMIT_BYTES,
    handle: ({ execs }, { params, body }) => done(execs.write(params['id'] ?? '', body)),
  }),
  route({
    method: 'POST',
    path: '/v1/execs/{id}/end-input',
    handle: ({ execs }, { params }) => done(execs.endInput(params['id'] ?? '')),
  }),
  route({
    method: 'POST',
    path: '/v1/execs/{id}/resize',
    body: resizeRequest,
    handle: ({ execs }, { params, body }) => done(execs.resize(params['id'] ?? '', body.columns, body.rows)),
  }),
  route({
    method: 'POST',
    path: '/v1/plan',
    body: applyRequest,
    handle: ({ control }, { body }) => json(control.plan(body)),
  }),
  route({
    method: 'POST',
    path: '/v1/apply',
    body: applyRequest,
    handle: ({ control }, { body }) => json(control.apply(body)),
  }),
  route({
    method: 'POST',
    path: '/v1/reload',
    body: reloadRequest,
    handle: ({ control }, { body }) => json(control.reload(body)),
  }),
  route({
    method: 'POST',
    path: '/v1/review',
    body: reviewRequest,
    handle: ({ control }, { body }) => done(control.review(body)),
  }),
  route({
    method: 'POST',
    path: '/v1/actions',
    body: actionRequest,
    handle: ({ control }, { body }) => json(control.act(body)),
  }),
  route({
    method: 'POST',
    path: '/v1/down',
    body: downRequest,
    handle: ({ control }, { body }) => json(control.down(body)),
  }),
  route({
    method: 'POST',
    path: '/v1/lease',
    handle: ({ leases }) => streaming((stream) => leases.hold(stream)),
  }),
  route({
    method: 'POST',
    path: '/v1/lease/detach',
    body: detachRequest,
    handle: ({ leases }, { body }) =>
      leases.detach(body.id)
        ? json(ok({}))
        : refuse({ code: 'unknown-lease', message: 'there is no lease of that id' }),
  }),
  route({
    method: 'POST',
    path: '/v1/daemon/hand-over',
    body: handOverRequest,
    handle: ({ control }, { body }) => {
      control.handOver(body.reason);
      return json(ok({}));
    },
  }),
];

/** Ties a handler to what its own query and body are; the table holds them without. */
function route<Q, B>(definition: Route<Q, B>): Route {
  return definition as unknown as Route;
}

async function json(
  answer: Result<unknown, Failure> | Promise<Result<unknown, Failure>>,
): Promise<Result<Reply, Failure>> {
  const result = await answer;
  return result.ok ? ok({ kind: 'json', value: result.value }) : result;
}

/** For what has nothing to say but that it was done. */
async function done(answer: Promise<Result<void, Failure>>): Promise<Result<Reply, Failure>> {
  const result = await answer;
  return result.ok ? ok({ kind: 'json', value: {} }) : result;
}

function streaming(send: (stream: LineStream) => Promise<void>): Promise<Result<Reply, Failure>> {
  return Promise.resolve(ok({ kind: 'lines', send }));
}

async function metrics(control: Control): Promise<Result<Reply, Failure>> {
  const stats = await control.stats(false);
  return stats.ok ? ok({ kind: 'text', ...(await renderMetrics(control.snapshot(), stats.value)) }) : stats;
}

/** An instance that has no output to give is refused before anything is sent. */
function output(control: Control, instance: string, backlog: number): Promise<Result<Reply, Failure>> {
  const stop = new AbortController();
  const pieces = control.output(instance, backlog, stop.signal);
  if (!pieces.ok) return refuse(pieces.error);
  return Promise.resolve(
    ok({
      kind: 'bytes',
      send: (stream) => {
        const onAbort = (): void => stop.abort();
        stream.signal.addEventListener('abort', onAbort);
        if (stream.signal.aborted) onAbort();
        return sendBytes(pieces.value, stream).finally(onAbort);
      },
    }),
  );
}

function refuse(failure: Failure): Promise<Result<Reply, Failure>> {
  return Promise.resolve(err(failure));
}

function logQuery(query: Query): LogQuery {
  const select = { names: query.texts('name'), labels: query.texts('label') };
  const follow = query.flag('follow');
  const tail = query.count('tail', MOST_LINES);
  const since = query.count('since', Number.MAX_SAFE_INTEGER);
  const stream = query.choice('stream', ['stdout', 'stderr']);
  const previous = query.flag('previous');
  const after = query.each('after', 'of the form INSTANCE:STREAM:AT', logPlace);
  return {
    select,
    follow,
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since }),
    ...(stream === undefined ? {} : { stream }),
    ...(previous ? { previous } : {}),
    ...(after.length === 0 ? {} : { after }),
  };
}

function logPlace(text: string): LogPlace | undefined {
  const [, instance, stream, at] = /^([^:]+):(stdout|stderr):([0-9]{1,16})$/.exec(text) ?? [];
  if (instance === undefined || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  return Number.isSafeInteger(Number(at)) ? { instance, stream, at: Number(at) } : undefined;
}

function isKnown(control: Control, name: string): boolean {
  const { services, inactive } = control.snapshot();
  return (
    inactive.includes(name) || services.some((s) => s.id === name || s.instances.some((i) => i.id === name))
  );
}

function unknownName(control: Control, name: string): Failure {
  const known = control.snapshot().services.map((s) => s.id);
  return {
    code: 'unknown-service',
    message: `there is no service or instance \`${name}\``,
    help: known.length === 0 ? 'the project has no services' : `there are: ${known.join(', ')}`,
  };
}
