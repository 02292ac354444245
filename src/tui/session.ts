import type { DaemonClient } from '../client/types.ts';
import type { LogLine } from '../core/api.ts';
import type { Message } from './message.ts';
import { LogCursor } from '../client/log-cursor.ts';

/** Happenings of before that the events view begins with. */
const EVENTS = 300;
/** Lines of each instance that the logs begin with. */
const TAIL = 300;
const STATS_MS = 2_000;
/** Lines between two frames that are taken at most; the rest waits at the daemon, which skips and counts what is too much. */
const LINES_A_FRAME = 400;

/** The streams of one daemon after the other, as messages. */
export class Session {
  readonly #send: (message: Message) => void;
  readonly #now: () => number;
  readonly #cursor = new LogCursor();
  #begunAt: number | undefined;
  #lines: LogLine[] = [];
  #room: (() => void) | undefined;

  constructor(send: (message: Message) => void, now: () => number) {
    this.#send = send;
    this.#now = now;
  }

  /** Resolves once the daemon has gone away, however it did. Never rejects. */
  async run(client: DaemonClient, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const all = AbortSignal.any([signal, stop.signal]);
    try {
      for await (const happening of client.events({ limit: EVENTS, follow: false }, all)) {
        this.#send({ type: 'happening', happening, dropped: 0, past: true });
      }
      this.#begunAt ??= (await client.snapshot()).now;
      void this.#logs(client, all);
      void this.#stats(client, all);
      for await (const item of client.watch(all)) {
        if (item.type === 'snapshot')
          this.#send({ type: 'snapshot', snapshot: item.snapshot, at: this.#now() });
        else this.#send({ type: 'happening', happening: item.happening, dropped: item.dropped ?? 0 });
      }
    } catch {
      // Whatever it was, this daemon tells nothing more.
    } finally {
      stop.abort();
      this.#room?.();
    }
  }

  async #logs(client: DaemonClient, signal: AbortSignal): Promise<void> {
    const query = { select: { names: [], labels: [] }, tail: TAIL, follow: true };
    try {
      for await (const line of client.logs(this.#cursor.goOn(query, this.#begunAt ?? 0), signal)) {
        this.#cursor.note(line);
        if (this.#lines.push(line) === 1) this.#send({ type: 'logs', lines: [] });
        if (this.#lines.length >= LINES_A_FRAME) await new Promise<void>((resolve) => (this.#room = resolve));
        if (hasAborted(signal)) return;
      }
    } catch {
      // The watch ends with the same daemon, and it is what tells.
    }
  }

  /** The lines since the last time, to be taken before a frame is drawn. */
  takeLines(): readonly LogLine[] {
    const lines = this.#lines;
    if (lines.length === 0) return lines;
    this.#lines = [];
    this.#room?.();
    this.#room = undefined;
    return lines;
  }

  async #stats(client: DaemonClient, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const stats = await client.stats();
        if (!hasAborted(signal)) this.#send({ type: 'stats', stats });
      } catch {
        // Figures are extra; the next sample may come through.
      }
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, STATS_MS);
        signal.addEventListener('abort', done);
      });
    }
  }
}

/** Read anew each time: it changes while something is awaited. */
function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
