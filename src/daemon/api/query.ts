import { err, ok, type Result } from '../../core/util/result.ts';
import { expected } from './expected.ts';
import type { Expectation, QueryParameter } from './generated/requests.js';

/**
 * Reads the query part of a request's target as the contract has it: every value by its name, defaults filled in.
 * Nothing is passed over: a parameter that is not known, is given twice where one is meant, or has a wrong value is
 * told of in one sentence.
 */
export function readQuery(
  search: string,
  parameters: readonly QueryParameter[],
): Result<Readonly<Record<string, unknown>>, string> {
  const given = new URLSearchParams(search);
  const query: Record<string, unknown> = {};
  for (const { name, schema } of parameters) {
    const read = readParameter(given.getAll(name), schema);
    if (!read.ok) return err(`query parameter ${name} ${read.error}`);
    const value = read.value ?? schema.default;
    if (value !== undefined) query[name] = value;
  }
  const unknown = [...given.keys()].find((key) => parameters.every(({ name }) => name !== key));
  return unknown === undefined
    ? ok(query)
    : err(`unknown query parameter ${JSON.stringify(unknown.slice(0, 60))}`);
}

function readParameter(values: readonly string[], schema: Expectation): Result<unknown, string> {
  if (values.includes('')) return err('is empty');
  if (schema.items !== undefined) {
    const { items } = schema;
    const wrong = values.some((value) => valueOf(value, items) === undefined);
    return wrong ? err(`must be ${expected(items)}`) : ok(values);
  }
  const [given, ...more] = values;
  if (given === undefined) return ok(undefined);
  if (more.length > 0) return err('is given more than once');
  const value = valueOf(given, schema);
  if (value !== undefined) return ok(value);
  return err(`must be ${schema.type === 'boolean' ? 'one of true, false' : expected(schema)}`);
}

/** Undefined where the text is none of what is expected. */
function valueOf(given: string, schema: Expectation): string | number | boolean | undefined {
  if (schema.type === 'boolean') return given === 'true' ? true : given === 'false' ? false : undefined;
  if (schema.type === 'integer') {
    const value = Number(given);
    const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema;
    return /^[0-9]{1,16}$/.test(given) && value >= minimum && value <= maximum ? value : undefined;
  }
  if (schema.enum?.includes(given) === false) return undefined;
  return schema.pattern === undefined || new RegExp(schema.pattern).test(given) ? given : undefined;
}
