import { endpoints, type OperationId } from '../../core/api.ts';
import { badRequest, type Failure } from './failure.ts';
import { err, ok, type Result } from '../../core/util/result.ts';

export interface Match {
  readonly operation: OperationId;
  readonly params: Readonly<Record<string, string>>;
}

/** A failure, with the methods that the path does have where it is the method that is wrong. */
interface NoMatch {
  readonly failure: Failure;
  readonly allow?: string;
}

interface Endpoint {
  readonly operation: OperationId;
  readonly method: string;
  readonly path: readonly string[];
}

const table: readonly Endpoint[] = Object.entries(endpoints).map(([operation, { method, path }]) => ({
  operation: operation as OperationId,
  method,
  path: path.split('/'),
}));

export function matchOperation(method: string, path: string): Result<Match, NoMatch> {
  const segments = decodeSegments(path);
  if (segments === undefined) return err({ failure: badRequest('the path is not percent-encoded UTF-8') });
  const here = table.flatMap((endpoint) => {
    const params = matchPath(endpoint.path, segments);
    return params === undefined ? [] : [{ endpoint, params }];
  });
  const match = here.find(({ endpoint }) => endpoint.method === method);
  if (match !== undefined) return ok({ operation: match.endpoint.operation, params: match.params });
  if (here.length === 0)
    return err({ failure: { code: 'unknown-route', message: 'there is nothing at this path' } });
  const allow = here.map(({ endpoint }) => endpoint.method).join(', ');
  return err({ failure: { code: 'method-not-allowed', message: `this path takes only ${allow}` }, allow });
}

function matchPath(
  wanted: readonly string[],
  segments: readonly string[],
): Readonly<Record<string, string>> | undefined {
  if (wanted.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const given = segments[index] ?? '';
    if (part.startsWith('{') && given !== '') params[part.slice(1, -1)] = given;
    else if (part !== given) return undefined;
  }
  return params;
}

function decodeSegments(path: string): readonly string[] | undefined {
  try {
    return path.split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
