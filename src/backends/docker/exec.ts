import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { ExecOptions } from '../../ports/backend.ts';
import type { CommandResult } from '../../ports/commands.ts';
import type { EngineClient } from './engine-client.ts';
import { FrameReader } from './frames.ts';

const OUTPUT_LIMIT = 4096;
/** By which the processes of one command are found among those of the container. */
const MARK = 'SETPOINT_EXEC';

/**
 * Ends everything in the container whose environment has the mark, with nothing but what every shell can do itself. The
 * engine has no way to end a command that it was told to run.
 */
const KILL_MARKED = [
  'for dir in /proc/[0-9]*; do',
  'IFS= read -r env <"$dir/environ";',
  'case "$env" in *"$1"*) kill -9 "${dir#/proc/}" ;; esac;',
  'done 2>/dev/null; true',
].join(' ');

/** A variable for the environment of one command, unlike that of any other. */
export function newMark(): string {
  return `${MARK}=${randomBytes(8).toString('hex')}`;
}

/** Runs a command beside the main process of a container. Never rejects. */
export async function execIn(
  engine: EngineClient,
  container: string,
  argv: readonly string[],
  options: ExecOptions,
): Promise<CommandResult> {
  if (options.signal?.aborted === true) return { kind: 'not-started', output: 'it was given up' };
  const mark = newMark();
  const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
  const made = await engine.request((docker) =>
    docker.getContainer(container).exec({
      Cmd: [...argv],
      Env: [...env, mark],
      AttachStdout: true,
      AttachStderr: true,
      ...(options.cwd === undefined ? {} : { WorkingDir: options.cwd }),
    }),
  );
  if (!made.ok) return { kind: 'not-started', output: made.error.reason };
  const exec = made.value;
  const started = await engine.open(() => exec.start({ hijack: true, stdin: false }));
  if (!started.ok) return { kind: 'not-started', output: started.error.reason };
  const run = new RunningExec(started.value);
  const why = await run.until(options);
  if (why !== 'ended') {
    const ended = await killMarked(engine, container, mark);
    run.stop();
    const left = ended ? '' : '\n(it could not be ended: there is no shell in the container to do it with)';
    return { kind: 'timed-out', output: `${run.output}${left}`.slice(-OUTPUT_LIMIT) };
  }
  const end = await engine.request(() => exec.inspect());
  if (!end.ok) return { kind: 'not-started', output: `how it ended is not known: ${end.error.reason}` };
  const code = end.value.ExitCode;
  if (code === null) return { kind: 'not-started', output: 'how it ended is not known' };
  return { kind: 'exited', code, output: run.output };
}

class RunningExec {
  readonly #stream: Duplex;
  readonly #ended: Promise<void>;
  readonly #tail = new FrameTail();

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#ended = new Promise((resolve) => {
      for (const event of ['end', 'close', 'error']) stream.once(event, () => resolve());
    });
    stream.on('data', (chunk: Buffer) => this.#tail.push(chunk));
  }

  get output(): string {
    return this.#tail.text;
  }

  /** Resolves with what came first: its end, its time, or its being given up. */
  async until({ timeoutMs, signal }: ExecOptions): Promise<'ended' | 'timed-out' | 'given-up'> {
    let timer: NodeJS.Timeout | undefined;
    let giveUp: (() => void) | undefined;
    const timedOut = new Promise<'timed-out'>((resolve) => {
      timer = setTimeout(() => resolve('timed-out'), timeoutMs);
    });
    const givenUp = new Promise<'given-up'>((resolve) => {
      giveUp = (): void => resolve('given-up');
      signal?.addEventListener('abort', giveUp);
    });
    try {
      return await Promise.race([this.#ended.then(() => 'ended' as const), timedOut, givenUp]);
    } finally {
      clearTimeout(timer);
      if (giveUp !== undefined) signal?.removeEventListener('abort', giveUp);
    }
  }

  stop(): void {
    this.#stream.destroy();
  }
}

/** The last bytes of a stream of frames, both streams together; bounded whatever a frame's length. */
export class FrameTail {
  readonly #frames = new FrameReader();
  #tail = Buffer.alloc(0);

  get text(): string {
    return this.#tail.toString('utf8');
  }

  push(chunk: Buffer): void {
    for (const { data } of this.#frames.push(chunk)) {
      this.#tail = Buffer.from(Buffer.concat([this.#tail, data]).subarray(-OUTPUT_LIMIT));
    }
  }
}

/** Ends what was started with a mark in its environment. Resolves with whether that could be done. Never rejects. */
export async function killMarked(engine: EngineClient, container: string, mark: string): Promise<boolean> {
  const made = await engine.request((docker) =>
    docker.getContainer(container).exec({
      Cmd: ['/bin/sh', '-c', KILL_MARKED, 'sh', mark],
      User: '0',
      AttachStdout: true,
    }),
  );
  if (!made.ok) return false;
  const started = await engine.open(() => made.value.start({ hijack: true, stdin: false }));
  if (!started.ok) return false;
  const run = new RunningExec(started.value);
  await run.until({ env: {}, timeoutMs: 5_000 });
  run.stop();
  const end = await engine.request(() => made.value.inspect());
  return end.ok && end.value.ExitCode === 0;
}
