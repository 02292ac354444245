import type { ProbeCheck, Text } from '../../core/service.ts';
import type { HttpCheckEntry, TcpCheckEntry } from '../generated/manifest-types.ts';
import { isText } from '../read/node.ts';
import type { MapNode, Node } from '../read/node.ts';
import { concat, parseStatus, sampleOf, splitAddress, urlHost, urlProblem } from '../keys/probe-forms.ts';
import type { StatusRange } from '../keys/probe-forms.ts';
import type { ProbeScope } from '../keys/probes.ts';
import { child, hasUnknownKey, itemsOf } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import { didYouMean } from '../../core/util/closest.ts';

const HTTP_KEYS = ['url', 'port', 'path', 'host', 'scheme', 'method', 'headers', 'status'];
const LOCAL = '127.0.0.1';
/** Names of the machine itself. */
const HERE: readonly string[] = [LOCAL, 'localhost', '::1'];
const ANY_SUCCESS: readonly StatusRange[] = [{ from: 200, to: 399 }];

/** `what` names the check in messages. */
export function httpCheck(node: Node, what: string, scope: ProbeScope): ProbeCheck | undefined {
  const { onMachine: reader } = scope;
  const place = node.kind === 'map' ? (child<HttpCheckEntry>(node, 'url') ?? node).place : node.place;
  const url = node.kind === 'map' ? mapUrl(node, what, scope) : textOf(node, reader);
  const method = reader.string(child<HttpCheckEntry>(node, 'method')) ?? 'GET';
  const headers = headersOf(child<HttpCheckEntry>(node, 'headers'), what, scope);
  const ranges = itemsOf(child<HttpCheckEntry>(node, 'status')).flatMap((item) => {
    const status = parseStatus(reader.string(item) ?? '');
    return status.ok ? [status.value] : [];
  });
  if (url === undefined || url === '') return undefined;
  const problem = urlProblem(url);
  if (problem !== undefined) {
    reader.report.error('bad-url', place, `${what} ${problem}`, {
      note: problem.includes('path')
        ? 'write `{port: ..., path: ...}`'
        : 'expected one such as http://127.0.0.1:8080/health',
    });
    return undefined;
  }
  return { kind: 'http', url, method, headers, status: ranges.length > 0 ? ranges : ANY_SUCCESS };
}

function mapUrl(node: MapNode, what: string, scope: ProbeScope): Text | undefined {
  const { onMachine: reader } = scope;
  const url = child<HttpCheckEntry>(node, 'url');
  const host = reader.text(child<HttpCheckEntry>(node, 'host'));
  const path = reader.text(child<HttpCheckEntry>(node, 'path')) ?? '/';
  const scheme = reader.string(child<HttpCheckEntry>(node, 'scheme')) === 'https' ? 'https' : 'http';
  const port = child<HttpCheckEntry>(node, 'port');
  if (url !== undefined) {
    const beside = ['port', 'path', 'host', 'scheme'].map((key) => node.entries.get(key)).find(Boolean);
    if (beside !== undefined) {
      reader.report.error(
        'conflicting-keys',
        beside.keyPlace,
        `${what} has both \`url\` and \`${beside.key}\``,
        {
          note: 'the URL says that already',
        },
      );
    }
    return textOf(url, reader);
  }
  if (port === undefined) {
    if (!hasUnknownKey(node, HTTP_KEYS)) {
      reader.report.error('missing-key', node.place, `${what} names no \`port\``, {
        note: 'expected `port` or `url`',
      });
    }
    return undefined;
  }
  const number = portOf(port, portText(port, reader), host, what, scope);
  // A plain path that begins otherwise is refused by the schema; of one with late parts that is known only now.
  if (!sampleOf(path).startsWith('/')) {
    if (typeof path !== 'string') {
      const { place } = child<HttpCheckEntry>(node, 'path') ?? node;
      reader.report.error('bad-value', place, `the path of ${what} does not begin with \`/\``);
    }
    return undefined;
  }
  return number === undefined ? undefined : concat(`${scheme}://`, urlHost(host ?? LOCAL), ':', number, path);
}

/** `what` names the check in messages. */
export function tcpCheck(node: Node, what: string, scope: ProbeScope): ProbeCheck | undefined {
  const { onMachine: reader } = scope;
  if (node.kind === 'map') {
    const host = reader.text(child<TcpCheckEntry>(node, 'host'));
    const named = child<TcpCheckEntry>(node, 'port');
    if (named === undefined && !hasUnknownKey(node, ['host', 'port'])) {
      reader.report.error('missing-key', node.place, `${what} names no \`port\``, {
        note: 'expected a `port`',
      });
    }
    const port = named === undefined ? undefined : portOf(named, portText(named, reader), host, what, scope);
    return port === undefined ? undefined : { kind: 'tcp', host: host ?? LOCAL, port };
  }
  const text = portText(node, reader);
  if (text === undefined || text === '') return undefined;
  const address = splitAddress(text);
  if (address === undefined) {
    reader.report.error('bad-address', node.place, `${what} is not an address`, {
      note: 'expected `host:port`; an IPv6 address stands in brackets, as in `[::1]:80`',
    });
    return undefined;
  }
  const { host } = address;
  const port = portOf(node, address.port, host, what, scope);
  return port === undefined ? undefined : { kind: 'tcp', host: host ?? LOCAL, port };
}

