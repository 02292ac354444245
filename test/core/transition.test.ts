import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Unfinished } from '../../src/core/event.ts';
import type { Exit } from '../../src/core/exit.ts';
import type { RestartPolicy, RestartSpec } from '../../src/core/service.ts';
import {
  type Effect,
  type GateVerdict,
  type Machine,
  type MachineContext,
  type MachineEvent,
  NEW_MACHINE,
} from '../../src/core/machine.ts';
import { transition } from '../../src/core/transition.ts';
import { restartSpec } from '../rig/spec.ts';

const OTHERS: Unfinished = { kind: 'processes', count: 1 };
const CAUSE = { kind: 'user', request: 'start' } as const;
const OPEN: GateVerdict = { kind: 'open' };

function context(
  restart: RestartPolicy | Partial<RestartSpec> = 'on-failure',
  nextRun = 'r1',
  change: Partial<MachineContext> = {},
): MachineContext {
  return {
    wallNow: 1_000,
    random: () => 0.5,
    nextRun,
    now: 1_000,
    restart: restartSpec(restart),
    probed: false,
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0, resetAfterMs: 10_000 },
    stop: { signal: 'SIGTERM', graceMs: 10_000 },
    ...change,
  };
}

function run(events: readonly MachineEvent[], ctx = context()): { machine: Machine; effects: Effect[] } {
  let machine = NEW_MACHINE;
  const effects: Effect[] = [];
  for (const event of events) {
    const step = transition(machine, event, ctx);
    machine = step.machine;
    effects.push(...step.effects);
  }
  return { machine, effects };
}

const UP: MachineEvent = { type: 'want-up', afresh: true, cause: CAUSE };
const DOWN: MachineEvent = { type: 'want-down', cause: CAUSE };
const THROUGH: MachineEvent = { type: 'gate', verdict: OPEN };
const STARTED: MachineEvent = { type: 'started', run: 'r1', pid: 42 };
const code = (n: number): Exit => ({ kind: 'code', code: n });
const exited = (exit: Exit, ranMs = 100, unfinished?: Unfinished): MachineEvent => ({
  type: 'exited',
  run: 'r1',
  exit,
  ranMs,
  ...(unfinished === undefined ? {} : { unfinished }),
});

