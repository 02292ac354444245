import type { ServiceSnapshot, TimelineResponse, TimelineRow } from './api.ts';
import type { Cause, ProjectEvent, InstanceSnapshot } from './event.ts';
import { compareText } from './graph.ts';
import { unreachable } from './util/result.ts';
import type { InstanceId, ServiceId } from './service.ts';

type Told<T extends ProjectEvent['type']> = Extract<ProjectEvent, { readonly type: T }>;

/** What the journal tells of one instance since the start began. Points in time are epoch ms. */
interface Track {
  readonly service: ServiceSnapshot;
  readonly instance: InstanceSnapshot;
  readonly wantedAt: number;
  readonly startedAt?: number;
  /** When it could first be used: ready, or running where nothing tells readiness. */
  readonly readyAt?: number;
  readonly completedAt?: number;
  /** When it first completed, or failed after it had run. */
  readonly endedAt?: number;
  readonly done?: { readonly at: number; readonly as: NonNullable<TimelineRow['doneAs']> };
}

/**
 * How the project last came up, from its journal (oldest first) and what it does now. That start began with the last
 * `manifest-applied`, `manifest-reloaded` or `daemon-started` which made something start; where the journal no longer holds it, with the
 * earliest start that it does hold. Rows are those instances that were started then and are still there, in order of
 * `wantedAt`, then of `startedAt`. What started only later, by hand, by policy or by schedule, is not of that start.
 * `beganAt` is `nowMs` where nothing was started at all.
 */
export function timeline(
  happenings: readonly ProjectEvent[],
  services: readonly ServiceSnapshot[],
  nowMs: number,
): TimelineResponse {
  const begin = beginning(happenings);
  if (begin === undefined) return { beganAt: nowMs, rows: [], now: nowMs };
  const told = byInstance(happenings.slice(begin.index));
  const awaited = awaitedToComplete(services);
  const tracks = services.flatMap((service) =>
    service.instances.flatMap((instance) => {
      const track = follow(service, instance, told.get(instance.id) ?? [], begin, awaited.has(service.id));
      return track === undefined ? [] : [track];
    }),
  );
  const waits = tracks.map((track) => ({ track, waitedFor: waitsOf(track, tracks, nowMs) }));
  const critical = criticalChain(waits);
  const rows = waits.map(({ track, waitedFor }) => rowOf(track, waitedFor, critical)).sort(byTime);
  const ends = rows.flatMap(({ doneAt }) => (doneAt === undefined ? [] : [doneAt]));
  const isOver = rows.length > 0 && ends.length === rows.length;
  return {
    beganAt: Math.min(begin.at, ...rows.map(({ wantedAt }) => wantedAt)),
    ...(isOver ? { doneAt: Math.max(...ends) } : {}),
    rows,
    now: nowMs,
  };
}

interface Beginning {
  readonly index: number;
  readonly at: number;
  /** Absent where the journal no longer tells what the start began with: then every start counts. */
  readonly marked: boolean;
}

function beginning(happenings: readonly ProjectEvent[]): Beginning | undefined {
  let started = false;
  for (let index = happenings.length - 1; index >= 0; index -= 1) {
    const happening = happenings[index];
    if (happening === undefined) continue;
    if (isOfAStart(happening)) started = true;
    const isMark =
      happening.type === 'manifest-applied' ||
      happening.type === 'manifest-reloaded' ||
      happening.type === 'daemon-started';
    if (started && isMark) return { index, at: happening.time, marked: true };
  }
  const index = happenings.findIndex(({ type }) => type === 'instance-started');
  const first = happenings[index];
  return first === undefined ? undefined : { index, at: first.time, marked: false };
}

function isOfAStart(happening: ProjectEvent): boolean {
  return happening.type === 'instance-started' && comesWithTheProject(happening.cause);
}

/** Whether a start with this cause is one of those that applying a manifest, or taking one up again, leads to. */
function comesWithTheProject(cause: Cause): boolean {
  switch (cause.kind) {
    case 'added':
    case 'changed':
    case 'dependency':
    case 'scaled':
    case 'not-running':
      return true;
    case 'text':
      return cause.of === 'dependency' || cause.of === 'not-running';
    case 'removed':
    case 'user':
    case 'policy':
    case 'schedule':
    case 'files':
    case 'shutdown':
      return false;
    default:
      return unreachable(cause);
  }
}

