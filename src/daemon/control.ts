import type {
  ActionRequest,
  ActionResponse,
  ApiError,
  ApplyRequest,
  ApplyResponse,
  DaemonInfo,
  DownRequest,
  DownResponse,
  ExecCommand,
  ExplainResponse,
  InstanceDetails,
  LogLine,
  LogQuery,
  PlanResponse,
  ProjectSnapshot,
  ReloadRequest,
  ReloadResponse,
  ReviewRequest,
  StatsResponse,
  TimelineResponse,
  WatchItem,
} from '../core/api.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import type { ProjectEvent } from '../core/event.ts';
import { displayedFields } from '../core/field-values.ts';
import { createRedactor } from '../core/redact.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import type { InstanceId, LoadRequest, ServiceId } from '../core/service.ts';
import type { Engine } from '../engine/engine.ts';
import type { LoadedProject } from '../engine/fleet.ts';
import { select, type UnknownName } from '../engine/select.ts';
import type { Clock } from '../ports/clock.ts';
import type { Control, ControlResult, LeaseHold } from '../ports/control.ts';
import type { FileWatcher } from '../ports/file-watcher.ts';
import type { LogStore, LogTarget } from '../ports/logs.ts';
import type { Store } from '../ports/store.ts';
import { timeline } from '../core/timeline.ts';
import type { ExecSession, Proc, ProcInput } from '../ports/backend.ts';
import type { FileLook } from './file-marks.ts';
import { growingMerge } from './merge-streams.ts';
import { type LoadedManifests, Reloader } from './reloader.ts';
import { processTree } from '../host/process-tree.ts';
import { createStatsSampler } from './stats-sampler.ts';

export interface ControlParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly logs: LogStore;
  readonly clock: Clock;
  readonly info: DaemonInfo;
  readonly load: (request: LoadRequest, hostEnv: Readonly<Record<string, string>>) => LoadedManifests;
  /** For the manifest and what it is made from. */
  readonly watcher: FileWatcher;
  readonly look: (path: string) => Promise<FileLook>;
  readonly subscribeHappenings: (listener: (happening: ProjectEvent) => void) => () => void;
  /** Called once the project is down. */
  readonly finished: (reason: string) => void;
}

type Failure = ApiError['error'];

const HISTORY = 15;
/** Happenings of a service among which its last ends are looked for, and how many of these are told. */
const ENDS_HISTORY = 500;
const MOST_ENDS = 8;
/** Happenings among which the last start of the project is looked for. */
const TIMELINE_HISTORY = 20_000;

