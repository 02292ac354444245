/** The forms in which a manifest says what only a container has. */
import { isIP } from 'node:net';
import { cutHost } from '../form/forms.ts';
import { err, ok } from '../../core/util/result.ts';
import type { Result } from '../../core/util/result.ts';

/** `[registry[:port]/]path[:tag][@digest]` as the engine takes it, or the id of an image. */
const IMAGE =
  /^(?:[a-zA-Z0-9.-]+(?::[0-9]{1,5})?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** Why a text is no name of an image, in words. */
export function imageProblem(text: string): string | undefined {
  if (text.length > 500) return 'is too long to be the name of an image';
  if (/^sha256:[0-9a-f]{64}$/.test(text) || IMAGE.test(text)) return undefined;
  if (IMAGE.test(text.toLowerCase())) return 'holds upper-case letters, which the name of an image cannot';
  return 'is not the name of an image';
}

/** `NAME:ADDRESS` or `NAME=ADDRESS`, as `NAME:ADDRESS`; an IPv6 address may stand in brackets. */
export function parseExtraHost(text: string): Result<string, string> {
  const host = cutHost(text);
  return host === undefined ? err('is not `NAME:ADDRESS`') : extraHost(host.name, host.address);
}

export function extraHost(name: string, address: string): Result<string, string> {
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (!/^[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]{0,252})$/.test(name)) return err('has a name that no host can have');
  if (bare !== 'host-gateway' && isIP(bare) === 0) return err('has an address that is none');
  return ok(`${name}:${bare}`);
}

/** As the engine has it: `NET_ADMIN` of `cap_net_admin`. */
export function capability(text: string): string {
  return text.toUpperCase().replace(/^CAP_/, '');
}