describe('transition', () => {
  test.each<[string, MachineEvent[], string, string[]]>([
    ['asks the gate before anything is started', [UP], 'waiting', ['ask-gate']],
    ['starts once the gate is open', [UP, THROUGH], 'starting', ['ask-gate', 'start']],
    ['runs once started', [UP, THROUGH, STARTED], 'running', ['ask-gate', 'start']],
    ['waits at a closed gate', [UP, blocked()], 'waiting', ['ask-gate', 'tell']],
    [
      'is skipped where the gate can never open',
      [UP, { type: 'gate', verdict: { kind: 'never', reason: { kind: 'text', text: 'x' } } }],
      'skipped',
      ['ask-gate', 'tell'],
    ],
    [
      'starts after having been skipped, once the gate opens after all',
      [UP, { type: 'gate', verdict: { kind: 'never', reason: { kind: 'text', text: 'x' } } }, THROUGH],
      'starting',
      ['ask-gate', 'tell', 'start'],
    ],
    ['gives a wait up when it is wanted down', [UP, DOWN], 'stopped', ['ask-gate']],
    ['stops what is only starting', [UP, THROUGH, DOWN], 'stopping', ['ask-gate', 'start', 'tell', 'stop']],
    [
      'stops again once there is a process, if it was asked to stop before there was one',
      [UP, THROUGH, DOWN, STARTED],
      'stopping',
      ['ask-gate', 'start', 'tell', 'stop', 'stop'],
    ],
    [
      'is stopped when a start that was given up fails',
      [UP, THROUGH, DOWN, { type: 'start-failed', run: 'r1', failure: { code: 'other', message: 'x' } }],
      'stopped',
      ['ask-gate', 'start', 'tell', 'stop', 'tell'],
    ],
    [
      'completes with exit 0',
      [UP, THROUGH, STARTED, exited(code(0))],
      'completed',
      ['ask-gate', 'start', 'tell', 'tell'],
    ],
    [
      'backs off after a failure',
      [UP, THROUGH, STARTED, exited(code(3))],
      'backoff',
      ['ask-gate', 'start', 'tell', 'tell', 'arm-retry', 'report-failure'],
    ],
    [
      'asks the gate again when the retry is due',
      [UP, THROUGH, STARTED, exited(code(3)), { type: 'retry-due' }],
      'waiting',
      ['ask-gate', 'start', 'tell', 'tell', 'arm-retry', 'report-failure', 'ask-gate'],
    ],
    [
      'lets a stop during backoff win',
      [UP, THROUGH, STARTED, exited(code(3)), DOWN, { type: 'retry-due' }],
      'stopped',
      ['ask-gate', 'start', 'tell', 'tell', 'arm-retry', 'report-failure', 'disarm-retry'],
    ],
    [
      'is not over while its unit lives on',
      [UP, THROUGH, STARTED, exited(code(0), 100, OTHERS)],
      'stopping',
      ['ask-gate', 'start', 'tell', 'tell', 'stop'],
    ],
    [
      'asks the policy once the rest of the unit is gone',
      [UP, THROUGH, STARTED, exited(code(0), 100, OTHERS), { type: 'gone', run: 'r1', ranMs: 100 }],
      'completed',
      ['ask-gate', 'start', 'tell', 'tell', 'stop', 'tell'],
    ],
    [
      'kills once, when the grace period is over',
      [UP, THROUGH, STARTED, DOWN, { type: 'grace-over', run: 'r1' }, { type: 'grace-over', run: 'r1' }],
      'stopping',
      ['ask-gate', 'start', 'tell', 'stop', 'tell', 'kill'],
    ],
    [
      'starts again after a stop if it was wanted up meanwhile',
      [UP, THROUGH, STARTED, DOWN, UP, exited(code(0)), { type: 'gone', run: 'r1', ranMs: 100 }],
      'waiting',
      ['ask-gate', 'start', 'tell', 'stop', 'tell', 'tell', 'ask-gate'],
    ],
    [
      'drops what concerns another run',
      [UP, THROUGH, STARTED, { type: 'exited', run: 'old', exit: code(9), ranMs: 1 }],
      'running',
      ['ask-gate', 'start'],
    ],
  ])('%s', (_name, events, kind, effects) => {
    const result = run(events);
    expect(result.machine.state.kind).toBe(kind);
    expect(result.effects.map((e) => e.do)).toEqual(effects);
  });

  test('keeps a timeout as the verdict although the process then ends by the stop signal', () => {
    const { machine } = run(
      [
        UP,
        THROUGH,
        STARTED,
        { type: 'timed-out', run: 'r1', afterMs: 5_000 },
        exited({ kind: 'signal', signal: 'SIGTERM' }),
        { type: 'gone', run: 'r1', ranMs: 5_100 },
      ],
      context('never'),
    );
    expect(machine.state).toMatchObject({ kind: 'failed', exit: { kind: 'timeout', afterMs: 5_000 } });
  });

  test('doubles the delay with every failure in a row and starts over after a long run', () => {
    let machine = NEW_MACHINE;
    const delays: number[] = [];
    const feed = (event: MachineEvent): void => {
      const step = transition(machine, event, context());
      machine = step.machine;
      for (const effect of step.effects) if (effect.do === 'arm-retry') delays.push(effect.delayMs);
    };
    for (const ranMs of [1, 1, 1, 20_000, 1]) {
      for (const event of [
        UP_KEEP,
        { type: 'retry-due' } as const,
        THROUGH,
        STARTED,
        exited(code(1), ranMs),
      ]) {
        feed(event);
      }
    }
    expect(delays).toEqual([500, 1_000, 2_000, 500, 1_000]);
  });
});

