import { readFileSync } from 'node:fs';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { Limits } from '../../core/service.ts';
import { ulimitWords } from './launcher.ts';
import { findProgram } from '../../host/programs.ts';

/** Limits of a process; those of the whole unit (`memory`, `cpus`) are a matter of control groups, see `cgroup.ts`. */
type LimitName = Exclude<keyof Limits, 'memory' | 'cpus'>;

/** Row of /proc/PID/limits and option of prlimit(1). */
const NAMES: Readonly<Record<LimitName, { readonly row: string; readonly option: string }>> = {
  open_files: { row: 'Max open files', option: 'nofile' },
  processes: { row: 'Max processes', option: 'nproc' },
  core_size: { row: 'Max core file size', option: 'core' },
  file_size: { row: 'Max file size', option: 'fsize' },
  stack_size: { row: 'Max stack size', option: 'stack' },
  locked_memory: { row: 'Max locked memory', option: 'memlock' },
  address_space: { row: 'Max address space', option: 'as' },
  cpu_time: { row: 'Max cpu time', option: 'cpu' },
};

const ALL_NAMES = Object.keys(NAMES) as LimitName[];

interface LimitPlan {
  /** For the launcher's `ulimit`. */
  readonly words: string;
  /** A command to put before the service's, for sizes that `ulimit` cannot express. */
  readonly prefix: readonly string[];
}

/** How to set the limits of a process, soft and hard alike; refuses what the kernel would refuse. */
export function planLimits(limits: Limits, toolPath: string | undefined): Result<LimitPlan, StartFailure> {
  if (!ALL_NAMES.some((name) => limits[name] !== undefined)) return ok({ words: '', prefix: [] });
  const refusal = refusedByKernel(limits);
  if (refusal !== undefined) return err(refusal);
  const { words, inexact } = ulimitWords(limits);
  // The unit of these two differs between the shells that macOS has shipped.
  const unsure: readonly LimitName[] =
    process.platform === 'linux'
      ? []
      : (['core_size', 'file_size'] as const).filter((name) => (limits[name] ?? 0) > 0);
  const byTool = ALL_NAMES.filter((name) => inexact.includes(name) || unsure.includes(name));
  if (byTool.length === 0) return ok({ words, prefix: [] });
  const tool = findProgram('prlimit', toolPath, '/');
  if (tool.kind !== 'found') {
    return err({
      code: 'limit-refused',
      message: `${byTool.join(', ')} cannot be set to the byte here: prlimit(1) is missing`,
      help: 'install util-linux, or give a multiple of 1 KiB',
    });
  }
  const options = byTool.map((name) => `--${NAMES[name].option}=${limits[name] ?? 0}:${limits[name] ?? 0}`);
  return ok({ words, prefix: [tool.path, ...options, '--'] });
}

function refusedByKernel(limits: Limits): StartFailure | undefined {
  const current = readText('/proc/self/limits');
  if (current === '') return undefined;
  const mayRaise = hasSysResource(readText('/proc/self/status'));
  for (const name of ALL_NAMES) {
    const wanted = limits[name];
    if (wanted === undefined) continue;
    const highest = mayRaise ? ceiling(name) : hardLimit(current, NAMES[name].row);
    if (wanted > highest) {
      return {
        code: 'limit-refused',
        message: `limit ${name} of ${wanted} is above the hard limit of ${highest}`,
        help: 'give at most that, or start setpoint with a higher hard limit',
      };
    }
  }
  return undefined;
}

/** Not even root opens more files than this in one process. */
function ceiling(name: LimitName): number {
  if (name !== 'open_files') return Infinity;
  const text = readText('/proc/sys/fs/nr_open').trim();
  return text === '' ? Infinity : Number(text);
}

/** The hard limit in a text like /proc/PID/limits: name, soft, hard, unit. */
export function hardLimit(text: string, row: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(row));
  const hard = line?.slice(row.length).trim().split(/\s+/)[1];
  return hard === undefined || hard === 'unlimited' ? Infinity : Number(hard);
}

/** Bit of CAP_SYS_RESOURCE in capabilities(7): its holder may raise hard limits. */
const CAP_SYS_RESOURCE = 24n;

export function hasSysResource(status: string): boolean {
  return hasCapability(status, CAP_SYS_RESOURCE);
}

/** Whether a process whose /proc/PID/status this is has a capability in effect; `bit` is its number in capabilities(7). */
export function hasCapability(status: string, bit: bigint): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
