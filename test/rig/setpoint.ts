import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { TestContext } from 'vitest';
import type { ProjectSnapshot } from '../../src/core/api.ts';
import type { InstanceSnapshot } from '../../src/core/event.ts';
import { checkAnswer, type Answer } from './contract.ts';
import { isRunning, killIfThere, processesWith, type Seen } from './processes.ts';
import { eventually } from './wait.ts';

/** The built command line; another build can be tested by naming it. */
export const CLI =
  process.env['SETPOINT_TEST_CLI'] ?? resolve(import.meta.dirname, '../../dist/setpoint.cjs');

/** No command of these tests takes this long unless it hangs. */
const COMMAND_MS = 25_000;

export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly input?: string;
}

/** A command under way, with what it has written so far. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS);
    this.ended = new Promise((done, fail) => {
      child.once('error', fail);
      child.once('close', (status, signal) => {
        clearTimeout(timer);
        done({ status, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves once it has written this to either stream. */
  async says(text: string | RegExp): Promise<void> {
    const has = (): boolean => {
      const all = this.stdout + this.stderr;
      return typeof text === 'string' ? all.includes(text) : text.test(all);
    };
    await eventually(`${String(text)} in: ${this.stdout}${this.stderr}`, () => has() || undefined);
  }
}

/**
 * A project in a temporary folder, with state and runtime folders of its own. Everything it starts carries the folder's
 * path in its environment; when the test ends nothing of it may be left.
 */
export class TestProject {
  readonly dir: string;
  readonly #base: string;
  readonly #more: Readonly<Record<string, string | undefined>>;

