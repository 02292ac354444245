import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export type Json = Record<string, unknown>;

interface Response {
  readonly content: Readonly<Record<string, { readonly schema?: unknown }>>;
}

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, Response | { readonly $ref: string }>>;
}

export interface Contract {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Json>>;
    readonly responses: Readonly<Record<string, Response>>;
  };
}

export const contract = JSON.parse(
  readFileSync(new URL('../../schema/api.json', import.meta.url), 'utf8'),
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
  // What is only a part of something has less than the whole: there a copy of it, which allows the rest.
  const parts = new Set<unknown>();
  walk(copy, (node) => {
    if (!Array.isArray(node['allOf'])) return;
    const all = (node['allOf'] as readonly Json[]).map((part) =>
      typeof part['$ref'] === 'string'
        ? structuredClone(contract.components.schemas[nameOf(part['$ref'])] ?? {})
        : part,
    );
    for (const part of all.flatMap((one) => (one['oneOf'] as readonly Json[] | undefined) ?? [one]))
      parts.add(part);
    node['allOf'] = all;
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
export function problems(name: string, value: unknown): readonly unknown[] {
  return problemsOf(schemaOf(name), value);
}

function problemsOf(validate: ValidateFunction, value: unknown): readonly unknown[] {
  return validate(value) ? [] : (validate.errors ?? []);
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

/** An answer as it was received. Of a stream, `text` is the whole lines of it that are there. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/**
 * Throws where an answer is none that the contract allows: of another status or type, or of another shape. What is
 * answered where no operation is has the shape of an error.
 */
export function checkAnswer(method: string, target: string, { status, type, text }: Answer): void {
  const wrong = answerProblems(
    operationAt(method, target),
    status,
    type.replace('; charset=utf-8', ''),
    text,
  );
  if (wrong.length === 0) return;
  throw new Error(
    `${method} ${target}: ${status} ${type} is not as the contract says: ${JSON.stringify(wrong)}`,
  );
}

function answerProblems(
  operation: Operation | undefined,
  status: number,
  type: string,
  text: string,
): readonly unknown[] {
  if (operation === undefined) return problems('ApiError', JSON.parse(text));
  const answer = operation.responses[status];
  if (answer === undefined) return ['the contract has no such status'];
  const { content } = '$ref' in answer ? contract.components.responses[nameOf(answer.$ref)]! : answer;
  const media = content[type];
  if (media === undefined) return ['the contract has no such type'];
  switch (type) {
    case 'application/json':
      return valueProblems(media.schema, JSON.parse(text));
    case 'application/x-ndjson':
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown)
        .flatMap((item) =>
          isFailure(item) ? problems('ApiError', item) : valueProblems(media.schema, item),
        );
    default:
      return [];
  }
}

/** The last line of a stream that failed. */
function isFailure(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'error' in item;
}

function valueProblems(schema: unknown, value: unknown): readonly unknown[] {
  const { $ref } = schema as { readonly $ref?: string };
  return $ref === undefined ? problemsOf(ajv.compile(schema as Json), value) : problems(nameOf($ref), value);
}
