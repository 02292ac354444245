import type { DependencyCondition } from '../../src/core/event.ts';
/** A command line without a process: fake services and a scripted daemon behind the real commands. */
import type { DaemonClient, Lease } from '../../src/client/types.ts';
import { ClientError } from '../../src/client/client-error.ts';
import type { CliContext, CliSignal } from '../../src/cli/context.ts';
import { runCli } from '../../src/cli/run.ts';
import type { ProjectLocation } from '../../src/store/locate.ts';
import type { CliServices } from '../../src/cli/services.ts';
import type {
  ActionRequest,
  ActionResponse,
  ApplyRequest,
  ApplyResponse,
  DownRequest,
  DownResponse,
  ExplainResponse,
  LogLine,
  LogQuery,
  DependencyView,
  PlanResponse,
  ProjectSnapshot,
  ReloadResponse,
  ServiceSnapshot,
  StatsResponse,
  TimelineResponse,
  WatchItem,
} from '../../src/core/api.ts';
import type { ProjectEvent, ProjectEventBody, InstanceSnapshot } from '../../src/core/event.ts';
import type { InstanceState } from '../../src/core/state.ts';
import { err, ok } from '../../src/core/util/result.ts';

/** The time at which everything here happens: 2026-03-01T14:02:11.000Z. */
export const NOW = Date.UTC(2026, 2, 1, 14, 2, 11);

export const LOCATION: ProjectLocation = {
  key: '0123456789abcdef',
  name: 'shop',
  files: ['/home/ada/shop/setpoint.yaml'],
  manifest: '/home/ada/shop/setpoint.yaml',
  stateDir: '/state/shop-0123456789abcdef',
  socketPath: '/run/0123456789abcdef.sock',
  lockPath: '/state/shop-0123456789abcdef/lock',
};

export function instance(
  service: string,
  number: number,
  state: InstanceState,
  more: Partial<InstanceSnapshot> = {},
): InstanceSnapshot {
  return {
    id: `${service}.${number}`,
    service,
    number,
    wanted: state.kind === 'stopped' ? 'down' : 'up',
    state,
    restarts: 0,
    ports: {},
    ...more,
  };
}

export function service(
  id: string,
  states: readonly (InstanceState | InstanceSnapshot)[],
  more: Partial<ServiceSnapshot> = {},
): ServiceSnapshot {
  return {
    id,
    labels: {},
    backend: 'native',
    backendReason: 'the only backend that fits',
    replicas: states.length,
    dependsOn: [],
    inManifest: true,
    instances: states.map((one, index) => ('state' in one ? one : instance(id, index + 1, one))),
    restart: 'on-failure',
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 60_000 },
    ...more,
  };
}

export function project(
  services: readonly ServiceSnapshot[],
  more: Partial<ProjectSnapshot> = {},
): ProjectSnapshot {
  return {
    daemon: {
      version: '0.1.0',
      api: 1,
      pid: 4000,
      startedAt: NOW - 60_000,
      project: 'shop',
      manifest: LOCATION.manifest,
      stateDir: LOCATION.stateDir,
    },
    name: 'shop',
    dir: '/home/ada/shop',
    files: LOCATION.files,
    services,
    inactive: [],
    revision: 1,
    phase: 'up',
    leased: false,
    now: NOW,
    ...more,
  };
}

/** A dependency as a manifest has it that says no more than this. */
export function on(id: string, condition: DependencyCondition = 'started'): DependencyView {
  return { service: id, condition, required: true, onFailure: 'ignore' };
}

/** What instances use, by their ids. */
export function used(
  instances: Readonly<Record<string, { readonly cpuPercent?: number; readonly memoryBytes: number }>>,
): StatsResponse {
  return {
    at: NOW,
    instances: Object.entries(instances).map(([id, figures]) => ({
      service: id.replace(/\.\d+$/, ''),
      instance: id,
      cpuMs: 1000,
      processes: 2,
      threads: 3,
      openFiles: 4,
      uptimeMs: 720_000,
      ...figures,
    })),
    daemon: { cpuPercent: 0.5, cpuMs: 500, memoryBytes: 50 * 2 ** 20, openFiles: 30 },
  };
}

