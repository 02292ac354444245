import type { WatchSpec } from '../../core/service.ts';
import type { WatchEntry, WatchSignal } from '../generated/manifest-types.ts';
import { isText } from '../read/node.ts';
import type { Node } from '../read/node.ts';
import { child, hasUnknownKey, itemsOf } from './reader.ts';
import type { Reader } from './reader.ts';
import { statedAt } from './services.ts';
import type { RawService } from './services.ts';
import { watchKeys } from './table/blocks.ts';
import { longChild, readMembers } from './table/row.ts';
import { serviceKeys } from './table/service.ts';

/** The nodes that name what is watched. */
export function watchedNodes({ node }: RawService): readonly Node[] {
  return itemsOf(child<WatchEntry>(longChild(serviceKeys, node, 'watch'), 'paths')).filter(isText);
}

/** Undefined where nothing is watched; settings without any path may stand in `defaults`. */
export function watchOf(service: RawService, reader: Reader): WatchSpec | undefined {
  const node = longChild(serviceKeys, service.node, 'watch');
  const paths = watchedNodes(service).flatMap((item) => reader.path(item) ?? []);
  if (node === undefined) return undefined;
  if (paths.length === 0) {
    const own = statedAt(service, 'watch');
    const said =
      node.kind !== 'map' || node.entries.has('paths') || hasUnknownKey(node, Object.keys(watchKeys));
    if (own !== undefined && !said) {
      reader.report.error('missing-key', own, `\`watch\` of service \`${service.id}\` names no \`paths\``, {
        note: 'expected `paths` below this',
      });
    }
    return undefined;
  }
  return {
    ...readMembers(watchKeys, node, reader),
    paths: [...new Set(paths)],
    action: actionOf(child<WatchEntry>(node, 'action'), reader),
  };
}

function actionOf(node: Node | undefined, reader: Reader): WatchSpec['action'] {
  const signal = reader.string(child<WatchSignal>(node, 'signal'));
  if (signal !== undefined) return { kind: 'signal', signal };
  // Read for its references' sake: the one word there is says nothing new.
  reader.string(node);
  return { kind: 'restart' };
}
