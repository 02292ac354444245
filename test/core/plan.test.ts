import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closure } from '../../src/core/graph.ts';
import {
  type DesiredInstance,
  type ObservedInstance,
  type PlanInput,
  planProject,
} from '../../src/core/plan.ts';
import type { PlanStep, PlanView } from '../../src/core/plan-view.ts';
import type { InstanceStateKind } from '../../src/core/state.ts';
import { instanceId } from '../../src/core/service.ts';

function want(service: string, change: Partial<DesiredInstance> = {}): DesiredInstance {
  return {
    service,
    number: 1,
    backend: 'native',
    fingerprint: 'f1',
    fields: {},
    policy: { restart: 'on-failure' },
    wanted: 'up',
    ...change,
  };
}

function seen(service: string, change: Partial<ObservedInstance> = {}): ObservedInstance {
  return { ...want(service), state: 'running', ...change };
}

function plan(
  edges: Record<string, readonly string[]>,
  desired: readonly DesiredInstance[],
  observed: readonly ObservedInstance[],
  rest: Partial<PlanInput> = {},
): PlanView {
  const services = Object.entries(edges).map(([id, on]) => ({
    id,
    dependsOn: on.map((service) => ({ service, condition: 'started' as const })),
  }));
  return planProject({ project: 'shop', manifest: 'setpoint.yaml', services, desired, observed, ...rest });
}

function only(view: PlanView): PlanStep {
  expect(view.steps).toHaveLength(1);
  return view.steps[0]!;
}

describe('what an instance needs', () => {
  const states: [InstanceStateKind, string, string][] = [
    ['running', 'none', 'replace'],
    ['starting', 'none', 'replace'],
    ['completed', 'none', 'start'],
    ['waiting', 'none', 'none'],
    ['stopping', 'none', 'none'],
    ['stopped', 'start', 'start'],
    ['backoff', 'none', 'start'],
    ['failed', 'start', 'start'],
    ['skipped', 'none', 'start'],
  ];
  it.each(states)('%s, wanted up: %s while its launch is the same, else %s', (state, same, changed) => {
    expect(only(plan({ api: [] }, [want('api')], [seen('api', { state })])).action).toBe(same);
    const other = want('api', { fingerprint: 'f2' });
    expect(only(plan({ api: [] }, [other], [seen('api', { state })])).action).toBe(changed);
  });

  it.each(['stopping', 'waiting'] as const)('%s, wanted down: a start', (state) => {
    const step = only(plan({ api: [] }, [want('api')], [seen('api', { state, wanted: 'down' })]));
    expect(step).toMatchObject({ action: 'start', causes: [{ kind: 'not-running', was: state }] });
  });

  it('is a start where there is none, because it was added', () => {
    expect(only(plan({ api: [] }, [want('api')], []))).toMatchObject({
      id: 'start:api.1',
      action: 'start',
      causes: [{ kind: 'added' }],
      after: [],
    });
  });

  it('is nothing for a one-shot that has completed, and a start with the changes once its launch differs', () => {
    const done = seen('migrate', { state: 'completed', fields: { cwd: '"/a"' } });
    expect(only(plan({ migrate: [] }, [want('migrate')], [done]))).toMatchObject({
      action: 'none',
      note: 'completed',
    });
    const changed = want('migrate', { fingerprint: 'f2', fields: { cwd: '"/b"' } });
    expect(only(plan({ migrate: [] }, [changed], [done])).causes).toEqual([
      { kind: 'changed', fields: [{ field: 'cwd', from: '"/a"', to: '"/b"' }] },
    ]);
  });

  it('is an update in place where only the policy differs, and a replacement that names both where the launch does', () => {
    const policy = { restart: 'always' };
    expect(only(plan({ api: [] }, [want('api', { policy })], [seen('api')]))).toMatchObject({
      action: 'update',
      causes: [{ kind: 'changed', fields: [{ field: 'restart', from: 'on-failure', to: 'always' }] }],
    });
    const both = want('api', { policy, fingerprint: 'f2', fields: { umask: '0027' } });
    expect(only(plan({ api: [] }, [both], [seen('api', { fields: {} })]))).toMatchObject({
      action: 'replace',
      causes: [{ fields: [{ field: 'umask', to: '0027' }] }, { fields: [{ field: 'restart' }] }],
    });
  });

  it('never is a replacement where what runs is not known, and never an empty cause where fields do not tell', () => {
    const { fingerprint: _, ...unknown } = seen('api');
    expect(only(plan({ api: [] }, [want('api', { fingerprint: 'f2' })], [unknown])).action).toBe('none');
    expect(only(plan({ api: [] }, [want('api', { fingerprint: 'f2' })], [seen('api')])).causes).toEqual([
      { kind: 'changed', fields: [{ field: 'launch', from: 'f1', to: 'f2' }] },
    ]);
  });

  it('is a stop and then oblivion for what is in the manifest no more, oblivion alone where it is at rest', () => {
    expect(plan({}, [], [seen('legacy')]).steps.map(({ id, after }) => [id, after])).toEqual([
      ['stop:legacy.1', []],
      ['forget:legacy.1', ['stop:legacy.1']],
    ]);
    expect(only(plan({}, [], [seen('legacy', { state: 'failed' })])).action).toBe('forget');
    expect(plan({}, [], [seen('legacy', { state: 'backoff' })]).steps[0]!.action).toBe('stop');
  });

  it('is to stay down for what a person stopped and nobody asked to start', () => {
    const down = want('api', { wanted: 'down' });
    expect(only(plan({ api: [] }, [down], [seen('api', { state: 'stopped' })])).action).toBe('none');
    expect(only(plan({ api: [] }, [down], [])).action).toBe('none');
    expect(only(plan({ api: [] }, [down], [seen('api')])).action).toBe('stop');
  });
});

