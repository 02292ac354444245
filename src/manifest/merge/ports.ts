/** Merging of ports: what is one port is told by what the service itself listens on, in whatever form it is written. */
import { parsePort, type PortForm, portsIn } from '../keys/port-forms.ts';
import type { ListNode, MapEntry, MapNode, Node, ScalarNode } from '../read/node.ts';
import { entryMap, plainText } from '../form/forms.ts';

/** One port of an entry; an entry that is a range stands for several. */
interface PortOf {
  /** `80/tcp`; undefined where the entry does not say, or is malformed: the check of the file points at that. */
  readonly key: string | undefined;
  /** The entry itself, or its share of a range. */
  readonly node: Node;
}

/**
 * Named ports merge by name, listed ones by the port inside and its protocol, each as often as the later list has it.
 * Where a map meets a list, the listed port of the same number is the named one.
 */
export function mergePorts(
  base: MapNode | ListNode,
  over: MapNode | ListNode,
  byName: (base: MapNode, over: MapNode) => MapNode,
): Node {
  if (base.kind === 'list' && over.kind === 'list') return mergeLists(base, over);
  if (base.kind === 'map' && over.kind === 'map') return byName(base, over);
  const named = base.kind === 'map' ? base : (over as MapNode);
  const names = new Map(
    [...named.entries.values()].flatMap(({ key, value }) =>
      portsOf(value, 'named').flatMap((port) => (port.key === undefined ? [] : [[port.key, key] as const])),
    ),
  );
  const left = asNamed(base, names);
  const right = asNamed(over, names);
  return left === undefined || right === undefined ? over : byName(left, right);
}

function mergeLists(base: ListNode, over: ListNode): ListNode {
  if (over.items.length === 0) return base;
  const later = over.items.flatMap((item) => portsOf(item, 'listed'));
  const keys = new Set(later.map(({ key }) => key));
  const placed = new Set<string>();
  const items = base.items.flatMap((item) => {
    const ports = portsOf(item, 'listed');
    if (!ports.some(({ key }) => key !== undefined && keys.has(key))) return [item];
    // Each takes the place of the first that it replaces.
    return ports.flatMap(({ key, node }) => {
      if (key === undefined || !keys.has(key)) return [node];
      if (placed.has(key)) return [];
      placed.add(key);
      return later.filter((port) => port.key === key).map((port) => port.node);
    });
  });
  const rest = over.items.flatMap((item) => {
    const ports = portsOf(item, 'listed');
    const left = ports.filter(({ key }) => key === undefined || !placed.has(key));
    return left.length === ports.length ? [item] : left.map(({ node }) => node);
  });
  return { ...base, items: [...items, ...rest] };
}

/**
 * A list as a map, each port by its name, by the one that `names` has for it, or by its number. Undefined where an item is
 * no port.
 */
function asNamed(node: MapNode | ListNode, names: ReadonlyMap<string, string>): MapNode | undefined {
  if (node.kind === 'map') return node;
  const entries = new Map<string, MapEntry>();
  for (const { key, node: item } of node.items.flatMap((one) => portsOf(one, 'listed'))) {
    if (key === undefined) return undefined;
    const own = item.kind === 'map' ? plainText(item.entries.get('name')?.value) : undefined;
    const name = names.get(key) ?? own ?? key.replace(/\/tcp$/, '').replace('/', '-');
    entries.set(name, { key: name, keyPlace: item.place, value: named(item, key) });
  }
  return { kind: 'map', place: node.place, entries };
}

/**
 * A listed port as the value of a name. The number alone says of a container that its port on the machine is any free one;
 * under a name it would be that number, so there it becomes a map.
 */
function named(item: Node, key: string): Node {
  if (item.kind === 'map') {
    if (!item.entries.has('name')) return item;
    return { ...item, entries: new Map([...item.entries].filter(([name]) => name !== 'name')) };
  }
  const [target = '', protocol] = key.split('/');
  const number: ScalarNode = { kind: 'scalar', place: item.place, value: Number(target) };
  const text = plainText(item);
  if (text === `${target}:${target}`) return number;
  if (text === undefined || text.includes(':')) return item;
  const map = entryMap('target', number);
  if (protocol === 'tcp') return map;
  const udp: ScalarNode = { kind: 'scalar', place: item.place, value: 'udp' };
  return {
    ...map,
    entries: new Map([...map.entries, ['protocol', { key: 'protocol', keyPlace: item.place, value: udp }]]),
  };
}

function portsOf(item: Node, as: 'named' | 'listed'): readonly PortOf[] {
  const unknown: readonly PortOf[] = [{ key: undefined, node: item }];
  if (item.kind === 'map') {
    const target = plainText(item.entries.get('target')?.value);
    const protocol = plainText(item.entries.get('protocol')?.value) ?? 'tcp';
    return target === undefined ? unknown : [{ key: `${target}/${protocol}`, node: item }];
  }
  const text = plainText(item);
  const parsed = text === undefined ? undefined : parsePort(text, as);
  if (parsed?.ok !== true || parsed.value.kind === 'given') return unknown;
  return [...portsIn(parsed.value)].flatMap((form): readonly PortOf[] => {
    if (form.kind === 'given') return unknown;
    const node: Node =
      form.ranged === true ? { kind: 'scalar', place: item.place, value: portText(form) } : item;
    return [{ key: `${form.target}/${form.protocol}`, node }];
  });
}

function portText({
  target,
  published,
  hostIp,
  protocol,
}: Exclude<PortForm, { readonly kind: 'given' }>): string {
  const address = hostIp === undefined ? '' : hostIp.includes(':') ? `[${hostIp}]:` : `${hostIp}:`;
  const outer = published === 'unsaid' || published === 'none' ? '' : `${published}:`;
  return `${address}${outer}${target}${protocol === 'tcp' ? '' : '/udp'}`;
}
