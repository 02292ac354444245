import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export type Json = Record<string, unknown>;

interface Answer {
  readonly content: Readonly<Record<string, { readonly schema?: unknown }>>;
}

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, Answer | { readonly $ref: string }>>;
}

export interface Contract {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Json>>;
    readonly responses: Readonly<Record<string, Answer>>;
  };
}

export const contract = JSON.parse(
  readFileSync(new URL('../../../schema/api.json', import.meta.url), 'utf8'),
) as Contract;

/** Sees every object of a value. */
export function walk(value: unknown, visit: (node: Json) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) visit(value as Json);
  for (const child of Object.values(value)) walk(child, visit);
}

/** The contract with nothing allowed that it does not name, so that an answer with more in it is noticed. */
function strictContract(): Contract {
  const copy = structuredClone(contract);
  const parts = new Set<unknown>();
  walk(copy, (node) => {
    for (const part of (node['allOf'] ?? []) as Json[]) {
      const of = typeof part['$ref'] === 'string' ? copy.components.schemas[nameOf(part['$ref'])] : part;
      for (const one of (of?.['oneOf'] ?? [of]) as Json[]) parts.add(one);
    }
  });
  walk(copy, (node) => {
    if (node['allOf'] !== undefined) Object.assign(node, { type: 'object', unevaluatedProperties: false });
    else if (node['type'] === 'object' && node['properties'] !== undefined && !parts.has(node))
      node['additionalProperties'] = false;
  });
  return copy;
}

const ajv = new Ajv2020({
  strict: true,
  allErrors: true,
  allowUnionTypes: true,
  discriminator: false,
  keywords: ['openapi', 'info', 'servers', 'paths', 'components', 'discriminator'],
});
ajv.addSchema({ $id: 'contract', ...strictContract() });

function nameOf($ref: string): string {
  return $ref.slice($ref.lastIndexOf('/') + 1);
}

function compiled(pointer: string): ValidateFunction {
  const validate = ajv.getSchema(`contract#${pointer}`);
  if (validate === undefined) throw new Error(`there is nothing at ${pointer} of the contract`);
  return validate;
}

export function schemaOf(name: string): ValidateFunction {
  return compiled(`/components/schemas/${name}`);
}

/** What is wrong with a value that is to be of a schema of the contract. */
export function problems(name: string, value: unknown): unknown {
  return problemsOf(schemaOf(name), value);
}

function problemsOf(validate: ValidateFunction, value: unknown): unknown {
  return validate(JSON.parse(JSON.stringify(value))) ? [] : validate.errors;
}

/** The operation that a request is for; undefined where there is none. */
function operationAt(method: string, target: string): Operation | undefined {
  const given = (target.split('?')[0] ?? '').split('/');
  const found = Object.entries(contract.paths).find(([path]) => {
    const parts = path.split('/');
    return (
      parts.length === given.length && parts.every((part, n) => part.startsWith('{') || part === given[n])
    );
  });
  return found?.[1][method.toLowerCase()];
}

/**
 * Throws where an answer is none that the contract allows: of another status or type, or of another shape. `value` is
 * a JSON value: the whole answer, or a line of it. What is answered where no operation is has the shape of an error.
 */
export function checkAnswer(
  method: string,
  target: string,
  status: number,
  type: string,
  value: unknown,
): void {
  const operation = operationAt(method, target);
  const wrong =
    operation === undefined ? problems('ApiError', value) : answerProblems(operation, status, type, value);
  if (Array.isArray(wrong) && wrong.length === 0) return;
  throw new Error(
    `${method} ${target}: ${status} ${type} is not as the contract says: ${JSON.stringify(wrong)}`,
  );
}

function answerProblems(operation: Operation, status: number, type: string, value: unknown): unknown {
  const answer = operation.responses[status];
  if (answer === undefined) return 'the contract has no such status';
  const { content } = '$ref' in answer ? contract.components.responses[nameOf(answer.$ref)]! : answer;
  const schema = content[type.replace('; charset=utf-8', '')]?.schema as Json | undefined;
  if (schema === undefined) return 'the contract has no such type';
  const isFailedStream =
    type.startsWith('application/x-ndjson') && typeof value === 'object' && 'error' in (value ?? {});
  if (isFailedStream) return problems('ApiError', value);
  if (typeof schema['$ref'] === 'string') return problems(nameOf(schema['$ref']), value);
  return problemsOf(ajv.compile(schema), value);
}