describe('scaling', () => {
  it('starts or stops only the instances of the highest numbers, and says from how many to how many', () => {
    const two = [seen('web'), seen('web', { number: 2 })];
    const up = plan(
      { web: [] },
      [1, 2, 3].map((number) => want('web', { number })),
      two,
    );
    expect(up.steps.filter(({ action }) => action !== 'none')).toMatchObject([
      { id: 'start:web.3', causes: [{ kind: 'scaled', from: 2, to: 3 }] },
    ]);
    const zero = plan({ web: [] }, [], two);
    expect(zero.steps.filter(({ action }) => action === 'stop')).toMatchObject([
      { id: 'stop:web.1', causes: [{ kind: 'scaled', from: 2, to: 0 }] },
      { id: 'stop:web.2', causes: [{ kind: 'scaled', from: 2, to: 0 }] },
    ]);
  });

  it('sorts instances by number', () => {
    const desired = [10, 9, 2, 1].map((number) => want('web', { number }));
    expect(plan({ web: [] }, desired, []).steps.map(({ instance }) => instance)).toEqual([
      'web.1',
      'web.2',
      'web.9',
      'web.10',
    ]);
  });
});

describe('the order of steps', () => {
  const after = (view: PlanView): Record<string, readonly string[]> =>
    Object.fromEntries(view.steps.filter((s) => s.action !== 'none').map((s) => [s.id, s.after]));

  it('lets a start wait for those of its dependencies, past unchanged services', () => {
    const edges = { web: ['api'], api: ['db'], db: [] };
    const changed = { fingerprint: 'f2' };
    const view = plan(
      edges,
      [want('web', changed), want('api'), want('db', changed)],
      [seen('web'), seen('api'), seen('db')],
    );
    expect(after(view)).toEqual({ 'replace:web.1': ['replace:db.1'], 'replace:db.1': [] });
    expect(view.order).toEqual([['replace:db.1'], ['replace:web.1']]);
  });

  it('does not replace what depends on something replaced', () => {
    const view = plan(
      { web: ['db'], db: [] },
      [want('web'), want('db', { fingerprint: 'f2' })],
      [seen('web'), seen('db')],
    );
    expect(after(view)).toEqual({ 'replace:db.1': [] });
  });

  it('rolls the instances of a service one by one, and lets dependents wait for all of them', () => {
    const numbers = [1, 2, 3];
    const view = plan(
      { web: ['api'], api: [] },
      [want('web'), ...numbers.map((number) => want('api', { number, fingerprint: 'f2' }))],
      numbers.map((number) => seen('api', { number })),
    );
    expect(after(view)).toEqual({
      'replace:api.1': [],
      'replace:api.2': ['replace:api.1'],
      'replace:api.3': ['replace:api.2'],
      'start:web.1': ['replace:api.1', 'replace:api.2', 'replace:api.3'],
    });
  });

  it('stops dependents first, as far as it is known what they depended on', () => {
    const observed = [seen('front'), seen('back'), seen('db')];
    const formerEdges = new Map([
      ['front', ['back']],
      ['back', ['db']],
    ]);
    const view = plan({ db: [] }, [want('db', { fingerprint: 'f2' })], observed, { formerEdges });
    expect(after(view)).toEqual({
      'stop:front.1': [],
      'forget:front.1': ['stop:front.1'],
      'stop:back.1': ['stop:front.1'],
      'forget:back.1': ['stop:back.1'],
      'replace:db.1': ['stop:back.1'],
    });
  });

  it('lets a start wait for the stop of what holds its port', () => {
    const fields = { 'ports.http': '8080' };
    const view = plan(
      { shiny: [], other: [] },
      [want('shiny', { fields }), want('other')],
      [seen('legacy', { fields })],
    );
    expect(after(view)).toMatchObject({ 'start:shiny.1': ['stop:legacy.1'], 'start:other.1': [] });
  });
});