describe('readiness', () => {
  const probed = context('on-failure', 'r1', { probed: true });
  const READY: MachineEvent = { type: 'ready', run: 'r1', tookMs: 40 };
  const readiness = (events: readonly MachineEvent[], ctx = probed): unknown => {
    const { state } = run([UP, THROUGH, STARTED, ...events], ctx).machine;
    return state.kind === 'running' ? (state.readiness?.kind ?? 'none') : state.kind;
  };

  test.each<[string, MachineEvent[], string]>([
    ['is pending at first', [], 'pending'],
    ['comes with the probe', [READY], 'ready'],
    [
      'goes with the probe',
      [READY, { type: 'unready', run: 'r1', reason: { kind: 'text', text: 'HTTP 503' } }],
      'lost',
    ],
    [
      'comes again',
      [READY, { type: 'unready', run: 'r1', reason: { kind: 'text', text: 'HTTP 503' } }, READY],
      'ready',
    ],
    [
      'cannot be lost before it was there',
      [{ type: 'unready', run: 'r1', reason: { kind: 'text', text: 'x' } }],
      'pending',
    ],
    ['is not that of another run', [{ type: 'ready', run: 'r0', tookMs: 1 }], 'pending'],
    ['ends with the probe', [READY, { type: 'probed', run: 'r1', probed: false }], 'none'],
    ['is looked for once there is a probe', [{ type: 'probed', run: 'r1', probed: true }], 'pending'],
  ])('%s', (_name, events, expected) => {
    expect(readiness(events)).toBe(expected);
  });

  test('is not there without a probe', () => {
    expect(readiness([READY], context())).toBe('none');
  });

  test('of an adopted run is what its record says', () => {
    const adopted: MachineEvent = {
      type: 'adopted',
      run: 'r1',
      since: 500,
      restarts: 0,
      recent: [],
      readyAt: 540,
    };
    expect(run([adopted], probed).machine.state).toMatchObject({
      readiness: { kind: 'ready', since: 540, tookMs: 40 },
    });
  });

  test('a failed live probe stops the run, tells who depends on it, and leaves the rest to the policy', () => {
    const events = [
      UP,
      THROUGH,
      STARTED,
      { type: 'unhealthy', run: 'r1', reason: { kind: 'text', text: 'HTTP 500' } } as const,
    ];
    const stopping = run(events);
    expect(stopping.machine.state).toMatchObject({ kind: 'stopping', then: 'decide' });
    expect(stopping.effects.map((e) => e.do)).toContain('report-failure');
    const ended = [
      exited({ kind: 'signal', signal: 'SIGTERM' }),
      { type: 'gone', run: 'r1', ranMs: 1 } as const,
    ];
    expect(run([...events, ...ended]).machine.state).toMatchObject({
      kind: 'backoff',
      exit: { kind: 'unhealthy', reason: { kind: 'text', text: 'HTTP 500' } },
    });
  });
});

describe('a schedule', () => {
  const scheduled = (overlap: 'skip' | 'queue' | 'replace', onStart = false): MachineContext =>
    context('on-failure', 'r1', { schedule: { overlap, onStart } });
  const added: MachineEvent = { type: 'want-up', afresh: true, cause: { kind: 'added' } };
  const DUE: MachineEvent = {
    type: 'due',
    cause: { kind: 'schedule', schedule: { kind: 'every', everyMs: 300_000 } },
  };
  const GONE: MachineEvent = { type: 'gone', run: 'r1', ranMs: 1 };

  test.each<[string, MachineEvent[], MachineContext, string]>([
    ['keeps it from starting at once', [added], scheduled('skip'), 'scheduled'],
    ['starts it at once where on_start says so', [added], scheduled('skip', true), 'waiting'],
    ['lets a person start it', [UP], scheduled('skip'), 'waiting'],
    ['lets a person start it while it waits', [added, UP], scheduled('skip'), 'waiting'],
    ['starts it when it is due', [added, DUE], scheduled('skip'), 'waiting'],
    [
      'has it wait again after success',
      [added, DUE, THROUGH, STARTED, exited(code(0))],
      scheduled('skip'),
      'scheduled',
    ],
    [
      'leaves a failure to the policy',
      [added, DUE, THROUGH, STARTED, exited(code(3))],
      scheduled('skip'),
      'backoff',
    ],
    [
      'goes before a retry',
      [added, DUE, THROUGH, STARTED, exited(code(3)), DUE],
      scheduled('skip'),
      'waiting',
    ],
    [
      'skips a time that comes during a run',
      [added, DUE, THROUGH, STARTED, DUE],
      scheduled('skip'),
      'running',
    ],
    [
      'makes up for it afterwards with queue',
      [added, DUE, THROUGH, STARTED, DUE, DUE, exited(code(0))],
      scheduled('queue'),
      'waiting',
    ],
    ['ends the run with replace', [added, DUE, THROUGH, STARTED, DUE], scheduled('replace'), 'stopping'],
    [
      'starts the next once the replaced one is gone',
      [added, DUE, THROUGH, STARTED, DUE, exited(code(0)), GONE],
      scheduled('replace'),
      'waiting',
    ],
    ['means nothing to what is not wanted', [added, DOWN, DUE], scheduled('skip'), 'stopped'],
  ])('%s', (_name, events, ctx, kind) => {
    expect(run(events, ctx).machine.state.kind).toBe(kind);
  });

  test('tells of a time at which nothing was started', () => {
    const { effects } = run([added, DUE, THROUGH, STARTED, DUE], scheduled('skip'));
    expect(effects.at(-1)).toMatchObject({ do: 'tell', happening: { type: 'schedule-missed' } });
  });

  test('makes up for one time only', () => {
    const events = [added, DUE, THROUGH, STARTED, DUE, DUE, exited(code(0)), THROUGH];
    const again: MachineEvent[] = [STARTED, exited(code(0))];
    expect(run([...events, ...again], scheduled('queue')).machine.state.kind).toBe('scheduled');
  });
});

