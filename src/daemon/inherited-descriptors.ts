import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** O_CLOEXEC in the octal `flags` of /proc/PID/fdinfo (open(2) on Linux). */
const CLOSE_ON_EXEC = 0o2000000;

/** Standard input and output, and the line on which the daemon says that it is ready. */
const OWN = 3;

/**
 * Lets go of what the caller happened to hand down. A descriptor that is open in the caller's shell would be open in
 * every service too, and a pipe among them would keep its reader waiting for as long as a service runs. And a daemon
 * that was started from within a service is no part of that service's run.
 */
export function dropInheritance(): void {
  delete process.env['SETPOINT_RUN'];
  for (const fd of inheritedDescriptors()) {
    try {
      closeSync(fd);
    } catch {
      // Closed already, such as the one that listed the folder.
    }
  }
}

function inheritedDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd')
      .map(Number)
      .filter((fd) => fd > OWN && !closesOnExec(fd));
  } catch {
    return [];
  }
}

function closesOnExec(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return flags === undefined || (parseInt(flags, 8) & CLOSE_ON_EXEC) !== 0;
  } catch {
    return true;
  }
}
