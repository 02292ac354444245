import { readdirSync } from 'node:fs';
import type { LauncherStart } from './exit-record.ts';
import { readProcess } from '../../host/identity.ts';
import { readText } from '../../host/proc-fs.ts';

/** Deeper than this no program stands between two that are looked for. */
const DEPTH = 8;

/**
 * The number that a process of a pid namespace below this one has within it; undefined for one of this namespace, and
 * where there is none, or it cannot be told (NSpid of proc_pid_status(5), Linux 4.1).
 */
export function pidInOwnNamespace(pid: number): number | undefined {
  const pids = numbersOf(pid);
  return pids.length > levelHere() ? pids.at(-1) : undefined;
}

/** The process that its namespace knows as the launcher, among those that descend from `ancestor`. */
export function findLauncher(begun: LauncherStart, ancestor: number): number | undefined {
  if (!begun.ownPids) return isBelow(begun.launcherPid, ancestor) ? begun.launcherPid : undefined;
  let generation = childrenOf(ancestor);
  for (let depth = 0; depth < DEPTH && generation.length > 0; depth += 1) {
    const found = generation.find((pid) => pidInOwnNamespace(pid) === begun.launcherPid);
    if (found !== undefined) return found;
    generation = generation.flatMap(childrenOf);
  }
  return undefined;
}

/** The machine's number of the service's process, as long as its launcher has not ended. */
export function findService(begun: LauncherStart, launcher: number): number | undefined {
  if (!begun.ownPids) return begun.servicePid;
  const level = numbersOf(launcher).length;
  // A service may begin a namespace of its own, in which its first process has a number of no meaning here.
  return childrenOf(launcher).find((pid) => numbersOf(pid)[level - 1] === begun.servicePid);
}

function isBelow(pid: number, ancestor: number): boolean {
  for (let at = pid, depth = 0; depth < DEPTH; depth += 1) {
    if (at === ancestor) return true;
    const parent = readProcess(at)?.ppid;
    if (parent === undefined || parent <= 1) return false;
    at = parent;
  }
  return false;
}

let ownLevel: number | undefined;

function levelHere(): number {
  ownLevel ??= Math.max(1, numbersOf(process.pid).length);
  return ownLevel;
}

/** From the namespace of /proc down to the process's own. */
function numbersOf(pid: number): readonly number[] {
  const line = /^NSpid:\s*(.+)$/m.exec(readText(`/proc/${pid}/status`))?.[1];
  return line === undefined ? [] : line.trim().split(/\s+/).map(Number);
}

function childrenOf(pid: number): readonly number[] {
  const listed = readText(`/proc/${pid}/task/${pid}/children`).trim();
  if (listed !== '') return listed.split(' ').map(Number);
  // Some kernels have no such file (CONFIG_PROC_CHILDREN).
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && readProcess(Number(name))?.ppid === pid)
    .map(Number);
}
