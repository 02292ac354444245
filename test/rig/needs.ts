import { execFileSync } from 'node:child_process';

/** Set (by CI) where everything that tests can make use of must be there: a lack is then a failure, not a skip. */
const REQUIRE_ALL = 'SETPOINT_TEST_REQUIRE_ALL';

/** Why a test that needs these programs cannot run here; undefined where it can. Throws where nothing may lack. */
export function lacks(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : lack(`${missing.join(' and ')} not installed`);
}

/** Why a test that needs root cannot run here. */
export function lacksRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : lack('needs root');
}

function lack(reason: string): string {
  if (process.env[REQUIRE_ALL] !== undefined) throw new Error(`${reason}, and ${REQUIRE_ALL} is set`);
  return reason;
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('/bin/sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
