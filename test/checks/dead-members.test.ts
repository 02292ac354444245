import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'members-'));
  cpSync(join(ROOT, 'tsconfig.json'), join(root, 'tsconfig.json'));
  write('.config/dead-members.json', JSON.stringify({ writtenOut: ['wire.ts'], except: {} }));
  write('test/some.test.ts', "import { make } from '../src/made.ts';\nmake().onlyTested;\n");
});

afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

function check(): Promise<{ readonly status: number; readonly said: string }> {
  return new Promise((resolved) => {
    execFile(process.execPath, [join(ROOT, '.config/dead-members.mjs'), root], (error, stdout, stderr) =>
      resolved({ status: error === null ? 0 : Number(error.code), said: stdout + stderr }),
    );
  });
}

const MADE = `
export interface Made { readonly used: number; readonly dropped: number; readonly onlyTested: number; readonly inner: { readonly deep: number } }
export function make(): Made { return { used: 1, dropped: 2, onlyTested: 3, inner: { deep: 4 } }; }
export const sum = ({ used, inner: _ }: Made): number => used;
`;

describe('the check for dead members', () => {
  it('names what nobody in src reads, and what is optional and set by nobody, and fails', async () => {
    write('src/made.ts', MADE);
    write(
      'src/wire.ts',
      `export interface Sent { readonly told: number; readonly maybe?: number; readonly never?: number }
       export const send = (more: boolean): Sent => ({ told: 1, ...(more ? { maybe: 2 } : {}) });`,
    );
    expect(await check()).toEqual({
      status: 1,
      said: `Nobody in src reads:
  made.ts: Made.dropped
  made.ts: Made.onlyTested
  made.ts: Made.inner
  made.ts: Made.deep
Nobody in src sets:
  wire.ts: Sent.never
`,
    });
  });

  it('takes a method that only its own kind calls for dead', async () => {
    write(
      'src/port.ts',
      `export interface Port { run(): number; available(): boolean }
       class Inner implements Port { run(): number { return 1; } available(): boolean { return true; } }
       export class Outer implements Port {
         readonly #inner: Port = new Inner();
         run(): number { return this.#inner.run(); }
         available(): boolean { return this.#inner.available(); }
       }
       export const go = (port: Port): number => port.run();`,
    );
    const { said } = await check();
    expect(said.match(/\w+\.\w+$/gm)).toEqual(['Port.available', 'Inner.available', 'Outer.available']);
  });

  it('is content where a value is read as one of another type, or by a package, or all of it at once', async () => {
    write(
      'src/flow.ts',
      `interface Point { readonly x: number; readonly y: number }
       export const length = ({ x, y }: Point): number => x + y;
       export interface Place { readonly x: number; readonly y: number; readonly name: string }
       export const far = (place: Place): string => place.name.repeat(length(place));
       export interface Found { readonly places: readonly Place[] }
       export const print = (all: { readonly places: readonly { readonly name: string }[] }): unknown => all.places;
       export const tell = (found: Found): unknown => print(found);
       export interface Listed { readonly one: number; readonly two: number }
       export const list = (listed: Listed): unknown => Object.entries(listed);
       export interface Waits { readonly signal: AbortSignal; readonly once: boolean }
       export const listen = (waits: Waits): void => waits.signal.addEventListener('abort', () => undefined, waits);`,
    );
    expect(await check()).toEqual({ status: 0, said: '' });
  });

  it('lets exceptions pass, and names those that are none any more', async () => {
    write('src/made.ts', 'export interface Made { readonly dropped: number }\n');
    const except = { 'made.ts: Made.dropped': 'it is foreign', 'made.ts: Made.gone': 'it was there once' };
    write('.config/dead-members.json', JSON.stringify({ writtenOut: [], except }));
    expect(await check()).toEqual({
      status: 1,
      said: 'Not dead, or not there, so no exception is needed:\n  made.ts: Made.gone\n',
    });
  });
});
