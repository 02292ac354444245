import type { Counter, Gauge, Registry } from 'prom-client';
import type { InstanceStats, ProjectSnapshot, StatsResponse } from '../core/api.ts';
import type { InstanceSnapshot, ProbeView } from '../core/event.ts';
import { isReady, type InstanceStateKind } from '../core/state.ts';

/** A body in a format of its own. */
export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/**
 * What `setpoint_instance_state` tells apart: a running instance by its readiness, one that nobody can tell anything of
 * now as unknown, all others by their kind.
 */
type StateName = InstanceStateKind | 'ready' | 'unready' | 'unknown';

/** Typed so that a state which is not listed does not compile. */
const STATE_NAMES: Readonly<Record<StateName, true>> = {
  stopped: true,
  waiting: true,
  starting: true,
  running: true,
  ready: true,
  unready: true,
  backoff: true,
  stopping: true,
  completed: true,
  failed: true,
  scheduled: true,
  skipped: true,
  unknown: true,
};

/**
 * The project in the text format of Prometheus, version 0.0.4; names and units follow its conventions (base units,
 * `_total` for what only counts up). An instance has figures of use only while it lives. The package is loaded with the
 * first call: a daemon that nobody scrapes does without it.
 */
export async function renderMetrics(snapshot: ProjectSnapshot, stats: StatsResponse): Promise<MetricsText> {
  const sheet = new Sheet(await import('prom-client'));
  writeDaemon(sheet, snapshot, stats);
  const instances = snapshot.services.flatMap((service) => service.instances);
  writeInstances(sheet, instances);
  writeUse(sheet, stats.instances);
  return sheet.render();
}

type Labels = Readonly<Record<string, string>>;
type Series = readonly (readonly [labels: Labels, value: number | undefined])[];
interface Client {
  readonly Registry: typeof Registry;
  readonly Gauge: typeof Gauge;
  readonly Counter: typeof Counter;
}

/** A registry that lives for one answer, so that what is gone from the project is gone from it, too. */
class Sheet {
  readonly #client: Client;
  readonly #registry: Registry;

  constructor(client: Client) {
    this.#client = client;
    this.#registry = new client.Registry();
  }

  gauge(name: string, help: string, series: Series): void {
    const metric: Gauge = new this.#client.Gauge(this.#configuration(name, help, series));
    for (const [labels, value] of series) if (value !== undefined) metric.set(labels, value);
  }

  counter(name: string, help: string, series: Series): void {
    const metric: Counter = new this.#client.Counter(this.#configuration(name, help, series));
    for (const [labels, value] of series) if (value !== undefined) metric.inc(labels, Math.max(0, value));
  }

  async render(): Promise<MetricsText> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #configuration(name: string, help: string, series: Series) {
    return {
      name: `setpoint_${name}`,
      help,
      labelNames: Object.keys(series[0]?.[0] ?? NO_INSTANCE),
      registers: [this.#registry],
    };
  }
}

/** A metric without any series still has labels: one without them would be shown as a lone 0. */
const NO_INSTANCE: Labels = { service: '', instance: '' };

function writeDaemon(sheet: Sheet, { daemon, services, name }: ProjectSnapshot, stats: StatsResponse): void {
  const { cpuMs, memoryBytes, openFiles } = stats.daemon;
  const one = (value: number | undefined): Series => [[{}, value]];
  sheet.gauge('daemon_info', 'What the daemon is; always 1.', [
    [{ version: daemon.version, project: name }, 1],
  ]);
  sheet.gauge(
    'daemon_start_time_seconds',
    'When the daemon was started, in seconds since the epoch.',
    one(daemon.startedAt / 1000),
  );
  sheet.counter('daemon_cpu_seconds_total', 'CPU time of the daemon.', one(cpuMs / 1000));
  sheet.gauge('daemon_resident_memory_bytes', 'Resident memory of the daemon.', one(memoryBytes));
  if (openFiles !== undefined)
    sheet.gauge('daemon_open_files', 'Open file descriptors of the daemon.', one(openFiles));
  sheet.gauge('services', 'Services of the project that take part.', one(services.length));
}

