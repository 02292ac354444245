import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { findOnPath } from '../../host/programs.ts';

/** What bwrap(1) can do on this machine. */
export type BwrapFacts =
  | {
      readonly kind: 'usable';
      /** Absolute. */
      readonly path: string;
      readonly version: string;
      readonly options: ReadonlySet<string>;
    }
  | { readonly kind: 'missing'; readonly reason: string; readonly help: string }
  /** It is installed, but may not do its work. */
  | { readonly kind: 'blocked'; readonly path: string; readonly reason: string; readonly help: string };

interface BwrapFactsOptions {
  /** Where bwrap is looked for is its PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absent: the machine's own files. */
  readonly readText?: (path: string) => string | undefined;
}

const TRY_MS = 5000;

/**
 * Finds bwrap and has it do, for a program that does nothing, what a sandbox takes. Takes a few milliseconds; the answer
 * holds until something is installed or a setting of the kernel is changed. Never rejects.
 */
export async function bwrapFacts(options: BwrapFactsOptions): Promise<BwrapFacts> {
  const { env, readText = readFileText } = options;
  const path = findOnPath('bwrap', env['PATH']);
  if (path === undefined) {
    return {
      kind: 'missing',
      reason: 'bwrap (bubblewrap) is not on the PATH of setpoint',
      help: installHint(readText('/etc/os-release') ?? ''),
    };
  }
  const [help, version, attempt] = await Promise.all([
    tryRun(path, ['--help']),
    tryRun(path, ['--version']),
    tryRun(path, ['--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--', '/bin/sh', '-c', ':']),
  ]);
  if (!attempt.ok) return { kind: 'blocked', path, ...whyBlocked(attempt.output, readText) };
  return {
    kind: 'usable',
    path,
    version: /\d[\w.]*/.exec(version.output)?.[0] ?? 'unknown',
    options: new Set(help.output.match(/--[a-z][a-z0-9-]+/g) ?? []),
  };
}

/** How bubblewrap is installed on the system that a text like os-release(5) tells of. */
export function installHint(osRelease: string): string {
  const value = (key: string): string =>
    new RegExp(`^${key}=["']?([^"'\\n]*)`, 'm').exec(osRelease)?.[1]?.toLowerCase() ?? '';
  const names = `${value('ID')} ${value('ID_LIKE')}`.split(' ');
  const command = INSTALL_COMMANDS.find(({ ids }) => ids.some((id) => names.includes(id)))?.command;
  return command === undefined ? 'install bubblewrap' : `install bubblewrap: ${command}`;
}

const INSTALL_COMMANDS = [
  { ids: ['nixos'], command: 'add pkgs.bubblewrap to environment.systemPackages' },
  { ids: ['alpine'], command: 'apk add bubblewrap' },
  { ids: ['arch'], command: 'pacman -S bubblewrap' },
  { ids: ['opensuse', 'suse', 'sles'], command: 'zypper install bubblewrap' },
  { ids: ['fedora', 'rhel', 'centos'], command: 'dnf install bubblewrap' },
  { ids: ['debian', 'ubuntu'], command: 'apt-get install bubblewrap' },
] as const;

/** Settings that keep users from making namespaces, and how each is lifted. */
const SETTINGS = [
  {
    path: '/proc/sys/kernel/unprivileged_userns_clone',
    blocks: '0',
    name: 'kernel.unprivileged_userns_clone is 0',
    help: 'allow user namespaces: sysctl kernel.unprivileged_userns_clone=1',
  },
  {
    path: '/proc/sys/user/max_user_namespaces',
    blocks: '0',
    name: 'user.max_user_namespaces is 0',
    help: 'allow user namespaces: sysctl user.max_user_namespaces=15000',
  },
  {
    path: '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    blocks: '1',
    name: 'AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)',
    help: 'give bwrap an AppArmor profile that allows `userns`, or set that to 0',
  },
] as const;

/** Why bwrap could not do its work, by what it said and what the machine's settings are. */
export function whyBlocked(
  output: string,
  readText: (path: string) => string | undefined,
): { readonly reason: string; readonly help: string } {
  const said = output.trim().split('\n')[0] ?? '';
  const setting = SETTINGS.find(({ path, blocks }) => readText(path)?.trim() === blocks);
  const inContainer = ['/.dockerenv', '/run/.containerenv'].some((path) => readText(path) !== undefined);
  if (/permit|permission|denied|no space left/i.test(said)) {
    if (setting !== undefined) {
      return { reason: `bwrap may not make namespaces: ${setting.name}`, help: setting.help };
    }
    if (inContainer) {
      return {
        reason: `bwrap may not make namespaces in this container (${said})`,
        help: 'start the container with CAP_SYS_ADMIN and a seccomp profile that allows namespaces, or leave out `sandbox` and `mounts`: the container is one',
      };
    }
  }
  return {
    reason: `bwrap does not work here: ${said === '' ? 'it ended without a word' : said}`,
    help: 'try `bwrap --ro-bind / / true`; without it `sandbox` and `mounts` cannot be honoured',
  };
}

interface Attempt {
  readonly ok: boolean;
  readonly output: string;
}

function tryRun(program: string, args: readonly string[]): Promise<Attempt> {
  return new Promise((resolve) => {
    const options = { timeout: TRY_MS, env: { LC_ALL: 'C' }, cwd: '/' };
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ ok: error === null, output: `${stdout}${stderr}` || (error?.message ?? '') }),
    );
  });
}

function readFileText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
