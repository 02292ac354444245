const text = { type: 'string', minLength: 1 };
const ref = (kind: string): object => ({
  type: 'object',
  required: ['$ref'],
  properties: { $ref: { type: 'string', pattern: `^#/components/${kind}/[A-Za-z]+$` } },
  additionalProperties: false,
});
const orRef = (kind: string, schema: object): object => ({
  type: 'object',
  if: { required: ['$ref'] },
  then: ref(kind),
  else: schema,
});
const mapOf = (values: object, keys = '^[A-Za-z]+$'): object => ({
  type: 'object',
  patternProperties: { [keys]: values },
  additionalProperties: false,
});
const object = (required: readonly string[], properties: Readonly<Record<string, object>>): object => ({
  type: 'object',
  required,
  properties,
  additionalProperties: false,
});

/** A Schema Object is checked by the meta-schema of its own dialect. */
const schema = { type: 'object' };
const content = {
  ...mapOf(object([], { schema }), '^[a-z]+/[a-z-]+(; version=0\\.0\\.4)?$'),
  minProperties: 1,
};
const parameter = {
  ...object(['name', 'in', 'schema'], {
    name: text,
    in: { enum: ['path', 'query'] },
    required: { type: 'boolean' },
    description: text,
    schema,
  }),
  if: { properties: { in: { const: 'path' } } },
  then: { required: ['required'], properties: { required: { const: true } } },
};
const answer = object(['description'], { description: text, content });
const operation = object(['operationId', 'summary', 'responses'], {
  operationId: { type: 'string', pattern: '^[a-z][A-Za-z]*$' },
  summary: text,
  parameters: { type: 'array', items: orRef('parameters', parameter) },
  requestBody: object(['content'], { description: text, required: { type: 'boolean' }, content }),
  responses: { ...mapOf(orRef('responses', answer), '^[1-5][0-9][0-9]$'), required: ['200'] },
});

/** What OpenAPI 3.1.0 says of the objects that the contract uses, and nothing else allowed. */
export const openApi31 = object(['openapi', 'info', 'paths', 'components'], {
  openapi: { const: '3.1.0' },
  info: object(['title', 'version'], {
    title: text,
    version: text,
    description: text,
    license: object(['name'], { name: text, identifier: text }),
  }),
  servers: { type: 'array', items: object(['url'], { url: text, description: text }) },
  paths: mapOf({ ...object([], { get: operation, post: operation }), minProperties: 1 }, '^/'),
  components: object([], {
    schemas: mapOf(schema),
    parameters: mapOf(parameter),
    responses: mapOf(answer),
  }),
});
