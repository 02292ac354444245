import { type FSWatcher, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunId } from '../../core/state.ts';
import type { NotifyFeed, NotifyState } from '../../ports/backend.ts';
import { FILES } from './launcher.ts';
import { readText } from '../../host/proc-fs.ts';

/** What a receiver's file holds. */
interface NotifyFile {
  readonly state: NotifyState;
  /** Absolute path of the socket that it listens on. */
  readonly socket?: string;
  /** The run is over, and all that was sent before is in the state. */
  readonly over: boolean;
}

export const NOTHING_SAID: NotifyState = {
  ready: false,
  reloading: false,
  stopping: false,
  pings: 0,
  triggers: 0,
  extensions: 0,
};

/**
 * Reads a receiver's file: `KEY=value` a line, `RUN=` the first. Undefined where it is not of this run (any run, where
 * none is given). Control characters in what the service said are escaped as `\x1b`; undecodable bytes are replaced.
 */
export function parseNotifyFile(text: string, run?: RunId): NotifyFile | undefined {
  const fields = new Map(
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const at = line.indexOf('=');
        return [line.slice(0, Math.max(at, 0)), line.slice(at + 1)];
      }),
  );
  if (!text.startsWith('RUN=') || (run !== undefined && fields.get('RUN') !== run)) return undefined;
  const socket = fields.get('SOCKET');
  return {
    state: stateOf(fields),
    over: fields.get('OVER') === '1',
    ...(socket === undefined ? {} : { socket }),
  };
}

function stateOf(fields: ReadonlyMap<string, string>): NotifyState {
  const number = (key: string): number | undefined => {
    const value = fields.get(key);
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
  };
  const status = fields.get('STATUS');
  const optional = {
    status: status === undefined || status === '' ? undefined : printable(status),
    watchdogMs: milliseconds(number('WATCHDOG_USEC')),
    extendMs: milliseconds(number('EXTEND_TIMEOUT_USEC')),
  };
  return {
    ready: fields.get('READY') === '1',
    reloading: fields.get('RELOADING') === '1',
    stopping: fields.get('STOPPING') === '1',
    pings: number('WATCHDOG') ?? 0,
    triggers: number('TRIGGERS') ?? 0,
    extensions: number('EXTENSIONS') ?? 0,
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined),
    ) as Partial<NotifyState>),
  };
}

/** Never less than was asked for. */
function milliseconds(microseconds: number | undefined): number | undefined {
  return microseconds === undefined ? undefined : Math.ceil(microseconds / 1000);
}

function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Looks at the file this often, whatever the watch says. */
const NET_MS = 2000;
/** Changes that follow one another this closely are told as one. */
const GATHER_MS = 10;
/** How long the end of a run waits for its receiver to have written the last of it. */
const SETTLE_MS = 300;
const SETTLE_POLL_MS = 3;

/**
 * What a run said, out of its receiver's file: the same for the daemon that started it and for one that came later.
 * Watches only while somebody listens. The file is replaced and never written to, so the watch is on the file itself
 * and made anew after each change: on the folder it would wake up for every line of the logs.
 */
export class FileNotifyFeed implements NotifyFeed {
  readonly #path: string;
  readonly #run: RunId;
  readonly #listeners = new Set<() => void>();
  #last: NotifyState = NOTHING_SAID;
  #watcher: FSWatcher | undefined;
  #gather: NodeJS.Timeout | undefined;
  #net: NodeJS.Timeout | undefined;
  #stamp = '';

  constructor(instanceDir: string, run: RunId) {
    this.#path = join(instanceDir, FILES.notify);
    this.#run = run;
  }

  current(): NotifyState {
    // Once another run has taken the file over, what was seen last stands.
    this.#last = this.#read()?.state ?? this.#last;
    return this.#last;
  }

  subscribe(listener: () => void): () => void {
    // Two that subscribe with the same function are two all the same.
    const own = (): void => listener();
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#begin();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.#end();
    };
  }

  /** Resolves once all that was sent before the end of the run can be read, or it takes too long. Never rejects. */
  async settled(): Promise<void> {
    const deadline = performance.now() + SETTLE_MS;
    for (;;) {
      const file = this.#read();
      // No file of this run: its receiver never was, or a later one has come.
      if (file === undefined || file.over || performance.now() > deadline) break;
      await sleep(SETTLE_POLL_MS);
    }
    this.#last = this.#read()?.state ?? this.#last;
  }

  #read(): NotifyFile | undefined {
    return parseNotifyFile(readText(this.#path), this.#run);
  }

  #begin(): void {
    this.#stamp = stampOf(this.#path);
    this.#arm();
    this.#net = setInterval(() => {
      if (this.#gather === undefined && stampOf(this.#path) !== this.#stamp) this.#changed();
      else if (this.#watcher === undefined) this.#arm();
    }, NET_MS);
    this.#net.unref();
  }

  #end(): void {
    this.#disarm();
    clearTimeout(this.#gather);
    clearInterval(this.#net);
    this.#gather = undefined;
  }

  #arm(): void {
    this.#disarm();
    try {
      this.#watcher = watch(this.#path, { persistent: false }, () => {
        this.#disarm();
        this.#gather ??= setTimeout(() => this.#changed(), GATHER_MS).unref();
      });
      // Without descriptors or watches left, the slow look has to do.
      this.#watcher.on('error', () => this.#disarm());
    } catch {
      this.#watcher = undefined;
    }
  }

  #disarm(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Watches first and looks then: what comes after the look is seen by the watch. */
  #changed(): void {
    this.#gather = undefined;
    this.#arm();
    this.#stamp = stampOf(this.#path);
    for (const listener of [...this.#listeners]) listener();
  }
}

function stampOf(path: string): string {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? '' : `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
  } catch {
    return '';
  }
}
