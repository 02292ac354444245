import { parseDuration, parseSize } from '../../core/util/duration.ts';
import { isSafePattern } from '../../core/errors.ts';
import { resolveShape, shape as manifestShape } from '../generated/validator.js';
import type { Shape } from '../generated/validator.js';
import type { ListNode, MapNode, Node, ScalarNode } from '../read/node.ts';
import { parsePort } from '../keys/port-forms.ts';
import { MAX_PORTS } from '../keys/ports.ts';
import { parseStatus } from '../keys/probe-forms.ts';
import type { Report } from '../report.ts';
import { shapeBelow } from './shape.ts';
import { subject } from './words.ts';
import type { Path } from './words.ts';

interface Check {
  readonly code: string;
  why(text: string): string | undefined;
}

const REGEX: Check = { code: 'bad-regex', why: (text) => reason(isSafePattern(text)) };
const STATUS: Check = { code: 'bad-status', why: (text) => reason(parseStatus(text)) };

/** Why a text of some definition of the schema is wrong, in words. */
const CHECKS: Readonly<Record<string, Check>> = {
  duration: { code: 'bad-duration', why: (text) => reason(parseDuration(text)) },
  size: { code: 'bad-size', why: (text) => reason(parseSize(text)) },
  umask: {
    code: 'bad-umask',
    why: (text) =>
      /^0?[0-7]{3}$/.test(text) ? undefined : 'expected three or four octal digits such as 027',
  },
  regex: REGEX,
  logCheck: REGEX,
  status: STATUS,
  statuses: STATUS,
  mode: {
    code: 'bad-mode',
    why: (text) => (/^[0-7]{3,4}$/.test(text) ? undefined : 'it is no mode'),
  },
};

function reason(
  result: { readonly ok: true } | { readonly ok: false; readonly error: string },
): string | undefined {
  return result.ok ? undefined : result.error;
}

/** Whether `checkValues` tells what is wrong with such a value, better than the schema can. */
export function isCheckedElsewhere(shape: Shape, node: ScalarNode): boolean {
  if (shape.is === undefined || !Object.hasOwn(CHECKS, shape.is)) return false;
  return typeof node.value === 'number' || (typeof node.value === 'string' && node.value !== '');
}

/** Finds what a schema cannot express: wrong durations and sizes, malformed entries of `env`, forms of ports. */
export function checkValues(root: MapNode, report: Report): void {
  walk(root, manifestShape, [], report);
}

function walk(node: Node, given: Shape, path: Path, report: Report): void {
  if (node.tag === 'reset') return;
  const shape = resolveShape(given);
  switch (node.kind) {
    case 'scalar':
      checkScalar(node, shape, path, report);
      return;
    case 'list':
      if (shape.is === 'env' || path.at(-1) === 'labels') checkPairs(node, path, report);
      else if (path.at(-1) === 'exec' && shape.is === 'command') checkProbeCommand(node, path, report);
      else if (shape.is === 'ports') checkPortList(node, path, report);
      for (const [index, item] of node.items.entries())
        walk(item, shape.items ?? {}, [...path, index], report);
      return;
    case 'map':
      if (shape.is === 'env') checkNames(node, path, report);
      if (shape.is === 'ports') checkPorts(node, path, report);
      for (const { key, value } of node.entries.values()) {
        if (!key.startsWith('x-') || shape.any !== undefined)
          walk(value, shapeBelow(shape, key, false), [...path, key], report);
      }
  }
}

function checkScalar(node: ScalarNode, shape: Shape, path: Path, report: Report): void {
  if (node.text !== undefined || !isCheckedElsewhere(shape, node)) return;
  const check = CHECKS[shape.is ?? ''];
  const why = check?.why(node.raw ?? String(node.value));
  if (check === undefined || why === undefined) return;
  report.error(check.code, node.place, `${subject(path)}: ${why}`, { note: shape.expected, same: '' });
}

