import { isIP } from 'node:net';
import type { Place } from '../core/diagnostic.ts';
import type { BackendName } from '../core/service.ts';
import type { PortEntry, Service } from './manifest-types.ts';
import type { Node } from './node.ts';
import { honourPort, parsePort } from './port-forms.ts';
import type { HonouredPort, PortForm } from './port-forms.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import type { RawService } from './services.ts';
import { subject } from './words.ts';

/** A port of a service, as its backend honours it. */
export interface PortFact extends HonouredPort {
  readonly place: Place;
}

interface Written {
  readonly form: PortForm;
  /** Of a port in a list: the name that it is given by a long entry. */
  readonly name?: string;
}

/** Its ports by name, in the order of the manifest. What a backend cannot honour is reported, and left out. */
export function portsOf(
  { id, node }: RawService,
  backend: BackendName,
  networkMode: string | undefined,
  reader: Reader,
): Map<string, PortFact> {
  const ports = new Map<string, PortFact>();
  const add = (name: string, form: PortForm, item: Node, at: string | number): void => {
    const honoured = honourPort(form, backend, networkMode);
    if (honoured.ok) {
      ports.set(name, { ...honoured.value, place: item.place });
      return;
    }
    const { code, message, note } = honoured.error;
    const what = subject(['services', id, 'ports', at]);
    reader.report.error(code, item.place, `${what} ${message}`, { note, same: '' });
  };
  const value = child<Service>(node, 'ports');
  if (value?.kind === 'map') {
    for (const { key, value: item } of value.entries.values()) {
      for (const { form } of formsOf(item, 'named', reader)) add(key, form, item, key);
    }
  }
  for (const [index, item] of value?.kind === 'list' ? value.items.entries() : []) {
    for (const { form, name } of formsOf(item, 'listed', reader)) {
      add(unused(name ?? nameOf(form), ports), form, item, index);
    }
  }
  return ports;
}

/** A port in a list is known by the number inside, the second of the same number by that and `-2`. */
function nameOf(form: PortForm): string {
  if (form.kind === 'given') return 'auto';
  return form.protocol === 'udp' ? `${form.target}-udp` : String(form.target);
}

function unused(name: string, ports: ReadonlyMap<string, unknown>): string {
  let free = name;
  for (let next = 2; ports.has(free); next += 1) free = `${name}-${next}`;
  return free;
}

/** What is wrong in itself is reported by the check of the file. */
function formsOf(item: Node, as: 'named' | 'listed', reader: Reader): readonly Written[] {
  if (item.kind === 'map') return entryForm(item, as, reader);
  if (item.kind === 'list') return [];
  const parsed = parsePort(reader.string(item) ?? '', as);
  return parsed.ok ? parsed.value.map((form) => ({ form })) : [];
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
    protocol: reader.string(child<PortEntry>(item, 'protocol')) === 'udp' ? 'udp' : 'tcp',
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
