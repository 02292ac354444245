import { readFileSync } from 'node:fs';
import { COOKIE } from './unit-scan.ts';

type Environment = Readonly<Record<string, string>>;

/** Of the run itself: a command that had them would be taken for the service, or speak for it. */
const OF_THE_RUN = new Set([COOKIE, 'NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']);

/** What a process was started with (proc_pid_environ(5)); undefined where that cannot be read. */
export function environmentOf(pid: number): Environment | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return Object.fromEntries(
      entries.flatMap((entry) => {
        const at = entry.indexOf('=');
        return at < 1 ? [] : [[entry.slice(0, at), entry.slice(at + 1)]];
      }),
    );
  } catch {
    return undefined;
  }
}

/** A service's environment as a command beside it may have it. */
export function withoutRunVariables(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OF_THE_RUN.has(name)));
}