/** Entries are named by their position: what stands there may be a secret that slipped out of its place. */
function checkPairs(node: ListNode, path: Path, report: Report): void {
  for (const [index, item] of node.items.entries()) {
    if (item.kind !== 'scalar' || item.tag === 'reset') continue;
    const text = item.text ?? item.value;
    const head = Array.isArray(text) ? (text as readonly unknown[])[0] : text;
    if (typeof head !== 'string') continue;
    const what = subject([...path, index]);
    if (head === '' || head.startsWith('=')) {
      report.error('bad-env-entry', item.place, `${what} has no name before its \`=\``, {
        note: 'expected `NAME=VALUE`',
        same: '',
      });
    } else if (!Array.isArray(text) && /\s/.test(head) && !head.includes('=')) {
      report.error('bad-env-entry', item.place, `${what} has no \`=\`, and its name holds white space`, {
        note: 'expected `NAME=VALUE`',
        same: '',
      });
    } else if (head.includes('\0')) {
      report.error('bad-env-entry', item.place, `${what} holds a NUL character`, { same: '' });
    }
  }
}

/** Compose's way to say which kind of command it is; here the form of the value says so. */
function checkProbeCommand({ items: [first] }: ListNode, path: Path, report: Report): void {
  const word = first?.kind === 'scalar' ? first.value : undefined;
  if (first === undefined || (word !== 'CMD' && word !== 'CMD-SHELL' && word !== 'NONE')) return;
  const note =
    word === 'CMD'
      ? 'leave it out: a list is executed as it is'
      : word === 'NONE'
        ? 'leave the probe out, or take an earlier one back by `!reset null`'
        : 'write the command as one string: the shell runs it';
  report.error('bad-value', first.place, `\`${word}\` in ${subject(path)} is no program`, { note, same: '' });
}

function checkNames(node: MapNode, path: Path, report: Report): void {
  let position = 0;
  for (const { key, keyPlace, value } of node.entries.values()) {
    position += 1;
    const what = `the name of entry ${position} of ${subject(path)}`;
    if (key === '') report.error('bad-env-entry', keyPlace, `${what} is empty`, { same: '' });
    else if (key.includes('='))
      report.error('bad-env-entry', keyPlace, `${what} holds a \`=\``, { same: '' });
    else if (key.includes('\0'))
      report.error('bad-env-entry', keyPlace, `${what} holds a NUL character`, { same: '' });
    if (value.kind === 'scalar' && typeof value.value === 'string' && value.value.includes('\0')) {
      report.error(
        'bad-env-entry',
        value.place,
        `entry ${position} of ${subject(path)} holds a NUL character`,
        { same: '' },
      );
    }
  }
}

function checkPorts(node: MapNode, path: Path, report: Report): void {
  for (const { key, keyPlace, value } of node.entries.values()) {
    checkPort(value, 'named', [...path, key], report);
    if (/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/.test(key)) continue;
    report.error('bad-port-name', keyPlace, `a name in ${subject(path)} cannot be used`, {
      note: 'use letters, digits, `_` and `-`, at most 63',
      same: '',
    });
  }
}

function checkPortList(node: ListNode, path: Path, report: Report): void {
  for (const [index, item] of node.items.slice(0, MAX_PORTS).entries()) {
    checkPort(item, 'listed', [...path, index], report);
  }
}

/** Whether it is a port at all; what a backend makes of it is looked at once that is chosen. */
function checkPort(item: Node, as: 'named' | 'listed', path: Path, report: Report): void {
  if (item.kind !== 'scalar' || item.tag === 'reset' || item.text !== undefined) return;
  // The schema has told of a name's number, and of a text that has nothing of a port.
  const isText = typeof item.value === 'string' && (as === 'listed' || NAMED_PORT.test(item.value));
  if (!isText && (as === 'named' || typeof item.value !== 'number')) return;
  const parsed = parsePort(String(item.value), as);
  if (parsed.ok) return;
  const { code, message, note } = parsed.error;
  report.error(code, item.place, `${subject(path)} ${message}`, { note, same: '' });
}

/** As in the schema, under `port`. */
const NAMED_PORT = /^(?:auto|(?:[^/]*:)?[0-9]+(?:\/(?:tcp|udp))?)$/;
