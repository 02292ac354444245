// Bundles src/ into dist/: one script for the command line, and one for each part that only some commands need. So a
// command reads and compiles one or two files and looks no module up, and those that only talk to the daemon load
// neither the YAML parser nor the engine. CommonJS, because the loader of ES modules costs more at start than it brings.
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, relative, resolve } from 'node:path';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;

/** Dynamic imports of these become scripts of their own; all others stay where they are imported. */
const PARTS = [
  'src/cli/daemon-process.ts',
  'src/cli/load-locally.ts',
  'src/cli/offline.ts',
  'src/cli/reap-locally.ts',
  'src/tui/tui.ts',
  'src/daemon/api/document.ts',
  'src/cli/doctor-facts.ts',
  'src/backends/docker/docker-backend.ts',
  'src/backends/nix/nix-backend.ts',
  'chokidar',
  'dockerode',
  'execa',
  'prom-client',
];

const partName = (part) => `${basename(part, '.ts')}.cjs`;

/** Leaves a dynamic import of a part to be looked up beside the importing script. */
const separateParts = {
  name: 'separate-parts',
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined;
      const target = path.startsWith('.') ? relative(root, resolve(resolveDir, path)) : path;
      return PARTS.includes(target) ? { path: `./${partName(target)}`, external: true } : undefined;
    });
  },
};

/** The argument parser starts programs only for commands that are programs of their own; there are none here. */
const lazyChildProcess = {
  name: 'lazy-child-process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?child_process$/ }, ({ importer }) =>
      importer.includes('/commander/') ? { path: 'child_process', namespace: 'lazy' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'lazy' }, () => ({
      contents: `module.exports = { get spawn() { return require('node:child_process').spawn; } };`,
    }));
  },
};

/** A package that would be faster with an addon compiled for one machine does without it, as where there is none. */
const noAddons = {
  name: 'no-addons',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.node$/ }, ({ path }) => ({ path, namespace: 'addon' }));
    onLoad({ filter: /.*/, namespace: 'addon' }, () => ({
      contents: `throw new Error('there are no addons in a bundle');`,
    }));
  },
};

const outdir = `${root}dist`;
const common = {
  absWorkingDir: root,
  outdir,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'cjs',
  logLevel: 'warning',
};

rmSync(outdir, { recursive: true, force: true });
await build({
  ...common,
  entryPoints: {
    main: 'src/main.ts',
    ...Object.fromEntries(PARTS.map((part) => [basename(part, '.ts'), part])),
  },
  // `import()` of a script beside this one is a `require`: the loader of ES modules is not even started.
  supported: { 'dynamic-import': false },
  plugins: [separateParts, lazyChildProcess, noAddons],
});

/**
 * The installed program is a shell script that becomes Node on its second line, which to JavaScript is a text and a
 * comment. The `--` is why: without it Node takes an `--env-file` behind the script's name for its own.
 */
const START = `#!/bin/sh\n':' //; exec node -- "$0" "$@"`;

const digest = createHash('sha256');
for (const file of readdirSync(outdir).sort()) digest.update(readFileSync(`${outdir}/${file}`));
await build({
  ...common,
  entryPoints: { setpoint: 'src/boot.ts' },
  banner: { js: START },
  define: { BUILD_ID: JSON.stringify(digest.digest('hex').slice(0, 16)) },
});
chmodSync(`${outdir}/setpoint.cjs`, 0o755);
// Read by dockerode, beside itself, when an image is built.
cpSync(`${root}node_modules/dockerode/lib/proto`, `${outdir}/proto`, { recursive: true });
