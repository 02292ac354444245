import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ProcessIdentity } from '../ports/backend.ts';
import { readProcFile } from './proc-fs.ts';

/** One process as /proc/PID/stat shows it (proc(5)). */
export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  /** Clock ticks since boot; on macOS epoch seconds. */
  readonly startTime: number;
  /** Nothing of it runs any more; it only waits for its parent to ask for its status. */
  readonly zombie: boolean;
  /** Stopped by a signal: it takes no other but SIGKILL and SIGCONT. */
  readonly stopped: boolean;
  /** A thread of the kernel, which has no environment. */
  readonly kernel: boolean;
  /** Changes when the process executes another program; empty where that is not known. */
  readonly image: string;
  /** Absent where the system does not tell it along with the rest. */
  readonly usage?: ProcessUsage;
}

/** What one process uses, in the kernel's units; see `systemUnits`. */
export interface ProcessUsage {
  /** CPU time of its own, in clock ticks. */
  readonly ticks: number;
  /** CPU time of the children that it has waited for, and of theirs, in clock ticks. */
  readonly reapedTicks: number;
  readonly threads: number;
  /** Resident set size in pages. */
  readonly pages: number;
}

const PF_KTHREAD = 0x0020_0000;

/** Reads a line of /proc/PID/stat; undefined where it is none. */
export function parseStat(line: string): ProcessEntry | undefined {
  // The name in parentheses may itself hold spaces and parentheses.
  const nameEnd = line.lastIndexOf(')');
  if (nameEnd < 0) return undefined;
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(nameEnd + 2).split(' ');
  const state = fields[0] ?? '';
  const startTime = Number(fields[19]);
  if (!Number.isInteger(pid) || !Number.isInteger(startTime)) return undefined;
  // A process whose first thread has ended looks like a zombie while its other threads run on.
  const threads = Number(fields[17]);
  return {
    pid,
    ppid: Number(fields[1]),
    pgid: Number(fields[2]),
    startTime,
    zombie: (state === 'Z' || state === 'X') && threads <= 1,
    stopped: state === 'T',
    kernel: (Number(fields[6]) & PF_KTHREAD) !== 0,
    image: `${fields[47] ?? ''}-${fields[48] ?? ''}`,
    usage: {
      ticks: Number(fields[11]) + Number(fields[12]),
      reapedTicks: Number(fields[13]) + Number(fields[14]),
      threads,
      pages: Number(fields[21]),
    },
  };
}

/** The process with this pid at the moment, zombies included; undefined where there is none, or it cannot be seen. */
export function readProcess(pid: number): ProcessEntry | undefined {
  try {
    return lookAtProcess(pid);
  } catch {
    return undefined;
  }
}

/** The same; throws where the system is short of descriptors, which says nothing of the process. */
export function lookAtProcess(pid: number): ProcessEntry | undefined {
  if (process.platform !== 'linux') return readProcessWithPs(pid);
  const stat = readProcFile(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(stat.toString('latin1'));
}

export function readIdentity(pid: number): ProcessIdentity | undefined {
  const entry = readProcess(pid);
  return entry === undefined ? undefined : { pid, startTime: entry.startTime, bootId: bootId() };
}

/** Whether this very process runs. A zombie does not; nor does anything of before a restart of the machine. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  try {
    const entry = lookAtProcess(identity.pid);
    return entry !== undefined && entry.startTime === identity.startTime && !entry.zombie;
  } catch {
    // It could not be looked at, so nothing says that it has ended.
    return true;
  }
}

let knownBootId: string | undefined;

/** Differs after every start of the machine. */
export function bootId(): string {
  knownBootId ??=
    process.platform === 'linux'
      ? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
      : (/sec = (\d+)/.exec(runText('sysctl', ['-n', 'kern.boottime']))?.[1] ?? 'unknown');
  return knownBootId;
}

const PS_FIELDS = ['-o', 'pid=,ppid=,pgid=,stat=,lstart='];

/** Every process as ps(1) lists it, for systems without /proc. */
export function listWithPs(): readonly ProcessEntry[] {
  return runText('ps', ['-ax', ...PS_FIELDS])
    .split('\n')
    .flatMap(parsePsLine);
}

function readProcessWithPs(pid: number): ProcessEntry | undefined {
  return parsePsLine(runText('ps', [...PS_FIELDS, '-p', String(pid)]))[0];
}

/** `  812   1   812 Ss   Mon Jan  6 10:00:00 2025`, the time in the C locale. */
export function parsePsLine(line: string): readonly ProcessEntry[] {
  const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S.*?)\s*$/.exec(line);
  if (match === null) return [];
  const [, pid, ppid, pgid, state = '', started = ''] = match;
  return [
    {
      pid: Number(pid),
      ppid: Number(ppid),
      pgid: Number(pgid),
      startTime: Date.parse(`${started} UTC`) / 1000,
      zombie: state.startsWith('Z'),
      stopped: state.startsWith('T'),
      kernel: false,
      image: '',
    },
  ];
}

function runText(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, {
      encoding: 'latin1',
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch {
    return '';
  }
}
