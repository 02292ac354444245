import { badRequest, type Failure } from './failure.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { Route } from './routes.ts';

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** A failure, with the methods that the path does have where it is the method that is wrong. */
interface NoMatch {
  readonly failure: Failure;
  readonly allow?: string;
}

export function matchRoute(routes: readonly Route[], method: string, path: string): Result<Match, NoMatch> {
  const segments = decodeSegments(path);
  if (segments === undefined) return err({ failure: badRequest('the path is not percent-encoded UTF-8') });
  const here = routes.flatMap((route) => {
    const params = matchPath(route.path, segments);
    return params === undefined ? [] : [{ route, params }];
  });
  const match = here.find(({ route }) => route.method === method);
  if (match !== undefined) return ok(match);
  if (here.length === 0)
    return err({ failure: { code: 'unknown-route', message: 'there is nothing at this path' } });
  const allow = here.map(({ route }) => route.method).join(', ');
  return err({ failure: { code: 'method-not-allowed', message: `this path takes only ${allow}` }, allow });
}

function matchPath(
  pattern: string,
  segments: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const wanted = pattern.split('/');
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
