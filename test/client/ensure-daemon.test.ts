import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ClientError } from '../../src/client/client-error.ts';
import { ensureDaemon, type EnsuredDaemon, type EnsureOptions } from '../../src/client/ensure-daemon.ts';
import { serve, until } from '../daemon/api/rig.ts';
import { lacks } from '../rig/needs.ts';

let built = '';
let entry = '';

beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), 'setpoint-fixture-'));
  entry = join(built, 'daemon.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'fixture-daemon.ts')],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
});

afterAll(() => rmSync(built, { recursive: true, force: true }));

interface Place {
  readonly stateDir: string;
  readonly socketPath: string;
  readonly start: (mode: string, more?: Partial<EnsureOptions>) => Promise<EnsuredDaemon>;
  /** Of every daemon that got as far as to try for the lock. */
  readonly pids: () => readonly number[];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A project's folders; whatever daemon was started in them is killed at the end of the test. */
function place(): Place {
  const root = mkdtempSync(join(tmpdir(), 'setpoint-ensure-'));
  const stateDir = join(root, 'state');
  const socketPath = join(root, 'a.sock');
  const pids = (): number[] => {
    const file = join(stateDir, 'pids');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
  };
  onTestFinished(async () => {
    for (const pid of pids()) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until(() => !pids().some(isAlive));
    rmSync(root, { recursive: true, force: true });
  });
  return {
    stateDir,
    socketPath,
    pids,
    start: async (mode, more = {}) => {
      const args = [mode, stateDir, socketPath];
      const ensured = await ensureDaemon(
        { stateDir, socketPath },
        { entry, args, env: process.env, ...more },
      );
      onTestFinished(() => ensured.client.close());
      return ensured;
    },
  };
}

async function failureOf(promise: Promise<unknown>): Promise<ClientError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ClientError)) throw new Error(`no ClientError: ${String(error)}`);
  return error;
}

const locking = { skip: lacks('flock') !== undefined };

test('a daemon that runs is used as it is', async () => {
  const { socket } = await serve();
  const options = { entry: '/nowhere', args: [], env: {} };
  const { client, started } = await ensureDaemon({ stateDir: '/nowhere', socketPath: socket }, options);
  expect(started).toBe(false);
  client.close();
});

test('where none runs, one is started, and found the next time', locking, async () => {
  const { start, pids, stateDir } = place();
  const first = await start('serve');
  const second = await start('serve');
  expect([first.started, second.started]).toEqual([true, false]);
  expect((await first.client.info()).pid).toBe((await second.client.info()).pid);
  expect(pids()).toHaveLength(1);
  expect(statSync(stateDir).mode & 0o777).toBe(0o700);
  expect(statSync(join(stateDir, 'daemon.log')).mode & 0o777).toBe(0o600);
});

test('the daemon gets its own session, folder and environment', locking, async () => {
  const { start } = place();
  const env = {
    ...process.env,
    KEEP: 'me',
    NODE_OPTIONS: '--no-warnings',
    NODE_EXTRA_CA_CERTS: '/x',
    NODE_CHANNEL_FD: '9',
  };
  const info = await (await start('serve', { env })).client.info();
  const seen = JSON.parse(info.manifest) as { env: Record<string, string>; cwd: string };
  expect(seen.cwd).toBe('/');
  expect(seen.env).toMatchObject({ KEEP: 'me' });
  expect(Object.keys(seen.env).filter((name) => name.startsWith('NODE_'))).toEqual(
    Object.keys(process.env).filter((name) => /^NODE_(?!OPTIONS|EXTRA|CHANNEL)/.test(name)),
  );
  const session = spawnSync('ps', ['-o', 'sid=', '-p', `${info.pid}`], { encoding: 'utf8' }).stdout.trim();
  expect(Number(session)).toBe(info.pid);
});

