/** The short forms in which values of a manifest may be written, each with its way into the long one. */
import type { LateRef, Text } from '../../core/service.ts';
import type { ListNode, MapEntry, MapNode, Node, ScalarNode } from '../read/node.ts';

/** What a value is in its long form; what has no such form stays as it is. */
export type LongForm = (node: Node) => Node;

/** An item of a list as the entry of the map that the list stands for; undefined where it has no such form. */
export type EntryForm = (item: Node) => MapEntry | undefined;

/** Anything but a map stands for a map with it under `key`. */
export function under(key: string): LongForm {
  return (node) => (node.kind === 'map' ? node : entryMap(key, node));
}

/** `healthcheck` alone stands for `{healthcheck: true}`. */
export function probeForm(node: Node): Node {
  return node.kind === 'scalar' && node.value === 'healthcheck'
    ? entryMap('healthcheck', { kind: 'scalar', place: node.place, value: true })
    : node;
}

/** The entries of a map, or of the list that stands for one; `others` are items that have no such form. */
export function entriesOf(
  node: Node | undefined,
  entryOf: EntryForm,
): { readonly entries: readonly MapEntry[]; readonly others: readonly Node[] } {
  if (node?.kind === 'map') return { entries: [...node.entries.values()], others: [] };
  const items = node?.kind === 'list' ? node.items.filter(({ tag }) => tag !== 'reset') : [];
  const read = items.map((item) => [item, entryOf(item)] as const);
  return {
    entries: read.flatMap(([, entry]) => entry ?? []),
    others: read.flatMap(([item, entry]) => (entry === undefined ? [item] : [])),
  };
}

/** A list as a map, each item by what `entryOf` makes of it. Undefined where an item, or the whole, has no such form. */
export function asMap(node: Node, entryOf: EntryForm): MapNode | undefined {
  if (node.kind === 'map') return node;
  if (node.kind === 'scalar') return undefined;
  const entries = new Map<string, MapEntry>();
  for (const item of node.items) {
    const entry = entryOf(item);
    if (entry === undefined) return undefined;
    entries.set(entry.key, entry);
  }
  return { kind: 'map', place: node.place, entries };
}

/** `KEY=VALUE` or `KEY`; null is what `KEY` alone stands for. */
export function pairOf(item: Node): MapEntry | undefined {
  const text = textOf(item);
  if (text === undefined) return undefined;
  const [head, ...tail] = typeof text === 'string' ? [text] : text;
  if (typeof head !== 'string') return undefined;
  const at = head.indexOf('=');
  const key = at < 0 ? head : head.slice(0, at);
  if (key === '' || (at < 0 && (tail.length > 0 || /\s/.test(key)))) return undefined;
  const entry = { key, keyPlace: item.place };
  if (at < 0) return { ...entry, value: scalar(item, null) };
  const rest = head.slice(at + 1);
  if (tail.length === 0) return { ...entry, value: scalar(item, rest) };
  return { ...entry, value: { ...scalar(item, ''), text: rest === '' ? tail : [rest, ...tail] } };
}

/** A map of scalars as `KEY=VALUE` items; what is no scalar stays as it is. */
export function asItems(node: MapNode | ListNode): ListNode {
  if (node.kind === 'list') return node;
  const items = [...node.entries.values()].map(({ key, value }): Node => {
    if (value.kind !== 'scalar' || value.tag === 'reset') return value;
    if (value.text === undefined && value.value === null) return scalar(value, key);
    const text = value.text ?? String(value.value);
    if (typeof text === 'string') return scalar(value, `${key}=${text}`);
    const [head, ...tail] = text;
    const parts = typeof head === 'string' ? [`${key}=${head}`, ...tail] : [`${key}=`, ...text];
    return { ...scalar(value, ''), text: parts };
  });
  return { kind: 'list', place: node.place, items };
}

/** A dependency without a condition waits for the start, as in Compose. */
export function dependencyOf(item: Node): MapEntry | undefined {
  if (item.kind !== 'scalar' || typeof item.value !== 'string' || Array.isArray(item.text)) return undefined;
  return { key: item.value, keyPlace: item.place, value: scalar(item, 'started') };
}

export function entryMap(key: string, value: Node): MapNode {
  return {
    kind: 'map',
    place: value.place,
    entries: new Map([[key, { key, keyPlace: value.place, value }]]),
  };
}

/** `SOURCE:TARGET:OPTIONS`; a target alone has no source. `more`: it has more parts than that. */
export function cutMount(text: string) {
  const [first = '', second, options = '', ...others] = text.split(':');
  return {
    source: second === undefined ? undefined : first,
    target: second ?? first,
    options,
    more: others.length > 0,
  };
}

export function mountTarget(item: Node): string | undefined {
  const text = plainText(item);
  const target =
    item.kind === 'map'
      ? plainText(item.entries.get('target')?.value)
      : text === undefined
        ? undefined
        : cutMount(text).target;
  return target === undefined || target === '/' ? target : target.replace(/\/+$/, '');
}

/** A secret of a service by its name and the variable that holds it, if one does. */
export function secretUse(item: Node): string | undefined {
  const source = textUnder(item, 'source');
  const env = item.kind === 'map' ? textUnder(item, 'env') : undefined;
  return source === undefined || env === undefined ? source : `${source}=${env}`;
}

/** `NAME:ADDRESS` or `NAME=ADDRESS`. */
export function hostOf(item: Node): MapEntry | undefined {
  const text = textOf(item);
  if (typeof text !== 'string') return undefined;
  const host = cutHost(text);
  return host === undefined
    ? undefined
    : { key: host.name, keyPlace: item.place, value: scalar(item, host.address) };
}

export function cutHost(text: string): { readonly name: string; readonly address: string } | undefined {
  const cut = /[:=]/.exec(text)?.index ?? 0;
  return cut === 0 ? undefined : { name: text.slice(0, cut), address: text.slice(cut + 1) };
}

/** Relative paths belong to the folder of the manifest that names them: `.env` of two folders is two files. */
export function pathOf(item: Node): string | undefined {
  const node = valueUnder(item, 'path');
  const path = plainText(node);
  if (node === undefined || path === undefined || /^[/~]/.test(path)) return path;
  const { file } = node.place;
  return file.slice(0, file.lastIndexOf('/') + 1) + path.replace(/^(?:\.\/)+/, '');
}

export function listOf(node: Node): ListNode {
  return node.kind === 'list'
    ? node
    : { kind: 'list', place: node.place, items: isEmpty(node) ? [] : [node] };
}

function valueUnder(node: Node, key: string): Node | undefined {
  return node.kind === 'map' ? node.entries.get(key)?.value : node;
}

function textUnder(node: Node, key: string): string | undefined {
  return plainText(valueUnder(node, key));
}

/** What a scalar says, as far as it is a text or a number; null, true and false are no texts. */
function textOf(node: Node): Text | undefined {
  if (node.kind !== 'scalar') return undefined;
  if (node.text !== undefined) return node.text;
  if (typeof node.value === 'string') return node.value;
  return typeof node.value === 'number' ? String(node.value) : undefined;
}

/** A scalar's text, late references written out, so that equal ones compare equal. */
export function plainText(node: Node | undefined): string | undefined {
  const text = node === undefined ? undefined : textOf(node);
  if (text === undefined || typeof text === 'string') return text;
  return text
    .map((part: string | LateRef) => (typeof part === 'string' ? part : JSON.stringify(part)))
    .join('');
}

function scalar(at: Node, value: ScalarNode['value']): ScalarNode {
  return { kind: 'scalar', place: at.place, value };
}

export function isEmpty(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null && node.text === undefined;
}
