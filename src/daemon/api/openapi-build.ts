/** Building blocks of the OpenAPI document: JSON Schema 2020-12, as OpenAPI 3.1 has it. */
export type Schema = Readonly<Record<string, unknown>>;

export function text(description: string, more: Schema = {}): Schema {
  return { type: 'string', description, ...more };
}

export function flag(description: string): Schema {
  return { type: 'boolean', description };
}

/** A whole number from 0. */
export function count(description: string, more: Schema = {}): Schema {
  return { type: 'integer', minimum: 0, description, ...more };
}

/** A point in time of the daemon's clock. */
export function time(description: string): Schema {
  return { type: 'number', description: `${description} (epoch ms)` };
}

export function list(items: Schema, description: string): Schema {
  return { type: 'array', items, description };
}

export function map(values: Schema, description: string): Schema {
  return { type: 'object', additionalProperties: values, description };
}

/** An object whose members are all required, apart from those named in `optional`. */
export function object(
  description: string,
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', description, properties, ...(required.length === 0 ? {} : { required }) };
}

/** An object of a request: a member that is not known is refused. */
export function strictObject(
  description: string,
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  return { ...object(description, properties, optional), additionalProperties: false };
}

export function oneOf(description: string, members: readonly Schema[]): Schema {
  return { description, oneOf: members };
}

export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** A reference with a description of its own, which stands beside `$ref` in JSON Schema 2020-12. */
export function described(name: string, description: string): Schema {
  return { ...ref(name), description };
}

export function constant(value: string): Schema {
  return { const: value };
}
