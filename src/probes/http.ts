import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { formatDuration } from '../core/util/duration.ts';
import { messageOf } from '../core/util/system-error.ts';
import type { ConcreteCheck, ProbeResult } from '../ports/probes.ts';
import { describeError, lookOnce, lookupOf, type Finish } from './network.ts';

type HttpCheck = Extract<ConcreteCheck, { kind: 'http' }>;

/** No more of an answer is read. */
const MAX_BODY = 4096;

/**
 * Sends one request on a connection of its own, and compares the status of the answer; a redirection is not followed. All
 * of it has to happen in time, the end of the answer's body (or its first 4 KiB) included.
 */
export async function lookByHttp(
  check: HttpCheck,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const url = URL.canParse(check.url) ? new URL(check.url) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    return { ok: false, output: `\`${check.url}\` is not an absolute http: or https: URL` };
  }
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  let status = '';
  return lookOnce(
    timeoutMs,
    signal,
    (finish) => {
      let sent: ClientRequest;
      try {
        sent = request(url, optionsOf(check, url));
      } catch (cause) {
        // A method or header that HTTP does not know.
        finish({ ok: false, output: messageOf(cause) });
        return () => {};
      }
      sent.on('error', (error) => finish({ ok: false, output: failure(error) }));
      sent.on('response', (response) => {
        status = statusLine(response);
        readAnswer(response, check, status, finish);
      });
      sent.end();
      return () => sent.destroy();
    },
    () => {
      const within = `within ${formatDuration(timeoutMs)}`;
      return status === '' ? `no answer ${within}` : `${status}, but no end of the answer ${within}`;
    },
  );
}

function optionsOf({ method, headers }: HttpCheck, { hostname }: URL): RequestOptions {
  return {
    method,
    headers: { 'User-Agent': 'setpoint', ...headers },
    agent: false,
    autoSelectFamily: true,
    ...lookupOf(hostname),
  } as RequestOptions;
}

function readAnswer(response: IncomingMessage, check: HttpCheck, status: string, finish: Finish): void {
  const code = response.statusCode ?? 0;
  const ok = check.status.some(({ from, to }) => from <= code && code <= to);
  const chunks: Buffer[] = [];
  let length = 0;
  const done = (): void => {
    const line = ok ? '' : firstLine(Buffer.concat(chunks).subarray(0, MAX_BODY).toString('utf8'));
    finish({ ok, output: line === '' ? status : `${status}: ${line}` });
  };
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= MAX_BODY) done();
  });
  response.on('end', done);
  response.on('error', (error) => finish({ ok: false, output: `${status}, but then ${failure(error)}` }));
}

function statusLine({ statusCode, statusMessage = '', headers }: IncomingMessage): string {
  const to = statusCode !== undefined && statusCode >= 300 && statusCode < 400 ? headers.location : undefined;
  const reason = statusMessage === '' ? '' : ` ${statusMessage}`;
  return `HTTP ${statusCode ?? 0}${reason}${to === undefined ? '' : ` to ${to}`}`;
}

function firstLine(body: string): string {
  return /\S[^\r\n]*/.exec(body)?.[0].trimEnd() ?? '';
}

/** Node's words for a connection that is closed before the answer are "socket hang up". */
function failure(error: Error): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (message === 'socket hang up' || message === 'aborted')
    return 'the connection was closed before the answer was through';
  return code === 'ECONNRESET' ? 'the connection was reset' : describeError(error);
}
