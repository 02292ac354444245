// `npm run bench:docker [-- --count 20 --rounds 3 --only setpoint,compose,engine]`: so many busybox containers up and down
// by setpoint, by Compose (the plugin of the docker client where there is one, else docker-compose), and by bare calls of
// the engine as the limit, in turns. The engine is that of SETPOINT_TEST_DOCKER_HOST or DOCKER_HOST.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
  },
});
const count = Number(values.count);
const rounds = Number(values.rounds);
const SETPOINT = resolve(import.meta.dirname, '../../dist/setpoint.cjs');
const IMAGE = 'setpoint-bench/busybox:1';
/** As many as setpoint starts at once. */
const AT_ONCE = 8;
const host =
  process.env.SETPOINT_TEST_DOCKER_HOST ?? process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
const socketPath = host.replace(/^unix:\/\//, '');

const base = mkdtempSync(join(tmpdir(), 'bench-docker-'));
const folder = join(base, `bench${process.pid}`);
const runtime = join(base, 'run');
for (const path of [folder, runtime]) mkdirSync(path, { mode: 0o700 });
const env = {
  ...process.env,
  DOCKER_HOST: host,
  XDG_STATE_HOME: join(base, 'state'),
  XDG_RUNTIME_DIR: runtime,
};
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function call(method, path, body) {
  return new Promise((done, fail) => {
    const headers = { 'content-type': Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json' };
    const request = http.request(
      { socketPath, agent, method, path: `/v1.41${path}`, headers },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () => {
          if (response.statusCode < 400) done(text);
          else fail(Object.assign(new Error(text), { status: response.statusCode }));
        });
      },
    );
    request.on('error', fail);
    request.end(body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
}

/** The machine's static busybox, and nothing else. */
async function provideImage() {
  const root = join(base, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  const busybox = execFileSync('/bin/sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
  copyFileSync(busybox, join(root, 'bin/busybox'));
  for (const name of ['sh', 'sleep']) symlinkSync('busybox', join(root, 'bin', name));
  const archive = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 64 * 1024 * 1024 });
  await call('POST', '/images/create?fromSrc=-&repo=setpoint-bench/busybox&tag=1', archive);
}

function run(program, ...args) {
  const { status, stderr, stdout, error } = spawnSync(program, args, { cwd: folder, env, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${status}\n${stdout}${stderr}`}`);
  return stdout;
}

const succeeds = (program, ...args) =>
  spawnSync(program, args, { cwd: folder, env, stdio: 'ignore' }).status === 0;
const ids = Array.from({ length: count }, (_, i) => `s${i}`);

function writeManifests() {
  const each = (lines) =>
    ids.map((id) => `  ${id}:\n${lines.map((line) => `    ${line}\n`).join('')}`).join('');
  const common = [`image: ${IMAGE}`, 'command: [sleep, "1000"]'];
  writeFileSync(
    join(folder, 'setpoint.yaml'),
    `name: bench${process.pid}sp\nservices:\n${each([...common, 'docker: { pull: never }', 'stop: { signal: SIGKILL }'])}`,
  );
  writeFileSync(
    join(folder, 'compose.yaml'),
    `version: "3"\nservices:\n${each([...common, 'stop_signal: SIGKILL'])}`,
  );
}

const compose = succeeds('docker', 'compose', 'version')
  ? ['docker', 'compose']
  : succeeds('docker-compose', 'version')
    ? ['docker-compose']
    : undefined;

async function inTurns(items, atOnce, act) {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const network = `bench${process.pid}raw`;
const container = (id) => `${network}-${id}`;

const CONTESTANTS = {
  setpoint: {
    lacks: () => {
      if (!existsSync(SETPOINT)) return 'dist is not built';
      return succeeds(process.execPath, SETPOINT, 'check') ? undefined : 'its manifest knows no image';
    },
    up: () => run(process.execPath, SETPOINT, 'up', '-d', '--wait'),
    down: () => run(process.execPath, SETPOINT, 'down'),
  },
  compose: {
    lacks: () =>
      compose === undefined ? 'neither `docker compose` nor docker-compose is installed' : undefined,
    up: () => run(...compose, '-f', 'compose.yaml', 'up', '-d'),
    down: () => run(...compose, '-f', 'compose.yaml', 'down'),
  },
  engine: {
    lacks: () => undefined,
    up: async () => {
      await call('POST', '/networks/create', { Name: network, CheckDuplicate: true });
      const definition = { Image: IMAGE, Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: network } };
      await inTurns(ids, AT_ONCE, async (id) => {
        await call('POST', `/containers/create?name=${container(id)}`, definition);
        await call('POST', `/containers/${container(id)}/start`);
      });
    },
    down: async () => {
      await inTurns(ids, AT_ONCE, (id) => call('DELETE', `/containers/${container(id)}?force=1&v=1`));
      for (;;) {
        // The last containers may not have left it yet, though they are gone.
        const failure = await call('DELETE', `/networks/${network}`).then(
          () => undefined,
          (error) => error,
        );
        if (failure === undefined) return;
        if (failure.status !== 403) throw failure;
        await new Promise((done) => setTimeout(done, 20));
      }
    },
  },
};

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN;

async function timed(act) {
  const from = performance.now();
  await act();
  return performance.now() - from;
}

const wanted = values.only?.split(',') ?? Object.keys(CONTESTANTS);
const times = {};
try {
  await provideImage();
  writeManifests();
  const taking = wanted.filter((name) => {
    const lack = CONTESTANTS[name].lacks();
    if (lack !== undefined) console.log(`${name}: left out, ${lack}`);
    return lack === undefined;
  });
  for (let round = 0; round < rounds; round += 1) {
    for (const name of taking) {
      const { up, down } = CONTESTANTS[name];
      const of = (times[name] ??= { up: [], down: [] });
      of.up.push(await timed(up));
      of.down.push(await timed(down));
    }
  }
  console.log(`${count} containers, median of ${rounds} rounds (${compose?.join(' ') ?? 'no compose'})`);
  for (const [name, { up, down }] of Object.entries(times)) {
    const against = (what) => {
      const limit = times.engine?.[what];
      if (limit === undefined || name === 'engine') return '';
      return ` (${(median(times[name][what]) / median(limit)).toFixed(2)} of the bare engine)`;
    };
    const ms = (list) => `${median(list).toFixed(0).padStart(6)} ms`;
    console.log(`${name.padEnd(9)} up ${ms(up)}${against('up')}   down ${ms(down)}${against('down')}`);
  }
  if (times.setpoint !== undefined && times.compose !== undefined) {
    const ratio = (what) => (median(times.compose[what]) / median(times.setpoint[what])).toFixed(2);
    console.log(
      `compose takes ${ratio('up')} times as long up and ${ratio('down')} times as long down as setpoint`,
    );
  }
} finally {
  spawnSync(process.execPath, [SETPOINT, 'down', '--timeout', '5s'], { cwd: folder, env, stdio: 'ignore' });
  if (compose !== undefined)
    spawnSync(compose[0], [...compose.slice(1), '-f', 'compose.yaml', 'down'], {
      cwd: folder,
      env,
      stdio: 'ignore',
    });
  for (const id of ids) await call('DELETE', `/containers/${container(id)}?force=1&v=1`).catch(() => {});
  await call('DELETE', `/networks/${network}`).catch(() => {});
  await call('DELETE', `/images/${IMAGE}?force=1`).catch(() => {});
  agent.destroy();
  rmSync(base, { recursive: true, force: true });
}
