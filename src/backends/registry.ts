import type { CleanupReport } from '../core/api.ts';
import type { BackendName } from '../core/service.ts';
import type { Backend } from '../ports/backend.ts';
import type { CommandRunner } from '../ports/commands.ts';
import type { MachineFact, MachineView } from '../core/machine-fact.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What backends are made from. */
export interface BackendSurroundings {
  /** Runs processes of the machine, and is made before all others. */
  readonly processes: Backend;
  readonly commands: CommandRunner;
  readonly env: Readonly<Record<string, string>>;
  readonly stateDir: string;
  readonly cacheRoot: () => string;
  readonly onWarning: (message: string) => void;
}

/** What a backend has of a project besides processes, to be removed without a daemon. */
export interface Remover {
  /** The containers that there are, by name. */
  readonly find: () => Promise<{ readonly names: readonly string[] } | { readonly error: string }>;
  readonly remove: () => Promise<CleanupReport>;
  readonly close: () => void;
}

/** A backend as the rest of the program meets it. Nothing of it is loaded before it is needed. */
interface BackendRoom {
  /** Absent: it is the one that is always there. */
  readonly load?: (given: BackendSurroundings) => Promise<Backend>;
  /** Absent: nothing of it outlives its processes. */
  readonly remover?: (
    project: string,
    given: { readonly env: Env; readonly stateDir: string },
  ) => Promise<Remover>;
  /** What of the machine it depends on; never rejects. Nothing is installed, and nothing is left behind. */
  readonly facts: (env: Env, machine: MachineView) => Promise<readonly MachineFact[]>;
}

/** All backends; how each is written in a manifest stands in the table of dialects. */
const ROOMS: Readonly<Record<BackendName, BackendRoom>> = {
  native: {
    // What processes of the machine need is looked at in any case.
    facts: () => Promise.resolve([]),
  },
  docker: {
    async load({ env, stateDir, onWarning }) {
      const { createDockerBackend } = await import('./docker/docker-backend.ts');
      return createDockerBackend({ env, stateDir, onWarning });
    },
    async remover(project, given) {
      const { createDockerBackend } = await import('./docker/docker-backend.ts');
      const backend = createDockerBackend(given);
      return {
        async find() {
          const found = await backend.orphans(project, new Set());
          return found.ok ? { names: found.value.map(({ name }) => name) } : { error: found.error.message };
        },
        remove: () => backend.removeProject(project, { volumes: false }),
        close: () => {
          backend.close();
        },
      };
    },
    async facts(env, machine) {
      const { engineFact } = await import('./docker/doctor.ts');
      return [await engineFact(env, machine)];
    },
  },
  nix: {
    async load({ processes, commands, env, cacheRoot, onWarning }) {
      const { createNixBackend } = await import('./nix/nix-backend.ts');
      return createNixBackend({ native: processes, commands, env, cacheRoot: cacheRoot(), onWarning });
    },
    async facts(env) {
      const { nixFact } = await import('./nix/doctor.ts');
      return [await nixFact(env)];
    },
  },
};

/** By name, without the backend that is always there. */
export function backendLoaders(
  given: BackendSurroundings,
): Readonly<Record<BackendName, () => Promise<Backend>>> {
  return Object.fromEntries(
    Object.entries(ROOMS).flatMap(([name, { load }]) =>
      load === undefined ? [] : [[name, () => load(given)]],
    ),
  );
}

/** Of those among these backends that may have something of a project besides processes. */
export async function removersOf(
  names: readonly BackendName[],
  project: string,
  given: { readonly env: Env; readonly stateDir: string },
): Promise<readonly Remover[]> {
  const makers = names.flatMap((name) => (Object.hasOwn(ROOMS, name) ? (ROOMS[name]?.remover ?? []) : []));
  return Promise.all(makers.map((make) => make(project, given)));
}

/** What of the machine the backends depend on, in the order of the table. */
export async function backendFacts(env: Env, machine: MachineView): Promise<readonly MachineFact[]> {
  const facts = await Promise.all(Object.values(ROOMS).map((room) => room.facts(env, machine)));
  return facts.flat();
}
