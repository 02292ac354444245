import { dirname } from 'node:path';
import type { Diagnostic, Place } from '../core/diagnostic.ts';
import { createRedactor } from '../core/redact.ts';
import type { LoadRequest, Project, ServiceId, ServiceSpec } from '../core/service.ts';
import { addSecrets, environmentOf } from './keys/environment.ts';
import type { EnvValue } from './keys/environment.ts';
import { factsOf, profilesOf } from './keys/facts.ts';
import type { Facts } from './keys/facts.ts';
import { ManifestReader } from './read/group.ts';
import type { Group } from './read/group.ts';
import { linkEarly, linkerFor } from './link.ts';
import type { Manifest } from './generated/manifest-types.ts';
import { Masker } from './masking.ts';
import { settleTags } from './merge/merge.ts';
import type { MapNode, Node } from './read/node.ts';
import { normaliseService } from './keys/normalise.ts';
import { OtherFiles } from './read/other-files.ts';
import { shortPath } from './read/paths.ts';
import { checkProject } from './check/project-check.ts';
import { child, Reader } from './keys/reader.ts';
import { Report } from './report.ts';
import { effectiveNode, ResolvedBuilder } from './resolved.ts';
import type { ResolvedManifest } from './resolved.ts';
import { collectResources, resourcesOf, secretVariables } from './keys/resources.ts';
import type { ProjectResources } from './keys/resources.ts';
import { secretsOf } from './keys/secrets.ts';
import { collectServices } from './keys/services.ts';
import type { RawService } from './keys/services.ts';
import { shutdownKeys } from './keys/table/manifest.ts';
import { readMembers } from './keys/table/row.ts';
import type { ManifestIo } from './read/source.ts';
import { didYouMean } from '../core/util/closest.ts';
import { watchedNodes } from './keys/watch.ts';

export { nodeManifestIo } from './read/source.ts';
export type { ManifestIo } from './read/source.ts';
export { renderResolved } from './resolved.ts';
export type { ResolvedManifest } from './resolved.ts';

export interface LoadResult {
  /** All of them, in the order of the files' text. `Place.file` is an absolute path. */
  readonly diagnostics: Diagnostic[];
  /** Absent where a diagnostic is an error. */
  readonly project?: Project;
  readonly resolved?: ResolvedManifest;
  /** Values to mask wherever they appear: of variables whose names look secret. */
  readonly secrets: string[];
  /**
   * Absolute paths of all manifests, env files, files of secrets and local flakes that were looked for, those that are
   * not there included: an edit of any of them can change the project.
   */
  readonly looked: readonly string[];
}

/** From the files of a request to a project, or to everything that is wrong with them. Never throws. */
export function loadProject(request: LoadRequest, io: ManifestIo): LoadResult {
  return new Loading(request, io).run();
}

class Loading {
  readonly #request: LoadRequest;
  readonly #io: ManifestIo;
  readonly #report = new Report();
  readonly #files: ManifestReader;
  readonly #others: OtherFiles;
  /** Every variable that interpolation looked at; which are secret is known once `redact` is. */
  readonly #looked = new Map<string, string>();
  readonly #secrets = new Set<string>();
  #redactor = createRedactor({});

