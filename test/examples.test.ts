import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { loadProject, nodeManifestIo } from '../src/manifest/load.ts';

const EXAMPLES = resolve(import.meta.dirname, '../examples');
const names = readdirSync(EXAMPLES).sort();

test('there are examples', () => {
  expect(names).toContain('quickstart');
});

test.each(names)('the example %s loads without any diagnostic', (name) => {
  const dir = join(EXAMPLES, name);
  const file = join(dir, 'setpoint.yaml');
  expect(existsSync(file)).toBe(true);
  const request = { files: [file], profiles: ['*'], set: {}, envFiles: [], named: [] };
  const { diagnostics, project } = loadProject(request, nodeManifestIo({ PATH: '/usr/bin:/bin' }));
  expect(diagnostics).toEqual([]);
  expect(project).toMatchObject({ name, dir, inactive: [] });
  expect(project?.services.length).toBeGreaterThan(1);
  for (const { id, description } of project?.services ?? []) {
    expect([id, description]).toEqual([id, expect.stringMatching(/\w/)]);
  }
});
