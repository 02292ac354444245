// `npm run bench:nix [-- --rounds 15]`: how long from the start of a service in a nix shell until its process runs. Cold:
// its flake was never seen before. Cached: the environment is there, found by a backend that has just been made, as by a
// daemon that begins. `nix develop`: what one would put before the command without Setpoint, nix's own caches being warm.
// A nix that counts its calls stands first on PATH: a cached start must make none.
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const rounds = Number(values.rounds);
const LIMIT_MS = 60_000;

const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-nix-')));
const folder = (name) => {
  const path = join(base, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
};
const realNix = execFileSync('/bin/sh', ['-c', 'command -v nix'], { encoding: 'utf8' }).trim();
const callsLog = join(base, 'calls');
const bin = folder('bin');
writeFileSync(join(bin, 'nix'), `#!/bin/sh\necho call >>'${callsLog}'\nexec '${realNix}' "$@"\n`, {
  mode: 0o755,
});
const calls = () => (existsSync(callsLog) ? readFileSync(callsLog, 'utf8').split('\n').length - 1 : 0);

// Works without root, network and users of nix's own; a shell without inputs, so that nothing is fetched.
const env = {
  PATH: `${bin}:${process.env.PATH}`,
  HOME: folder('home'),
  NIX_CONFIG: [
    'build-users-group =',
    'substituters =',
    'experimental-features = nix-command flakes',
    'sandbox = false',
    'flake-registry =',
  ].join('\n'),
};
const flakeText = (n) => `{
  outputs = { self }:
    let shell = system: derivation {
      name = "shell";
      inherit system;
      builder = "/bin/bash";
      outputs = [ "out" ];
      OF = "${base} ${n}";
    };
    in {
      devShells.x86_64-linux.default = shell "x86_64-linux";
      devShells.aarch64-linux.default = shell "aarch64-linux";
    };
}
`;
function flake(n) {
  const dir = folder(`flake-${n}`);
  writeFileSync(join(dir, 'flake.nix'), flakeText(n));
  return dir;
}

async function loadBackends() {
  const from = (path) => JSON.stringify(new URL(`../../src/backends/${path}`, import.meta.url).pathname);
  const outfile = join(base, 'backends.mjs');
  await build({
    stdin: {
      contents: `export { createNativeBackend } from ${from('native/native-backend.ts')};
        export { createNixBackend } from ${from('nix/nix-backend.ts')};`,
      resolveDir: base,
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return import(pathToFileURL(outfile));
}

const { createNativeBackend, createNixBackend } = await loadBackends();
const native = createNativeBackend({ env });
const commands = { run: () => Promise.reject(new Error('there are no commands here')) };
const nixBackend = () => createNixBackend({ native, commands, env, cacheRoot: folder('cache') });

let runs = 0;
const script = ': >"$1"';

/** Resolves with the milliseconds from now until the process that `begin` starts has made the file that it is given. */
async function timed(begin) {
  const mark = join(base, `mark-${(runs += 1)}`);
  const since = performance.now();
  const over = begin(mark, ['/bin/sh', '-c', script, 'sh', mark]);
  while (!existsSync(mark)) {
    if (performance.now() - since > LIMIT_MS) throw new Error(`no process within ${LIMIT_MS} ms`);
    await sleep(1);
  }
  const took = performance.now() - since;
  await over;
  return took;
}

async function start(backend, argv, more) {
  const instanceDir = folder('instance');
  const launch = {
    ...{ backend: backend.name, project: 'bench', service: 'web', argv, cwd: base, env, declaredEnv: {} },
    ...{
      hostEnv: env,
      ports: {},
      limits: {},
      mounts: [],
      stop: { signal: 'SIGTERM', graceMs: 1000 },
      ...more,
    },
  };
  if (backend.materialise !== undefined) {
    const made = await backend.materialise(launch, () => {}, new AbortController().signal);
    if (!made.ok) throw new Error(made.error.message);
  }
  const started = await backend.start({
    ...{ run: `bench-${runs}`, service: 'web', instance: 'web.1', launch, requires: [], instanceDir },
    ...{ stdoutPath: join(instanceDir, 'out'), stderrPath: join(instanceDir, 'err'), fingerprint: 'f' },
  });
  if (!started.ok) throw new Error(started.error.message);
  await started.value.proc.gone;
}

const nix = (dir) => ({ nix: { flake: dir, shell: 'default', impure: false } });
const same = flake('same');
const WAYS = {
  'without nix': () => timed((_, argv) => start(native, argv, {})),
  cached: () => timed((_, argv) => start(nixBackend(), argv, nix(same))),
  cold: (n) => {
    const dir = flake(`cold-${n}`);
    return timed((_, argv) => start(nixBackend(), argv, nix(dir)));
  },
  'nix develop': () =>
    timed((_, argv) => {
      const child = spawn('nix', ['develop', same, '--command', ...argv], {
        env,
        stdio: 'ignore',
        cwd: base,
      });
      return new Promise((done, fail) => {
        child.once('error', fail);
        child.once('exit', (code) =>
          code === 0 ? done() : fail(new Error(`nix develop ended with ${code}`)),
        );
      });
    }),
};

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN;

try {
  for (const way of Object.values(WAYS)) await way('warm-up');
  const took = Object.fromEntries(Object.keys(WAYS).map((name) => [name, []]));
  const called = Object.fromEntries(Object.keys(WAYS).map((name) => [name, 0]));
  // In turns, so that whatever else the machine does falls upon all alike.
  for (let n = 0; n < rounds; n += 1) {
    for (const [name, way] of Object.entries(WAYS)) {
      const before = calls();
      took[name].push(await way(n));
      called[name] += calls() - before;
    }
  }
  console.log(`${rounds} rounds, ${execFileSync(realNix, ['--version'], { encoding: 'utf8' }).trim()}`);
  console.log('way            median ms      min      max   times cached   nix calls');
  for (const [name, list] of Object.entries(took)) {
    const figures = [median(list), Math.min(...list), Math.max(...list)].map((ms) =>
      ms.toFixed(1).padStart(8),
    );
    const ratio = (median(list) / median(took.cached)).toFixed(2).padStart(12);
    console.log(`${name.padEnd(14)} ${figures.join(' ')} ${ratio}   ${String(called[name]).padStart(9)}`);
  }
  if (called.cached !== 0) throw new Error(`cached starts called nix ${called.cached} times`);
} finally {
  rmSync(base, { recursive: true, force: true });
}
