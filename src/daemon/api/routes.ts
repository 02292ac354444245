import type { LogPlace, LogQuery, OperationId, Operations } from '../../core/api.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { Control } from '../../ports/control.ts';
import { renderMetrics } from '../metrics.ts';
import type { Failure } from './failure.ts';
import { sendBytes, sendEvents, sendLogs, sendWatch } from './follow.ts';
import type { Execs } from './execs.ts';
import type { Inputs } from './inputs.ts';
import type { Leases } from './leases.ts';
import type { ByteStream, LineStream } from './line-stream.ts';
import type { WatchHub } from './watch-hub.ts';

/** What handlers work with. */
export interface HandlerServices {
  readonly control: Control;
  readonly hub: WatchHub;
  readonly leases: Leases;
  readonly inputs: Inputs;
  readonly execs: Execs;
}

/** An answer, by what the contract says that it is. */
export type Reply<T = unknown> =
  | { readonly kind: 'json'; readonly value: T }
  | { readonly kind: 'text'; readonly contentType: string; readonly text: string }
  | { readonly kind: 'lines'; readonly send: (stream: LineStream) => Promise<void> }
  | { readonly kind: 'bytes'; readonly send: (stream: ByteStream) => Promise<void> };

type Answered<R extends Reply> = Promise<Result<R, Failure>>;
type ReplyOf<K extends Reply['kind'], T = unknown> = Extract<Reply<T>, { readonly kind: K }>;

/** Carries a request out of which everything has been read and checked. */
type Handler<K extends OperationId> = (
  served: HandlerServices,
  call: Operations[K]['call'],
) => Answered<ReplyOf<Operations[K]['kind'], Operations[K]['answer']>>;

/** What carries each operation of the contract out. */
const handlers: { readonly [K in OperationId]: Handler<K> } = {
  getInfo: ({ control }) => json(ok(control.info())),
  getStatus: ({ control }) => json(ok(control.snapshot())),
  getOpenApi: async () => {
    const { document } = await import('./document.ts');
    return json(ok(document));
  },
  explainService: ({ control }, { params }) => json(control.explain(params.id)),
  listEvents: ({ control, hub }, { query }) => {
    const { service } = query;
    // A service that is gone still has its history; a name that never was one is a mistake to tell of.
    if (service !== undefined && !isKnown(control, service) && control.happenings(1, service).length === 0)
      return refuse(unknownName(control, service));
    return streaming((stream) => sendEvents(control, hub, query, stream));
  },
  readLogs: ({ control }, { query }) => {
    const unknown = query.name.find((name) => !isKnown(control, name));
    if (unknown !== undefined) return refuse(unknownName(control, unknown));
    return streaming((stream) => sendLogs(control, logQuery(query), stream));
  },
  watch: ({ control, hub }) => streaming((stream) => sendWatch(control, hub, stream)),
  getStats: ({ control }, { query }) => json(control.stats(query['at-once'])),
  getTimeline: ({ control }) => json(control.timeline()),
  getMetrics: ({ control }) => metrics(control),
  scrapeMetrics: ({ control }) => metrics(control),
  followOutput: ({ control }, { params, query }) => output(control, params.id, query.backlog),
  writeInput: ({ inputs }, { params, body }) => done(inputs.write(params.id, body)),
  resizeTerminal: ({ control }, { params, body }) => done(control.resize(params.id, body.columns, body.rows)),
  exec: async ({ control, execs }, { params, body }) => {
    const session = await control.exec(params.id, body);
    return session.ok ? streaming((stream) => execs.show(session.value, stream)) : session;
  },
  writeExecInput: ({ execs }, { params, body }) => done(execs.write(params.id, body)),
  endExecInput: ({ execs }, { params }) => done(execs.endInput(params.id)),
  resizeExec: ({ execs }, { params, body }) => done(execs.resize(params.id, body.columns, body.rows)),
  plan: ({ control }, { body }) => json(control.plan(body)),
  apply: ({ control }, { body }) => json(control.apply(body)),
  reload: ({ control }, { body }) => json(control.reload(body)),
  review: ({ control }, { body }) => done(control.review(body)),
  act: ({ control }, { body }) => json(control.act(body)),
  down: ({ control }, { body }) => json(control.down(body)),
  holdLease: ({ leases }) => streaming((stream) => leases.hold(stream)),
  detachLease: ({ leases }, { body }) =>
    leases.detach(body.id)
      ? json(ok({}))
      : refuse({ code: 'unknown-lease', message: 'there is no lease of that id' }),
  handOver: ({ control }, { body }) => {
    control.handOver(body.reason);
    return json(ok({}));
  },
};

/** What handlers have of requests: what was read of one, checked by the contract. */
type Call = Operations[OperationId]['call'];

/** `call` has to be one of that operation. */
export function carryOut(operation: OperationId, served: HandlerServices, call: Call): Answered<Reply> {
  const handler = handlers[operation] as (served: HandlerServices, call: Call) => Answered<Reply>;
  return handler(served, call);
}

async function json<T>(
  answer: Result<T, Failure> | Promise<Result<T, Failure>>,
): Answered<ReplyOf<'json', T>> {
  const result = await answer;
  return result.ok ? ok({ kind: 'json', value: result.value }) : result;
}

/** For what has nothing to say but that it was done. */
async function done(answer: Promise<Result<void, Failure>>): Answered<ReplyOf<'json', object>> {
  const result = await answer;
  return result.ok ? ok({ kind: 'json', value: {} }) : result;
}

function streaming(send: (stream: LineStream) => Promise<void>): Answered<ReplyOf<'lines'>> {
  return Promise.resolve(ok({ kind: 'lines', send }));
}

async function metrics(control: Control): Answered<ReplyOf<'text'>> {
  const stats = await control.stats(false);
  return stats.ok ? ok({ kind: 'text', ...(await renderMetrics(control.snapshot(), stats.value)) }) : stats;
}

/** An instance that has no output to give is refused before anything is sent. */
function output(control: Control, instance: string, backlog: number): Answered<ReplyOf<'bytes'>> {
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

function refuse(failure: Failure): Promise<Result<never, Failure>> {
  return Promise.resolve(err(failure));
}

function logQuery(query: Operations['readLogs']['call']['query']): LogQuery {
  const { name, label, previous, after, ...rest } = query;
  return {
    select: { names: name, labels: label },
    ...rest,
    ...(previous ? { previous } : {}),
    ...(after.length === 0 ? {} : { after: after.map(logPlace) }),
  };
}

/** Reads `INSTANCE:STREAM:AT`. */
function logPlace(text: string): LogPlace {
  const [instance = '', stream, at] = text.split(':');
  return { instance, stream: stream === 'stderr' ? stream : 'stdout', at: Number(at) };
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
