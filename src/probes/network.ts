import type { LookupAddress, LookupOptions } from 'node:dns';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ProbeResult } from '../ports/probes.ts';

/** Gives a look's result; only the first counts. */
export type Finish = (result: ProbeResult) => void;

/**
 * Makes one look: `start` begins it and answers what ends it, whatever is under way. Resolves with the first result, with
 * that of `late` once `timeoutMs` have passed, or as given up once `signal` aborts; by then it has been ended.
 *
 * What has arrived by the timeout counts, even where this process comes round to reading it only later: a process that
 * was stopped and continued runs its timers first.
 */
export function lookOnce(
  timeoutMs: number,
  signal: AbortSignal,
  start: (finish: Finish) => () => void,
  late: () => string,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    let end = (): void => {};
    let done = false;
    const finish: Finish = (result) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      end();
      resolve(result);
    };
    const aborted = (): void => finish({ ok: false, output: 'given up' });
    const timer = setTimeout(() => {
      void nextTurn().then(() => finish({ ok: false, output: late() }));
    }, timeoutMs);
    if (signal.aborted) {
      aborted();
      return;
    }
    signal.addEventListener('abort', aborted);
    end = start(finish);
    // Where it was over before it had begun, there was nothing to end yet.
    if (isDone()) end();

    function isDone(): boolean {
      return done;
    }
  });
}

const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

type LookupDone = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/**
 * `localhost` is this machine by both families (RFC 6761, section 6.3), whatever its resolver says; other names are left
 * to that. For the options of a connection.
 */
export function lookupOf(host: string): {
  lookup?: (name: string, options: LookupOptions, done: LookupDone) => void;
} {
  if (!/^(?:.+\.)?localhost\.?$/i.test(host)) return {};
  return {
    lookup: (_name, { all }, done) => {
      if (all === true) done(null, [...LOOPBACK]);
      else done(null, '127.0.0.1', 4);
    },
  };
}

interface SystemError extends Error {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
  /** Of OpenSSL. */
  readonly reason?: string;
}

/** Why a connection failed: "ECONNREFUSED 127.0.0.1:5432". Of several attempts the first one's reason. */
export function describeError(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const { code, address, port, hostname, reason, message } = (
    first instanceof Error ? first : error
  ) as SystemError;
  if (code === undefined) return message;
  if (address !== undefined) return `${code} ${endpoint(address, port)}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `${code} ${hostname ?? ''}`.trimEnd();
  if (code.startsWith('HPE_')) return `the answer is not HTTP: ${message}`;
  const routine = reason ?? /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1];
  if (routine !== undefined) return `TLS: ${routine} (${code})`;
  if (/CERT|TLS|SSL|SIGNATURE|CRL/.test(code)) return `TLS: ${message} (${code})`;
  return message.includes(code) ? message : `${code}: ${message}`;
}

export function endpoint(host: string, port: number | string | undefined): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? name : `${name}:${port}`;
}
