import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { backendLoaders } from '../backends/registry.ts';
import { createNativeBackend } from '../backends/native/native-backend.ts';
import { createCommandRunner } from '../host/commands.ts';
import { createEncloser } from '../backends/sandbox/enclosure.ts';
import { createOomCounter } from '../host/oom.ts';
import { findFreePort } from '../host/ports.ts';
import { API_VERSION, type DaemonInfo } from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import type { LoadRequest } from '../core/service.ts';
import { xdgFolder } from '../core/util/xdg.ts';
import { Engine } from '../engine/engine.ts';
import type { LoadedProject } from '../engine/fleet.ts';
import { createLogStore } from '../logs/log-store.ts';
import { createProber } from '../probes/prober.ts';
import { calendar } from '../schedule/cron.ts';
import type { ResumedRun } from '../engine/adoption.ts';
import type { Backend, RunRecord } from '../ports/backend.ts';
import type { LogStore } from '../ports/logs.ts';
import type { ProjectRecord, Store } from '../ports/store.ts';
import { acquireLock } from '../store/lock.ts';
import { prepareRuntimeDir } from '../store/runtime-dir.ts';
import { openStore } from '../store/store.ts';
import { type ApiServer, createApiServer } from './api/server.ts';
import { ProjectControl } from './control.ts';
import { createBackends } from './backends.ts';
import { failpointOf } from './failpoint.ts';
import { lookAt, markingIo, UNREAD } from './file-marks.ts';
import { createFileWatcher } from '../watching/file-watcher.ts';
import type { LoadedManifests } from './reloader.ts';
import { resumedRuns } from './resume.ts';
import { systemClock } from './system-clock.ts';
import type { DaemonPaths, DaemonStartFailure } from './types.ts';

export interface DaemonOptions {
  readonly paths: DaemonPaths;
  readonly version: string;
  /** The environment for what is resumed before any client has applied anything. */
  readonly env: Readonly<Record<string, string>>;
}

export interface RunningDaemon {
  /** Resolves, with why, once the daemon has nothing left to do and has closed everything. */
  readonly ended: Promise<string>;
  /** Brings the project down, then ends. */
  shutdown(reason: string, level: 0 | 1 | 2): void;
  /** Takes the manifest up again, whether it was edited or not. */
  reload(): void;
}

/** Of the XDG Base Directory Specification: what can be made again. */
function cacheFolder(env: Env): string {
  return join(xdgFolder('CACHE', env, env['HOME'] ?? homedir()) ?? '/.cache', 'setpoint');
}

/** How often the daemon looks whether its socket is still there: without it nobody could reach it, or replace it. */
const REACHABLE_MS = 5_000;

/** A daemon to which nobody has brought a manifest after this long is not waited for any more. */
const UNNEEDED_MS = 5_000;

/** How long answers and streams that tell of the end get to reach their clients. */
const LAST_ANSWERS_MS = 100;

/**
 * Starts the daemon of one project in this process. Resolves once its socket answers and what an earlier daemon left
 * running has been taken over; or with why it could not start (`locked`: another one runs).
 */
export async function startDaemon(
  options: DaemonOptions,
): Promise<Result<RunningDaemon, DaemonStartFailure>> {
  const callersUmask = process.umask(0o077);
  const { paths } = options;
  const locking = acquireLock(paths.lockPath, paths.socketPath);
  // While another program takes the lock for us, there is time to load the YAML parser.
  const { loadProject, nodeManifestIo } = await import('../manifest/load.ts');
  const loadWith = (request: LoadRequest, hostEnv: Env, salt: string): LoadedManifests => {
    const { io, marks } = markingIo(nodeManifestIo(hostEnv), salt);
    const result = loadProject(request, io);
    for (const path of result.looked) if (!marks.has(path)) marks.set(path, UNREAD);
    return { result, marks };
  };
  const lock = await locking;
  if (!lock.ok) return err({ ...lock.error, code: lock.error.code === 'held' ? 'locked' : lock.error.code });
  const listeners = new Set<(happening: ProjectEvent) => void>();
  const hear = (happening: ProjectEvent): void => {
    for (const listener of listeners) listener(happening);
  };
  const folder = prepareRuntimeDir(dirname(paths.socketPath));
  const opened = folder.ok ? openStore(paths, { onOwn: hear }) : folder;
  if (!opened.ok) {
    lock.value.release();
    return opened;
  }
  const store = heard(opened.value, hear);
  const info: DaemonInfo = {
    version: options.version,
    api: API_VERSION,
    pid: process.pid,
    startedAt: Date.now(),
    project: paths.name,
    manifest: paths.manifest,
    stateDir: paths.stateDir,
  };
  store.append({ type: 'daemon-started', pid: info.pid, version: info.version }, {});
  const { fd: fence } = lock.value;
  return compose(options, { info, store, listeners, loadWith, callersUmask, fence }, () => {
    opened.value.close();
    lock.value.release();
  });
}

