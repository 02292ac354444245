import { once } from 'node:events';
import { isatty } from 'node:tty';
import { errnoOf } from '../core/util/system-error.ts';
import type { CliContext, Output } from './context.ts';
import { wantsColour } from '../words/colour.ts';

/** The context of the real process. `readerLeft` is called when whoever reads stdout has closed it, as `head` does. */
export function processContext(argv: readonly string[], readerLeft: () => void): CliContext {
  const { stdout, stderr, env } = process;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    readerLeft();
  });
  // Nothing can be said any more to someone who has closed stderr; the exit status still tells.
  stderr.on('error', () => undefined);
  const isTTY = stdout.isTTY && env['TERM'] !== 'dumb';
  return {
    argv,
    env,
    cwd: process.cwd(),
    stdout: outputOf(stdout),
    stderr: outputOf(stderr),
    stdin: {
      isTTY: isatty(0),
      read: readInput,
      raw: makeRaw,
    },
    isTTY,
    // A pseudo-terminal that nobody has given a size says 0.
    columns: () => (stdout.isTTY ? stdout.columns || 80 : undefined),
    rows: () => (stdout.isTTY ? stdout.rows || 24 : 24),
    color: wantsColour('auto', env, isTTY),
    now: () => Date.now(),
    after: (delayMs, fire) => {
      const timer = setTimeout(fire, delayMs);
      return () => clearTimeout(timer);
    },
    signals: {
      on: (signal, listener) => {
        process.on(signal, listener);
        return () => process.off(signal, listener);
      },
    },
  };
}

function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    write: (data) => stream.write(data),
    drained: async () => {
      if (stream.writableNeedDrain) await once(stream, 'drain');
    },
  };
}

/** The stream is let go of at the end, so that it does not keep the process alive. */
async function* readInput(signal: AbortSignal): AsyncIterable<Uint8Array> {
  const { stdin } = process;
  const over = (): void => {
    stdin.destroy();
  };
  signal.addEventListener('abort', over, { once: true });
  try {
    if (signal.aborted) return;
    for await (const piece of stdin) yield piece as Buffer;
  } catch (error) {
    // A terminal that was closed cannot be read any more (EIO); that is the end of what is typed.
    if (!signal.aborted && errnoOf(error) !== 'EIO') throw error;
  } finally {
    signal.removeEventListener('abort', over);
    over();
  }
}

function makeRaw(): () => void {
  const { stdin } = process;
  const restore = (): void => {
    process.off('exit', restore);
    // It may have been closed, and its terminal with it.
    if (!stdin.destroyed) stdin.setRawMode(false);
  };
  stdin.setRawMode(true);
  process.on('exit', restore);
  return restore;
}
