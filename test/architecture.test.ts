import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../src');

/** What each part may import besides itself. `cli` reaches the daemon only to be it, and that in one file. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ports: ['core'],
  schedule: ['core', 'ports'],
  host: ['core', 'ports'],
  watching: ['core', 'ports'],
  manifest: ['core', 'schedule', 'host'],
  engine: ['core', 'ports'],
  logs: ['core', 'ports'],
  store: ['core', 'ports'],
  probes: ['core', 'ports'],
  'backends/native': ['core', 'ports', 'host'],
  'backends/docker': ['core', 'ports', 'host'],
  'backends/nix': ['core', 'ports', 'host'],
  'backends/sandbox': ['core', 'ports', 'host'],
  reap: ['core', 'ports', 'host', 'store'],
  daemon: [
    'core',
    'ports',
    'host',
    'watching',
    'reap',
    'schedule',
    'manifest',
    'engine',
    'logs',
    'store',
    'probes',
    'backends/native',
    'backends/docker',
    'backends/nix',
    'backends/sandbox',
  ],
  client: ['core'],
  words: ['core'],
  terminal: ['core', 'words'],
  tui: ['core', 'client', 'words', 'terminal'],
  cli: ['core', 'client', 'words', 'terminal', 'manifest', 'logs', 'store', 'tui'],
  main: ['cli'],
  boot: ['core'],
};

/** Files that may do what their part may not. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  'cli/daemon-process.ts': ['daemon'],
  'cli/reap-locally.ts': ['reap'],
  'reap/leavings.ts': ['backends/docker'],
  'cli/doctor-engines.ts': ['host', 'backends/docker', 'backends/nix', 'backends/sandbox'],
};

/** The one place of each package; `cli` defines its commands and reads its command line in two files. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  yaml: ['manifest/read/parse.ts'],
  'blessed/lib/program.js': ['tui/screen.ts'],
  croner: ['schedule/cron.ts'],
  dockerode: ['backends/docker/dockerode.ts'],
  chokidar: ['watching/file-watcher.ts'],
  minimatch: ['watching/ignore-rules.ts'],
  'get-east-asian-width': ['words/width.ts'],
  'prom-client': ['daemon/metrics.ts'],
  execa: ['host/commands.ts'],
  commander: ['cli/program.ts', 'cli/run.ts', 'cli/grammar.ts', 'cli/completion.ts', 'cli/help.ts'],
};

/** What the source may import of what stands beside it. */
const OUTSIDE = ['../package.json', '../schema/api.json'];

const CORE_MAY_USE = new Map([['core/fingerprint.ts', ['node:crypto']]]);

interface Import {
  readonly file: string;
  readonly specifier: string;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
  .sort();

const imports: readonly Import[] = files.flatMap((file) => {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g,
  );
  return [...found].map((m) => ({ file, specifier: m[1] ?? m[2] ?? m[3] ?? '' }));
});

function partOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  if (file === 'main.ts' || file === 'boot.ts') return file.slice(0, -3);
  return top === 'backends' ? `${top}/${second}` : top;
}

describe('the structure of the source', () => {
  test('the walk sees the imports', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.length).toBeGreaterThan(200);
  });

  test('parts import only in the decided directions', () => {
    const wrong = imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ file, specifier }) => ({ file, target: relative(SRC, resolve(SRC, dirname(file), specifier)) }))
      .filter(({ file, target }) => {
        const [from, to] = [partOf(file), partOf(target)];
        if (target.startsWith('..')) return !OUTSIDE.includes(target);
        return from !== to && !(ALLOWED[from] ?? []).includes(to) && !(EXCEPTIONS[file] ?? []).includes(to);
      });
    expect(wrong).toEqual([]);
  });

  test('every package is imported in its one place', () => {
    const wrong = imports
      .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .filter(({ file, specifier }) => !(PACKAGES[specifier] ?? []).includes(file));
    expect(wrong).toEqual([]);
  });

  test('the core touches nothing: no system module, no clock, no chance', () => {
    const system = imports.filter(
      ({ file, specifier }) =>
        file.startsWith('core/') &&
        specifier.startsWith('node:') &&
        !(CORE_MAY_USE.get(file) ?? []).includes(specifier),
    );
    expect(system).toEqual([]);
    const impure = files
      .filter((file) => file.startsWith('core/'))
      .filter((file) =>
        /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.[a-z]+[.([]|\bsetTimeout\b/.test(
          readFileSync(join(SRC, file), 'utf8'),
        ),
      );
    expect(impure).toEqual([]);
  });

  test('only main ends the process', () => {
    const enders = files.filter((file) => /\bprocess\.exit\(/.test(readFileSync(join(SRC, file), 'utf8')));
    expect(enders).toEqual(['main.ts']);
  });
});
