import { normalize } from 'node:path';
import type { Place } from '../../core/diagnostic.ts';
import type { Mount } from '../../core/service.ts';
import type { Facts } from './facts.ts';
import { cutMount } from '../form/forms.ts';
import type * as Manifest from '../generated/manifest-types.ts';
import { isText } from '../read/node.ts';
import type { Node } from '../read/node.ts';
import { absolutePath } from '../read/paths.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import type { ProjectResources } from './resources.ts';
import type { RawService } from './services.ts';
import { mountKeys } from './table/blocks.ts';
import { readMembers } from './table/row.ts';
import { kindAt } from '../read/source.ts';
import type { ManifestIo } from '../read/source.ts';
import { didYouMean } from '../../core/util/closest.ts';

/** What the mounts of one service are read with. */
export interface MountScope {
  readonly service: RawService;
  readonly facts: Facts;
  readonly resources: ProjectResources;
  readonly io: ManifestIo;
  readonly reader: Reader;
}

/** A mount as it is written, with the places of what may be wrong with it. */
interface Written {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  readonly source: string;
  readonly sourcePlace: Place;
  readonly target: string;
  readonly targetPlace: Place;
  readonly readOnly: boolean;
  readonly optional: boolean;
  readonly size?: number;
  readonly mode?: number;
}

/** Options of Compose's short form that have no meaning here. */
const FOREIGN_OPTIONS = ['z', 'Z', 'cached', 'delegated', 'consistent', 'nocopy'];

/** Its mounts, in the order of the manifest. What is wrong with one is reported, and it is left out. */
export function mountsOf(scope: MountScope): readonly Mount[] {
  const value = child<Manifest.Service>(scope.service.node, 'mounts');
  const mounts: Mount[] = [];
  const places = new Map<string, Place>();
  for (const item of value?.kind === 'list' ? value.items : []) {
    const written = item.kind === 'map' ? longMount(item, scope) : shortMount(item, scope);
    if (written === undefined || !checkTarget(written, places, scope)) continue;
    const mount = checked(written, scope);
    if (mount !== undefined) mounts.push(mount);
  }
  return mounts;
}

function shortMount(item: Node, { service, io: { homeDir }, reader }: MountScope): Written | undefined {
  const text = isText(item) ? reader.string(item) : undefined;
  if (text === undefined || text === '') return undefined;
  const { place } = item;
  const refuse = (message: string, note: string): Written | undefined => {
    reader.report.error('bad-mount', place, `a mount of service \`${service.id}\` ${message}`, {
      note,
      same: '',
    });
    return undefined;
  };
  const { source, target, options, more } = cutMount(text);
  if (more) {
    return refuse(
      'has more than three parts',
      'write `{source: ..., target: ...}` where a path holds a colon',
    );
  }
  const words = options === '' ? [] : options.split(',');
  const foreign = words.find((word) => word !== 'ro' && word !== 'rw');
  if (foreign !== undefined) {
    return refuse(
      FOREIGN_OPTIONS.includes(foreign)
        ? `has the option \`${foreign}\`, which is not supported`
        : 'has an option that does not exist',
      'expected `ro` or nothing',
    );
  }
  const common = {
    sourcePlace: place,
    targetPlace: place,
    readOnly: words.includes('ro'),
    optional: false,
  };
  if (source === undefined) {
    if (target.startsWith('/')) return { ...common, type: 'volume', source: '', target };
    return refuse('names no target', 'expected `SOURCE:TARGET`');
  }
  if (source === '') return refuse('names no source', 'expected `SOURCE:TARGET`');
  if (!isPath(source)) return { ...common, type: 'volume', source, target };
  return { ...common, type: 'bind', source: absolutePath(source, place.file, homeDir), target };
}

/** As in Compose a plain name is a volume's. */
function isPath(source: string): boolean {
  return /^[.~/]/.test(source) || source.includes('/');
}

function longMount(item: Node, { service, io: { homeDir }, reader }: MountScope): Written | undefined {
  const source = child<Manifest.Mount>(item, 'source');
  const named = reader.string(source) ?? '';
  const target = child<Manifest.Mount>(item, 'target');
  const where = reader.string(target);
  const stated = reader.string(child<Manifest.Mount>(item, 'type'));
  const type =
    stated === 'bind' || stated === 'volume' || stated === 'tmpfs'
      ? stated
      : isPath(named)
        ? 'bind'
        : 'volume';
  if (target === undefined || where === undefined || where === '') return undefined;
  const settings = readMembers(mountKeys, item, reader);
  if (!checkKeys(item, type, stated !== undefined, service, reader)) return undefined;
  const place = source?.place ?? item.place;
  return {
    type,
    source: type === 'bind' ? absolutePath(named, place.file, homeDir) : named,
    sourcePlace: place,
    target: where,
    targetPlace: target.place,
    ...settings,
  };
}

