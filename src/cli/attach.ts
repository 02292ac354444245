import { constants } from 'node:os';
import type { DaemonClient } from '../client/types.ts';
import type { ProjectSnapshot } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import { describeExit } from '../words/exit.ts';
import type { Exit } from '../core/exit.ts';
import type { InstanceState, RunId } from '../core/state.ts';
import { describeState } from '../words/status.ts';
import { withDaemon, type Common } from './common.ts';
import { fail, type CliContext, type CliSignal } from './context.ts';
import { DetachKeys } from '../terminal/detach-keys.ts';
import { EXIT, serviceStatus, type ExitStatus } from './exit-status.ts';
import { isGone } from './monitor.ts';
import { TerminalModes } from '../terminal/terminal-modes.ts';
import { oneLine } from '../words/text.ts';
import { daemonGone } from './up-detached.ts';
import { shownInstances, type NamedInstance } from '../words/instances.ts';
import { unknownName } from './view.ts';

export interface AttachOptions {
  readonly detachKeys: Uint8Array;
  readonly backlog: boolean;
  readonly readOnly: boolean;
}

/** About a screenful of what was written before is shown first. */
const BACKLOG_BYTES = 4096;

/** After its end, a run's last output gets this long to arrive once nothing has come for that long. */
const LAST_OUTPUT_MS = 200;

/**
 * Connects this terminal (or pipe) with an instance: what it writes to its standard output comes here, what is typed
 * goes there. Ends with the run, with its status; or with 0 when left before.
 */
export function attach(common: Common, name: string, options: AttachOptions): Promise<ExitStatus> {
  const { context } = common;
  return withDaemon(common, async (client) => {
    const snapshot = await client.snapshot();
    const target = findTarget(context, snapshot, name, options.readOnly);
    return typeof target === 'number'
      ? target
      : new Attachment(context, client, snapshot, target, options).run();
  });
}

type Target = NamedInstance & { readonly run: RunId };

function findTarget(
  context: CliContext,
  snapshot: ProjectSnapshot,
  name: string,
  readOnly: boolean,
): Target | ExitStatus {
  const target = findRunning(context, snapshot, name);
  if (typeof target === 'number') return target;
  if (target.service.input === undefined && !readOnly) {
    const message = `${target.name} has no standard input to type into`;
    const next = 'give the service `stdin: pipe` or `tty: true`; --read-only just watches what it writes';
    return fail(context, { message, next }, EXIT.usage);
  }
  return target;
}

/** The one running instance that a name stands for; says why there is none. */
export function findRunning(
  context: CliContext,
  snapshot: ProjectSnapshot,
  name: string,
): Target | ExitStatus {
  const problem = unknownName(snapshot, [name]);
  if (problem !== undefined) return fail(context, problem, EXIT.usage);
  const all = shownInstances(snapshot).filter(
    ({ service, instance }) => service.id === name || instance.id === name,
  );
  const exact = all.filter(({ instance }) => instance.id === name);
  const [shown, ...others] = exact.length > 0 ? exact : all;
  if (shown === undefined || others.length > 0) {
    const ids = all.map(({ instance }) => instance.id).join(', ');
    const message =
      shown === undefined ? `${name} has no instances` : `${name} has several instances: ${ids}`;
    return fail(
      context,
      { message, ...(shown === undefined ? {} : { next: 'name one of them' }) },
      EXIT.usage,
    );
  }
  const { instance, service } = shown;
  if (instance.state.kind !== 'running') {
    const message = `${shown.name} does not run: ${describeState(instance, snapshot.now)}`;
    const next = `\`setpoint start ${shown.name}\` starts it; \`setpoint explain ${service.id}\` tells more`;
    return fail(context, { message, next }, EXIT.failure);
  }
  return { ...shown, run: instance.state.run };
}

/** Why an attachment is over. */
type End =
  | { readonly kind: 'ended'; readonly state: InstanceState | undefined; readonly lastExit: Exit | undefined }
  | { readonly kind: 'left' }
  | { readonly kind: 'signal'; readonly signal: CliSignal }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly error: Error };

class Attachment {
  readonly #context: CliContext;
  readonly #client: DaemonClient;
  readonly #target: Target;
  readonly #options: AttachOptions;
  readonly #stop = new AbortController();
  readonly #modes = new TerminalModes();
  #last: ProjectSnapshot;
  #lastOutput = 0;
  #end: (end: End) => void = () => undefined;

