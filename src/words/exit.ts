import type { Exit } from '../core/exit.ts';
import { unreachable } from '../core/util/result.ts';
import { describeProbeFailure } from './probe.ts';

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
      return `stopped as unhealthy (${describeProbeFailure(exit.reason)})`;
    case 'unknown':
      return `ended, status unknown (${exit.why})`;
    default:
      return unreachable(exit);
  }
}
