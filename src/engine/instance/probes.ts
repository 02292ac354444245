import { isDeepStrictEqual } from 'node:util';
import type { ProbeFailure, ProbeView } from '../../core/event.ts';
import { shortHash } from '../../core/util/hash.ts';
import type { TextContext } from '../../core/launch.ts';
import type { ProbeRole, ProbeVerdict } from '../../core/probe.ts';
import { escapeControl } from '../../core/redact.ts';
import type { InstanceId, Probe } from '../../core/service.ts';
import type { RunId } from '../../core/state.ts';
import type { HealthFeed, HealthState, Knowledge, NotifyFeed } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CommandRunner } from '../../ports/commands.ts';
import type { LogStore } from '../../ports/logs.ts';
import type { Prober } from '../../ports/probes.ts';
import { concreteCheck, describeCheck } from './concrete-check.ts';
import { LogScan, type WantedLine } from './log-scan.ts';
import { PollingProbe } from './polling-probe.ts';
import { ProbeTrack } from './probe-track.ts';
import { Watchdog } from './watchdog.ts';

const MAX_STATUS_TEXT = 200;

export interface ProbingPorts {
  readonly clock: Clock;
  readonly prober: Prober;
  readonly logs: Pick<LogStore, 'runLines'>;
}

/** Who hears of it. Any of these may be called from within `begin` and `update`, and none after `end`. */
export interface ProbeRunnerHost {
  /** The `ready` probe succeeded: for the first time, or after `unready`. */
  ready(): void;
  unready(reason: ProbeFailure): void;
  /** The `live` probe failed: the run should be ended. Told once, and again only if it was well in between. */
  unhealthy(reason: ProbeFailure): void;
  /** What `view` shows has changed for people to see. The time and duration of a look like the last one is no change. */
  changed(): void;
  masked(text: string): string;
  /** Whether the run has a `ready` probe at all: what an engine would tell of a container's health it may not have. */
  probed(has: boolean): void;
  /** A line of the output matched one of the run's `patterns`; told once for each. */
  seen(pattern: string): void;
}

/** A run that is alive, and what its probes need to know of it. */
export interface ProbedRun {
  readonly instance: InstanceId;
  readonly run: RunId;
  /** What late references in commands are filled in from. */
  readonly context: TextContext;
  /** The same for what is looked at from the machine. */
  readonly onMachine: TextContext;
  /** Runs the commands of `exec` checks, where they do not run on the machine. */
  readonly within?: CommandRunner;
  /** Of `exec` checks. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where the run has one. */
  readonly notify?: NotifyFeed;
  /** Where an engine looks after it; `none` elsewhere. */
  readonly health?: HealthFeed;
  /** Whether what is known of the run is so now; absent: always. */
  readonly knowledge?: Knowledge;
  /** Monotonic ms; of an adopted run as near as known, and thus below 0 perhaps. */
  readonly startedAt: number;
  /** Adopted, and ready by its record: it stays so until a probe says otherwise. */
  readonly wasReady: boolean;
  /** The `log` patterns that dependents wait for and that have not been seen yet. */
  readonly patterns: readonly string[];
}

export interface Probes {
  readonly ready?: Probe | undefined;
  readonly live?: Probe | undefined;
}

/** What finds out about one probe: looks, a watchdog, or nothing of its own where the log or the feed tells. */
interface Watch {
  readonly probe: Probe;
  readonly track: ProbeTrack;
  readonly looks?: PollingProbe;
  readonly watchdog?: Watchdog;
}

/**
 * The probes of one run, from its start to its end: asks, reads and listens, has the results judged, and tells its host
 * what follows. Holds a timer only for what has to be asked, and for keep-alives. After `end` nothing of it is left.
 */
export class ProbeRunner {
  readonly #ports: ProbingPorts;
  readonly #host: ProbeRunnerHost;
  readonly #run: ProbedRun;
  readonly #scan: LogScan;
  #probes: Probes;
  #patterns: readonly string[];
  #ready: Watch | undefined;
  #live: Watch | undefined;
  #status: { readonly said: string | undefined; readonly shown?: string } = { said: undefined };
  readonly #seen = new Set<string>();
  readonly #unsubscribe: (() => void)[] = [];
  #health: string | undefined;
  #phase: 'new' | 'on' | 'ended' = 'new';

