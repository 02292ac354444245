// Generates from schema/setpoint.schema.json:
//   src/manifest/generated/manifest-types.ts   types of a manifest
//   src/manifest/generated/validator.js        the compiled schema and its shape
//   docs/manifest-keys.md                      the page of all keys, which alone is committed
// and, from schema/api.json, what generate-api.mjs says.
// `--check` does not write what is committed, and fails where that is out of date.
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import Ajv from 'ajv';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';
import { generateApi } from './generate-api.mjs';
import { writeManifestReference } from './generate-manifest-reference.mjs';
import { writeWhole } from './write-whole.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const generatedDir = `${root}src/manifest/generated`;
const typesFile = `${generatedDir}/manifest-types.ts`;

const HEADER = `// Generated from schema/setpoint.schema.json by \`node .config/generate.mjs\`. Do not edit.`;

const schema = JSON.parse(readFileSync(`${root}schema/setpoint.schema.json`, 'utf8'));

async function manifestTypes() {
  const raw = await compile(forTypes(schema), 'Manifest', {
    bannerComment: HEADER,
    additionalProperties: false,
    unreachableDefinitions: false,
    format: false,
  });
  const free = 'readonly [extra: `x-${string}`]: unknown;';
  const withFree = raw.replace(
    /^export interface (Manifest|Service) \{$/gm,
    `$&\n/** Free for your own use. */\n${free}`,
  );
  return format(withFree, { ...(await resolveConfig(typesFile)), parser: 'typescript' });
}

/** The same contract in the words that json-schema-to-typescript turns into one interface for each definition. */
function forTypes(node) {
  if (Array.isArray(node)) return node.map(forTypes);
  if (typeof node !== 'object' || node === null) return node;
  const { $ref, patternProperties, examples: _, ...rest } = node;
  const out = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, forTypes(value)]));
  if ($ref !== undefined) return { ...out, allOf: [{ $ref }] };
  const values = Object.entries(patternProperties ?? {}).filter(([pattern]) => pattern !== '^x-');
  if (values.length > 0) out.additionalProperties = { $ref: values[0][1].$ref };
  return out;
}

/**
 * What the messages of the checker need of the schema, as JavaScript source: for every place of a manifest its keys,
 * what may stand there, and which definition it is of. Alternatives are joined: none of the schema holds two maps.
 */
export function shapeSource(whole = schema) {
  const names = Object.keys(whole.definitions);
  const body = names
    .map((name) => `  ${name}: ${JSON.stringify(shapeOf(whole.definitions[name], name))},`)
    .join('\n');
  return `const definitions = {\n${body}\n};\nexport const shape = ${JSON.stringify(shapeOf(whole))};
export function resolveShape(shape) { return shape.ref === undefined ? shape : definitions[shape.ref]; }\n`;
}

function shapeOf(node, name) {
  if (node.$ref !== undefined) return { ref: node.$ref.replace('#/definitions/', '') };
  const shape = { is: name, expected: node.errorMessage, types: [] };
  for (const branch of node.anyOf ?? [node]) addBranch(shape, branch);
  return shape;
}

function addBranch(shape, branch) {
  const body =
    branch.$ref === undefined ? branch : schema.definitions[branch.$ref.replace('#/definitions/', '')];
  if (body.anyOf !== undefined) return body.anyOf.forEach((inner) => addBranch(shape, inner));
  shape.types.push(...[body.type ?? []].flat());
  const values = body.enum ?? (body.const === undefined ? undefined : [body.const]);
  if (values !== undefined) shape.values = [...(shape.values ?? []), ...values];
  if (body.items !== undefined) shape.items = shapeOf(body.items);
  if (body.required !== undefined) shape.required = body.required;
  if (body.properties !== undefined) {
    shape.keys = Object.fromEntries(
      Object.entries(body.properties).map(([key, value]) => [key, shapeOf(value)]),
    );
  }
  if (typeof body.additionalProperties === 'object') shape.any = shapeOf(body.additionalProperties);
  const ids = Object.entries(body.patternProperties ?? {}).filter(([pattern]) => pattern !== '^x-');
  if (ids.length > 0) shape.any = shapeOf(ids[0][1]);
}

const VALIDATOR_TYPES = `${HEADER}
/** A place of the schema, with its alternatives joined. */
export interface Shape {
  /** The definition it stands for; then nothing else is set. */
  readonly ref?: string;
  /** Name of the definition it was made from. */
  readonly is?: string;
  /** "expected ..." */
  readonly expected?: string;
  readonly types?: readonly string[];
  readonly values?: readonly string[];
  readonly required?: readonly string[];
  readonly keys?: Readonly<Record<string, Shape>>;
  /** Of every key that \`keys\` does not name. */
  readonly any?: Shape;
  readonly items?: Shape;
}
export interface SchemaError {
  /** JSON pointer into the value. */
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}
export const validate: { (value: unknown): boolean; errors?: readonly SchemaError[] | null };
/** Of a whole manifest. */
export const shape: Shape;
export function resolveShape(shape: Shape): Shape;
`;

async function writeValidator() {
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    allowUnionTypes: true,
    messages: false,
    code: { source: true, esm: true, lines: false },
    keywords: ['errorMessage'],
  });
  const validator = standaloneCode(ajv, ajv.compile(schema)).replace(
    'export const validate =',
    'const validator =',
  );
  const bundled = await build({
    stdin: {
      contents: `${validator.replace('export default', 'export const validate =')}\n${shapeSource()}`,
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
  mkdirSync(generatedDir, { recursive: true });
  writeWhole(`${generatedDir}/validator.js`, `${HEADER}\n${bundled.outputFiles[0].text}`);
  writeWhole(`${generatedDir}/validator.d.ts`, VALIDATOR_TYPES);
}

async function main() {
  await writeValidator();
  writeWhole(typesFile, await manifestTypes());
  await writeManifestReference(schema, process.argv.includes('--check'));
  await generateApi();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
