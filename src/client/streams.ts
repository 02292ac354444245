import { ClientError } from './client-error.ts';
import { jsonLines } from './json-lines.ts';

/** Lines of a stream; one that tells of a failure throws it. */
export async function* linesOf<T>(body: AsyncGenerator<Buffer, void>): AsyncGenerator<T, void> {
  for await (const line of jsonLines(body)) {
    const failure = failureIn(line);
    if (failure !== undefined) throw failure;
    yield line as T;
  }
}

/** What `start` begins anew for each reader; it ends when the reader leaves or `signal` aborts. */
export function abortable<T>(
  start: (signal: AbortSignal) => AsyncGenerator<T, undefined>,
  signal: AbortSignal | undefined,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => {
      const stop = new AbortController();
      const items = start(AbortSignal.any(signal === undefined ? [stop.signal] : [stop.signal, signal]));
      return {
        next: () => items.next(),
        // A generator would finish the step it is at first, and a quiet stream never does.
        return: () => {
          stop.abort();
          return items.return(undefined);
        },
      };
    },
  };
}

/** What the daemon says of a request that it does not grant; undefined where `value` says nothing of the kind. */
export function failureIn(value: unknown, status?: number): ClientError | undefined {
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
