import { constants } from 'node:os';
import type { ExecChannel } from '../client/types.ts';
import type { ExecCommand } from '../core/api.ts';
import { describeExit } from '../words/exit.ts';
import type { Exit } from '../core/exit.ts';
import { findRunning } from './attach.ts';
import { withDaemon, type Common } from './common.ts';
import { fail, type CliContext } from './context.ts';
import { EXIT, serviceStatus, type ExitStatus } from './exit-status.ts';
import { oneLine } from '../words/text.ts';

export interface ExecCommandOptions {
  /** False (`-T`): no terminal, even where this one is. */
  readonly tty: boolean;
  readonly workdir?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user?: string;
}

/** Runs a command where a service runs, and ends with its status. */
export function exec(
  common: Common,
  name: string,
  argv: readonly string[],
  options: ExecCommandOptions,
): Promise<ExitStatus> {
  const { context } = common;
  return withDaemon(common, async (client) => {
    const target = findRunning(context, await client.snapshot(), name);
    if (typeof target === 'number') return target;
    const tty = options.tty && context.stdin.isTTY && context.isTTY;
    const channel = await client.exec(target.instance.id, commandOf(context, argv, tty, options));
    return new Conversation(context, channel, tty).run();
  });
}

function commandOf(
  context: CliContext,
  argv: readonly string[],
  tty: boolean,
  { workdir, env, user }: ExecCommandOptions,
): ExecCommand {
  const term = context.env['TERM'];
  const size = tty ? { columns: context.columns() ?? 80, rows: context.rows() } : {};
  return {
    argv,
    tty,
    ...size,
    env: { ...(tty && term !== undefined ? { TERM: term } : {}), ...env },
    ...(workdir === undefined ? {} : { cwd: workdir }),
    ...(user === undefined ? {} : { user }),
  };
}

class Conversation {
  readonly #context: CliContext;
  readonly #channel: ExecChannel;
  readonly #tty: boolean;
  readonly #stop = new AbortController();

  constructor(context: CliContext, channel: ExecChannel, tty: boolean) {
    this.#context = context;
    this.#channel = channel;
    this.#tty = tty;
  }

  async run(): Promise<ExitStatus> {
    const { stdin, signals } = this.#context;
    const restore = this.#tty ? stdin.raw() : undefined;
    // Ended from outside, the command is ended with it. On a terminal Ctrl-C is a key like any other.
    const left: { status?: ExitStatus } = {};
    const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) =>
      signals.on(signal, () => {
        left.status = signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
        this.#channel.close();
      }),
    );
    if (this.#tty) listeners.push(signals.on('SIGWINCH', () => this.#sendSize()));
    void this.#copyInput();
    try {
      const exit = await this.#copyOutput();
      restore?.();
      return this.#statusOf(exit);
    } catch (error) {
      if (left.status !== undefined) return left.status;
      throw error;
    } finally {
      restore?.();
      this.#stop.abort();
      this.#channel.close();
      for (const remove of listeners) remove();
    }
  }

  async #copyOutput(): Promise<Exit> {
    const { stdout, stderr } = this.#context;
    for await (const item of this.#channel.items) {
      if (item.type === 'ended') return item.exit;
      const to = item.stream === 'stdout' ? stdout : stderr;
      if (!to.write(Buffer.from(item.data, 'base64'))) await to.drained();
    }
    return { kind: 'unknown', why: 'its end was not told' };
  }

  /** A command that reads no more is no failure: its end says all. */
  async #copyInput(): Promise<void> {
    try {
      for await (const data of this.#context.stdin.read(this.#stop.signal)) await this.#channel.write(data);
      if (!this.#stop.signal.aborted) await this.#channel.endInput();
    } catch {
      // What it does then is seen in what it writes, and in how it ends.
    }
  }

  /** A size that cannot be set is no reason not to go on. */
  #sendSize(): void {
    const columns = this.#context.columns();
    if (columns !== undefined) this.#channel.resize(columns, this.#context.rows()).catch(() => undefined);
  }

  #statusOf(exit: Exit): ExitStatus {
    if (exit.kind === 'code' || exit.kind === 'signal') return serviceStatus(exit, constants.signals);
    return fail(this.#context, { message: `the command ${oneLine(describeExit(exit))}` }, EXIT.failure);
  }
}
