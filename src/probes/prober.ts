import { unreachable } from '../core/util/result.ts';
import type { CommandRunner } from '../ports/commands.ts';
import type { Prober, ProbeResult } from '../ports/probes.ts';

/** Looks at real things. What it takes to look at one is loaded with the first look of its kind: most projects have few. */
export function createProber(commands: CommandRunner): Prober {
  return {
    look: async (check, timeoutMs, signal): Promise<ProbeResult> => {
      switch (check.kind) {
        case 'exec':
          return (await import('./exec.ts')).lookByExec(commands, check, timeoutMs, signal);
        case 'http':
          return (await import('./http.ts')).lookByHttp(check, timeoutMs, signal);
        case 'tcp':
          return (await import('./tcp.ts')).lookByTcp(check, timeoutMs, signal);
        default:
          return unreachable(check);
      }
    },
  };
}
