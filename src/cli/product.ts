import packageJson from '../../package.json' with { type: 'json' };
import { API_VERSION } from '../core/api.ts';

export const VERSION: string = packageJson.version;

/** The version, and what a report of a problem should say beside it. */
export function versionFacts(): {
  readonly version: string;
  readonly api: number;
  readonly node: string;
  readonly platform: string;
} {
  return {
    version: VERSION,
    api: API_VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
}

export function versionText(): string {
  const { version, api, node, platform } = versionFacts();
  return `setpoint ${version} (api ${api}, node ${node}, ${platform})`;
}
