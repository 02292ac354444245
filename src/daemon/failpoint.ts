import type { Failpoint } from '../ports/backend.ts';

/**
 * For tests of crash safety: `SETPOINT_FAILPOINT=after-spawn` has the daemon killed with SIGKILL when it first gets
 * there, `after-spawn:3` when it gets there for the third time. Undefined without a setting: nothing is counted then.
 */
export function failpointOf(setting: string | undefined): ((at: Failpoint) => void) | undefined {
  if (setting === undefined || setting === '') return undefined;
  const [name, times = '1'] = setting.split(':');
  let left = Number(times);
  return (at) => {
    if (at !== name) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
