import { canonicalJson } from '../core/fingerprint.ts';
import { basename } from 'node:path';
import type { ApiError, ApplyRequest, ManifestStatus, PlanCounts, ReloadResponse } from '../core/api.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import type { PlanView } from '../core/plan-view.ts';
import { countSteps, keptScale, serviceChanges } from '../core/reload.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import type { LoadRequest, Project, ServiceId } from '../core/service.ts';
import type { Engine } from '../engine/engine.ts';
import type { ReloadInput } from '../engine/planner.ts';
import type { LoadResult } from '../manifest/load.ts';
import type { Clock } from '../ports/clock.ts';
import type { FileWatcher } from '../ports/file-watcher.ts';
import type { ProjectRecord, Store } from '../ports/store.ts';
import { ChangeTrials, type TrialEngine } from './change-trials.ts';
import { digestOf, type FileLook, type Marks } from './file-marks.ts';
import { ManifestWatch } from './manifest-watch.ts';

/** What loading a manifest gave, and the content of the files it was loaded from. */
export interface LoadedManifests {
  readonly result: LoadResult;
  readonly marks: Marks;
}

/** Of the engine. */
export interface ReloadEngine
  extends TrialEngine, Pick<Engine, 'planReload' | 'reload' | 'record' | 'keepReload' | 'notReplaced'> {}

export interface ReloaderParts {
  readonly engine: ReloadEngine;
  readonly store: Pick<Store, 'append'>;
  readonly clock: Clock;
  readonly watcher: FileWatcher;
  readonly load: (request: LoadRequest, hostEnv: Readonly<Record<string, string>>) => LoadedManifests;
  readonly look: (path: string) => Promise<FileLook>;
  /** Runs one apply or reload after another; never rejects because of an earlier one. */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
}

export type ReloadOutcome = Omit<ReloadResponse, 'snapshot'>;

/** How what runs stands to the manifest. */
type Standing =
  | { readonly state: 'in-sync' }
  | { readonly state: 'invalid'; readonly diagnostics: readonly Diagnostic[] }
  /** `told`: what was said of it, so that it is said once. */
  | { readonly state: 'pending'; readonly counts: PlanCounts; readonly told: string };

/** A snapshot travels with every change of anything. */
const MOST_DIAGNOSTICS = 20;

/** Further failures to watch are no news. */
const MOST_WARNINGS = 5;

/**
 * Takes the manifest up again when it was edited. It is loaded as the last apply loaded it, with the same environment.
 * With an error nothing that runs is touched. Reloads and applies never overlap, and what an apply has already taken up
 * is not reloaded.
 */
export class Reloader {
  readonly #parts: ReloaderParts;
  readonly #watch: ManifestWatch;
  readonly #trials: ChangeTrials;
  /** What was applied last; undefined before the first apply. */
  #basis: ApplyRequest | undefined;
  /** The numbers of instances in the manifest that was taken up last. */
  #declared: ReadonlyMap<ServiceId, number> | undefined;
  #standing: Standing = { state: 'in-sync' };
  /** Whether the errors of the present manifest were told: they are told once, until they are mended. */
  #toldInvalid = false;
  #queued = false;
  #warnings = 0;

  constructor(parts: ReloaderParts) {
    this.#parts = parts;
    const { clock, watcher, look, engine, store, inTurn } = parts;
    this.#watch = new ManifestWatch(
      { clock, watcher, look },
      { changed: () => this.#changed(), warn: (reason) => this.#warn(reason) },
    );
    this.#trials = new ChangeTrials({ engine, clock, store, inTurn });
  }