/** What clients may ask, put together from the loader, the engine and the logs. */
export class ProjectControl implements Control {
  readonly #parts: ControlParts;
  #leased = false;
  /** Applies run one after another: the later one plans against what the earlier one began. */
  #applying: Promise<unknown> = Promise.resolve();
  /** How many of them there are. */
  #applies = 0;
  #handingOver = false;
  readonly #sampler: ReturnType<typeof createStatsSampler>;
  readonly #reloader: Reloader;

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#sampler = createStatsSampler({ clock: parts.clock, procs: () => this.#liveProcs() });
    this.#reloader = new Reloader({ ...parts, inTurn: (act) => this.#inTurn(act) });
  }

  info(): DaemonInfo {
    return this.#parts.info;
  }

  snapshot(): ProjectSnapshot {
    const { engine, clock, info } = this.#parts;
    const { project, shutdown } = engine;
    const manifest = this.#reloader.status;
    return {
      daemon: info,
      name: project.name,
      dir: project.dir,
      files: project.files,
      services: engine.services(),
      inactive: project.inactive,
      revision: engine.revision,
      phase: shutdown === undefined ? (engine.record.phase === 'up' ? 'up' : 'idle') : 'shutting-down',
      ...(shutdown === undefined
        ? {}
        : { shutdown: { reason: shutdown.reason, deadline: shutdown.deadline, level: shutdown.level } }),
      leased: this.#leased,
      ...(manifest === undefined ? {} : { manifest }),
      now: clock.wall(),
    };
  }

  subscribe(listener: (item: WatchItem) => void): () => void {
    const { engine, subscribeHappenings } = this.#parts;
    const ends = [
      engine.subscribe(() => listener({ type: 'snapshot', snapshot: this.snapshot() })),
      subscribeHappenings((happening) => listener({ type: 'happening', happening })),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  async plan(request: ApplyRequest): ControlResult<PlanResponse> {
    const loaded = this.#load(request);
    if (!loaded.ok) return loaded;
    const { diagnostics, next } = loaded.value;
    if (next === undefined) return ok({ diagnostics });
    const { engine } = this.#parts;
    const plan = await engine.plan(next, request.services);
    if (request.commandLines !== true) return ok({ diagnostics, plan });
    return ok({ diagnostics, plan, commandLines: await engine.commandLines(next, plan) });
  }

  apply(request: ApplyRequest): ControlResult<ApplyResponse> {
    return this.#inTurn(() => this.#applyNow(request));
  }

  async reload({ confirm }: ReloadRequest): ControlResult<ReloadResponse> {
    const reloaded = await this.#reloader.reload(confirm);
    return reloaded.ok ? ok({ ...reloaded.value, snapshot: this.snapshot() }) : reloaded;
  }

  review({ hold }: ReviewRequest): ControlResult<void> {
    return this.#inTurn(() => Promise.resolve(this.#reloader.setReview(hold)));
  }

  /** To be called when this daemon has taken over what an earlier one had applied. */
  resumed(request: ApplyRequest, loaded: LoadedManifests): Promise<void> {
    return this.#reloader.resumed(request, loaded);
  }

  /** Looks whether the manifest was edited without the system telling so. */
  lookAtManifest(): void {
    this.#reloader.check();
  }

  /** Ends what goes on by itself here: what is edited from now on counts for nothing. */
  dispose(): void {
    this.#reloader.stop();
  }

  get isUp(): boolean {
    return this.#parts.engine.record.phase === 'up';
  }

  /** Whether there is no project to keep up, and nobody has shown the wish to bring one up. */
  get isUnneeded(): boolean {
    const { engine } = this.#parts;
    return !this.isUp && engine.shutdown === undefined && !this.#leased && this.#applies === 0;
  }

  async act(request: ActionRequest): ControlResult<ActionResponse> {
    const { engine } = this.#parts;
    if (engine.shutdown !== undefined && request.action !== 'kill') return err(SHUTTING_DOWN);
    const done =
      request.action === 'scale'
        ? await engine.scale(request.service, request.replicas)
        : engine.act(request);
    if (!done.ok) return err(unknownName(done.error));
    return ok({ ...done.value, snapshot: this.snapshot() });
  }

  async down(request: DownRequest): ControlResult<DownResponse> {
    const result = await this.#parts.engine.down(request);
    this.#parts.finished(request.reason);
    return ok(result);
  }

  async explain(service: ServiceId): ControlResult<ExplainResponse> {
    const { engine, clock, store } = this.#parts;
    const all = engine.services();
    const found =
      all.find((s) => s.id === service) ?? all.find((s) => s.instances.some((i) => i.id === service));
    if (found === undefined) {
      return Promise.resolve(err(unknownName({ name: service, known: all.map((s) => s.id) })));
    }
    const instances = found.instances.filter((i) => found.id === service || i.id === service);
    const now = clock.wall();
    const details = await Promise.all(instances.map(({ id }) => this.#detailsOf(id)));
    return Promise.resolve(
      ok({
        service: found,
        asked: instances.map(({ id }) => id),
        now,
        history: store.happenings(HISTORY, found.id),
        dependencies: found.dependsOn.map((d) => ({
          ...d,
          now: all.find((s) => s.id === d.service)?.instances.map((i) => i.state.kind) ?? [],
        })),
        dependents: all.filter((s) => s.dependsOn.some((d) => d.service === found.id)).map((s) => s.id),
        instances: details.filter((one) => one !== undefined),
        ends: store
          .happenings(ENDS_HISTORY, found.id)
          .filter(
            ({ type, instance }) =>
              type === 'instance-exited' && (found.id === service || instance === service),
          )
          .slice(-MOST_ENDS),
      }),
    );
  }

  happenings(limit: number, service?: ServiceId): readonly ProjectEvent[] {
    return this.#parts.store.happenings(limit, service);
  }

  /** Following goes on to instances that come to be later, such as those of a scaled service. */
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    const { engine, logs, clock } = this.#parts;
    const seen = new Set<string>();
    const unseen = (): LogTarget[] => {
      const found = select([...engine.supervisors()], new Map(), query.select);
      const targets = (found.ok ? found.value : []).map(({ ref }) => ({
        instance: ref.id,
        service: ref.service,
      }));
      const fresh = targets.filter(({ instance }) => !seen.has(instance));
      for (const { instance } of fresh) seen.add(instance);
      return fresh;
    };
    const first = logs.query({ ...query, instances: unseen() }, signal);
    if (!query.follow || query.previous === true) return first;
    const { tail: _tail, ...rest } = query;
    const since = clock.wall();
    return growingMerge(
      first,
      (add) =>
        engine.subscribe(() => {
          const instances = unseen();
          if (instances.length > 0) add(logs.query({ ...rest, since, instances }, signal));
        }),
      signal,
    );
  }

  async stats(atOnce: boolean): ControlResult<StatsResponse> {
    return ok(await this.#sampler.sample(atOnce));
  }

  timeline(): ControlResult<TimelineResponse> {
    const { engine, store, clock } = this.#parts;
    return Promise.resolve(ok(timeline(store.happenings(TIMELINE_HISTORY), engine.services(), clock.wall())));
  }

  async input(instance: InstanceId, data: Uint8Array): ControlResult<void> {
    const input = this.#inputOf(instance);
    if (!input.ok) return input;
    try {
      await input.value.write(data);
      return ok(undefined);
    } catch (cause) {
      return err({ code: 'input-closed', message: cause instanceof Error ? cause.message : String(cause) });
    }
  }

  async resize(instance: InstanceId, columns: number, rows: number): ControlResult<void> {
    const input = this.#inputOf(instance);
    if (!input.ok) return input;
    const done = await input.value.resize?.(columns, rows);
    if (done === true) return ok(undefined);
    return err({ code: 'no-terminal', message: `${instance} has no terminal whose size could be set` });
  }

  output(
    instance: InstanceId,
    backlogBytes: number,
    signal: AbortSignal,
  ): Result<AsyncIterable<Uint8Array>, Failure> {
    const { engine, logs } = this.#parts;
    if (engine.instance(instance) === undefined) return err(this.#unknownInstance(instance));
    return ok(logs.output(instance, backlogBytes, signal));
  }

  async exec(instance: InstanceId, command: ExecCommand): ControlResult<ExecSession> {
    const supervisor = this.#parts.engine.instance(instance);
    if (supervisor === undefined) return err(this.#unknownInstance(instance));
    // Few ever ask for it.
    const { execBeside } = await import('./exec.ts');
    return execBeside(supervisor, command, process.env['PATH']);
  }

  handOver(reason: string): void {
    this.#handingOver = true;
    this.#parts.finished(reason);
  }

  lease(): LeaseHold | undefined {
    if (this.#leased) return undefined;
    this.#leased = true;
    let held = true;
    return {
      release: (detach) => {
        if (!held) return;
        held = false;
        this.#leased = false;
        // A lease ends with its connection, which in a hand-over is no wish of the one who holds it.
        if (!detach && !this.#handingOver) void this.down({ reason: 'the attached `up` ended', level: 0 });
      },
    };
  }

  /** Undefined where nothing was launched. */
  async #detailsOf(id: InstanceId): Promise<InstanceDetails | undefined> {
    const { engine } = this.#parts;
    const supervisor = engine.instance(id);
    const { fields } = supervisor?.launched ?? {};
    if (fields === undefined) return undefined;
    const members = (await supervisor?.proc?.members()) ?? [];
    const processes = processTree(members, (text) => engine.redactor.text(text));
    return { instance: id, launch: displayedFields(fields), processes };
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    this.#applies += 1;
    const turn = this.#applying.then(act);
    this.#applying = turn.catch(() => undefined).finally(() => (this.#applies -= 1));
    return turn;
  }

  *#liveProcs(): Iterable<{ service: ServiceId; instance: InstanceId; startedAt: number; proc?: Proc }> {
    for (const { ref, state, proc, startedAt } of this.#parts.engine.supervisors()) {
      if (state.kind !== 'running' && state.kind !== 'stopping') continue;
      const live = { service: ref.service, instance: ref.id, startedAt: startedAt ?? state.since };
      yield proc === undefined ? live : { ...live, proc };
    }
  }

  #inputOf(instance: InstanceId): Result<ProcInput, Failure> {
    const supervisor = this.#parts.engine.instance(instance);
    if (supervisor === undefined) return err(this.#unknownInstance(instance));
    if (supervisor.state.kind !== 'running')
      return err({ code: 'not-running', message: `${instance} does not run (${supervisor.state.kind})` });
    const input = supervisor.proc?.input;
    if (input !== undefined) return ok(input);
    return err({
      code: 'no-input',
      message: `${instance} has no standard input to write to`,
      help: 'give the service `stdin: pipe` or `tty: true`',
    });
  }

  #unknownInstance(name: string): Failure {
    const known = [...this.#parts.engine.supervisors()].map(({ ref }) => ref.id).sort();
    return unknownName({ name, known });
  }

  async #applyNow(request: ApplyRequest): ControlResult<ApplyResponse> {
    const { engine, store } = this.#parts;
    if (engine.shutdown !== undefined) return err(SHUTTING_DOWN);
    const read = this.#load(request);
    if (!read.ok) return read;
    const { diagnostics, next, loaded } = read.value;
    if (next === undefined) {
      const errors = diagnostics.filter((d) => d.severity === 'error');
      store.append({ type: 'manifest-rejected', errors: errors.length, first: errors[0]?.message ?? '' }, {});
      this.#reloader.rejected(request, loaded);
      return ok({ diagnostics, snapshot: this.snapshot() });
    }
    const how = this.#reloader.recordOf(request, loaded);
    const plan = await engine.apply(next, request.services, withoutSecrets(request.load, next), how);
    this.#reloader.applied(request, next.project, loaded);
    return ok({ diagnostics, plan, snapshot: this.snapshot() });
  }

  #load(
    request: ApplyRequest,
  ): Result<
    { diagnostics: readonly Diagnostic[]; next: LoadedProject | undefined; loaded: LoadedManifests },
    Failure
  > {
    const loaded = this.#parts.load(request.load, request.hostEnv);
    const { diagnostics, project, secrets } = loaded.result;
    if (project === undefined) return ok({ diagnostics, next: undefined, loaded });
    for (const name of request.services) {
      if (!project.services.some((s) => s.id === name)) {
        return err(unknownName({ name, known: [...project.services.map((s) => s.id), ...project.inactive] }));
      }
    }
    return ok({ diagnostics, next: { project, hostEnv: request.hostEnv, secrets }, loaded });
  }
}

const SHUTTING_DOWN: Failure = {
  code: 'shutting-down',
  message: 'the project is being shut down',
  help: 'wait for `setpoint down` to finish, then try again',
};

function unknownName({ name, known }: UnknownName): Failure {
  return {
    code: 'unknown-service',
    message: `there is no service or instance \`${name}\``,
    help: known.length === 0 ? 'the manifest has no services' : `there are: ${known.join(', ')}`,
  };
}

/** What is kept on disk of how the manifest was loaded: variables that are secret by name or by use are left out. */
function withoutSecrets(load: LoadRequest, { project, secrets }: LoadedProject): LoadRequest {
  const redactor = createRedactor({ patterns: project.redact, values: secrets });
  const open = ([key, value]: [string, string]): boolean =>
    !redactor.isSecretKey(key) && redactor.text(value) === value;
  const set = Object.fromEntries(Object.entries(load.set).filter(open));
  return { ...load, set };
}
