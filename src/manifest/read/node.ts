import type { Place } from '../../core/diagnostic.ts';
import type { Text } from '../../core/service.ts';

/** A value of a manifest with its place, after YAML parsing; aliases and `<<` are already resolved. Immutable. */
export type Node = ScalarNode | ListNode | MapNode;

interface Base {
  readonly place: Place;
  readonly tag?: 'reset' | 'override';
}

export interface ScalarNode extends Base {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** Set by interpolation where late references remain; then `value` is not used. */
  readonly text?: Text;
  /** How a number, boolean or null is written, such as `022` or `1.10`; absent for texts. */
  readonly raw?: string;
}

export interface ListNode extends Base {
  readonly kind: 'list';
  readonly items: readonly Node[];
}

export interface MapNode extends Base {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  readonly key: string;
  readonly keyPlace: Place;
  readonly value: Node;
}

/** Whether a value is written as a text: not as a number, `true`, or nothing. */
export function isText(node: Node | undefined): node is ScalarNode {
  return node?.kind === 'scalar' && (node.text !== undefined || typeof node.value === 'string');
}
