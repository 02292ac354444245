import type { Node } from '../read/node.ts';

/** Keys from the top of a manifest; a number is the position in a list, counted from 0. */
export type Path = readonly (string | number)[];

/** "`backoff.max` in service `api`", "item 2 of `errors` in service `api`", "`shutdown.timeout`". */
export function subject(path: Path): string {
  const [scope, rest] = split(path);
  if (rest.length === 0) return scope === '' ? 'the manifest' : scope;
  return scope === '' ? phrase(rest) : `${phrase(rest)} in ${scope}`;
}

/** "in `backoff` of service `api`", or nothing at the top: where a key stands. */
export function within(path: Path): string {
  const [scope, rest] = split(path);
  const parts = [...(rest.length === 0 ? [] : [phrase(rest)]), ...(scope === '' ? [] : [scope])];
  return parts.length === 0 ? '' : ` in ${parts.join(' of ')}`;
}

function split(path: Path): readonly [scope: string, rest: Path] {
  const [first, second, ...rest] = path;
  if (first === 'services' && typeof second === 'string') return [`service \`${second}\``, rest];
  return first === 'defaults' ? ['`defaults`', path.slice(1)] : ['', path];
}

function phrase(path: Path): string {
  const last = path.at(-1);
  if (typeof last === 'number') return `item ${last + 1} of ${phrase(path.slice(0, -1))}`;
  const from = path.findLastIndex((part) => typeof part === 'number') + 1;
  const keys = `\`${path.slice(from).join('.')}\``;
  return from === 0 ? keys : `${keys} of ${phrase(path.slice(0, from))}`;
}

/** What a value is, without saying it. */
export function kindOf(node: Node): string {
  if (node.kind === 'map') return 'a map';
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list';
  if (node.text !== undefined) return 'a text';
  if (node.value === null) return 'empty';
  if (typeof node.value === 'number') return 'a number';
  return typeof node.value === 'boolean'
    ? `\`${node.value}\``
    : node.value === ''
      ? 'an empty text'
      : 'a text';
}
