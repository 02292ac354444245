import type { Exit, StartFailure } from '../../src/core/exit.ts';
import { err, ok, type Result } from '../../src/core/result.ts';
import type {
  AdoptRequest,
  Backend,
  Proc,
  StartedProc,
  StartRequest,
  UnitMember,
  UnitStats,
} from '../../src/ports/backend.ts';

/** A unit that does what the test says. By default it ends on any signal but SIGHUP. */
export class FakeProc implements Proc {
  readonly run: string;
  readonly instance: string;
  readonly request: StartRequest | undefined;
  readonly exited: Promise<Exit>;
  readonly gone: Promise<void>;
  readonly signals: string[] = [];
  /** Signals it does not care about; SIGKILL always works. */
  ignores: readonly string[] = ['SIGHUP'];
  rest: UnitMember[] = [];
  #exit: (exit: Exit) => void = () => {};
  #vanish: () => void = () => {};
  #ended = false;
  readonly #pid: number;

  constructor(run: string, instance: string, pid: number, request?: StartRequest) {
    this.run = run;
    this.instance = instance;
    this.#pid = pid;
    this.request = request;
    this.exited = new Promise((resolve) => (this.#exit = resolve));
    this.gone = new Promise((resolve) => (this.#vanish = resolve));
  }

  get alive(): boolean {
    return !this.#ended || this.rest.length > 0;
  }

  pid(): number {
    return this.#pid;
  }

  /** The main process ends; with `rest` something of the unit stays. */
  end(exit: Exit, rest: UnitMember[] = []): void {
    if (this.#ended) return;
    this.#ended = true;
    this.rest = rest;
    this.#exit(exit);
    if (rest.length === 0) this.#vanish();
  }

  signal(signal: string): Promise<number> {
    this.signals.push(signal);
    if (signal !== 'SIGKILL' && this.ignores.includes(signal)) return Promise.resolve(1);
    this.rest = [];
    if (this.#ended) this.#vanish();
    else this.end({ kind: 'signal', signal });
    return Promise.resolve(1);
  }

  stats(): Promise<UnitStats | undefined> {
    const alive: UnitStats = { cpuMs: 10, memoryBytes: 1_048_576, processes: 1, threads: 1, openFiles: 3 };
    return Promise.resolve(this.alive ? alive : undefined);
  }

  members(): Promise<readonly UnitMember[]> {
    return Promise.resolve(this.#ended ? this.rest : [{ pid: this.#pid, command: this.instance }]);
  }
}

export class FakeBackend implements Backend {
  readonly name = 'native';
  readonly procs: FakeProc[] = [];
  /** Instances whose next starts fail so. */
  readonly failures = new Map<string, StartFailure>();
  /** Called for each new unit before it is handed out. */
  onStart: (proc: FakeProc) => void = () => {};
  #pids = 1_000;

  available(): Promise<{ available: true; reason: string }> {
    return Promise.resolve({ available: true, reason: 'fake' });
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    const failure = this.failures.get(request.instance);
    if (failure !== undefined) return Promise.resolve(err(failure));
    const proc = new FakeProc(request.run, request.instance, this.#pids++, request);
    this.procs.push(proc);
    this.onStart(proc);
    return Promise.resolve(ok({ proc }));
  }

  adopt(records: readonly AdoptRequest[]): Promise<readonly Proc[]> {
    const known = new Map(this.procs.map((proc) => [proc.run, proc]));
    return Promise.resolve(records.flatMap(({ record }) => known.get(record.run) ?? []));
  }

  /** The newest unit of an instance. */
  of(instance: string): FakeProc {
    const proc = this.procs.findLast((p) => p.instance === instance);
    if (proc === undefined) throw new Error(`nothing was started for ${instance}`);
    return proc;
  }

  startsOf(instance: string): number {
    return this.procs.filter((p) => p.instance === instance).length;
  }

  get alive(): readonly string[] {
    return this.procs.filter((p) => p.alive).map((p) => p.instance);
  }
}
