import type { DaemonClient } from '../client/types.ts';
import type { ProjectSnapshot } from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import type { CliContext, CliSignal } from './context.ts';

/** The newest snapshot, and what the daemon's clock says now (epoch ms). */
export interface LiveSnapshot {
  readonly snapshot: ProjectSnapshot;
  readonly now: number;
}

export type MonitorEnd<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'interrupted'; readonly signal: CliSignal }
  /** The daemon went away. */
  | { readonly kind: 'gone' };

export interface MonitorOptions<T> {
  readonly context: CliContext;
  readonly client: DaemonClient;
  /** Called with every snapshot, and every `tickMs` with the newest one. An answer other than undefined ends it. */
  look(seen: LiveSnapshot): T | undefined;
  hear?(happening: ProjectEvent): void;
  readonly tickMs: number;
  readonly timeoutMs?: number;
  /** Called with 1, 2, ... for each SIGINT or SIGTERM; `end` ends with the first. */
  readonly interrupt: 'end' | ((count: number) => void);
  /**
   * Begun once the watch stands, so that nothing it causes is missed. Its answer ends the monitor, too; where given, the
   * daemon's going away does not.
   */
  readonly until?: () => Promise<T>;
}

/**
 * Watches a project until something is decided. Rejects with what `until` rejects with, and with any error of the watch
 * other than the daemon's end.
 */
export async function monitor<T>(options: MonitorOptions<T>): Promise<MonitorEnd<T>> {
  const { context, client } = options;
  const abort = new AbortController();
  const cleanups: (() => void)[] = [];
  try {
    return await new Promise<MonitorEnd<T>>((resolve, reject) => {
      let latest: { readonly snapshot: ProjectSnapshot; readonly at: number } | undefined;
      const look = (): void => {
        if (latest === undefined) return;
        const value = options.look({
          snapshot: latest.snapshot,
          now: latest.snapshot.now + (context.now() - latest.at),
        });
        if (value !== undefined) resolve({ kind: 'done', value });
      };
      let begun = false;
      const begin = (): void => {
        if (begun) return;
        begun = true;
        options.until?.().then((value) => resolve({ kind: 'done', value }), reject);
      };
      const watch = async (): Promise<void> => {
        for await (const item of client.watch(abort.signal)) {
          if (item.type === 'happening') options.hear?.(item.happening);
          else {
            latest = { snapshot: item.snapshot, at: context.now() };
            look();
            begin();
          }
        }
      };
      const gone = (): void => {
        if (options.until === undefined) resolve({ kind: 'gone' });
        else begin();
      };
      watch().then(gone, (error: unknown) => (isGone(error) ? gone() : reject(asError(error))));
      cleanups.push(every(context, options.tickMs, look));
      if (options.timeoutMs !== undefined) {
        cleanups.push(context.after(options.timeoutMs, () => resolve({ kind: 'timed-out' })));
      }
      let interrupts = 0;
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        cleanups.push(
          context.signals.on(signal, () => {
            interrupts += 1;
            if (options.interrupt === 'end') resolve({ kind: 'interrupted', signal });
            else options.interrupt(interrupts);
          }),
        );
      }
    });
  } finally {
    abort.abort();
    for (const cleanup of cleanups) cleanup();
  }
}

/** Whether an error of the client says that the daemon went away. */
export function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'daemon-gone';
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function every(context: CliContext, ms: number, act: () => void): () => void {
  let cancel = (): void => undefined;
  const arm = (): void => {
    cancel = context.after(ms, () => {
      arm();
      act();
    });
  };
  arm();
  return () => cancel();
}
