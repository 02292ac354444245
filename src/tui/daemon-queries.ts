import type { DaemonClient } from '../client/types.ts';
import type { LogLine } from '../core/api.ts';
import { messageOf } from '../core/util/system-error.ts';
import type { TuiEffect, Message } from './message.ts';

/** Lines of history that are handed on together. */
const PORTION = 500;

/** Questions to the daemon whose answers become messages; failures become notices. */
export class DaemonQueries {
  readonly #send: (message: Message) => void;
  readonly #underWay = new Map<string, { again: (() => Promise<Message>) | undefined }>();
  #history: AbortController | undefined;

  constructor(send: (message: Message) => void) {
    this.#send = send;
  }

  call(question: () => Promise<Message | undefined>): void {
    question().then(
      (message) => {
        if (message !== undefined) this.#send(message);
      },
      (error: unknown) => this.#failed(error),
    );
  }

  /** Of one kind, one question at a time: of those that come meanwhile, the last one is asked afterwards. */
  ask(kind: string, question: () => Promise<Message>): void {
    const present = this.#underWay.get(kind);
    if (present !== undefined) {
      present.again = question;
      return;
    }
    const entry: { again: (() => Promise<Message>) | undefined } = { again: undefined };
    this.#underWay.set(kind, entry);
    this.call(async () => {
      try {
        return await question();
      } finally {
        this.#underWay.delete(kind);
        if (entry.again !== undefined) this.ask(kind, entry.again);
      }
    });
  }

  /** A new question for lines of before ends the one that is being answered. */
  history(client: DaemonClient, effect: Extract<TuiEffect, { type: 'history' }>, signal: AbortSignal): void {
    this.#history?.abort();
    const stop = new AbortController();
    this.#history = stop;
    this.call(async () => {
      let lines: LogLine[] = [];
      let count = 0;
      try {
        for await (const line of client.logs(effect.query, AbortSignal.any([signal, stop.signal]))) {
          lines.push(line);
          count += 1;
          if (count >= effect.most) break;
          if (lines.length < PORTION) continue;
          this.#send({ type: 'history', into: effect.into, lines, done: false });
          lines = [];
          // Keys come first: reading from a file that is there would leave them no turn.
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        this.#send({ type: 'history', into: effect.into, lines, done: true });
      }
      return undefined;
    });
  }

  #failed(error: unknown): void {
    const text = messageOf(error);
    const help =
      error instanceof Error && 'help' in error && typeof error.help === 'string' ? `: ${error.help}` : '';
    this.#send({ type: 'notice', level: 'error', text: `${text}${help}` });
  }
}
