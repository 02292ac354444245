import type { Duplex } from 'node:stream';
import type { Exit, StartFailure } from '../../core/exit.ts';
import { PacedQueue } from '../../core/util/paced-queue.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { ExecOutput, ExecRequest, ExecSession } from '../../ports/backend.ts';
import type { Docker } from './dockerode.ts';
import { type EngineClient, startFailureOf } from './engine-client.ts';
import { killMarked, newMark } from './exec.ts';
import { FrameReader } from './frames.ts';

type Exec = Awaited<ReturnType<ReturnType<Docker['getContainer']>['exec']>>;

/** Bytes that are taken from the engine before anybody has read them. */
const MOST_WAITING_BYTES = 256 * 1024;
/** How often the engine is asked whether the command has ended while its output cannot tell. */
const ASK_EVERY_MS = 1_000;
/** A terminal is there a moment after the command was started. */
const SIZING_TRIES = 10;
const SIZING_PAUSE_MS = 50;

/** Starts a command beside the main process of a container, with somebody in front of it. Never rejects. */
export async function openExec(
  engine: EngineClient,
  container: string,
  request: ExecRequest,
): Promise<Result<ExecSession, StartFailure>> {
  const mark = newMark();
  const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`);
  const made = await engine.request((docker) =>
    docker.getContainer(container).exec({
      Cmd: [...request.argv],
      Env: [...env, mark],
      Tty: request.tty,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      ...(request.cwd === undefined ? {} : { WorkingDir: request.cwd }),
      ...(request.user === undefined ? {} : { User: request.user }),
    }),
  );
  if (!made.ok) return err(startFailureOf(made.error, 'the command could not be started'));
  const exec = made.value;
  const started = await engine.open(() => exec.start({ hijack: true, stdin: true, Tty: request.tty }));
  if (!started.ok) return err(startFailureOf(started.error, 'the command could not be started'));
  const end = (): void => void killMarked(engine, container, mark).catch(() => undefined);
  const session = new ContainerSession(engine, exec, started.value, request.tty, end);
  if (request.tty && request.columns !== undefined && request.rows !== undefined) {
    await session.begin(request.columns, request.rows);
  }
  return ok(session);
}

class ContainerSession implements ExecSession {
  readonly output: AsyncIterable<ExecOutput>;
  readonly exited: Promise<Exit>;
  readonly #engine: EngineClient;
  readonly #exec: Exec;
  readonly #stream: Duplex;
  readonly #tty: boolean;
  readonly #kill: () => void;
  readonly #queue: PacedQueue<ExecOutput>;
  readonly #asking: NodeJS.Timeout;
  #tookAt = performance.now();
  #isOver = false;
  #hasExited = false;
  #settle: (exit: Exit) => void = () => {};

  constructor(engine: EngineClient, exec: Exec, stream: Duplex, tty: boolean, kill: () => void) {
    this.#engine = engine;
    this.#exec = exec;
    this.#stream = stream;
    this.#tty = tty;
    this.#kill = kill;
    this.exited = new Promise((resolve) => (this.#settle = resolve));
    this.#queue = new PacedQueue(MOST_WAITING_BYTES, (how) => {
      if (how === 'pause') stream.pause();
      else if (!this.#isOver) stream.resume();
    });
    this.output = this.#queue.pieces;
    const frames = new FrameReader();
    stream.on('data', (chunk: Buffer) => {
      this.#tookAt = performance.now();
      this.#queue.put(tty ? [{ stream: 'stdout', data: chunk }] : frames.push(chunk));
    });
    for (const event of ['end', 'close', 'error']) stream.on(event, () => this.#ended());
    // Output that nobody reads, or that a process in the background holds open, does not tell the end.
    this.#asking = setInterval(() => void this.#watch(), ASK_EVERY_MS).unref();
  }

  /** Sets the size a terminal begins with; it may not be there yet. */
  async begin(columns: number, rows: number): Promise<void> {
    for (let attempt = 0; attempt < SIZING_TRIES && !this.#isOver; attempt += 1) {
      if (await this.resize(columns, rows)) return;
      await new Promise((resolve) => setTimeout(resolve, SIZING_PAUSE_MS));
    }
  }

  async write(data: Uint8Array): Promise<void> {
    if (this.#isOver || !this.#stream.writable) throw new Error('the command has ended');
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(data, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }

  endInput(): void {
    if (!this.#isOver && !this.#stream.writableEnded) this.#stream.end();
  }

  async resize(columns: number, rows: number): Promise<boolean> {
    if (!this.#tty || this.#isOver) return false;
    const done = await this.#engine.request(() => this.#exec.resize({ w: columns, h: rows }));
    return done.ok;
  }

  close(): void {
    if (!this.#hasExited) {
      this.#kill();
      this.#exit({ kind: 'unknown', why: 'the session was closed' });
    }
    this.#queue.drop();
    this.#ended();
    this.#stream.destroy();
  }

  async #watch(): Promise<void> {
    await this.#ask();
    const isQuiet = this.#queue.isEmpty && performance.now() - this.#tookAt > ASK_EVERY_MS;
    if (!this.#hasExited || !isQuiet || this.#stream.isPaused()) return;
    this.#ended();
    this.#stream.destroy();
  }

  #ended(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#asking);
    this.#queue.end();
    void this.#ask().then((exit) => {
      if (exit === undefined) this.#exit({ kind: 'unknown', why: 'the connection to the engine broke off' });
    });
  }

  /** Asks how it ended; undefined where it has not, or the engine cannot say. */
  async #ask(): Promise<Exit | undefined> {
    if (this.#hasExited) return undefined;
    const seen = await this.#engine.request(() => this.#exec.inspect());
    if (!seen.ok || seen.value.Running || seen.value.ExitCode === null) return undefined;
    const exit: Exit = { kind: 'code', code: seen.value.ExitCode };
    this.#exit(exit);
    return exit;
  }

  #exit(exit: Exit): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    this.#settle(exit);
  }
}
