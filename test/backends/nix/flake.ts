import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findNix } from '../../../src/backends/nix/facts.ts';
import { lacks } from '../../rig/needs.ts';

/** Folders for one test: a flake, a cache, a home, and a nix that works without root, network and users of its own. */
export class FlakeRig {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'nix-test-')));
  readonly flake = join(this.dir, 'flake');
  readonly cacheRoot = join(this.dir, 'cache');
  readonly env: Record<string, string>;

  constructor() {
    for (const name of ['flake', 'home']) mkdirSync(join(this.dir, name));
    this.env = {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      HOME: join(this.dir, 'home'),
      NIX_CONFIG: [
        'build-users-group =',
        'substituters =',
        'experimental-features = nix-command flakes',
        'sandbox = false',
        'flake-registry =',
      ].join('\n'),
    };
  }

  write(name: string, text: string): string {
    const path = join(this.flake, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** A program in a folder of the flake's parent; the answer is that folder. */
  program(folder: string, name: string, script: string): string {
    const dir = join(this.dir, folder);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return dir;
  }

  /** Puts a nix that counts its calls before the real one; `env` has it on its PATH. */
  counting(env: Record<string, string> = this.env): { env: Record<string, string>; calls: () => number } {
    const log = join(this.dir, 'calls');
    const bin = join(this.dir, 'counting');
    // Written once: another file would be another nix.
    if (!existsSync(bin)) this.program('counting', 'nix', `echo call >>'${log}'\nexec '${realNix()}' "$@"`);
    const calls = (): number => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0);
    return { env: { ...env, PATH: `${bin}:${env['PATH'] ?? ''}` }, calls };
  }

  /** The same environment with a PATH on which there is no nix. */
  withoutNix(): Record<string, string> {
    const bin = join(this.dir, 'no-nix');
    mkdirSync(bin, { recursive: true });
    return { ...this.env, PATH: bin };
  }

  /** Puts the flake under git. */
  git(...args: readonly string[]): void {
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
      cwd: this.flake,
      stdio: 'ignore',
      env: this.env,
    });
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function realNix(): string {
  return execFileSync('/bin/sh', ['-c', 'command -v nix'], { encoding: 'utf8' }).trim();
}

/** A flake without inputs whose shell is a bare derivation, so that nothing has to be fetched or built. */
export function shellFlake(attributes: string, more = ''): string {
  return `{
  outputs = { self }:
    let shell = system: derivation {
      name = "shell";
      inherit system;
      builder = "/bin/bash";
      outputs = [ "out" ];
      ${attributes}
    };
    in {
      devShells.x86_64-linux.default = shell "x86_64-linux";
      devShells.aarch64-linux.default = shell "aarch64-linux";
      ${more}
    };
}
`;
}

/** Why nothing can be tried with nix here; undefined where it can. Throws where nothing may lack, see rig/needs.ts. */
export function lacksNix(): string | undefined {
  const mayLack = process.env['SETPOINT_TEST_REQUIRE_ALL'] === undefined;
  return lacks('nix') ?? (mayLack && !nixWorks() ? 'nix cannot evaluate here' : undefined);
}

/** Whether nix can evaluate and build here; it may be installed and yet lack a store that this user may write to. */
function nixWorks(): boolean {
  const rig = new FlakeRig();
  try {
    const nix = findNix(rig.env);
    if (nix === undefined) return false;
    rig.write('flake.nix', shellFlake(''));
    execFileSync(nix, ['print-dev-env', '--json', `path:${rig.flake}`], { env: rig.env, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rig.close();
  }
}
