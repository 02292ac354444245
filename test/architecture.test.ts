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
  // Loads each backend when it is needed.
  'backends/registry.ts': ['core', 'ports', 'backends/native', 'backends/docker', 'backends/nix'],
  reap: ['core', 'ports', 'host', 'store', 'backends/registry.ts'],
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
    'backends/registry.ts',
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
  'cli/doctor-engines.ts': ['host', 'backends/registry.ts', 'backends/sandbox'],
  // The type of its settings.
  'manifest/backends/nix-settings.ts': ['backends/nix'],
};

/** Files outside a backend's rooms that name one all the same, and why. */
const NAMES_A_BACKEND: Readonly<Record<string, string>> = {
  'core/service.ts': 'says which backend runs what asks for none',
  'core/reach.ts': 'engines call the machine host.docker.internal',
  'host/engine-endpoint.ts':
    "reads the docker client's own files, for the choice, the doctor and the backend",
  'manifest/keys/mounts.ts': 'whatever runs a service, the socket of an engine gives the machine away',
  'daemon/daemon.ts': 'makes the backend that is always there, on which others stand',
  'daemon/exec.ts': 'opens sessions beside a process of the machine',
  'cli/plan.ts': 'prints the lines of `--format docker`',
  'cli/program.ts': 'has the option `--format docker`',
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

/** As a word, or as a part of an identifier; in comments it may be. */
function namesBackend(text: string): boolean {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*/g, '$1');
  return /(?<![A-Za-z])(?:docker|nix|native)(?![a-z])|(?:Docker|Nix|Native)(?![a-z])/.test(code);
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

  test('a backend is named in its rooms: its folder, its dialect, and the registry', () => {
    const naming = files
      .filter((file) => !file.startsWith('backends/') && !file.startsWith('manifest/backends/'))
      .filter((file) => namesBackend(readFileSync(join(SRC, file), 'utf8')));
    expect(naming).toEqual(Object.keys(NAMES_A_BACKEND).sort());
  });

  test('the names of backends are seen in code, and nowhere else', () => {
    const named = [
      "'docker'",
      'createNixBackend()',
      'launch.nix',
      "from '../backends/native/x.ts'",
      'DOCKER_X',
    ];
    expect(named.map(namesBackend)).toEqual([true, true, true, true, false]);
    const others = [
      '// docker',
      '/** The backend docker. */',
      'unix',
      'Unix',
      'alternative',
      'dockerode',
      'nixpkgs',
    ];
    expect(others.map(namesBackend)).toEqual(others.map(() => false));
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