  constructor(
    context: CliContext,
    client: DaemonClient,
    snapshot: ProjectSnapshot,
    target: Target,
    options: AttachOptions,
  ) {
    this.#context = context;
    this.#client = client;
    this.#last = snapshot;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<ExitStatus> {
    const { stdin, signals } = this.#context;
    const isTerminal = this.#target.service.input === 'tty';
    const typing = !this.#options.readOnly;
    // A pipe has nobody who shows what is typed and edits the line, so this terminal goes on doing both.
    const restore = typing && isTerminal && stdin.isTTY ? stdin.raw() : undefined;
    const ended = new Promise<End>((resolve) => (this.#end = resolve));
    const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) =>
      signals.on(signal, () => this.#end({ kind: 'signal', signal })),
    );
    if (isTerminal && this.#context.isTTY && typing) {
      this.#sendSize();
      listeners.push(signals.on('SIGWINCH', () => this.#sendSize()));
    }
    this.#begin(() => this.#watch());
    this.#begin(() => this.#copyOutput());
    if (typing) this.#begin(() => this.#copyInput(restore !== undefined));
    try {
      const end = await ended;
      if (end.kind === 'ended') await this.#quiet();
      return this.#leave(end, restore);
    } finally {
      restore?.();
      this.#stop.abort();
      for (const remove of listeners) remove();
    }
  }

  /** What fails, ends the attachment, unless that is over. */
  #begin(part: () => Promise<void>): void {
    part().catch((error: unknown) => {
      if (this.#stop.signal.aborted) return;
      if (isGone(error)) this.#end({ kind: 'gone' });
      // What is typed at the very end comes too late; that it is the end is heard in a moment.
      else this.#context.after(LAST_OUTPUT_MS, () => this.#end({ kind: 'failed', error: asError(error) }));
    });
  }

  /** Ends when the run does. */
  async #watch(): Promise<void> {
    const { instance, run } = this.#target;
    for await (const item of this.#client.watch(this.#stop.signal)) {
      if (item.type !== 'snapshot') continue;
      this.#last = item.snapshot;
      const now = shownInstances(item.snapshot).find((shown) => shown.instance.id === instance.id)?.instance;
      if (now !== undefined && 'run' in now.state && now.state.run === run) continue;
      this.#end({ kind: 'ended', state: now?.state, lastExit: now?.lastExit });
      return;
    }
    this.#end({ kind: 'gone' });
  }

  async #copyOutput(): Promise<void> {
    const { stdout } = this.#context;
    const backlog = this.#options.backlog ? BACKLOG_BYTES : 0;
    for await (const data of this.#client.output(this.#target.instance.id, backlog, this.#stop.signal)) {
      this.#lastOutput = this.#context.now();
      this.#modes.see(data);
      if (!stdout.write(data)) await stdout.drained();
    }
  }

  /** Where nobody types, the end of the input is the end of the attachment: nothing more is to be said. */
  async #copyInput(raw: boolean): Promise<void> {
    const keys = raw ? new DetachKeys(this.#options.detachKeys) : undefined;
    for await (const data of this.#context.stdin.read(this.#stop.signal)) {
      const { pass, detached } = keys?.take(data) ?? { pass: data, detached: false };
      if (pass.length > 0) await this.#client.input(this.#target.instance.id, pass);
      if (detached) break;
    }
    this.#end({ kind: 'left' });
  }

  /** A size that cannot be set is no reason not to go on. */
  #sendSize(): void {
    const columns = this.#context.columns();
    if (columns === undefined) return;
    this.#client.resize(this.#target.instance.id, columns, this.#context.rows()).catch(() => undefined);
  }

  /** Resolves once the output of the run that has ended is through. */
  async #quiet(): Promise<void> {
    for (;;) {
      const before = this.#lastOutput;
      await new Promise<void>((resolve) => void this.#context.after(LAST_OUTPUT_MS, resolve));
      if (this.#lastOutput === before) return;
    }
  }

  /** Puts the terminal back first: what is said then is said to it. */
  #leave(end: End, restore: (() => void) | undefined): ExitStatus {
    const { stdout, stderr, isTTY } = this.#context;
    const { name } = this.#target;
    restore?.();
    if (isTTY) stdout.write(this.#modes.undo());
    const line = isTTY && restore !== undefined ? '\n' : '';
    switch (end.kind) {
      case 'ended': {
        const exit = exitOf(end.state) ?? end.lastExit;
        stderr.write(
          `${line}${name} has ended: ${oneLine(exit === undefined ? 'it is gone' : describeExit(exit))}`,
        );
        stderr.write(`${whatFollows(end.state, this.#last.now)}\n`);
        return serviceStatus(exit ?? { kind: 'unknown', why: '' }, constants.signals);
      }
      case 'left':
        stderr.write(`${line}Detached from ${name}; it runs on.\n`);
        return EXIT.ok;
      case 'signal':
        stderr.write(`${line}Detached from ${name}; it runs on.\n`);
        return end.signal === 'SIGINT' ? EXIT.ok : EXIT.terminated;
      case 'gone':
        stderr.write(line);
        return daemonGone(this.#context, this.#last);
      case 'failed':
        stderr.write(line);
        throw end.error;
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** How the last run ended, by the state that came of it. */
function exitOf(state: InstanceState | undefined): Exit | undefined {
  return state !== undefined && 'exit' in state ? state.exit : undefined;
}

function whatFollows(state: InstanceState | undefined, now: number): string {
  if (state?.kind === 'backoff') return `; it starts again in ${formatSpan(Math.max(0, state.until - now))}`;
  const again = state?.kind === 'waiting' || state?.kind === 'starting' || state?.kind === 'running';
  return again ? '; it starts again' : '';
}
