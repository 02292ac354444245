import type { CommandRequest, CommandResult, CommandRunner } from '../../ports/commands.ts';

const OUTPUT_LIMIT = 4096;

/** After its timeout a command gets SIGTERM; this much later SIGKILL. */
const FORCE_AFTER_MS = 500;

/** Short commands through `execa`, which is loaded when the first one runs: most projects have none. */
export function createCommandRunner(umask: number): CommandRunner {
  return { run: (request) => runCommand(request, umask) };
}

async function runCommand(request: CommandRequest, umask: number): Promise<CommandResult> {
  const { execa } = await import('execa');
  const [program, ...args] = request.argv;
  if (program === undefined) return { kind: 'not-started', output: 'the command is empty' };
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
  const limit = { passed: false };
  const timers = [
    setTimeout(() => {
      limit.passed = true;
      signalGroup(child.pid, 'SIGTERM');
    }, request.timeoutMs),
    setTimeout(() => signalGroup(child.pid, 'SIGKILL'), request.timeoutMs + FORCE_AFTER_MS),
  ];
  const result = await child;
  for (const timer of timers) clearTimeout(timer);
  if (limit.passed) return { kind: 'timed-out', output: tail };
  if (result.signal !== undefined) return { kind: 'signalled', signal: result.signal, output: tail };
  if (result.exitCode === undefined) {
    return { kind: 'not-started', output: result.shortMessage ?? 'it could not be started' };
  }
  return { kind: 'exited', code: result.exitCode, output: tail };
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It ended between the timer and the signal.
  }
}
