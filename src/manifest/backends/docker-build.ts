import { resolve } from 'node:path';
import type { BuildSpec } from '../../core/service.ts';
import type { BuildEntry } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { pairsOf } from '../keys/pairs.ts';
import { readMembers } from '../keys/table/row.ts';
import { buildKeys } from './docker-keys.ts';
import { child } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import type { RawService } from '../keys/services.ts';
import { kindAt } from '../read/source.ts';
import type { ManifestIo } from '../read/source.ts';

/** What the build of one service is read with. */
interface BuildScope {
  readonly service: RawService;
  readonly io: ManifestIo;
  /** Told what each ARG is, to be masked where its name says so. */
  readonly onValue: (name: string, value: string) => void;
  readonly reader: Reader;
}

/** How an image is built: from a folder, or by a map. `node` is what stands under `build`. */
export function buildOf(node: Node, scope: BuildScope): BuildSpec {
  const { service, reader } = scope;
  const stated = child<BuildEntry>(node, 'context');
  const context = reader.path(stated) ?? service.dir;
  const settings = readMembers(buildKeys, node, reader);
  checkContext(stated ?? node, context, settings.dockerfile, scope);
  return {
    ...settings,
    context,
    args: argsOf(child<BuildEntry>(node, 'args'), scope),
  };
}

function checkContext(
  node: Node,
  context: string,
  dockerfile: string | undefined,
  { service: { id }, io, reader }: BuildScope,
): void {
  const { report } = reader;
  const written = reader.string(node) ?? '';
  if (/^(?:[a-z][a-z0-9+.-]*:\/\/|git@)/.test(written)) {
    report.error(
      'bad-build',
      node.place,
      `the build context of service \`${id}\` is a URL, which is not supported`,
      {
        note: 'expected a folder',
        same: '',
      },
    );
    return;
  }
  const kind = kindAt(io, context);
  if (kind !== 'folder') {
    const why = kind === undefined ? 'does not exist' : 'is not a folder';
    report.error('bad-build', node.place, `the build context of service \`${id}\`, ${context}, ${why}`, {
      same: '',
    });
    return;
  }
  const path = resolve(context, dockerfile ?? 'Dockerfile');
  if (kindAt(io, path) === 'file') return;
  report.error(
    'bad-build',
    node.place,
    `the build of service \`${id}\` has no Dockerfile: ${path} is not there`,
    {
      help: dockerfile === undefined ? 'name another one by `build: {dockerfile: ...}`' : undefined,
      same: '',
    },
  );
}

/** A null value, and a name alone, pass the caller's value on, as in Compose; where there is none, nothing. */
function argsOf(node: Node | undefined, { io, onValue, reader }: BuildScope): Record<string, string> {
  const args = new Map<string, string>();
  for (const { key, value } of pairsOf(node, reader)) {
    const passed = reader.string(value) ?? (Object.hasOwn(io.hostEnv, key) ? io.hostEnv[key] : undefined);
    if (passed !== undefined) {
      args.set(key, passed);
      onValue(key, passed);
    } else {
      const message = `the caller's environment has no \`${key}\` to pass on: it is left out`;
      reader.report.warning('unset-variable', value.place, message, { same: '' });
    }
  }
  return Object.fromEntries(args);
}