describe('a failed dependency', () => {
  const failed = (then: 'restart' | 'stop'): MachineEvent => ({
    type: 'dependency-failed',
    then,
    cause: { kind: 'dependency', service: 'db', exit: { kind: 'code', code: 1 } },
  });
  const GONE: MachineEvent = { type: 'gone', run: 'r1', ranMs: 1 };

  test.each<[string, MachineEvent[], string, string]>([
    [
      'has the dependent wait for it again',
      [STARTED, failed('restart'), exited(code(0)), GONE],
      'waiting',
      'up',
    ],
    ['stops it for good', [STARTED, failed('stop'), exited(code(0)), GONE], 'stopped', 'down'],
    ['does nothing to what backs off', [STARTED, exited(code(1)), failed('stop')], 'backoff', 'up'],
    ['reaches what is only starting', [failed('stop'), { type: 'started', run: 'r1' }], 'stopping', 'down'],
  ])('%s', (_name, events, kind, wanted) => {
    const { machine } = run([UP, THROUGH, ...events]);
    expect([machine.state.kind, machine.wanted]).toEqual([kind, wanted]);
  });

  test.each(['restart', 'stop'] as const)('is passed on to those that run on the dependent: %s', (then) => {
    const { effects } = run([UP, THROUGH, STARTED, failed(then), failed(then)]);
    const passed = effects.filter((effect) => effect.do === 'pass-on-failure');
    expect(passed.map(({ cause }) => cause)).toEqual([
      { kind: 'dependency', service: 'db', exit: { kind: 'code', code: 1 } },
    ]);
  });
});

describe('max_restarts', () => {
  /** Lets it crash every `everyMs` until it gives up, and says after how many restarts that was. */
  function restartsUntilFailed(restart: Partial<RestartSpec>, everyMs: number): number {
    let machine = NEW_MACHINE;
    for (let restarts = 0; restarts < 100; restarts += 1) {
      const ctx = context(restart, 'r1', { now: restarts * everyMs });
      for (const event of [UP_KEEP, { type: 'retry-due' } as const, THROUGH, STARTED, exited(code(7), 1)])
        machine = transition(machine, event, ctx).machine;
      if (machine.state.kind === 'failed') {
        expect(machine.state).toMatchObject({ code: 'E_MAX_RESTARTS', exit: code(7) });
        return restarts;
      }
    }
    return Infinity;
  }

  test('counts the restarts within the window', () => {
    expect(restartsUntilFailed({ maxRestarts: 3, windowMs: 60_000 }, 1_000)).toBe(3);
    expect(restartsUntilFailed({ maxRestarts: 3, windowMs: 60_000 }, 19_000)).toBe(3);
    expect(restartsUntilFailed({ maxRestarts: 3, windowMs: 60_000 }, 31_000)).toBe(Infinity);
    expect(restartsUntilFailed({ maxRestarts: 0 }, 1)).toBe(Infinity);
  });

  test('starts from nothing when a person restarts it', () => {
    const ctx = context({ maxRestarts: 1 });
    const crash = [THROUGH, STARTED, exited(code(7), 1)];
    const twice = [UP, ...crash, { type: 'retry-due' } as const, ...crash];
    expect(run(twice, ctx).machine.state.kind).toBe('failed');
    expect(run([...twice, { type: 'restart', cause: CAUSE }, ...crash], ctx).machine.state.kind).toBe(
      'backoff',
    );
  });
});

