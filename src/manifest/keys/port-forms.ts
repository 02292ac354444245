/** The forms in which a manifest says where a service listens, and what of them a backend can honour. */
import { isIP } from 'node:net';
import { err, ok } from '../../core/util/result.ts';
import type { Result } from '../../core/util/result.ts';
import type { PortNumber } from '../../core/service.ts';

/** A port as it is written, whatever runs the service. */
export type PortForm =
  /** `auto`: the service listens on the number that it is given. */
  | { readonly kind: 'given' }
  | {
      readonly kind: 'number';
      /** The one that the service itself listens on. */
      readonly target: number;
      /** `unsaid`: the target is all that is written; `none`: the machine shall not reach it. */
      readonly published: PortNumber | 'unsaid' | 'none';
      readonly hostIp?: string;
      readonly protocol: 'tcp' | 'udp';
      /** Part of a range. */
      readonly ranged?: true;
    };

/** A port as a backend honours it. */
export interface HonouredPort {
  /** The number on the machine; absent where the machine does not reach it. */
  readonly port?: PortNumber;
  /** Of a container: the number inside. */
  readonly container?: number;
  /** Whether the engine publishes it; false where the container shares the machine's network. */
  readonly published: boolean;
  readonly hostIp?: string;
  readonly protocol: 'tcp' | 'udp';
}

export interface PortProblem {
  readonly code: 'bad-port' | 'unsupported-port-form';
  /** Follows the name of the entry. */
  readonly message: string;
  readonly note?: string;
}

const MAX_PORT = 65_535;
/** Ports that one entry may stand for. */
const MAX_RANGE = 1_000;

/** Ports that follow each other, as one entry may name them; see `portsIn`. */
export type PortEntryForm =
  | { readonly kind: 'given' }
  | {
      readonly kind: 'numbers';
      readonly from: number;
      readonly count: number;
      /** The first one on the machine, or what holds for all of them. */
      readonly published: PortNumber | 'unsaid';
      readonly hostIp?: string;
      readonly protocol: 'tcp' | 'udp';
    };

/**
 * Reads `80`, `8080:80`, `127.0.0.1:8080:80`, `auto:80`, `3000-3005`, each with `/udp` behind it where that is meant. As
 * the value of a name a port alone is also that of the machine, and `auto` is understood; in a list, as in Compose, a
 * port alone says nothing of the machine's.
 */
export function parsePort(text: string, as: 'named' | 'listed'): Result<PortEntryForm, PortProblem> {
  if (as === 'named' && text === 'auto') return ok({ kind: 'given' });
  const [, address, given, ports = '', suffix = 'tcp'] =
    /^(?:\[([^\]]*)\]:|([^:[\]]*:(?=[^:]*:)))?(.*?)(?:\/([a-z]+))?$/i.exec(text) ?? [];
  const hostIp = address ?? given?.slice(0, -1);
  const protocol = suffix.toLowerCase();
  if (protocol !== 'tcp' && protocol !== 'udp') return err(bad(`uses \`${suffix}\``, 'expected tcp or udp'));
  if (hostIp !== undefined && isIP(hostIp) === 0) return err(bad('names an address that is none'));
  const [outer, inner] = ports.includes(':') ? cut(ports) : [undefined, ports];
  const range = rangeOf(inner);
  if (range === undefined) return err(bad());
  const alone = outer === undefined ? hostIp : isIP(outer) === 0 ? undefined : outer;
  if (alone !== undefined) {
    const instead = `write ${alone}:${inner}:${inner}, or ${alone}:auto:${inner}`;
    return err(bad('has an address and one port', instead));
  }
  if (as === 'named' && range.count > 1) {
    return err(bad('is a range under one name', 'give each port its own name, or write a list'));
  }
  const published = publishedBy(outer, range, as);
  if (!published.ok) return published;
  const at = hostIp === undefined ? {} : { hostIp };
  return ok({ kind: 'numbers', ...range, published: published.value, protocol, ...at });
}

function publishedBy(
  outer: string | undefined,
  { from, count }: Range,
  as: 'named' | 'listed',
): Result<PortNumber | 'unsaid', PortProblem> {
  if (outer === undefined) return ok(as === 'named' ? from : 'unsaid');
  if (outer === '' || outer === 'auto') return ok('auto');
  const range = rangeOf(outer);
  if (range === undefined) return err(bad());
  if (range.count === count) return ok(range.from);
  const instead = count === 1 ? `write \`auto:${from}\` for any free port` : undefined;
  return err(bad('has ranges of different lengths', instead));
}

/** The ports of an entry one by one. */
export function* portsIn(entry: PortEntryForm): Generator<PortForm> {
  if (entry.kind === 'given') {
    yield entry;
    return;
  }
  const { from, count, published, hostIp, protocol } = entry;
  for (let at = 0; at < count; at += 1) {
    yield {
      kind: 'number',
      target: from + at,
      published: typeof published === 'number' ? published + at : published,
      protocol,
      ...(hostIp === undefined ? {} : { hostIp }),
      ...(count > 1 ? { ranged: true } : {}),
    };
  }
}

function cut(text: string): readonly [string, string] {
  const colon = text.indexOf(':');
  return [text.slice(0, colon), text.slice(colon + 1)];
}

interface Range {
  readonly from: number;
  readonly count: number;
}

/** Of `80` or `80-82`; undefined where it is neither, or too long. */
function rangeOf(text: string): Range | undefined {
  const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const from = Number(first);
  const to = Number(last);
  if (first === '' || from < 1 || to > MAX_PORT || to < from || to - from >= MAX_RANGE) return undefined;
  return { from, count: to - from + 1 };
}

function bad(
  message = 'is not a port',
  note = 'expected a port from 1 to 65535, such as 8080 or `8080:80`',
): PortProblem {
  return { code: 'bad-port', message, note };
}

/** A form that a backend cannot honour. */
export function unsupportedPort(message: string, note?: string): PortProblem {
  return { code: 'unsupported-port-form', message, ...(note === undefined ? {} : { note }) };
}