/**
 * A port's number, or the service's own port of that name. Its own ports stay late references even where they are
 * fixed, and so does a number that is one of them on this host: each instance has another one. `host` is absent where
 * none is named.
 */
function portOf(
  node: Node,
  text: Text | undefined,
  host: Text | undefined,
  what: string,
  scope: ProbeScope,
): Text | undefined {
  if (typeof text !== 'string') return text;
  if (!/^\d+$/.test(text)) return ownPort(node, text, what, scope);
  const number = Number(text);
  const isHere = host === undefined || (typeof host === 'string' && HERE.includes(host));
  const own = isHere ? [...scope.facts.ports].find(([, { port }]) => port === number) : undefined;
  if (own !== undefined) return [{ ref: 'port', service: scope.service.id, port: own[0] }];
  if (isHere) warnOfInside(node, number, what, scope);
  if (number >= 1 && number <= 65_535) return String(number);
  scope.reader.report.error('bad-port', node.place, `${what} names a port that cannot be`, {
    note: 'expected a port from 1 to 65535',
    same: '',
  });
  return undefined;
}

function textOf(node: Node, reader: Reader): Text | undefined {
  return isText(node) ? reader.text(node) : undefined;
}

function portText(node: Node, reader: Reader): Text | undefined {
  const isNumber = node.kind === 'scalar' && Number.isInteger(node.value);
  return isNumber || isText(node) ? reader.text(node) : undefined;
}

/** A container's own number means another port, or none, on the machine, where these probes look. */
function warnOfInside(node: Node, number: number, what: string, { facts, reader }: ProbeScope): void {
  const inside = [...facts.ports].find(
    ([, { container, protocol }]) => container === number && protocol === 'tcp',
  );
  if (inside === undefined) return;
  reader.report.warning(
    'port-inside',
    node.place,
    `${what} names port ${number}, which is one inside the container`,
    {
      note: 'it is looked at from the machine',
      help: `write \`${inside[0]}\`, the name of the port`,
      same: '',
    },
  );
}

function ownPort(
  node: Node,
  name: string,
  what: string,
  { service: { id }, facts, reader }: ProbeScope,
): Text | undefined {
  const own = facts.ports.get(name);
  if (own !== undefined) {
    if (own.port === undefined) {
      const message = `${what} looks from the machine, where port \`${name}\` of service \`${id}\` is not published`;
      reader.report.error('unpublished-port', node.place, message, {
        help: 'publish it, or look from inside by `exec`',
        also: [{ place: own.place, note: 'the port' }],
      });
    }
    return [{ ref: 'port', service: id, port: name }];
  }
  const names = [...facts.ports.keys()];
  const known =
    names.length === 0 ? 'it has no `ports`' : `it has ${names.map((own) => `\`${own}\``).join(', ')}`;
  const message = `${what} names a port that service \`${id}\` does not have`;
  reader.report.error('unknown-port', node.place, message, { note: didYouMean(name, names) ?? known });
  return undefined;
}

/** Names and values as HTTP allows them; what is wrong is named by its position, it may be a secret out of its place. */
function headersOf(
  node: Node | undefined,
  what: string,
  { onMachine: reader }: ProbeScope,
): Readonly<Record<string, Text>> {
  const headers: [string, Text][] = [];
  let position = 0;
  for (const { key, keyPlace, value } of node?.kind === 'map' ? node.entries.values() : []) {
    position += 1;
    const text = reader.text(value);
    if (text === undefined) continue;
    headers.push([key, text]);
    const wrong = !/^[!#$%&'*+\-.^_`|~\w]+$/.test(key)
      ? `the name of header ${position} of ${what} cannot be used`
      : (typeof text === 'string' ? [text] : text).some(
            (part) => typeof part === 'string' && !isFieldText(part),
          )
        ? `header ${position} of ${what} holds characters that a header cannot`
        : undefined;
    if (wrong !== undefined) reader.report.error('bad-header', keyPlace, wrong, { same: '' });
  }
  return Object.fromEntries(headers);
}

/** RFC 9110, section 5.5, in the bytes that Node.js sends: no control characters but tab, nothing beyond Latin-1. */
function isFieldText(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}
