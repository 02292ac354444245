import { expect, test } from 'vitest';
import {
  choice,
  integer,
  listOf,
  mapOf,
  name,
  object,
  optional,
  required,
  tagged,
  text,
} from '../../../src/daemon/api/shape.ts';

interface Pet {
  readonly name: string;
  readonly age?: number;
}

const pet = object<Pet>({ name: required(name(10)), age: optional(integer(0, 30)) });

test('a value of the shape is handed back as it is', () => {
  const value = { name: 'Rex', age: 3 };
  expect(pet(value, 'pet')).toEqual({ ok: true, value });
});

test.each([
  [pet, null, 'at must be an object'],
  [pet, [], 'at must be an object'],
  [pet, { age: 3 }, 'at.name is missing'],
  [pet, { name: 'Rex', age: undefined }, 'at.age must be a whole number from 0 to 30'],
  [pet, { name: 'Rex', age: 1.5 }, 'at.age must be a whole number from 0 to 30'],
  [pet, { name: 'Rex', toString: 1 }, 'at has an unknown member "toString"'],
  [pet, JSON.parse('{"name":"Rex","__proto__":1}'), 'at has an unknown member "__proto__"'],
  [listOf(pet), { length: 1, 0: { name: 'Rex' } }, 'at must be a list'],
  [listOf(pet), [{ name: 'Rex' }, 'hunter2'], 'at[1] must be an object'],
  [mapOf(text), { SECRET: 5 }, 'at."SECRET" must be a string'],
  [choice(['a', 'b']), 'c', 'at must be one of a, b'],
])('what is wrong is named by its place, without its value (%#)', (shape, value, message) => {
  expect(shape(value, 'at')).toEqual({ ok: false, error: message });
});

test('a union goes by its tag alone', () => {
  type Move = { readonly kind: 'walk' } | { readonly kind: 'jump'; readonly high: number };
  const move = tagged<Move, 'kind'>('kind', {
    walk: object<{ readonly kind: 'walk' }>({ kind: required(choice(['walk'])) }),
    jump: object<{ readonly kind: 'jump'; readonly high: number }>({
      kind: required(choice(['jump'])),
      high: required(integer(0, 9)),
    }),
  });
  expect(move({ kind: 'jump', high: 2 }, 'move').ok).toBe(true);
  expect(move({ kind: 'jump' }, 'move')).toEqual({ ok: false, error: 'move.high is missing' });
  expect(move({ kind: 'constructor' }, 'move')).toEqual({
    ok: false,
    error: 'move.kind must be one of walk, jump',
  });
});
