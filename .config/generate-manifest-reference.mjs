// Writes docs/manifest-keys.md from the schema and the tables of keys; see manifest-reference.ts.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import process from 'node:process';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = `${root}docs/manifest-keys.md`;

/** With `check` nothing is written, and a page that is out of date is an error. */
export async function writeManifestReference(schema, check) {
  const text = (await reference())(schema);
  if (!check) return writeFileSync(page, text);
  if (readFileSync(page, 'utf8') === text) return;
  process.stderr.write('docs/manifest-keys.md is out of date: run `npm run generate`\n');
  process.exitCode = 1;
}

/** Node of this version reads no TypeScript, so it is bundled first. */
async function reference() {
  const folder = mkdtempSync(join(tmpdir(), 'setpoint-reference-'));
  try {
    const outfile = join(folder, 'reference.mjs');
    await build({
      entryPoints: [`${root}.config/manifest-reference.ts`],
      bundle: true,
      outfile,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      logLevel: 'warning',
    });
    return (await import(pathToFileURL(outfile).href)).manifestReference;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
