import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { describe, test } from 'vitest';
import { padding, TAR_END, tarHeader } from '../../../src/backends/docker/tar.ts';
import { lacks, lacksRoot } from '../../rig/needs.ts';
import { eventually } from '../../rig/wait.ts';

/** Names the engine that tests may use: `unix:///path`. It need not have any image. */
const HOST = 'SETPOINT_TEST_DOCKER_HOST';

/** An image with a shell and the usual small programs; made from the machine's static busybox, without any registry. */
export const IMAGE = 'setpoint-test/busybox:1';

const HOST_NAME = process.env[HOST];

/** Tests that need an engine; where none is named, one test that is skipped says so. */
export function describeOnEngine(what: string, body: () => void): void {
  describeUnless(lacksEngine(), what, body);
}

/** Tests that start, stop and kill an engine of their own. */
export function describeOnOwnEngine(what: string, body: () => void): void {
  describeUnless(lacksOwnEngine(), what, body);
}

function describeUnless(lack: string | undefined, what: string, body: () => void): void {
  if (lack === undefined) describe(what, body);
  else test(what, (ctx) => ctx.skip(lack));
}

/** Why tests that need an engine cannot run here; undefined where they can. Throws where nothing may lack. */
export function lacksEngine(): string | undefined {
  if (HOST_NAME === undefined) {
    return unavailable(`${HOST} names no Docker engine`);
  }
  return lacksBusybox();
}

/** In the image it is alone, without the libraries of the machine. */
function lacksBusybox(): string | undefined {
  const missing = lacks('busybox');
  if (missing !== undefined) return missing;
  if (!readFileSync(busyboxPath()).includes('/ld-')) return undefined;
  return unavailable('busybox is not statically linked (busybox-static)');
}

function unavailable(reason: string): string {
  if (process.env['SETPOINT_TEST_REQUIRE_ALL'] === undefined) return reason;
  throw new Error(`${reason}, and SETPOINT_TEST_REQUIRE_ALL is set`);
}

