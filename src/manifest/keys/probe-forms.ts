/** The forms in which a manifest says what a probe looks at. */
import { err, ok } from '../../core/util/result.ts';
import type { Result } from '../../core/util/result.ts';
import type { Text } from '../../core/service.ts';

export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** Reads `204`, `2xx` or `200-399`; both ends are included. */
export function parseStatus(text: string): Result<StatusRange, string> {
  const [, first = '', rest = '', last] = /^([1-5])(xx|\d\d)(?:-([1-5]\d\d))?$/i.exec(text) ?? [];
  if (first === '' || (last !== undefined && !/^\d/.test(rest)))
    return err('it is no status such as 200, `2xx` or `200-399`');
  if (!/^\d/.test(rest)) return ok({ from: Number(first) * 100, to: Number(first) * 100 + 99 });
  const from = Number(first + rest);
  const to = last === undefined ? from : Number(last);
  return to < from ? err('the end of the range is below its beginning') : ok({ from, to });
}

/** Texts one after the other; one without late parts is a plain string. */
export function concat(...texts: readonly Text[]): Text {
  const parts = texts.flatMap((text) => (typeof text === 'string' ? [text] : text));
  const joined: (typeof parts)[number][] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part;
    else if (part !== '') joined.push(part);
  }
  const [only = '', ...more] = joined;
  return more.length === 0 && typeof only === 'string' ? only : joined;
}

/** A text as it may look once its late parts are known. */
export function sampleOf(text: Text): string {
  if (typeof text === 'string') return text;
  const parts = text.map((part) =>
    typeof part === 'string' ? part : part.ref === 'host' ? '127.0.0.1' : '1',
  );
  return parts.join('');
}

/** Why a text is no URL that can be asked; the text itself is not repeated, it may hold a password. */
export function urlProblem(text: Text): string | undefined {
  const sample = sampleOf(text);
  if (sample.startsWith('/')) return 'is a path, not a URL';
  if (!URL.canParse(sample)) return 'is not a URL';
  const { protocol } = new URL(sample);
  return protocol === 'http:' || protocol === 'https:' ? undefined : 'is not a URL of `http` or `https`';
}

/** `host:port`, `[::1]:port` or a port alone, cut at the last colon. Undefined where an address has no brackets. */
export function splitAddress(text: Text): { readonly host?: Text; readonly port: Text } | undefined {
  const parts = typeof text === 'string' ? [text] : text;
  const at = parts.findLastIndex((part) => typeof part === 'string' && part.includes(':'));
  const part = parts[at];
  if (typeof part !== 'string') return { port: text };
  const colon = part.lastIndexOf(':');
  const host = concat(parts.slice(0, at), part.slice(0, colon));
  const port = concat(part.slice(colon + 1), parts.slice(at + 1));
  const address = /^\[([0-9a-f:.]+)\]$/i.exec(typeof host === 'string' ? host : '')?.[1];
  if (address !== undefined) return { host: address, port };
  if (sampleOf(host) === '' || sampleOf(host).includes(':')) return undefined;
  return { host, port };
}

/** A host as it stands in a URL: IPv6 addresses in brackets. */
export function urlHost(host: Text): Text {
  return sampleOf(host).includes(':') && !sampleOf(host).startsWith('[') ? concat('[', host, ']') : host;
}
