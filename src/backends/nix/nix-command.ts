import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { messageOf } from '../../core/util/system-error.ts';
import { signalGroup } from '../../host/process-group.ts';

export interface NixRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where its standard output goes; an environment may be larger than a pipe is worth. */
  readonly stdoutPath: string;
  /** Each line of its standard error. */
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

export type NixOutcome =
  | { readonly kind: 'exited'; readonly code: number; readonly lines: readonly string[] }
  | { readonly kind: 'not-started'; readonly why: string }
  | { readonly kind: 'given-up' };

/** Runs nix. Never rejects. Resolves once it has ended. */
export type NixRunner = (request: NixRequest) => Promise<NixOutcome>;

/** Of what it prints on standard error this many lines are kept, the last ones. */
const LINE_COUNT = 200;
/** After SIGTERM nix is given this long to clean up. */
const FORCE_AFTER_MS = 3000;

export const runNix: NixRunner = async (request) => {
  const { argv, cwd, env, stdoutPath, onLine, signal } = request;
  const [program = '', ...args] = argv;
  if (isGivenUp(signal)) return { kind: 'given-up' };
  let output: number;
  try {
    output = openSync(stdoutPath, 'w', 0o600);
  } catch (cause) {
    return { kind: 'not-started', why: messageOf(cause) };
  }
  const lines: string[] = [];
  // A group of its own, so that what it starts ends with it.
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', output, 'pipe'], detached: true });
  closeSync(output);
  const reader = createInterface({ input: child.stderr ?? Readable.from([]) });
  reader.on('line', (line) => {
    lines.push(line);
    if (lines.length > LINE_COUNT) lines.shift();
    onLine(line);
  });
  const read = new Promise<void>((resolve) => reader.once('close', resolve));
  const giveUp = stopOnAbort(child.pid, signal);
  const ended = await new Promise<number | Error>((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code) => resolve(code ?? -1));
  });
  giveUp.end();
  if (ended instanceof Error) return { kind: 'not-started', why: ended.message };
  await read;
  return isGivenUp(signal) ? { kind: 'given-up' } : { kind: 'exited', code: ended, lines };
};

/** Asked anew each time: it may have been aborted since. */
function isGivenUp(signal: AbortSignal): boolean {
  return signal.aborted;
}

function stopOnAbort(pid: number | undefined, signal: AbortSignal): { readonly end: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    signalGroup(pid, 'SIGTERM');
    timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), FORCE_AFTER_MS);
  };
  signal.addEventListener('abort', stop, { once: true });
  return {
    end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      // Its helpers may outlive it, and would hold its output open.
      if (signal.aborted) signalGroup(pid, 'SIGKILL');
    },
  };
}
