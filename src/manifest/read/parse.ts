import { Composer, Lexer, Parser, isAlias, isMap, isScalar } from 'yaml';
import type { Alias, Document, Node as YamlNode, Pair, ParsedNode, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { Place } from '../../core/diagnostic.ts';
import { DepthGauge, MAX_DEPTH } from './depth.ts';
import { retype } from './interpolate.ts';
import type { MapEntry, MapNode, Node, ScalarNode } from './node.ts';
import type { Report } from '../report.ts';
import type { SourceText } from './source.ts';
import { didYouMean } from '../../core/util/closest.ts';
import { syntaxHelp, syntaxMessage } from './syntax-message.ts';

/** Nodes that may come out of aliases; 300 uses of a set of defaults are far below, a bomb is far above. */
const MAX_ALIASED_NODES = 100_000;

/** The gauge counts a scalar as a level; the exact measure is taken on the nodes. */
const GAUGE_LIMIT = MAX_DEPTH * 2 + 2;

const OPTIONS = {
  version: '1.2',
  schema: 'core',
  resolveKnownTags: false,
  merge: false,
  uniqueKeys: false,
  keepSourceTokens: false,
} as const;

/**
 * Turns a manifest's text into nodes: YAML 1.2 core, one document, `<<` merges, `!reset` and `!override`. Undefined
 * where the text is no manifest; then the report says why.
 */
export function parseManifest(source: SourceText, report: Report): MapNode | undefined {
  const before = report.errors;
  const document = compose(source, report);
  if (document === undefined || report.errors > before) return undefined;
  const contents = document.contents;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    report.error('empty-manifest', source.place(0), 'the manifest is empty', {
      help: 'begin with `services:` and a service below it; `setpoint init` writes an example',
    });
    return undefined;
  }
  const root = new Converter(source, report).convert(contents);
  if (report.errors > before) return undefined;
  if (root.kind === 'map') return root;
  report.error(
    'wrong-type',
    root.place,
    `a manifest must be a map, this is a ${root.kind === 'list' ? 'list' : 'single value'}`,
    {
      note: 'expected a key such as `services:`',
    },
  );
  return undefined;
}

function compose(source: SourceText, report: Report): Document.Parsed | undefined {
  const tokens = tokenize(source, report);
  if (tokens === undefined) return undefined;
  const documents = [...new Composer(OPTIONS).compose(tokens, true, source.text.length)] as Document.Parsed[];
  for (const { errors, warnings } of documents) {
    const lines = new Set<number>();
    for (const error of errors) {
      const place = source.place(...error.pos);
      // What follows on the same line is nearly always a consequence.
      if (lines.has(place.line)) continue;
      lines.add(place.line);
      const help = syntaxHelp(source.line(place.line));
      report.error('syntax', place, syntaxMessage(error.code, error.message), { help });
    }
    for (const { code, pos } of warnings) {
      if (code === 'TAG_RESOLVE_FAILED') reportTag(source, report, pos);
    }
  }
  const second = documents[1];
  if (second !== undefined) {
    report.error(
      'several-documents',
      source.place(second.range[0]),
      'a manifest is one document, here a second one begins',
      {
        help: 'remove the `---`, or put the rest into a file of its own and name it with `-f` or `include`',
      },
    );
  }
  return documents[0];
}