/** Which keys say nothing for a type of mount, and how to say what they would. */
const FOREIGN_KEYS: Readonly<Record<Written['type'], readonly string[]>> = {
  bind: ['size', 'mode'],
  volume: ['optional', 'size', 'mode'],
  tmpfs: ['source', 'read_only', 'optional'],
};

function checkKeys(
  item: Node,
  type: Written['type'],
  stated: boolean,
  { id }: RawService,
  reader: Reader,
): boolean {
  if (item.kind !== 'map') return false;
  const foreign = FOREIGN_KEYS[type].map((key) => item.entries.get(key)).find((entry) => entry !== undefined);
  if (foreign !== undefined) {
    const message = `\`${foreign.key}\` in a mount of service \`${id}\` means nothing to the type \`${type}\``;
    const note = stated
      ? undefined
      : 'say `type: tmpfs` for memory, or `type: bind` for a path of the machine';
    reader.report.error('conflicting-keys', foreign.keyPlace, message, { note, same: '' });
    return false;
  }
  if (type === 'bind' && !item.entries.has('source')) {
    reader.report.error('missing-key', item.place, `a mount of service \`${id}\` names no \`source\``, {
      note: 'expected a path of the machine',
      same: '',
    });
    return false;
  }
  return true;
}

function checkTarget(
  { target, targetPlace }: Written,
  places: Map<string, Place>,
  { service: { id }, facts, reader }: MountScope,
): boolean {
  const refuse = (message: string, note?: string, also?: Place): boolean => {
    reader.report.error('bad-mount', targetPlace, message, {
      note,
      same: '',
      ...(also === undefined ? {} : { also: [{ place: also, note: 'the other one' }] }),
    });
    return false;
  };
  const path = cleanTarget(target);
  const what = `a mount of service \`${id}\``;
  if (!target.startsWith('/')) return refuse(`${what} has a relative target`, 'expected an absolute path');
  if (path === '/') return refuse(`${what} covers the whole file system`, 'name a folder below it');
  if (facts.container === undefined && (path === '/proc' || path.startsWith('/proc/'))) {
    return refuse(`${what} covers a part of /proc`, `the backend ${facts.choice.backend} cannot do that`);
  }
  const other = places.get(path);
  places.set(path, targetPlace);
  return other === undefined || refuse(`service \`${id}\` has two mounts at ${path}`, undefined, other);
}

/** Without `.`, `..`, doubled slashes and one at the end. */
function cleanTarget(target: string): string {
  const path = normalize(target);
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

function checked(written: Written, scope: MountScope): Mount | undefined {
  const { source, sourcePlace, readOnly, optional, size, mode } = written;
  const { service, io, reader } = scope;
  const target = cleanTarget(written.target);
  switch (written.type) {
    case 'tmpfs':
      return {
        type: 'tmpfs',
        target,
        ...(size === undefined ? {} : { size }),
        ...(mode === undefined ? {} : { mode }),
      };
    case 'volume':
      checkVolume(written, scope);
      return { type: 'volume', source, target, readOnly };
    case 'bind':
      if (!optional && kindAt(io, source) === undefined) {
        reader.report.error(
          'missing-mount',
          sourcePlace,
          `${source}, a mount of service \`${service.id}\`, does not exist`,
          {
            help: 'create it, correct the path, or write `{source: ..., target: ..., optional: true}`',
            same: '',
          },
        );
      }
      if (/\/(?:docker|podman|containerd)\.sock$/.test(source)) {
        reader.report.warning(
          'wide-open',
          sourcePlace,
          `service \`${service.id}\` is given the socket of the container engine`,
          {
            note: 'who can use it can do to the machine what root can',
            same: '',
          },
        );
      }
      return { type: 'bind', source, target, readOnly, optional };
  }
}

function checkVolume(
  { source, sourcePlace, targetPlace }: Written,
  { service: { id }, facts, resources, reader }: MountScope,
): void {
  if (facts.container === undefined) {
    const what = source === '' ? 'an unnamed volume' : `the volume \`${source}\``;
    reader.report.error(
      'unsupported-by-backend',
      source === '' ? targetPlace : sourcePlace,
      `the backend ${facts.choice.backend} cannot mount ${what} in service \`${id}\``,
      {
        note: 'volumes belong to a container engine',
        help:
          source === ''
            ? 'name a source: a folder of the machine'
            : `write \`./${source}\` where a folder beside this file is meant`,
        same: '',
      },
    );
  } else if (source !== '' && !resources.volumes.has(source)) {
    reader.report.error(
      'unknown-volume',
      sourcePlace,
      `unknown volume \`${source}\` in \`mounts\` of service \`${id}\``,
      {
        note:
          (reader.report.full ? undefined : didYouMean(source, resources.volumes.keys())) ??
          `expected \`volumes: {${source}: }\` at the top level`,
        help: `write \`./${source}\` where a folder beside this file is meant`,
        same: '',
      },
    );
  }
}
