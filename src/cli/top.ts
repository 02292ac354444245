import type { DaemonClient } from '../client/types.ts';
import type { InstanceStats, ProjectSnapshot, StatsResponse } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import { describeState, instanceWord } from '../words/status.ts';
import { withDaemon, type Common, type Format } from './common.ts';
import { fail, writeJson, type CliContext } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { isGone } from './monitor.ts';
import { palette, type Palette } from '../words/colour.ts';
import { FullScreen } from '../terminal/full-screen.ts';
import { table, type Column } from '../words/table.ts';
import { truncate } from '../words/width.ts';
import { byInstance } from './stats.ts';
import { percentText, sizeText } from '../words/figures.ts';
import { paintOf } from './status.ts';
import { daemonGone } from './up-detached.ts';
import { countStates, shownInstances, type NamedInstance } from '../words/instances.ts';
import { narrow, unknownName } from './view.ts';

export type TopOrder = 'cpu' | 'mem' | 'name';

export interface TopOptions {
  /** Ms between two samples. */
  readonly interval: number;
  readonly once: boolean;
  readonly sort: TopOrder;
  readonly format: Format;
}

/** What instances use: a live table on a terminal, else one table. Ends with q or Ctrl-C. */
export function top(common: Common, names: readonly string[], options: TopOptions): Promise<ExitStatus> {
  const { context } = common;
  return withDaemon(common, async (client) => {
    const first = await sample(client);
    const problem = unknownName(first.snapshot, names);
    if (problem !== undefined) return fail(context, problem, EXIT.usage);
    if (options.format === 'json') {
      writeJson(context, topJson(first, names, options.sort));
      return EXIT.ok;
    }
    if (!options.once && context.isTTY) return live(context, client, first, names, options);
    const lines = topLines(first, {
      names,
      sort: options.sort,
      width: context.columns(),
      color: context.color,
    });
    context.stdout.write(`${lines.join('\n')}\n`);
    return EXIT.ok;
  });
}

interface Sample {
  readonly snapshot: ProjectSnapshot;
  readonly stats: StatsResponse;
}

async function sample(client: DaemonClient): Promise<Sample> {
  const [snapshot, stats] = await Promise.all([client.snapshot(), client.stats()]);
  return { snapshot, stats };
}

const KEYS: Readonly<Record<string, TopOrder | 'quit'>> = {
  q: 'quit',
  '\u0003': 'quit',
  '\u0004': 'quit',
  c: 'cpu',
  m: 'mem',
  n: 'name',
};

async function live(
  context: CliContext,
  client: DaemonClient,
  first: Sample,
  names: readonly string[],
  options: TopOptions,
): Promise<ExitStatus> {
  const screen = new FullScreen((text) => context.stdout.write(text));
  const stop = new AbortController();
  let latest = first;
  let { sort } = options;
  const paint = (): void => {
    const size = { columns: context.columns() ?? 80, rows: context.rows() };
    const lines = topLines(latest, { names, sort, width: size.columns, color: context.color });
    const room = Math.max(1, size.rows - 2);
    screen.paint([...lines.slice(0, room), '', keysLine(sort, size.columns, context.color)], size);
  };
  const typed = (key: string): void => {
    const meaning = KEYS[key];
    if (meaning === 'quit') stop.abort();
    else if (meaning !== undefined) {
      sort = meaning;
      paint();
    }
  };
  const raw = context.stdin.isTTY ? context.stdin.raw() : undefined;
  const listeners = [
    ...(['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => context.signals.on(name, () => stop.abort())),
    context.signals.on('SIGWINCH', paint),
  ];
  if (raw !== undefined) void readKeys(context, typed, stop);
  try {
    paint();
    while (await pause(context, options.interval, stop.signal)) {
      latest = await sample(client);
      if (!stop.signal.aborted) paint();
    }
    return EXIT.ok;
  } catch (error) {
    if (!isGone(error)) throw error;
    screen.leave();
    return daemonGone(context, latest.snapshot);
  } finally {
    screen.leave();
    raw?.();
    stop.abort();
    for (const end of listeners) end();
  }
}

/** The end of what can be typed is the end of the terminal. */
async function readKeys(
  context: CliContext,
  typed: (key: string) => void,
  stop: AbortController,
): Promise<void> {
  try {
    for await (const piece of context.stdin.read(stop.signal)) {
      for (const key of Buffer.from(piece).toString('latin1')) typed(key);
    }
  } finally {
    stop.abort();
  }
}

/** False where `signal` aborted. */
function pause(context: CliContext, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    const over = (): void => {
      cancel();
      resolve(false);
    };
    const cancel = context.after(ms, () => {
      signal.removeEventListener('abort', over);
      resolve(true);
    });
    signal.addEventListener('abort', over, { once: true });
  });
}