function byInstance(happenings: readonly ProjectEvent[]): ReadonlyMap<InstanceId, readonly ProjectEvent[]> {
  const told = new Map<InstanceId, ProjectEvent[]>();
  for (const happening of happenings) {
    if (happening.instance === undefined) continue;
    const list = told.get(happening.instance);
    if (list === undefined) told.set(happening.instance, [happening]);
    else list.push(happening);
  }
  return told;
}

/** Services of which another one awaits the end: these are not done by running. */
function awaitedToComplete(services: readonly ServiceSnapshot[]): ReadonlySet<ServiceId> {
  const all = services.flatMap(({ dependsOn }) => dependsOn);
  return new Set(
    all.filter(({ condition }) => condition.startsWith('completed')).map(({ service }) => service),
  );
}

/** What one instance did in this start; undefined where it took no part. */
function follow(
  service: ServiceSnapshot,
  instance: InstanceSnapshot,
  told: readonly ProjectEvent[],
  begin: Beginning,
  mustEnd: boolean,
): Track | undefined {
  if (!tookPart(service, instance, told, begin)) return undefined;
  const start = told.find((h) => h.type === 'instance-started');
  const since = start === undefined ? told : told.slice(told.indexOf(start));
  const startedAt = start === undefined ? undefined : startOf(start, instance);
  const readyAt = readinessOf(instance, since, startedAt);
  const completedAt = since.find(({ type }) => type === 'instance-completed')?.time;
  const failedAt = since.find((h) => h.type === 'instance-failed' && h.exit.kind !== 'spawn-error')?.time;
  const endedAt = completedAt ?? failedAt;
  const track = {
    service,
    instance,
    wantedAt: Math.min(begin.marked ? begin.at : (told[0]?.time ?? begin.at), startedAt ?? Infinity),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(readyAt === undefined ? {} : { readyAt }),
    ...(completedAt === undefined ? {} : { completedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
  const done = doneOf(track, since, mustEnd);
  return done === undefined ? track : { ...track, done };
}

/**
 * A run that was there before the start began, and ended in between, is no part of it, whatever its restart policy made
 * of that end; one that was stopped to be replaced is, and so is a start that never got as far as a process.
 */
function tookPart(
  service: ServiceSnapshot,
  instance: InstanceSnapshot,
  told: readonly ProjectEvent[],
  begin: Beginning,
): boolean {
  // What its schedule does comes in between, and may not have got as far as a start with a cause.
  if (service.schedule !== undefined && !told.some(isOfAStart)) return false;
  let replaced = false;
  for (const happening of told) {
    if (happening.type === 'instance-adopted') return false;
    if (happening.type === 'instance-started') return !begin.marked || comesWithTheProject(happening.cause);
    if (happening.type === 'instance-stopping') {
      replaced = comesWithTheProject(happening.cause);
      if (!replaced) return false;
    }
    if (happening.type === 'instance-exited') {
      if (happening.exit.kind === 'spawn-error') return true;
      if (!replaced) return false;
    }
  }
  if (told.some(({ type }) => WITHOUT_A_PROCESS.has(type))) return true;
  const { state, wanted } = instance;
  return (
    wanted === 'up' && (state.kind === 'starting' || state.kind === 'waiting') && state.since >= begin.at
  );
}

const WITHOUT_A_PROCESS: ReadonlySet<ProjectEvent['type']> = new Set([
  'instance-waiting',
  'instance-skipped',
  'instance-failed',
]);

/** The journal's line about a start waits for the pid; the state of a run that is still there knows the moment itself. */
function startOf(start: Told<'instance-started'>, { state }: InstanceSnapshot): number {
  return state.kind === 'running' && state.run === start.run ? Math.min(start.time, state.since) : start.time;
}

/** When it was as far as the others needed it: at its end where one of them awaits that, else once it was of use. */
function doneOf(track: Omit<Track, 'done'>, told: readonly ProjectEvent[], mustEnd: boolean): Track['done'] {
  const { instance, startedAt, readyAt, completedAt } = track;
  const { state } = instance;
  if (!mustEnd && readyAt !== undefined) {
    const probed = told.some(({ type }) => type === 'instance-ready');
    return { at: readyAt, as: probed ? 'ready' : 'running' };
  }
  if (completedAt !== undefined) return { at: completedAt, as: 'completed' };
  const failed = told.find(({ type }) => type === 'instance-failed');
  if (failed !== undefined && state.kind !== 'running') return { at: failed.time, as: 'failed' };
  const skipped = told.findLast(({ type }) => type === 'instance-skipped');
  if (skipped === undefined || startedAt !== undefined || state.kind !== 'skipped') return undefined;
  return { at: skipped.time, as: 'skipped' };
}

/**
 * When it could first be used. Without a probe that is when it runs, and is known only of one that still does: what a
 * run that has ended was like, the journal does not tell.
 */
function readinessOf(
  { state, ready }: InstanceSnapshot,
  told: readonly ProjectEvent[],
  startedAt: number | undefined,
): number | undefined {
  const happened = told.find(({ type }) => type === 'instance-ready');
  if (happened !== undefined) return happened.time;
  const isProbed = ready !== undefined || (state.kind === 'running' && state.readiness !== undefined);
  return state.kind === 'running' && !isProbed ? startedAt : undefined;
}

type Wait = TimelineRow['waitedFor'][number];

interface Waiting {
  readonly track: Track;
  readonly waitedFor: readonly Wait[];
}

/** In order of `until`. */
function waitsOf(track: Track, tracks: readonly Track[], nowMs: number): readonly Wait[] {
  const end = track.startedAt ?? nowMs;
  return track.service.dependsOn
    .flatMap(({ service, condition }): readonly Wait[] => {
      const holds = tracks
        .filter((other) => other.service.id === service)
        .map((other) => heldAt(other, condition, track.startedAt));
      const until = holds.some((at) => at === undefined)
        ? undefined
        : Math.max(...holds.map((at) => at ?? 0));
      const heldUp = until !== undefined && until > track.wantedAt && until <= end;
      return heldUp ? [{ service, condition, until }] : [];
    })
    .sort((a, b) => a.until - b.until || compareText(a.service, b.service));
}

/** When a dependency met its condition. The journal does not tell when a line was seen: at the latest, when it counted. */
function heldAt(track: Track, condition: string, dependentStartedAt: number | undefined): number | undefined {
  switch (condition) {
    case 'ready':
      return track.readyAt ?? track.completedAt;
    case 'completed':
      return track.endedAt;
    case 'completed-successfully':
      return track.completedAt;
    case 'log':
      return dependentStartedAt;
    default:
      return track.startedAt;
  }
}

/** From the instance that was done last, back along what held each one up to the end of its wait. */
function criticalChain(waiting: readonly Waiting[]): ReadonlySet<InstanceId> {
  const chain = new Set<InstanceId>();
  let next = latest(waiting, ({ track }) => track.done?.at);
  while (next !== undefined && !chain.has(next.track.instance.id)) {
    chain.add(next.track.instance.id);
    const { track, waitedFor } = next;
    const last = waitedFor.at(-1);
    if (last === undefined) break;
    const candidates = waiting.filter(({ track: other }) => other.service.id === last.service);
    next = latest(candidates, ({ track: other }) => heldAt(other, last.condition, track.startedAt));
  }
  return chain;
}

/** The one with the latest time; of several, the first by name. Undefined where none has a time. */
function latest(waiting: readonly Waiting[], time: (of: Waiting) => number | undefined): Waiting | undefined {
  const timed = waiting.flatMap((one) => {
    const at = time(one);
    return at === undefined ? [] : [{ one, at }];
  });
  timed.sort((a, b) => b.at - a.at || compareText(a.one.track.instance.id, b.one.track.instance.id));
  return timed[0]?.one;
}

function rowOf(track: Track, waitedFor: readonly Wait[], critical: ReadonlySet<InstanceId>): TimelineRow {
  const { service, instance, wantedAt, startedAt, done } = track;
  return {
    service: service.id,
    instance: instance.id,
    wantedAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(done === undefined ? {} : { doneAt: done.at, doneAs: done.as }),
    waitedFor,
    critical: critical.has(instance.id),
  };
}

/** What has not been started comes last. */
function byTime(a: TimelineRow, b: TimelineRow): number {
  const [first, second] = [a.startedAt ?? Infinity, b.startedAt ?? Infinity];
  const byStart = first === second ? 0 : first - second;
  return a.wantedAt - b.wantedAt || byStart || compareText(a.instance, b.instance);
}
