import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { engineFacts } from './doctor-engines.ts';
import type { MachineFact } from '../core/machine-fact.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Looks at all that Setpoint needs of the machine, or can make use of. What is made for that is removed at once. */
export async function gatherFacts(env: Env): Promise<readonly MachineFact[]> {
  return [...ownFacts(env), ...(await engineFacts(env))];
}

function ownFacts(env: Env): readonly MachineFact[] {
  const linux = process.platform === 'linux';
  return [
    nodeVersion(),
    program(env, 'sh', 'missing', 'services are started through it; install a POSIX shell'),
    ...(linux
      ? [
          program(env, 'flock', 'missing', 'guards against two daemons of one project; install util-linux'),
          program(env, 'setpriv', 'weak', 'needed for `user:`; install util-linux'),
        ]
      : []),
    program(env, 'mkfifo', 'weak', 'tells the end of a service at once; install coreutils'),
    ...(linux ? [procFs(), inotify(), cgroup()] : []),
    folder('state folder', env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state')),
    runtimeFolder(env),
  ];
}

/** The oldest Node that package.json's `engines` allows. */
const LEAST_NODE = [20, 19] as const;

function nodeVersion(): MachineFact {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const enough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const fact = { name: 'Node', found: process.versions.node };
  if (enough) return { ...fact, state: 'good' };
  return { ...fact, state: 'missing', hint: `version ${LEAST_NODE.join('.')} or later is needed` };
}

function program(env: Env, name: string, without: 'weak' | 'missing', hint: string): MachineFact {
  for (const dir of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(dir === '' ? '.' : dir, name);
    try {
      accessSync(path, constants.X_OK);
      return { name, state: 'good', found: path };
    } catch {
      continue;
    }
  }
  return { name, state: without, found: 'not on PATH', hint };
}

function procFs(): MachineFact {
  const name = '/proc';
  try {
    readFileSync('/proc/self/stat');
    readFileSync('/proc/sys/kernel/random/boot_id');
    return { name, state: 'good', found: 'readable' };
  } catch {
    return {
      name,
      state: 'missing',
      found: 'not readable',
      hint: 'processes are identified through it; mount proc',
    };
  }
}

/** Watches that the daemon needs: two for each instance, and some for manifests. */
const LEAST_WATCHES = 1024;

function inotify(): MachineFact {
  const name = 'inotify';
  const limit = number('/proc/sys/fs/inotify/max_user_watches');
  const instances = number('/proc/sys/fs/inotify/max_user_instances');
  if (limit === undefined || instances === undefined) {
    return {
      name,
      state: 'weak',
      found: 'limits unknown',
      hint: 'logs are followed by polling where watching fails',
    };
  }
  const found = `${limit} watches, ${instances} instances`;
  if (limit >= LEAST_WATCHES) return { name, state: 'good', found };
  return {
    name,
    state: 'weak',
    found,
    hint: `raise it: sysctl fs.inotify.max_user_watches=${LEAST_WATCHES * 64}`,
  };
}

function cgroup(): MachineFact {
  const name = 'cgroup';
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return { name, state: 'good', found: 'version 2' };
  if (existsSync('/sys/fs/cgroup/memory')) return { name, state: 'good', found: 'version 1' };
  return {
    name,
    state: 'weak',
    found: 'none',
    hint: 'an end by the OOM killer cannot be told from any other SIGKILL',
  };
}

/** The nearest folder that exists must let us write. */
function folder(name: string, path: string): MachineFact {
  let at = path;
  while (!existsSync(at) && at !== join(at, '..')) at = join(at, '..');
  try {
    rmSync(mkdtempSync(join(at, '.setpoint-doctor-')), { recursive: true });
    return { name, state: 'good', found: path };
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'not writable';
    return {
      name,
      state: 'missing',
      found: `${at}: ${why}`,
      hint: 'make it writable, or set XDG_STATE_HOME',
    };
  }
}

function runtimeFolder(env: Env): MachineFact {
  const name = 'runtime folder';
  const path = env['XDG_RUNTIME_DIR'];
  if (path === undefined || path === '') {
    const fact = folder(name, tmpdir());
    return fact.state === 'good' ? { ...fact, found: `${fact.found} (XDG_RUNTIME_DIR is not set)` } : fact;
  }
  try {
    const stat = statSync(path);
    const mine = process.getuid === undefined || stat.uid === process.getuid();
    if (mine && (stat.mode & 0o077) === 0) return folder(name, path);
    const found = `${path}: ${mine ? `mode ${(stat.mode & 0o777).toString(8)}` : 'owned by another user'}`;
    return { name, state: 'weak', found, hint: 'it should be yours alone (mode 700)' };
  } catch {
    return {
      name,
      state: 'weak',
      found: `${path}: not there`,
      hint: 'unset XDG_RUNTIME_DIR, or create it with mode 700',
    };
  }
}

function number(path: string): number | undefined {
  try {
    const value = Number(readFileSync(path, 'utf8').trim());
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
