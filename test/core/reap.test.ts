import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planReap, type ReapProcess, type ReapProject } from '../../src/core/reap.ts';

const DAEMON = 'a1b2c3d4e5f6a7b8c9';

function project(more: Partial<ReapProject> = {}): ReapProject {
  return {
    stateDir: '/state/shop-0123456789abcdef',
    name: 'shop',
    phase: 'up',
    live: false,
    manifestGone: false,
    elsewhere: false,
    runs: [{ run: `${DAEMON}-5`, instance: 'web.1', ended: false }],
    past: [`${DAEMON}-5`, 'ffffffffffffffffff-1'],
    damaged: false,
    ...more,
  };
}

function carrier(run: string, pid = 100): ReapProcess {
  return { pid, startTime: pid * 10, run, command: 'sleep 1' };
}

const latest = carrier(`${DAEMON}-5`);
const ended: ReapProject['runs'] = [{ run: `${DAEMON}-5`, instance: 'web.1', ended: true }];

describe('planReap', () => {
  test.each<[string, Partial<ReapProject>, ReapProcess, 'reap' | 'listed' | 'kept', string]>([
    ['the latest run of a project that is up', {}, latest, 'kept', 'the next daemon takes it over'],
    ['one whose daemon lives', { live: true, phase: 'down' }, latest, 'kept', 'looks after it'],
    ['one whose project is down', { phase: 'down' }, latest, 'reap', 'its project is down'],
    ['one that has ended', { runs: ended }, latest, 'reap', 'its run has ended'],
    ['one whose manifest is gone', { manifestGone: true }, latest, 'reap', 'manifest is gone'],
    ['one that the journal speaks of', {}, carrier('ffffffffffffffffff-1'), 'reap', 'not the latest run'],
    ['another one of the same daemon', {}, carrier(`${DAEMON}-4`), 'reap', 'not the latest run'],
    [
      'an old run where a record cannot be read',
      { damaged: true },
      carrier(`${DAEMON}-4`),
      'listed',
      'cannot be read, and may speak of it',
    ],
    ['one whose project cannot be read', { phase: undefined }, latest, 'listed', 'record cannot be read'],
    ['one that nobody knows', {}, carrier('0000000000000000ff-1'), 'listed', 'no state directory knows'],
    [
      'one that is kept elsewhere and not wanted there',
      { elsewhere: true, phase: 'down' },
      latest,
      'listed',
      'its state is kept elsewhere, in /state/shop-0123456789abcdef',
    ],
    ['one that is kept elsewhere and wanted there', { elsewhere: true }, latest, 'kept', 'takes it over'],
  ])('%s', (_, more, process, fate, reason) => {
    const plan = planReap([project(more)], [process], { unknown: false });
    expect(plan[fate].map(({ processes }) => processes)).toEqual([[process]]);
    expect(plan[fate][0]?.reason).toContain(reason);
  });

  test('what nobody knows is reaped when that is asked for, and nothing else changes by it', () => {
    const strange = carrier('0000000000000000ff-1', 7);
    const plan = planReap([project()], [latest, strange], { unknown: true });
    expect(plan.reap.map(({ processes }) => processes)).toEqual([[strange]]);
    expect(plan.kept.map(({ processes }) => processes)).toEqual([[latest]]);
  });

  test('run ids too short to be random are not taken for those of one daemon', () => {
    const short = project({ runs: [{ run: 'a-1', instance: 'web.1', ended: false }], past: [] });
    expect(planReap([short], [carrier('a-2')], { unknown: false }).listed).toHaveLength(1);
  });

  test('a record that names the run goes before another project that only speaks of it', () => {
    const copy = project({ name: 'copy', phase: 'down', runs: [], past: [latest.run] });
    expect(planReap([copy, project()], [latest], { unknown: false }).kept[0]?.project).toBe('shop');
  });

  test('every process ends up in exactly one group, and none of a project with a live daemon is reaped', () => {
    const runs = fc.constantFrom(
      `${DAEMON}-5`,
      `${DAEMON}-4`,
      'ffffffffffffffffff-1',
      '0000000000000000ff-1',
      'x',
    );
    const projects = fc.array(
      fc.record({
        phase: fc.constantFrom('up' as const, 'down' as const, undefined),
        live: fc.boolean(),
        manifestGone: fc.boolean(),
        elsewhere: fc.boolean(),
        damaged: fc.boolean(),
        ended: fc.boolean(),
      }),
      { maxLength: 1 },
    );
    const pids = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        projects,
        pids,
        fc.array(runs, { minLength: 8, maxLength: 8 }),
        fc.boolean(),
        (some, ids, of, unknown) => {
          const all = some.map(({ ended: over, ...more }) =>
            project({ ...more, runs: [{ run: `${DAEMON}-5`, instance: 'web.1', ended: over }] }),
          );
          const processes = ids.map((pid, index) => carrier(of[index] ?? 'x', pid));
          const plan = planReap(all, processes, { unknown });
          const grouped = [...plan.reap, ...plan.listed, ...plan.kept].flatMap((group) => group.processes);
          expect(grouped.map(({ pid }) => pid).sort((a, b) => a - b)).toEqual(ids.toSorted((a, b) => a - b));
          const [first] = all;
          if (first?.live === true)
            expect(plan.reap.filter(({ stateDir }) => stateDir !== undefined)).toEqual([]);
        },
      ),
    );
  });
});
