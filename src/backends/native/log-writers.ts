import { constants, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { RunId } from '../../core/state.ts';
import type { ProcessEntry } from '../../host/identity.ts';
import { readText } from '../../host/proc-fs.ts';
import type { ProcessTable } from '../../host/unit-scan.ts';

/** A slice of a look holds the event loop for about this long. */
const SLICE_MS = 4;
/** Standard output and standard error. */
const OUTPUTS = [1, 2] as const;

interface LogSearch {
  readonly run: RunId;
  /** Absolute paths of the run's log files. */
  readonly logs: readonly string[];
  /** Start time of the run's launcher: whoever is older does not belong to it. */
  readonly since: number;
}

/**
 * Processes without any cookie whose standard output or standard error is one of these files, opened to be appended to.
 * Nobody but the service's own processes has that: a follower or an editor opens a file to read it, or as another
 * descriptor, and does not append. So those are found, too, who have cleared their environment and left group, session
 * and parents, as long as they have kept their output.
 */
export async function findLogWriters(
  table: ProcessTable,
  search: LogSearch,
): Promise<readonly ProcessEntry[]> {
  const outputs = outputsIn(table);
  const logs = search.logs.map(resolvedPath);
  const found: ProcessEntry[] = [];
  let sliceStart = performance.now();
  for (const entry of table.entries()) {
    if (entry.kernel || entry.zombie || entry.startTime < search.since) continue;
    // One of this run is a member anyway.
    if (table.runOf(entry.pid) !== undefined) continue;
    let links = outputs.get(entry.pid);
    if (links === undefined) {
      links = OUTPUTS.map((fd) => linkOf(entry.pid, fd));
      outputs.set(entry.pid, links);
      if (performance.now() - sliceStart > SLICE_MS) {
        await setImmediate();
        sliceStart = performance.now();
      }
    }
    const writes = OUTPUTS.some((fd, at) => isOneOf(logs, links[at] ?? '') && appends(entry.pid, fd));
    if (writes) found.push(entry);
  }
  return found;
}

/** What was read for one unit serves the others that are looked for in the same table. */
const outputsByTable = new WeakMap<ProcessTable, Map<number, readonly string[]>>();

function outputsIn(table: ProcessTable): Map<number, readonly string[]> {
  const known = outputsByTable.get(table);
  if (known !== undefined) return known;
  const fresh = new Map<number, readonly string[]>();
  outputsByTable.set(table, fresh);
  return fresh;
}

/** Only the link is read: to ask for the file itself might wait for a dead file server. */
function linkOf(pid: number, fd: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

/** As the kernel names it in the links: without symbolic links on the way. */
function resolvedPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

/** Be it renamed to `stdout.log.1` or removed, `stdout.log (deleted)`, in between. */
function isOneOf(logs: readonly string[], link: string): boolean {
  return logs.some((log) => link === log || link.startsWith(`${log}.`) || link === `${log} (deleted)`);
}

function appends(pid: number, fd: number): boolean {
  const octal = /^flags:\s*([0-7]+)$/m.exec(readText(`/proc/${pid}/fdinfo/${fd}`))?.[1];
  if (octal === undefined) return false;
  const flags = Number.parseInt(octal, 8);
  return (flags & constants.O_WRONLY) !== 0 && (flags & constants.O_APPEND) !== 0;
}
