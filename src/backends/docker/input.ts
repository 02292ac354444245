import type { Duplex } from 'node:stream';
import type { ProcInput } from '../../ports/backend.ts';
import type { EngineClient } from './engine-client.ts';

interface InputOptions {
  readonly engine: EngineClient;
  /** Undefined while it is not known, or once nobody reads any more. */
  readonly container: () => string | undefined;
  readonly tty: boolean;
}

/** A container's standard input. Attached to when the first byte is written, and again after the connection broke. */
export class ContainerInput implements ProcInput {
  readonly #options: InputOptions;
  readonly resize?: (columns: number, rows: number) => Promise<boolean>;
  #stream: Duplex | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: InputOptions) {
    this.#options = options;
    if (options.tty) this.resize = (columns, rows) => this.#resize(columns, rows);
  }

  async write(data: Uint8Array): Promise<void> {
    const turn = this.#turn.then(() => this.#write(data));
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  /** Lets go of the connection; the container's input stays open. */
  close(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }

  async #write(data: Uint8Array): Promise<void> {
    const stream = await this.#attached();
    await new Promise<void>((resolve, reject) => {
      stream.write(data, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }

  async #attached(): Promise<Duplex> {
    if (this.#stream?.writable === true) return this.#stream;
    const container = this.#options.container();
    if (container === undefined) throw new Error('the container does not run');
    const opened = await this.#options.engine.open((docker) =>
      docker
        .getContainer(container)
        .attach({ stream: true, stdin: true, stdout: false, stderr: false, hijack: true }),
    );
    if (!opened.ok) throw new Error(opened.error.reason);
    const stream = opened.value as unknown as Duplex;
    const forget = (): void => {
      if (this.#stream === stream) this.#stream = undefined;
    };
    for (const event of ['error', 'end', 'close']) stream.on(event, forget);
    stream.resume();
    this.#stream = stream;
    return stream;
  }

  async #resize(columns: number, rows: number): Promise<boolean> {
    const container = this.#options.container();
    if (container === undefined) return false;
    const done = await this.#options.engine.request((docker) =>
      docker.getContainer(container).resize({ w: columns, h: rows }),
    );
    return done.ok;
  }
}
