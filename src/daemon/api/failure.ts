import type { ApiError } from '../../core/api.ts';

/** Why a request was not granted, as it is told to the client. */
export type Failure = ApiError['error'];

const STATUS: Readonly<Record<string, number>> = {
  'bad-request': 400,
  forbidden: 403,
  'method-not-allowed': 405,
  'request-timeout': 408,
  'payload-too-large': 413,
  'unsupported-media-type': 415,
  'headers-too-large': 431,
  'internal-error': 500,
  'too-many-connections': 503,
};

/**
 * The HTTP status of a failure. `unknown-*` names something that is not there; a code that is not listed is the
 * project's answer that it cannot do this in its present state.
 */
export function statusOf(code: string): number {
  return STATUS[code] ?? (code.startsWith('unknown-') ? 404 : 409);
}

export function badRequest(message: string, help?: string): Failure {
  return { code: 'bad-request', message, ...(help === undefined ? {} : { help }) };
}

/** What a client is told of a bug of ours. The details stay in the daemon's log: they may hold secrets. */
export const INTERNAL: Failure = {
  code: 'internal-error',
  message: 'the daemon failed on this request',
  help: 'daemon.log in the state directory of the project has the details',
};
