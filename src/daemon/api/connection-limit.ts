import type { Duplex } from 'node:stream';
import { rawAnswer } from './answer.ts';

/** How long a client that was turned away has to read why. */
const FAREWELL_MS = 1000;

/** Connections above the limit are told so and ended, whatever they send. */
export class ConnectionLimit {
  readonly #most: number;
  readonly #refused = new WeakSet<Duplex>();
  #open = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** To be called with each new connection. */
  add(connection: Duplex): void {
    if (this.#open >= this.#most) {
      this.#refuse(connection);
      return;
    }
    this.#open += 1;
    connection.once('close', () => (this.#open -= 1));
  }

  /** Whether nothing that comes on this connection is to be answered any more. */
  hasRefused(connection: Duplex): boolean {
    return this.#refused.has(connection);
  }

  #refuse(connection: Duplex): void {
    this.#refused.add(connection);
    connection.on('error', () => undefined);
    connection.end(
      rawAnswer({
        code: 'too-many-connections',
        message: `the daemon serves ${this.#most} connections already`,
        help: 'try again when one of them is closed',
      }),
    );
    const farewell = setTimeout(() => connection.destroy(), FAREWELL_MS).unref();
    connection.once('close', () => clearTimeout(farewell));
  }
}
