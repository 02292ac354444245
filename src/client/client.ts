import {
  endpoints,
  type ActionRequest,
  type ActionResponse,
  type ApplyRequest,
  type ApplyResponse,
  type DaemonInfo,
  type DownRequest,
  type DownResponse,
  type ExecCommand,
  type ExecItem,
  type ExplainResponse,
  type LogLine,
  type LogQuery,
  type Operations,
  type PlanResponse,
  type ProjectSnapshot,
  type ReloadRequest,
  type ReloadResponse,
  type StatsResponse,
  type TimelineResponse,
  type WatchItem,
} from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import { ClientError, daemonGone } from './client-error.ts';
import { dial, Exchange, type Request } from './exchange.ts';
import { jsonLines } from './json-lines.ts';
import { operationRequest, type OperationOf } from './operation-request.ts';
import { abortable, failureIn, linesOf } from './streams.ts';
import type { DaemonClient, EventQuery, ExecChannel, Lease } from './types.ts';

export interface ClientOptions {
  /** How long the daemon may take to answer what it can answer at once. */
  readonly answerWithinMs?: number;
}

/** What has to be answered at once, even while services crash or flood. */
const PROMPT_MS = 15_000;
/** What reads files or waits its turn behind other requests. */
const PATIENT_FACTOR = 8;
const LONGEST_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * The daemon at a socket; undefined where nothing listens there. Each request has a connection of its own (a Unix
 * socket costs nothing), so nothing is held open between them.
 */
export async function connect(
  socketPath: string,
  options: ClientOptions = {},
): Promise<DaemonClient | undefined> {
  const probe = await dial(socketPath);
  if (probe === undefined) return undefined;
  probe.destroy();
  return new SocketClient(socketPath, options.answerWithinMs ?? PROMPT_MS);
}

/** How long a process that is being killed may still take connections. */
const DYING_MS = 250;
const DYING_POLL_MS = 10;

/**
 * The same, and undefined also where a daemon is being killed: it takes connections for a moment yet, and ends them
 * without a word. What else may be wrong with whoever listens, the first real request tells in its own words.
 */
export async function connectToLiving(socketPath: string): Promise<DaemonClient | undefined> {
  const until = performance.now() + DYING_MS;
  for (;;) {
    const client = await connect(socketPath);
    if (client === undefined || (await isAnswering(client)) || performance.now() > until) return client;
    await new Promise((resolve) => setTimeout(resolve, DYING_POLL_MS));
  }
}

async function isAnswering(client: DaemonClient): Promise<boolean> {
  try {
    await client.info();
    return true;
  } catch (error) {
    return !(error instanceof ClientError && error.code === 'daemon-gone');
  }
}

class SocketClient implements DaemonClient {
  readonly #socketPath: string;
  readonly #promptMs: number;
  readonly #open = new Set<Exchange>();
  /** For each instance, the last of what is being written to it. */
  readonly #inputs = new Map<InstanceId, Promise<void>>();
  #closing = false;

  constructor(socketPath: string, promptMs: number) {
    this.#socketPath = socketPath;
    this.#promptMs = promptMs;
  }

  info(): Promise<DaemonInfo> {
    return this.#ask('getInfo', {});
  }

  snapshot(): Promise<ProjectSnapshot> {
    return this.#ask('getStatus', {});
  }

  explain(service: ServiceId): Promise<ExplainResponse> {
    return this.#ask('explainService', { params: { id: service } });
  }

  plan(request: ApplyRequest): Promise<PlanResponse> {
    return this.#ask('plan', { body: request });
  }

  apply(request: ApplyRequest): Promise<ApplyResponse> {
    return this.#ask('apply', { body: request });
  }

  reload(request: ReloadRequest): Promise<ReloadResponse> {
    return this.#ask('reload', { body: request });
  }

  async review(hold: boolean): Promise<void> {
    await this.#ask('review', { body: { hold } });
  }

  act(request: ActionRequest): Promise<ActionResponse> {
    return this.#ask('act', { body: request });
  }

  down(request: DownRequest): Promise<DownResponse> {
    return this.#json(operationRequest('down', { body: request }));
  }

  events(query: EventQuery, signal?: AbortSignal): AsyncIterable<ProjectEvent> {
    return this.#stream('listEvents', { query }, query.follow ? 'ends' : 'fails', signal);
  }

