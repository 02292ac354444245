import type { SandboxSpec } from '../../core/service.ts';
import type { PortFact } from '../keys/ports.ts';
import type { SandboxEntry, Service } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { child, itemsOf } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import type { RawService } from '../keys/services.ts';
import { sandboxKeys } from '../keys/table/blocks.ts';
import { readMembers } from '../keys/table/row.ts';
import { kindAt } from '../read/source.ts';
import type { ManifestIo } from '../read/source.ts';

/** Undefined where there is none. What a sandbox would refuse at the start is told now. */
export function sandboxOf(
  { id, node }: RawService,
  ports: ReadonlyMap<string, PortFact>,
  io: ManifestIo,
  reader: Reader,
): SandboxSpec | undefined {
  const value = child<Service>(node, 'sandbox');
  if (value === undefined || (value.kind !== 'map' && reader.boolean(value) !== true)) return undefined;
  const network = child<SandboxEntry>(value, 'network');
  const settings = readMembers(sandboxKeys, value, reader);
  const [port] = ports.entries();
  if (network !== undefined && !settings.network && port !== undefined) {
    const [name, { place }] = port;
    const message = `port \`${name}\` of service \`${id}\` could not be reached by anybody: its sandbox has no network`;
    reader.report.error('conflicting-keys', network.place, message, {
      note: 'without a network it can have no `ports`',
      help: 'serve a Unix socket (`socket: ...`) instead, or leave the network on',
      also: [{ place, note: 'the port' }],
    });
  }
  const paths = (key: 'read' | 'write') =>
    itemsOf(child<SandboxEntry>(value, key)).flatMap((item) => listed(key, item, id, io, reader));
  return {
    ...settings,
    read: paths('read'),
    write: paths('write'),
  };
}

function listed(key: string, item: Node, id: string, io: ManifestIo, reader: Reader): readonly string[] {
  const path = reader.path(item);
  if (path === undefined) return [];
  if (path === '/') {
    reader.report.error(
      'bad-sandbox',
      item.place,
      `\`sandbox.${key}\` of service \`${id}\` names the root folder`,
      {
        note: 'that leaves nothing of the sandbox; name the folders that the service needs',
        same: '',
      },
    );
  } else if (kindAt(io, path) === undefined) {
    // Something that runs first may create it.
    reader.report.warning('missing-sandbox-path', item.place, `${path} does not exist`, {
      note: 'the service cannot start until it does',
    });
  }
  return [path];
}