describe('a plan for named services', () => {
  it('holds them and what they depend on, and leaves everything else alone', () => {
    const edges = { web: ['api'], api: [], other: [] };
    const view = plan(edges, [want('web'), want('api'), want('other')], [seen('legacy')], { only: ['web'] });
    expect(view.steps.map(({ id }) => id)).toEqual(['start:api.1', 'start:web.1']);
  });
});

// --- properties -------------------------------------------------------------------------------------------------------

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const STATES = [
  'running',
  'starting',
  'stopping',
  'waiting',
  'stopped',
  'completed',
  'failed',
  'backoff',
  'skipped',
] as const;

const anyInput: fc.Arbitrary<PlanInput> = fc
  .record({
    inManifest: fc.subarray(NAMES),
    pairs: fc.array(fc.tuple(fc.nat(5), fc.nat(5))),
    former: fc.array(fc.tuple(fc.nat(5), fc.nat(5))),
    replicas: fc.array(fc.nat(3), { minLength: 6, maxLength: 6 }),
    prints: fc.array(fc.constantFrom('f1', 'f2'), { minLength: 6, maxLength: 6 }),
    policies: fc.array(fc.constantFrom('p1', 'p2'), { minLength: 6, maxLength: 6 }),
    wanted: fc.array(fc.constantFrom('up' as const, 'up' as const, 'down' as const), {
      minLength: 6,
      maxLength: 6,
    }),
    observed: fc.uniqueArray(
      fc.record({
        service: fc.constantFrom(...NAMES),
        number: fc.integer({ min: 1, max: 3 }),
        state: fc.constantFrom(...STATES),
        wanted: fc.constantFrom('up' as const, 'down' as const),
        backend: fc.constant('native'),
        fingerprint: fc.constantFrom('f1', 'f2'),
        fields: fc.constantFrom({ 'ports.x': '80' }, { 'ports.x': '81' }, {}),
        policy: fc.constantFrom({ restart: 'p1' }, { restart: 'p2' }),
      }),
      { selector: ({ service, number }) => instanceId(service, number), maxLength: 12 },
    ),
    only: fc.option(fc.subarray(NAMES), { nil: undefined }),
  })
  .map(({ inManifest, pairs, former, replicas, prints, policies, wanted, observed, only: names }) => {
    const down = (pairsOf: readonly (readonly [number, number])[], id: string): string[] =>
      pairsOf
        .filter(([a, b]) => NAMES[Math.max(a, b)] === id && a !== b)
        .map(([a, b]) => NAMES[Math.min(a, b)]!);
    const services = inManifest.map((id) => ({
      id,
      dependsOn: down(pairs, id).map((service) => ({ service, condition: 'started' as const })),
    }));
    const desired = inManifest.flatMap((service) => {
      const i = NAMES.indexOf(service);
      return Array.from({ length: replicas[i]! }, (_, n) =>
        want(service, {
          number: n + 1,
          fingerprint: prints[i]!,
          fields: { 'ports.x': prints[i] === 'f1' ? '80' : '81' },
          policy: { restart: policies[i]! },
          wanted: wanted[i]!,
        }),
      );
    });
    // Upside down, so that what a service depended on may contradict what services depend on now.
    const formerEdges = new Map(NAMES.map((id) => [id, down(former, NAMES[5 - NAMES.indexOf(id)]!)]));
    return {
      project: 'p',
      manifest: 'm',
      services,
      desired,
      observed,
      formerEdges,
      ...(names === undefined ? {} : { only: names }),
    };
  });

