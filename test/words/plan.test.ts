import { describe, expect, it } from 'vitest';
import { type DesiredInstance, type ObservedInstance, planProject } from '../../src/core/plan.ts';
import { planText } from '../../src/words/plan.ts';

function want(service: string, change: Partial<DesiredInstance> = {}): DesiredInstance {
  return {
    service,
    number: 1,
    backend: 'native',
    fingerprint: 'f1',
    fields: {},
    policy: {},
    wanted: 'up',
    ...change,
  };
}

function seen(service: string, change: Partial<ObservedInstance> = {}): ObservedInstance {
  return { ...want(service), state: 'running', ...change };
}

function service(id: string, ...on: string[]) {
  return { id, dependsOn: on.map((to) => ({ service: to, condition: 'started' as const })) };
}

const VIEW = planProject({
  project: 'shop',
  manifest: 'setpoint.yaml',
  services: [service('api', 'cache'), service('worker'), service('cache'), service('db'), service('migrate')],
  desired: [
    want('api', { fingerprint: 'f2', fields: { 'env.PORT': '"8081"', 'env.TOKEN': '*** #0123456789ab' } }),
    want('worker', { policy: { 'backoff.max': '1m' } }),
    want('cache', { backend: 'docker' }),
    want('db'),
    want('migrate'),
  ],
  observed: [
    seen('api', { fields: { 'env.PORT': '"8080"', 'env.TOKEN': '*** #ba9876543210' } }),
    seen('worker', { policy: { 'backoff.max': '30s' } }),
    seen('db', { adopted: true }),
    seen('migrate', { state: 'completed' }),
    seen('legacy'),
  ],
});

it('what no run on record had made is shown, and that nobody can tell', () => {
  const nothing = { project: 'shop', manifest: 'setpoint.yaml', serviceCount: 1, steps: [], order: [] };
  const orphans = [{ id: '1', name: 'shop-legacy-1', service: 'legacy', running: true }];
  expect(planText({ ...nothing, orphans, drift: true })).toBe(
    `setpoint.yaml against what runs (project shop, 1 service)

  - orphan container shop-legacy-1  (from an earlier manifest): remove

1 orphan to remove.
`,
  );
  expect(planText({ ...nothing, orphansUnknown: 'no engine', drift: false })).toContain(
    '? whether there are orphans is not known: no engine\n\nNothing to do.',
  );
});

describe('planText', () => {
  it('shows every step with its cause, the counts and the order', () => {
    expect(planText(VIEW, { upSince: (id) => (id === 'db.1' ? '3d 4h' : undefined) })).toBe(
      `setpoint.yaml against what runs (project shop, 5 services)

  ~ api      replace    env.PORT "8080" -> "8081"
                        env.TOKEN (secret changed)
  ~ worker   in place   backoff.max 30s -> 1m
  + cache    start      added (docker)
  - legacy   stop       removed from the manifest
  = db       unchanged  adopted, up 3d 4h
  = migrate  unchanged  completed

1 to start, 1 to replace, 1 to stop, 1 in place. Order: stop legacy | start cache -> replace api
`,
    );
  });

  it('names instances where a service has several, and groups what may happen at once', () => {
    const view = planProject({
      project: 'shop',
      manifest: 'setpoint.yaml',
      services: [service('web', 'api'), service('api'), service('x'), service('y')],
      desired: [
        want('api', { fingerprint: 'f2' }),
        want('api', { number: 2, fingerprint: 'f2' }),
        want('web'),
        want('x'),
        want('y'),
      ],
      observed: [seen('api'), seen('api', { number: 2 }), seen('y', { state: 'failed' })],
    });
    expect(planText(view)).toBe(
      `setpoint.yaml against what runs (project shop, 4 services)

  ~ api.1  replace    launch f1 -> f2
  ~ api.2  replace    launch f1 -> f2
  + web    start      added (native)
  + x      start      added (native)
  + y      start      was failed

3 to start, 2 to replace. Order: start x, y | replace api.1 -> replace api.2 -> start web
`,
    );
  });

  it('says when there is nothing to do', () => {
    const view = planProject({
      project: 'shop',
      manifest: 'setpoint.yaml',
      services: [service('api')],
      desired: [want('api')],
      observed: [seen('api')],
    });
    expect(planText(view)).toBe(
      `setpoint.yaml against what runs (project shop, 1 service)

  = api  unchanged  running

Nothing to do.
`,
    );
    expect(
      planText(planProject({ project: 'p', manifest: 'm', services: [], desired: [], observed: [] })),
    ).toBe('m against what runs (project p, 0 services)\n\nNothing to do.\n');
  });

  it('needs no order where all is done in place', () => {
    const view = planProject({
      project: 'shop',
      manifest: 'm',
      services: [service('api')],
      desired: [want('api', { policy: { restart: 'always' } })],
      observed: [seen('api', { policy: { restart: 'never' } })],
    });
    expect(planText(view)).toContain('\n1 in place.\n');
  });

  it('keeps a long order and a long list of fields short', () => {
    const ids = Array.from({ length: 100 }, (_, i) => `s${i}`);
    const many = planProject({
      project: 'shop',
      manifest: 'm',
      services: ids.map((id) => service(id)),
      desired: ids.map((id) => want(id)),
      observed: [],
    });
    expect(planText(many).split('\n').at(-2)).toBe(
      '100 to start. Order: start s0, s1, s10, s11, s12, s13, s14, s15 and 92 more',
    );
    const fields = Object.fromEntries(ids.map((id) => [`env.${id}`, '"x"']));
    const wide = planProject({
      project: 'shop',
      manifest: 'm',
      services: [service('api')],
      desired: [want('api', { fingerprint: 'f2', fields })],
      observed: [seen('api')],
    });
    expect(planText(wide)).toContain('and 80 more');
  });

  it('colours by action without moving a column', () => {
    const plain = planText(VIEW);
    const coloured = planText(VIEW, { colour: (kind, text) => `<${kind}>${text}</>` });
    expect(coloured).toContain('  <replace>~ api      replace  </>  env.PORT');
    expect(coloured.replace(/<[^>]*>/g, '')).toBe(plain);
  });
});
