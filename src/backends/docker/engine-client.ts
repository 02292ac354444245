import { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { StartFailure } from '../../core/exit.ts';
import { inspect } from 'node:util';
import { err, ok, type Result } from '../../core/util/result.ts';
import { asRecord } from '../../core/util/record.ts';
import { describeEndpoint, type Endpoint, findEndpoint } from '../../host/engine-endpoint.ts';
import { type Docker, type DockerOptions, loadDockerode } from './dockerode.ts';
import { jsonLines } from './json-lines.ts';
import { sshAgent } from './ssh.ts';

/** Whether the engine can be spoken to. `unknown`: it is there and does not answer. */
export type EngineReach = 'available' | 'unavailable' | 'unknown';

/** Why the engine did not do what it was asked. */
export type EngineFailure =
  | { readonly kind: 'away'; readonly reason: string; readonly help: string }
  | { readonly kind: 'silent'; readonly reason: string; readonly help: string }
  /** It answered, with an HTTP status of failure. */
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

export type EngineResult<T> = Result<T, EngineFailure>;

interface EngineOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long an answer may take before the engine counts as silent. */
  readonly answerMs?: number;
  /** How often an engine that is needed is asked for a sign of life. */
  readonly heartbeatMs?: number;
}

/** API of Docker 20.10, the oldest with `platform` and one-shot stats. */
const OLDEST_API = '1.41';
/** The newest whose answers are understood here; a later engine is asked to speak it. */
const NEWEST_API = '1.47';
const ANSWER_MS = 10_000;
const HEARTBEAT_MS = 5_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;
/** What nobody waits for any more is cut off after this long. */
const SOCKET_IDLE_MS = 120_000;

/** The part of `docker-modem` that is called directly. */
interface Modem {
  dial(
    options: Readonly<Record<string, unknown>>,
    done: (error: Error | null, stream: NodeJS.ReadableStream | null) => void,
  ): void;
}

interface Clients {
  /** For what answers soon: idle sockets are closed. */
  readonly requests: Docker;
  /** For what may be quiet for hours. */
  readonly streams: Docker;
}

/**
 * The connection to one engine. It is looked for anew after every failure, so that a restarted or upgraded engine, or
 * another context, needs nothing. `dockerode` is loaded with the first request.
 */