  constructor(ports: ProbingPorts, host: ProbeRunnerHost, run: ProbedRun, probes: Probes) {
    this.#ports = ports;
    this.#host = host;
    this.#run = run;
    this.#probes = probes;
    this.#patterns = run.patterns;
    this.#scan = new LogScan({
      clock: ports.clock,
      lines: (stream, signal) => ports.logs.runLines(run.instance, run.run, stream, signal),
      found: (wanted, line) => this.#found(wanted, line),
      failed: (wanted, why) => this.#unreadable(wanted, why),
    });
  }

  /** Begins to probe; the first look of `ready` is made at once. */
  begin(): void {
    if (this.#phase !== 'new') return;
    this.#phase = 'on';
    const { notify, health, knowledge, wasReady } = this.#run;
    if (notify !== undefined) {
      this.#unsubscribe.push(notify.subscribe(() => this.#heard()));
      this.#readStatus(notify);
    }
    for (const feed of [health, knowledge]) {
      if (feed !== undefined) this.#unsubscribe.push(feed.subscribe(() => this.#hearHealth()));
    }
    this.#ready = this.#watch('ready', this.#probes.ready, wasReady, 0);
    this.#live = this.#watch('live', this.#probes.live, false, 0);
    this.#settle([this.#ready, this.#live]);
  }

  /**
   * New settings hold from now on; what has not changed goes on undisturbed. A run that is ready stays so until the new
   * probe says otherwise; counts begin anew.
   */
  update(probes: Probes, patterns: readonly string[]): void {
    if (this.#phase !== 'on') {
      this.#probes = probes;
      this.#patterns = patterns;
      return;
    }
    const before = this.#probes;
    this.#probes = probes;
    this.#patterns = patterns;
    const anew: (Watch | undefined)[] = [];
    if (!isDeepStrictEqual(before.ready, probes.ready)) {
      const wasReady = this.#ready?.track.state.standing === 'good';
      stop(this.#ready);
      anew.push((this.#ready = this.#watch('ready', probes.ready, wasReady, 0)));
    }
    if (!isDeepStrictEqual(before.live, probes.live)) {
      stop(this.#live);
      const old = this.#run.notify?.current().triggers ?? 0;
      anew.push((this.#live = this.#watch('live', probes.live, false, old)));
    }
    this.#settle(anew);
    if (anew.length > 0) this.#tell((host) => host.changed());
  }

  /** Gives everything up: what is under way is aborted, and the host is not called any more. Twice is harmless. */
  end(): void {
    this.#phase = 'ended';
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#scan.end();
    stop(this.#ready);
    stop(this.#live);
  }

  /** What the probes last saw, and what the service last said of itself. */
  view(): { readonly ready?: ProbeView; readonly live?: ProbeView; readonly statusText?: string } {
    const { shown } = this.#status;
    return {
      ...(this.#ready === undefined || this.#isUntold(this.#ready)
        ? {}
        : { ready: this.#ready.track.view() }),
      ...(this.#live === undefined || this.#isUntold(this.#live) ? {} : { live: this.#live.track.view() }),
      ...(shown === undefined ? {} : { statusText: shown }),
    };
  }

  /** Of health there may be nobody who tells. */
  #isUntold({ probe }: Watch): boolean {
    return probe.check.kind === 'health' && (this.#run.health?.current() ?? 'none') === 'none';
  }

  #watch(
    role: ProbeRole,
    probe: Probe | undefined,
    wasReady: boolean,
    oldTriggers: number,
  ): Watch | undefined {
    if (probe === undefined) return undefined;
    const { clock, prober } = this.#ports;
    const { startedAt, notify, within, knowledge } = this.#run;
    const { check } = probe;
    const track: ProbeTrack = new ProbeTrack(
      { role, probe, what: describeCheck(check, this.#run), wasReady, startedAt, clock },
      {
        verdict: (verdict, reason) => this.#verdict(role, track, verdict, reason),
        changed: () => this.#current(role, track) && this.#tell((host) => host.changed()),
        masked: (text) => this.#host.masked(text),
      },
    );
    if (check.kind === 'notify' && role === 'live' && notify !== undefined) {
      const afterReady = this.#probes.ready?.check.kind === 'notify';
      const { intervalMs } = probe;
      return {
        probe,
        track,
        watchdog: new Watchdog({ clock, feed: notify, intervalMs, afterReady, oldTriggers }, track),
      };
    }
    if (check.kind === 'notify' || check.kind === 'log' || check.kind === 'health') return { probe, track };
    const spread = this.#spreadOf(role);
    const concrete = (): ReturnType<typeof concreteCheck> => concreteCheck(check, role, this.#run);
    const byOthers = check.kind === 'exec' && within !== undefined;
    const isKnown = (): boolean => knowledge?.current() !== 'unknown';
    const options = { role, probe, spread, check: concrete, clock, prober, byOthers, isKnown };
    return { probe, track, looks: new PollingProbe(options, track) };
  }

  /** The same for an instance each time. */
  #spreadOf(role: ProbeRole): number {
    return Number.parseInt(shortHash(`${this.#run.instance} ${role}`).slice(0, 8), 16) / 2 ** 32;
  }

  /** Sets going what was made; any step may bring about the end. */
  #settle(watches: readonly (Watch | undefined)[]): void {
    for (const watch of watches) {
      if (!this.#isOn()) return;
      watch?.looks?.begin();
      watch?.watchdog?.begin();
      if (watch?.probe.check.kind === 'notify' && this.#run.notify === undefined) {
        watch.track.declare(false, 'the run has no notify socket', this.#ports.clock.now());
      }
    }
    if (!this.#isOn()) return;
    this.#hearReady();
    this.#health = undefined;
    if (this.#isOn()) this.#hearHealth();
    if (this.#isOn()) this.#wantLines();
  }

  #wantLines(): void {
    for (const pattern of this.#patterns) {
      if (this.#scan.line({ pattern }) !== undefined) this.#see(pattern);
    }
    const log = this.#openLog();
    const known = log && this.#scan.line(log.wanted);
    if (known !== undefined) log?.track.declare(true, known, this.#run.startedAt);
    if (!this.#isOn()) return;
    const wanted: WantedLine[] = this.#patterns.map((pattern) => ({ pattern }));
    if (log !== undefined) wanted.push(log.wanted);
    this.#scan.want(wanted);
  }

  /** The `ready` probe where it is a pattern that has not been seen yet. There is no `live` one of that kind. */
  #openLog(): { readonly track: ProbeTrack; readonly wanted: WantedLine } | undefined {
    if (this.#ready?.probe.check.kind !== 'log' || this.#ready.track.state.standing === 'good')
      return undefined;
    const { pattern, stream } = this.#ready.probe.check;
    return { track: this.#ready.track, wanted: { pattern, stream } };
  }

  #found(wanted: WantedLine, line: string): void {
    const log = this.#openLog();
    if (log !== undefined && isSame(log.wanted, wanted)) log.track.declare(true, line, this.#run.startedAt);
    if (wanted.stream === undefined && this.#patterns.includes(wanted.pattern)) this.#see(wanted.pattern);
  }

  #see(pattern: string): void {
    if (this.#seen.has(pattern)) return;
    this.#seen.add(pattern);
    this.#tell((host) => host.seen(pattern));
  }

  #unreadable(wanted: WantedLine, why: string): void {
    const log = this.#openLog();
    if (log !== undefined && isSame(log.wanted, wanted)) log.track.declare(false, why, this.#run.startedAt);
  }

  #heard(): void {
    const { notify } = this.#run;
    if (this.#phase !== 'on' || notify === undefined) return;
    if (this.#readStatus(notify)) this.#tell((host) => host.changed());
    this.#hearReady();
    if (this.#isOn()) this.#live?.watchdog?.heard();
  }

  /** While it reloads, a service is still taken to be ready, as in systemd. */
  #hearReady(): void {
    const said = this.#run.notify?.current();
    const watch = this.#ready;
    if (said === undefined || watch?.probe.check.kind !== 'notify') return;
    const { standing, last } = watch.track.state;
    if (said.stopping) {
      if (standing === 'good') watch.track.declare(false, 'says it is stopping', this.#run.startedAt);
    } else if (said.ready && (standing !== 'good' || last === undefined)) {
      watch.track.declare(true, 'READY=1', this.#run.startedAt);
    }
  }

  /** What the engine says counts as it says it: it does the looking and the counting. */
  #hearHealth(): void {
    const { health, knowledge } = this.#run;
    if (!this.#isOn() || knowledge?.current() === 'unknown') return;
    const state = health?.current() ?? 'none';
    const output = health?.output?.() ?? '';
    const said = `${state} ${output}`;
    if (said === this.#health) return;
    this.#health = said;
    for (const [role, watch] of [
      ['ready', this.#ready],
      ['live', this.#live],
    ] as const) {
      if (watch?.probe.check.kind !== 'health' || !this.#isOn()) continue;
      if (role === 'ready') this.#tell((host) => host.probed(state !== 'none'));
      this.#declareHealth(role, watch.track, state, output);
    }
  }

  #declareHealth(role: ProbeRole, track: ProbeTrack, state: HealthState, output: string): void {
    const { startedAt } = this.#run;
    if (state === 'healthy' || state === 'unhealthy') {
      track.declare(state === 'healthy', output === '' ? state : output, startedAt);
    } else if (state === 'starting' && role === 'ready' && output !== '') {
      // What was never ready is not lost by this; people see why it takes so long.
      if (track.state.standing === 'pending') track.declare(false, output, startedAt);
    }
  }

  /** Whether it says something else of itself than before. */
  #readStatus(notify: NotifyFeed): boolean {
    const said = notify.current().status;
    if (said === this.#status.said) return false;
    const shown = said === undefined ? '' : escapeControl(this.#host.masked(said).trim(), MAX_STATUS_TEXT);
    this.#status = shown === '' ? { said } : { said, shown };
    return true;
  }

  #verdict(role: ProbeRole, track: ProbeTrack, verdict: ProbeVerdict, reason: ProbeFailure): void {
    if (!this.#current(role, track)) return;
    if (verdict === 'ready') this.#tell((host) => host.ready());
    if (verdict === 'lost') this.#tell((host) => host.unready(reason));
    if (verdict === 'unhealthy') this.#tell((host) => host.unhealthy(reason));
  }

  /** Results of a probe that has been replaced since are of no interest. */
  #current(role: ProbeRole, track: ProbeTrack): boolean {
    return (role === 'ready' ? this.#ready : this.#live)?.track === track;
  }

  #isOn(): boolean {
    return this.#phase === 'on';
  }

  #tell(call: (host: ProbeRunnerHost) => void): void {
    if (this.#isOn()) call(this.#host);
  }
}

function stop(watch: Watch | undefined): void {
  watch?.looks?.end();
  watch?.watchdog?.end();
}

function isSame(a: WantedLine, b: WantedLine): boolean {
  return a.pattern === b.pattern && a.stream === b.stream;
}
