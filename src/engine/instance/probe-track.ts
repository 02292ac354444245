import type { ProbeFailure, ProbeView } from '../../core/event.ts';
import {
  declare,
  judge,
  type Judgement,
  newProbeState,
  type ProbeRole,
  type ProbeState,
  type ProbeVerdict,
} from '../../core/probe.ts';
import { escapeControl } from '../../core/redact.ts';
import type { Probe } from '../../core/service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ProbeResult } from '../../ports/probes.ts';

const MAX_SHOWN = 300;

/** Who hears of what a probe's results lead to. Anything may follow from a call, the end of the probe included. */
export interface TrackHost {
  verdict(verdict: Exclude<ProbeVerdict, 'nothing'>, reason: ProbeFailure): void;
  /** What a person would see is different; a further result like the last one is not. */
  changed(): void;
  masked(text: string): string;
}

export interface TrackOptions {
  readonly role: ProbeRole;
  readonly probe: Probe;
  /** What is looked at, in words, not yet masked. */
  readonly what: string;
  readonly wasReady: boolean;
  /** Monotonic ms. */
  readonly startedAt: number;
  readonly clock: Clock;
}

/** What is known of one probe of one run: keeps its results, has them judged, and tells what follows. */
export class ProbeTrack {
  readonly #options: TrackOptions;
  readonly #host: TrackHost;
  readonly #what: string;
  #state: ProbeState;
  #last: ProbeView['last'];

  constructor(options: TrackOptions, host: TrackHost) {
    this.#options = options;
    this.#host = host;
    this.#state = newProbeState(options.role, options.wasReady);
    this.#what = escapeControl(host.masked(options.what), MAX_SHOWN);
  }

  get state(): ProbeState {
    return this.#state;
  }

  /** The result of a look that began at `begunAt`, monotonic ms. */
  record(result: ProbeResult, begunAt: number): void {
    const { role, probe, startedAt } = this.#options;
    const { retries, success, startPeriodMs } = probe;
    const look = { result: result.ok ? 'ok' : 'failed', sinceStartMs: begunAt - startedAt } as const;
    const judgement = judge({ role, retries, success, startPeriodMs }, this.#state, look);
    const { failures } = judgement.state;
    this.#take(judgement, result, begunAt, (output) =>
      probe.check.kind === 'notify'
        ? { kind: 'reported', output, failures }
        : { kind: 'failed', what: this.#what, failures, output },
    );
  }

  /** The service's own word, which needs no counting. `begunAt`: since when it was waited for, monotonic ms. */
  declare(good: boolean, output: string, begunAt: number): void {
    const judgement = declare(this.#options.role, this.#state, good);
    this.#take(judgement, { ok: good, output }, begunAt, (shown) => ({
      kind: 'reported',
      output: shown,
    }));
  }

  view(): ProbeView {
    const { inARow } = this.#state;
    const { retries } = this.#options.probe;
    const last = this.#last;
    return { what: this.#what, inARow, retries, ...(last === undefined ? {} : { last }) };
  }

  #take(
    { state, verdict }: Judgement,
    { ok, end, output }: ProbeResult,
    begunAt: number,
    reason: (shown: string) => ProbeFailure,
  ): void {
    const { clock } = this.#options;
    const before = this.view();
    const said = presentable(this.#host.masked(output));
    const shown = end === undefined ? said : `${end}${colon(said)}`;
    this.#state = state;
    this.#last = { ok, at: clock.wall(), tookMs: Math.max(0, clock.now() - begunAt), output: shown };
    const news = isNews(before, this.view());
    if (verdict !== 'nothing') this.#host.verdict(verdict, reason(shown));
    if (news) this.#host.changed();
  }
}

function colon(text: string): string {
  return text === '' ? '' : `: ${text}`;
}

/** A count beyond the one that matters, a time and a duration are different each time, and no news. */
function isNews(before: ProbeView, after: ProbeView): boolean {
  if (before.last?.ok !== after.last?.ok || before.last?.output !== after.last?.output) return true;
  const failing = after.last?.ok === false;
  return failing && Math.min(before.inARow, after.retries) !== Math.min(after.inARow, after.retries);
}

const SHOWN_LINES = 3;

/** The last lines that say anything, in one, bounded; of what is too long the end, which tells more than the beginning. */
function presentable(masked: string): string {
  const lines = masked
    .split(/\r\n|[\r\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const joined = escapeControl(lines.slice(-SHOWN_LINES).join(' | '));
  return joined.length <= MAX_SHOWN ? joined : `...${joined.slice(3 - MAX_SHOWN)}`;
}
