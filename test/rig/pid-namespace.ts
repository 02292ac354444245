import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'vitest';
import { lacks, lacksRoot } from './needs.ts';
import { CLI, Command, type TestProject } from './setpoint.ts';
import { eventually } from './wait.ts';

const LAST_PID = '/proc/sys/kernel/ns_last_pid';
/** Where the numbers go on after one was chosen, so that nobody takes the next one that is to be chosen. */
const FAR_PID = 20_000;

/** Why no pid namespace can be made here; undefined where one can. Throws where nothing may lack, see `needs.ts`. */
export function lacksNamespaces(): string | undefined {
  return lacksRoot() ?? lacks('unshare', 'nsenter');
}

/**
 * Pids of the test's own, in which nobody else begins processes, so that the next one's number can be chosen. Pids are
 * those within; paths are the same as outside. All that is in it ends with the test.
 */
export class PidNamespace {
  readonly #init: number;

  private constructor(init: number) {
    this.#init = init;
  }

  /** `reaps`: whether what ends there without a parent leaves at once, or stays a zombie for ever. */
  static async open(ctx: TestContext, { reaps }: { readonly reaps: boolean }): Promise<PidNamespace> {
    const lack = lacksNamespaces();
    if (lack !== undefined) ctx.skip(lack);
    // Where SIGCHLD is ignored the kernel itself buries the dead.
    const first = [...(reaps ? ['env', '--ignore-signal=CHLD'] : []), 'sleep', '2147483'];
    const args = ['--pid', '--fork', '--mount-proc', '--kill-child', ...first];
    const child = spawn('unshare', args, { stdio: 'ignore', env: { PATH: process.env['PATH'] } });
    ctx.onTestFinished(() => void child.kill('SIGKILL'));
    const init = await eventually('the first process of the namespace', () => {
      const list = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'latin1').trim();
      if (list === '' || Number.isNaN(Number(list))) return undefined;
      return readFileSync(`/proc/${list}/comm`, 'latin1') === 'sleep\n' ? Number(list) : undefined;
    });
    return new PidNamespace(init);
  }

  /** A setpoint command within. */
  setpoint(project: TestProject, args: readonly string[]): Command {
    const child = spawn('nsenter', [...this.#enter(), CLI, ...args], {
      cwd: project.dir,
      env: project.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Command(child);
  }

  /** One that must end with 0; answers what it wrote to stdout. */
  async ok(project: TestProject, ...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.setpoint(project, args).ended;
    if (status === 0) return stdout;
    throw new Error(
      `setpoint ${args.join(' ')} ended with ${status ?? 'a signal'}\n${stdout}${stderr}\n--- daemon.log\n${project.daemonLog()}`,
    );
  }

  /** Runs a script of sh within, with an environment that holds nothing of the test; answers its output. */
  sh(script: string, ...args: readonly string[]): string {
    return execFileSync('nsenter', [...this.#enter(), 'sh', '-c', script, 'sh', ...args], {
      env: { PATH: process.env['PATH'] },
      encoding: 'utf8',
      timeout: 10_000,
    });
  }

  kill(pid: number, signal: string): void {
    this.sh('kill -"$1" "$2"', signal.slice(3), String(pid));
  }

  /** State letter, process group and start time of a process; undefined where there is none. */
  stat(
    pid: number,
  ): { readonly state: string; readonly pgid: number; readonly startTime: number } | undefined {
    const line = this.sh(
      'if [ -e "/proc/$1" ]; then read -r line <"/proc/$1/stat"; echo "$line"; fi',
      String(pid),
    );
    if (line === '') return undefined;
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', pgid: Number(fields[2]), startTime: Number(fields[19]) };
  }

  isRunning(pid: number): boolean {
    return !['Z', 'X', undefined].includes(this.stat(pid)?.state);
  }

  async gone(pid: number): Promise<void> {
    await eventually(`${pid} to have ended`, () => !this.isRunning(pid));
  }

  /** Resolves once nobody has this pid, not even a zombie. */
  async free(pid: number): Promise<void> {
    await eventually(`${pid} to be free`, () => this.stat(pid) === undefined);
  }

  /**
   * A process that has nothing to do with anything gets exactly this pid, and a session and a process group of that number.
   * Throws where another one came in between.
   */
  usurp(pid: number): void {
    const script = `
      echo $(($1 - 1)) >${LAST_PID} || exit
      setsid sleep 1000000 </dev/null >/dev/null 2>&1 &
      echo $!
      echo ${FAR_PID} >${LAST_PID}
    `;
    const got = Number(this.sh(script, String(pid)));
    if (got !== pid) throw new Error(`${got} was given in place of ${pid}`);
  }

  #enter(): string[] {
    return ['--target', String(this.#init), '--pid', '--mount', '--wd=.', '--'];
  }
}
