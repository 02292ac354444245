import type { ExitStatus } from './exit-status.ts';

/** A stream that text, or bytes as they are, are written to. */
export interface Output {
  /** False when the reader does not keep up; `drained` then says when to go on. */
  write(data: string | Uint8Array): boolean;
  drained(): Promise<void>;
}

/** What is typed, or comes through a pipe. */
export interface Input {
  readonly isTTY: boolean;
  /** The bytes from now on, as they come; ends with the input or when `signal` aborts. To be called once. */
  read(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Only on a terminal: has it pass on every key at once, Ctrl-C too, and show none. The answer undoes that, and so does
   * the end of the process, short of a SIGKILL.
   */
  raw(): () => void;
}

export type CliSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGWINCH';

/** Everything of the process that a command may touch, so that commands run in tests without one. */
export interface CliContext {
  /** Without the interpreter and the script. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  /** Whether stdout is a terminal on which lines can be redrawn. */
  readonly isTTY: boolean;
  /** Width of the terminal, or undefined where there is none: then nothing is cut. */
  columns(): number | undefined;
  /** Height of the terminal. */
  rows(): number;
  readonly color: boolean;
  /** Epoch ms. */
  now(): number;
  /** Calls `fire` once, `delayMs` from now. The answer cancels. */
  after(delayMs: number, fire: () => void): () => void;
  readonly signals: {
    /** The answer removes the listener; while there is none, the signal does to the process what it usually does. */
    on(signal: CliSignal, listener: () => void): () => void;
  };
}

/** What is said of an expected failure: what happened, where, and what to do next. */
export interface Problem {
  readonly message: string;
  readonly where?: string;
  readonly next?: string;
}

/** Prints a problem to stderr and answers the status to end with. */
export function fail<S extends ExitStatus>(context: CliContext, problem: Problem, status: S): S {
  context.stderr.write(problemText(problem, context.color));
  return status;
}

export function problemText(problem: Problem, color: boolean): string {
  const head = color ? '\u001b[31;1merror:\u001b[0m' : 'error:';
  const lines = [`${head} ${problem.message}`];
  if (problem.where !== undefined) lines.push(`  ${problem.where}`);
  if (problem.next !== undefined) lines.push(`  next: ${problem.next}`);
  return `${lines.join('\n')}\n`;
}

/** Writes JSON for programs: two spaces of indentation, a final newline. */
export function writeJson(context: CliContext, value: unknown): void {
  context.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
