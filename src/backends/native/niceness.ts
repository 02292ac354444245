import { getPriority } from 'node:os';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import { hasCapability } from './limits.ts';
import { readText } from '../../host/proc-fs.ts';
import type { ProgramFinder } from '../../host/programs.ts';

/** Bit of CAP_SYS_NICE in capabilities(7): its holder may raise priorities. */
const CAP_SYS_NICE = 23n;

interface NiceFacts {
  /** This process's own niceness. */
  readonly own: number;
  /** The least niceness that the kernel lets it have; -20 where it may have any. */
  readonly least: number;
}

/**
 * The command to put before a program that is to have this niceness. nice(1) itself would only warn where it may not be
 * had, and go on without.
 */
export function planNice(
  nice: number | undefined,
  programs: ProgramFinder,
  toolPath: string | undefined,
  facts: NiceFacts = machineFacts(),
): Result<readonly string[], StartFailure> {
  if (nice === undefined || nice === facts.own) return ok([]);
  if (nice < facts.own && nice < facts.least) {
    return err({
      code: 'limit-refused',
      message: `\`nice: ${nice}\` is refused by the kernel: this user may go down to ${Math.min(facts.least, facts.own)}`,
      help: 'give a higher number, or run setpoint as root or with a higher limit (RLIMIT_NICE)',
    });
  }
  const tool = programs.find('nice', toolPath, '/');
  if (tool.kind !== 'found') {
    return err({
      code: 'limit-refused',
      message: '`nice` needs nice(1), which is not on the PATH of setpoint',
      help: 'install coreutils, or leave out `nice`',
    });
  }
  return ok([tool.path, '-n', String(nice - facts.own)]);
}

function machineFacts(): NiceFacts {
  return {
    own: getPriority(),
    least: leastNice(readText('/proc/self/status'), readText('/proc/self/limits')),
  };
}

/** By texts like /proc/PID/status and /proc/PID/limits; without them root alone may raise priorities. */
export function leastNice(status: string, limits: string): number {
  if (status === '') return process.geteuid?.() === 0 ? -20 : 20;
  if (hasCapability(status, CAP_SYS_NICE)) return -20;
  // The limit counts from 1 for 19 to 40 for -20; 0 allows nothing.
  const soft = /^Max nice priority\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? '0';
  return soft === 'unlimited' ? -20 : 20 - Math.min(40, Number(soft));
}
