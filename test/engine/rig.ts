import type { CommandRequest, CommandResult } from '../../src/ports/commands.ts';
import type { ConcreteCheck, ProbeResult } from '../../src/ports/probes.ts';
import type { Project } from '../../src/core/service.ts';
import type { PlanView } from '../../src/core/plan-view.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { LoadedProject } from '../../src/engine/fleet.ts';
import type { ProjectRecord } from '../../src/ports/store.ts';
import { FakeBackend } from '../rig/fake-backend.ts';
import { FakeClock, settled } from '../rig/fake-clock.ts';
import { MemoryStore, SilentLogs } from '../rig/memory-store.ts';
import { project } from '../rig/spec.ts';

const RECORD: ProjectRecord = {
  version: 1,
  name: 'shop',
  dir: '/srv',
  load: { files: ['/srv/setpoint.yaml'], profiles: [], set: {}, envFiles: [], named: [] },
  phase: 'down',
  stopped: [],
  scale: {},
  ports: {},
  salt: 'salt',
};

/** An engine in a world without processes, files or time of its own. */
export class EngineRig {
  readonly clock = new FakeClock();
  readonly backend: FakeBackend;
  readonly store: MemoryStore;
  readonly logs = new SilentLogs();
  readonly commands: CommandRequest[] = [];
  commandResult: CommandResult | ((request: CommandRequest) => Promise<CommandResult>) = {
    kind: 'exited',
    code: 0,
    output: '',
  };
  /** What looks have found so far, and what the next ones find. */
  readonly looks: ConcreteCheck[] = [];
  lookResult: (check: ConcreteCheck) => ProbeResult = () => ({ ok: true, output: '' });
  /** Tells the engine of changed files; by watched path. */
  readonly watched = new Map<string, (paths: readonly string[]) => void>();
  engine: Engine;
  #runs = 0;
  #freePorts = 40_000;

  constructor(backend = new FakeBackend(), store = new MemoryStore()) {
    this.backend = backend;
    this.store = store;
    this.engine = new Engine(
      {
        clock: this.clock,
        random: () => 0.5,
        newRun: () => `run-${(this.#runs += 1)}-${store.told.length}`,
        backend,
        store,
        logs: this.logs,
        commands: {
          run: (request) => {
            this.commands.push(request);
            const result = this.commandResult;
            return typeof result === 'function' ? result(request) : Promise.resolve(result);
          },
        },
        prober: {
          look: (check) => {
            this.looks.push(check);
            return Promise.resolve(this.lookResult(check));
          },
        },
        calendar: { next: (_when, afterWall) => afterWall + 60_000 },
        watcher: {
          watch: ({ paths }, changed) => {
            for (const path of paths) this.watched.set(path, changed);
            return () => {
              for (const path of paths) this.watched.delete(path);
            };
          },
        },
        freePort: () => Promise.resolve((this.#freePorts += 1)),
      },
      store.readProject() ?? RECORD,
      loaded(project([])),
    );
  }

  async apply(
    wanted: Project,
    only: readonly string[] = [],
    hostEnv: Record<string, string> = {},
  ): Promise<PlanView> {
    const plan = await this.engine.apply(loaded(wanted, hostEnv), only, RECORD.load);
    await settled();
    return plan;
  }

  /** What the engine would do now, in a few words a step; steps without anything to do left out. */
  async drift(wanted: Project): Promise<readonly string[]> {
    const plan = await this.engine.plan(loaded(wanted), []);
    return plan.steps.filter((s) => s.action !== 'none').map((s) => s.id);
  }

  /** "web.1 running", ... */
  get states(): readonly string[] {
    return this.engine
      .services()
      .flatMap((s) => s.instances)
      .map((i) => `${i.id} ${i.state.kind}`);
  }
}

export function loaded(wanted: Project, hostEnv: Record<string, string> = {}): LoadedProject {
  return { project: wanted, hostEnv, secrets: [] };
}
