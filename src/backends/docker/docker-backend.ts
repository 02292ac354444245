import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerCreateOptions } from './dockerode.ts';
import type { CleanupReport } from '../../core/api.ts';
import type { StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import { Limiter } from '../../core/util/limiter.ts';
import type { ResourceStep } from '../../core/plan-view.ts';
import type { Redactor } from '../../core/redact.ts';
import type { ResourceState } from '../../core/resource-plan.ts';
import { compareText } from '../../core/graph.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { LaunchSpec } from '../../core/service.ts';
import type { RunId } from '../../core/state.ts';
import type {
  AdoptRequest,
  Backend,
  Orphan,
  ResourceScope,
  StartedProc,
  StartRequest,
} from '../../ports/backend.ts';
import { orphans, removeContainer, removeNetwork, removeProject } from './cleanup.ts';
import { containerDefinition, type HostFacts } from './definition.ts';
import { DockerProc } from './docker-proc.ts';
import { EngineClient, type EngineFailure, startFailureOf } from './engine-client.ts';
import { lookAtHost } from './facts.ts';
import { imageName, Images } from './images.ts';
import { newCursor } from './copy-position.ts';
import { isOwned, LABELS, networksOf, type Owner, volumesOf } from './names.ts';
import { neededResources, networksAndVolumes } from './resource-states.ts';
import { ensureNetwork, ensureResources, ensureVolume, recreateNetwork } from './resources.ts';
import { RunFile } from './run-file.ts';
import { dockerRunLine } from './run-line.ts';
import { mountedFolder, removeSecrets, writeSecrets } from './secret-files.ts';
import { explainRefusal } from './start-failures.ts';
import { unsupportedByDocker } from './unsupported.ts';

export interface DockerBackendOptions {
  /** Where the engine is named (DOCKER_HOST and so on), HOME, and PATH for ssh and credential helpers. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project's state directory: tells its containers from those of another project of the same name. */
  readonly stateDir?: string;
  /** Told in sentences what went wrong beside the things that are reported as failures. */
  readonly onWarning?: (message: string) => void;
  /** How long the engine may take to answer; 10 s. */
  readonly answerMs?: number;
  /** How often an engine in use is asked for a sign of life; 5 s. */
  readonly heartbeatMs?: number;
}

/** What of a request decides on the container. */
type Described = Omit<StartRequest, 'instanceDir' | 'stdoutPath' | 'stderrPath' | 'requires'>;

const CONFLICT = 409;
/** Making and starting a container may take longer than an answer: layers are mounted, networks set up. */
const START_MS = 60_000;
/**
 * The engine gains nothing from more: it makes file systems and networks one after the other (measured with 20 containers:
 * one at a time takes twice as long as eight, and twenty no less than eight).
 */
const STARTS_AT_ONCE = 8;
/** How long networks and volumes that were there are taken to be there still. */
const ENSURED_MS = 2_000;
/** How long adopting waits for what the engine says; after that the procs are there, and nothing is known of them yet. */
const ADOPT_MS = 3_000;
/** What a start that was given up had begun may come about after the engine has answered again. */
const STRAY_MS = 5_000;

/** Runs services as containers of a Docker engine. */
export function createDockerBackend(options: DockerBackendOptions): Required<Backend> {
  return new ContainerBackend(options);
}

class ContainerBackend implements Required<Backend> {
  readonly name = 'docker';
  readonly #engine: EngineClient;
  readonly #images: Images;
  readonly #stateDir: string | undefined;
  readonly #onWarning: (message: string) => void;
  readonly #procs = new Set<DockerProc>();
  readonly #closed = new AbortController();
  /** One at a time: an engine that is asked twice at once makes two networks of one name. */
  readonly #resources = new Limiter(1);
  readonly #ensuredAt = new Map<string, number>();
  readonly #starts = new Limiter(STARTS_AT_ONCE);
  /** What `materialise` was called for: of that a start need not bring the image again. */
  readonly #materialised = new Set<string>();

  constructor({ env, stateDir, onWarning = () => undefined, ...engine }: DockerBackendOptions) {
    this.#engine = new EngineClient({ env, ...engine });
    this.#images = new Images(this.#engine, env);
    this.#stateDir = stateDir;
    this.#onWarning = onWarning;
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  async materialise(
    launch: ConcreteLaunch,
    progress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Result<void, StartFailure>> {
    const brought = await this.#images.bring(launch, { progress, signal });
    if (!brought.ok) return brought;
    this.#materialised.add(materialKey(launch));
    return ok(undefined);
  }

  async inputs(launch: LaunchSpec): Promise<string | undefined> {
    return this.#images.inputs(launch.container?.build);
  }

  /** The equal `docker run` line; of what is on the machine now only what decides on mounts is looked at. */
  commandLine(request: Described, redactor?: Pick<Redactor, 'args'>): string {
    const { launch } = request;
    const facts = lookAtHost(launch, this.#engine.isLocal);
    const instanceDir = join(this.#stateDir ?? '', 'instances', request.instance);
    const seen = { ...(facts.ok ? facts.value : { git: {}, absent: [] }), ...secretsAt(launch, instanceDir) };
    return dockerRunLine(this.#define(request, { ...seen, image: imageName(launch) }), redactor);
  }

  async start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    try {
      return await this.#start(request);
    } catch (error) {
      return err(systemFailure(error));
    }
  }

  async adopt(records: readonly AdoptRequest[]): Promise<readonly DockerProc[]> {
    const open = records.filter(({ record }) => record.ended === undefined && record.backend === this.name);
    const procs = open.map(({ record, instanceDir }) =>
      this.#follow({
        run: record.run,
        file: RunFile.open(instanceDir, record.run),
        instanceDir,
        sent: record.stopping === undefined ? [] : [record.stop.signal],
        ...(record.tty === true ? { input: 'terminal' as const } : {}),
        ...(record.stdin === 'pipe' && record.tty !== true ? { input: 'pipe' as const } : {}),
      }),
    );
    await Promise.race([
      Promise.all(procs.map((proc) => proc.firstLook)),
      sleep(ADOPT_MS, undefined, { ref: false }),
    ]);
    return procs;
  }

  removeProject(project: string, { volumes }: { readonly volumes: boolean }): Promise<CleanupReport> {
    this.#ensuredAt.clear();
    return removeProject(this.#engine, this.#owner(project), volumes);
  }

  orphans(project: string, known: ReadonlySet<RunId>): Promise<Result<readonly Orphan[], StartFailure>> {
    return orphans(this.#engine, this.#owner(project), known);
  }

  async removeOrphan({ id }: Orphan): Promise<Result<void, StartFailure>> {
    const removed = await removeContainer(this.#engine, id);
    return removed.ok ? removed : err(startFailureOf(removed.error, 'the container could not be removed'));
  }

  async resources(scope: ResourceScope): Promise<Result<readonly ResourceState[], StartFailure>> {
    const starting = scope.services.filter(({ starts }) => starts);
    const [others, ...images] = await Promise.all([
      networksAndVolumes(this.#engine, this.#owner(scope.project), scope),
      ...starting.map(({ service, launch }) => this.#images.state(scope.project, service, launch)),
    ]);
    if (!others.ok) return others;
    const found = [...others.value];
    for (const image of images) {
      if (!image.ok) return image;
      if (image.value !== undefined) found.push(image.value);
    }
    return ok(joined(found));
  }

  async applyResource(step: ResourceStep, scope: ResourceScope): Promise<Result<void, StartFailure>> {
    const { kind, action, name } = step;
    if (kind !== 'network' && kind !== 'volume') return ok(undefined);
    const owner = this.#owner(scope.project);
    return this.#resources.run(async () => {
      this.#ensuredAt.clear();
      if (action === 'remove' && kind === 'network') {
        const removed = await removeNetwork(this.#engine, name);
        return removed.ok
          ? removed
          : err(startFailureOf(removed.error, `the network ${name} could not be removed`));
      }
      const resource = neededResources(kind, scope).get(name);
      // Another manifest has been applied meanwhile.
      if (resource === undefined) return ok(undefined);
      if (action === 'recreate' && kind === 'network') return recreateNetwork(this.#engine, resource, owner);
      const ensure = kind === 'network' ? ensureNetwork : ensureVolume;
      return action === 'create' ? ensure(this.#engine, resource, owner) : ok(undefined);
    });
  }

  close(): void {
    this.#closed.abort();
    for (const proc of this.#procs) proc.close();
    this.#procs.clear();
    this.#engine.close();
  }

  /** Of many that start at once not each one has to ask anew. */
  async #ensure(launch: ConcreteLaunch, owner: Owner): Promise<Result<void, StartFailure>> {
    const key = JSON.stringify([owner, networksOf(launch), volumesOf(launch)]);
    if (performance.now() - (this.#ensuredAt.get(key) ?? -Infinity) < ENSURED_MS) return ok(undefined);
    this.#ensuredAt.delete(key);
    const ensured = await ensureResources(this.#engine, launch, owner);
    if (ensured.ok) this.#ensuredAt.set(key, performance.now());
    return ensured;
  }

  /** What an engine on another machine cannot have of this one. */
  #refusal({ secrets = [] }: ConcreteLaunch): StartFailure | undefined {
    if (secrets.length === 0 || this.#engine.isLocal) return undefined;
    return {
      code: 'other',
      message: 'secrets as files need an engine on this machine',
      help: 'give them as variables: `secrets: [{source: name, env: VARIABLE}]`',
    };
  }

  #owner(project: string): Owner {
    return { project, ...(this.#stateDir === undefined ? {} : { stateDir: this.#stateDir }) };
  }

  async #start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    const { launch } = request;
    const refused = refusal(launch) ?? this.#refusal(launch);
    if (refused !== undefined) return err(refused);
    const facts = lookAtHost(launch, this.#engine.isLocal);
    if (!facts.ok) return facts;
    const isMaterialised = this.#materialised.has(materialKey(launch));
    const image = await (isMaterialised ? this.#images.atHand(launch) : this.#images.bring(launch));
    if (!image.ok) return image;
    const owner = this.#owner(launch.project);
    const ensured = await this.#resources.run(() => this.#ensure(launch, owner));
    if (!ensured.ok) return ensured;
    // By its name where it has one, so that `docker ps` tells; what a build left may have lost its name since.
    const named = launch.container?.image ?? image.value;
    const secrets = secretsAt(launch, request.instanceDir);
    if (secrets.secrets !== undefined) writeSecrets(request.instanceDir, launch.secrets ?? []);
    const definition = this.#define(request, { ...facts.value, ...secrets, image: named });
    const begun = await this.#starts.run(() => this.#run(request, definition));
    if (!begun.ok) {
      removeSecrets(request.instanceDir);
      return begun;
    }
    await Promise.race([begun.value.firstLook, sleep(ADOPT_MS, undefined, { ref: false })]);
    return ok({ proc: begun.value });
  }

  async #run(
    request: StartRequest,
    definition: ContainerCreateOptions,
  ): Promise<Result<DockerProc, StartFailure>> {
    const created = await this.#create(request, definition);
    if (!created.ok) return created;
    const id = created.value;
    const begun = await this.#begin(request, id, definition);
    if (!begun.ok) await removeContainer(this.#engine, id);
    return begun;
  }

  #define(request: Described, facts: HostFacts): ContainerCreateOptions {
    const { launch, service, instance, run, fingerprint } = request;
    const ids = { ...this.#owner(launch.project), service, instance, run, fingerprint };
    return containerDefinition(launch, ids, facts);
  }

  /** Makes the container, in place of an earlier one of the same instance; its networks but the first come later. */
  async #create(
    request: StartRequest,
    definition: ContainerCreateOptions,
  ): Promise<Result<string, StartFailure>> {
    const { EndpointsConfig = {} } = definition.NetworkingConfig ?? {};
    const [first, ...others] = Object.entries(EndpointsConfig);
    const NetworkingConfig = { EndpointsConfig: Object.fromEntries(first === undefined ? [] : [first]) };
    for (let attempt = 0; ; attempt += 1) {
      const created = await this.#engine.request(
        (docker) => docker.createContainer({ ...definition, NetworkingConfig }),
        START_MS,
      );
      if (created.ok) {
        const { id } = created.value;
        const joined = await this.#join(id, others);
        return joined.ok ? ok(id) : joined;
      }
      this.#cleanUpAfter(created.error, request);
      const isTaken = created.error.kind === 'refused' && created.error.status === CONFLICT;
      if (!isTaken || attempt > 0) return err(explainRefusal(created.error, definition));
      const cleared = await this.#clearName(definition.name ?? '', request);
      if (!cleared.ok) return cleared;
    }
  }

  async #join(id: string, networks: readonly [string, unknown][]): Promise<Result<void, StartFailure>> {
    for (const [name, endpoint] of networks) {
      const joined = await this.#engine.request((docker) =>
        docker.getNetwork(name).connect({ Container: id, EndpointConfig: endpoint as object }),
      );
      if (joined.ok) continue;
      await removeContainer(this.#engine, id);
      return err(startFailureOf(joined.error, `the network ${name} could not be joined`));
    }
    return ok(undefined);
  }

  /** Whoever has the name is removed if it is an earlier container of the same instance, and named if it is not. */
  async #clearName(name: string, { launch, instance }: StartRequest): Promise<Result<void, StartFailure>> {
    const seen = await this.#engine.request((docker) => docker.getContainer(name).inspect());
    if (!seen.ok) {
      if (seen.error.kind === 'refused' && seen.error.status === 404) return ok(undefined);
      return err(startFailureOf(seen.error, `the container ${name} could not be looked at`));
    }
    const { Id, Config } = seen.value;
    const { Labels: labels } = Config;
    if (isOwned(labels, this.#owner(launch.project)) && labels[LABELS.instance] === instance) {
      const removed = await removeContainer(this.#engine, Id);
      return removed.ok
        ? removed
        : err(startFailureOf(removed.error, `the container ${name} could not be removed`));
    }
    const project = labels[LABELS.project];
    const state = labels[LABELS.state];
    const whose =
      project === undefined
        ? 'was not made by Setpoint'
        : `belongs to the project ${project}${state === undefined ? '' : ` (${state})`}`;
    return err({
      code: 'name-conflict',
      message: `there is a container ${name} (${Id.slice(0, 12)}, image ${Config.Image}) that ${whose}`,
      help: `remove it with \`docker rm -f ${name}\`, or give the project another name`,
    });
  }

  async #begin(
    request: StartRequest,
    id: string,
    definition: ContainerCreateOptions,
  ): Promise<Result<DockerProc, StartFailure>> {
    const { launch, run, instanceDir, stdoutPath, stderrPath } = request;
    const allowed = await this.#mayRun(id, launch.container?.maxContainers);
    if (!allowed.ok) return allowed;
    const tty = launch.tty === true;
    // On disk before the first byte can come.
    const file = RunFile.create(instanceDir, {
      run,
      tty,
      log: newCursor(
        { path: stdoutPath, size: sizeOf(stdoutPath) },
        tty ? undefined : { path: stderrPath, size: sizeOf(stderrPath) },
      ),
    });
    const started = await this.#engine.request((docker) => docker.getContainer(id).start(), START_MS);
    if (!started.ok) {
      this.#cleanUpAfter(started.error, request);
      return err(explainRefusal(started.error, definition));
    }
    const proc = this.#follow({
      run,
      file,
      instanceDir,
      container: id,
      ...(tty ? { input: 'terminal' as const } : {}),
      ...(launch.stdin === 'pipe' && !tty ? { input: 'pipe' as const } : {}),
    });
    return ok(proc);
  }

  /**
   * Whether the engine may have one more, this container, which has been made already, being counted. Of several that are
   * made at once those that were made first may run, so that the limit holds whoever asks. Without an answer: no.
   */
  async #mayRun(id: string, limit: number | undefined): Promise<Result<void, StartFailure>> {
    if (limit === undefined) return ok(undefined);
    const found = await this.#engine.request((docker) =>
      docker.listContainers({ all: true, filters: { label: [LABELS.project] } }),
    );
    if (!found.ok) return err(startFailureOf(found.error, 'the containers could not be counted'));
    const isOver = (state: string): boolean => ['exited', 'dead', 'removing'].includes(state);
    const there = found.value.filter(({ State }) => !isOver(State));
    const fresh = there.filter(({ State }) => State === 'created').map(({ Id }) => Id);
    const made = await this.#madeAt(fresh);
    // Those that run are there already, whenever they were made.
    const ranks = there
      .map(({ Id }) => ({ id: Id, made: made.get(Id) ?? '' }))
      .sort((a, b) => compareText(a.made, b.made) || compareText(a.id, b.id));
    const rank = ranks.findIndex((each) => each.id === id);
    if (rank >= 0 && rank < limit) return ok(undefined);
    return err({
      code: 'resource-shortage',
      message: `${limit} containers run on the engine already, which is as many as \`max_containers\` allows`,
      help: 'it is tried again; stop another one, or raise the limit',
    });
  }

  /** When containers were made, to the nanosecond, as a text that sorts: the list of them tells the second alone. */
  async #madeAt(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = await Promise.all(
      ids.map(async (id) => {
        const one = await this.#engine.request((docker) => docker.getContainer(id).inspect());
        return one.ok ? [[id, sortable(one.value.Created)] as const] : [];
      }),
    );
    return new Map(found.flat());
  }

  /** A request that was given up may be carried out later: nothing may come of it that nobody follows. */
  #cleanUpAfter(failure: EngineFailure, { run }: StartRequest): void {
    if (failure.kind === 'refused') return;
    void this.#removeStrays(run).catch(() => undefined);
  }

  async #removeStrays(run: string): Promise<void> {
    const { signal } = this.#closed;
    for (const delay of [0, STRAY_MS]) {
      await this.#engine.untilAvailable(signal);
      await sleep(delay, undefined, { signal, ref: false });
      const found = await this.#engine.request((docker) =>
        docker.listContainers({ all: true, filters: { label: [`${LABELS.run}=${run}`] } }),
      );
      for (const { Id } of found.ok ? found.value : []) await removeContainer(this.#engine, Id);
    }
  }

  #follow(options: Omit<ConstructorParameters<typeof DockerProc>[0], 'engine' | 'onWarning'>): DockerProc {
    const onWarning = this.#onWarning;
    const proc = new DockerProc({ ...options, engine: this.#engine, onWarning });
    this.#procs.add(proc);
    void proc.gone.then(() => this.#procs.delete(proc));
    return proc;
  }
}

/** A time of the engine's with all nine digits behind the point: it leaves zeros at the end out (RFC 3339, Go). */
function sortable(time: string): string {
  const [seconds = '', fraction = ''] = time.replace(/Z$/, '').split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}`;
}

/** Services that need one image need it together. */
function joined(states: readonly ResourceState[]): readonly ResourceState[] {
  const byName = new Map<string, ResourceState>();
  for (const state of states) {
    const key = `${state.kind} ${state.name}`;
    const known = byName.get(key);
    const neededBy = [...(known?.neededBy ?? []), ...state.neededBy];
    byName.set(key, { ...(known ?? state), ...(state.always === true ? { always: true } : {}), neededBy });
  }
  return [...byName.values()];
}

function refusal(launch: ConcreteLaunch): StartFailure | undefined {
  if (launch.container === undefined) return { code: 'other', message: 'there is no image to run' };
  const [first] = unsupportedByDocker(launch);
  return first === undefined
    ? undefined
    : { code: 'other', message: `a container cannot have \`${first.key}\`: ${first.why}` };
}

function secretsAt({ secrets = [] }: ConcreteLaunch, instanceDir: string): { readonly secrets?: string } {
  return secrets.length === 0 ? {} : { secrets: mountedFolder(instanceDir) };
}

function materialKey({ project, service, container }: ConcreteLaunch): string {
  const { image, build, pull, platform } = container ?? {};
  return JSON.stringify([project, service, image, build, pull, platform]);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** What is thrown is of the disk: everything else answers with results. */
function systemFailure(error: unknown): StartFailure {
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return {
    code: 'state-unwritable',
    message: path === undefined ? message : `${path} cannot be written (${code})`,
    help: 'free space, or mend the permissions of the state directory',
  };
}
