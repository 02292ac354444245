import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { DaemonClient } from '../client/types.ts';
import type { DownResponse, ProjectSnapshot } from '../core/api.ts';
import type { TuiEnd } from './tui.ts';

/** A daemon that has brought its project down ends at once; longer than this it is not waited for. */
export const LAST_MOMENT_MS = 2_000;

export interface TuiShutdownHost {
  /** The daemon that there is now. */
  readonly client: () => DaemonClient;
  readonly snapshot: () => ProjectSnapshot | undefined;
  /** Told of the answer, before the daemon's end is waited for. */
  readonly answered: (response: DownResponse) => void;
  readonly end: (end: TuiEnd) => void;
}

/** Brings the project down and ends the TUI with the answer. */
export class TuiShutdown {
  readonly #host: TuiShutdownHost;
  /** When it was first asked for, and what there was before it. */
  #first: { readonly at: number; readonly before: ProjectSnapshot | undefined } | undefined;
  #answer: Promise<DownResponse> | undefined;

  constructor(host: TuiShutdownHost) {
    this.#host = host;
  }

  /** The answer to the first request is the end; where more is asked for, that is answered by the same one. */
  ask(level: 0 | 1 | 2): void {
    const { client, snapshot, answered } = this.#host;
    this.#first ??= { at: performance.now(), before: snapshot() };
    const asked = client().down({
      reason: level === 0 ? 'asked for in the TUI' : 'asked for again in the TUI',
      level,
    });
    if (level > 0) {
      asked.catch(() => undefined);
      return;
    }
    this.#answer = asked;
    asked.then(
      (response) => {
        answered(response);
        void this.#lastMoment(response);
      },
      () => undefined,
    );
  }

  /** To be called once the daemon has gone: it may be seen to end before its last answer is read. */
  async daemonGone(): Promise<void> {
    const none: DownResponse = { stopped: 0, leftovers: [] };
    const response = await Promise.race([
      this.#answer?.catch(() => none) ?? none,
      delay(LAST_MOMENT_MS, none, { ref: false }),
    ]);
    this.#end(response);
  }

  /** Whoever looks at the project afterwards shall find it not running, so the daemon's end is waited for. */
  async #lastMoment(response: DownResponse): Promise<void> {
    try {
      for await (const _ of this.#host.client().watch(AbortSignal.timeout(LAST_MOMENT_MS)));
    } catch {
      // It is gone already.
    }
    this.#end(response);
  }

  #end(response: DownResponse): void {
    const { at, before } = this.#first ?? {};
    this.#host.end({
      kind: 'quit',
      response,
      ...(before === undefined ? {} : { before }),
      ...(at === undefined ? {} : { tookMs: performance.now() - at }),
      last: this.#host.snapshot(),
    });
  }
}
