import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerInspectInfo } from './dockerode.ts';
import type { Exit, StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type {
  ExecOptions,
  ExecRequest,
  ExecSession,
  Proc,
  UnitMember,
  UnitStats,
} from '../../ports/backend.ts';
import type { CommandResult } from '../../ports/commands.ts';
import { removeContainer } from './cleanup.ts';
import type { EngineClient, EngineResult } from './engine-client.ts';
import { execIn } from './exec.ts';
import { openExec } from './exec-session.ts';
import { exitOf } from './exits.ts';
import { ObservedHealth } from './health.ts';
import { ContainerInput } from './input.ts';
import { ObservedKnowledge } from './knowledge.ts';
import { LogPump } from './log-pump.ts';
import { LABELS } from './names.ts';
import type { RunFile } from './run-file.ts';
import { removeSecrets } from './secret-files.ts';
import { parseStats, parseTop } from './stats.ts';

export interface DockerProcOptions {
  readonly run: string;
  readonly engine: EngineClient;
  /** Undefined where an earlier daemon's was lost: then nothing is known of the output. */
  readonly file: RunFile | undefined;
  readonly instanceDir: string;
  /** The container's id, where it is known; else it is found by its label. */
  readonly container?: string;
  /** Signals that are known to have been sent already. */
  readonly sent?: readonly string[];
  /** What it has as its standard input. */
  readonly input?: 'pipe' | 'terminal';
  readonly onWarning: (message: string) => void;
}

/** How long the end of a run is held back for output that does not come, while the engine is away. */
const AWAY_MS = 10_000;
/** And while it is there: before it sends anything, it may have to look through gigabytes. */
const SEEKING_MS = 60_000;
const HEALTH_EVERY_MS = 1_000;
const AGAIN_MS = 200;
const STALL_POLL_MS = 250;

/**
 * The container of one run, made here or by an earlier daemon. Whatever is known of it comes from looking at it: after
 * every answer and every break of a connection it is looked at again. While the engine is away nothing is concluded.
 *
 * Once it has ended and its output was copied, that is noted and the container is removed, with its anonymous volumes.
 */
export class DockerProc implements Proc {
  readonly run: string;
  readonly exited: Promise<Exit>;
  readonly gone: Promise<void>;
  readonly health = new ObservedHealth();
  readonly knowledge: ObservedKnowledge;
  readonly input?: ContainerInput;
  readonly #options: DockerProcOptions;
  readonly #engine: EngineClient;
  readonly #sent: Set<string>;
  readonly #closed = new AbortController();
  readonly #unwatch: () => void;
  readonly #firstLook: Promise<void>;
  #looked: () => void = () => {};
  #container: string | undefined;
  #pid: number | undefined;
  #observed = false;
  #over = false;
  #pump: LogPump | undefined;
  #waiting = new AbortController();
  #waitingSince = 0;
  /** The status that was waited for, should the container be gone by the time it is looked at. */
  #waitedStatus: number | undefined;
  /** Whether it may have ended while the engine was away. */
  #mayBeUnseen: boolean;
  /** What could not be delivered because the engine was away. */
  #pending: string | undefined;
  #healthTimer: NodeJS.Timeout | undefined;

  constructor(options: DockerProcOptions) {
    this.run = options.run;
    this.#options = options;
    this.#engine = options.engine;
    this.knowledge = new ObservedKnowledge(() => options.engine.awayReason);
    this.#container = options.container;
    this.#mayBeUnseen = options.container === undefined;
    this.#sent = new Set(options.sent);
    if (options.input !== undefined) {
      this.input = new ContainerInput({
        engine: options.engine,
        container: () => (this.#over ? undefined : this.#container),
        tty: options.input === 'terminal',
      });
    }
    this.#firstLook = new Promise((resolve) => (this.#looked = resolve));
    this.#unwatch = options.engine.watch(() => this.#reachChanged());
    let exited: (exit: Exit) => void = () => {};
    let gone: () => void = () => {};
    this.exited = new Promise((resolve) => (exited = resolve));
    this.gone = new Promise((resolve) => (gone = resolve));
    void this.#live(exited, gone);
  }

  /** Resolves once it was looked at, or has ended. Never rejects; while the engine is away it does not resolve. */
  get firstLook(): Promise<void> {
    return this.#firstLook;
  }

  /** On the engine's machine. */
  pid(): number | undefined {
    return this.#pid;
  }

  /**
   * The engine signals the container's first process; its end is the end of all others, so SIGKILL reaches the whole unit
   * whatever the scope. What an engine that is away cannot deliver is delivered when it is back, the last one or SIGKILL.
   */
  async signal(signal: string): Promise<number> {
    const container = this.#container;
    if (this.#over) return 0;
    const sent = container === undefined ? undefined : await this.#kill(container, signal);
    if (sent === undefined) {
      if (this.#pending !== 'SIGKILL') this.#pending = signal;
      return 0;
    }
    return sent ? 1 : 0;
  }

  async members(): Promise<readonly UnitMember[]> {
    const container = this.#container;
    if (this.#over || container === undefined) return [];
    const top = await this.#engine.request((docker) =>
      docker.getContainer(container).top({ ps_args: '-eo pid,args' }),
    );
    return top.ok ? parseTop(top.value) : [];
  }

  async stats(): Promise<UnitStats | undefined> {
    const container = this.#container;
    if (this.#over || container === undefined) return undefined;
    const answer = await this.#engine.request((docker) =>
      docker.getContainer(container).stats({ stream: false, 'one-shot': true }),
    );
    return answer.ok ? parseStats(answer.value) : undefined;
  }

  async exec(argv: readonly string[], options: ExecOptions): Promise<CommandResult> {
    const container = this.#container;
    if (this.#over || container === undefined) {
      return { kind: 'not-started', output: 'the container does not run' };
    }
    return execIn(this.#engine, container, argv, options);
  }

  async openExec(request: ExecRequest): Promise<Result<ExecSession, StartFailure>> {
    const container = this.#container;
    if (this.#over || container === undefined) {
      return err({ code: 'other', message: 'the container does not run' });
    }
    return openExec(this.#engine, container, request);
  }

  /** Lets go of the container: nothing is followed any more, and neither `exited` nor `gone` resolves. */
  close(): void {
    this.#closed.abort();
    this.#waiting.abort();
    this.#pump?.stop();
    this.#release();
  }

  async #live(exited: (exit: Exit) => void, gone: () => void): Promise<void> {
    const noted = this.#options.file?.facts.exit;
    let exit: Exit;
    try {
      exit = noted ?? (await this.#untilEnd());
    } catch {
      // Let go of.
      return;
    }
    this.#over = true;
    const isWhole = noted !== undefined || (await this.#drain());
    if (this.#closed.signal.aborted) return;
    const isNoted = isWhole && this.#note(exit);
    this.#observe();
    this.#looked();
    exited(exit);
    if (isNoted) await this.#remove();
    this.#forgetSecrets();
    this.#release();
    gone();
  }

  /** Looks and waits in turns until the end is known. Rejects once it is let go of. */
  async #untilEnd(): Promise<Exit> {
    const { signal } = this.#closed;
    for (;;) {
      signal.throwIfAborted();
      const seen = await this.#look();
      signal.throwIfAborted();
      if (!seen.ok) {
        await this.#engine.untilAvailable(signal);
        await sleep(AGAIN_MS, undefined, { signal, ref: false });
        continue;
      }
      const exit = this.#judge(seen.value);
      if (exit !== undefined) return exit;
      this.#observe();
      await this.#deliver();
      await this.#waitForEnd();
    }
  }

  /** Undefined in the result: there is no such container any more. */
  async #look(): Promise<EngineResult<ContainerInspectInfo | undefined>> {
    if (this.#container === undefined) {
      const found = await this.#engine.request((docker) =>
        docker.listContainers({ all: true, filters: { label: [`${LABELS.run}=${this.run}`] } }),
      );
      if (!found.ok) return found;
      this.#container = found.value[0]?.Id;
    }
    const container = this.#container;
    if (container === undefined) return ok(undefined);
    const seen = await this.#engine.request((docker) => docker.getContainer(container).inspect());
    return !seen.ok && seen.error.kind === 'refused' && seen.error.status === 404 ? ok(undefined) : seen;
  }

  /** How it ended, if it has. */
  #judge(seen: ContainerInspectInfo | undefined): Exit | undefined {
    if (seen === undefined) {
      return this.#waitedStatus === undefined
        ? { kind: 'unknown', why: 'its container was removed by somebody else' }
        : exitOf({ code: this.#waitedStatus, oomKilled: false, witnessed: true, sent: this.#sent });
    }
    const { Status, Pid, ExitCode, OOMKilled, Health } = seen.State;
    this.#pid = Pid > 0 ? Pid : this.#pid;
    this.health.observe(Health);
    if (Status === 'created') return { kind: 'unknown', why: 'its container was made but not started' };
    this.#beginPump(seen);
    if (Status !== 'exited' && Status !== 'dead') {
      if (Health !== undefined) this.#pollHealth();
      return undefined;
    }
    if (OOMKilled) this.#options.onWarning('a process in its container was killed for lack of memory');
    const witnessed = !this.#mayBeUnseen || this.#waitedStatus !== undefined;
    return exitOf({ code: ExitCode, oomKilled: OOMKilled, witnessed, sent: this.#sent });
  }

  #beginPump(seen: ContainerInspectInfo): void {
    const { file, engine, onWarning } = this.#options;
    if (file === undefined || this.#pump !== undefined) return;
    this.#pump = new LogPump({
      engine,
      container: seen.Id,
      tty: file.facts.tty,
      cursor: file.facts.log,
      keep: (log) => file.update({ log }),
      onWarning,
    });
  }

  async #waitForEnd(): Promise<void> {
    const container = this.#container ?? '';
    this.#waiting = new AbortController();
    this.#waitingSince = performance.now();
    const { signal } = this.#waiting;
    const waited = await this.#engine.waitForContainer(container, signal);
    if (waited.ok) {
      this.#waitedStatus = waited.value;
      return;
    }
    this.#mayBeUnseen = true;
    await sleep(AGAIN_MS, undefined, { signal: this.#closed.signal, ref: false });
  }

  /** Undefined: the engine is away. False: there is nobody to signal. */
  async #kill(container: string, signal: string): Promise<boolean | undefined> {
    const name = signal.replace(/^signal /, '');
    const send = (): Promise<EngineResult<unknown>> =>
      this.#engine.request((docker) => docker.getContainer(container).kill({ signal: name }));
    // Whoever dies of it may be seen dead before the answer is here.
    this.#sent.add(signal);
    let sent = await send();
    if (!sent.ok && sent.error.kind === 'refused' && /\bpaused\b/i.test(sent.error.reason)) {
      await this.#engine.request((docker) => docker.getContainer(container).unpause());
      sent = await send();
    }
    if (sent.ok) return true;
    return sent.error.kind === 'refused' ? false : undefined;
  }

  async #deliver(): Promise<void> {
    const signal = this.#pending;
    if (signal === undefined || this.#container === undefined) return;
    this.#pending = undefined;
    if ((await this.#kill(this.#container, signal)) === undefined) this.#pending ??= signal;
  }

  /** Whether all of the output is in the files. Gives up when nothing more comes for a while. */
  async #drain(): Promise<boolean> {
    const pump = this.#pump;
    if (pump === undefined) return true;
    pump.containerEnded(this.#waitedStatus === undefined ? undefined : this.#waitingSince);
    const end = { reached: false };
    const done = pump.done.then(() => (end.reached = true));
    let received = -1;
    let stalledAt = performance.now();
    while (!end.reached && !this.#closed.signal.aborted) {
      if (pump.received !== received) stalledAt = performance.now();
      received = pump.received;
      const patience = this.#engine.reach === 'available' ? SEEKING_MS : AWAY_MS;
      if (performance.now() - stalledAt > patience) break;
      await Promise.race([done, sleep(STALL_POLL_MS, undefined, { ref: false })]);
    }
    pump.stop();
    if (!end.reached)
      this.#options.onWarning('the engine does not give the last of its output; its container is kept');
    return end.reached;
  }

  #note(exit: Exit): boolean {
    try {
      this.#options.file?.update({ exit });
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : 'unknown';
      this.#options.onWarning(`its end could not be noted, so that its container is kept: ${why}`);
      return false;
    }
  }

  #forgetSecrets(): void {
    try {
      removeSecrets(this.#options.instanceDir);
    } catch (error) {
      const why = error instanceof Error ? error.message : 'unknown';
      this.#options.onWarning(`its secrets could not be removed: ${why}`);
    }
  }

  async #remove(): Promise<void> {
    const container = this.#container;
    if (container === undefined) return this.#removeByLabel();
    await removeContainer(this.#engine, container);
  }

  /** Of a run whose end was noted before its container could be removed. */
  async #removeByLabel(): Promise<void> {
    const found = await this.#look();
    if (found.ok && found.value !== undefined) await this.#remove();
  }

  #pollHealth(): void {
    this.#healthTimer ??= setInterval(() => {
      if (this.#engine.reach !== 'available') return;
      void this.#look().then((seen) => {
        if (!this.#over && seen.ok) this.health.observe(seen.value?.State.Health);
      });
    }, HEALTH_EVERY_MS).unref();
  }

  #observe(): void {
    this.#observed = true;
    this.#looked();
    this.#updateKnown();
  }

  /** Connections that were open all the while may lead nowhere: they are made again. */
  #reachChanged(): void {
    if (this.#engine.reach === 'available') {
      this.#waiting.abort();
      this.#pump?.refresh();
    } else {
      this.#observed = false;
    }
    this.#updateKnown();
  }

  #updateKnown(): void {
    const isKnown = this.#over || (this.#observed && this.#engine.reach === 'available');
    this.knowledge.become(isKnown ? 'known' : 'unknown');
  }

  #release(): void {
    this.#unwatch();
    clearInterval(this.#healthTimer);
    this.input?.close();
  }
}
