// `npm run bench:reload [-- --saves 50 --services 10]`: how long after the manifest is saved its change is acted upon
// (the first signal to what is replaced), and how long until the changed service runs again.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { saves: { type: 'string', default: '50' }, services: { type: 'string', default: '10' } },
});
const saves = Number(values.saves);
const services = Number(values.services);
const SETPOINT = resolve(import.meta.dirname, '../../dist/setpoint.cjs');
const LIMIT_MS = 15_000;

const base = mkdtempSync(join(tmpdir(), 'bench-reload-'));
const folder = join(base, 'shop');
const runtime = join(base, 'run');
for (const path of [folder, runtime]) mkdirSync(path, { mode: 0o700 });
const env = { ...process.env, XDG_STATE_HOME: join(base, 'state'), XDG_RUNTIME_DIR: runtime };
const path = join(folder, 'setpoint.yaml');

const manifest = (n) =>
  `services:\n  web: { command: exec sleep 1000, env: { N: "${n}" } }\n` +
  Array.from({ length: services - 1 }, (_, i) => `  s${i}: { command: exec sleep 1000 }\n`).join('');

const WAYS = {
  'in place': (text) => writeFileSync(path, text),
  'renamed over': (text) => {
    writeFileSync(`${path}.tmp`, text);
    renameSync(`${path}.tmp`, path);
  },
};

function setpoint(...args) {
  const { status, stderr } = spawnSync(process.execPath, [SETPOINT, ...args], { cwd: folder, env });
  if (status !== 0) throw new Error(`setpoint ${args.join(' ')}: ${status}\n${stderr}`);
}

/** What happens to `web`, as it comes. */
class Happenings {
  #waiting;

  open() {
    const [name] = readdirSync(join(runtime, 'setpoint')).filter((file) => file.endsWith('.sock'));
    const socketPath = join(runtime, 'setpoint', name);
    return new Promise((done, fail) => {
      this.request = request(
        { socketPath, path: '/v1/events?limit=0&follow=true', agent: false },
        (response) => {
          // It is cut off at the end.
          const lines = createInterface({ input: response }).on('error', () => {});
          lines.on('line', (line) => {
            if (line === '') return;
            const happening = JSON.parse(line);
            if (happening.type === this.#waiting?.type && happening.service === 'web')
              this.#waiting.done(happening);
          });
          done();
        },
      );
      this.request.once('error', fail).end();
    });
  }

  next(type) {
    let timer;
    const late = new Promise((_, fail) => {
      timer = setTimeout(() => fail(new Error(`no ${type} within ${LIMIT_MS} ms`)), LIMIT_MS);
    });
    const item = new Promise((done) => (this.#waiting = { type, done }));
    return Promise.race([item, late]).finally(() => clearTimeout(timer));
  }

  close() {
    this.request?.removeAllListeners('error').on('error', () => {});
    this.request?.destroy();
  }
}

const sorted = (list) => [...list].sort((a, b) => a - b);
const quantile = (list, q) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? NaN;
const row = (name, list) =>
  console.log(
    `${name.padEnd(40)} median ${quantile(list, 0.5).toFixed(0).padStart(4)} ms   p95 ${quantile(list, 0.95).toFixed(0).padStart(4)} ms   max ${Math.max(
      ...list,
    )
      .toFixed(0)
      .padStart(4)} ms`,
  );

const happenings = new Happenings();
try {
  writeFileSync(path, manifest(0));
  setpoint('up', '-d', '--wait');
  await happenings.open();
  let n = 0;
  for (const [way, save] of Object.entries(WAYS)) {
    const acted = [];
    const ran = [];
    for (let i = 0; i < saves; i += 1) {
      const stopping = happenings.next('instance-stopping');
      const savedAt = Date.now();
      save(manifest((n += 1)));
      // The journal's time is that of the daemon, on the same clock.
      acted.push((await stopping).time - savedAt);
      ran.push((await happenings.next('instance-started')).time - savedAt);
      await new Promise((done) => setTimeout(done, 150));
    }
    row(`${way}: save to first action`, acted);
    row(`${way}: save to running again`, ran);
  }
} finally {
  happenings.close();
  spawnSync(process.execPath, [SETPOINT, 'down', '--timeout', '5s'], { cwd: folder, env });
  rmSync(base, { recursive: true, force: true });
}
