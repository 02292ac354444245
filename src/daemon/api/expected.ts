import type { Expectation } from './generated/requests.js';

/** What a value had to be, such as "a whole number from 0 to 1000": what follows "must be". */
export function expected(schema: Expectation): string {
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`;
  if (schema.title !== undefined) return `of the form ${schema.title}`;
  switch (schema.type ?? 'object') {
    case 'string':
      return schema.maxLength === undefined
        ? 'a string'
        : `a string of ${schema.minLength ?? 0} to ${schema.maxLength} characters`;
    case 'integer':
      return `a whole number from ${schema.minimum ?? 0} to ${schema.maximum ?? Number.MAX_SAFE_INTEGER}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return 'a list';
    default:
      return 'an object';
  }
}
