import { createHash } from 'node:crypto';
import type { StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import { buildFields, type ResourceState } from '../../core/resource-plan.ts';
import type { BuildSpec, LaunchSpec, ServiceId } from '../../core/service.ts';
import { SharedWork, type Waiter } from '../../core/util/shared-work.ts';
import { type BuildContext, ContextError, openContext } from './build-context.ts';
import { type EngineClient, type EngineResult, startFailureOf } from './engine-client.ts';
import { FileDigests } from './file-digests.ts';
import { destroy, jsonLines } from './json-lines.ts';
import { builtImageName, LABELS } from './names.ts';
import { buildLines, PullProgress, reportedError } from './progress.ts';
import { findAuth, type RegistryAuth, registryOf } from './registry.ts';

type Env = Readonly<Record<string, string | undefined>>;

interface Found {
  readonly id: string;
  readonly platform: string;
  readonly labels: Readonly<Record<string, string>>;
}

const GIVEN_UP = 'it was given up';
const PROGRESS_EVERY_MS = 250;
/** Last lines of a build that are told when it failed. */
const TOLD_LINES = 8;
const UNNOTICED: Waiter = { progress: () => undefined, signal: new AbortController().signal };

/** Brings images to the engine. What several want at once is done once. */
export class Images {
  readonly #engine: EngineClient;
  readonly #env: Env;
  readonly #digests = new FileDigests();
  readonly #underWay = new SharedWork<Result<string, StartFailure>>();

  constructor(engine: EngineClient, env: Env) {
    this.#engine = engine;
    this.#env = env;
  }

  /** Pulls by the launch's policy, or builds what has changed; the value is the image's id. */
  async bring(launch: ConcreteLaunch, wait: Waiter = UNNOTICED): Promise<Result<string, StartFailure>> {
    const image = imageName(launch);
    const build = launch.container?.build;
    const key = JSON.stringify([
      image,
      build ?? null,
      launch.container?.pull,
      launch.container?.platform ?? '',
    ]);
    const brought = await this.#underWay.join(key, wait, (all) =>
      build === undefined ? this.#pulled(launch, image, all) : this.#built(launch, image, build, all),
    );
    return brought ?? err((build === undefined ? pullFailed : buildFailed)(image, GIVEN_UP));
  }

  /** Digest of what a build is made from; undefined where nothing is built, or its context cannot be read. */
  async inputs(build: BuildSpec | undefined): Promise<string | undefined> {
    if (build === undefined) return undefined;
    try {
      const context = await openContext(build.context, build.dockerfile);
      return await context.digest(this.#digests);
    } catch (error) {
      if (error instanceof ContextError) return undefined;
      throw error;
    }
  }

  /** The image or build of a service as it is wanted and as it is. */
  async state(
    project: string,
    service: ServiceId,
    { container, backend }: LaunchSpec,
  ): Promise<Result<ResourceState | undefined, StartFailure>> {
    if (container === undefined) return ok(undefined);
    const { build, pull, platform } = container;
    const name = container.image ?? builtImageName(project, service);
    const found = await this.#find(name);
    if (!found.ok) return err(startFailureOf(found.error, `the image ${name} could not be looked at`));
    const image = found.value;
    const of = { name, backend, neededBy: [service], usedBy: [] };
    const always = (build?.noCache ?? false) || pull === 'always' ? { always: true as const } : {};
    if (build === undefined) {
      const isThere = image !== undefined && isFor(platform, image.platform);
      // It is refused then, with what to do.
      if (!isThere && pull === 'never') return ok(undefined);
      return ok({ ...of, kind: 'image', wanted: {}, ...(isThere ? { found: {} } : {}), ...always });
    }
    const digest = await this.#wantedBuild(build);
    // Its start says what is the matter with the context.
    if (digest === undefined) return ok(undefined);
    const label = image?.labels[LABELS.build];
    const before = image === undefined ? {} : { found: label === undefined ? {} : buildFields(label) };
    return ok({ ...of, kind: 'build', wanted: buildFields(digest), ...before, ...always });
  }

  async #wantedBuild(build: BuildSpec): Promise<string | undefined> {
    const inputs = await this.inputs(build);
    return inputs === undefined ? undefined : buildDigest(build, inputs);
  }

  /** The image as it is on the engine now, brought only where it is not there. */
  async atHand(launch: ConcreteLaunch): Promise<Result<string, StartFailure>> {
    const found = await this.#find(imageName(launch));
    if (!found.ok) return err(startFailureOf(found.error, 'the image could not be looked at'));
    return found.value === undefined ? this.bring(launch) : ok(found.value.id);
  }

  async #pulled(launch: ConcreteLaunch, image: string, wait: Waiter): Promise<Result<string, StartFailure>> {
    const { pull = 'missing', platform } = launch.container ?? {};
    const found = await this.#find(image);
    if (!found.ok) return err(startFailureOf(found.error, `the image ${image} could not be looked at`));
    const present = found.value;
    if (present !== undefined && pull !== 'always' && isFor(platform, present.platform))
      return ok(present.id);
    if (pull === 'never') {
      const message = `the image ${image}${platform === undefined ? '' : ` for ${platform}`} is not on the engine, and \`pull\` is \`never\``;
      return err({
        code: 'image-missing',
        message,
        help: `run \`docker pull ${image}\`, or let it be pulled`,
      });
    }
    const failure = await this.#pull(image, platform, wait);
    if (failure !== undefined) return err(failure);
    const now = await this.#find(image);
    if (!now.ok) return err(startFailureOf(now.error, `the image ${image} could not be looked at`));
    if (now.value !== undefined) return ok(now.value.id);
    return err({ code: 'image-missing', message: `the image ${image} is not there, though it was pulled` });
  }

  async #pull(image: string, platform: string | undefined, wait: Waiter): Promise<StartFailure | undefined> {
    const { progress, signal } = wait;
    progress(`pulling ${image}`);
    const auth = await findAuth(registryOf(image), this.#env);
    const options = {
      ...reference(image),
      ...(platform === undefined ? {} : { platform }),
      ...(auth === undefined ? {} : { authconfig: auth }),
      abortSignal: signal,
    };
    const opened = await this.#engine.wait((docker) => docker.createImage(options));
    if (!opened.ok) return pullFailure(image, opened, signal);
    const told = new Told(progress);
    const layers = new PullProgress(image);
    const reason = await follow(opened.value, signal, (message) => {
      const line = layers.take(message);
      if (line !== undefined) told.tell(line);
    });
    told.end();
    return reason === undefined ? undefined : pullFailed(image, reason);
  }

  async #built(
    launch: ConcreteLaunch,
    image: string,
    build: BuildSpec,
    wait: Waiter,
  ): Promise<Result<string, StartFailure>> {
    try {
      const context = await openContext(build.context, build.dockerfile);
      const digest = buildDigest(build, await context.digest(this.#digests));
      const found = await this.#find(image);
      if (!found.ok) return err(startFailureOf(found.error, `the image ${image} could not be looked at`));
      const isAsBefore = found.value?.labels[LABELS.build] === digest;
      const refreshes = build.noCache || launch.container?.pull === 'always';
      if (found.value !== undefined && isAsBefore && !refreshes) return ok(found.value.id);
      const failure = await this.#build(launch, image, build, context, digest, wait);
      if (failure !== undefined) return err(failure);
    } catch (error) {
      if (error instanceof ContextError) return err({ code: 'build-failed', message: error.message });
      throw error;
    }
    const now = await this.#find(image);
    if (!now.ok) return err(startFailureOf(now.error, `the image ${image} could not be looked at`));
    if (now.value !== undefined) return ok(now.value.id);
    return err({ code: 'build-failed', message: `the build of ${image} left no image of that name` });
  }

  async #build(
    launch: ConcreteLaunch,
    image: string,
    build: BuildSpec,
    context: BuildContext,
    digest: string,
    { progress, signal }: Waiter,
  ): Promise<StartFailure | undefined> {
    progress(`building ${image}`);
    const platform = build.platform ?? launch.container?.platform;
    const labels = { ...build.labels, [LABELS.project]: launch.project, [LABELS.build]: digest };
    const authconfig = await buildAuth(await context.baseImages(), this.#env);
    const archive = context.archive();
    let contextError: Error | undefined;
    archive.once('error', (error) => (contextError = error));
    const opened = await this.#engine.wait((docker) =>
      docker.buildImage(archive, {
        dockerfile: context.dockerfile,
        // As many `t` as there are tags, which the types do not know.
        t: [image, ...build.tags] as unknown as string,
        buildargs: build.args,
        labels,
        nocache: build.noCache,
        // BuildKit: every engine that is spoken to has it.
        version: '2',
        rm: true,
        forcerm: true,
        abortSignal: signal,
        ...(authconfig === undefined ? {} : { authconfig }),
        ...(launch.container?.pull === 'always' ? { pull: true } : {}),
        ...(build.target === undefined ? {} : { target: build.target }),
        ...(platform === undefined ? {} : { platform }),
      }),
    );
    if (!opened.ok) {
      if (contextError !== undefined) return { code: 'build-failed', message: contextError.message };
      if (opened.error.kind !== 'refused') return startFailureOf(opened.error, `building ${image}`);
      return buildFailed(image, signal.aborted ? GIVEN_UP : opened.error.reason, []);
    }
    const last: string[] = [];
    const told = new Told(progress);
    const reason = await follow(opened.value, signal, (message) => {
      for (const line of buildLines(message)) {
        last.push(line);
        if (last.length > TOLD_LINES) last.shift();
        told.tell(`building ${image}: ${line}`);
      }
    });
    told.end();
    return reason === undefined ? undefined : buildFailed(image, reason, last);
  }

  /** Undefined in the result: there is none of this name. */
  async #find(image: string): Promise<EngineResult<Found | undefined>> {
    const seen = await this.#engine.request((docker) => docker.getImage(image).inspect());
    if (!seen.ok) return seen.error.kind === 'refused' && seen.error.status === 404 ? ok(undefined) : seen;
    const { Id, Os, Architecture, Config } = seen.value;
    const { Variant } = seen.value as { Variant?: string };
    // An image without any configuration has `null` there.
    const config = Config as { Labels?: Record<string, string> | null } | null;
    const platform = `${Os}/${Architecture}${(Variant ?? '') === '' ? '' : `/${Variant ?? ''}`}`;
    return ok({ id: Id, platform, labels: config?.Labels ?? {} });
  }
}

