import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { RunId } from '../../core/state.ts';
import type { Proc } from '../../ports/backend.ts';
import type { HookRunner } from './hooks.ts';
import { GIVEN_UP, LaunchPreparation } from './launch-preparation.ts';
import type { RunRecorder } from './run-record.ts';
import type { PreparedLaunch, InstanceView, RunPorts } from './engine-view.ts';

export interface RunStartHost {
  readonly hooks: HookRunner;
  readonly notes: RunRecorder;
  /** Told of the launch as soon as it is known. */
  prepared(launch: PreparedLaunch): void;
  /** Told when all that it needs is there: what took its time until then is no part of the run. */
  began(): void;
}

/** The beginning of one run: everything from the decision to start it until its process is there. */
export class RunStart {
  readonly #run: RunId;
  readonly #owner: InstanceView;
  readonly #ports: RunPorts;
  readonly #host: RunStartHost;
  readonly #material: LaunchPreparation;
  /** A stop was asked for before there was a process. */
  #abandoned = false;

  constructor(run: RunId, owner: InstanceView, ports: RunPorts, host: RunStartHost) {
    this.#run = run;
    this.#owner = owner;
    this.#ports = ports;
    this.#host = host;
    this.#material = new LaunchPreparation({
      backend: ports.backend,
      clock: ports.clock,
      changed: () => owner.changed(),
      masked: (text) => owner.engine.masked(text),
    });
  }

  /** What is being brought about at the moment. */
  get progress(): string | undefined {
    return this.#material.progress;
  }

  /** There is to be no process any more; a hook that is under way is left to whoever began it. */
  abandon(): void {
    this.#abandoned = true;
    this.release();
  }

  /** Gives up what is being brought about. */
  release(): void {
    this.#material.giveUp();
  }

  /** In the order that a crash of the daemon at any point leaves findable. Resolves once the process is there. */
  async run(): Promise<Result<Proc, StartFailure>> {
    const { hooks, notes } = this.#host;
    const recorded = this.#owner.engine.recorded();
    if (!recorded.ok) return recorded;
    const prepared = await this.#owner.prepareLaunch();
    if (!prepared.ok) return prepared;
    this.#host.prepared(prepared.value);
    const brought = this.#abandoned ? err(GIVEN_UP) : await this.#material.run(prepared.value.launch);
    if (!brought.ok) return brought;
    this.#host.began();
    const startedAt = this.#ports.clock.wall();
    const hook = await hooks.run('pre_start', this.#owner.spec.hooks.preStart);
    if (!hook.ok) return err({ code: 'hook-failed', message: hook.error });
    if (this.#abandoned) return err(GIVEN_UP);
    const used = this.#owner.engine.usedBackend(prepared.value.launch.backend);
    if (!used.ok) return used;
    const noted = notes.begin(prepared.value, startedAt);
    if (!noted.ok) return noted;
    this.#ports.failpoint?.('after-record');
    this.#ports.logs.beginRun(this.#owner.ref.id, this.#run);
    return this.#spawn(prepared.value);
  }

  async #spawn({ launch, fingerprint }: PreparedLaunch): Promise<Result<Proc, StartFailure>> {
    const { store, logs, backend } = this.#ports;
    const { ref, spec } = this.#owner;
    const paths = logs.paths(ref.id);
    const begun = await backend.start({
      run: this.#run,
      service: ref.service,
      instance: ref.id,
      launch,
      fingerprint,
      requires: spec.requires,
      instanceDir: store.instanceDir(ref.id),
      stdoutPath: paths.stdout,
      stderrPath: launch.mergeStderr === true ? paths.stdout : paths.stderr,
    });
    if (!begun.ok) return begun;
    const { proc, cgroup } = begun.value;
    if (cgroup !== undefined) this.#host.notes.startedIn(cgroup);
    return ok(proc);
  }
}
