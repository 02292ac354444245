import type { Place } from '../../core/diagnostic.ts';
import { resolveShape, shape as manifestShape, validate } from '../generated/validator.js';
import type { SchemaError, Shape } from '../generated/validator.js';
import { hint } from './known-keys.ts';
import type { ListNode, MapNode, Node } from '../read/node.ts';
import type { Report } from '../report.ts';
import { shapeBelow } from './shape.ts';
import { closest, didYouMean } from '../../core/util/closest.ts';
import { isCheckedElsewhere } from './value-check.ts';
import { kindOf, subject, within } from './words.ts';
import type { Path } from './words.ts';

/** Longer values are not repeated in a message. */
const MAX_SHOWN = 40;

interface Problem {
  readonly path: Path;
  readonly node: Node;
  readonly shape: Shape;
  readonly errors: readonly SchemaError[];
}

/**
 * Holds a file's nodes against the schema. A schema says for each alternative why it does not apply; here every wrong
 * value yields one sentence: what it is, and what was expected in its place.
 */
export function checkShape(root: MapNode, report: Report): void {
  if (validate(toPlain(root))) return;
  const byPointer = new Map<string, SchemaError[]>();
  for (const error of validate.errors ?? []) {
    const group = byPointer.get(error.instancePath);
    if (group === undefined) byPointer.set(error.instancePath, [error]);
    else group.push(error);
  }
  const itemsOf = keptItems();
  const blamed = pointersWithin(byPointer.keys());
  let left = byPointer.size;
  for (const [pointer, errors] of byPointer) {
    if (report.full) {
      report.drop(left);
      return;
    }
    left -= 1;
    const problem = locate(root, pointer, errors, itemsOf);
    if (problem === undefined) continue;
    const inMap = reportKeys(problem, report);
    // A value that is wrong inside is of the right kind: the other kinds that it is not are no news.
    if (!inMap && !blamed.has(pointer)) reportValue(problem, report);
  }
}

/** Every pointer that has a wrong value somewhere below it. */
function pointersWithin(pointers: Iterable<string>): ReadonlySet<string> {
  const found = new Set<string>();
  for (const pointer of pointers) {
    for (let cut = pointer.lastIndexOf('/'); cut >= 0; cut = pointer.lastIndexOf('/', cut - 1)) {
      const parent = pointer.slice(0, cut);
      if (found.has(parent)) break;
      found.add(parent);
      if (cut === 0) break;
    }
  }
  return found;
}

/** A plain value for the validator: what is reset is left out, what is known only later is some text. */
function toPlain(node: Node): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.text === undefined ? node.value : 'text';
    case 'list':
      return node.items.filter((item) => item.tag !== 'reset').map(toPlain);
    case 'map': {
      const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      for (const { key, value } of node.entries.values())
        if (value.tag !== 'reset') plain[key] = toPlain(value);
      return plain;
    }
  }
}

/** The items as the validator saw them, found once for each list however many problems it has. */
function keptItems(): (list: ListNode) => readonly Node[] {
  const known = new Map<ListNode, readonly Node[]>();
  return (list) => {
    const items = known.get(list) ?? list.items.filter((item) => item.tag !== 'reset');
    known.set(list, items);
    return items;
  };
}

function locate(
  root: MapNode,
  pointer: string,
  errors: readonly SchemaError[],
  itemsOf: (list: ListNode) => readonly Node[],
): Problem | undefined {
  const path: (string | number)[] = [];
  let node: Node = root;
  let shape = manifestShape;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    let next: Node | undefined;
    if (node.kind === 'list') {
      path.push(Number(key));
      next = itemsOf(node)[Number(key)];
    } else if (node.kind === 'map') {
      path.push(key);
      next = node.entries.get(key)?.value;
    }
    if (next === undefined) return undefined;
    shape = shapeBelow(shape, key, node.kind === 'list');
    node = next;
  }
  return { path, node, shape: resolveShape(shape), errors };
}