function tokenize(source: SourceText, report: Report) {
  const parser = new Parser();
  const gauge = new DepthGauge();
  const tokens = [];
  for (const lexeme of new Lexer().lex(source.text)) {
    gauge.feed(lexeme);
    if (gauge.depth > GAUGE_LIMIT) {
      reportDepth(report, source.place(parser.offset));
      return undefined;
    }
    for (const token of parser.next(lexeme)) tokens.push(token);
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

function reportDepth(report: Report, place: Place): void {
  report.error('too-deep', place, `nested more than ${MAX_DEPTH} levels deep`, { same: '' });
}

function reportTag(source: SourceText, report: Report, pos: readonly [number, number]): void {
  const tag = source.text.slice(...pos);
  if (tag === '!reset' || tag === '!override') return;
  report.error('unknown-tag', source.place(...pos), `unknown tag \`${tag.slice(0, 60)}\``, {
    note: didYouMean(tag, ['!reset', '!override']) ?? 'only `!reset` and `!override` are known',
  });
}

/** Walks one document once, in the order of its text, so that every anchor is met before its aliases. */
class Converter {
  readonly #source: SourceText;
  readonly #report: Report;
  /** `undefined` while the anchored node itself is being converted. */
  readonly #anchors = new Map<string, Node | undefined>();
  readonly #sizes = new WeakMap<Node, number>();
  #aliased = 0;
  #depth = 0;

  constructor(source: SourceText, report: Report) {
    this.#source = source;
    this.#report = report;
  }

  convert(node: ParsedNode | YamlNode): Node {
    if (isAlias(node)) return this.#alias(node);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, undefined);
    const converted = isScalar(node) ? this.#scalar(node) : this.#collection(node);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, converted);
    return converted;
  }

  #collection(node: YAMLMap | YAMLSeq): Node {
    this.#depth += 1;
    let converted: Node;
    if (this.#depth > MAX_DEPTH) {
      reportDepth(this.#report, this.#place(node));
      converted = this.#null(this.#place(node));
    } else {
      converted = isMap(node) ? this.#map(node) : this.#list(node);
    }
    this.#depth -= 1;
    return converted;
  }

  #scalar(node: Scalar): ScalarNode {
    const place = this.#place(node);
    const tag = markOf(node);
    const value = tag !== undefined && node.type === 'PLAIN' ? retype(node.source ?? '') : node.value;
    if (typeof value === 'string') return { kind: 'scalar', place, value, ...tag };
    const plain = typeof value === 'number' || typeof value === 'boolean' ? value : null;
    return { kind: 'scalar', place, value: plain, raw: node.source ?? '', ...tag };
  }

  #list(node: YAMLSeq): Node {
    const items = node.items.map((item) => this.convert(item as YamlNode));
    const list: Node = { kind: 'list', place: this.#place(node), items, ...markOf(node) };
    this.#measure(list, items);
    return list;
  }

  #map(node: YAMLMap): Node {
    const entries = new Map<string, MapEntry>();
    const merged: Node[] = [];
    for (const pair of node.items as Pair<YamlNode, YamlNode | null>[]) {
      if (isMergeKey(pair.key)) {
        merged.push(...this.#mergeSources(pair));
        continue;
      }
      const keyPlace = this.#place(pair.key);
      const value = pair.value === null ? this.#null(keyPlace) : this.convert(pair.value);
      const key = this.#key(pair.key, keyPlace);
      if (key === undefined) continue;
      const first = entries.get(key);
      if (first === undefined) entries.set(key, { key, keyPlace, value });
      else this.#duplicate(key, keyPlace, first.keyPlace);
    }
    for (const source of merged) {
      if (source.kind !== 'map') continue;
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    const map: Node = { kind: 'map', place: this.#place(node), entries, ...markOf(node) };
    this.#measure(
      map,
      [...entries.values()].map((entry) => entry.value),
    );
    return map;
  }

  /** The maps that a `<<` names, in the order in which they win. */
  #mergeSources(pair: Pair<YamlNode, YamlNode | null>): Node[] {
    if (pair.value === null) return [];
    const value = this.convert(pair.value);
    const sources = value.kind === 'list' ? [...value.items] : [value];
    const wrong = sources.find((source) => source.kind !== 'map');
    if (wrong !== undefined) {
      this.#report.error(
        'bad-merge',
        this.#place(pair.key),
        '`<<` takes a map, or a list of maps, to merge',
        {
          note: 'expected something like `<<: *defaults`',
        },
      );
    }
    return sources;
  }

  #key(node: YamlNode, place: Place): string | undefined {
    const resolved = isAlias(node) ? this.#alias(node) : undefined;
    const value = resolved?.kind === 'scalar' ? resolved.value : isScalar(node) ? node.value : undefined;
    if (typeof value === 'string') return value;
    const written = isScalar(node) && value !== null ? node.source : undefined;
    const message = value === null ? 'a key is missing here' : 'a key must be a text';
    const note = written === undefined || written.length > 60 ? undefined : `write "${written}" in quotes`;
    if (value !== undefined || resolved === undefined)
      this.#report.error('bad-key', place, message, { note });
    return undefined;
  }

  #duplicate(key: string, place: Place, first: Place): void {
    this.#report.error('duplicate-key', place, `\`${key.slice(0, 80)}\` is given twice`, {
      note: 'given again here',
      also: [{ place: first, note: 'first given here' }],
    });
  }

  #alias(node: Alias): Node {
    const place = this.#place(node);
    const target = this.#anchors.get(node.source);
    if (target === undefined) {
      const known = this.#anchors.has(node.source);
      const message = known
        ? `\`*${node.source}\` stands inside what it names`
        : `no anchor \`&${node.source}\` before this`;
      const note = known ? undefined : didYouMean(node.source, this.#anchors.keys());
      this.#report.error('bad-alias', place, message, { note });
      return this.#null(place);
    }
    this.#aliased += this.#sizes.get(target) ?? 1;
    if (this.#aliased <= MAX_ALIASED_NODES) return target;
    this.#report.error('too-many-aliases', place, `aliases expand to more than ${MAX_ALIASED_NODES} values`, {
      same: '',
    });
    return this.#null(place);
  }

  #measure(node: Node, children: readonly Node[]): void {
    let size = 1;
    for (const child of children) size += this.#sizes.get(child) ?? 1;
    this.#sizes.set(node, size);
  }

  #null(place: Place): ScalarNode {
    return { kind: 'scalar', place, value: null, raw: '' };
  }

  #place(node: YamlNode): Place {
    const range = node.range;
    return range ? this.#source.place(range[0], range[1]) : this.#source.place(0);
  }
}

function isMergeKey(key: YamlNode): boolean {
  return isScalar(key) && key.type === 'PLAIN' && key.source === '<<';
}

function markOf(node: Scalar | YAMLMap | YAMLSeq): { readonly tag: 'reset' | 'override' } | undefined {
  if (node.tag === '!reset') return { tag: 'reset' };
  return node.tag === '!override' ? { tag: 'override' } : undefined;
}