  /** `more`: what its commands have in their environment besides. */
  constructor(
    files: Readonly<Record<string, string>>,
    more: Readonly<Record<string, string | undefined>> = {},
  ) {
    this.#more = more;
    this.#base = realpathSync(mkdtempSync(join(tmpdir(), 'e2e-')));
    this.dir = join(this.#base, 'shop');
    for (const folder of [this.dir, this.stateHome, this.runtimeHome, this.temporary])
      mkdirSync(folder, { mode: 0o700 });
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  get stateHome(): string {
    return join(this.#base, 'state');
  }

  get runtimeHome(): string {
    return join(this.#base, 'run');
  }

  get temporary(): string {
    return join(this.#base, 'tmp');
  }

  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      ...this.#more,
      XDG_STATE_HOME: this.stateHome,
      XDG_RUNTIME_DIR: this.runtimeHome,
      TMPDIR: this.temporary,
      SETPOINT_TEST_PROJECT: this.dir,
    };
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(join(this.dir, name)), { recursive: true });
    writeFileSync(join(this.dir, name), text);
  }

  /** The file's text; '' while there is none. */
  read(name: string): string {
    const path = join(this.dir, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  lines(name: string): readonly string[] {
    return this.read(name)
      .split('\n')
      .filter((line) => line !== '');
  }

  start(args: readonly string[], options: RunOptions = {}): Command {
    const child = spawn(CLI, args, {
      cwd: options.cwd ?? this.dir,
      env: { ...this.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    return new Command(child);
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.start(args, options).ended;
  }

  /** Runs a command that must end with 0; answers what it wrote to stdout. */
  async ok(...args: readonly string[]): Promise<string> {
    const { status, signal, stdout, stderr } = await this.run(args);
    if (status === 0) return stdout;
    const how = `setpoint ${args.join(' ')} ended with ${status ?? signal ?? 'nothing'}`;
    throw new Error(`${how}\n${stdout}${stderr}\n--- daemon.log\n${this.daemonLog()}`);
  }

  /** What the daemons of the project have said; '' where none did. */
  daemonLog(): string {
    try {
      return readFileSync(join(this.stateDir(), 'daemon.log'), 'utf8');
    } catch {
      return '';
    }
  }

  /** The project's socket; undefined where there is none. */
  socket(): string | undefined {
    const folder = join(this.runtimeHome, 'setpoint');
    const found = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.sock')) : [];
    return found[0] === undefined ? undefined : join(folder, found[0]);
  }

  /** The project's state directory. */
  stateDir(): string {
    const root = join(this.stateHome, 'setpoint');
    const [name] = existsSync(root) ? readdirSync(root) : [];
    if (name === undefined) throw new Error('the project has left no state');
    return join(root, name);
  }

  log(instance: string, stream: 'stdout' | 'stderr' = 'stdout'): string {
    const path = join(this.stateDir(), 'instances', instance, `${stream}.log`);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** The body of an answer of the daemon, which has to be as the contract of the API says. */
  async api(path: string): Promise<string> {
    const socketPath = this.socket();
    if (socketPath === undefined) throw new Error('the daemon has no socket');
    const answer = await new Promise<Answer>((done, fail) => {
      request({ socketPath, path, agent: false }, (response) => {
        const { statusCode: status = 0, headers } = response;
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response
          .once('end', () => done({ status, type: headers['content-type'] ?? '', text }))
          .once('error', fail);
      })
        .once('error', fail)
        .end();
    });
    checkAnswer('GET', path, answer);
    return answer.text;
  }

  async snapshot(): Promise<ProjectSnapshot> {
    return JSON.parse(await this.api('/v1/status')) as ProjectSnapshot;
  }

  async instances(): Promise<readonly InstanceSnapshot[]> {
    return (await this.snapshot()).services.flatMap(({ instances }) => instances);
  }

  async instance(id: string): Promise<InstanceSnapshot | undefined> {
    return (await this.instances()).find((one) => one.id === id);
  }

  /** Resolves with the instance once it is in this state. */
  async becomes(id: string, kind: InstanceSnapshot['state']['kind']): Promise<InstanceSnapshot> {
    return eventually(`${id} to be ${kind}`, async () => {
      const one = await this.instance(id);
      return one?.state.kind === kind ? one : undefined;
    });
  }

  /** Pid of the main process of an instance, once it runs. */
  async pidOf(id: string): Promise<number> {
    return eventually(`${id} to run`, async () => {
      const state = (await this.instance(id))?.state;
      return state?.kind === 'running' ? state.pid : undefined;
    });
  }

  async daemonPid(): Promise<number> {
    return (await this.snapshot()).daemon.pid;
  }

  /** Kills the daemon as the kernel would for lack of memory; resolves with its pid once it is gone. */
  async killDaemon(): Promise<number> {
    const pid = await this.daemonPid();
    process.kill(pid, 'SIGKILL');
    await eventually(`the daemon ${pid} to be gone`, () => !isRunning(pid));
    return pid;
  }

  /** What runs of this project: services, launchers, daemons and commands. */
  processes(): readonly Seen[] {
    return processesWith(this.dir);
  }

  /** Of these, the daemons. */
  daemons(): readonly Seen[] {
    return this.processes().filter(({ command }) => command.includes(' __daemon '));
  }

  async nothingIsLeft(): Promise<void> {
    let left: readonly string[] = [];
    try {
      await eventually(
        'nothing to be left',
        () => {
          left = [
            ...this.processes().map(({ pid, command }) => `${pid} ${command}`),
            this.socket() ?? [],
          ].flat();
          return left.length === 0;
        },
        3_000,
      );
    } catch {
      throw new Error(`left of the project:\n${left.join('\n')}`);
    }
  }

  async dispose(): Promise<void> {
    try {
      if (this.processes().length > 0) await this.run(['down', '--timeout', '5s']);
      await eventually('nothing to run any more', () => this.processes().length === 0, 3_000).catch(() => {
        const left = this.processes();
        for (const { pid } of left) killIfThere(pid);
        throw new Error(`left running:\n${left.map(({ pid, command }) => `${pid} ${command}`).join('\n')}`);
      });
    } finally {
      rmSync(this.#base, { recursive: true, force: true });
    }
  }
}

/** A project for this test alone; `files` holds its manifest, `setpoint.yaml`, and what that needs. */
export function newProject(
  ctx: TestContext,
  files: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string | undefined>> = {},
): TestProject {
  if (!existsSync('/proc/self/environ')) ctx.skip('needs /proc');
  if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run \`npm run build\` first`);
  const project = new TestProject(files, more);
  ctx.onTestFinished(() => project.dispose());
  return project;
}
