import { err, ok, type Result } from '../../core/util/result.ts';
import type { NixSettings } from './settings.ts';

/** Where a flake's files are, as far as that can be told without nix. */
export type FlakeLocation =
  /** `asPath`: nix takes the folder as it is, be it in a git repository or not. */
  | { readonly kind: 'local'; readonly dir: string; readonly asPath: boolean }
  /** The reference names one state for good. */
  | { readonly kind: 'locked' }
  /** It may mean something else tomorrow. */
  | { readonly kind: 'moving' };

/** Reads a flake reference (nix3-flake(1)). The error is a sentence without a final period. */
export function locateFlake(flake: string): Result<FlakeLocation, string> {
  if (flake.startsWith('-') || flake.includes('\0')) {
    return err(`${JSON.stringify(flake)} is not a flake reference`);
  }
  if (flake.includes('#')) {
    return err(`the flake reference ${flake} holds a \`#\`: name the shell in \`nix.shell\``);
  }
  if (flake.startsWith('/')) {
    return flake.includes('?')
      ? err(`nix cannot read a flake in a folder whose name holds a \`?\`: ${flake}`)
      : ok({ kind: 'local', dir: flake, asPath: false });
  }
  const [address = '', query = ''] = flake.split('?', 2);
  const rest = `?${query}`;
  if (
    /[?&](rev|narHash)=/.test(rest) ||
    /^(github|gitlab|sourcehut):[^/]+\/[^/]+\/[0-9a-f]{40}$/.test(address)
  ) {
    return ok({ kind: 'locked' });
  }
  const folder = /^(path|git\+file):(?:\/\/)?(\/.*)$/.exec(address);
  if (folder === null || query !== '') return ok({ kind: 'moving' });
  return ok({ kind: 'local', dir: decodeURIComponentSafely(folder[2] ?? ''), asPath: folder[1] === 'path' });
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What nix is given; without an attribute it also finds a shell under its older name, `devShell`. */
export function installable({ flake, shell }: Pick<NixSettings, 'flake' | 'shell'>): string {
  return shell === 'default' ? flake : `${flake}#${shell}`;
}
