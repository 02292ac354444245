import { err, ok, type Result } from '../../core/util/result.ts';

/**
 * Says whether a decoded JSON value is a T. The error is one sentence that names the place and what was expected
 * there, never the value: it may be a secret. `at` is the value's path within the body.
 */
export type Shape<T> = (value: unknown, at: string) => Result<T, string>;

interface Field<T, Optional extends boolean> {
  readonly shape: Shape<T>;
  readonly optional: Optional;
}

/** Ties the fields to the type: one that is missing here, or optional in only one of the two, does not compile. */
type Fields<T> = {
  readonly [K in keyof T]-?: undefined extends T[K]
    ? Field<Exclude<T[K], undefined>, true>
    : Field<T[K], false>;
};

export function required<T>(shape: Shape<T>): Field<T, false> {
  return { shape, optional: false };
}

export function optional<T>(shape: Shape<T>): Field<T, true> {
  return { shape, optional: true };
}

export const text: Shape<string> = (value, at) =>
  typeof value === 'string' ? ok(value) : err(`${at} must be a string`);

export const flag: Shape<boolean> = (value, at) =>
  typeof value === 'boolean' ? ok(value) : err(`${at} must be true or false`);

/** A string of 1 to `longest` UTF-16 units. */
export function name(longest: number): Shape<string> {
  return (value, at) =>
    typeof value === 'string' && value !== '' && value.length <= longest
      ? ok(value)
      : err(`${at} must be a string of 1 to ${longest} characters`);
}

/** A whole number from `least` to `most`, both included. */
export function integer(least: number, most: number): Shape<number> {
  return (value, at) =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
      ? ok(value)
      : err(`${at} must be a whole number from ${least} to ${most}`);
}

export function choice<const T extends string | number>(values: readonly T[]): Shape<T> {
  return (value, at) => {
    const found = values.find((v) => v === value);
    return found === undefined ? err(`${at} must be one of ${values.join(', ')}`) : ok(found);
  };
}

export function listOf<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) return err(`${at} must be a list`);
    for (const [index, item] of value.entries()) {
      const checked = shape(item, `${at}[${index}]`);
      if (!checked.ok) return checked;
    }
    return ok(value as T[]);
  };
}

export function mapOf<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, at) => {
    if (!isObject(value)) return err(`${at} must be an object`);
    for (const [key, item] of Object.entries(value)) {
      const checked = shape(item, `${at}.${clip(key)}`);
      if (!checked.ok) return checked;
    }
    return ok(value as Record<string, T>);
  };
}

/** An object with exactly these members: one more is refused, because it would be ignored. */
export function object<T>(fields: Fields<T>): Shape<T> {
  const known = new Map<string, Field<unknown, boolean>>(Object.entries(fields));
  return (value, at) => {
    if (!isObject(value)) return err(`${at} must be an object`);
    for (const key of Object.keys(value)) {
      if (!known.has(key)) return err(`${at} has an unknown member ${clip(key)}`);
    }
    for (const [key, field] of known) {
      if (!Object.hasOwn(value, key)) {
        if (field.optional) continue;
        return err(`${at}.${key} is missing`);
      }
      const checked = field.shape(value[key], `${at}.${key}`);
      if (!checked.ok) return checked;
    }
    return ok(value as T);
  };
}

/** A union told apart by the string member `tag`. */
export function tagged<T extends object, K extends keyof T & string>(
  tag: K,
  members: { readonly [V in T[K] & string]: Shape<Extract<T, Readonly<Record<K, V>>>> },
): Shape<T> {
  const known = new Map<string, Shape<T>>(Object.entries(members));
  return (value, at) => {
    if (!isObject(value)) return err(`${at} must be an object`);
    const chosen = value[tag];
    const shape = typeof chosen === 'string' ? known.get(chosen) : undefined;
    return shape === undefined
      ? err(`${at}.${tag} must be one of ${[...known.keys()].join(', ')}`)
      : shape(value, at);
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A name as the client wrote it, short enough for a message. */
function clip(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}...` : key);
}
