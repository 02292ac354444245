import type { LogQuery } from '../../core/api.ts';
import { err, ok, type Result } from '../../core/result.ts';
import type { Control } from '../../ports/control.ts';
import type { Failure } from './failure.ts';
import { sendEvents, sendLogs, sendWatch } from './follow.ts';
import type { Leases } from './leases.ts';
import type { LineStream } from './line-stream.ts';
import { openApi } from './openapi.ts';
import type { Query } from './query.ts';
import { actionRequest, applyRequest, detachRequest, downRequest } from './requests.ts';
import { object, type Shape } from './shape.ts';
import type { WatchHub } from './watch-hub.ts';

/** What handlers work with. */
export interface Served {
  readonly control: Control;
  readonly hub: WatchHub;
  readonly leases: Leases;
}

export type Reply =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'stream'; readonly send: (stream: LineStream) => Promise<void> };

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
  readonly handle: (served: Served, call: Call<Q, B>) => Promise<Result<Reply, Failure>>;
}

const MOST_EVENTS = 10_000;
const DEFAULT_EVENTS = 100;
const MOST_LINES = 1_000_000_000;

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

function streaming(send: (stream: LineStream) => Promise<void>): Promise<Result<Reply, Failure>> {
  return Promise.resolve(ok({ kind: 'stream', send }));
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
  return {
    select,
    follow,
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since }),
    ...(stream === undefined ? {} : { stream }),
    ...(previous ? { previous } : {}),
  };
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
