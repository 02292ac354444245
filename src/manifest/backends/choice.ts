import type { BackendName } from '../../core/service.ts';
import type * as Manifest from '../generated/manifest-types.ts';
import type { BackendDialect } from './dialect.ts';
import { dialects, findDialect } from './dialects.ts';
import type { OtherFiles } from '../read/other-files.ts';
import { child } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import { statedAt } from '../keys/services.ts';
import type { RawService } from '../keys/services.ts';
import type { ManifestIo } from '../read/source.ts';

type Service = Manifest.Service;

/** What runs a service, and why. */
export interface BackendChoice {
  readonly backend: BackendName;
  /** In words, for `plan`. */
  readonly reason: string;
  /**
   * `order`: among several by preference; what belongs to another backend is an alternative then, no mistake. `claim`:
   * by what the service has. `default`: for want of anything else.
   */
  readonly by: 'statement' | 'order' | 'claim' | 'default';
  /** Why none of the preferred ones is possible; then `backend` is only the first of them. */
  readonly impossible?: readonly string[];
}

/** What a choice may depend on besides the manifest. */
export interface ChoiceScope {
  readonly io: ManifestIo;
  readonly files: OtherFiles;
}

/**
 * By `backend`, else the first of `backend_order` that the service is written for and that is available here, else by
 * what the service has: the backend that claims it, or the one that runs a command alone. Reports nothing.
 */
export function chooseBackend(service: RawService, reader: Reader, scope: ChoiceScope): BackendChoice {
  const { node } = service;
  const stated = findDialect(reader.string(child<Service>(node, 'backend')));
  if (stated !== undefined) return { backend: stated.name, reason: 'the manifest says so', by: 'statement' };
  const [first, ...others] = orderOf(service, reader);
  if (first !== undefined) return byOrder([first, ...others], service, reader, scope);
  for (const dialect of dialects) {
    const key = dialect.claim(node);
    if (key !== undefined) return { backend: dialect.name, reason: `\`${key}\` is given`, by: 'claim' };
  }
  return { backend: dialects[0].name, reason: 'nothing asks for another backend', by: 'default' };
}

function orderOf({ node }: RawService, reader: Reader): readonly BackendDialect[] {
  const value = child<Service>(node, 'backend_order');
  const words = value?.kind === 'list' ? reader.strings(value) : [];
  return words.flatMap((word) => findDialect(word) ?? []);
}

function byOrder(
  order: readonly [BackendDialect, ...BackendDialect[]],
  service: RawService,
  reader: Reader,
  { io, files }: ChoiceScope,
): BackendChoice {
  const passed: string[] = [];
  for (const dialect of order) {
    const { name } = dialect;
    const lack = dialect.lack(service, reader, files);
    const available = io.backendAvailable?.(name) ?? { available: true, reason: 'it is there' };
    if (lack === undefined && available.available) {
      const reason =
        passed.length > 0
          ? `backend_order: ${passed.join(', ')}, so ${name}`
          : `backend_order: ${name} comes first, and ${available.reason}`;
      return { backend: name, reason, by: 'order' };
    }
    passed.push(lack ?? `${name} is not available (${available.reason})`);
  }
  return { backend: order[0].name, reason: 'backend_order', by: 'order', impossible: passed };
}

/** What is wrong with the choice of a service that takes part. */
export function checkChoice(service: RawService, choice: BackendChoice, reader: Reader): void {
  const { node, id } = service;
  const order = node.entries.get('backend_order');
  if (order !== undefined && choice.impossible !== undefined) {
    reader.report.error(
      'no-backend',
      order.value.place,
      `no backend of \`backend_order\` can run service \`${id}\``,
      {
        note: choice.impossible.join('; '),
        help: 'add `native` to the list, or make one of them available',
      },
    );
  }
  const both = statedAt(service, 'backend') !== undefined && statedAt(service, 'backend_order') !== undefined;
  if (order !== undefined && both && choice.by !== 'order') {
    reader.report.warning(
      'unused-key',
      order.keyPlace,
      `\`backend_order\` of service \`${id}\` has no effect`,
      {
        note: `\`backend\` says \`${choice.backend}\` already`,
      },
    );
  }
}