  constructor(request: LoadRequest, io: ManifestIo) {
    this.#request = request;
    this.#io = io;
    this.#others = new OtherFiles(io);
    this.#files = new ManifestReader(request, io, this.#report, (name, value) =>
      this.#looked.set(name, value),
    );
  }

  run(): LoadResult {
    const read = this.#files.read();
    const redact = read === undefined ? [] : this.#redactPatterns(read.group);
    this.#redactor = createRedactor({ patterns: redact });
    for (const [name, value] of this.#looked) this.#noteSecret(name, value);
    const built = read === undefined ? undefined : this.#build(read.group, read.name, redact);
    const masker = new Masker(this.#files.sources, this.#redactor, [...this.#secrets]);
    const diagnostics = masker.all(this.#report.list());
    const secrets = [...this.#secrets];
    const looked = [...new Set([...this.#files.looked, ...this.#others.looked])];
    if (built === undefined || this.#report.errors > 0) return { diagnostics, secrets, looked };
    const { project, resolve } = built;
    let resolved: ResolvedManifest | undefined;
    return {
      diagnostics,
      secrets,
      looked,
      project,
      // For `config` alone, so it is made when somebody asks.
      get resolved() {
        return (resolved ??= resolve());
      },
    };
  }

  #build(group: Group, name: string, redact: readonly string[]) {
    const raw = collectServices(group, this.#report);
    const resources = collectResources(group, this.#earlyReader());
    for (const value of secretVariables(resources)) this.#secrets.add(value);
    const facts = this.#factsOf(raw);
    // What was not read may hold what seems to be missing.
    if (!this.#files.incomplete) {
      checkProject(facts, this.#report);
      this.#checkTop(group, facts);
    }
    const built = [...raw.values()].filter(({ id }) => facts.get(id)?.active === true);
    const services = built.flatMap((service) => this.#serviceOf(service, facts, resources) ?? []);
    const shared = resourcesOf(resources);
    const project: Project = {
      name,
      dir: group.dir,
      files: [
        ...new Set([...this.#files.sources.keys(), ...this.#files.envFiles.files, ...this.#others.files]),
      ],
      services: services.map(({ spec }) => spec),
      inactive: [...facts.values()].filter(({ active }) => !active).map(({ id }) => id),
      redact,
      ...(shared === undefined ? {} : { resources: shared }),
      ...readMembers(shutdownKeys, topValue(group.root, 'shutdown'), this.#earlyReader()),
    };
    return { project, resolve: () => this.#resolve(group.root, project, services, facts, resources) };
  }

  #factsOf(raw: ReadonlyMap<ServiceId, RawService>): Map<ServiceId, Facts> {
    const profiles = new Map(
      [...raw.values()].map((service) => [service.id, profilesOf(service, this.#earlyReader(service.id))]),
    );
    const active = new Set(this.#request.profiles);
    for (const id of this.#request.named) for (const profile of profiles.get(id) ?? []) active.add(profile);
    const known = new Set([...profiles.values()].flat());
    for (const profile of this.#files.incomplete ? [] : this.#request.profiles) {
      if (profile !== '*' && !known.has(profile)) this.#reportProfile(profile, known);
    }
    const facts = new Map<ServiceId, Facts>();
    const machine = { io: this.#io, files: this.#others };
    for (const [id, service] of raw) {
      const own = profiles.get(id) ?? [];
      const takesPart = own.length === 0 || active.has('*') || own.some((profile) => active.has(profile));
      facts.set(id, factsOf(service, this.#earlyReader(id), machine, takesPart));
    }
    return facts;
  }

  #reportProfile(profile: string, known: ReadonlySet<string>): void {
    const help = didYouMean(profile, known) ?? 'no service of the manifest names it under `profiles`';
    const message = `no service has the profile \`${profile}\``;
    this.#report.add({ severity: 'warning', code: 'unknown-profile', message, labels: [], help });
  }

  #checkTop({ root, includes }: Group, facts: ReadonlyMap<ServiceId, Facts>): void {
    if (root.entries.has('services') || facts.size > 0 || includes.length > 0) return;
    this.#report.error('no-services', root.place, 'the manifest has no `services`', {
      help: 'write `services: {}` where none shall run',
    });
  }

  #serviceOf(service: RawService, facts: ReadonlyMap<ServiceId, Facts>, resources: ProjectResources) {
    const own = facts.get(service.id);
    if (own === undefined) return undefined;
    const readerFor = (onMachine: boolean): Reader => {
      const view = { onMachine, trusting: this.#files.incomplete };
      return new Reader(this.#report, this.#io.homeDir, linkerFor(service.id, facts, view, this.#report));
    };
    const reader = readerFor(false);
    const onMachine = own.container === undefined ? reader : readerFor(true);
    const env = environmentOf(service.levels, {
      reader,
      envFiles: this.#files.envFiles,
      hostEnv: this.#io.hostEnv,
    });
    for (const [name, { value }] of env) if (typeof value === 'string') this.#noteSecret(name, value);
    const onSecret = (value: string): void => {
      if (value !== '') this.#secrets.add(value);
    };
    const secrets = secretsOf(service, { resources, files: this.#others, onSecret, reader });
    addSecrets(service.id, env, secrets.env, this.#report);
    const known = {
      facts: own,
      services: facts,
      env,
      secrets: secrets.files,
      resources,
      io: this.#io,
      files: this.#others,
      onValue: (name: string, value: string) => this.#noteSecret(name, value),
      origin: this.#origin(service.place),
    };
    const spec = normaliseService(service, known, { reader, onMachine });
    if (spec === undefined) return undefined;
    for (const [name, value] of headersOf(spec)) this.#noteSecret(name, value);
    this.#checkCwd(service, own, spec);
    this.#checkWatched(service, reader);
    return { service, spec, env };
  }

  #checkCwd({ node }: RawService, { container }: Facts, { launch: { cwd } }: ServiceSpec): void {
    const stated = node.entries.get('cwd')?.value;
    // Of a container it is a folder of the image.
    if (stated === undefined || container !== undefined) return;
    try {
      if (this.#io.stat(cwd).isDirectory()) return;
      this.#report.error('missing-cwd', stated.place, `the working directory ${cwd} is not a folder`);
    } catch {
      // Something that runs first may create it, so this alone is no error.
      this.#report.warning('missing-cwd', stated.place, `the working directory ${cwd} does not exist`, {
        note: 'the service cannot start until it does',
      });
    }
  }

  #checkWatched(service: RawService, reader: Reader): void {
    for (const node of watchedNodes(service)) {
      const path = reader.path(node);
      if (path === undefined || this.#exists(path)) continue;
      this.#report.warning('missing-watch-path', node.place, `${path} does not exist`, {
        note: 'it is watched for once it does',
        help: /[*?[{]/.test(path) ? 'a path is no pattern: name its folder, and use `ignore`' : undefined,
      });
    }
  }

  #exists(path: string): boolean {
    try {
      this.#io.stat(path);
      return true;
    } catch {
      return false;
    }
  }

  #resolve(
    root: MapNode,
    project: Project,
    services: readonly { service: RawService; spec: ServiceSpec; env: ReadonlyMap<string, EnvValue> }[],
    facts: ReadonlyMap<ServiceId, Facts>,
    resources: ProjectResources,
  ): ResolvedManifest {
    const values = createRedactor({ values: [...this.#secrets] });
    const builder = new ResolvedBuilder(this.#redactor, values, project.dir);
    const entries = services.map(({ service, spec, env }) => {
      const { id, place } = service;
      const link = linkerFor(id, facts, { onMachine: false, trusting: true }, this.#report);
      const node = effectiveNode(service, spec);
      return [id, builder.service(id, node, env, (text) => link(text, place))] as const;
    });
    const manifest = {
      name: project.name,
      ...this.#resolveTop(root, builder),
      ...resolveResources(resources, builder),
      services: Object.fromEntries(entries),
    };
    return { manifest, origins: builder.origins };
  }

  #resolveTop(root: MapNode, builder: ResolvedBuilder) {
    const kept = (['redact', 'shutdown'] as const).flatMap((key) => {
      const node = topValue(root, key);
      return node === undefined || node.tag === 'reset'
        ? []
        : [[key, builder.node(node, key, (text) => text)] as const];
    });
    return Object.fromEntries(kept);
  }

  #redactPatterns({ root, includes }: Group): string[] {
    const own = this.#earlyReader().strings(topValue(root, 'redact'));
    return [...new Set([...own, ...includes.flatMap((group) => this.#redactPatterns(group))])];
  }

  #noteSecret(name: string, value: string): void {
    if (value !== '' && this.#redactor.isSecretKey(name)) this.#secrets.add(value);
  }

  #earlyReader(id?: ServiceId): Reader {
    return new Reader(this.#report, this.#io.homeDir, (text) => linkEarly(text, id));
  }

  #origin(place: Place): string {
    return `${shortPath(place.file, dirname(this.#request.files[0] ?? place.file))}:${place.line}`;
  }
}

/** What the manifests declare besides services; of secrets where they are, not what. */
function resolveResources({ nodes }: ProjectResources, builder: ResolvedBuilder) {
  const kinds = Object.entries(nodes).filter(([, entries]) => entries.size > 0);
  return Object.fromEntries(
    kinds.map(([kind, entries]) => [
      kind,
      Object.fromEntries(
        [...entries.values()].map(({ key, value }) => [
          key,
          builder.node(value, `${kind}.${key}`, (text) => text),
        ]),
      ),
    ]),
  );
}

/** The headers of its probes that are known now. */
function headersOf({ ready, live }: ServiceSpec): [name: string, value: string][] {
  return [ready, live].flatMap((probe) =>
    probe?.check.kind === 'http'
      ? Object.entries(probe.check.headers).flatMap(([name, value]): [string, string][] =>
          typeof value === 'string' ? [[name, value]] : [],
        )
      : [],
  );
}

function topValue(root: MapNode, key: 'redact' | 'shutdown'): Node | undefined {
  const node = child<Manifest>(root, key);
  return node === undefined || node.tag === 'reset' ? undefined : settleTags(node);
}
