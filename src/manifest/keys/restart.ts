import type { RestartSpec } from '../../core/service.ts';
import { keyMap } from '../merge/forms.ts';
import type { Node } from '../read/node.ts';
import type { Reader } from './reader.ts';
import { restartKeys } from './table/blocks.ts';
import { readMembers } from './table/row.ts';

/** The policy alone, or a map with how often and after which ends. */
export function restartOf(node: Node | undefined, reader: Reader): RestartSpec {
  return readMembers(restartKeys, node === undefined ? undefined : keyMap(node, 'policy'), reader);
}
