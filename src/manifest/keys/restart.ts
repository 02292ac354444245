import type { RestartSpec } from '../../core/service.ts';
import type { MapNode } from '../read/node.ts';
import type { Reader } from './reader.ts';
import { restartKeys } from './table/blocks.ts';
import { longChild, readMembers } from './table/row.ts';
import { serviceKeys } from './table/service.ts';

/** Of a service: the policy, how often, and after which ends. */
export function restartOf(service: MapNode, reader: Reader): RestartSpec {
  return readMembers(restartKeys, longChild(serviceKeys, service, 'restart'), reader);
}
