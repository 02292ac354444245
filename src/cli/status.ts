import { describeFailedChange } from '../words/cause.ts';
import { describeSkip } from '../words/dependency.ts';
import type { InstanceStats, ManifestStatus, ProjectSnapshot, StatsResponse } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import type { ProjectEvent } from '../core/event.ts';
import { describeExit } from '../words/exit.ts';
import { describeState, instanceWord, stateWord, unnested, type InstanceWord } from '../words/status.ts';
import { relative } from 'node:path';
import { closing, locate, reach, type Common, type Format } from './common.ts';
import { fail, writeJson, type CliContext } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { palette, type Paint, type Palette } from '../words/colour.ts';
import { briefEventText } from '../words/events.ts';
import { table, type Column } from '../words/table.ts';
import { count, dayAndTime, oneLine } from '../words/text.ts';
import { truncate } from '../words/width.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { byInstance, statsAtOnce, statsIfAny } from './stats.ts';
import { percentText, sizeText } from '../words/figures.ts';
import { countStates, portsText, shownInstances, type NamedInstance } from '../words/instances.ts';
import { narrow, unknownName, withLabels } from './view.ts';

export interface StatusOptions {
  readonly all: boolean;
  readonly label: readonly string[];
  readonly format: Format;
}

/** Shows what runs. Where the daemon of a running project is gone, it is brought back first. */
export async function status(
  common: Common,
  names: readonly string[],
  options: StatusOptions,
): Promise<ExitStatus> {
  const { context } = common;
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const client = await reach(common, located.value);
  if (client === undefined) return notUp(common, located.value, options.format);
  return closing(client, async () => {
    const json = options.format === 'json';
    const [whole, stats] = await Promise.all([
      client.snapshot(),
      json ? statsIfAny(client) : statsAtOnce(context, client),
    ]);
    const problem = unknownName(whole, names);
    if (problem !== undefined) return fail(context, problem, EXIT.usage);
    const snapshot = withLabels(narrow(whole, names), options.label);
    if (json) writeJson(context, { ...snapshot, ...(stats === undefined ? {} : { stats }) });
    else context.stdout.write(statusText(snapshot, { ...screen(context), all: options.all, stats }));
    return EXIT.ok;
  });
}

interface ScreenFacts {
  readonly cwd: string;
  readonly color: boolean;
  readonly width: number | undefined;
}

function screen(context: CliContext): ScreenFacts {
  return { cwd: context.cwd, color: context.color, width: context.columns() };
}

export interface StatusView extends ScreenFacts {
  readonly all: boolean;
  /** Undefined where they were not to be had: then the table has no columns for them. */
  readonly stats: StatsResponse | undefined;
}

/** The whole of `setpoint status`. */
export function statusText(snapshot: ProjectSnapshot, options: StatusView): string {
  const colours = palette(options.color);
  const states = countStates(snapshot);
  const manifest = relative(options.cwd, snapshot.files[0] ?? snapshot.daemon.manifest);
  const counts = `${count(snapshot.services.length, 'service')}${states === '' ? '' : `: ${states}`}`;
  const down = snapshot.shutdown;
  const phase = down === undefined ? '' : `  shutting down: ${oneLine(down.reason)}`;
  const cut = (line: string): string => (options.width === undefined ? line : truncate(line, options.width));
  const right = [colours.dim(manifest), ...standing(snapshot.manifest, colours)].join('  ');
  const lines = [cut(`${colours.bold(snapshot.name)}  ${counts}${phase}      ${right}`)];
  for (const { service, reason, rolledBack, kept } of snapshot.manifest?.failed ?? []) {
    const again = rolledBack ? 'its former version runs again' : `\`setpoint explain ${service}\``;
    const after = kept === true ? 'its former version goes on' : again;
    const what = kept === true ? 'the change was not taken up' : 'did not come up as changed';
    lines.push(
      cut(
        `${colours.red('✖')} ${service}${kept === true ? ':' : ''} ${what}: ${oneLine(describeFailedChange(reason))}; ${after}`,
      ),
    );
  }
  const rows = shownInstances(snapshot);
  if (rows.length > 0) {
    lines.push('', ...table(rows, columns(snapshot, colours, options.stats), options.width, colours.dim));
  }
  if (options.all && snapshot.inactive.length > 0) {
    lines.push('', cut(`inactive (no profile of theirs is active): ${snapshot.inactive.join(', ')}`));
  }
  return `${lines.join('\n')}\n`;
}

/** How what runs stands to the manifest. */
function standing(status: ManifestStatus | undefined, colours: Palette): readonly string[] {
  switch (status?.state) {
    case undefined:
      return [];
    case 'in-sync':
      return [status.watched ? colours.green('in sync') : colours.dim('not watched')];
    case 'invalid':
      return [colours.red(`✖ ${count(status.errors, 'error')} (setpoint check)`)];
    case 'pending': {
      const { start, replace, update, stop } = status.pending ?? { start: 0, replace: 0, update: 0, stop: 0 };
      return [colours.yellow(`~ ${count(start + replace + update + stop, 'change')} held (setpoint plan)`)];
    }
  }
}