function writeInstances(sheet: Sheet, instances: readonly InstanceSnapshot[]): void {
  const each = (value: (of: InstanceSnapshot) => number | undefined): Series =>
    instances.map((instance) => [labelsOf(instance), value(instance)]);
  sheet.gauge(
    'instance_state',
    'What an instance does: 1 for its present state, 0 for all others. `running` has no readiness probe; `ready` and `unready` have one; of `unknown` nobody can tell now.',
    instances.flatMap((instance) => stateSeries(instance)),
  );
  sheet.gauge(
    'instance_up',
    'Whether the process of an instance runs.',
    each(({ state }) => (state.kind === 'running' ? 1 : 0)),
  );
  sheet.gauge(
    'instance_ready',
    'Whether an instance can be used: ready, or running without a readiness probe.',
    each(({ state }) => (isReady(state) ? 1 : 0)),
  );
  sheet.counter(
    'instance_restarts_total',
    'Restarts by the restart policy since an instance was last started by a person or a change.',
    each(({ restarts }) => restarts),
  );
  sheet.gauge(
    'instance_start_time_seconds',
    'When the present run of an instance was started, in seconds since the epoch.',
    each(({ state }) => (state.kind === 'running' ? state.since / 1000 : undefined)),
  );
  sheet.gauge(
    'instance_last_exit_code',
    'Exit status of the last run of an instance that ended with one.',
    each(lastExitCode),
  );
  sheet.gauge(
    'instance_probe_success',
    'Whether the last look of a probe succeeded.',
    instances.flatMap((instance) => [
      [{ ...labelsOf(instance), probe: 'ready' }, success(instance.ready)],
      [{ ...labelsOf(instance), probe: 'live' }, success(instance.live)],
    ]),
  );
}

function writeUse(sheet: Sheet, instances: readonly InstanceStats[]): void {
  const each = (value: (of: InstanceStats) => number | undefined): Series =>
    instances.map((of) => [{ service: of.service, instance: of.instance }, value(of)]);
  sheet.counter(
    'instance_cpu_seconds_total',
    'CPU time of the present run of an instance, all its processes together.',
    each(({ cpuMs }) => cpuMs / 1000),
  );
  sheet.gauge(
    'instance_resident_memory_bytes',
    'Resident memory of all processes of an instance.',
    each(({ memoryBytes }) => memoryBytes),
  );
  sheet.gauge(
    'instance_processes',
    'Processes of an instance.',
    each(({ processes }) => processes),
  );
  sheet.gauge(
    'instance_threads',
    'Threads of all processes of an instance.',
    each(({ threads }) => threads),
  );
  sheet.gauge(
    'instance_open_files',
    'Open file descriptors of all processes of an instance.',
    each(({ openFiles }) => openFiles),
  );
}

function labelsOf({ service, id }: InstanceSnapshot): Labels {
  return { service, instance: id };
}

function stateSeries(instance: InstanceSnapshot): Series {
  const labels = labelsOf(instance);
  const now = stateName(instance);
  return Object.keys(STATE_NAMES).map((state) => [{ ...labels, state }, state === now ? 1 : 0]);
}

function stateName({ state, unknown }: InstanceSnapshot): StateName {
  if (unknown !== undefined) return 'unknown';
  if (state.kind !== 'running' || state.readiness === undefined) return state.kind;
  return state.readiness.kind === 'ready' ? 'ready' : 'unready';
}

function lastExitCode({ state, lastExit }: InstanceSnapshot): number | undefined {
  const exit = lastExit ?? ('exit' in state ? state.exit : undefined);
  return exit?.kind === 'code' ? exit.code : undefined;
}

function success(probe: ProbeView | undefined): number | undefined {
  if (probe?.last === undefined) return undefined;
  return probe.last.ok ? 1 : 0;
}
