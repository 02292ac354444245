import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Exit } from '../../src/core/exit.ts';
import {
  instanceId,
  type Dependency,
  type Probe,
  type Project,
  type RestartPolicy,
} from '../../src/core/service.ts';
import { isReady } from '../../src/core/state.ts';
import { resumedRuns } from '../../src/daemon/resume.ts';
import { rounds } from '../rig/faults.ts';
import { settled } from '../rig/fake-clock.ts';
import { project, spec } from '../rig/spec.ts';
import { DyingBackend, DyingStore, type World } from './dying-daemon.ts';
import { EngineRig, loaded } from './rig.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
/** Of up to twice as many operations as they have on average: 10,000 in all. */
const RUNS = 200;
const MOST = 100;

interface Wish {
  readonly there: boolean;
  readonly replicas: number;
  readonly policy: RestartPolicy;
  readonly maxRestarts: number;
  readonly probed: boolean;
  readonly version: number;
  readonly timeoutMs: number | undefined;
  /** On the services before it in the alphabet. */
  readonly dependsOn: readonly (Pick<Dependency, 'condition' | 'onFailure'> | undefined)[];
}

type Operation =
  | { readonly do: 'start' | 'stop' | 'restart'; readonly service: number }
  | { readonly do: 'scale'; readonly service: number; readonly to: number }
  | { readonly do: 'kill'; readonly service: number; readonly signal: string }
  | { readonly do: 'apply'; readonly wishes: readonly Wish[] }
  /** `which` of the live units; `rest`: something of it lives on. */
  | { readonly do: 'exit'; readonly which: number; readonly code: number; readonly rest: boolean }
  | { readonly do: 'make stubborn'; readonly which: number }
  | { readonly do: 'probes say'; readonly service: number; readonly ok: boolean }
  | { readonly do: 'starts fail'; readonly service: number; readonly fail: boolean }
  | { readonly do: 'disk is full'; readonly full: boolean }
  | { readonly do: 'time passes'; readonly ms: number }
  | { readonly do: 'the daemon dies' }
  | { readonly do: 'down'; readonly level: 0 | 1 | 2 };

const service = fc.nat(NAMES.length - 1);
const wish: fc.Arbitrary<Wish> = fc.record({
  there: fc.boolean().map((no) => !no),
  replicas: fc.constantFrom(1, 1, 1, 2, 0),
  policy: fc.constantFrom<RestartPolicy>('never', 'on-failure', 'always', 'unless-stopped'),
  maxRestarts: fc.constantFrom(0, 2),
  probed: fc.boolean(),
  version: fc.nat(1),
  timeoutMs: fc.constantFrom(undefined, undefined, undefined, 20_000),
  dependsOn: fc.array(
    fc.option(
      fc.record({
        condition: fc.constantFrom<Dependency['condition']>(
          'started',
          'ready',
          'completed',
          'completed-successfully',
        ),
        onFailure: fc.constantFrom<Dependency['onFailure']>('ignore', 'restart', 'stop'),
      }),
      { nil: undefined },
    ),
    { maxLength: 2 },
  ),
});
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('start', 'stop', 'restart'), service }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scale'), service, to: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('kill'),
      service,
      signal: fc.constantFrom('SIGTERM', 'SIGKILL', 'SIGHUP'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('apply'),
      wishes: fc.array(wish, { minLength: NAMES.length, maxLength: NAMES.length }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('exit'),
      which: fc.nat(9),
      code: fc.constantFrom(0, 1, 3),
      rest: fc.constantFrom(false, false, true),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('make stubborn'), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('probes say'), service, ok: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('starts fail'), service, fail: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('disk is full'), full: fc.constantFrom(false, false, true) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('time passes'),
      ms: fc.constantFrom(1, 400, 2_000, 11_000, 90_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('the daemon dies') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('down'), level: fc.constantFrom(0, 1, 2) }) },
);

function nameOf(index: number): string {
  return NAMES[index] ?? 'a';
}

function probeOf(name: string): Probe {
  const url = `http://${name}/`;
  return {
    check: { kind: 'http', url, method: 'GET', headers: {}, status: [{ from: 200, to: 399 }] },
    intervalMs: 1_000,
    timeoutMs: 500,
    retries: 2,
    startPeriodMs: 0,
    success: 1,
  };
}

