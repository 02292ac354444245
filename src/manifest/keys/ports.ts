import { isIP } from 'node:net';
import type { Place } from '../../core/diagnostic.ts';
import type { BackendDialect } from '../backends/dialect.ts';
import type { PortEntry, Service } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { parsePort, portsIn } from './port-forms.ts';
import type { HonouredPort, PortForm } from './port-forms.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import type { RawService } from './services.ts';
import { portKeys } from './table/blocks.ts';
import { readMembers } from './table/row.ts';
import { subject } from '../check/words.ts';

/** A port of a service, as its backend honours it. */
export interface PortFact extends HonouredPort {
  readonly place: Place;
}

/** Ports that one service may have, and entries that are looked at. */
export const MAX_PORTS = 1_000;

interface Written {
  readonly form: PortForm;
  /** Of a port in a list: the name that it is given by a long entry. */
  readonly name?: string;
}

/** Its ports by name, in the order of the manifest. What a backend cannot honour is reported, and left out. */
export function portsOf(
  { id, node }: RawService,
  dialect: BackendDialect,
  networkMode: string | undefined,
  reader: Reader,
): Map<string, PortFact> {
  const ports = new Map<string, PortFact>();
  const add = (item: Node, at: string | number, forms: Iterable<Written>, nameFor: Naming): void => {
    for (const written of forms) {
      const honoured = dialect.honourPort(written.form, networkMode);
      if (!honoured.ok) {
        const { code, message, note } = honoured.error;
        const what = subject(['services', id, 'ports', at]);
        reader.report.error(code, item.place, `${what} ${message}`, { note, same: '' });
        return;
      }
      ports.set(nameFor(written, ports), { ...honoured.value, place: item.place });
    }
  };
  const items = itemsIn(child<Service>(node, 'ports'));
  for (const { at, item } of items.slice(0, MAX_PORTS)) {
    if (ports.size >= MAX_PORTS) break;
    if (typeof at === 'string') add(item, at, formsOf(item, 'named', reader), () => at);
    else add(item, at, formsOf(item, 'listed', reader), nameOf);
  }
  const beyond = items[MAX_PORTS]?.item ?? (ports.size > MAX_PORTS ? node : undefined);
  if (beyond !== undefined) {
    const message = `service \`${id}\` has more than ${MAX_PORTS} ports`;
    reader.report.error('too-many-ports', beyond.place, message);
  }
  return ports;
}

type Naming = (written: Written, ports: ReadonlyMap<string, unknown>) => string;

/** With their names, or their positions in the list. */
function itemsIn(value: Node | undefined): readonly { readonly at: string | number; readonly item: Node }[] {
  if (value?.kind === 'map')
    return [...value.entries.values()].map(({ key, value: item }) => ({ at: key, item }));
  return value?.kind === 'list' ? value.items.map((item, at) => ({ at, item })) : [];
}

/** A port in a list is known by the number inside, the second of the same number by that and `-2`. */
function nameOf({ form, name }: Written, ports: ReadonlyMap<string, unknown>): string {
  const target = form.kind === 'given' ? 'auto' : String(form.target);
  const wanted = name ?? (form.kind === 'number' && form.protocol === 'udp' ? `${target}-udp` : target);
  let free = wanted;
  for (let next = 2; ports.has(free); next += 1) free = `${wanted}-${next}`;
  return free;
}

/** What is wrong in itself is reported by the check of the file. */
function* formsOf(item: Node, as: 'named' | 'listed', reader: Reader): Generator<Written> {
  if (item.kind === 'map') yield* entryForm(item, as, reader);
  if (item.kind !== 'scalar') return;
  const parsed = parsePort(reader.string(item) ?? '', as);
  if (parsed.ok) for (const form of portsIn(parsed.value)) yield { form };
}

function entryForm(item: Node, as: 'named' | 'listed', reader: Reader): readonly Written[] {
  const target = reader.number(child<PortEntry>(item, 'target'));
  if (target === undefined) return [];
  const hostIp = child<PortEntry>(item, 'host_ip');
  const address = reader.string(hostIp);
  const nameNode = child<PortEntry>(item, 'name');
  const name = reader.string(nameNode);
  if (hostIp !== undefined && address !== undefined && isIP(address) === 0) {
    reader.report.error('bad-address', hostIp.place, '`host_ip` is not an address', {
      note: 'expected one such as 127.0.0.1',
      same: '',
    });
    return [];
  }
  if (as === 'named' && nameNode !== undefined) {
    reader.report.error('conflicting-keys', nameNode.place, 'this port has a name already', {
      note: '`name` is for ports in a list',
      same: '',
    });
  }
  const published = publishedOf(child<PortEntry>(item, 'published'), reader);
  if (published === 'none' && hostIp !== undefined) {
    reader.report.error(
      'conflicting-keys',
      hostIp.place,
      '`host_ip` of a port that is not published means nothing',
      {
        same: '',
      },
    );
  }
  const form: PortForm = {
    kind: 'number',
    target,
    published,
    ...readMembers(portKeys, item, reader),
    ...(address === undefined ? {} : { hostIp: address }),
  };
  return [{ form, ...(name === undefined || as === 'named' ? {} : { name }) }];
}

function publishedOf(
  node: Node | undefined,
  reader: Reader,
): Exclude<PortForm, { kind: 'given' }>['published'] {
  if (node === undefined) return 'unsaid';
  if (reader.boolean(node) === false) return 'none';
  const text = reader.string(node);
  if (text === 'auto') return 'auto';
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : 'unsaid';
}
