import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planText } from '../../src/words/plan.ts';
import type { PlanStep, PlanView } from '../../src/core/plan-view.ts';
import { buildFields, planResources, type ResourceState } from '../../src/core/resource-plan.ts';

function step(action: PlanStep['action'], service: string): PlanStep {
  const instance = `${service}.1`;
  return { id: `${action}:${instance}`, action, service, instance, causes: [], after: [], backend: 'docker' };
}

function planOf(...steps: PlanStep[]): PlanView {
  const active = steps.filter(({ action }) => action !== 'none').map(({ id }) => id);
  return {
    project: 'shop',
    manifest: 'setpoint.yaml',
    serviceCount: steps.length,
    steps,
    order: active.length === 0 ? [] : [active],
    drift: active.length > 0,
  };
}

function state(change: Partial<ResourceState> & Pick<ResourceState, 'kind'>): ResourceState {
  return { name: 'shop_x', backend: 'docker', neededBy: ['web'], usedBy: [], ...change };
}

function decided(plan: PlanView, states: readonly ResourceState[], whole = true): readonly string[] {
  const { resources = [] } = planResources(plan, states, whole);
  return resources.map(({ id, causes }) => `${id} ${causes.map(({ kind }) => kind).join(',')}`);
}

describe('what a resource needs', () => {
  const starts = planOf(step('start', 'web'));
  const rests = planOf(step('none', 'web'));

  test.each([
    [
      'a network that is missing',
      starts,
      state({ kind: 'network', wanted: {} }),
      'create:network:shop_x added',
    ],
    ['a volume that is missing', starts, state({ kind: 'volume', wanted: {} }), 'create:volume:shop_x added'],
    [
      'a network that is missing and that nothing starts for',
      rests,
      state({ kind: 'network', wanted: {} }),
      '',
    ],
    [
      'a network as it is wanted',
      starts,
      state({ kind: 'network', wanted: { driver: 'a' }, found: { driver: 'a' } }),
      '',
    ],
    [
      'a network that differs',
      rests,
      state({ kind: 'network', wanted: { driver: 'a' }, found: {} }),
      'recreate:network:shop_x changed',
    ],
    [
      'a volume that differs',
      rests,
      state({ kind: 'volume', wanted: { driver: 'a' }, found: {} }),
      'keep:volume:shop_x changed',
    ],
    [
      'a network that nothing names',
      rests,
      state({ kind: 'network', neededBy: [], found: {} }),
      'remove:network:shop_x removed',
    ],
    [
      'a volume that nothing names',
      rests,
      state({ kind: 'volume', neededBy: [], found: {} }),
      'keep:volume:shop_x removed',
    ],
    ['an image that is missing', starts, state({ kind: 'image', wanted: {} }), 'pull:image:shop_x added'],
    ['an image that is there', starts, state({ kind: 'image', wanted: {}, found: {} }), ''],
    [
      'an image that is always pulled',
      starts,
      state({ kind: 'image', wanted: {}, found: {}, always: true }),
      'pull:image:shop_x policy',
    ],
    [
      'an image that is always pulled, with nothing to start',
      rests,
      state({ kind: 'image', wanted: {}, found: {}, always: true }),
      '',
    ],
    [
      'a build without an image',
      starts,
      state({ kind: 'build', wanted: buildFields('1') }),
      'build:build:shop_x added',
    ],
    [
      'a build of other files',
      starts,
      state({ kind: 'build', wanted: buildFields('1'), found: buildFields('2') }),
      'build:build:shop_x changed',
    ],
    [
      'a build of the same files',
      starts,
      state({ kind: 'build', wanted: buildFields('1'), found: buildFields('1') }),
      '',
    ],
  ])('%s', (_, plan, of, expected) => {
    expect(decided(plan, [of])).toEqual(expected === '' ? [] : [expected]);
  });

  test('what is kept is said, and is no drift', () => {
    const view = planResources(
      rests,
      [state({ kind: 'volume', wanted: {}, found: { driver: 'nfs' } })],
      true,
    );
    expect(view).toMatchObject({ drift: false, order: [], resources: [{ action: 'keep' }] });
  });

  test('a plan of some services leaves alone what others have left', () => {
    const left = state({ kind: 'network', neededBy: [], found: {} });
    expect(decided(rests, [left], false)).toEqual([]);
    expect(
      decided(
        rests,
        [state({ kind: 'network', neededBy: ['db'], wanted: { driver: 'a' }, found: {} })],
        false,
      ),
    ).toEqual([]);
  });

  test('a start waits for what it needs, and a removal for the stop of what uses it', () => {
    const plan = planOf(step('start', 'web'), step('stop', 'old'));
    const view = planResources(
      plan,
      [
        state({ kind: 'network', name: 'new', wanted: {} }),
        state({ kind: 'network', name: 'gone', neededBy: [], usedBy: ['old'], found: {} }),
        state({ kind: 'image', name: 'web:1', wanted: {} }),
      ],
      true,
    );
    expect(view.order).toEqual([
      ['pull:image:web:1', 'create:network:new', 'stop:old.1'],
      ['remove:network:gone', 'start:web.1'],
    ]);
    expect(view.steps[0]?.after).toEqual(['pull:image:web:1', 'create:network:new']);
  });

  test('people read what is made, made anew, removed and kept, and in which order', () => {
    const view = planResources(
      planOf(step('replace', 'web')),
      [
        state({ kind: 'build', name: 'shop-web:latest', wanted: buildFields('1'), found: buildFields('2') }),
        state({ kind: 'network', name: 'shop_back', wanted: { internal: 'true' }, found: {} }),
        state({ kind: 'network', name: 'shop_gone', neededBy: [], found: {} }),
        state({ kind: 'volume', name: 'shop_data', wanted: { driver: 'nfs' }, found: {} }),
        state({ kind: 'volume', name: 'shop_left', neededBy: [], found: {} }),
      ],
      true,
    );
    expect(planText(view)).toBe(
      [
        'setpoint.yaml against what runs (project shop, 1 service)',
        '',
        '  + build shop-web:latest  build     inputs (content changed)',
        '  ~ network shop_back      recreate  internal added: true',
        '  - network shop_gone      remove    no service names it any more',
        '  = volume shop_data       keep      driver added: nfs',
        '                                     what is in it would be lost: remove it by hand, and the next start makes it as described',
        '  = volume shop_left       keep      no service names it any more',
        '                                     what is in it is kept; `down --volumes` removes it',
        '  ~ web  replace',
        '',
        '1 build to run, 1 network to recreate, 1 network to remove, 1 to replace. ' +
          'Order: remove shop_gone | recreate shop_back, build shop-web:latest -> replace web',
        '',
      ].join('\n'),
    );
  });

  test('an engine that does not answer is said to be unknown', () => {
    const text = planText({ ...rests, resourcesUnknown: 'the engine does not answer' });
    expect(text).toContain('? how networks, volumes and images are is not known: the engine does not answer');
  });
});

