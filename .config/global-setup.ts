import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Processes that end a moment after the test that ended them are given this long. */
const SETTLE_MS = 2_000;

/**
 * Gives the run a temporary folder of its own, in which all tests keep everything, and says at the end what they left:
 * files in it, and processes that carry its name in their environment.
 */
export default function setup(): () => Promise<void> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'setpoint-test-')));
  for (const folder of ['tmp', 'state', 'run']) mkdirSync(join(root, folder), { mode: 0o700 });
  process.env['SETPOINT_TEST_ROOT'] = root;
  process.env['TMPDIR'] = join(root, 'tmp');
  process.env['XDG_STATE_HOME'] = join(root, 'state');
  process.env['XDG_RUNTIME_DIR'] = join(root, 'run');
  process.env['XDG_CACHE_HOME'] = join(root, 'cache');
  // A CA bundle named here is read at the start of every Node process: 150 ms that no test needs.
  delete process.env['NODE_EXTRA_CA_CERTS'];
  delete process.env['NO_COLOR'];
  delete process.env['FORCE_COLOR'];
  delete process.env['SETPOINT_PROFILES'];
  return async () => {
    const left = [...(await leftProcesses(root)), ...leftFiles(root)];
    rmSync(root, { recursive: true, force: true });
    if (left.length === 0) return;
    process.exitCode = 1;
    process.stderr.write(`left behind by the tests:\n${left.map((line) => `  ${line}\n`).join('')}`);
  };
}

async function leftProcesses(root: string): Promise<string[]> {
  const until = Date.now() + SETTLE_MS;
  let left = processesOf(root);
  while (left.length > 0 && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    left = processesOf(root);
  }
  return left;
}

function processesOf(root: string): string[] {
  const found: string[] = [];
  for (const entry of listProc()) {
    try {
      if (!readFileSync(`/proc/${entry}/environ`, 'utf8').includes(`SETPOINT_TEST_ROOT=${root}`)) continue;
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const own = Number(entry) === process.pid || command.includes('vitest') || command.includes('esbuild');
      if (!own && command !== '') found.push(`process ${entry}: ${command}`);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

function listProc(): string[] {
  try {
    return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  } catch {
    return [];
  }
}

function leftFiles(root: string): string[] {
  return ['tmp', 'run']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((f) => join(folder, f)),
    )
    .filter((path) => path !== 'run/setpoint' && !path.includes('node-compile-cache'))
    .map((path) => `file ${join(root, path)}`);
}