test('ten at once end up with the same daemon', locking, async () => {
  const { start } = place();
  const all = await Promise.all(Array.from({ length: 10 }, () => start('serve')));
  const pids = await Promise.all(all.map(async ({ client }) => (await client.info()).pid));
  expect(new Set(pids).size).toBe(1);
  expect(all.filter(({ started }) => started)).toHaveLength(1);
});

test('a killed daemon is replaced, its socket included', locking, async () => {
  const { start } = place();
  const { pid } = await (await start('serve')).client.info();
  process.kill(pid, 'SIGKILL');
  await until(() => !isAlive(pid));
  const next = await start('serve');
  expect(next.started).toBe(true);
  expect((await next.client.info()).pid).not.toBe(pid);
});

test('a daemon that dies before it is ready is told of with its last words', async () => {
  const { start, stateDir } = place();
  mkdirSync(stateDir);
  writeFileSync(join(stateDir, 'daemon.log'), 'words of an earlier one\n');
  const { code, message, help } = await failureOf(start('die'));
  expect(code).toBe('daemon-died');
  expect(message).toBe(
    'the daemon ended before it was ready (exit 7); its last words:\nfirst [31m line\nlast line',
  );
  expect(help).toContain('daemon.log');
});

test('a daemon that is killed before it is ready is started anew', locking, async () => {
  const { start, pids } = place();
  expect((await start('killed-twice')).started).toBe(true);
  expect(pids()).toHaveLength(1);
});

test('one that is killed each time is given up', async () => {
  const { code, message } = await failureOf(place().start('killed'));
  expect([code, message]).toEqual(['daemon-died', 'the daemon ended before it was ready (SIGKILL)']);
});

test('what the daemon says is wrong reaches the caller', async () => {
  const { code, message, help } = await failureOf(place().start('refuse'));
  expect({ code, message, help }).toEqual({
    code: 'state-damaged',
    message: 'the state is damaged',
    help: 'mend it',
  });
});

test('one that says it is ready and is not there is not waited for for ever', async () => {
  expect((await failureOf(place().start('lie', { otherWithinMs: 50 }))).code).toBe('daemon-died');
});

test('one that holds the lock and never answers is given up, in time', async () => {
  const error = await failureOf(place().start('locked', { otherWithinMs: 50 }));
  expect(error.code).toBe('daemon-unreachable');
});

test('one that never gets ready is given up, in time', async () => {
  const { start, pids } = place();
  const error = await failureOf(start('mute', { readyWithinMs: 1500 }));
  expect(error.code).toBe('daemon-start-timeout');
  for (const pid of pids()) expect(error.message).toContain(`pid ${pid}`);
});

test('a state directory that cannot be written is an expected failure', async () => {
  const { start, stateDir } = place();
  writeFileSync(stateDir, 'a file');
  expect((await failureOf(start('serve'))).code).toBe('state-unwritable');
});

test('an environment that the system refuses is an expected failure', async () => {
  const { start } = place();
  const error = await failureOf(start('serve', { env: { BIG: 'x'.repeat(8 * 1024 * 1024) } }));
  expect([error.code, error.message]).toEqual(['daemon-spawn-failed', 'cannot start the daemon: E2BIG']);
});

test('a log that has grown large is set aside first', async () => {
  const { start, stateDir } = place();
  mkdirSync(stateDir);
  const log = join(stateDir, 'daemon.log');
  writeFileSync(log, 'x'.repeat(4 * 1024 * 1024 + 1));
  await failureOf(start('die'));
  expect(statSync(`${log}.1`).size).toBe(4 * 1024 * 1024 + 1);
  expect(readFileSync(log, 'utf8')).toContain('last line');
});

test('a daemon that was started by hand announces to nobody and runs on', () => {
  const run = spawnSync(process.execPath, [entry, 'unheard'], { encoding: 'utf8' });
  expect([run.status, run.stdout, run.stderr]).toEqual([0, 'alive\n', '']);
});
