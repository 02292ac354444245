import { readdirSync, readlinkSync, statSync } from 'node:fs';
import type { ProcessEntry } from '../host/identity.ts';
import { readProcFile } from '../host/proc-fs.ts';
import type { ProcessTable } from '../host/unit-scan.ts';
import type { ReapProcess } from '../core/reap.ts';
import { createRedactor } from '../core/redact.ts';
import type { RunId } from '../core/state.ts';

/** A longer command line is cut. */
const COMMAND_LIMIT = 4_096;

/** All that carries a cookie, and what descends from it without one of its own; no daemon, and nothing we run under. */
export function suspects(table: ProcessTable, daemonWord: string): readonly ReapProcess[] {
  const spared = ancestry(table);
  const suspected = new Map<number, RunId>();
  const isFree = (entry: ProcessEntry): boolean =>
    !entry.zombie && !spared.has(entry.pid) && !argvOf(entry.pid).includes(daemonWord);
  const follow = (entry: ProcessEntry, run: RunId): void => {
    if (suspected.has(entry.pid) || !isFree(entry)) return;
    suspected.set(entry.pid, run);
    for (const child of table.children(entry.pid)) {
      const isOwn = table.runOf(child.pid) === undefined || table.runOf(child.pid) === run;
      if (isOwn && child.startTime >= entry.startTime) follow(child, run);
    }
  };
  for (const entry of table.entries()) {
    const run = table.runOf(entry.pid);
    if (run !== undefined) follow(entry, run);
  }
  return [...suspected].flatMap(([pid, run]) => {
    const entry = table.get(pid);
    return entry === undefined ? [] : [{ pid, startTime: entry.startTime, run, command: commandOf(pid) }];
  });
}

/** This process and those above it. */
function ancestry(table: ProcessTable): ReadonlySet<number> {
  const pids = new Set<number>();
  for (let pid: number | undefined = process.pid; pid !== undefined && pid > 0 && !pids.has(pid);) {
    pids.add(pid);
    pid = table.get(pid)?.ppid;
  }
  return pids;
}

function argvOf(pid: number): readonly string[] {
  try {
    const text = readProcFile(`/proc/${pid}/cmdline`, COMMAND_LIMIT)?.toString('utf8') ?? '';
    return text.split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

const redactor = createRedactor({});

function commandOf(pid: number): string {
  return redactor.argv(argvOf(pid));
}

/** The state directories whose files these processes hold open: a run's output goes there. */
export function stateDirsOf(processes: readonly ReapProcess[]): readonly string[] {
  const dirs = new Set<string>();
  for (const { pid } of processes) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      const dir = /^(\/.+)\/instances\/[^/]+\/[^/]+$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      if (dir !== undefined) dirs.add(dir);
    }
  }
  return [...dirs].sort();
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

export function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Root sees everybody's processes. What no state directory knows is looked at only where it is this user's. */
export function isOurs(pid: number): boolean {
  try {
    return statSync(`/proc/${pid}`).uid === process.geteuid?.();
  } catch {
    return true;
  }
}
