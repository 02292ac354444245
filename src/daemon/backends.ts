import type { CleanupReport } from '../core/api.ts';
import { joinReports, NOTHING_REMOVED } from '../core/cleanup.ts';
import type { StartFailure } from '../core/exit.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import { type BackendName, DEFAULT_BACKEND } from '../core/service.ts';
import type { ResourceStep } from '../core/plan-view.ts';
import type { ResourceState } from '../core/resource-plan.ts';
import type { AdoptRequest, Backend, Orphan, Proc, ResourceScope } from '../ports/backend.ts';

export interface BackendsOptions {
  /** Always there; what names no backend is its. */
  readonly always: Backend;
  /** The others by name: called at most once, when the first service or record of that backend shows up. */
  readonly loaders: Readonly<Record<BackendName, () => Promise<Backend>>>;
  /** The backends besides that one that the project has ever run a service by: only these are asked what they have. */
  readonly used: () => readonly string[];
}

/**
 * All backends as one: each call goes to the one that the launch, the record or the orphan names. Those besides
 * the one that is always there are made when they are first needed, since loading what they need takes longer than starting a daemon does.
 */
export function createBackends(options: BackendsOptions): Backend {
  return new Backends(options);
}

class Backends implements Backend {
  readonly name = 'all';
  readonly #options: BackendsOptions;
  readonly #made = new Map<string, Promise<Backend>>();
  readonly #ready: Backend[] = [];
  #isClosed = false;
  /** Which backend told of an orphan. */
  readonly #owners = new WeakMap<Orphan, Backend>();

  constructor(options: BackendsOptions) {
    this.#options = options;
    this.#made.set(DEFAULT_BACKEND, Promise.resolve(options.always));
    this.#ready.push(options.always);
  }

  async materialise(
    ...args: Parameters<NonNullable<Backend['materialise']>>
  ): Promise<Result<void, StartFailure>> {
    const backend = await this.#get(args[0].backend);
    if (!backend.ok) return backend;
    return (await backend.value.materialise?.(...args)) ?? ok(undefined);
  }

  async inputs(launch: Parameters<NonNullable<Backend['inputs']>>[0]): Promise<string | undefined> {
    const backend = await this.#get(launch.backend);
    return backend.ok ? backend.value.inputs?.(launch) : undefined;
  }

  async commandLine(...args: Parameters<NonNullable<Backend['commandLine']>>): Promise<string | undefined> {
    const backend = await this.#get(args[0].launch.backend);
    return backend.ok ? backend.value.commandLine?.(...args) : undefined;
  }

  async orphans(
    project: string,
    known: ReadonlySet<string>,
  ): Promise<Result<readonly Orphan[], StartFailure>> {
    const found: Orphan[] = [];
    for (const name of this.#options.used()) {
      const backend = await this.#get(name);
      if (!backend.ok) return backend;
      const theirs = (await backend.value.orphans?.(project, known)) ?? ok([]);
      if (!theirs.ok) return theirs;
      for (const orphan of theirs.value) this.#owners.set(orphan, backend.value);
      found.push(...theirs.value);
    }
    return ok(found);
  }

  async removeOrphan(orphan: Orphan): Promise<Result<void, StartFailure>> {
    const owner = this.#owners.get(orphan);
    if (owner?.removeOrphan === undefined) {
      return err({ code: 'other', message: `nobody knows how to remove ${orphan.name}` });
    }
    return owner.removeOrphan(orphan);
  }

  async resources(scope: ResourceScope): Promise<Result<readonly ResourceState[], StartFailure>> {
    const names = new Set([...this.#options.used(), ...scope.services.map(({ launch }) => launch.backend)]);
    const found: ResourceState[] = [];
    for (const name of names) {
      const backend = await this.#get(name);
      if (!backend.ok) return backend;
      const services = scope.services.filter(({ launch }) => launch.backend === name);
      const theirs = (await backend.value.resources?.({ ...scope, services })) ?? ok([]);
      if (!theirs.ok) return theirs;
      found.push(...theirs.value);
    }
    return ok(found);
  }

  async applyResource(step: ResourceStep, scope: ResourceScope): Promise<Result<void, StartFailure>> {
    const backend = await this.#get(step.backend);
    if (!backend.ok) return backend;
    const services = scope.services.filter(({ launch }) => launch.backend === step.backend);
    return (await backend.value.applyResource?.(step, { ...scope, services })) ?? ok(undefined);
  }

  async removeProject(project: string, options: { readonly volumes: boolean }): Promise<CleanupReport> {
    const reports = await Promise.all(
      this.#options.used().map(async (name): Promise<CleanupReport> => {
        const backend = await this.#get(name);
        if (backend.ok) return (await backend.value.removeProject?.(project, options)) ?? NOTHING_REMOVED;
        return {
          ...NOTHING_REMOVED,
          failed: [{ what: `what ${name} has of ${project}`, why: backend.error.message }],
        };
      }),
    );
    return joinReports(reports);
  }

  close(): void {
    this.#isClosed = true;
    for (const backend of this.#ready) backend.close?.();
  }

  async prepare(requests: Parameters<Backend['prepare']>[0]): Promise<void> {
    const names = new Set(requests.map(({ backend = DEFAULT_BACKEND }) => backend));
    await Promise.all(
      [...names].map(async (name) => {
        const backend = await this.#get(name);
        // Where it cannot be had, the start that needs it says so.
        if (backend.ok) {
          await backend.value.prepare(
            requests.filter((request) => (request.backend ?? DEFAULT_BACKEND) === name),
          );
        }
      }),
    );
  }

  async start(request: Parameters<Backend['start']>[0]): ReturnType<Backend['start']> {
    const backend = await this.#get(request.launch.backend);
    return backend.ok ? backend.value.start(request) : backend;
  }

  async adopt(requests: readonly AdoptRequest[]): Promise<readonly Proc[]> {
    const open = requests.filter(({ record }) => record.ended === undefined);
    const names = new Set(open.map(({ record }) => record.backend));
    const found = await Promise.all(
      [...names].map(async (name) => {
        const backend = await this.#get(name);
        const theirs = open.filter(({ record }) => record.backend === name);
        return backend.ok ? backend.value.adopt(theirs) : [];
      }),
    );
    return found.flat();
  }

  async #get(name: string): Promise<Result<Backend, StartFailure>> {
    const known = this.#made.get(name);
    const { loaders } = this.#options;
    const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
    const made = known ?? (load === undefined ? undefined : this.#make(name, load));
    if (made === undefined) {
      return err({ code: 'other', message: `this version of Setpoint has no backend \`${name}\`` });
    }
    try {
      return ok(await made);
    } catch (cause) {
      // The next one who needs it tries again; somebody who waited for the same may have begun that.
      if (this.#made.get(name) === made) this.#made.delete(name);
      const why = cause instanceof Error ? cause.message : String(cause);
      return err({ code: 'other', message: `the backend ${name} could not be loaded: ${why}` });
    }
  }

  #make(name: BackendName, load: () => Promise<Backend>): Promise<Backend> {
    const made = load();
    this.#made.set(name, made);
    void made.then(
      (backend) => {
        if (this.#isClosed) backend.close?.();
        else this.#ready.push(backend);
      },
      () => undefined,
    );
    return made;
  }
}
