/** The forms that values of a manifest come in (lists or maps, short or long), and the ways between them, for merging. */
import type { LateRef, Text } from '../../core/service.ts';
import type { ListNode, MapEntry, MapNode, Node, ScalarNode } from '../read/node.ts';

interface KeyValue {
  readonly key: string;
  readonly value: Node;
}

/** A list as a map, each item by what `entryOf` makes of it. Undefined where an item, or the whole, has no such form. */
export function asMap(node: Node, entryOf: (item: Node) => KeyValue | undefined): MapNode | undefined {
  if (node.kind === 'map') return node;
  if (node.kind === 'scalar') return undefined;
  const entries = new Map<string, MapEntry>();
  for (const item of node.items) {
    const entry = entryOf(item);
    if (entry === undefined) return undefined;
    entries.set(entry.key, { key: entry.key, keyPlace: item.place, value: entry.value });
  }
  return { kind: 'map', place: node.place, entries };
}

/** `KEY=VALUE` or `KEY` as key and value; null is what `KEY` alone stands for. */
export function splitItem(item: Node): KeyValue | undefined {
  const text = textOf(item);
  if (text === undefined) return undefined;
  const [head, ...tail] = typeof text === 'string' ? [text] : text;
  if (typeof head !== 'string') return undefined;
  const at = head.indexOf('=');
  const key = at < 0 ? head : head.slice(0, at);
  if (key === '' || (at < 0 && tail.length > 0)) return undefined;
  if (at < 0) return { key, value: scalar(item, null) };
  const rest = head.slice(at + 1);
  if (tail.length === 0) return { key, value: scalar(item, rest) };
  return { key, value: { ...scalar(item, ''), text: rest === '' ? tail : [rest, ...tail] } };
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
export function dependencyOf(item: Node): KeyValue | undefined {
  if (item.kind !== 'scalar' || typeof item.value !== 'string' || Array.isArray(item.text)) return undefined;
  return { key: item.value, value: scalar(item, 'started') };
}

/** A map as it is, a scalar as one with it under `key`; undefined for a list. */
export function keyMap(node: Node, key: string): MapNode | undefined {
  if (node.kind === 'scalar') return entryMap(key, node);
  return node.kind === 'map' ? node : undefined;
}

export function entryMap(key: string, value: Node): MapNode {
  return {
    kind: 'map',
    place: value.place,
    entries: new Map([[key, { key, keyPlace: value.place, value }]]),
  };
}

export function mountTarget(item: Node): string | undefined {
  const [source, second] = item.kind === 'map' ? [] : (plainText(item)?.split(':') ?? []);
  const target = item.kind === 'map' ? plainText(item.entries.get('target')?.value) : (second ?? source);
  return target === undefined || target === '/' ? target : target.replace(/\/+$/, '');
}

/** A secret of a service by its name and the variable that holds it, if one does. */
export function secretUse(item: Node): string | undefined {
  if (item.kind !== 'map') return plainText(item);
  const source = plainText(item.entries.get('source')?.value);
  const env = plainText(item.entries.get('env')?.value);
  return source === undefined || env === undefined ? source : `${source}=${env}`;
}

/** `NAME:ADDRESS` or `NAME=ADDRESS` as key and value. */
export function splitHost(item: Node): KeyValue | undefined {
  const text = textOf(item);
  if (typeof text !== 'string') return undefined;
  const cut = /[:=]/.exec(text)?.index ?? 0;
  return cut === 0 ? undefined : { key: text.slice(0, cut), value: scalar(item, text.slice(cut + 1)) };
}

/** A probe as a map: `healthcheck` alone is one of its checks. */
export function probeMap(node: Node): MapNode | undefined {
  if (node.kind === 'map') return node;
  return node.kind === 'scalar' && node.value === 'healthcheck'
    ? entryMap('healthcheck', { kind: 'scalar', place: node.place, value: true })
    : undefined;
}

/** What is watched as a map: a path or a list of them is its `paths`. */
export function watchMap(node: Node): MapNode | undefined {
  return node.kind === 'map' ? node : entryMap('paths', node);
}

/** Relative paths belong to the folder of the manifest that names them: `.env` of two folders is two files. */
export function pathOf(item: Node): string | undefined {
  const node = item.kind === 'map' ? item.entries.get('path')?.value : item;
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