type Env = Readonly<Record<string, string>>;
type Load = (request: LoadRequest, hostEnv: Env) => LoadedManifests;

interface Parts {
  readonly info: DaemonInfo;
  readonly store: Store;
  readonly listeners: Set<(happening: ProjectEvent) => void>;
  /** The salt keeps what is recorded of the files from telling what is in them. */
  readonly loadWith: (request: LoadRequest, hostEnv: Env, salt: string) => LoadedManifests;
  /** The daemon's own files are for its owner alone; what services make is the caller's business. */
  readonly callersUmask: number;
  /** Descriptor of the project's lock. */
  readonly fence: number;
}

async function compose(
  options: DaemonOptions,
  { info, store, listeners, loadWith, callersUmask, fence }: Parts,
  unlock: () => void,
): Promise<Result<RunningDaemon, DaemonStartFailure>> {
  const { paths } = options;
  const known = store.readProject();
  const record = known ?? newRecord(options);
  const load: Load = (request, hostEnv) => loadWith(request, hostEnv, record.salt);
  const failpoint = failpointOf(process.env['SETPOINT_FAILPOINT']);
  const oomCounter = createOomCounter();
  const commands = createCommandRunner(callersUmask);
  const warn = (message: string): void => {
    store.append({ type: 'warning', message }, {});
  };
  const processes = createNativeBackend({
    umask: callersUmask,
    oomCounter,
    fence,
    // Nobody in a sandbox commands a daemon, or reads what one keeps of other services: all of them have these folders.
    encloser: createEncloser({
      env: process.env,
      hidden: [dirname(paths.socketPath), dirname(paths.stateDir)],
    }),
    ...(failpoint === undefined ? {} : { failpoint }),
  });
  const backend = createBackends({
    always: processes,
    loaders: backendLoaders({
      processes,
      commands,
      env: options.env,
      stateDir: paths.stateDir,
      cacheRoot: () => cacheFolder(options.env),
      onWarning: warn,
    }),
    used: () => engine.record.backends ?? [],
  });
  const logs = createLogStore({
    stateDir: paths.stateDir,
    onWarning: warn,
  });
  const engine: Engine = new Engine(
    {
      clock: systemClock,
      random: Math.random,
      newRun: runIds(),
      backend,
      store,
      logs,
      commands,
      prober: createProber(commands),
      calendar,
      watcher: createFileWatcher({ never: [paths.stateDir] }),
      ...(failpoint === undefined ? {} : { failpoint }),
      freePort: findFreePort,
    },
    record,
    nothingYet(record, options.env),
  );
  let end: (reason: string) => void = () => {};
  const wantedEnd = new Promise<string>((resolve) => (end = resolve));
  const control = new ProjectControl({
    engine,
    store,
    logs,
    clock: systemClock,
    info,
    load,
    // It bundles for itself, and somebody waits for what comes of a save.
    watcher: createFileWatcher({ bundleMs: 0 }),
    look: (path) => lookAt(path, record.salt),
    subscribeHappenings: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    finished: end,
  });
  if (known?.phase === 'up') {
    const loaded = await resume(engine, store, backend, logs, load, known, options.env);
    const request = { load: known.load, hostEnv: options.env, services: known.load.named };
    if (known.shutdown === undefined) await control.resumed(request, loaded);
  }
  const server = createApiServer(control, {});
  const listening = await server.listen(paths.socketPath);
  if (!listening.ok) {
    unlock();
    return listening;
  }
  if (known?.phase === 'up' && known.shutdown !== undefined)
    void control.down({ reason: known.shutdown.reason, level: 0 });
  const look = setInterval(() => {
    oomCounter.sample();
    control.lookAtManifest();
    void keepReachable(server, paths.socketPath);
  }, REACHABLE_MS);
  const cancel = whenUnneeded(control, () => end('there was nothing to keep up'));
  const ended = wantedEnd.then(async (reason) => {
    cancel();
    clearInterval(look);
    await new Promise((resolve) => setTimeout(resolve, LAST_ANSWERS_MS));
    await server.close();
    control.dispose();
    engine.dispose();
    backend.close?.();
    logs.close();
    store.append({ type: 'daemon-stopped', reason }, {});
    unlock();
    return reason;
  });
  return ok({
    ended,
    shutdown: (reason, level) => void control.down({ reason, level }),
    // What comes of it is in the journal.
    reload: () => void control.reload({ confirm: false }).catch(() => undefined),
  });
}

