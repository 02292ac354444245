import type { Launch } from '../../core/service.ts';

/** What a manifest says below `nix`. */
export interface NixSettings {
  /** Absolute folder, or a flake reference. */
  readonly flake: string;
  /** Attribute of devShells. */
  readonly shell: string;
  /** Absolute. */
  readonly cacheDir?: string;
  readonly impure: boolean;
}

/** Undefined where a launch has none, and so is not for this backend. */
export function nixSettings({ settings }: Pick<Launch<unknown>, 'settings'>): NixSettings | undefined {
  return settings !== undefined && isNix(settings.values) ? settings.values : undefined;
}

function isNix(values: object): values is NixSettings {
  return 'flake' in values && typeof values.flake === 'string' && 'shell' in values;
}
