import { connect } from 'node:net';
import { formatDuration } from '../core/util/duration.ts';
import type { ConcreteCheck, ProbeResult } from '../ports/probes.ts';
import { describeError, endpoint, lookOnce, lookupOf } from './network.ts';

/** Connects, and closes the connection again without having sent anything. */
export function lookByTcp(
  { host, port }: Extract<ConcreteCheck, { kind: 'tcp' }>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  return lookOnce(
    timeoutMs,
    signal,
    (finish) => {
      const socket = connect({ host, port, autoSelectFamily: true, ...lookupOf(host) });
      socket.once('connect', () => finish({ ok: true, output: 'connected' }));
      socket.on('error', (error) => finish({ ok: false, output: describeError(error) }));
      return () => socket.destroy();
    },
    () => `no connection to ${endpoint(host, port)} within ${formatDuration(timeoutMs)}`,
  );
}
