import type { DaemonClient } from '../client/types.ts';
import type { InstanceId } from '../core/service.ts';
import { messageOf } from '../core/util/system-error.ts';
import { DetachKeys } from '../terminal/detach-keys.ts';
import { TerminalModes } from '../terminal/terminal-modes.ts';

/** About a screenful of what was written before is shown first. */
const BACKLOG_BYTES = 4096;
/** Ctrl-P, Ctrl-Q: as `setpoint attach`. */
const DETACH_KEYS = Uint8Array.from([0x10, 0x11]);

/**
 * The terminal given to a service: what it writes comes here as it is, what is typed goes there. The screen must have
 * been left, and the terminal be raw.
 */
export class Attachment {
  readonly #client: DaemonClient;
  readonly #instance: InstanceId;
  readonly #output: NodeJS.WriteStream;
  readonly #stop = new AbortController();
  readonly #keys = new DetachKeys(DETACH_KEYS);
  readonly #modes = new TerminalModes();
  #over: (why: string | undefined) => void = () => undefined;

  constructor(client: DaemonClient, instance: InstanceId, output: NodeJS.WriteStream) {
    this.#client = client;
    this.#instance = instance;
    this.#output = output;
  }

  /** Resolves when it is over, with the reason where nobody asked for that; the terminal's modes are as before then. */
  async run(): Promise<string | undefined> {
    this.#output.write(`\u001b[2J\u001b[H[${this.#instance}: ctrl-p ctrl-q comes back]\r\n`);
    this.resized();
    const over = new Promise<string | undefined>((resolve) => (this.#over = resolve));
    this.#copy().then(
      () => this.end(`${this.#instance} writes nothing more`),
      (error: unknown) => this.end(messageOf(error)),
    );
    const why = await over;
    this.#stop.abort();
    this.#output.write(`${this.#modes.undo()}\u001b[2J\u001b[H`);
    return why;
  }

  async #copy(): Promise<void> {
    for await (const data of this.#client.output(this.#instance, BACKLOG_BYTES, this.#stop.signal)) {
      if (this.#stop.signal.aborted) return;
      this.#modes.see(data);
      if (!this.#output.write(data))
        await new Promise<void>((resolve) => this.#output.once('drain', resolve));
    }
  }

  /** What was typed; the detach keys end it. */
  typed(data: Uint8Array): void {
    const { pass, detached } = this.#keys.take(data);
    if (pass.length > 0) {
      this.#client.input(this.#instance, pass).catch((error: unknown) => this.end(messageOf(error)));
    }
    if (detached) this.end(undefined);
  }

  /** A size that cannot be set is no reason not to go on. */
  resized(): void {
    const { columns, rows } = this.#output;
    this.#client.resize(this.#instance, columns || 80, rows || 24).catch(() => undefined);
  }

  end(why: string | undefined): void {
    this.#over(why);
  }
}
