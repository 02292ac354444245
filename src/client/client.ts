import type {
  ActionRequest,
  ActionResponse,
  ApplyRequest,
  ApplyResponse,
  DaemonInfo,
  DownRequest,
  DownResponse,
  ExplainResponse,
  LogLine,
  LogQuery,
  PlanResponse,
  ProjectSnapshot,
  WatchItem,
} from '../core/api.ts';
import type { Happening } from '../core/event.ts';
import type { ServiceId } from '../core/service.ts';
import { ClientError, daemonGone } from './client-error.ts';
import { dial, Exchange, type Request } from './exchange.ts';
import { jsonLines } from './json-lines.ts';
import type { DaemonClient, EventQuery, Lease } from './types.ts';

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

class SocketClient implements DaemonClient {
  readonly #socketPath: string;
  readonly #promptMs: number;
  readonly #open = new Set<Exchange>();
  #closing = false;

  constructor(socketPath: string, promptMs: number) {
    this.#socketPath = socketPath;
    this.#promptMs = promptMs;
  }

  info(): Promise<DaemonInfo> {
    return this.#get('/v1/info');
  }

  snapshot(): Promise<ProjectSnapshot> {
    return this.#get('/v1/status');
  }

  explain(service: ServiceId): Promise<ExplainResponse> {
    return this.#get(`/v1/services/${encodeURIComponent(service)}/explain`);
  }

  plan(request: ApplyRequest): Promise<PlanResponse> {
    return this.#post('/v1/plan', request);
  }

  apply(request: ApplyRequest): Promise<ApplyResponse> {
    return this.#post('/v1/apply', request);
  }

  act(request: ActionRequest): Promise<ActionResponse> {
    return this.#post('/v1/actions', request);
  }

  down(request: DownRequest): Promise<DownResponse> {
    return this.#json({ method: 'POST', path: '/v1/down', body: request });
  }

  events({ limit, follow, service }: EventQuery, signal?: AbortSignal): AsyncIterable<Happening> {
    const path = withQuery('/v1/events', [
      ['limit', limit],
      ['follow', follow],
      ['service', service],
    ]);
    return this.#stream(path, follow ? 'ends' : 'fails', signal);
  }

  logs(query: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine> {
    const path = withQuery('/v1/logs', [
      ...query.select.names.map((name): Parameter => ['name', name]),
      ...query.select.labels.map((label): Parameter => ['label', label]),
      ['tail', query.tail],
      ['follow', query.follow],
      ['since', query.since === undefined ? undefined : Math.max(0, Math.floor(query.since))],
      ['stream', query.stream],
      ['previous', query.previous],
    ]);
    return this.#stream(path, query.follow ? 'ends' : 'fails', signal);
  }

  watch(signal?: AbortSignal): AsyncIterable<WatchItem> {
    return this.#stream('/v1/watch', 'fails', signal);
  }

  async lease(): Promise<Lease | undefined> {
    const exchange = await this.#exchange();
    try {
      await this.#head(exchange, { method: 'POST', path: '/v1/lease', answerWithinMs: this.#promptMs });
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
        await this.#post('/v1/lease/detach', { id });
        await ended;
      },
    };
  }

  #get<T>(path: string): Promise<T> {
    return this.#json({ method: 'GET', path, answerWithinMs: this.#promptMs });
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    return this.#json({ method: 'POST', path, body, answerWithinMs: this.#promptMs * PATIENT_FACTOR });
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

  /** `whenCut`: whether a daemon that vanishes is an ordinary end of the stream or a failure of it. */
  #stream<T>(path: string, whenCut: 'ends' | 'fails', signal?: AbortSignal): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => {
        const stop = new AbortController();
        const signals = signal === undefined ? [stop.signal] : [stop.signal, signal];
        const lines = this.#lines<T>(path, whenCut, AbortSignal.any(signals));
        return {
          next: () => lines.next(),
          // A generator would finish the step it is at first, and a quiet stream never does.
          return: () => {
            stop.abort();
            return lines.return(undefined);
          },
        };
      },
    };
  }

  async *#lines<T>(
    path: string,
    whenCut: 'ends' | 'fails',
    signal: AbortSignal,
  ): AsyncGenerator<T, undefined> {
    if (hasAborted(signal)) return undefined;
    const exchange = await this.#exchange();
    const stop = (): void => exchange.destroy();
    signal.addEventListener('abort', stop);
    try {
      if (hasAborted(signal)) return undefined;
      await this.#head(exchange, { method: 'GET', path, answerWithinMs: this.#promptMs });
      for await (const line of jsonLines(exchange.body())) {
        if (hasAborted(signal)) return undefined;
        const failure = failureIn(line);
        if (failure !== undefined) throw failure;
        yield line as T;
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
    const { status } = await exchange.send(request);
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

function failureIn(value: unknown, status?: number): ClientError | undefined {
  const { error } = (typeof value === 'object' && value !== null ? value : {}) as { error?: unknown };
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, message, help } = error as { code?: unknown; message?: unknown; help?: unknown };
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  const advice = code === 'unknown-route' ? OTHER_VERSION : help;
  return new ClientError(code, message, {
    ...(typeof advice === 'string' ? { help: advice } : {}),
    ...(status === undefined ? {} : { status }),
  });
}

const OTHER_VERSION = 'the daemon is of another version; `setpoint down` and `setpoint up` replace it';

type Parameter = readonly [name: string, value: string | number | boolean | undefined];

function withQuery(path: string, parameters: readonly Parameter[]): string {
  const given = parameters.flatMap(([name, value]) =>
    value === undefined || value === false ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? path : `${path}?${given.join('&')}`;
}

function clientClosed(): ClientError {
  return new ClientError('closed', 'the connection to the daemon was closed');
}

/** Read anew each time: it changes while something is awaited. */
function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