export function running(sinceMs = 60_000, pid = 4711): InstanceState {
  return { kind: 'running', run: 'r1', pid, since: NOW - sinceMs };
}

export function happening(
  body: ProjectEventBody,
  at: { readonly seq?: number; readonly time?: number; readonly instance?: string } = {},
): ProjectEvent {
  const { seq = 1, time = NOW, instance: who } = at;
  const where = who === undefined ? {} : { instance: who, service: who.replace(/\.\d+$/, '') };
  return { ...body, seq, time, ...where };
}

/** Things that come when the test says so. */
export class Feed<T> {
  readonly #queue: (T | 'end')[] = [];
  #wake = (): void => undefined;

  push(item: T): void {
    this.#queue.push(item);
    this.#wake();
  }

  end(): void {
    this.#queue.push('end');
    this.#wake();
  }

  async *until(signal?: AbortSignal): AsyncIterable<T> {
    signal?.addEventListener('abort', () => this.end(), { once: true });
    for (;;) {
      const item = this.#queue.shift();
      if (item === 'end') return;
      if (item !== undefined) yield item;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A daemon whose answers a test sets; it notes what it was asked. */
export class FakeDaemon {
  readonly asked: string[] = [];
  snapshot: ProjectSnapshot;
  planned: PlanResponse = { diagnostics: [] };
  /** Undefined: there is nothing to do. */
  reloaded: Omit<ReloadResponse, 'snapshot'> | undefined;
  applied: ((request: ApplyRequest) => ApplyResponse) | undefined;
  acted: ((request: ActionRequest) => ActionResponse) | undefined;
  downed: (request: DownRequest) => Promise<DownResponse> = () =>
    Promise.resolve({ stopped: 0, leftovers: [] });
  explained: ExplainResponse | undefined;
  happenings: readonly ProjectEvent[] = [];
  lines: readonly LogLine[] = [];
  /** Undefined: of a version that cannot tell. */
  stats: StatsResponse | Promise<StatsResponse> | undefined;
  timeline: TimelineResponse = { beganAt: NOW, rows: [], now: NOW };
  /** What an instance writes; it goes on until the test ends it. */
  readonly outputs = new Feed<Uint8Array>();
  /** What was typed into an instance. */
  typed = '';
  readonly sizes: string[] = [];
  backlog: number | undefined;
  /** Called with each piece of input; a test may refuse it. */
  takeInput: () => Promise<void> = () => Promise.resolve();
  handedOver: () => void = () => this.vanish();
  leaseFree = true;
  closed = false;
  readonly requests: { apply?: ApplyRequest; logs: LogQuery[]; down: DownRequest[] } = { logs: [], down: [] };
  readonly #watchers = new Set<(item: WatchItem | 'end') => void>();
  #ended = false;

  constructor(snapshot: ProjectSnapshot) {
    this.snapshot = snapshot;
  }

  /** Shows a new snapshot to everyone who watches. */
  show(snapshot: ProjectSnapshot): void {
    this.snapshot = snapshot;
    for (const watcher of this.#watchers) watcher({ type: 'snapshot', snapshot });
  }

  tell(told: ProjectEvent): void {
    for (const watcher of this.#watchers) watcher({ type: 'happening', happening: told });
  }

  vanish(): void {
    for (const watcher of this.#watchers) watcher('end');
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  readonly client: DaemonClient = {
    info: () => Promise.resolve(this.snapshot.daemon),
    snapshot: () => Promise.resolve(this.snapshot),
    plan: () => Promise.resolve(this.planned),
    apply: (request) => {
      this.asked.push('apply');
      this.requests.apply = request;
      return Promise.resolve(this.applied?.(request) ?? { diagnostics: [], snapshot: this.snapshot });
    },
    reload: ({ confirm }) => {
      this.asked.push(confirm ? 'reload, confirmed' : 'reload');
      const { snapshot, reloaded } = this;
      return Promise.resolve({ ...(reloaded ?? { outcome: 'unchanged', diagnostics: [] }), snapshot });
    },
    review: (hold) => {
      this.asked.push(hold ? 'review' : 'no review');
      return Promise.resolve();
    },
    act: (request) => {
      this.asked.push(request.action);
      if (this.acted === undefined) return Promise.reject(new ClientError('conflict', 'not scripted'));
      const { acted } = this;
      return new Promise((resolve) => resolve(acted(request)));
    },
    down: (request) => {
      this.asked.push(`down ${request.level}`);
      this.requests.down.push(request);
      return this.downed(request).then((response) => {
        // A daemon whose project is down ends.
        this.#ended = true;
        for (const watcher of this.#watchers) watcher('end');
        return response;
      });
    },
    explain: (name) =>
      this.explained === undefined
        ? Promise.reject(
            new ClientError('unknown-service', `there is no service \`${name}\``, {
              help: 'did you mean `web`?',
            }),
          )
        : Promise.resolve(this.explained),
    events: ({ limit, follow }, signal) => this.#events(limit, follow ? signal : undefined),
    logs: (query, signal) => this.#logs(query, signal),
    watch: (signal) => this.#watch(signal),
    stats: (atOnce = false) => {
      this.asked.push(atOnce ? 'stats at once' : 'stats');
      if (this.stats !== undefined) return Promise.resolve(this.stats);
      return Promise.reject(new ClientError('unknown-route', 'there is no such route'));
    },
    timeline: () => Promise.resolve(this.timeline),
    exec: () => Promise.reject(new ClientError('not-begun', 'not scripted')),
    input: async (id, data) => {
      await this.takeInput();
      this.asked.push(`input ${id}`);
      this.typed += Buffer.from(data).toString('latin1');
    },
    resize: (id, columns, rows) => {
      this.sizes.push(`${id} ${columns}x${rows}`);
      return Promise.resolve();
    },
    output: (id, backlogBytes, signal) => {
      this.asked.push(`output ${id}`);
      this.backlog = backlogBytes;
      return this.outputs.until(signal);
    },
    handOver: (reason) => {
      this.asked.push(`hand over: ${reason}`);
      this.handedOver();
      return Promise.resolve();
    },
    lease: () => {
      this.asked.push('lease');
      return Promise.resolve(this.leaseFree ? this.#lease : undefined);
    },
    close: () => {
      this.closed = true;
    },
  };

  async *#events(limit: number, signal: AbortSignal | undefined): AsyncIterable<ProjectEvent> {
    yield* this.happenings.slice(-limit);
    if (signal === undefined) return;
    for await (const item of this.#watch(signal)) if (item.type === 'happening') yield item.happening;
  }

  readonly #lease: Lease = { detach: () => Promise.resolve(), ended: new Promise(() => undefined) };

  async *#logs(query: LogQuery, signal: AbortSignal | undefined): AsyncIterable<LogLine> {
    this.requests.logs.push(query);
    await Promise.resolve();
    const { names } = query.select;
    yield* this.lines.filter(
      (line) =>
        (names.length === 0 || names.includes(line.instance) || names.includes(line.service)) &&
        (query.stream === undefined || query.stream === line.stream),
    );
    if (query.follow && signal !== undefined && !signal.aborted) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }
  }

  async *#watch(signal: AbortSignal | undefined): AsyncIterable<WatchItem> {
    if (this.#ended) return;
    const queue: (WatchItem | 'end')[] = [{ type: 'snapshot', snapshot: this.snapshot }];
    let wake = (): void => undefined;
    const watcher = (item: WatchItem | 'end'): void => {
      queue.push(item);
      wake();
    };
    this.#watchers.add(watcher);
    signal?.addEventListener('abort', () => watcher('end'), { once: true });
    try {
      for (;;) {
        const item = queue.shift();
        if (item === 'end') return;
        if (item !== undefined) yield item;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly daemon?: FakeDaemon;
  /** Whether the daemon runs before the command does; default: where one is given. */
  readonly running?: boolean;
  readonly phase?: 'up' | 'down';
  /** Whether an engine still has volumes of the project. */
  readonly keepsVolumes?: boolean;
  readonly services?: Partial<CliServices>;
  readonly env?: Readonly<Record<string, string>>;
  readonly terminal?: { readonly columns: number; readonly rows: number };
  readonly cwd?: string;
  /** What is typed; absent: nothing is, and there is no terminal to type at. */
  readonly keyboard?: Feed<Uint8Array>;
}

/** A command under way, with a clock that only the test moves. */
export class Session {
  out = '';
  err = '';
  /** Whether the keyboard passes on every key at once. */
  raw = false;
  readonly done: Promise<Ran>;
  #now = NOW;
  #timers: { readonly at: number; readonly fire: () => void }[] = [];
  readonly #signals = new Map<CliSignal, Set<() => void>>();

  constructor(argv: readonly string[], options: RunOptions = {}) {
    this.done = runCli(this.#context(argv, options), fakeServices(options)).then((status) => ({
      status,
      out: this.out,
      err: this.err,
    }));
  }

  /** Moves the clock, and fires what is due, in order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#now = next.at;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.fire();
    }
    this.#now = until;
  }

  signal(name: CliSignal): void {
    for (const listener of [...(this.#signals.get(name) ?? [])]) listener();
  }

  listens(name: CliSignal): boolean {
    return (this.#signals.get(name)?.size ?? 0) > 0;
  }

  get timers(): number {
    return this.#timers.length;
  }

  #context(argv: readonly string[], options: RunOptions): CliContext {
    const { terminal } = options;
    return {
      argv,
      env: options.env ?? {},
      cwd: options.cwd ?? '/home/ada/shop',
      stdout: { write: (data) => ((this.out += textOf(data)), true), drained: () => Promise.resolve() },
      stderr: { write: (data) => ((this.err += textOf(data)), true), drained: () => Promise.resolve() },
      stdin: {
        isTTY: options.keyboard !== undefined && terminal !== undefined,
        read: (signal) => (options.keyboard ?? NOTHING).until(signal),
        raw: () => {
          this.raw = true;
          return () => (this.raw = false);
        },
      },
      isTTY: terminal !== undefined,
      columns: () => terminal?.columns,
      rows: () => terminal?.rows ?? 24,
      color: false,
      now: () => this.#now,
      after: (delayMs, fire) => {
        const timer = { at: this.#now + delayMs, fire };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((one) => one !== timer);
        };
      },
      signals: {
        on: (name, listener) => {
          const set = this.#signals.get(name) ?? new Set();
          this.#signals.set(name, set.add(listener));
          return () => set.delete(listener);
        },
      },
    };
  }
}

/** A pipe at whose other end nobody ever says anything. */
const NOTHING = new Feed<Uint8Array>();

function textOf(data: string | Uint8Array): string {
  return typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
}

export function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Session(argv, options).done;
}

function fakeServices(options: RunOptions): CliServices {
  const { daemon } = options;
  const isRunning = options.running ?? daemon !== undefined;
  return {
    locate: () => Promise.resolve(ok(LOCATION)),
    connect: () => Promise.resolve(isRunning ? daemon?.client : undefined),
    ensureDaemon: () =>
      daemon === undefined
        ? Promise.reject(new ClientError('no-daemon', 'the daemon did not start'))
        : Promise.resolve({ client: daemon.client, started: !isRunning }),
    foreground: () => Promise.reject(new ClientError('locked', 'another daemon runs')),
    hasSocket: () => false,
    recordedPhase: () => Promise.resolve(options.phase),
    mayHaveLeft: (_location, volumes) => Promise.resolve(volumes && options.keepsVolumes === true),
    loadManifest: () => Promise.resolve({ diagnostics: [], services: [] }),
    journal: () => Promise.resolve([]),
    offlineLogs: async function* () {
      await Promise.resolve();
      yield* [];
    },
    tui: () => Promise.reject(new Error('there is no terminal here')),
    doctorFacts: () => Promise.resolve([]),
    reap: ({ dryRun }) =>
      Promise.resolve({ dryRun, reap: [], listed: [], kept: [], left: [], files: [], leavings: [] }),
    ...options.services,
  };
}

export const nowhere: CliServices['locate'] = () =>
  Promise.resolve(
    err({ code: 'no-manifest', message: 'no setpoint.yaml here', help: 'write one with `setpoint init`' }),
  );

/** Resolves once `fact` holds; the test's own time limit bounds it. */
export async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await new Promise((resolve) => setImmediate(resolve));
}