  /** Undefined before the first apply. */
  get status(): ManifestStatus | undefined {
    if (this.#basis === undefined) return undefined;
    const told = new Set(this.#trials.failed.map(({ service }) => service));
    const failed = [
      ...this.#trials.failed,
      ...this.#parts.engine.notReplaced.filter(({ service }) => !told.has(service)),
    ];
    const standing = this.#standing;
    const errors = standing.state === 'invalid' ? standing.diagnostics.filter(isError) : [];
    return {
      state: standing.state,
      watched: this.#watch.watching,
      ...(this.#basis.review === true ? { review: true } : {}),
      errors: errors.length,
      ...(standing.state === 'invalid'
        ? { diagnostics: standing.diagnostics.slice(0, MOST_DIAGNOSTICS) }
        : {}),
      ...(standing.state === 'pending' ? { pending: standing.counts } : {}),
      ...(failed.length === 0 ? {} : { failed }),
    };
  }

  /** What the record keeps of an apply that loaded this. */
  recordOf(request: ApplyRequest, { marks }: LoadedManifests): NonNullable<ProjectRecord['reload']> {
    return { watch: request.watch !== false, review: request.review === true, digest: digestOf(marks) };
  }

  /** To be called after every apply that went through. */
  applied(request: ApplyRequest, project: Project, { marks }: LoadedManifests): void {
    this.#basis = request;
    this.#trials.forget();
    this.#takeUp(project);
    if (request.watch === false) this.#watch.stop();
    else this.#watch.set(marks);
  }

  /** To be called when an apply failed for errors of the manifest, which has told so. */
  rejected(request: ApplyRequest, { result, marks }: LoadedManifests): void {
    if (this.#basis === undefined || request.load.files.join('\0') !== this.#basis.load.files.join('\0'))
      return;
    this.#toldInvalid = true;
    this.#becomeInvalid(result.diagnostics);
    if (this.#watch.watching) this.#watch.set(marks);
  }

  /**
   * To be called when a new daemon has taken over what an earlier one had applied. What was edited while there was none
   * is reloaded now, or held.
   */
  async resumed(request: ApplyRequest, { result, marks }: LoadedManifests): Promise<void> {
    const { record } = this.#parts.engine;
    const { watch = true, review = false, digest } = record.reload ?? {};
    this.#basis = { ...request, watch, review };
    if (watch) this.#watch.set(marks);
    const { project } = result;
    if (project === undefined) {
      this.#toldInvalid = true;
      this.#becomeInvalid(result.diagnostics);
    } else if (digest === undefined || digest === digestOf(marks)) {
      this.#declared = replicasOf(project);
    } else if (watch) {
      this.#changed();
    } else {
      const plan = await this.#parts.engine.planReload(this.#inputOf(project, result.secrets));
      if (plan.drift) this.#hold(plan);
    }
  }

  /** Takes the manifest up now, whether it was edited or not. */
  reload(confirm: boolean): Promise<Result<ReloadOutcome, ApiError['error']>> {
    return this.#parts.inTurn(() => this.#reloadNow({ confirm, forced: true }));
  }

  /** Whether what is edited from now on is held. What is held already stays so until it is confirmed. */
  setReview(hold: boolean): Result<void, ApiError['error']> {
    const { engine } = this.#parts;
    if (engine.shutdown !== undefined) return err(SHUTTING_DOWN);
    if (this.#basis === undefined || engine.record.phase !== 'up') return err(NOT_UP);
    this.#basis = { ...this.#basis, review: hold };
    const { watch = true, digest = '' } = engine.record.reload ?? {};
    engine.keepReload({ watch, digest, review: hold });
    return ok(undefined);
  }

  /** Looks whether the manifest was edited without a word. */
  check(): void {
    this.#watch.check();
  }

  stop(): void {
    this.#watch.stop();
    this.#trials.stop();
  }

  #changed(): void {
    if (this.#queued) return;
    this.#queued = true;
    const turn = this.#parts.inTurn(async () => {
      this.#queued = false;
      await this.#reloadNow({ confirm: false, forced: false });
    });
    turn.catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#parts.store.append(
        { type: 'warning', message: `the manifest could not be reloaded: ${why}` },
        {},
      );
    });
  }

  async #reloadNow(how: {
    confirm: boolean;
    forced: boolean;
  }): Promise<Result<ReloadOutcome, ApiError['error']>> {
    const { engine, load } = this.#parts;
    const basis = this.#basis;
    if (engine.shutdown !== undefined) return err(SHUTTING_DOWN);
    if (basis === undefined || engine.record.phase !== 'up') return err(NOT_UP);
    const loaded = load(basis.load, basis.hostEnv);
    if (this.#watch.watching) this.#watch.set(loaded.marks);
    const { diagnostics, project, secrets } = loaded.result;
    if (project === undefined) {
      this.#becomeInvalid(diagnostics);
      return ok({ outcome: 'invalid', diagnostics });
    }
    const isTakenUp = engine.record.reload?.digest === digestOf(loaded.marks);
    if (!how.forced && isTakenUp && this.#standing.state === 'in-sync')
      return ok({ outcome: 'unchanged', diagnostics });
    if (how.forced) this.#trials.forget();
    const input = this.#inputOf(project, secrets);
    if (basis.review === true && !how.confirm) {
      const plan = await engine.planReload(input);
      if (plan.drift) {
        this.#hold(plan);
        return ok({ outcome: 'held', diagnostics, plan });
      }
    }
    const before = this.#trials.before();
    const plan = await engine.reload(input, this.recordOf(basis, loaded));
    this.#takeUp(project);
    this.#trials.begin(plan, project, before);
    return ok({ outcome: plan.drift ? 'applied' : 'unchanged', diagnostics, plan });
  }

  #inputOf(project: Project, secrets: readonly string[]): ReloadInput {
    const scale = keptScale(this.#parts.engine.record.scale, this.#declared, replicasOf(project));
    return {
      next: { project: this.#trials.without(project), hostEnv: this.#basis?.hostEnv ?? {}, secrets },
      only: this.#basis?.services ?? [],
      scale,
    };
  }

  #takeUp(project: Project): void {
    this.#declared = replicasOf(project);
    this.#standing = { state: 'in-sync' };
    this.#toldInvalid = false;
    this.#parts.engine.touched();
  }

  #becomeInvalid(found: readonly Diagnostic[]): void {
    const diagnostics = this.#withWhatIsGone(found);
    this.#standing = { state: 'invalid', diagnostics };
    this.#parts.engine.touched();
    if (this.#toldInvalid) return;
    this.#toldInvalid = true;
    const errors = diagnostics.filter(isError);
    const first = errors[0]?.message ?? '';
    this.#parts.store.append({ type: 'manifest-rejected', errors: errors.length, first }, {});
  }

  /** A manifest that was there and is not any more is said to be gone. */
  #withWhatIsGone(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
    const files = new Set(this.#basis?.load.files);
    return diagnostics.map((diagnostic) => {
      const file = diagnostic.labels[0]?.place.file;
      if (diagnostic.code !== 'missing-file' || file === undefined || !files.has(file)) return diagnostic;
      return {
        ...diagnostic,
        message: `${basename(file)} is gone`,
        help: '`setpoint down` stops what runs; as long as the file is gone, nothing changes',
      };
    });
  }

  #hold(plan: PlanView): void {
    const counts = countSteps(plan);
    const what = serviceChanges(plan);
    const told = canonicalJson({ counts, ...what });
    const isNews = this.#standing.state !== 'pending' || this.#standing.told !== told;
    this.#standing = { state: 'pending', counts, told };
    this.#toldInvalid = false;
    this.#parts.engine.touched();
    if (isNews) this.#parts.store.append({ type: 'manifest-held', counts, ...what }, {});
  }

  #warn(reason: string): void {
    this.#warnings += 1;
    if (this.#warnings > MOST_WARNINGS) return;
    const message = `the manifest is only looked at every few seconds: ${reason}`;
    this.#parts.store.append({ type: 'warning', message }, {});
  }
}

function replicasOf({ services }: Project): ReadonlyMap<ServiceId, number> {
  return new Map(services.map(({ id, replicas }) => [id, replicas]));
}

function isError({ severity }: Diagnostic): boolean {
  return severity === 'error';
}

const NOT_UP: ApiError['error'] = {
  code: 'not-up',
  message: 'no manifest has been applied that could be reloaded',
  help: '`setpoint up` applies it',
};

const SHUTTING_DOWN: ApiError['error'] = {
  code: 'shutting-down',
  message: 'the project is being shut down',
  help: 'wait for `setpoint down` to finish, then try again',
};
