import { readFileSync } from 'node:fs';
import type { ProcessView } from '../core/api.ts';
import type { UnitMember } from '../ports/backend.ts';

/** A unit with more processes than this is cut: nobody reads them all. */
const MOST_PROCESSES = 60;

/** The processes of a unit with who started whom, where the system tells; commands are masked by `mask`. */
export function processTree(
  members: readonly UnitMember[],
  mask: (text: string) => string,
  parentOf: (pid: number) => number | undefined = readParent,
): readonly ProcessView[] {
  const pids = new Set(members.map(({ pid }) => pid));
  return [...members]
    .sort((a, b) => a.pid - b.pid)
    .slice(0, MOST_PROCESSES)
    .map(({ pid, command }) => {
      const parent = parentOf(pid);
      const known = parent !== undefined && pids.has(parent);
      return { pid, ...(known ? { parent } : {}), command: mask(command) };
    });
}

/** Field 4 of /proc/PID/stat (proc(5)), counted from behind the name, which may hold anything; undefined elsewhere. */
function readParent(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return Number.isInteger(parent) ? parent : undefined;
  } catch {
    return undefined;
  }
}
