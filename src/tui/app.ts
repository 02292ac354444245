import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf } from '../core/util/system-error.ts';
import type { DaemonClient, Lease } from '../client/types.ts';
import { Attachment } from './attachment.ts';
import { TuiShutdown, LAST_MOMENT_MS } from './shutdown.ts';
import { Calls } from './calls.ts';
import { editFile } from './editor.ts';
import { listen } from './input-listener.ts';
import type { TuiEffect, Message } from './message.ts';
import { Screen } from './screen.ts';
import { Session } from './session.ts';
import { DEFAULTS, readSettings, type SettingsResult } from './settings.ts';
import { initialState, type State } from './state.ts';
import { themeOf } from './theme.ts';
import type { TuiEnd, TuiOptions } from './tui.ts';
import { update } from './update.ts';
import { frame } from './views/frame.ts';

/** Between two frames, unless a key was pressed. */
const FRAME_MS = 50;
const TICK_MS = 1_000;
/** While something counts down in tenths of a second. */
const FAST_TICK_MS = 200;
/** How long filters and searches may look through lines before each frame. */
const INDEX_MS = 12;
const RECONNECT_MS = 500;
/** A process that was told to stop and has not, is not going to: its shell knows no jobs. */
const STOPPED_MS = 50;

/** Streams become messages, messages a state, the state frames; effects become calls. */
export class App {
  readonly #options: TuiOptions;
  readonly #stop = new AbortController();
  readonly #session: Session;
  readonly #calls: Calls;
  readonly #down: TuiShutdown;
  readonly #decoder = new StringDecoder('utf8');
  #client: DaemonClient;
  #lease: Lease | undefined;
  #state: State;
  #screen: Screen | undefined;
  #attachment: Attachment | undefined;
  /** Whether the terminal is somebody else's for a while. */
  #away = false;
  #frameTimer: NodeJS.Timeout | undefined;
  #tickTimer: NodeJS.Timeout | undefined;
  #lastFrameAt = 0;
  #end: (end: TuiEnd) => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(options: TuiOptions) {
    const { stdout, client, lease, cwd } = options;
    this.#options = options;
    this.#client = client;
    this.#lease = lease;
    this.#state = initialState({ ...sizeOf(stdout), now: Date.now(), cwd, holdsLease: lease !== undefined });
    this.#session = new Session(
      (message) => this.#send(message),
      () => Date.now(),
    );
    const now = { client: () => this.#client, snapshot: () => this.#state.snapshot };
    this.#calls = new Calls({
      ...now,
      request: options.request,
      signal: this.#stop.signal,
      send: (message) => this.#send(message),
    });
    this.#down = new TuiShutdown({
      ...now,
      answered: (response) => this.#send({ type: 'down', response }, true),
      end: (end) => this.#end(end),
    });
  }

  async run(): Promise<TuiEnd> {
    const { stdin, stdout, env } = this.#options;
    const { settings, problems } = await this.#settings();
    const { columns, rows, holdsLease, cwd } = this.#state;
    const theme = themeOf(settings.theme, env);
    this.#state = initialState({ columns, rows, holdsLease, cwd, now: Date.now(), ...settings, theme });
    const ended = new Promise<TuiEnd>((resolve, reject) => ([this.#end, this.#fail] = [resolve, reject]));
    this.#screen = await Screen.open(stdout, env['TERM'], settings.mouse, (message) =>
      this.#send(message, true),
    );
    const release = this.#listen();
    try {
      stdin.setRawMode(true);
      stdin.resume();
      this.#screen.enter();
      if (problems.length > 0)
        this.#send({
          type: 'notice',
          level: 'error',
          text: `${this.#options.settingsPath}: ${problems.join('; ')}`,
        });
      else if (this.#options.opening !== undefined)
        this.#send({ type: 'notice', level: 'info', text: this.#options.opening });
      this.#tick();
      void this.#follow();
      return await ended;
    } catch (error) {
      // A fault of this program is no reason to take the project along.
      await Promise.race([
        this.#lease?.detach().catch(() => undefined),
        delay(LAST_MOMENT_MS, undefined, { ref: false }),
      ]);
      throw error;
    } finally {
      this.#stop.abort();
      clearTimeout(this.#frameTimer);
      clearTimeout(this.#tickTimer);
      this.#attachment?.end(undefined);
      this.#screen.close();
      release();
      if (this.#client !== this.#options.client) this.#client.close();
    }
  }

  async #settings(): Promise<SettingsResult> {
    try {
      return readSettings(await readFile(this.#options.settingsPath, 'utf8'));
    } catch (error) {
      const missing = errnoOf(error) === 'ENOENT';
      return { settings: DEFAULTS, problems: missing ? [] : [String(error)] };
    }
  }

  /** See `listen`. */
  #listen(): () => void {
    const { stdin, stdout } = this.#options;
    const signalled = (signal: 'SIGHUP' | 'SIGTERM') => (): void =>
      this.#end({ kind: 'signal', signal, last: this.#state.snapshot });
    return listen(this.#options, {
      data: (piece) => this.#typed(piece),
      resize: () => {
        this.#attachment?.resized();
        this.#send({ type: 'resize', ...sizeOf(stdout) }, true);
      },
      hangUp: signalled('SIGHUP'),
      terminate: signalled('SIGTERM'),
      interrupt: () => (this.#away ? undefined : this.#send({ type: 'key', key: 'ctrl-c' }, true)),
      goOn: () => this.#back(),
      restore: () => {
        this.#screen?.leave();
        if (!stdin.destroyed) stdin.setRawMode(false);
      },
    });
  }

  #typed(piece: Buffer): void {
    if (this.#attachment !== undefined) this.#attachment.typed(piece);
    else if (!this.#away) this.#screen?.typed(this.#decoder.write(piece));
  }

  /** One daemon after the other, until the project is down or this is left. */
  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#calls.make({ type: 'plan' });
      await this.#session.run(this.#client, signal);
      if (hasAborted(signal)) return;
      this.#send({ type: 'lost' });
      this.#attachment?.end('the daemon went away');
      const client = await this.#reconnected(signal);
      if (client === undefined) {
        if (!hasAborted(signal) && this.#state.quits === 0)
          this.#end({ kind: 'daemon-ended', last: this.#state.snapshot });
        else await this.#down.daemonGone();
        return;
      }
      if (this.#client !== this.#options.client) this.#client.close();
      this.#client = client;
      if (this.#lease !== undefined) this.#lease = await client.lease().catch(() => undefined);
      this.#send({
        type: 'notice',
        level: 'info',
        text: 'the daemon was gone; it is back and took over what still runs',
      });
      if (this.#state.quits > 0)
        this.#down.ask(this.#state.quits === 1 ? 0 : this.#state.quits === 2 ? 1 : 2);
    }
  }

  async #reconnected(signal: AbortSignal): Promise<DaemonClient | undefined> {
    // A project that was just brought down from here needs no daemon; one that fails to come up is tried again.
    while (!signal.aborted) {
      try {
        return await this.#options.reconnect();
      } catch (error) {
        this.#send({
          type: 'notice',
          level: 'error',
          text: messageOf(error),
        });
      }
      await delay(RECONNECT_MS);
    }
    return undefined;
  }

  #send(message: Message, urgent = false): void {
    try {
      const { state, effects } = update(this.#state, message);
      this.#state = state;
      for (const effect of effects) this.#carryOut(effect);
      this.#schedule(urgent);
    } catch (error) {
      this.#fail(error);
    }
  }

  #tick(): void {
    this.#send({ type: 'tick', now: Date.now() });
    const { snapshot } = this.#state;
    const counting =
      snapshot?.phase === 'shutting-down' ||
      snapshot?.services.some(({ instances }) =>
        instances.some(({ state }) => state.kind === 'backoff' || state.kind === 'stopping'),
      ) === true;
    this.#tickTimer = setTimeout(() => this.#tick(), counting ? FAST_TICK_MS : TICK_MS);
  }

  /** A frame soon: at once for a key, else when the last one is old enough. */
  #schedule(urgent: boolean): void {
    if (this.#away || this.#stop.signal.aborted) return;
    if (urgent) clearTimeout(this.#frameTimer);
    else if (this.#frameTimer !== undefined) return;
    const wait = urgent ? 0 : Math.max(0, this.#lastFrameAt + FRAME_MS - performance.now());
    this.#frameTimer = setTimeout(() => this.#paint(), wait);
  }

  #paint(): void {
    this.#frameTimer = undefined;
    const { stdout } = this.#options;
    if (this.#away) return;
    if (stdout.writableNeedDrain) {
      stdout.once('drain', () => this.#schedule(true));
      return;
    }
    try {
      const lines = this.#session.takeLines();
      const now = Date.now();
      if (lines.length > 0) this.#state = update(this.#state, { type: 'logs', lines }).state;
      if (this.#state.now !== now) {
        const { state, effects } = update(this.#state, { type: 'tick', now });
        this.#state = state;
        for (const effect of effects) this.#carryOut(effect);
      }
      const indexed = this.#index();
      this.#screen?.paint(frame(this.#state));
      this.#lastFrameAt = performance.now();
      if (!indexed) this.#schedule(false);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Goes on with filter and search; false where they are not through. */
  #index(): boolean {
    const until = performance.now() + INDEX_MS;
    const enough = (): boolean => performance.now() > until;
    const { filter, search } = this.#state.logs;
    const filtered = filter?.index.advance(enough) ?? true;
    return (search?.index.advance(enough) ?? true) && filtered;
  }

  #carryOut(effect: TuiEffect): void {
    switch (effect.type) {
      case 'down':
        this.#down.ask(effect.level);
        return;
      case 'copy':
        return this.#screen?.tell(clipboard(effect.text, this.#options.env));
      case 'mouse':
        return this.#screen?.setMouse(effect.on);
      case 'redraw':
        return this.#screen?.redraw();
      case 'edit':
        void this.#edit();
        return;
      case 'attach':
        void this.#attach(effect.instance);
        return;
      case 'suspend':
        this.#suspend();
        return;
      case 'leave':
        void this.#leave();
        return;
      case 'act':
      case 'plan':
      case 'apply':
      case 'reload':
      case 'review':
      case 'explain':
      case 'timeline':
      case 'history':
      case 'input':
        this.#calls.make(effect);
        return;
    }
  }

  async #leave(): Promise<void> {
    try {
      await this.#lease?.detach();
    } catch (error) {
      // Without a daemon there is no lease to give up; with one, leaving would take the project along.
      if (this.#state.connection !== 'lost') {
        this.#send({
          type: 'notice',
          level: 'error',
          text: messageOf(error),
        });
        return;
      }
    }
    this.#end({ kind: 'detached', last: this.#state.snapshot });
  }

  /** Gives the terminal away. */
  #goAway(raw: boolean): void {
    this.#away = true;
    this.#screen?.leave();
    if (!raw) {
      this.#options.stdin.setRawMode(false);
      this.#options.stdin.pause();
    }
  }

  #back(): void {
    if (this.#stop.signal.aborted || this.#attachment !== undefined || this.#editing) return;
    const { stdin, stdout } = this.#options;
    this.#away = false;
    stdin.setRawMode(true);
    stdin.resume();
    this.#screen?.enter();
    this.#screen?.redraw();
    this.#send({ type: 'resize', ...sizeOf(stdout) }, true);
  }

  #editing = false;

  async #edit(): Promise<void> {
    const { env, manifest, cwd } = this.#options;
    this.#editing = true;
    this.#goAway(false);
    const problem = await editFile(manifest, env, cwd);
    this.#editing = false;
    this.#back();
    if (problem !== undefined) this.#send({ type: 'notice', level: 'error', text: problem });
    this.#calls.make({ type: 'plan' });
  }

  async #attach(instance: string): Promise<void> {
    const attachment = new Attachment(this.#client, instance, this.#options.stdout);
    this.#attachment = attachment;
    this.#goAway(true);
    const why = await attachment.run();
    this.#attachment = undefined;
    this.#back();
    if (why !== undefined) this.#send({ type: 'notice', level: 'info', text: why });
  }

  #suspend(): void {
    this.#goAway(false);
    // The whole group, as the terminal does it: the shell waits for the process it started, which may not be this one.
    process.kill(0, 'SIGTSTP');
    setTimeout(() => this.#back(), STOPPED_MS);
  }
}

/** Read anew each time: it changes while something is awaited. */
function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function sizeOf(stdout: NodeJS.WriteStream): { columns: number; rows: number } {
  // A pseudo-terminal that nobody has given a size says 0.
  return { columns: stdout.columns || 80, rows: stdout.rows || 24 };
}

/** OSC 52 (xterm's ctlseqs); tmux passes it on to the terminal around it where that is allowed. */
function clipboard(text: string, env: Readonly<Record<string, string | undefined>>): string {
  const plain = `\u001b]52;c;${Buffer.from(text).toString('base64')}\u0007`;
  if ((env['TMUX'] ?? '') === '') return plain;
  return `${plain}\u001bPtmux;${plain.replaceAll('\u001b', '\u001b\u001b')}\u001b\\`;
}
