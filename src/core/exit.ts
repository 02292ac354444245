import type { Exit } from './generated/api.ts';

export type { Exit, StartFailure } from './generated/api.ts';

/** "exit 3", "killed by SIGKILL", ...: the words used for an end everywhere. */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case 'code':
      return `exit ${exit.code}`;
    case 'signal':
      return `killed by ${exit.signal}`;
    case 'spawn-error':
      return `could not start: ${exit.failure.message}`;
    case 'timeout':
      return `stopped after its timeout of ${exit.afterMs} ms`;
    case 'oom':
      return `killed for lack of memory (${exit.evidence})`;
    case 'unhealthy':
      return `stopped as unhealthy (${exit.reason})`;
    case 'unknown':
      return `ended, status unknown (${exit.why})`;
  }
}
