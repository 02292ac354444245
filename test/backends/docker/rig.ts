import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createDockerBackend,
  type DockerBackendOptions,
} from '../../../src/backends/docker/docker-backend.ts';
import { EngineClient } from '../../../src/backends/docker/engine-client.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { ContainerSpec } from '../../../src/core/service.ts';
import type { AdoptRequest, Backend, Proc, RunRecord, StartRequest } from '../../../src/ports/backend.ts';
import { BARE_CONTAINER, launchOf as anyLaunch } from '../../rig/launch.ts';
import { dockerAt, engineEnv, IMAGE } from './engine.ts';

export type DockerBackend = Required<Backend>;

/** A container's proc, with what every one of them has. */
export type ContainerProc = Proc & Required<Pick<Proc, 'exec' | 'openExec' | 'health' | 'knowledge'>>;

export type LaunchChange = Partial<Omit<ConcreteLaunch, 'container'>> & {
  /** `command`: in place of what the image runs. */
  readonly docker?: Partial<ContainerSpec<string>> & { readonly command?: readonly string[] };
};

export function containerProc(proc: Proc | undefined): ContainerProc {
  if (
    proc?.exec === undefined ||
    proc.openExec === undefined ||
    proc.health === undefined ||
    proc.knowledge === undefined
  ) {
    throw new Error('no proc of a container');
  }
  return proc as ContainerProc;
}

/** A launch of the test image that has no network, with what the test changes. */
export function launchOf(project: string, { docker, ...change }: LaunchChange = {}): ConcreteLaunch {
  const networkMode = docker?.networks === undefined ? ({ networkMode: 'none' } as const) : {};
  const { command, ...container } = docker ?? {};
  return anyLaunch({
    backend: 'docker',
    project,
    ...(command === undefined ? {} : { argv: command }),
    ...change,
    container: { ...BARE_CONTAINER, image: IMAGE, pull: 'never', ...networkMode, ...container },
  });
}

let counter = 0;

/** A project of a test's own on an engine: folders, backends, and requests for `web.1`. */
export class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'dkb-'));
  readonly project = `t${process.pid}-${(counter += 1)}`;
  readonly warnings: string[] = [];
  readonly #host: string | undefined;
  readonly #backends: DockerBackend[] = [];

  constructor(host?: string) {
    this.#host = host;
  }

  get docker(): ReturnType<typeof dockerAt> {
    return dockerAt(this.#host);
  }

  /** As one daemon has it; a second one is another daemon's. */
  backend(options: Partial<DockerBackendOptions> = {}): DockerBackend {
    const backend = createDockerBackend({
      env: engineEnv(this.#host),
      stateDir: this.dir,
      onWarning: (message) => this.warnings.push(message),
      heartbeatMs: 200,
      ...options,
    });
    this.#backends.push(backend);
    return backend;
  }

  /** What a short request to the engine comes to. */
  async ping(options: Partial<Pick<DockerBackendOptions, 'env' | 'answerMs'>> = {}): Promise<unknown> {
    const engine = new EngineClient({ env: engineEnv(this.#host), ...options });
    const pong = await engine.request((docker) => docker.ping());
    engine.close();
    return pong;
  }

  request(change: LaunchChange = {}, { run = `run-${(counter += 1)}`, number = 1 } = {}): StartRequest {
    const instance = `web.${number}`;
    const instanceDir = join(this.dir, instance);
    mkdirSync(instanceDir, { recursive: true });
    const stdoutPath = join(instanceDir, 'stdout.log');
    return {
      run,
      service: 'web',
      instance,
      launch: launchOf(this.project, change),
      requires: [],
      instanceDir,
      stdoutPath,
      fingerprint: 'f',
      stderrPath: change.mergeStderr === true ? stdoutPath : join(instanceDir, 'stderr.log'),
    };
  }

  /** What a later daemon reads of a run that was begun. */
  record({
    run,
    service,
    instance,
    launch,
    instanceDir,
    stdoutPath,
    stderrPath,
  }: StartRequest): AdoptRequest {
    const record: RunRecord = {
      version: 1,
      run,
      service,
      instance,
      number: 1,
      startedAt: 0,
      backend: 'docker',
      fingerprint: 'f',
      fields: {},
      ports: {},
      stop: { signal: 'SIGTERM', graceMs: 1000, killTree: true },
      restarts: 0,
      ...(launch.tty === true ? { tty: true } : {}),
      ...(launch.stdin === 'pipe' ? { stdin: 'pipe' } : {}),
    };
    return { record, instanceDir, stdoutPath, stderrPath };
  }

  /** Starts a shell script; throws where it could not be started. */
  async script(backend: DockerBackend, script: string, change: LaunchChange = {}): Promise<Started> {
    const request = this.request({
      ...change,
      docker: { command: ['/bin/sh', '-c', script], ...change.docker },
    });
    const started = await backend.start(request);
    if (!started.ok) throw new Error(`${started.error.code}: ${started.error.message}`);
    return { request, proc: containerProc(started.value.proc) };
  }

  /** Ends all daemons but one as a kill does: they do nothing more. */
  closeAllBut(kept?: DockerBackend): void {
    for (const backend of this.#backends) if (backend !== kept) backend.close();
  }

  async close(): Promise<void> {
    for (const backend of this.#backends) backend.close();
    const last = this.backend();
    const { failed } = await last.removeProject(this.project, { volumes: true });
    last.close();
    rmSync(this.dir, { recursive: true, force: true });
    if (failed.length > 0) throw new Error(JSON.stringify(failed));
  }
}

export interface Started {
  readonly request: StartRequest;
  readonly proc: ContainerProc;
}

export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