function keysLine(sort: TopOrder, width: number, color: boolean): string {
  const keys = (['cpu', 'mem', 'name'] as const).map((order) =>
    order === sort ? `[${order}]` : `${order.charAt(0)}: ${order}`,
  );
  return palette(color).dim(truncate(` sorted by ${keys.join('  ')}   q: quit`, width));
}

interface TopView {
  readonly names: readonly string[];
  readonly sort: TopOrder;
  readonly width: number | undefined;
  readonly color: boolean;
}

interface Row {
  readonly shown?: NamedInstance;
  readonly name: string;
  readonly stats: Omit<InstanceStats, 'service' | 'instance' | 'cpuMs' | 'threads' | 'processes'> & {
    readonly threads?: number;
    readonly processes?: number;
  };
}

/** A line of totals, the table of what is live, and the daemon's own line. */
export function topLines({ snapshot, stats }: Sample, view: TopView): string[] {
  const colours = palette(view.color);
  const rows = rowsOf({ snapshot, stats }, view);
  const cpu = rows.reduce((sum, row) => sum + (row.stats.cpuPercent ?? 0), 0);
  const memory = rows.reduce((sum, row) => sum + row.stats.memoryBytes, 0);
  const states = countStates(narrow(snapshot, view.names));
  const head = `${colours.bold(snapshot.name)}  ${states === '' ? 'nothing runs' : states}   CPU ${percentText(cpu)}  MEM ${sizeText(memory)}`;
  const daemon: Row = {
    name: 'daemon',
    stats: { ...stats.daemon, uptimeMs: Math.max(0, snapshot.now - snapshot.daemon.startedAt) },
  };
  return [
    view.width === undefined ? head : truncate(head, view.width),
    '',
    ...table([...rows, daemon], columns(snapshot, colours), view.width, colours.dim),
  ];
}

function columns(snapshot: ProjectSnapshot, colours: Palette): Column<Row>[] {
  return [
    {
      title: 'SERVICE',
      priority: 0,
      text: ({ name }) => name,
      paint: (cell, { shown }) => (shown === undefined ? colours.dim(cell) : colours.bold(cell)),
    },
    { title: 'CPU', priority: 0, text: ({ stats }) => percentText(stats.cpuPercent) },
    { title: 'MEM', priority: 0, text: ({ stats }) => sizeText(stats.memoryBytes) },
    { title: 'PROCS', priority: 3, text: ({ stats }) => numberText(stats.processes) },
    { title: 'THREADS', priority: 4, text: ({ stats }) => numberText(stats.threads) },
    { title: 'FILES', priority: 5, text: ({ stats }) => numberText(stats.openFiles) },
    { title: 'UP', priority: 1, text: ({ stats }) => formatSpan(stats.uptimeMs, 'whole') },
    { title: 'RESTARTS', priority: 2, text: ({ shown }) => numberText(shown?.instance.restarts) },
    {
      title: 'STATE',
      priority: 6,
      text: ({ shown }) => (shown === undefined ? '-' : describeState(shown.instance, snapshot.now)),
      paint: (cell, { shown }) =>
        shown === undefined ? cell : paintOf(instanceWord(shown.instance), colours)(cell),
    },
  ];
}

function rowsOf({ snapshot, stats }: Sample, { names, sort }: Pick<TopView, 'names' | 'sort'>): Row[] {
  const used = byInstance(stats);
  const rows = shownInstances(narrow(snapshot, names)).flatMap((shown): Row[] => {
    const own = used.get(shown.instance.id);
    return own === undefined ? [] : [{ shown, name: shown.name, stats: own }];
  });
  const byName = (a: Row, b: Row): number => a.name.localeCompare(b.name, 'en', { numeric: true });
  switch (sort) {
    case 'cpu':
      return rows.sort((a, b) => (b.stats.cpuPercent ?? 0) - (a.stats.cpuPercent ?? 0) || byName(a, b));
    case 'mem':
      return rows.sort((a, b) => b.stats.memoryBytes - a.stats.memoryBytes || byName(a, b));
    case 'name':
      return rows.sort(byName);
  }
}

function topJson(taken: Sample, names: readonly string[], sort: TopOrder): unknown {
  const { at, daemon } = taken.stats;
  const instances = rowsOf(taken, { names, sort }).map(({ shown, stats }) => ({
    ...stats,
    restarts: shown?.instance.restarts,
    state: shown?.instance.state.kind,
  }));
  return { at, instances, daemon: { pid: taken.snapshot.daemon.pid, ...daemon } };
}

function numberText(n: number | undefined): string {
  return n === undefined ? '-' : String(n);
}