/** The name of the image a launch runs: its own, or the one its build is kept under. */
export function imageName(launch: ConcreteLaunch): string {
  return launch.container?.image ?? builtImageName(launch.project, launch.service);
}

/** `linux/arm64` is any variant of it. */
function isFor(wanted: string | undefined, platform: string): boolean {
  return wanted === undefined || platform === wanted || platform.startsWith(`${wanted}/`);
}

/** Without a tag the engine would pull all there are. */
export function reference(image: string): { readonly fromImage: string; readonly tag: string } {
  const at = image.indexOf('@');
  if (at >= 0) return { fromImage: image.slice(0, at).replace(/:[^:/]*$/, ''), tag: image.slice(at + 1) };
  const colon = image.lastIndexOf(':');
  if (colon > image.lastIndexOf('/')) {
    return { fromImage: image.slice(0, colon), tag: image.slice(colon + 1) };
  }
  return { fromImage: image, tag: 'latest' };
}

/** Everything that decides on the outcome of a build. */
function buildDigest({ args, target, labels, platform, dockerfile }: BuildSpec, context: string): string {
  const sorted = (record: Readonly<Record<string, string>>): unknown => Object.entries(record).sort();
  const parts = [context, dockerfile ?? '', target ?? '', platform ?? '', sorted(args), sorted(labels)];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/**
 * What a build may say to a registry. The package says the same to whichever registry asks: so it gets it only where
 * there is no more than one to ask.
 */
async function buildAuth(baseImages: readonly string[], env: Env): Promise<RegistryAuth | undefined> {
  const [registry, ...others] = new Set(baseImages.map(registryOf));
  if (registry === undefined || others.length > 0) return undefined;
  const auth = await findAuth(registry, env);
  return auth?.username === undefined ? undefined : auth;
}

/** Reads a stream of messages to its end; the answer is what went wrong, if anything did. */
async function follow(
  stream: NodeJS.ReadableStream,
  signal: AbortSignal,
  take: (message: unknown) => void,
): Promise<string | undefined> {
  const giveUp = (): void => {
    destroy(stream);
    // The package ends a build's session only with its stream's end, which a destroyed one does not reach.
    stream.emit('end');
  };
  signal.addEventListener('abort', giveUp);
  let error: string | undefined;
  try {
    for await (const message of jsonLines(stream)) {
      error ??= reportedError(message);
      take(message);
    }
  } catch {
    error ??= 'the connection to the engine broke off';
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
  return signal.aborted ? GIVEN_UP : error;
}

function pullFailure(
  image: string,
  opened: Extract<EngineResult<unknown>, { ok: false }>,
  signal: AbortSignal,
): StartFailure {
  if (opened.error.kind !== 'refused') return startFailureOf(opened.error, `pulling ${image}`);
  return pullFailed(image, signal.aborted ? GIVEN_UP : opened.error.reason);
}

function pullFailed(image: string, reason: string): StartFailure {
  const needsLogin = /denied|unauthori[sz]ed|authentication/i.test(reason);
  const help = needsLogin
    ? `check the name; for a private image run \`docker login\``
    : 'check the name and the way to its registry; an image that is on the engine needs no pull';
  return { code: 'pull-failed', message: `${image} could not be pulled: ${reason.trim()}`, help };
}

function buildFailed(image: string, reason: string, last: readonly string[] = []): StartFailure {
  const told = last.length === 0 ? '' : `; its last lines: ${last.join(' | ')}`;
  return { code: 'build-failed', message: `${image} could not be built: ${reason.trim()}${told}` };
}

/** Tells the first text at once, and from then on the latest one as often as is told at most. */
class Told {
  readonly #progress: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #next: string | undefined;

  constructor(progress: (text: string) => void) {
    this.#progress = progress;
  }

  tell(text: string): void {
    this.#next = text;
    if (this.#timer === undefined) this.#flush();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#next === undefined) return;
    this.#progress(this.#next);
    this.#next = undefined;
    this.#timer = setTimeout(() => this.#flush(), PROGRESS_EVERY_MS);
  }
}
