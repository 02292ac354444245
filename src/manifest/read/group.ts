import { basename, dirname } from 'node:path';
import type { Place } from '../../core/diagnostic.ts';
import type { LoadRequest } from '../../core/service.ts';
import { interpolateNode, interpolateText } from './interpolate.ts';
import { interpolationOf } from './interpolation.ts';
import type { ProjectNames } from './interpolation.ts';
import { under } from '../form/forms.ts';
import { child } from '../keys/reader.ts';
import type { IncludeEntry } from '../generated/manifest-types.ts';
import { mergeManifests } from '../merge/merge.ts';
import type { MapNode, Node } from './node.ts';
import { parseManifest } from './parse.ts';
import { absolutePath } from './paths.ts';
import type { Report } from '../report.ts';
import { checkShape } from '../check/shape-check.ts';
import { readText, SourceText } from './source.ts';
import type { ManifestIo } from './source.ts';
import { checkValues } from '../check/value-check.ts';
import { dotEnvBeside, EnvFiles, givenEnvFiles, hostLookup, variablesFor } from './variables.ts';
import type { LookUp } from './variables.ts';

/** Manifests in one project, those that are included by others counted in. */
const MAX_MANIFESTS = 200;

/** Manifests that were merged into one, and what it includes. */
export interface Group {
  /** Merged and interpolated; the tags are still there. */
  readonly root: MapNode;
  /** The folder of its first file. */
  readonly dir: string;
  readonly lookup: LookUp;
  readonly includes: readonly Group[];
}

interface IncludeRequest {
  readonly path: string;
  readonly place: Place;
  /** In place of the `.env` beside the manifest. */
  readonly envFiles: readonly { readonly path: string; readonly place: Place }[];
}

/** Reads manifests from disk: guards, parsing, interpolation, checks of each file, merging, includes. */
export class ManifestReader {
  readonly envFiles: EnvFiles;
  /** By absolute path, in the order of reading. */
  readonly sources = new Map<string, SourceText>();
  /** Whether something could not be read, so that what seems missing may only be unread. */
  incomplete = false;
  readonly #tried = new Set<string>();
  readonly #request: LoadRequest;
  readonly #io: ManifestIo;
  readonly #report: Report;
  readonly #onLookup: (name: string, value: string) => void;
  readonly #given: Readonly<Record<string, string>>;
  readonly #included = new Map<string, { readonly key: string; readonly place: Place }>();

  constructor(
    request: LoadRequest,
    io: ManifestIo,
    report: Report,
    onLookup: (name: string, value: string) => void,
  ) {
    this.#request = request;
    this.#io = io;
    this.#report = report;
    this.#onLookup = onLookup;
    this.envFiles = new EnvFiles(io, report);
    this.#given = givenEnvFiles(request, io, this.envFiles, report);
  }

  /** All files that were looked for so far, found or not. */
  get looked(): readonly string[] {
    return [...this.#tried, ...this.envFiles.looked];
  }

  /** The manifests of the request and all they include; the name is the project's. */
  read(): { readonly group: Group; readonly name: string } | undefined {
    const [first] = this.#request.files;
    if (first === undefined) return undefined;
    const roots = this.#parseAll(this.#request.files);
    const lookup = this.#variables(dotEnvBeside(first, this.#io, this.envFiles, this.#report));
    const name = this.#request.projectName ?? this.#nameOf(roots, lookup) ?? basename(dirname(first));
    const group = this.#group(
      this.#request.files,
      roots,
      lookup,
      { name, dir: dirname(first) },
      this.#request.files,
    );
    return group === undefined ? undefined : { group, name };
  }

