import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

type Plugin = NonNullable<Linter.Config['plugins']>[string];

const PLUGIN = resolve(import.meta.dirname, '../../.config/unique-type-names.js');
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'names-'));
  mkdirSync(join(root, 'a'));
});

afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  writeFileSync(join(root, file), text);
}

/** What the rule says of one file, linted alone. */
async function lint(file: string, text: string, except: readonly string[] = []): Promise<readonly string[]> {
  write(file, text);
  const { default: plugin } = (await import(PLUGIN)) as { default: Plugin };
  const messages = new Linter({ cwd: root }).verify(
    text,
    {
      files: ['**/*.ts'],
      languageOptions: { parser: tseslint.parser },
      plugins: { names: plugin },
      rules: { 'names/unique-type-names': ['error', { root, except }] },
    },
    join(root, file),
  );
  return messages.map(({ message }) => message);
}

describe('the rule against two exported types of one name', () => {
  it('fails on a pair, whichever kinds the two are of, and names the other one', async () => {
    write('a/one.ts', 'export interface Engine { a: 1 }\nexport class Reader {}\n');
    expect(await lint('two.ts', 'export type Engine = 1;\n')).toEqual([
      'The name Engine is taken by an exported type of a/one.ts: one thing, one name.',
    ]);
    expect(await lint('two.ts', 'export interface Reader { b: 2 }\n')).toHaveLength(1);
    expect(await lint('two.ts', 'export abstract class Engine {}\n')).toHaveLength(1);
  });

  it('lets pass what is not exported, passed on, of one file alone, generated or excepted', async () => {
    write('a/one.ts', 'export interface Engine { a: 1 }\ninterface Own { a: 1 }\n');
    expect(await lint('two.ts', 'interface Engine { b: 2 }\nexport interface Own { x: Engine }\n')).toEqual(
      [],
    );
    expect(await lint('two.ts', "export type { Engine } from './a/one.ts';\n")).toEqual([]);
    expect(await lint('a/one.ts', 'export interface Engine { a: 1 }\n')).toEqual([]);
    expect(await lint('two.ts', '// Generated from a schema.\nexport type Engine = 1;\n')).toEqual([]);
    expect(await lint('two.ts', 'export type Engine = 1;\n', ['Engine'])).toEqual([]);
  });

  it('sees what has changed since it first looked', async () => {
    write('a/one.ts', 'export interface Engine { a: 1 }\n');
    expect(await lint('two.ts', 'export type Engine = 1;\n')).toHaveLength(1);
    write('a/one.ts', 'export interface EngineClient { a: 1 }\n');
    expect(await lint('two.ts', 'export type Engine = 1;\n')).toEqual([]);
  });
});
