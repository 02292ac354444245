import { once } from 'node:events';
import type { CliContext, Output } from './context.ts';
import { wantsColour } from './output/colour.ts';

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
    write: (text) => stream.write(text),
    drained: async () => {
      if (stream.writableNeedDrain) await once(stream, 'drain');
    },
  };
}