test('after the steps of a plan have been carried out the next plan has none', () => {
  const fields = fc.dictionary(fc.constantFrom('driver', 'internal', 'labels.a'), fc.constantFrom('1', '2'));
  const services = fc.subarray(['a', 'b', 'c']);
  const states = fc.uniqueArray(
    fc.record(
      {
        kind: fc.constantFrom('network' as const, 'volume' as const, 'image' as const, 'build' as const),
        name: fc.constantFrom('x', 'y', 'z'),
        backend: fc.constant('docker'),
        neededBy: services,
        usedBy: services,
        wanted: fields,
        found: fields,
        always: fc.constant(true as const),
      },
      { requiredKeys: ['kind', 'name', 'backend', 'neededBy', 'usedBy'] },
    ),
    { selector: ({ kind, name }) => `${kind} ${name}` },
  );
  const actions = fc.tuple(...['a', 'b', 'c'].map(() => fc.constantFrom('start', 'replace', 'stop', 'none')));
  fc.assert(
    fc.property(states, actions, (observed, chosen) => {
      const steps = chosen.map((action, i) => step(action as PlanStep['action'], ['a', 'b', 'c'][i] ?? ''));
      const view = planResources(planOf(...steps), observed, true);
      const { resources = [] } = view;
      // Every step that is carried out has its place, after all that it waits for.
      const carriedOut = [
        ...resources.filter(({ action }) => action !== 'keep'),
        ...view.steps.filter(({ action }) => action !== 'none'),
      ];
      expect(view.order.flat().sort()).toEqual(carriedOut.map(({ id }) => id).sort());
      const place = new Map(view.order.flatMap((batch, i) => batch.map((id) => [id, i] as const)));
      for (const { id, after } of carriedOut) {
        for (const other of after) expect(place.get(other) ?? -1).toBeLessThan(place.get(id) ?? -1);
      }
      const next = observed.flatMap((each): ResourceState[] => {
        const done = resources.find(({ kind, name }) => kind === each.kind && name === each.name);
        if (done === undefined || done.action === 'keep') return [each];
        if (done.action === 'remove') return [];
        return each.wanted === undefined ? [each] : [{ ...each, found: each.wanted }];
      });
      const settled = planResources(planOf(...['a', 'b', 'c'].map((id) => step('none', id))), next, true);
      expect(settled.drift).toBe(false);
      expect(
        (settled.resources ?? []).every(({ action, kind }) => action === 'keep' && kind === 'volume'),
      ).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
