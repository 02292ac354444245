import type { StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { LaunchSpec } from '../../core/service.ts';
import type { AdoptRequest, Backend, Proc, StartedProc, StartRequest } from '../../ports/backend.ts';
import { nixSettings, type NixSettings } from './settings.ts';
import type { CommandRunner } from '../../ports/commands.ts';
import { applyNix, type NixEnvironment } from './apply.ts';
import { createNix, type NixShells } from './nix.ts';
import type { NixRunner } from './nix-command.ts';
import { type StartedWith, NixProc } from './nix-proc.ts';

interface NixBackendOptions {
  /** Runs the processes once they have their environment. */
  readonly native: Backend;
  /** Runs commands for a unit: probes, hooks while it runs. */
  readonly commands: CommandRunner;
  /** What nix is run with, and on whose PATH it is looked for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; where environments are kept unless a service says otherwise. */
  readonly cacheRoot: string;
  /** Told once of each thing that is not as a person would expect: how a service gets its environment, what it lacks. */
  readonly onWarning?: (message: string) => void;
  /** Absent: by running it. */
  readonly run?: NixRunner;
}

/** Runs services as plain processes of this machine, in the environment of a flake's development shell. */
export function createNixBackend(options: NixBackendOptions): Backend {
  return new NixBackend(options);
}

/** An environment that is found out anew each time serves a start that comes this soon after. */
const FRESH_MS = 60_000;

interface RememberedEnvironment {
  readonly environment: NixEnvironment;
  readonly at: number;
}

class NixBackend implements Backend {
  readonly name = 'nix';
  readonly #native: Backend;
  readonly #commands: CommandRunner;
  readonly #nix: NixShells;
  /** What was last brought about, by flake and shell. */
  readonly #found = new Map<string, RememberedEnvironment>();
  readonly #onWarning: (message: string) => void;
  readonly #warned = new Set<string>();

  constructor({ native, commands, onWarning = () => undefined, ...options }: NixBackendOptions) {
    this.#native = native;
    this.#commands = commands;
    this.#onWarning = onWarning;
    this.#nix = createNix(options);
  }

  async materialise(
    launch: ConcreteLaunch,
    progress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Result<void, StartFailure>> {
    const nix = nixSettings(launch);
    if (nix === undefined) return err(NO_FLAKE);
    const made = await this.#nix.materialise(nix, bounded(progress), signal);
    if (!made.ok) return made;
    this.#found.set(JSON.stringify(nix), { environment: made.value, at: performance.now() });
    // That all is as before needs no words.
    const { how, reason, notes } = made.value;
    for (const text of how === 'develop' ? [reason, ...notes] : notes) {
      progress(text);
      this.#warn(`${launch.service}: ${text}`);
    }
    return ok(undefined);
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#onWarning(message);
  }

  async inputs(launch: LaunchSpec): Promise<string | undefined> {
    const nix = nixSettings(launch);
    return nix === undefined ? undefined : this.#nix.inputs(nix);
  }

  prepare(requests: readonly { readonly instanceDir: string }[]): Promise<void> {
    return this.#native.prepare(requests);
  }

  async start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    const { launch } = request;
    const nix = nixSettings(launch);
    if (nix === undefined) return err(NO_FLAKE);
    const environment = await this.#environment(nix);
    if (!environment.ok) return environment;
    const within = environment.value.how === 'develop';
    if (within && launch.sandbox !== undefined) return err(noSandbox(environment.value.reason));
    const applied = applyNix(launch, environment.value, request.requires);
    const started = await this.#native.start({
      ...request,
      launch: applied,
      // What a shell has that is entered only at the start, nobody can tell before.
      requires: within ? [] : request.requires,
    });
    if (!started.ok) return started;
    const known = { cwd: launch.cwd, ...(within ? {} : { env: applied.env }) };
    return ok({ ...started.value, proc: this.#proc(started.value.proc, known) });
  }

  async adopt(requests: readonly AdoptRequest[]): Promise<readonly Proc[]> {
    return (await this.#native.adopt(requests)).map((proc) => this.#proc(proc, {}));
  }

  close(): void {
    this.#found.clear();
  }

  #proc(proc: Proc, known: StartedWith): Proc {
    return new NixProc(proc, this.#commands, known);
  }

  /** What is kept costs nothing to look up anew. */
  async #environment(spec: NixSettings): Promise<Result<NixEnvironment, StartFailure>> {
    const last = this.#found.get(JSON.stringify(spec));
    const isFresh = last !== undefined && performance.now() - last.at < FRESH_MS;
    if (isFresh && !isKept(last.environment)) return ok(last.environment);
    return this.#nix.materialise(spec, () => undefined, new AbortController().signal);
  }
}

function isKept(environment: NixEnvironment): boolean {
  return environment.how === 'direct' && environment.kept;
}

const NO_FLAKE: StartFailure = {
  code: 'nix-failed',
  message: 'the launch names no flake',
};

function noSandbox(why: string): StartFailure {
  return {
    code: 'sandbox-unavailable',
    message: `\`sandbox\` cannot be had with this flake: ${why}, and nix cannot work in a sandbox`,
    help: 'leave out `sandbox`, or see why the environment cannot be given to the process directly',
  };
}

const PROGRESS_MS = 250;

/** Nix can print thousands of lines a second, of which a person reads a few: of those too close together the first counts. */
function bounded(progress: (text: string) => void): (text: string) => void {
  let last = -Infinity;
  return (text) => {
    const now = performance.now();
    if (now - last < PROGRESS_MS) return;
    last = now;
    progress(text);
  };
}
