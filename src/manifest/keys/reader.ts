import { formatDuration, formatSize, parseDuration, parseSize } from '../../core/util/duration.ts';
import type { Place } from '../../core/diagnostic.ts';
import type { Result } from '../../core/util/result.ts';
import type { Command, Text } from '../../core/service.ts';
import { retype } from '../read/interpolate.ts';
import type { MapNode, Node } from '../read/node.ts';
import { absolutePath, absoluteText } from '../read/paths.ts';
import type { Report } from '../report.ts';

/** The keys of a generated type, those that are free for everybody's use left out. */
export type KeyOf<T> = keyof { [K in keyof T as K extends `x-${string}` ? never : K]: T[K] } & string;

/** What stands under a key; undefined where nothing does. The type says which keys there are. */
export function child<T>(node: Node | undefined, key: KeyOf<T>): Node | undefined {
  return node?.kind === 'map' ? node.entries.get(key)?.value : undefined;
}

/** The items of a list, or the value itself where a single one is as good. */
export function itemsOf(node: Node | undefined): readonly Node[] {
  if (node === undefined) return [];
  return node.kind === 'list' ? node.items : [node];
}

/** Whether a map has a key that is none of these, which the check against the schema has then reported. */
export function hasUnknownKey(node: MapNode, known: readonly string[]): boolean {
  return [...node.entries.keys()].some((key) => !known.includes(key));
}

/**
 * Reads values of one service. A value of a kind that the schema refuses reads as undefined: the schema's check has
 * said so already.
 */
export class Reader {
  readonly report: Report;
  readonly #link: (text: Text, place: Place) => Text;
  readonly #homeDir: string;

  /** `link` fills in what of a text is known by now, and reports references to what does not exist. */
  constructor(report: Report, homeDir: string, link: (text: Text, place: Place) => Text) {
    this.report = report;
    this.#homeDir = homeDir;
    this.#link = link;
  }

  text(node: Node | undefined): Text | undefined {
    if (node?.kind !== 'scalar') return undefined;
    if (node.text !== undefined) return this.#link(node.text, node.place);
    return node.value === null ? undefined : (node.raw ?? String(node.value));
  }

  /** A text that must be known now. */
  string(node: Node | undefined): string | undefined {
    const text = this.text(node);
    if (node === undefined || text === undefined) return undefined;
    if (typeof text === 'string') return text;
    this.report.error('late-reference', node.place, 'this value must be known before anything starts', {
      note: 'holds what is known only when an instance starts',
      help: 'automatic ports, hosts and instance numbers can be used in commands, probes, `env`, `env_append` and `socket`',
    });
    return undefined;
  }

  strings(node: Node | undefined): string[] {
    return itemsOf(node).flatMap((item) => this.string(item) ?? []);
  }

  number(node: Node | undefined): number | undefined {
    if (node?.kind !== 'scalar') return undefined;
    const value = node.text === undefined ? node.value : retype(this.string(node) ?? '');
    return typeof value === 'number' ? value : undefined;
  }

  boolean(node: Node | undefined): boolean | undefined {
    return node?.kind === 'scalar' && typeof node.value === 'boolean' ? node.value : undefined;
  }

  /** `least` is the shortest that makes sense, such as `10ms`. */
  durationMs(node: Node | undefined, least = '0s'): number | undefined {
    const ms = this.#parsed(node, 'bad-duration', parseDuration);
    if (node === undefined || ms === undefined) return undefined;
    const bound = parseDuration(least);
    if (!bound.ok || ms >= bound.value) return ms;
    this.report.error('bad-duration', node.place, `${formatDuration(ms)} is too short`, {
      note: `expected at least ${least}`,
    });
    return undefined;
  }

  /** `least` is the smallest that makes sense, such as `1MiB`. */
  bytes(node: Node | undefined, least = '0'): number | undefined {
    const bytes = this.#parsed(node, 'bad-size', parseSize);
    if (node === undefined || bytes === undefined) return undefined;
    const bound = parseSize(least);
    if (!bound.ok || bytes >= bound.value) return bytes;
    this.report.error('bad-size', node.place, `${formatSize(bytes)} is too little`, {
      note: `expected at least ${least}; a number without a unit counts bytes`,
    });
    return undefined;
  }

  path(node: Node | undefined): string | undefined {
    const text = this.string(node);
    if (node === undefined || text === undefined || text === '') return undefined;
    return absolutePath(text, node.place.file, this.#homeDir);
  }

  pathText(node: Node | undefined): Text | undefined {
    const text = this.text(node);
    if (node === undefined || text === undefined || text === '') return undefined;
    return absoluteText(text, node.place.file, this.#homeDir);
  }

  /** A string is a script for the shell, a list an argument vector. */
  command(node: Node | undefined, shell: readonly string[]): Command | undefined {
    if (node?.kind === 'list') {
      const argv = node.items.map((item) => this.text(item)).filter((text) => text !== undefined);
      const [program] = argv;
      if (program === undefined) return undefined;
      if (program !== '') return { kind: 'exec', argv };
      this.report.error('empty-command', node.place, 'a command must name a program', { same: '' });
      return undefined;
    }
    const script = this.text(node);
    if (node === undefined || script === undefined || script === '') return undefined;
    if (typeof script !== 'string' || script.trim() !== '') return { kind: 'shell', shell, script };
    this.report.error('empty-command', node.place, 'a command must name a program', { same: '' });
    return undefined;
  }

  #parsed(
    node: Node | undefined,
    code: string,
    parse: (text: string) => Result<number, string>,
  ): number | undefined {
    const text = this.string(node);
    if (node === undefined || text === undefined) return undefined;
    const parsed = parse(text);
    if (parsed.ok) return parsed.value;
    this.report.error(code, node.place, parsed.error, { same: '' });
    return undefined;
  }
}