function projectOf(wishes: readonly Wish[]): Project {
  const there = NAMES.filter((_, n) => wishes[n]?.there === true);
  return project(
    there.map((name) => {
      const wanted = wishes[NAMES.indexOf(name)];
      if (wanted === undefined) throw new Error('no such wish');
      const before = there.slice(0, there.indexOf(name));
      const { replicas, policy, maxRestarts, probed, version, timeoutMs } = wanted;
      return spec(name, {
        replicas,
        restart: { policy, maxRestarts },
        launch: { env: { VERSION: String(version) } },
        dependsOn: before.flatMap((on, n) => {
          const how = wanted.dependsOn[n];
          return how === undefined ? [] : [{ service: on, ...how }];
        }),
        ...(probed ? { ready: probeOf(name) } : {}),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
    }),
  );
}

/** The engines of one daemon after the other in one world, and what must hold of them at any time. */
class Walk {
  readonly world: World = { units: [], failures: new Map() };
  readonly #probesSay = new Map<string, boolean>();
  readonly #broken: string[] = [];
  /** Instances whose gate was opened and that were not started since. */
  readonly #opened = new Set<string>();
  #store = new DyingStore();
  #backend = this.#newBackend();
  #rig = this.#newRig();
  #wanted: Project = project([]);
  #told = 0;

  async play(operation: Operation): Promise<void> {
    await this.#do(operation);
    await settled();
    this.#check();
  }

  /** Whatever came before: with nothing in the way any more, all of it comes to rest, and down leaves nothing. */
  async end(): Promise<void> {
    this.#store.refuses = undefined;
    this.world.failures.clear();
    for (const name of NAMES) this.#probesSay.set(name, true);
    await this.#rig.clock.pass(600_000);
    this.#check();
    // With a longest run there is no rest.
    const resting = this.#wanted.services.every(({ timeoutMs }) => timeoutMs === undefined);
    for (const { id, state } of resting ? this.#instances() : []) {
      expect(['starting', 'stopping', 'backoff'], id).not.toContain(state.kind);
      if (state.kind === 'running') expect(isReady(state), id).toBe(true);
    }
    const done = this.#rig.engine.down({ reason: 'the end', level: 0 });
    await this.#rig.clock.pass(120_000);
    expect(await done).toMatchObject({ leftovers: [] });
    this.#check();
    expect(this.#alive()).toEqual([]);
    expect(this.#rig.clock.armed).toBe(0);
    this.#rig.engine.dispose();
  }

  #newBackend(): DyingBackend {
    return new DyingBackend(this.world, (instance) => this.#mayStart(instance));
  }

  #newRig(): EngineRig {
    const rig = new EngineRig(this.#backend, this.#store);
    this.#watchGates(rig.engine);
    rig.lookResult = (check) => {
      const name = check.kind === 'http' ? new URL(check.url).hostname : '';
      return { ok: this.#probesSay.get(name) !== false, output: '' };
    };
    return rig;
  }

  async #do(operation: Operation): Promise<void> {
    const { engine, clock } = this.#rig;
    switch (operation.do) {
      case 'start':
      case 'stop':
      case 'restart': {
        const select = { names: [nameOf(operation.service)], labels: [] };
        if (engine.shutdown === undefined)
          engine.act({ action: operation.do, select, withDependencies: false });
        return;
      }
      case 'scale':
        if (engine.shutdown === undefined) await engine.scale(nameOf(operation.service), operation.to);
        return;
      case 'kill': {
        const select = { names: [nameOf(operation.service)], labels: [] };
        engine.act({ action: 'kill', select, signal: operation.signal });
        return;
      }
      case 'apply':
        if (engine.shutdown !== undefined) return;
        this.#wanted = projectOf(operation.wishes);
        await this.#rig.apply(this.#wanted);
        return;
      case 'exit': {
        const unit = this.#unit(operation.which);
        if (unit === undefined) return;
        // One whose main process has ended loses what was left of it.
        if (unit.rest.length > 0) await unit.signal('SIGKILL');
        else unit.end(code(operation.code), operation.rest ? [{ pid: 7, command: 'left over' }] : []);
        return;
      }
      case 'make stubborn': {
        const unit = this.#unit(operation.which);
        if (unit !== undefined) unit.ignores = ['SIGHUP', 'SIGTERM'];
        return;
      }
      case 'probes say':
        this.#probesSay.set(nameOf(operation.service), operation.ok);
        return;
      case 'starts fail':
        for (const n of [1, 2, 3]) {
          const id = instanceId(nameOf(operation.service), n);
          if (operation.fail) this.world.failures.set(id, { code: 'other', message: 'told to fail' });
          else this.world.failures.delete(id);
        }
        return;
      case 'disk is full':
        this.#store.refuses = operation.full ? 'no space left' : undefined;
        return;
      case 'time passes':
        await clock.pass(operation.ms);
        return;
      case 'the daemon dies':
        await this.#dieAndComeBack();
        return;
      case 'down':
        await this.#down(operation.level);
        return;
    }
  }

  async #down(level: 0 | 1 | 2): Promise<void> {
    const { engine, clock } = this.#rig;
    const done = engine.down({ reason: 'asked to', level });
    await clock.pass(120_000);
    const { leftovers } = await done;
    expect(leftovers).toEqual([]);
    expect(this.#alive()).toEqual([]);
    await this.#dieAndComeBack();
  }

  async #dieAndComeBack(): Promise<void> {
    const wall = this.#rig.clock.wall();
    const { refuses } = this.#store;
    this.#backend.die();
    this.#store = this.#store.die();
    this.#store.refuses = refuses;
    this.#backend = this.#newBackend();
    this.#rig = this.#newRig();
    this.#rig.clock.setWall(wall + 50);
    const known = this.#store.readProject();
    if (known?.phase !== 'up') return;
    const found = await resumedRuns(this.#store, this.#backend, this.#rig.logs);
    this.#rig.engine.resume(loaded(this.#wanted), found);
    if (known.shutdown !== undefined) await this.#down(0);
  }

  #instances() {
    return this.#rig.engine.services().flatMap(({ instances }) => instances);
  }

  #alive(): readonly string[] {
    return this.world.units.filter((unit) => unit.alive).map((unit) => unit.instance);
  }

  #unit(which: number) {
    const alive = this.world.units.filter((unit) => unit.alive);
    return alive.length === 0 ? undefined : alive[which % alive.length];
  }

  /** At each opened gate, by a judgement of its own: what the service depends on is as its condition says. */
  #watchGates(engine: EngineRig['engine']): void {
    const gate = engine.gate.bind(engine);
    engine.gate = (ref, waitedMs) => {
      const verdict = gate(ref, waitedMs);
      if (verdict.kind !== 'open') return verdict;
      this.#opened.add(ref.id);
      const wanted = engine.project.services.find(({ id }) => id === ref.service);
      for (const { service: on, condition } of wanted?.dependsOn ?? []) {
        for (const { id, state } of engine.services().find((s) => s.id === on)?.instances ?? []) {
          if (!HOLDS[condition](state)) this.#broken.push(`${ref.id} may start while ${id} is ${state.kind}`);
        }
      }
      return verdict;
    };
  }

  #mayStart(instance: string): void {
    if (!this.#opened.delete(instance)) this.#broken.push(`${instance} was started without having asked`);
    if (this.#alive().includes(instance)) this.#broken.push(`${instance} was started although it lives`);
  }

  #check(): void {
    expect(this.#broken).toEqual([]);
    const alive = this.#alive();
    expect(alive, 'one unit for each instance').toEqual([...new Set(alive)]);
    const instances = this.#instances();
    const live = new Set(['starting', 'running', 'stopping']);
    for (const { id, state, wanted, recentRestarts } of instances) {
      if (!live.has(state.kind)) expect(alive, `${id} is ${state.kind}`).not.toContain(id);
      if (state.kind === 'running') expect(alive, `${id} runs`).toContain(id);
      if (wanted === 'down') expect(['stopped', 'stopping'], id).toContain(state.kind);
      if (recentRestarts !== undefined) expect(recentRestarts.count).toBeLessThanOrEqual(recentRestarts.max);
    }
    const known = new Set(instances.map(({ id }) => id));
    expect(
      alive.filter((id) => !known.has(id)),
      'units that nobody knows',
    ).toEqual([]);
    // Grace, timeout, retry, gate, probe, pid, and a second kill, each at most once; and what a shutdown has.
    expect(this.#rig.clock.armed).toBeLessThanOrEqual(7 * instances.length + 4);
    this.#checkTold();
  }

  /** What was told since the last look, by the policies of now: they change by `apply` alone. */
  #checkTold(): void {
    const { told } = this.#store;
    for (const happening of told.slice(this.#told)) {
      const spec = this.#wanted.services.find(({ id }) => id === happening.service);
      const number = Number(happening.instance?.split('.').at(-1));
      // One that is wanted no more goes by what held when it was, until its stop has come.
      if (spec === undefined || number > spec.replicas) continue;
      const policy = spec.restart;
      if (happening.type === 'instance-backing-off') expect(policy.policy).not.toBe('never');
      if (happening.type === 'instance-completed') {
        expect(happening.exit).toEqual(code(0));
        expect(['never', 'on-failure']).toContain(policy.policy);
      }
      if (happening.type === 'instance-failed')
        expect(policy.policy === 'never' || policy.maxRestarts > 0).toBe(true);
    }
    this.#told = told.length;
  }
}

type State = Parameters<typeof isReady>[0];
const HOLDS: Readonly<Record<Dependency['condition'], (state: State) => boolean>> = {
  started: ({ kind }) => kind === 'running' || kind === 'completed',
  ready: (state) => isReady(state) || state.kind === 'completed',
  completed: ({ kind }) => kind === 'completed' || kind === 'failed',
  'completed-successfully': ({ kind }) => kind === 'completed',
  log: () => true,
};

function code(status: number): Exit {
  return { kind: 'code', code: status };
}

test(
  `over ${(RUNS * MOST) / 2} random operations the engine keeps what it promises`,
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(wish, { minLength: NAMES.length, maxLength: NAMES.length }),
        fc.array(operation, { maxLength: MOST, size: 'max' }),
        async (first, operations) => {
          const walk = new Walk();
          await walk.play({ do: 'apply', wishes: first });
          for (const each of operations) await walk.play(each);
          await walk.end();
        },
      ),
      { numRuns: rounds(RUNS) },
    );
  },
);
