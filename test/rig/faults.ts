import { readdirSync, readlinkSync } from 'node:fs';
import type { TestProject } from './setpoint.ts';
import { eventually } from './wait.ts';

/** How often a fault is repeated: `base` times, times `SETPOINT_TEST_ROUNDS` where that is set. */
export function rounds(base: number): number {
  const factor = Number(process.env['SETPOINT_TEST_ROUNDS'] ?? '1');
  if (!Number.isFinite(factor) || factor <= 0) throw new Error('SETPOINT_TEST_ROUNDS is no positive number');
  return Math.max(1, Math.round(base * factor));
}

/** What a process has open, as the links of /proc/PID/fd; sockets and pipes by their kind only. */
export function descriptorsOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder)
    .flatMap((fd): string[] => {
      try {
        return [readlinkSync(`${folder}/${fd}`).replace(/:\[\d+\]$/, '')];
      } catch {
        // It was closed while we looked.
        return [];
      }
    })
    .sort();
}

/**
 * Resolves once the daemon has no more descriptors open than `base`, taken by `descriptorsOf` at a quiet moment with as
 * many services running; throws, naming what is open, if that never comes.
 */
export async function descriptorsAreBack(project: TestProject, base: readonly string[]): Promise<void> {
  const pid = await project.daemonPid();
  let now: readonly string[] = [];
  try {
    await eventually(
      'the descriptors to be back',
      () => {
        now = descriptorsOf(pid);
        return now.length <= base.length;
      },
      5_000,
    );
  } catch {
    throw new Error(
      `the daemon had ${base.length} descriptors open, and now ${now.length}:\n${now.join('\n')}`,
    );
  }
}
