import type { IncomingMessage } from 'node:http';
import type { Failure } from './failure.ts';

/** The names this server goes by; any other in `Host` means that a client was led here under a foreign name. */
const HOSTS = /^(?:setpoint|localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?$/i;

/**
 * Keeps web pages out. Who can open the socket may do everything, and a browser on this machine could be made to open
 * it for a page (by DNS rebinding, or through a forwarding proxy); browsers give themselves away by these headers.
 */
export function refusedOrigin({ headers }: IncomingMessage): Failure | undefined {
  if (headers.origin !== undefined) {
    return {
      code: 'forbidden',
      message: 'requests of web pages are not answered (an Origin header is present)',
    };
  }
  if (headers.host === undefined || HOSTS.test(headers.host)) return undefined;
  return {
    code: 'forbidden',
    message: 'the Host header names another server',
    help: 'use the host name `setpoint` or `localhost`',
  };
}
