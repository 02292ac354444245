import type { HealthcheckSpec } from '../../core/service.ts';
import type { Healthcheck } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { child } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import type { RawService } from '../keys/services.ts';
import { readMembers } from '../keys/table/row.ts';
import { healthcheckKeys } from './docker-keys.ts';

/** Undefined where the image's own counts. */
export function healthcheckOf(
  node: Node | undefined,
  { id }: RawService,
  reader: Reader,
): HealthcheckSpec | undefined {
  if (node?.kind !== 'map') return undefined;
  const test = child<Healthcheck>(node, 'test');
  const disabled = reader.boolean(child<Healthcheck>(node, 'disable')) === true;
  const what = `\`docker.healthcheck\` of service \`${id}\``;
  if (disabled) {
    const beside = [...node.entries.values()].find(({ key }) => key !== 'disable');
    if (beside !== undefined) {
      reader.report.error(
        'conflicting-keys',
        beside.keyPlace,
        `${what} is disabled, so \`${beside.key}\` has no effect`,
        {
          same: '',
        },
      );
    }
    return { test: ['NONE'] };
  }
  if (node.entries.size === 0) return undefined;
  return { test: testOf(test, what, reader), ...readMembers(healthcheckKeys, node, reader) };
}

/** Empty: the image's. */
function testOf(node: Node | undefined, what: string, reader: Reader): readonly string[] {
  if (node === undefined) return [];
  if (node.kind !== 'list') {
    const script = reader.string(node);
    return script === undefined ? [] : ['CMD-SHELL', script];
  }
  const words = reader.strings(node);
  const [first] = words;
  if (first === 'NONE' && words.length === 1) return words;
  if ((first === 'CMD' && words.length > 1) || (first === 'CMD-SHELL' && words.length === 2)) return words;
  reader.report.error('bad-value', node.place, `\`test\` of ${what} is not in the engine's form`, {
    note: 'expected `[CMD, PROGRAM, ARGUMENT, ...]`, `[CMD-SHELL, SCRIPT]`, or a string',
    same: '',
  });
  return [];
}
