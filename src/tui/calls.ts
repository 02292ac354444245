import type { DaemonClient } from '../client/types.ts';
import type { ApplyRequest, ProjectSnapshot } from '../core/api.ts';
import { DaemonQueries } from './daemon-queries.ts';
import type { TuiEffect, Message } from './message.ts';

/** Effects that are questions to the daemon, or requests. */
export type Call = Extract<
  TuiEffect,
  {
    type: 'act' | 'plan' | 'apply' | 'reload' | 'review' | 'explain' | 'timeline' | 'history' | 'input';
  }
>;

export interface CallsHost {
  /** What plans and applies are asked for with. */
  readonly request: ApplyRequest;
  /** The daemon that there is now. */
  readonly client: () => DaemonClient;
  readonly snapshot: () => ProjectSnapshot | undefined;
  /** Nothing is asked for any longer than this. */
  readonly signal: AbortSignal;
  readonly send: (message: Message) => void;
}

/** Effects become calls of the daemon, and its answers messages. */
export class Calls {
  readonly #host: CallsHost;
  readonly #asker: DaemonQueries;

  constructor(host: CallsHost) {
    this.#host = host;
    this.#asker = new DaemonQueries(host.send);
  }

  make(call: Call): void {
    const { request, signal } = this.#host;
    const client = this.#host.client();
    switch (call.type) {
      case 'act': {
        this.#asker.call(async () => {
          const { affected, unchanged } = await client.act(call.request);
          const text =
            affected.length === 0 && unchanged.length > 0 ? 'nothing to do: it is so already' : call.said;
          return { type: 'notice', level: 'info', text };
        });
        return;
      }
      case 'plan': {
        this.#asker.ask('plan', async () => {
          // Asked a second time, another daemon may have taken over.
          const response = await this.#host.client().plan(request);
          return { type: 'planned', response, applied: false };
        });
        return;
      }
      case 'apply': {
        this.#asker.ask('apply', async () => {
          const response = await client.apply(this.#asBefore(request));
          return { type: 'planned', response, applied: true };
        });
        return;
      }
      case 'reload': {
        this.#asker.ask('reload', async () => {
          const response = await client.reload({ confirm: call.confirm });
          return { type: 'reloaded', response };
        });
        return;
      }
      case 'review': {
        this.#asker.call(async () => {
          await client.review(call.hold);
          const text = call.hold ? 'edits are held for review from now on' : 'edits are taken up at once';
          return { type: 'notice', level: 'info', text };
        });
        return;
      }
      case 'explain': {
        this.#asker.ask('explain', async () => {
          const answer = await client.explain(call.service);
          return { type: 'explained', service: call.service, answer };
        });
        return;
      }
      case 'timeline': {
        this.#asker.ask('timeline', async () => ({
          type: 'timeline',
          timeline: await client.timeline(),
        }));
        return;
      }
      case 'history': {
        this.#asker.history(client, call, signal);
        return;
      }
      case 'input': {
        this.#asker.call(async () => {
          await client.input(call.instance, Buffer.from(call.text));
          return undefined;
        });
        return;
      }
    }
  }

  /** What was decided of later edits stays so. */
  #asBefore(request: ApplyRequest): ApplyRequest {
    const { watched = true, review = false } = this.#host.snapshot()?.manifest ?? {};
    return { ...request, ...(watched ? {} : { watch: false }), ...(review ? { review } : {}) };
  }
}
