import type { RestartPolicy, RestartSpec } from '../../core/service.ts';
import type { RestartEntry } from '../manifest-types.ts';
import type { Node } from '../read/node.ts';
import { child, itemsOf } from './reader.ts';
import type { Reader } from './reader.ts';

const POLICIES: readonly RestartPolicy[] = ['never', 'on-failure', 'always', 'unless-stopped'];

/** The policy alone, or a map with how often and after which ends. */
export function restartOf(node: Node | undefined, reader: Reader): RestartSpec {
  const written = reader.string(node?.kind === 'map' ? child<RestartEntry>(node, 'policy') : node);
  const onCodes = codesOf(child<RestartEntry>(node, 'on_codes'), reader);
  return {
    policy: POLICIES.find((policy) => policy === written) ?? 'on-failure',
    maxRestarts: reader.number(child<RestartEntry>(node, 'max_restarts')) ?? 0,
    windowMs: reader.durationMs(child<RestartEntry>(node, 'window'), '1ms') ?? 60_000,
    successExitCodes: codesOf(child<RestartEntry>(node, 'success_exit_codes'), reader) ?? [0],
    ...(onCodes === undefined ? {} : { onCodes }),
  };
}

/** In ascending order, each once: what they mean does not depend on how they are written. */
function codesOf(node: Node | undefined, reader: Reader): number[] | undefined {
  if (node?.kind !== 'list') return undefined;
  const codes = itemsOf(node).flatMap((item) => reader.number(item) ?? []);
  return [...new Set(codes)].sort((a, b) => a - b);
}