export class EngineClient {
  readonly #options: EngineOptions;
  readonly #answerMs: number;
  readonly #listeners = new Set<() => void>();
  #clients: Promise<EngineResult<Clients>> | undefined;
  #reach: EngineReach = 'available';
  #awayReason: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#answerMs = options.answerMs ?? ANSWER_MS;
  }

  /** As the last request found it; `available` before there was any. */
  get reach(): EngineReach {
    return this.#reach;
  }

  /** Why it cannot be spoken to, as it was found last; undefined where it can. */
  get awayReason(): string | undefined {
    return this.#awayReason;
  }

  /** Whether its files are this machine's: only then can a mount's source be looked at from here. */
  get isLocal(): boolean {
    const endpoint = findEndpoint(this.#options.env);
    return endpoint.ok && endpoint.value.kind === 'unix';
  }

  /** Does one short thing. Never rejects; gives it up after `withinMs`. */
  async request<T>(
    call: (docker: Docker) => Promise<T>,
    withinMs = this.#answerMs,
  ): Promise<EngineResult<T>> {
    const clients = await this.#connected();
    if (!clients.ok) return clients;
    return this.#noted(await this.#within(call(clients.value.requests), withinMs));
  }

  /** Opens something that lasts. What is opened is the caller's to close; opening it is bounded as a request is. */
  async open<T>(call: (docker: Docker) => Promise<T>): Promise<EngineResult<T>> {
    const clients = await this.#connected();
    if (!clients.ok) return clients;
    return this.#noted(await this.#within(call(clients.value.streams), this.#answerMs));
  }

  /**
   * Waits for the end of a container, however long that takes; its status is the value. The engine's going away ends the
   * waiting. The package's own call never comes back from an answer that breaks off in its midst.
   */
  async waitForContainer(id: string, signal: AbortSignal): Promise<EngineResult<number>> {
    const opened = await this.wait(
      (docker) =>
        new Promise<NodeJS.ReadableStream>((resolve, reject) => {
          (docker.modem as unknown as Modem).dial(
            {
              path: `/containers/${id}/wait`,
              method: 'POST',
              isStream: true,
              abortSignal: signal,
              statusCodes: { 200: true, 404: 'no such container' },
            },
            (error, stream) => {
              if (stream === null || error !== null) reject(error ?? new Error('no answer'));
              else resolve(stream);
            },
          );
        }),
    );
    if (!opened.ok) return opened;
    try {
      for await (const answer of jsonLines(opened.value)) {
        const status = asRecord(answer)?.['StatusCode'];
        if (typeof status === 'number') return this.#noted(ok(status));
      }
    } catch {
      // It broke off; whether the engine is there the next request shows.
    }
    return err({ kind: 'refused', status: 0, reason: 'the waiting broke off' });
  }

  /** Opens something whose answer may take for ever to begin; the engine's going away ends it. */
  async wait<T>(call: (docker: Docker) => Promise<T>): Promise<EngineResult<T>> {
    const clients = await this.#connected();
    if (!clients.ok) return clients;
    return call(clients.value.streams).then(ok, (error: unknown) => this.#noted(err(this.failureOf(error))));
  }

  /**
   * Calls `listener` after each change of `reach`, until the answer is called. While anybody listens, the engine is asked
   * for a sign of life every few seconds, and more often while it is away.
   */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#schedule();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Resolves once the engine answers; at once where it does. Rejects only when `signal` aborts. */
  async untilAvailable(signal: AbortSignal): Promise<void> {
    if (this.#reach === 'available') return;
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        if (this.#reach !== 'available' && !signal.aborted) return;
        stop();
        signal.removeEventListener('abort', done);
        if (signal.aborted) reject(new Error('given up'));
        else resolve();
      };
      const stop = this.watch(done);
      signal.addEventListener('abort', done);
      done();
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#listeners.clear();
  }

  /** What went wrong with a call, in words. */
  failureOf(error: unknown): EngineFailure {
    const { message, status, code } = errorParts(error);
    if (status !== undefined) return { kind: 'refused', status, reason: message };
    // We broke it off ourselves: says nothing about the engine.
    if (code === 'ABORT_ERR') return { kind: 'refused', status: 0, reason: 'it was given up' };
    const endpoint = findEndpoint(this.#options.env);
    if (!endpoint.ok) return { kind: 'away', reason: endpoint.error, help: 'correct it, or unset it' };
    return { kind: 'away', ...explainAway(endpoint.value, code, message) };
  }

  async #connected(): Promise<EngineResult<Clients>> {
    this.#clients ??= this.#connect();
    const clients = await this.#clients;
    if (!clients.ok) this.#clients = undefined;
    return this.#noted(clients);
  }

  async #connect(): Promise<EngineResult<Clients>> {
    const endpoint = findEndpoint(this.#options.env);
    if (!endpoint.ok) return err({ kind: 'away', reason: endpoint.error, help: 'correct it, or unset it' });
    const Client = await loadDockerode();
    const options = clientOptions(endpoint.value, this.#options.env);
    const probe = new Client({ ...options, timeout: SOCKET_IDLE_MS });
    const version = await this.#within(probe.version(), this.#answerMs);
    if (!version.ok) return version;
    const { ApiVersion: offered, Version: engine, Os: os } = version.value;
    if (compareVersions(offered, OLDEST_API) < 0) {
      const reason = `the engine at ${describeEndpoint(endpoint.value)} is version ${engine} (API ${offered})`;
      return err({ kind: 'away', reason, help: `Docker 20.10 (API ${OLDEST_API}) or newer is needed` });
    }
    if (os !== 'linux') {
      const reason = `the engine at ${describeEndpoint(endpoint.value)} runs ${os} containers`;
      return err({ kind: 'away', reason, help: 'switch it to Linux containers' });
    }
    const api = speak(offered, version.value.MinAPIVersion);
    return ok({
      requests: new Client({ ...options, version: `v${api}`, timeout: SOCKET_IDLE_MS }),
      streams: new Client({ ...options, version: `v${api}` }),
    });
  }

  async #within<T>(answer: Promise<T>, withinMs: number): Promise<EngineResult<T>> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<EngineResult<T>>((resolve) => {
      timer = setTimeout(() => resolve(err(this.#silent(withinMs))), withinMs);
    });
    const outcome = answer.then(ok, (error: unknown) => err(this.failureOf(error)));
    try {
      return await Promise.race([outcome, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  #silent(withinMs = this.#answerMs): EngineFailure {
    return {
      kind: 'silent',
      reason: `the engine has not answered within ${withinMs / 1000} s`,
      help: 'it may be hung or very busy; what runs on it is not known until it answers',
    };
  }

  #noted<T>(result: EngineResult<T>): EngineResult<T> {
    const kind = result.ok ? 'refused' : result.error.kind;
    this.#awayReason = result.ok || kind === 'refused' ? undefined : result.error.reason;
    this.#become(kind === 'refused' ? 'available' : kind === 'away' ? 'unavailable' : 'unknown');
    return result;
  }

  #become(reach: EngineReach): void {
    if (reach === this.#reach || this.#closed) return;
    this.#reach = reach;
    this.#retryMs = FIRST_RETRY_MS;
    // The engine that comes back may be another one.
    if (reach !== 'available') this.#clients = undefined;
    this.#schedule(true);
    for (const listener of [...this.#listeners]) listener();
  }

  #schedule(again = false): void {
    if (this.#closed || this.#listeners.size === 0 || (this.#timer !== undefined && !again)) return;
    clearTimeout(this.#timer);
    const heartbeat = this.#options.heartbeatMs ?? HEARTBEAT_MS;
    const delay = this.#reach === 'available' ? heartbeat : Math.min(this.#retryMs, heartbeat);
    this.#timer = setTimeout(() => void this.#beat(), delay);
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    await this.request((docker) => docker.ping());
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    this.#schedule(true);
  }
}

/** A failure of the engine that kept a run from starting. */
export function startFailureOf(failure: EngineFailure, doing: string): StartFailure {
  if (failure.kind === 'refused') return { code: 'other', message: `${doing}: ${failure.reason}` };
  return { code: 'engine-unavailable', message: `${doing}: ${failure.reason}`, help: failure.help };
}

/**
 * The package writes out the options of every request for a log that nobody reads: down to the last socket of the agent,
 * which with dozens of open streams takes longer than the request.
 */
function opaque(agent: Agent): Agent {
  return Object.assign(agent, { [inspect.custom]: () => 'agent' });
}

function clientOptions(endpoint: Endpoint, env: EngineOptions['env']): DockerOptions {
  // Whatever is left out here the package would take from this process's environment.
  const none = { host: undefined, socketPath: undefined, port: undefined, ca: undefined, cert: undefined };
  // A connection that was kept would be the one thing that fails after the engine was restarted.
  const agent = opaque(new Agent({ keepAlive: false }));
  switch (endpoint.kind) {
    case 'unix':
      return { ...none, key: undefined, protocol: 'http', socketPath: endpoint.path, ...{ agent } };
    case 'tcp': {
      const { host, port, tls } = endpoint;
      const address = { host: host.includes(':') ? `[${host}]` : host, port, ...{ pathPrefix: '/' } };
      if (tls === undefined) return { ...none, key: undefined, ...address, protocol: 'http', ...{ agent } };
      const { ca, cert, key, verify } = tls;
      const secure = opaque(new TlsAgent({ keepAlive: false, rejectUnauthorized: verify }));
      return { ...none, ...address, protocol: 'https', ca, cert, key, ...{ agent: secure } };
    }
    case 'ssh': {
      const address = { host: 'docker', port: 80, ...{ pathPrefix: '/' } };
      return {
        ...none,
        key: undefined,
        ...address,
        protocol: 'http',
        ...{ agent: opaque(sshAgent(endpoint, env)) },
      };
    }
  }
}

function speak(offered: string, oldest: string | undefined): string {
  if (compareVersions(offered, NEWEST_API) <= 0) return offered;
  return oldest !== undefined && compareVersions(oldest, NEWEST_API) > 0 ? oldest : NEWEST_API;
}

export function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < 2; i += 1) {
    const difference = (x?.[i] ?? 0) - (y?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function errorParts(error: unknown): { message: string; status?: number; code?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const { statusCode, json, code } = error as Error & {
    statusCode?: unknown;
    json?: unknown;
    code?: unknown;
  };
  if (typeof statusCode === 'number') {
    const said = asRecord(json)?.['message'];
    return { status: statusCode, message: (typeof said === 'string' ? said : error.message).trim() };
  }
  return { message: error.message, ...(typeof code === 'string' ? { code } : {}) };
}

function explainAway(
  endpoint: Endpoint,
  code: string | undefined,
  message: string,
): { readonly reason: string; readonly help: string } {
  const where = `${describeEndpoint(endpoint)} (${endpoint.from})`;
  const start = 'start Docker, or name another engine with DOCKER_HOST or a docker context';
  switch (code ?? '') {
    case 'ENOENT':
      return { reason: `there is no Docker engine at ${where}`, help: start };
    case 'ECONNREFUSED':
      return {
        reason: endpoint.kind === 'ssh' ? message : `no Docker engine listens at ${where}`,
        help: endpoint.kind === 'ssh' ? `try \`ssh ${endpoint.destination} docker version\`` : start,
      };
    case 'EACCES':
    case 'EPERM':
      return {
        reason: `the Docker engine at ${where} may not be used by this user`,
        help: 'become a member of the group `docker`, or use a rootless engine',
      };
    default:
      return { reason: `the Docker engine at ${where} cannot be reached: ${message}`, help: start };
  }
}