/** Unknown and missing keys; answers whether there were any. */
function reportKeys({ path, node, shape, errors }: Problem, report: Report): boolean {
  if (node.kind !== 'map') return false;
  const explained = new Set<string>();
  let found = false;
  for (const { keyword, params } of errors) {
    const entry =
      keyword === 'additionalProperties' ? node.entries.get(String(params['additionalProperty'])) : undefined;
    if (entry === undefined) continue;
    found = true;
    const meant = report.full ? undefined : closest(entry.key, Object.keys(shape.keys ?? {}));
    if (meant !== undefined) explained.add(meant);
    reportKey(path, entry.key, entry.keyPlace, shape, report);
  }
  for (const { keyword, params } of errors) {
    const missing = keyword === 'required' ? String(params['missingProperty']) : undefined;
    if (missing === undefined) continue;
    found = true;
    if (explained.has(missing)) continue;
    report.error('missing-key', node.place, `\`${missing}\` is missing${within(path)}`, {
      note: shape.expected,
      same: '',
    });
  }
  return found;
}

/** Maps at the top whose keys people choose. */
const NAMED: readonly string[] = ['secrets', 'volumes', 'networks'];

function reportKey(path: Path, key: string, place: Place, shape: Shape, report: Report): void {
  const shown = shorten(key);
  if (path.length === 1 && path[0] === 'services') {
    const note = /^[a-z0-9][a-z0-9_.-]{0,62}$/.test(key.toLowerCase())
      ? `did you mean \`${key.toLowerCase()}\`?`
      : 'use lower-case letters, digits, `_`, `.` and `-`, at most 63, and begin with a letter or digit';
    report.error('bad-service-id', place, `\`${shown}\` cannot be the id of a service`, { note, same: '' });
    return;
  }
  if (path.length === 1 && NAMED.includes(String(path[0]))) {
    report.error('bad-name', place, `\`${shown}\` in ${subject(path)} cannot be used`, {
      note: 'use letters, digits, `_`, `.` and `-`, at most 63, and begin with a letter or digit',
      same: '',
    });
    return;
  }
  const special = hint(path.length === 0 ? 'top' : shape.is, key);
  const note = special ?? (report.full ? undefined : didYouMean(key, Object.keys(shape.keys ?? {})));
  report.error('unknown-key', place, `unknown key \`${shown}\`${within(path)}`, { note, same: '' });
}

function reportValue({ path, node, shape, errors }: Problem, report: Report): void {
  if (node.kind === 'scalar' && (node.text !== undefined || isCheckedElsewhere(shape, node))) return;
  if (errors.every((error) => error.keyword === 'required' || error.keyword === 'additionalProperties'))
    return;
  const word = node.kind === 'scalar' ? shownValue(node.value) : undefined;
  const rightKind = node.kind === 'scalar' && hasKind(shape, node.value);
  const expected = shape.expected ?? 'expected something else';
  if (word === undefined || !rightKind) {
    report.error('wrong-type', node.place, `${subject(path)} is ${kindOf(node)}`, {
      note: commandInside(path, node) ?? expected,
      same: '',
    });
    return;
  }
  const near = shape.values === undefined || report.full ? undefined : didYouMean(word, shape.values);
  const note = hint(shape.is, word) ?? near ?? expected;
  report.error(codeOf(shape), node.place, `\`${word}\` is not valid for ${subject(path)}`, {
    note,
    same: '',
  });
}

/** Elsewhere the command of a probe stands a level deeper. */
function commandInside(path: Path, node: Node): string | undefined {
  if (path.at(-1) !== 'exec' || node.kind !== 'map' || !node.entries.has('command')) return undefined;
  return 'the command stands right here, as in `exec: pg_isready`';
}

const CODES: ReadonlyMap<string, string> = new Map([
  ['signal', 'bad-signal'],
  ['port', 'bad-port'],
  ['portItem', 'bad-port'],
  ['publishedPort', 'bad-port'],
  ['portRef', 'bad-port'],
  ['tcpCheck', 'bad-port'],
  ['condition', 'unknown-condition'],
  ['dependency', 'unknown-condition'],
]);

function codeOf(shape: Shape): string {
  return CODES.get(shape.is ?? '') ?? 'bad-value';
}

function hasKind(shape: Shape, value: string | number | boolean | null): boolean {
  const types = shape.types ?? [];
  if (typeof value === 'number') return types.includes('number') || types.includes('integer');
  return value !== null && types.includes(typeof value);
}

/** What may be repeated of a value: short ones, on one line. Values of environment variables never come here. */
function shownValue(value: string | number | boolean | null): string | undefined {
  if (value === null || value === '') return undefined;
  const text = String(value);
  return text.length > MAX_SHOWN || /[^\x20-\x7e]/.test(text) ? undefined : text;
}

function shorten(key: string): string {
  const clean = key.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > MAX_SHOWN ? `${clean.slice(0, MAX_SHOWN)}...` : clean;
}
