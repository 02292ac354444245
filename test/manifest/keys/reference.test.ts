import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  manifestChanges,
  manifestReference,
  type ManifestSchema,
} from '../../../.config/manifest-reference.ts';
import type { RowsOf } from '../../../src/manifest/keys/table/row.ts';
import type { Backoff, Manifest } from '../../../src/manifest/generated/manifest-types.ts';
import { EDITS, type EditEffect } from '../../edits/rows.ts';

const root = new URL('../../../', import.meta.url);
const schema = JSON.parse(
  readFileSync(new URL('schema/setpoint.schema.json', root), 'utf8'),
) as ManifestSchema;
const changes = manifestChanges(schema);

test('the page of the keys is what the schema and the tables make', () => {
  expect(readFileSync(new URL('docs/manifest-keys.md', root), 'utf8')).toBe(manifestReference(schema));
});

test('every key of the page has a meaning', () => {
  const rows = manifestReference(schema)
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(rows.length).toBeGreaterThan(180);
  expect(rows.filter((line) => !/^\| `[a-z_]+` \| \S/.test(line))).toEqual([]);
});

/** Edits of other services' keys in a row that is said to be of the top. */
const NOT_OF_THE_TOP = ['/docker.networks', '/secrets.source'];
/** What is chosen in the end is the same, or it may be. */
const SAME_CHOICE = ['backend', 'backend_order'];

test('what the tables say of a change is what the plan makes of an edit', () => {
  const planned: Readonly<Record<string, EditEffect>> = {
    replace: 'replace',
    'in-place': 'update',
    scale: 'start',
    none: 'none',
  };
  const wrong = EDITS.flatMap(({ key, top, effect }) => {
    const place = top ? `/${key}` : key;
    if (NOT_OF_THE_TOP.includes(place)) return [];
    if (!changes.has(place)) return [`${place} has no row`];
    const change = changes.get(place);
    if (change === undefined || planned[change] === effect || SAME_CHOICE.includes(place)) return [];
    return [`${place}: ${change}, but the plan says ${effect}`];
  });
  expect(wrong).toEqual([]);
});

test('every row is tried by an edit', () => {
  const tried = new Set(EDITS.flatMap(({ key }) => [key, `/${key}`]));
  // A `live` probe knows no `log`, a path of a file is the file, and what is in `services` are the services.
  const untried = [
    '/services',
    'env_file.path',
    '/env_file.path',
    'live.log',
    'live.log.pattern',
    'live.log.stream',
  ];
  expect([...changes.keys()].filter((key) => !tried.has(key) && !untried.includes(key))).toEqual([]);
});

/** Told by the compiler: these lines fail to compile where an error that they expect is none. */
test('a table has a row for each key of the schema, and for nothing else', () => {
  const row = {};
  const all = { initial: row, max: row, multiplier: row, jitter: row, reset_after: row };
  // @ts-expect-error a key of the schema without a row
  const missing = { initial: row } satisfies RowsOf<Backoff>;
  // @ts-expect-error a row without a key of the schema
  const odd = { ...all, odd: row, timeout: row } satisfies RowsOf<Backoff>;
  const whole = all satisfies RowsOf<Backoff>;
  const free: keyof RowsOf<Manifest> extends `x-${string}` ? never : true = true;
  expect([missing, odd, whole, free].length).toBe(4);
});
