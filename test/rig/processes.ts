import { readdirSync, readFileSync } from 'node:fs';

export interface Seen {
  readonly pid: number;
  readonly command: string;
}

/** The processes, zombies aside, that carry this text in their environment or their command line. */
export function processesWith(text: string): readonly Seen[] {
  return readdirSync('/proc').flatMap((entry): Seen[] => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
      if (!readFileSync(`/proc/${entry}/environ`, 'utf8').includes(text) && !command.includes(text))
        return [];
      return isRunning(Number(entry))
        ? [{ pid: Number(entry), command: command.replaceAll('\0', ' ').trim() }]
        : [];
    } catch {
      // It ended while we looked, or is not ours to look at.
      return [];
    }
  });
}

/**
 * Whether a process of this pid is there and is no zombie. One that was killed has its files and sockets open until the
 * last of its threads is gone, although its main thread may be a zombie before.
 */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ended = /^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1));
    return !ended || readdirSync(`/proc/${pid}/task`).length > 1;
  } catch {
    return false;
  }
}

export function killIfThere(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