  #parseAll(files: readonly string[]): MapNode[] {
    const roots: MapNode[] = [];
    for (const file of new Set(files)) {
      const root = this.#parse(file);
      if (root !== undefined) roots.push(root);
      else this.incomplete = true;
    }
    return roots;
  }

  #parse(file: string, includedAt?: Place): MapNode | undefined {
    this.#report.order(file);
    this.#tried.add(file);
    const text = readText(this.#io, file);
    if (!text.ok) {
      const { code, message, help } = text.error;
      this.#report.error(code, includedAt ?? { file, line: 1, column: 1 }, message, { help });
      return undefined;
    }
    const source = new SourceText(file, text.value);
    this.sources.set(file, source);
    return parseManifest(source, this.#report);
  }

  #variables(beside: Readonly<Record<string, string>>): LookUp {
    const lookup = variablesFor(this.#request, this.#io, beside, this.#given);
    return (name) => {
      const value = lookup(name);
      if (value !== undefined) this.#onLookup(name, value);
      return value;
    };
  }

  /** The name counts before everything else is interpolated, since it is itself a reference. */
  #nameOf(roots: readonly MapNode[], lookup: LookUp): string | undefined {
    const node = roots.findLast((root) => root.entries.has('name'))?.entries.get('name')?.value;
    if (node?.kind !== 'scalar' || typeof node.value !== 'string') return undefined;
    const { text } = interpolateText(node.value, {
      mode: 'full',
      lookup,
      reference: () => ({ ok: false, error: { message: '' } }),
      allowReferences: false,
    });
    return typeof text === 'string' && text !== '' ? text : undefined;
  }

  #group(
    files: readonly string[],
    roots: readonly MapNode[],
    lookup: LookUp,
    project: ProjectNames,
    stack: readonly string[],
  ): Group | undefined {
    const [first, ...others] = roots.map((root) => this.#prepare(root, lookup, project));
    if (first === undefined) return undefined;
    const merged = others.reduce<Node>((base, over) => mergeManifests(base, over), first);
    if (merged.kind !== 'map') return undefined;
    const includes = this.#includesOf(merged).map((include) => this.#include(include, project, stack));
    return {
      root: merged,
      dir: dirname(files[0] ?? project.dir),
      lookup,
      includes: includes.filter((group) => group !== undefined),
    };
  }

  #prepare(root: MapNode, lookup: LookUp, project: ProjectNames): MapNode {
    const { node, diagnostics } = interpolateNode(root, interpolationOf(root, lookup, project));
    for (const diagnostic of diagnostics) this.#report.add(diagnostic);
    const map = node.kind === 'map' ? node : root;
    checkShape(map, this.#report);
    checkValues(map, this.#report);
    return map;
  }

  #includesOf(root: MapNode): IncludeRequest[] {
    const node = root.entries.get('include')?.value;
    if (node === undefined || node.tag === 'reset') return [];
    const items = node.kind === 'list' ? node.items : [node];
    return items.flatMap((item) => {
      const entry = under('path')(item);
      const path = this.#path(child<IncludeEntry>(entry, 'path'));
      if (path === undefined || item.tag === 'reset') return [];
      const given = child<IncludeEntry>(entry, 'env_file');
      const envFiles = (given?.kind === 'list' ? given.items : [given]).map((file) => this.#path(file));
      return [{ ...path, envFiles: envFiles.filter((file) => file !== undefined) }];
    });
  }

  #path(node: Node | undefined): { path: string; place: Place } | undefined {
    if (node?.kind !== 'scalar' || typeof node.value !== 'string' || node.value === '') return undefined;
    if (node.text !== undefined) {
      this.#report.error(
        'late-reference',
        node.place,
        'a path that is read now cannot hold what is known only at a start',
      );
      return undefined;
    }
    return { path: absolutePath(node.value, node.place.file, this.#io.homeDir), place: node.place };
  }

  #include(include: IncludeRequest, project: ProjectNames, stack: readonly string[]): Group | undefined {
    const { path, place } = include;
    if (stack.includes(path)) {
      const round = [...stack.slice(stack.indexOf(path)), path].map((file) => basename(file)).join(' -> ');
      this.#report.error('include-cycle', place, `manifests include each other: ${round}`, {
        note: 'closes the circle',
      });
      return undefined;
    }
    if (this.#isKnown(include)) return undefined;
    const root = this.#parse(path, place);
    if (root === undefined) {
      this.incomplete = true;
      return undefined;
    }
    return this.#group([path], [root], this.#variables(this.#besideInclude(include)), project, [
      ...stack,
      path,
    ]);
  }

  /** A manifest that is included twice is there once; twice with different variables it would be two. */
  #isKnown({ path, place, envFiles }: IncludeRequest): boolean {
    const key = envFiles.map((file) => file.path).join('\0');
    const known = this.#included.get(path);
    if (known === undefined && this.#included.size >= MAX_MANIFESTS) {
      this.#report.error('too-many-includes', place, `more than ${MAX_MANIFESTS} manifests are included`, {
        same: '',
      });
      return true;
    }
    if (known === undefined) {
      this.#included.set(path, { key, place });
      return false;
    }
    if (known.key !== key) {
      this.#report.error(
        'include-conflict',
        place,
        `${basename(path)} is included twice, with different env files`,
        {
          note: 'included again here',
          also: [{ place: known.place, note: 'first included here' }],
        },
      );
    }
    return true;
  }

  #besideInclude({ path, envFiles }: IncludeRequest): Readonly<Record<string, string>> {
    if (envFiles.length === 0) return dotEnvBeside(path, this.#io, this.envFiles, this.#report);
    const values: Record<string, string> = {};
    for (const file of envFiles) {
      const read = this.envFiles.read(file.path, 'dotenv', hostLookup(this.#io), ({ message, help }) => {
        this.#report.error('missing-env-file', file.place, message, { help });
      });
      Object.assign(values, read);
    }
    return values;
  }
}