/** What there is once all steps are through. */
function carriedOut(input: PlanInput, view: PlanView): readonly ObservedInstance[] {
  const now = new Map(input.observed.map((o) => [instanceId(o.service, o.number), o]));
  const wanted = new Map(input.desired.map((d) => [instanceId(d.service, d.number), d]));
  for (const { action, instance } of view.order.flat().map((id) => view.steps.find((s) => s.id === id)!)) {
    const desired = wanted.get(instance);
    const present = now.get(instance);
    if (action === 'forget') now.delete(instance);
    else if (action === 'stop')
      now.set(instance, { ...present!, ...policyOf(desired), state: 'stopped', wanted: 'down' });
    else if (action === 'update') now.set(instance, { ...present!, policy: desired!.policy });
    else now.set(instance, { ...desired!, state: 'running' });
  }
  return [...now.values()];
}

/** Every instance is held by the policy that is wanted from the moment the plan is begun. */
function policyOf(desired: DesiredInstance | undefined): Pick<ObservedInstance, 'policy'> {
  return desired === undefined ? {} : { policy: desired.policy };
}

describe('whatever is wanted and whatever there is', () => {
  it('a plan that was carried out leaves nothing to do', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const after = planProject({ ...input, observed: carriedOut(input, planProject(input)) });
        expect(after.steps.filter(({ action }) => action !== 'none')).toEqual([]);
        expect(after.drift).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('an instance has one step at most, but for the oblivion after its stop', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const { steps } = planProject(input);
        const acting = steps.filter(({ action }) => action !== 'forget');
        expect(new Set(acting.map(({ instance }) => instance)).size).toBe(acting.length);
        expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length);
        for (const { action, instance, after } of steps) {
          const stopped = steps.some((s) => s.action === 'stop' && s.instance === instance);
          if (action === 'forget') expect(after).toEqual(stopped ? [`stop:${instance}`] : []);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('the steps wait for steps of the plan only, in batches that keep every wait', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const { steps, order, drift } = planProject(input);
        const level = new Map(order.flatMap((batch, i) => batch.map((id) => [id, i])));
        const acting = steps.filter(({ action }) => action !== 'none');
        expect([...level.keys()].sort()).toEqual(acting.map(({ id }) => id).sort());
        expect(drift).toBe(acting.length > 0);
        for (const { id, after } of acting) {
          for (const other of after) expect(level.get(other)).toBeLessThan(level.get(id)!);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('everything that is in the manifest no more is stopped if it may live, and every step has a cause', () => {
    fc.assert(
      fc.property(anyInput, ({ only: _, ...input }) => {
        const { steps } = planProject(input);
        const wanted = new Set(input.desired.map((d) => instanceId(d.service, d.number)));
        for (const o of input.observed.filter((o) => !wanted.has(instanceId(o.service, o.number)))) {
          const actions = steps
            .filter((s) => s.instance === instanceId(o.service, o.number))
            .map((s) => s.action);
          const rest = ['stopped', 'completed', 'failed', 'skipped'].includes(o.state);
          expect(actions).toEqual(rest ? ['forget'] : ['stop', 'forget']);
        }
        for (const { action, causes } of steps) expect(causes.length > 0).toBe(action !== 'none');
      }),
      { numRuns: 300 },
    );
  });

  it('named services bring in what they depend on and nothing else', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        if (input.only === undefined || input.only.length === 0) return;
        const edges = new Map(input.services.map((s) => [s.id, s.dependsOn.map((d) => d.service)]));
        const scope = closure(input.only, edges);
        for (const { service } of planProject(input).steps) expect(scope.has(service)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('the plan is the same whatever the order of its input', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const turned: PlanInput = {
          ...input,
          services: input.services.map((s) => ({ ...s, dependsOn: [...s.dependsOn].reverse() })).reverse(),
          desired: [...input.desired].reverse(),
          observed: [...input.observed].reverse(),
          formerEdges: new Map([...(input.formerEdges ?? [])].reverse()),
        };
        expect(planProject(turned)).toEqual(planProject(input));
      }),
      { numRuns: 300 },
    );
  });

  it('1,000 services are planned without trouble', () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => `s${i}`);
    const edges = Object.fromEntries(ids.map((id, i) => [id, i === 0 ? [] : [`s${i - 1}`]]));
    expect(
      plan(
        edges,
        ids.map((id) => want(id)),
        [],
      ).order,
    ).toHaveLength(1_000);
  });
});