const UP_KEEP: MachineEvent = { type: 'want-up', afresh: false, cause: CAUSE };

function blocked(): MachineEvent {
  return {
    type: 'gate',
    verdict: { kind: 'blocked', on: [{ service: 'db', condition: 'started', now: { kind: 'waiting' } }] },
  };
}

/** A world that answers effects as processes would, in an order that the test picks. */
class World {
  machine: Machine = NEW_MACHINE;
  readonly alive = new Set<string>();
  /** Most units that were ever alive at once. */
  most = 0;
  readonly starting = new Set<string>();
  readonly mainEnded = new Set<string>();
  readonly told = new Set<string>();
  retryArmed = false;
  #runs = 0;
  readonly #policy: RestartPolicy;
  readonly #change: Partial<MachineContext>;

  constructor(policy: RestartPolicy, change: Partial<MachineContext>) {
    this.#policy = policy;
    this.#change = change;
  }

  feed(event: MachineEvent): void {
    this.#runs += 1;
    const step = transition(this.machine, event, context(this.#policy, `r${this.#runs}`, this.#change));
    this.machine = step.machine;
    for (const effect of step.effects) this.#take(effect);
  }

  #take(effect: Effect): void {
    switch (effect.do) {
      case 'start':
        this.starting.add(effect.run);
        break;
      case 'arm-retry':
        this.retryArmed = true;
        break;
      case 'disarm-retry':
        this.retryArmed = false;
        break;
      case 'stop':
      case 'kill':
        this.told.add(effect.run);
        break;
      case 'ask-gate':
      case 'report-failure':
      case 'pass-on-failure':
      case 'tell':
        break;
    }
  }

  spawn(run: string): void {
    this.starting.delete(run);
    this.alive.add(run);
    this.most = Math.max(this.most, this.alive.size);
    this.feed({ type: 'started', run });
  }

  failStart(run: string): void {
    this.starting.delete(run);
    this.feed({ type: 'start-failed', run, failure: { code: 'other', message: 'no' } });
  }

  endMain(run: string, exit: Exit, rest: boolean): void {
    this.mainEnded.add(run);
    if (!rest) this.alive.delete(run);
    this.feed({ type: 'exited', run, exit, ranMs: 5, ...(rest ? { unfinished: OTHERS } : {}) });
    if (!rest) this.feed({ type: 'gone', run, ranMs: 5 });
  }

  endRest(run: string): void {
    this.alive.delete(run);
    this.feed({ type: 'gone', run, ranMs: 9 });
  }

  /** Lets everything that is under way come to its end, gates open. */
  settle(): void {
    for (let i = 0; i < 50; i += 1) {
      for (const run of [...this.starting]) this.spawn(run);
      for (const run of [...this.alive]) {
        if (!this.told.has(run)) continue;
        if (this.mainEnded.has(run)) this.endRest(run);
        else this.endMain(run, { kind: 'signal', signal: 'SIGTERM' }, false);
      }
      this.feed({ type: 'gate', verdict: OPEN });
    }
  }
}

type Move =
  | 'up'
  | 'up-afresh'
  | 'down'
  | 'restart'
  | 'gate'
  | 'closed'
  | 'spawn'
  | 'fail'
  | 'end'
  | 'end-rest'
  | 'gone'
  | 'retry'
  | 'grace'
  | 'escalate'
  | 'stale'
  | 'ready'
  | 'unready'
  | 'unhealthy'
  | 'due'
  | 'dependency-restart'
  | 'dependency-stop';

const MOVES: readonly Move[] = [
  'up',
  'up-afresh',
  'down',
  'restart',
  'gate',
  'closed',
  'spawn',
  'fail',
  'end',
  'end-rest',
  'gone',
  'retry',
  'grace',
  'escalate',
  'stale',
  'ready',
  'unready',
  'unhealthy',
  'due',
  'dependency-restart',
  'dependency-stop',
];

function play(world: World, move: Move): void {
  const [starting] = world.starting;
  const [alive] = world.alive;
  const { state } = world.machine;
  const run = 'run' in state ? state.run : 'none';
  if (move === 'ready') world.feed({ type: 'ready', run, tookMs: 5 });
  if (move === 'unready') world.feed({ type: 'unready', run, reason: { kind: 'text', text: 'HTTP 503' } });
  if (move === 'unhealthy')
    world.feed({ type: 'unhealthy', run, reason: { kind: 'text', text: 'HTTP 500' } });
  if (move === 'due') world.feed({ type: 'due', cause: CAUSE });
  if (move === 'dependency-restart') world.feed({ type: 'dependency-failed', then: 'restart', cause: CAUSE });
  if (move === 'dependency-stop') world.feed({ type: 'dependency-failed', then: 'stop', cause: CAUSE });
  if (move === 'up') world.feed(UP_KEEP);
  if (move === 'up-afresh') world.feed(UP);
  if (move === 'down') world.feed(DOWN);
  if (move === 'restart') world.feed({ type: 'restart', cause: CAUSE });
  if (move === 'gate') world.feed(THROUGH);
  if (move === 'closed') world.feed(blocked());
  if (move === 'spawn' && starting !== undefined) world.spawn(starting);
  if (move === 'fail' && starting !== undefined) world.failStart(starting);
  if (move === 'end' && alive !== undefined && !world.mainEnded.has(alive))
    world.endMain(alive, code(1), false);
  if (move === 'end-rest' && alive !== undefined && !world.mainEnded.has(alive))
    world.endMain(alive, code(0), true);
  if (move === 'gone' && alive !== undefined && world.mainEnded.has(alive)) world.endRest(alive);
  if (move === 'retry' && world.retryArmed) {
    world.retryArmed = false;
    world.feed({ type: 'retry-due' });
  }
  if (move === 'grace' && 'run' in state) world.feed({ type: 'grace-over', run: state.run });
  if (move === 'escalate') world.feed({ type: 'escalate', reason: { kind: 'kill' } });
  if (move === 'stale') world.feed({ type: 'exited', run: 'gone-long-ago', exit: code(1), ranMs: 1 });
}

const walk = fc.tuple(
  fc.constantFrom<RestartPolicy>('never', 'on-failure', 'always', 'unless-stopped'),
  fc.array(fc.constantFrom(...MOVES), { maxLength: 120 }),
  fc.constantFrom<Partial<MachineContext>>(
    {},
    { probed: true },
    { schedule: { overlap: 'skip', onStart: false } },
    { schedule: { overlap: 'queue', onStart: true }, probed: true },
    { schedule: { overlap: 'replace', onStart: false } },
  ),
);

describe('over random walks', () => {
  test('there are never two live units of one instance', () => {
    fc.assert(
      fc.property(walk, ([policy, moves, change]) => {
        const world = new World(policy, change);
        for (const move of moves) play(world, move);
        expect(world.most).toBeLessThanOrEqual(1);
        expect(world.starting.size + world.alive.size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 2_000 },
    );
  });

  test('what is wanted down always comes to be stopped, with nothing alive and no timer armed', () => {
    fc.assert(
      fc.property(walk, ([policy, moves, change]) => {
        const world = new World(policy, change);
        for (const move of moves) play(world, move);
        world.feed(DOWN);
        world.settle();
        expect(world.machine.state.kind).toBe('stopped');
        expect(world.alive.size).toBe(0);
        expect(world.retryArmed).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test('what is wanted up always comes to run, whatever was asked before', () => {
    fc.assert(
      fc.property(walk, ([policy, moves, change]) => {
        const world = new World(policy, change);
        for (const move of moves) play(world, move);
        world.feed(UP);
        world.settle();
        const { kind } = world.machine.state;
        // A process that ended by itself on the way is the policy's business; one that was told to stop is not.
        expect(['running', 'completed', 'failed', 'backoff', 'scheduled']).toContain(kind);
        if (change.schedule === undefined) expect(kind).not.toBe('scheduled');
        if (kind === 'running') expect(world.alive.size).toBe(1);
        if (kind === 'backoff') expect(world.retryArmed).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('the timer of a retry is armed exactly while backing off', () => {
    fc.assert(
      fc.property(walk, ([policy, moves, change]) => {
        const world = new World(policy, change);
        for (const move of moves) {
          play(world, move);
          expect(world.retryArmed).toBe(world.machine.state.kind === 'backoff');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
