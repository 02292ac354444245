import type { LogLine, LogPlace, LogQuery } from '../core/api.ts';

/** How far somebody has come who follows logs, so that another daemon can go on with the very next line. */
export class LogCursor {
  readonly #places = new Map<string, LogPlace>();

  note({ instance, stream, at }: LogLine): void {
    this.#places.set(`${instance} ${stream}`, { instance, stream, at });
  }

  /**
   * What is to be asked now for what `query` asks for. Of a stream that nothing has come from yet, what was written
   * before `begunAt` (epoch ms, when `query` was asked first) was in no tail, and is not wanted now either.
   */
  goOn(query: LogQuery, begunAt: number): LogQuery {
    if (this.#places.size === 0) return query;
    const { tail, since, ...rest } = query;
    const from = tail === undefined ? since : Math.max(begunAt, since ?? 0);
    return { ...rest, ...(from === undefined ? {} : { since: from }), after: [...this.#places.values()] };
  }
}