function columns(
  snapshot: ProjectSnapshot,
  colours: Palette,
  stats: StatsResponse | undefined,
): Column<NamedInstance>[] {
  const used = byInstance(stats);
  const figure = (of: (stats: InstanceStats | undefined) => string): Column<NamedInstance>['text'] => {
    return ({ instance }) => (stats === undefined ? '' : of(used.get(instance.id)));
  };
  return [
    { title: 'SERVICE', priority: 0, text: ({ name }) => name, paint: (cell) => colours.bold(cell) },
    {
      title: 'STATE',
      priority: 0,
      text: ({ instance, service }) =>
        describeState(instance, snapshot.now) + (service.inManifest ? '' : ' (not in the manifest)'),
      paint: (cell, { instance }) => paintOf(instanceWord(instance), colours)(cell),
    },
    { title: 'UP', priority: 1, text: ({ instance }) => upSince(instance.state, snapshot.now) },
    { title: 'RESTARTS', priority: 2, text: ({ instance }) => String(instance.restarts) },
    { title: 'CPU', priority: 4, text: figure((one) => percentText(one?.cpuPercent)) },
    { title: 'MEM', priority: 3, text: figure((one) => sizeText(one?.memoryBytes)) },
    { title: 'PORTS', priority: 5, text: ({ instance }) => dash(portsText(instance.ports)) },
    { title: 'BACKEND', priority: 6, text: ({ service }) => service.backend },
    { title: '', priority: 7, least: 24, text: ({ instance }) => lastWords(instance) },
  ];
}

export function paintOf(word: InstanceWord, colours: Palette): Paint {
  switch (word) {
    case 'ready':
    case 'running':
      return colours.green;
    case 'failed':
    case 'skipped':
      return colours.red;
    case 'not ready':
    case 'backoff':
    case 'starting':
    case 'stopping':
    case 'waiting':
    case 'unknown':
      return colours.yellow;
    case 'scheduled':
    case 'completed':
    case 'stopped':
      return colours.dim;
  }
}

function upSince(state: NamedInstance['instance']['state'], now: number): string {
  return state.kind === 'running' ? formatSpan(Math.max(0, now - state.since), 'whole') : '-';
}

function dash(text: string): string {
  return text === '' ? '-' : text;
}

/** How it ended, and what it said then; of one that runs, what its probe saw while it is not ready, or what it says of itself. */
function lastWords(instance: NamedInstance['instance']): string {
  const { state, lastCause, lastExit } = instance;
  const cause = lastCause === undefined ? '' : `: ${oneLine(lastCause)}`;
  switch (state.kind) {
    case 'backoff':
    case 'failed': {
      const end = oneLine(describeExit(state.exit));
      // What kept a start from happening is its end and its cause at once.
      return end.endsWith(cause) ? end : end + cause;
    }
    case 'completed':
      return describeExit(state.exit);
    case 'stopped':
      return state.exit === undefined ? '' : oneLine(describeExit(state.exit));
    case 'scheduled':
      return state.exit === undefined ? '' : `last: ${oneLine(describeExit(state.exit))}`;
    case 'skipped':
      return oneLine(unnested(describeSkip(state.reason)));
    case 'starting':
    case 'waiting':
      return lastExit === undefined ? '' : `last: ${oneLine(describeExit(lastExit))}${cause}`;
    case 'running':
      return oneLine(whatItSays(instance));
    case 'stopping':
      return '';
  }
}

function whatItSays({ state, ready, statusText: said = '' }: NamedInstance['instance']): string {
  if (stateWord(state) !== 'not ready') return said;
  return ready?.last?.ok === false && ready.last.output !== '' ? ready.last.output : said;
}

/** How far back the journal is read for the last states. */
const JOURNAL = 1000;

async function notUp(
  { context, services }: Common,
  location: ProjectLocation,
  format: Format,
): Promise<ExitStatus> {
  const last = lastStates(await services.journal(location, JOURNAL));
  if (format === 'json') {
    writeJson(context, { name: location.name, phase: 'down', last });
    return EXIT.ok;
  }
  context.stdout.write(`${location.name} is not running\n`);
  if (last.length > 0) {
    const rows = table(
      last,
      [
        { title: 'SERVICE', priority: 0, text: ({ instance }) => instance ?? '' },
        { title: 'WHEN', priority: 1, text: ({ time }) => dayAndTime(time).slice(0, -4) },
        { title: 'LAST', priority: 0, text: briefEventText },
      ] satisfies Column<ProjectEvent>[],
      context.columns(),
      palette(context.color).dim,
    );
    context.stdout.write(`\n${rows.join('\n')}\n`);
  }
  return EXIT.ok;
}

/** Of each instance the newest happening that says how it stands. */
function lastStates(journal: readonly ProjectEvent[]): readonly ProjectEvent[] {
  const telling = new Set<ProjectEvent['type']>([
    'instance-started',
    'instance-adopted',
    'instance-exited',
    'instance-stopped',
    'instance-completed',
    'instance-failed',
    'instance-skipped',
  ]);
  const last = new Map<string, ProjectEvent>();
  for (const happening of journal) {
    if (happening.instance !== undefined && telling.has(happening.type))
      last.set(happening.instance, happening);
  }
  return [...last.values()].sort((a, b) => (a.instance ?? '').localeCompare(b.instance ?? ''));
}
