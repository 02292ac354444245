import { endpoints, type OperationId, type Operations } from '../core/api.ts';
import type { Request } from './exchange.ts';

/** The operations whose answer is one JSON value, or one in each line, ... */
export type OperationOf<Kind extends Operations[OperationId]['kind']> = {
  readonly [K in OperationId]: Operations[K]['kind'] extends Kind ? K : never;
}[OperationId];

type QueryValue = string | number | boolean | readonly string[] | undefined;

/** What the request of an operation may have. */
interface Given {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly body?: unknown;
}

/** The request as HTTP has it. */
export function operationRequest<K extends OperationId>(
  operation: K,
  given: Operations[K]['request'],
  answerWithinMs?: number,
): Request {
  const { params = {}, query = {}, body }: Given = given;
  const { method, path } = endpoints[operation];
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  return {
    method,
    path: filled + queryText(query),
    ...(body === undefined ? {} : { body }),
    ...(answerWithinMs === undefined ? {} : { answerWithinMs }),
  };
}

function queryText(query: Readonly<Record<string, QueryValue>>): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    (value === undefined || value === false ? [] : [value].flat()).map(
      // A colon needs no encoding there (RFC 3986, 3.4), and places in logs are many.
      (one) => `${name}=${encodeURIComponent(one).replaceAll('%3A', ':')}`,
    ),
  );
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}
