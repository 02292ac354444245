// Generates from schema/api.json, the contract of the API:
//   src/core/generated/api.ts                types of all that travels, and where each operation is
//   src/daemon/api/generated/requests.js     what each operation takes: query parameters, and compiled checks of bodies
// Neither is committed.
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv';
import required from 'ajv/dist/vocabularies/validation/required.js';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';
import { writeWhole } from './write-whole.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const contract = JSON.parse(readFileSync(`${root}schema/api.json`, 'utf8'));

const HEADER = `// Generated from schema/api.json by \`node .config/generate.mjs\`. Do not edit.\n`;

const KINDS = {
  'application/json': 'json',
  'application/x-ndjson': 'lines',
  'application/octet-stream': 'bytes',
  'text/plain; version=0.0.4': 'text',
};

export async function generateApi() {
  const operations = operationsOf(contract);
  await writeTypes(operations);
  await writeRequests(operations);
}

/** The operations as what generates from them needs them, with references to parameters followed. */
function operationsOf({ paths, components }) {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => {
      const parameters = (operation.parameters ?? []).map((parameter) =>
        parameter.$ref === undefined ? parameter : components.parameters[nameOf(parameter.$ref)],
      );
      const { content, required = false } = operation.requestBody ?? {};
      const [answerType, answer] = Object.entries(operation.responses['200'].content)[0];
      return {
        id: operation.operationId,
        summary: operation.summary,
        method: method.toUpperCase(),
        path,
        params: parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name),
        query: parameters.filter((parameter) => parameter.in === 'query'),
        body: content?.['application/json']?.schema,
        bodyRequired: required,
        octets: content?.['application/octet-stream']?.schema.maxLength,
        kind: KINDS[answerType],
        answer: answer.schema,
      };
    }),
  );
}

function nameOf($ref) {
  return $ref.slice($ref.lastIndexOf('/') + 1);
}

async function writeTypes(operations) {
  const raw = await compile({ title: 'Api', definitions: forTypes(contract.components.schemas) }, 'Api', {
    bannerComment: '',
    additionalProperties: false,
    unreachableDefinitions: true,
    ignoreMinAndMaxItems: true,
    format: false,
  });
  const types = raw
    .replace(/^export interface Api \{\n*\}\n/m, '')
    .replace(
      /\n \* ?\n \* This interface was referenced by `Api`'s JSON-Schema\n \* via the `definition` "\w+"\./g,
      '',
    );
  const source = [
    HEADER,
    `export const API_VERSION = ${Number(contract.info.version)};`,
    withReadonly(types),
    endpointsSource(operations),
    operationsSource(operations),
  ].join('\n');
  const file = `${root}src/core/generated/api.ts`;
  mkdirSync(`${root}src/core/generated`, { recursive: true });
  writeWhole(file, await format(source, { ...(await resolveConfig(file)), parser: 'typescript' }));
}

/** The same schemas in the words that json-schema-to-typescript turns into one type for each of them. */
function forTypes(node) {
  if (Array.isArray(node)) return node.map(forTypes);
  if (typeof node !== 'object' || node === null) return node;
  const { $ref, discriminator: _, ...rest } = node;
  const out = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, forTypes(value)]));
  if ($ref === undefined) return out;
  const ref = { $ref: `#/definitions/${nameOf($ref)}` };
  // Only a reference that is a part of something may have a description of its own.
  return Object.keys(out).length === 0 ? ref : { ...out, allOf: [ref] };
}

