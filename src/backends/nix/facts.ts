import { execFile } from 'node:child_process';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath } from '../../host/programs.ts';

/** What nix there is on this machine. */
export type NixFacts =
  | { readonly kind: 'usable'; readonly path: string; readonly version: string }
  | { readonly kind: 'missing'; readonly reason: string; readonly help: string }
  /** It is there, but does not answer, or is older than flakes. */
  | { readonly kind: 'unusable'; readonly path: string; readonly reason: string; readonly help: string };

interface NixFactsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absent: the machine's own files. */
  readonly readText?: (path: string) => string | undefined;
}

/** Where installers put nix, for a PATH that a login shell would have completed. */
const PROFILES = ['/nix/var/nix/profiles/default/bin', '/run/current-system/sw/bin'];

const VERSION_MS = 10_000;

/** Looks for nix and asks it for its version. Never rejects. */
export async function nixFacts({ env, readText = readFileText }: NixFactsOptions): Promise<NixFacts> {
  const path = findNix(env);
  if (path === undefined) {
    const help = installHint(process.platform, readText('/etc/os-release') ?? '');
    return { kind: 'missing', reason: 'nix is not on the PATH of setpoint', help };
  }
  const answer = await versionOf(path, env);
  const version = /(\d+)\.(\d+)[\w.]*/.exec(answer);
  const help = 'install nix 2.4 or later';
  if (version === null) {
    const said = answer.trim().split('\n')[0] ?? '';
    return { kind: 'unusable', path, reason: `${path} does not tell its version: ${said}`, help };
  }
  if (Number(version[1]) < 2 || (Number(version[1]) === 2 && Number(version[2]) < 4)) {
    return { kind: 'unusable', path, reason: `nix ${version[0]} is older than flakes`, help };
  }
  return { kind: 'usable', path, version: version[0] };
}

function versionOf(path: string, env: NixFactsOptions['env']): Promise<string> {
  return new Promise((resolve) => {
    execFile(path, ['--version'], { timeout: VERSION_MS, env: { ...env } }, (error, stdout, stderr) =>
      resolve(error === null ? stdout : `${stderr}${error.message}`.replaceAll(/\d/g, '?')),
    );
  });
}

/** How nix is installed; given as advice and never run. */
export function installHint(platform: string, osRelease: string): string {
  if (platform === 'darwin') return 'install nix: the installer for macOS is on nixos.org/download';
  const names = ['ID', 'ID_LIKE'].flatMap((key) =>
    (new RegExp(`^${key}=["']?([^"'\\n]*)`, 'm').exec(osRelease)?.[1] ?? '').toLowerCase().split(' '),
  );
  const command = INSTALL_COMMANDS.find(({ ids }) => ids.some((id) => names.includes(id)))?.command;
  return command === undefined
    ? 'install nix: the installer is on nixos.org/download'
    : `install nix: ${command}, or the installer on nixos.org/download`;
}

const INSTALL_COMMANDS = [
  { ids: ['debian', 'ubuntu'], command: 'apt-get install nix-bin' },
  { ids: ['alpine'], command: 'apk add nix' },
  { ids: ['arch'], command: 'pacman -S nix' },
  { ids: ['fedora'], command: 'dnf install nix' },
] as const;

export function findNix(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const home = env['HOME'];
  const own = home === undefined ? [] : [join(home, '.nix-profile/bin')];
  return findOnPath('nix', [env['PATH'], ...own, ...PROFILES].join(':'));
}

/** Tells one installed nix from another without running it. */
export function identityOf(path: string): string {
  const real = realpathSync(path);
  const { size, mtimeMs } = statSync(real);
  return `${real} ${size} ${mtimeMs}`;
}

/** The name that nix has for this machine, such as `x86_64-linux`. */
export function nixSystem(): string {
  const names: Readonly<Record<string, string>> = {
    x64: 'x86_64',
    arm64: 'aarch64',
    ia32: 'i686',
    arm: 'armv7l',
  };
  return `${names[process.arch] ?? process.arch}-${process.platform}`;
}

function readFileText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
