import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { policyFields } from '../../src/core/fields/policy.ts';
import type { ObservedInstance } from '../../src/core/plan.ts';
import { launchRecord, projectPlan, type ProjectContext } from '../../src/core/project-plan.ts';
import { createRedactor } from '../../src/core/redact.ts';
import type { Project } from '../../src/core/service.ts';
import { loadProject, nodeManifestIo } from '../../src/manifest/load.ts';
import { EDITS, FILES, manifestOf } from './rows.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'edits-'));
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function loaded(manifest: unknown): Project {
  const file = join(dir, 'setpoint.yaml');
  writeFileSync(file, JSON.stringify(manifest));
  const request = { files: [file], profiles: ['on'], set: {}, envFiles: [], named: [] };
  const { project, diagnostics } = loadProject(request, nodeManifestIo({}));
  if (project === undefined) throw new Error(JSON.stringify(diagnostics, null, 1));
  return project;
}

function contextOf(project: Project): ProjectContext {
  return {
    hostEnv: {},
    port: (_, number, port) => 30_000 + port.length * 10 + number,
    services: new Map(project.services.map((spec) => [spec.id, spec])),
    redactor: createRedactor({}),
    salt: 'salt',
    ...(project.resources === undefined ? {} : { resources: project.resources }),
  };
}

/** The plan for an edit of a project of which everything runs. */
function planOf(before: Project, after: Project) {
  const context = contextOf(before);
  const observed = before.services.flatMap((spec): ObservedInstance[] =>
    Array.from({ length: spec.replicas }, (_, at) => ({
      service: spec.id,
      number: at + 1,
      backend: spec.launch.backend,
      state: spec.schedule === undefined ? 'running' : 'scheduled',
      wanted: 'up',
      policy: policyFields(spec, context.redactor, context.salt),
      ...launchRecord(spec, before.name, at + 1, context),
    })),
  );
  return projectPlan(after, contextOf(after), { observed });
}

describe.each([
  ['a service', undefined],
  ['the manifest', true],
])('an edit of a key of %s is planned as what it does', (_, top) => {
  test.each(EDITS.filter((edit) => edit.top === top).map((edit) => [edit.key, edit] as const))(
    '%s',
    (_key, edit) => {
      const before = loaded(
        manifestOf(edit, edit.key === 'command' ? { command: ['sleep', '999'] } : edit.before),
      );
      const plan = planOf(before, loaded(manifestOf(edit, edit.after)));
      const active = plan.steps.filter(({ action }) => action !== 'none');
      expect(active.map(({ action }) => action)).toEqual(edit.effect === 'none' ? [] : [edit.effect]);
      expect(plan.drift).toBe(edit.effect !== 'none');
      const fields = active.flatMap(({ causes }) =>
        causes.flatMap((cause) => (cause.kind === 'changed' ? cause.fields.map(({ field }) => field) : [])),
      );
      expect(fields).toEqual(edit.fields);
      // And after it there is nothing more to do.
      const same = loaded(manifestOf(edit, edit.after));
      expect(planOf(same, same).drift).toBe(false);
    },
  );
});

test('every key of the schema is edited here', () => {
  const tried = new Set(EDITS.map(({ key }) => key));
  const missing = schemaKeys().filter((key) => !tried.has(key) && !UNTRIED.has(key));
  expect(missing).toEqual([]);
  expect([...UNTRIED].filter((key) => tried.has(key))).toEqual([]);
});

/** A probe `live` knows no `log`, a path of a file is the file, and what is in `services` are the services. */
const UNTRIED = new Set(['services', 'env_file.path', 'live.log', 'live.log.pattern', 'live.log.stream']);

interface SchemaNode {
  readonly $ref?: string;
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
}

/** As rows name them; a key of `defaults` is one of a service. */
function schemaKeys(): readonly string[] {
  const schema = JSON.parse(
    readFileSync(new URL('../../schema/setpoint.schema.json', import.meta.url), 'utf8'),
  ) as SchemaNode & { readonly definitions: Readonly<Record<string, SchemaNode>> };
  const keys = new Set<string>();
  const walk = (node: SchemaNode, at: string, seen: readonly string[]): void => {
    const name = node.$ref?.replace('#/definitions/', '');
    if (name !== undefined && !seen.includes(name)) walk(schema.definitions[name] ?? {}, at, [...seen, name]);
    for (const one of node.anyOf ?? []) walk(one, at, seen);
    for (const [key, value] of Object.entries(node.properties ?? {})) {
      const path = at === '' ? key : `${at}.${key}`;
      if (path === 'defaults') keys.add(path);
      else if (path === 'services') walk(value, '', seen);
      else {
        keys.add(path);
        walk(value, path, seen);
      }
    }
    const named = Object.entries(node.patternProperties ?? {}).filter(([pattern]) => pattern !== '^x-');
    for (const [, value] of named) walk(value, at, seen);
    if (typeof node.additionalProperties === 'object') walk(node.additionalProperties, at, seen);
    if (node.items !== undefined) walk(node.items, at, seen);
  };
  walk(schema, '', []);
  return [...keys].sort();
}