/** Every member and every array of the types may only be read. */
function withReadonly(source) {
  const file = ts.createSourceFile('api.ts', source, ts.ScriptTarget.Latest, true);
  const insertions = [];
  const visit = (node) => {
    const start = node.getStart(file);
    if (ts.isPropertySignature(node) || ts.isIndexSignatureDeclaration(node)) {
      insertions.push([start, 'readonly ']);
    } else if (ts.isArrayTypeNode(node)) {
      const nested = ts.isArrayTypeNode(node.parent);
      insertions.push([start, nested ? '(readonly ' : 'readonly ']);
      if (nested) insertions.push([node.end, ')']);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  let text = source;
  // From the end on; of two at one place the inner one first, so that the outer one comes to stand before it.
  for (const [at, what] of insertions.reverse().sort(([a], [b]) => b - a)) {
    text = text.slice(0, at) + what + text.slice(at);
  }
  return text;
}

function endpointsSource(operations) {
  const rows = operations.map(({ id, method, path, octets }) => {
    const limit = octets === undefined ? '' : `, octets: ${octets}`;
    return `${id}: { method: '${method}', path: '${path}'${limit} },`;
  });
  return `/**
 * Where each operation is. \`{name}\` stands for one segment of a path; \`octets\`: its body is bytes, at least one and at
 * most so many.
 */
export const endpoints = {\n${rows.join('\n')}\n} as const;\n
/** The name that the contract gives a request. */
export type OperationId = keyof typeof endpoints;\n`;
}

/** What a client gives (\`request\`), what a handler has of it (\`call\`), and what is answered. */
function operationsSource(operations) {
  const members = operations.map((operation) => {
    const { id, summary, kind, answer } = operation;
    return `/** ${summary} */
readonly ${id}: {
  readonly request: { ${membersOf(operation, true).join(' ')} };
  readonly call: { ${membersOf(operation, false).join(' ')} };
  readonly kind: '${kind}';
  readonly answer: ${answer?.$ref === undefined ? 'unknown' : nameOf(answer.$ref)};
};`;
  });
  return `/**
 * For every operation: what a client gives, what a handler has of it once it is checked and the defaults are filled in,
 * and what is answered: as one JSON value, as one in each line, as bytes or as text.
 */
export interface Operations {\n${members.join('\n')}\n}\n`;
}

function membersOf({ params, query, body, bodyRequired, octets }, isRequest) {
  const members = [];
  if (params.length > 0) {
    members.push(`readonly params: { ${params.map((name) => `readonly ${name}: string;`).join(' ')} };`);
  }
  if (query.length > 0) {
    const fields = query.map(({ name, description, schema }) => {
      const isThere = !isRequest && (schema.default !== undefined || schema.type === 'array');
      return `/** ${description} */\nreadonly '${name}'${isThere ? '' : '?'}: ${queryType(schema)};`;
    });
    members.push(`readonly query${isRequest ? '?' : ''}: {\n${fields.join('\n')}\n};`);
  }
  if (body !== undefined) members.push(`readonly body${bodyRequired ? '' : '?'}: ${nameOf(body.$ref)};`);
  if (octets !== undefined) members.push('readonly body: Uint8Array;');
  return members;
}

function queryType(schema) {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.type === 'array') return `readonly ${queryType(schema.items)}[]`;
  return schema.type === 'integer' ? 'number' : schema.type;
}

const REQUEST_TYPES = `${HEADER}
import type { OperationId } from '../../../core/generated/api.ts';

/** The part of a schema that a message or a query parameter is about. */
export interface Expectation {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  /** What \`pattern\` stands for, as people write it. */
  readonly title?: string;
  readonly items?: Expectation;
  readonly default?: unknown;
  /** What the member may be that tells the alternatives apart. */
  readonly tags?: readonly string[];
}
export interface QueryParameter {
  readonly name: string;
  readonly schema: Expectation;
}
export interface BodyError {
  /** JSON pointer into the body. */
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** What the value at that place had to be. */
  readonly parentSchema: Expectation;
}
export interface BodyCheck {
  (value: unknown): boolean;
  /** Of the last call: the first thing that is wrong. */
  readonly errors?: readonly BodyError[] | null;
}
export interface RequestCheck {
  readonly query: readonly QueryParameter[];
  /** Of a JSON body; absent where the operation takes none. */
  readonly body?: BodyCheck;
  readonly bodyRequired: boolean;
}
export const requests: Readonly<Record<OperationId, RequestCheck>>;
`;

async function writeRequests(operations) {
  const ajv = new Ajv({
    strict: true,
    verbose: true,
    messages: false,
    discriminator: true,
    inlineRefs: false,
    code: { source: true, esm: true, lines: false },
  });
  // What is wrong is told before what is missing: keywords are checked in the order in which they were added.
  ajv.removeKeyword('required').addKeyword(required.default);
  ajv.addVocabulary(['components', 'tags']);
  ajv.addSchema({ $id: 'api', components: { schemas: forChecks(contract.components.schemas) } });
  const bodies = [
    ...new Set(operations.flatMap(({ body }) => (body === undefined ? [] : nameOf(body.$ref)))),
  ];
  const checks = standaloneCode(
    ajv,
    Object.fromEntries(bodies.map((name) => [`check${name}`, `api#/components/schemas/${name}`])),
  );
  const rows = operations.map(({ id, query, body, bodyRequired }) => {
    const parameters = query.map(({ name, schema }) => ({ name, schema }));
    const check = body === undefined ? '' : `, body: check${nameOf(body.$ref)}`;
    return `  ${id}: { query: ${JSON.stringify(parameters)}, bodyRequired: ${bodyRequired}${check} },`;
  });
  const bundled = await build({
    stdin: {
      contents: `${checks.replaceAll('export const check', 'const check')}\nexport const requests = {\n${rows.join('\n')}\n};\n`,
      resolveDir: root,
      loader: 'js',
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifySyntax: true,
    legalComments: 'none',
  });
  const dir = `${root}src/daemon/api/generated`;
  mkdirSync(dir, { recursive: true });
  writeWhole(`${dir}/requests.js`, `${HEADER}${bundled.outputFiles[0].text}`);
  writeWhole(`${dir}/requests.d.ts`, REQUEST_TYPES);
}

/** The same schemas for ajv, which knows discriminators without a mapping; what that says is kept for messages. */
function forChecks(node) {
  if (Array.isArray(node)) return node.map(forChecks);
  if (typeof node !== 'object' || node === null) return node;
  const { discriminator, description: _, ...rest } = node;
  const out = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, forChecks(value)]));
  if (discriminator === undefined) return out;
  const { propertyName, mapping } = discriminator;
  return { ...out, type: 'object', discriminator: { propertyName }, tags: Object.keys(mapping) };
}
