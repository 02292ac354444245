import type { CommandRequest, CommandResult, CommandRunner } from '../ports/commands.ts';
import { signalGroup } from './process-group.ts';

const OUTPUT_LIMIT = 4096;

/** After its timeout a command gets SIGTERM; this much later SIGKILL. */
const FORCE_AFTER_MS = 500;

/**
 * Short commands through `execa`, which is loaded when the first one runs: most projects have none. It makes one result of
 * all the ways in which a command ends or never begins. Its own timeout, cancelling and forced kill end the command alone
 * and not what it has started, and its buffer keeps the head of the output where a person needs the tail: these are off.
 */
export function createCommandRunner(umask: number): CommandRunner {
  return { run: (request) => runCommand(request, umask) };
}

async function runCommand(request: CommandRequest, umask: number): Promise<CommandResult> {
  const { execa } = await import('execa');
  const [program, ...args] = request.argv;
  if (program === undefined) return { kind: 'not-started', output: 'the command is empty' };
  if (request.signal?.aborted === true) return { kind: 'not-started', output: 'it was given up' };
  let tail = '';
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString('utf8')).slice(-OUTPUT_LIMIT);
  };
  // The child is made within the call, and inherits what holds at that moment.
  const own = process.umask(umask);
  const child = execa(program, args, {
    cwd: request.cwd,
    env: request.env,
    extendEnv: false,
    stdin: 'ignore',
    buffer: false,
    reject: false,
    // A group of its own, so that what the command leaves behind is ended with it.
    detached: true,
    cleanup: false,
  });
  process.umask(own);
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const limits = holdTo(request, child.pid);
  const result = await child;
  const passed = limits.end();
  if (passed) return { kind: 'timed-out', output: tail };
  if (result.signal !== undefined) return { kind: 'signalled', signal: result.signal, output: tail };
  if (result.exitCode === undefined) {
    return { kind: 'not-started', output: result.shortMessage ?? 'it could not be started' };
  }
  return { kind: 'exited', code: result.exitCode, output: tail };
}

/**
 * Ends the command's group when its time is over or its caller gives it up. The answer's `end` is called once the command
 * has ended: it says whether its time was over, and sees to it that nothing is left of a group that was to end.
 */
function holdTo({ timeoutMs, signal }: CommandRequest, pid: number | undefined): { end(): boolean } {
  let passed = false;
  const timers = [
    setTimeout(() => {
      passed = true;
      signalGroup(pid, 'SIGTERM');
    }, timeoutMs),
    setTimeout(() => signalGroup(pid, 'SIGKILL'), timeoutMs + FORCE_AFTER_MS),
  ];
  const giveUp = (): void => signalGroup(pid, 'SIGKILL');
  signal?.addEventListener('abort', giveUp);
  return {
    end() {
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      // The rest may hold out longer than the command itself.
      if (passed || signal?.aborted === true) signalGroup(pid, 'SIGKILL');
      return passed;
    },
  };
}
