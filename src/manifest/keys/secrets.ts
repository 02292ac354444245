import type { Place } from '../../core/diagnostic.ts';
import type { SecretFile } from '../../core/service.ts';
import type { EnvValue } from './environment.ts';
import { under } from '../form/forms.ts';
import type { SecretUse, Service } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import type { OtherFiles } from '../read/other-files.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import type { ProjectResources, SecretSource } from './resources.ts';
import type { RawService } from './services.ts';
import { secretUseKeys } from './table/blocks.ts';
import { readMembers } from './table/row.ts';
import { didYouMean } from '../../core/util/closest.ts';

/** Shorter values cannot be masked wherever they appear; see core/value-index.ts. */
const MIN_MASKED = 4;

/** What a service is given of the project's secrets. */
export interface GivenSecrets {
  readonly files: readonly SecretFile[];
  readonly env: ReadonlyMap<string, EnvValue>;
}

interface Use {
  readonly name: string;
  readonly place: Place;
  /** The variable, where it is not given as a file. */
  readonly variable?: string;
}

/** What the secrets of one service are read with. */
interface SecretScope {
  readonly resources: ProjectResources;
  readonly files: OtherFiles;
  /** Told every value, to be masked everywhere. */
  readonly onSecret: (value: string) => void;
  readonly reader: Reader;
}

/** Reads the values of the secrets that a service lists. No message holds one. */
export function secretsOf({ id, node }: RawService, scope: SecretScope): GivenSecrets {
  const { resources, reader } = scope;
  const files = new Map<string, SecretFile>();
  const env = new Map<string, EnvValue>();
  const list = child<Service>(node, 'secrets');
  for (const item of list?.kind === 'list' ? list.items : []) {
    const use = useOf(item, reader);
    if (use === undefined) continue;
    const { name, place, variable } = use;
    const known = resources.nodes.secrets;
    if (!known.has(name)) {
      reader.report.error('unknown-secret', place, `unknown secret \`${name}\` in service \`${id}\``, {
        note:
          (reader.report.full ? undefined : didYouMean(name, known.keys())) ??
          'there is none of that name under `secrets` at the top level',
        same: '',
      });
    }
    const source = resources.secrets.get(name);
    const content = source === undefined ? undefined : contentOf(name, source, scope);
    if (content === undefined) continue;
    if (variable === undefined) files.set(name, { name, content });
    else {
      // As a shell's `$(cat file)` would: an editor's line end is not part of a variable.
      const value = content.replace(/\r?\n$/, '');
      if (value.includes('\0')) {
        reader.report.error(
          'bad-secret',
          place,
          `the secret \`${name}\` holds a NUL character, which a variable cannot`,
          {
            note: 'give it as a file',
            same: '',
          },
        );
      } else env.set(variable, { value, place, origin: `${place.file}:${place.line}`, secret: true });
    }
  }
  return { files: [...files.values()], env };
}

function useOf(item: Node, reader: Reader): Use | undefined {
  const entry = under('source')(item);
  const node = child<SecretUse>(entry, 'source');
  const name = reader.string(node);
  if (node === undefined || name === undefined || name === '') return undefined;
  return { name, place: node.place, ...readMembers(secretUseKeys, entry, reader) };
}

function contentOf(
  name: string,
  source: SecretSource,
  { files, onSecret, reader }: SecretScope,
): string | undefined {
  const { place } = source;
  const { report } = reader;
  let content: string | undefined;
  if (source.from === 'file') {
    const read = files.read(source.path);
    if (read.ok) content = read.value;
    else
      report.error('missing-secret', place, `the secret \`${name}\`: ${read.error.message}`, {
        help: read.error.help,
      });
  } else {
    content = source.lookup(source.variable);
    if (content === undefined) {
      report.error(
        'missing-secret',
        place,
        `the secret \`${name}\`: the variable ${source.variable} is not set`,
      );
    }
  }
  if (content === undefined) return undefined;
  onSecret(content);
  const length = content.trim().length;
  if (length < MIN_MASKED) {
    report.warning(
      'short-secret',
      place,
      `the secret \`${name}\` is ${length === 0 ? 'empty' : 'very short'}`,
      {
        note: `values of fewer than ${MIN_MASKED} characters are not masked where they appear`,
      },
    );
  }
  return content;
}