  logs({ select, since, after, ...rest }: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine> {
    const query = {
      name: select.names,
      label: select.labels,
      ...rest,
      ...(since === undefined ? {} : { since: Math.max(0, Math.floor(since)) }),
      after: (after ?? []).map(({ instance, stream, at }) => `${instance}:${stream}:${at}`),
    };
    return this.#stream('readLogs', { query }, 'fails', signal);
  }

  watch(signal?: AbortSignal): AsyncIterable<WatchItem> {
    return this.#stream('watch', {}, 'fails', signal);
  }

  stats(atOnce = false): Promise<StatsResponse> {
    return this.#ask('getStats', { query: { 'at-once': atOnce } });
  }

  timeline(): Promise<TimelineResponse> {
    return this.#ask('getTimeline', {});
  }

  input(instance: InstanceId, data: Uint8Array): Promise<void> {
    const copy = Uint8Array.from(data);
    const turn = (this.#inputs.get(instance) ?? Promise.resolve()).then(() =>
      this.#write('writeInput', instance, copy),
    );
    this.#inputs.set(instance, turn);
    const over = (): void => {
      if (this.#inputs.get(instance) === turn) this.#inputs.delete(instance);
    };
    turn.then(over, over);
    return turn;
  }

  async resize(instance: InstanceId, columns: number, rows: number): Promise<void> {
    await this.#ask('resizeTerminal', { params: { id: instance }, body: { columns, rows } });
  }

  output(instance: InstanceId, backlogBytes: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const query = { backlog: Math.max(0, Math.floor(backlogBytes)) };
    const request = operationRequest('followOutput', { params: { id: instance }, query }, this.#promptMs);
    return abortable((ends) => this.#received(request, 'fails', ends, (body) => body), signal);
  }

  async exec(instance: InstanceId, command: ExecCommand): Promise<ExecChannel> {
    const exchange = await this.#exchange();
    try {
      const given = { params: { id: instance }, body: command };
      await this.#head(exchange, operationRequest('exec', given, this.#promptMs * PATIENT_FACTOR));
      const items = linesOf<ExecItem>(exchange.body());
      const first = await items.next();
      if (first.done === true) throw daemonGone();
      if (first.value.type !== 'begun')
        throw new ClientError('bad-answer', 'the daemon does not say what it has begun');
      return this.#channel(exchange, items, first.value.id);
    } catch (error) {
      this.#release(exchange);
      throw this.#isClosed() ? clientClosed() : error;
    }
  }

  #channel(exchange: Exchange, items: AsyncGenerator<ExecItem, void>, id: string): ExecChannel {
    const params = { id };
    const release = (): void => this.#release(exchange);
    const order = { last: Promise.resolve() };
    const inTurn = (act: () => Promise<void>): Promise<void> => {
      const turn = order.last.then(act);
      order.last = turn.catch(() => undefined);
      return turn;
    };
    async function* rest(): AsyncGenerator<Exclude<ExecItem, { type: 'begun' }>, void> {
      let ended = false;
      try {
        for await (const item of items) {
          if (item.type === 'begun') continue;
          ended ||= item.type === 'ended';
          yield item;
        }
      } finally {
        release();
      }
      if (!ended) throw daemonGone();
    }
    return {
      items: rest(),
      write: (data) => {
        const copy = Uint8Array.from(data);
        return inTurn(() => this.#write('writeExecInput', id, copy));
      },
      endInput: () =>
        inTurn(async () => {
          await this.#ask('endExecInput', { params });
        }),
      resize: async (columns, rows) => {
        await this.#ask('resizeExec', { params, body: { columns, rows } });
      },
      close: release,
    };
  }

  async handOver(reason: string): Promise<void> {
    await this.#ask('handOver', { body: { reason } });
  }

  async lease(): Promise<Lease | undefined> {
    const exchange = await this.#exchange();
    try {
      await this.#head(exchange, operationRequest('holdLease', {}, this.#promptMs));
      const lines = jsonLines(exchange.body());
      const first = await lines.next();
      const said = (first.done === true ? undefined : first.value) as
        { lease?: unknown; id?: unknown } | undefined;
      if (said?.lease === 'granted' && typeof said.id === 'string')
        return this.#held(exchange, lines, said.id);
      this.#release(exchange);
      if (said?.lease === 'taken') return undefined;
      throw said === undefined
        ? daemonGone()
        : new ClientError('bad-answer', 'the daemon does not say who holds the lease');
    } catch (error) {
      this.#release(exchange);
      throw this.#isClosed() ? clientClosed() : error;
    }
  }

  /** Ends everything that is under way. A lease that is held ends, too, and the project with it. */
  close(): void {
    this.#closing = true;
    for (const exchange of this.#open) this.#release(exchange);
  }

  #held(exchange: Exchange, lines: AsyncGenerator<unknown, void>, id: string): Lease {
    const ended = (async (): Promise<void> => {
      try {
        while ((await lines.next()).done !== true);
      } catch {
        // However the connection ended, it has.
      } finally {
        this.#release(exchange);
      }
    })();
    return {
      ended,
      detach: async () => {
        await this.#ask('detachLease', { body: { id } });
        await ended;
      },
    };
  }

  /** One whole answer; what may have to read files or to wait its turn is given more time. */
  #ask<K extends OperationOf<'json'>>(
    operation: K,
    given: Operations[K]['request'],
  ): Promise<Operations[K]['answer']> {
    const patience = endpoints[operation].method === 'GET' ? 1 : PATIENT_FACTOR;
    return this.#json(operationRequest(operation, given, this.#promptMs * patience));
  }

  async #json<T>(request: Request): Promise<T> {
    const exchange = await this.#exchange();
    try {
      await this.#head(exchange, request);
      return (await readJson(exchange)) as T;
    } catch (error) {
      throw this.#isClosed() ? clientClosed() : error;
    } finally {
      this.#release(exchange);
    }
  }

  /** In pieces that the daemon takes, one after another: each has a connection of its own, and order counts. */
  async #write(operation: 'writeInput' | 'writeExecInput', id: string, data: Uint8Array): Promise<void> {
    const { octets } = endpoints[operation];
    for (let start = 0; start < data.length; start += octets) {
      const body = data.subarray(start, start + octets);
      await this.#json(operationRequest(operation, { params: { id }, body }));
    }
  }

  /** `whenCut`: whether a daemon that vanishes is an ordinary end of the stream or a failure of it. */
  #stream<K extends OperationOf<'lines'>>(
    operation: K,
    given: Operations[K]['request'],
    whenCut: WhenCut,
    signal?: AbortSignal,
  ): AsyncIterable<Operations[K]['answer']> {
    const request = operationRequest(operation, given, this.#promptMs);
    return abortable(
      (ends) => this.#received(request, whenCut, ends, linesOf<Operations[K]['answer']>),
      signal,
    );
  }

  /** Items of the answer, decoded by `items`. */
  async *#received<T>(
    request: Request,
    whenCut: WhenCut,
    signal: AbortSignal,
    items: (body: AsyncGenerator<Buffer, void>) => AsyncIterable<T>,
  ): AsyncGenerator<T, undefined> {
    if (hasAborted(signal)) return undefined;
    const exchange = await this.#exchange();
    const stop = (): void => exchange.destroy();
    signal.addEventListener('abort', stop);
    try {
      if (hasAborted(signal)) return undefined;
      await this.#head(exchange, request);
      for await (const item of items(exchange.body())) {
        if (hasAborted(signal)) return undefined;
        yield item;
      }
      if (!exchange.complete && whenCut === 'fails' && !hasAborted(signal) && !this.#isClosed())
        throw daemonGone();
    } catch (error) {
      if (!hasAborted(signal) && !this.#isClosed()) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#release(exchange);
    }
    return undefined;
  }

  async #exchange(): Promise<Exchange> {
    if (this.#isClosed()) throw clientClosed();
    const socket = await dial(this.#socketPath);
    if (socket === undefined) throw daemonGone();
    const exchange = new Exchange(socket);
    this.#open.add(exchange);
    if (!this.#isClosed()) return exchange;
    this.#release(exchange);
    throw clientClosed();
  }

  /** Sends the request; throws what the daemon says where it does not grant it. */
  async #head(exchange: Exchange, request: Request): Promise<void> {
    const status = await exchange.send(request);
    if (status >= 200 && status < 300) return;
    throw (
      failureIn(await readJson(exchange), status) ??
      new ClientError('bad-answer', `the daemon answers ${status}`, { status })
    );
  }

  #isClosed(): boolean {
    return this.#closing;
  }

  #release(exchange: Exchange): void {
    exchange.destroy();
    this.#open.delete(exchange);
  }
}

type WhenCut = 'ends' | 'fails';

async function readJson(exchange: Exchange): Promise<unknown> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of exchange.body()) {
    pieces.push(piece);
    size += piece.length;
    if (size > LONGEST_ANSWER_BYTES) {
      throw new ClientError('bad-answer', `the answer is larger than ${LONGEST_ANSWER_BYTES} bytes`);
    }
  }
  if (!exchange.complete) throw daemonGone();
  try {
    return JSON.parse(Buffer.concat(pieces, size).toString('utf8'));
  } catch {
    throw new ClientError('bad-answer', 'the answer of the daemon is not JSON');
  }
}

function clientClosed(): ClientError {
  return new ClientError('closed', 'the connection to the daemon was closed');
}

/** Read anew each time: it changes while something is awaited. */
function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
