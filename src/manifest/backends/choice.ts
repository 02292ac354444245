import type { BackendName } from '../../core/service.ts';
import type * as Manifest from '../manifest-types.ts';
import type { Node } from '../read/node.ts';
import { flakeOf, isLocal } from './nix.ts';
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
  /** Among several by preference: what belongs to another backend is an alternative then, no mistake. */
  readonly ordered: boolean;
  /** Why none of the preferred ones is possible; then `backend` is only the first of them. */
  readonly impossible?: readonly string[];
}

/** What a choice may depend on besides the manifest. */
export interface Machine {
  readonly io: ManifestIo;
  readonly files: OtherFiles;
}

const BACKENDS: readonly BackendName[] = ['native', 'docker', 'nix'];

/**
 * By `backend`, else the first of `backend_order` that the service is written for and that is available here, else by
 * what the service has: an `image` or a `build`, `nix`, or a command alone. Reports nothing.
 */
export function chooseBackend(service: RawService, reader: Reader, machine: Machine): BackendChoice {
  const { node } = service;
  const stated = reader.string(child<Service>(node, 'backend'));
  const named = BACKENDS.find((name) => name === stated);
  if (named !== undefined) return { backend: named, reason: 'the manifest says so', ordered: false };
  const order = orderOf(service, reader);
  if (order.length > 0) return byOrder(order, service, reader, machine);
  const image = imageKey(node);
  if (image !== undefined) return { backend: 'docker', reason: `\`${image}\` is given`, ordered: false };
  if (has(node, 'nix')) return { backend: 'nix', reason: '`nix` is given', ordered: false };
  return { backend: 'native', reason: 'nothing asks for another backend', ordered: false };
}

function orderOf({ node }: RawService, reader: Reader): readonly BackendName[] {
  const value = child<Service>(node, 'backend_order');
  const words = value?.kind === 'list' ? reader.strings(value) : [];
  return words.flatMap((word) => BACKENDS.find((name) => name === word) ?? []);
}

function byOrder(
  order: readonly BackendName[],
  service: RawService,
  reader: Reader,
  machine: Machine,
): BackendChoice {
  const passed: string[] = [];
  for (const backend of order) {
    const lack = lacks(backend, service, reader, machine);
    const available = machine.io.backendAvailable?.(backend) ?? { available: true, reason: 'it is there' };
    if (lack === undefined && available.available) {
      const reason =
        passed.length > 0
          ? `backend_order: ${passed.join(', ')}, so ${backend}`
          : `backend_order: ${backend} comes first, and ${available.reason}`;
      return { backend, reason, ordered: true };
    }
    passed.push(lack ?? `${backend} is not available (${available.reason})`);
  }
  const [first = 'native'] = order;
  return { backend: first, reason: 'backend_order', ordered: true, impossible: passed };
}

/** Why the service as it is written cannot run on a backend. */
function lacks(
  backend: BackendName,
  service: RawService,
  reader: Reader,
  { files }: Machine,
): string | undefined {
  const { node } = service;
  if (backend === 'docker') {
    return imageKey(node) === undefined ? 'docker has no `image` and no `build`' : undefined;
  }
  if (!has(node, 'command')) return `${backend} has no \`command\``;
  if (backend === 'native' || has(node, 'nix')) return undefined;
  const flake = flakeOf(service, reader);
  const isThere = isLocal(flake) && files.read(`${flake}/flake.nix`).ok;
  return isThere ? undefined : 'nix has no `nix` and no flake.nix';
}

/** Which of the keys that make a container is there. */
export function imageKey(node: Node): string | undefined {
  const docker = child<Service>(node, 'docker');
  if (has(node, 'image')) return 'image';
  if (has(node, 'build')) return 'build';
  if (docker !== undefined && has(docker, 'image')) return 'docker.image';
  return docker !== undefined && has(docker, 'build') ? 'docker.build' : undefined;
}

function has(node: Node, key: string): boolean {
  return node.kind === 'map' && node.entries.has(key);
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
  if (order !== undefined && both && !choice.ordered) {
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