/**
 * Whoever starts a daemon applies a manifest at once; one that was killed in between has left a daemon behind that
 * nobody needs. Calls `end` then, once at most. Answers how to stop looking.
 */
function whenUnneeded(control: ProjectControl, end: () => void): () => void {
  const timer = setInterval(() => {
    if (control.isUnneeded) end();
    else if (control.isUp) clearInterval(timer);
  }, UNNEEDED_MS);
  return () => clearInterval(timer);
}

/** Where it cannot be made now, such as while its folder is away, the next look tries again. */
async function keepReachable(server: ApiServer, socketPath: string): Promise<void> {
  if (prepareRuntimeDir(dirname(socketPath)).ok) await server.reopen();
}

async function resume(
  engine: Engine,
  store: Store,
  backend: Backend,
  logs: LogStore,
  load: Load,
  known: ProjectRecord,
  env: Env,
): Promise<LoadedManifests> {
  const whole = load(known.load, env);
  const loaded = whole.result;
  const errors = loaded.diagnostics.filter((d) => d.severity === 'error');
  if (loaded.project === undefined) {
    const first = errors[0]?.message ?? '';
    store.append({ type: 'manifest-rejected', errors: errors.length, first }, {});
  }
  const next: LoadedProject | undefined =
    loaded.project === undefined
      ? undefined
      : { project: loaded.project, hostEnv: env, secrets: loaded.secrets };
  const found = await resumedRuns(store, backend, logs);
  engine.resume(next, found);
  await endsSeen(engine, found);
  return whole;
}

/** How long the first answers may wait for the ends of runs that were found over; their last words are read from disk. */
const ENDS_SEEN_MS = 1_000;
const ENDS_LOOK_MS = 2;

/** Resolves once nothing that was found over is shown as running any more: a client must not be told so. */
async function endsSeen(engine: Engine, found: readonly ResumedRun[]): Promise<void> {
  const over = found.filter(({ proc }) => proc?.over === true).map(({ record }) => record);
  const isShown = ({ instance, run }: RunRecord): boolean => {
    const state = engine.instance(instance)?.state;
    return state?.kind === 'running' && state.run === run;
  };
  const giveUpAt = performance.now() + ENDS_SEEN_MS;
  while (over.some(isShown) && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, ENDS_LOOK_MS));
  }
}

/** Random for each daemon, then counted: the ids are asked for far more often than runs are begun. */
function runIds(): () => string {
  const daemon = randomBytes(9).toString('hex');
  let count = 0;
  return () => `${daemon}-${(count += 1).toString(36)}`;
}

function newRecord({ paths }: DaemonOptions): ProjectRecord {
  return {
    version: 1,
    name: paths.name,
    dir: '',
    load: emptyLoad(paths.files),
    phase: 'down',
    stopped: [],
    scale: {},
    ports: {},
    salt: randomBytes(12).toString('base64url'),
  };
}

function emptyLoad(files: readonly string[]): LoadRequest {
  return { files, profiles: [], set: {}, envFiles: [], named: [] };
}

/** What stands for the project until a manifest has been loaded. */
function nothingYet(record: ProjectRecord, hostEnv: Readonly<Record<string, string>>): LoadedProject {
  return {
    project: {
      name: record.name,
      dir: record.dir,
      files: record.load.files,
      services: [],
      inactive: [],
      redact: [],
      shutdownTimeoutMs: 60_000,
    },
    hostEnv,
    secrets: [],
  };
}

/** The same store, with listeners that hear what is appended. */
function heard(store: Store, hear: (happening: ProjectEvent) => void): Store {
  return {
    stateDir: store.stateDir,
    instanceDir: (instance) => store.instanceDir(instance),
    readProject: () => store.readProject(),
    writeProject: (record) => store.writeProject(record),
    readRuns: () => store.readRuns(),
    writeRun: (record) => store.writeRun(record),
    removeRun: (instance) => store.removeRun(instance),
    happenings: (limit, service) => store.happenings(limit, service),
    append: (body, at) => {
      const happening = store.append(body, at);
      hear(happening);
      return happening;
    },
  };
}
