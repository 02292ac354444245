/** What a short command did. Output is bounded: the last 4 KiB of both streams together. */
export interface CommandResult {
  readonly kind: 'exited' | 'signalled' | 'timed-out' | 'not-started';
  readonly code?: number;
  readonly signal?: string;
  readonly output: string;
}

export interface CommandRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** After this long the command and what it started are killed. */
  readonly timeoutMs: number;
  /** Aborting kills the command and what it started at once; its result is then of no interest. */
  readonly signal?: AbortSignal;
}

/** Runs hooks, stop commands and the like: things that end soon. Never rejects. */
export interface CommandRunner {
  run(request: CommandRequest): Promise<CommandResult>;
}