function busyboxPath(): string {
  return execFileSync('/bin/sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
}

/** Why tests that start, stop and kill an engine of their own cannot run here. */
function lacksOwnEngine(): string | undefined {
  return lacks('dockerd', 'containerd', 'runc', 'unshare', 'umount') ?? lacksBusybox() ?? lacksRoot();
}

/** The environment by which a backend finds the engine that tests may use. */
export function engineEnv(host = HOST_NAME ?? ''): Readonly<Record<string, string | undefined>> {
  return { DOCKER_HOST: host, PATH: process.env['PATH'], HOME: join(tmpdir(), 'no-home') };
}

/** The socket of the engine that tests may use. */
export function enginePath(): string {
  return (HOST_NAME ?? '').replace(/^unix:\/\//, '');
}

/** Speaks to the engine past the backend. */
export function dockerAt(host = HOST_NAME ?? ''): Docker {
  return new Docker({ socketPath: host.replace(/^unix:\/\//, '') });
}

/** Puts the test image on an engine, where it is not there yet. */
export async function provideImage(docker: Docker): Promise<void> {
  const there = await docker
    .getImage(IMAGE)
    .inspect()
    .catch(() => undefined);
  if (there !== undefined) return;
  const stream = await docker.importImage(Readable.from(busyboxArchive(), { objectMode: false }), {
    repo: 'setpoint-test/busybox',
    tag: '1',
  });
  stream.resume();
  await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
}

const FILES: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n',
  'etc/group': 'root:x:0:\nnobody:x:65534:\n',
};

export function* busyboxArchive(files: Readonly<Record<string, string>> = {}): Generator<Buffer> {
  const path = busyboxPath();
  const applets = execFileSync(path, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const name of ['bin', 'etc', 'root', 'tmp']) {
    yield tarHeader({ name, kind: 'folder', mode: name === 'tmp' ? 0o1777 : 0o755, size: 0 });
  }
  const program = readFileSync(path);
  yield tarHeader({ name: 'bin/busybox', kind: 'file', mode: 0o755, size: program.length });
  yield program;
  yield padding(program.length);
  for (const applet of applets.filter((name) => name !== 'busybox')) {
    yield tarHeader({ name: `bin/${applet}`, kind: 'link', mode: 0o777, size: 0, target: 'busybox' });
  }
  for (const [name, text] of Object.entries({ ...FILES, ...files })) {
    const content = Buffer.from(text);
    yield tarHeader({ name, kind: 'file', mode: 0o644, size: content.length });
    yield content;
    yield padding(content.length);
  }
  yield TAR_END;
}

/**
 * A Docker engine of a test's own, to be killed, stopped and started again. Its containerd is a process of its own, as it
 * is where a system runs both; and it has a network of its own, in which it cannot disturb the machine's or another engine.
 */
export class OwnEngine {
  readonly host: string;
  readonly #dir: string;
  readonly #args: readonly string[];
  #dockerd: ChildProcess | undefined;
  #containerd: ChildProcess | undefined;

  private constructor(dir: string, args: readonly string[]) {
    this.#dir = dir;
    this.#args = args;
    this.host = `unix://${join(dir, 's')}`;
  }

  static async start(...args: readonly string[]): Promise<OwnEngine> {
    const engine = new OwnEngine(mkdtempSync(join(tmpdir(), 'dk-')), args);
    const { dir, address } = { dir: engine.#dir, address: join(engine.#dir, 'c') };
    engine.#containerd = run('containerd', [
      ['--root', join(dir, 'croot')],
      ['--state', join(dir, 'cstate')],
      ['--address', address],
    ]);
    await eventually('containerd listens', () => existsSync(address));
    await engine.start();
    await provideImage(engine.docker);
    return engine;
  }

  get docker(): Docker {
    return dockerAt(this.host);
  }

  async start(): Promise<void> {
    this.#dockerd = run('unshare', [
      ['--net', '--', 'dockerd'],
      ['--host', this.host],
      ['--containerd', join(this.#dir, 'c')],
      ['--data-root', join(this.#dir, 'data')],
      ['--exec-root', join(this.#dir, 'exec')],
      ['--pidfile', join(this.#dir, 'pid')],
      this.#args,
    ]);
    const isUp = (): Promise<boolean> =>
      this.docker.ping().then(
        () => true,
        () => false,
      );
    await eventually('the engine answers', isUp, 40_000);
  }

  signal(signal: NodeJS.Signals): void {
    this.#dockerd?.kill(signal);
  }

  /** The daemon alone dies, at once. Its containers live until it is started again; with `--live-restore` beyond that. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.untilEnded();
    rmSync(join(this.#dir, 'pid'), { force: true });
  }

  /** After a signal that ends it. */
  untilEnded(): Promise<unknown> {
    return ended(this.#dockerd);
  }

  async stop(): Promise<void> {
    const containers = await this.docker.listContainers({ all: true });
    for (const { Id } of containers) await this.docker.getContainer(Id).remove({ force: true });
    this.signal('SIGTERM');
    await this.untilEnded();
    this.#containerd?.kill('SIGTERM');
    await ended(this.#containerd);
    // A kill leaves mounts that the next start does not know of.
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    for (const path of mounts.flatMap((line) => line.split(' ')[1] ?? []).reverse()) {
      if (path.startsWith(`${this.#dir}/`)) execFileSync('/bin/sh', ['-c', 'umount "$1"', 'sh', path]);
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** What it starts must not look like a process that a test left: it ends with the engine. */
function run(program: string, args: readonly (readonly string[])[]): ChildProcess {
  const { SETPOINT_TEST_ROOT: _, ...env } = process.env;
  return spawn(program, args.flat(), { stdio: 'ignore', env });
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  await eventually(
    'it has ended',
    () => child === undefined || child.exitCode !== null || child.signalCode !== null,
    30_000,
  );
}
