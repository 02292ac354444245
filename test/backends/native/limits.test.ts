import { expect, test } from 'vitest';
import { ulimitWords } from '../../../src/backends/native/launcher.ts';
import { planLimits } from '../../../src/backends/native/limits.ts';

test('limits of the whole unit are not set on the process', () => {
  expect(planLimits({ memory: 1, cpus: 0.25 }, undefined)).toEqual({
    ok: true,
    value: { words: '', prefix: [] },
  });
  expect(planLimits({ memory: 1, core_size: 0 }, undefined)).toEqual({
    ok: true,
    value: { words: 'c=0', prefix: [] },
  });
  expect(ulimitWords({ memory: 1, cpus: 0.25 })).toEqual({ words: '', inexact: [] });
});
